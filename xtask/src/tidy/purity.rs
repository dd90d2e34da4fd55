//! What a crate may not name: the pure ones no sockets and no clock, `init` none of them outside `sys.rs`, and
//! nobody `unsafe` outside that file.

use super::Finding;
use super::repo::Repo;
use super::source::Source;

/// The only file with `unsafe`, and the only one of `init` that meets the kernel.
const SYS: &str = "crates/init/src/sys.rs";

/// A run of path segments that is banned, and what to do instead.
type Ban = (&'static [&'static str], &'static str);

/// Sockets and clocks.
const WORLD: [Ban; 4] = [
    (&["std", "net"], "take bytes as an argument"),
    (&["unix", "net"], "take bytes as an argument"),
    (&["SystemTime"], "take the time as an argument"),
    (&["Instant", "now"], "take the time as an argument"),
];

/// The async runtime, for crates that must not know of one.
const RUNTIME: Ban = (&["tokio"], "keep the async part in the crate that calls this one");

/// The kernel, for all of `init` but `sys.rs`.
const KERNEL: [Ban; 3] = [
    (&["libc"], "go through trait Sys in crates/init/src/sys.rs"),
    (&["rustix"], "go through trait Sys in crates/init/src/sys.rs"),
    (&["nix"], "go through trait Sys in crates/init/src/sys.rs"),
];

/// Checks every Rust file.
pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    repo.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut bans: Vec<Ban> = Vec::new();
    if ["line", "access", "query"].iter().any(|name| source.path.starts_with(&format!("crates/{name}/src/")))
    {
        bans.extend(WORLD);
        bans.push(RUNTIME);
    } else if source.path.starts_with("crates/init/src/") && source.path != SYS {
        bans.extend(WORLD);
        bans.extend(KERNEL);
        bans.push(RUNTIME);
    }
    let mut found = Vec::new();
    for named in &source.names {
        if source.path != SYS && named.path.iter().any(|word| word == "unsafe") {
            let todo = format!("write it safely; {SYS} is the only place for it");
            found.push(Finding::new(&source.path, named.line, "unsafe", todo));
        }
        if source.is_test(named.line) {
            continue;
        }
        for (banned, todo) in &bans {
            if named.path.windows(banned.len()).any(|run| run == *banned) {
                let what = format!("names {}", named.path.join("::"));
                found.push(Finding::new(&source.path, named.line, what, *todo));
            }
        }
    }
    found.sort();
    found.dedup_by(|a, b| (a.line, &a.todo) == (b.line, &b.todo));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn lines(path: &str, text: &str, wanted: &[usize]) {
        let found = check_source(&Source::parse(path, text).unwrap());
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), wanted, "{path}: {found:?}");
    }

    const WORLDLY: &str = "use std::{fmt, net::TcpStream};\nuse std::os::unix::net::UnixStream;\n\
        fn a() {\n std::time::SystemTime::now();\n Instant::now();\n tokio::spawn(b);\n // tokio\n}\n\
        #[cfg(test)]\nmod tests { fn t() { Instant::now(); } }\n";

    #[test]
    fn pure_crates_see_no_world() {
        for path in ["crates/line/src/a.rs", "crates/access/src/b/c.rs", "crates/query/src/lib.rs"] {
            lines(path, WORLDLY, &[1, 2, 4, 5, 6]);
        }
        for path in ["crates/agent/src/a.rs", "crates/line/src/a/tests.rs", "crates/line/tests/it/main.rs"] {
            lines(path, WORLDLY, &[]);
        }
        lines("crates/line/src/a.rs", "use std::time::{Duration, Instant};\nstruct A(Instant);", &[]);
    }

    #[test]
    fn init_meets_the_kernel_in_one_file() {
        let text = "use libc::c_int;\nfn a() { rustix::process::getpid(); }\nfn b() { Instant::now(); }";
        lines("crates/init/src/ring.rs", text, &[1, 2, 3]);
        lines("crates/init/src/sys.rs", text, &[]);
        lines("crates/agent/src/sys.rs", text, &[]);
    }

    #[test]
    fn unsafe_in_one_file() {
        let text = "fn a() {\n unsafe { b() }\n}\n#[cfg(test)]\nmod tests {\n unsafe fn c() {}\n}";
        lines("crates/bus/src/lib.rs", text, &[2, 6]);
        lines("crates/init/src/sys.rs", text, &[]);
        lines(
            "crates/bus/src/lib.rs",
            "#![forbid(unsafe_code)]\n// unsafe\nconst A: &str = \"unsafe\";",
            &[],
        );
    }
}
