//! Who may depend on whom, and on how much.

use std::collections::BTreeSet;

use super::Finding;
use super::repo::{Package, Repo};

/// The crates, and which of the others each may name. `cli`, `tests` and `xtask` may name all.
const EDGES: [(&str, &[&str]); 12] = [
    ("line", &[]),
    ("init", &["line"]),
    ("disk", &[]),
    ("agent", &["line", "bus", "disk"]),
    ("bus", &["line"]),
    ("access", &["line"]),
    ("registry", &["line", "bus", "access", "disk"]),
    ("proxy", &["line", "bus", "access"]),
    ("query", &["line"]),
    ("store", &["line", "disk", "bus", "query"]),
    // Its tests open a store.
    ("api", &["line", "disk", "bus", "access", "query", "store"]),
    ("ship", &["line", "bus"]),
];

/// Folders that may name every crate.
const FREE: [&str; 3] = ["crates/cli", "tests", "xtask"];

/// Crates that never see an async runtime.
const NO_RUNTIME: [&str; 5] = ["crates/line", "crates/init", "crates/disk", "crates/access", "crates/query"];

/// Names that say nothing about what is in a crate.
const EMPTY_NAMES: [&str; 4] = ["common", "core", "utils", "types"];

/// Most packages in the lock file, ours included.
const MAX_LOCKED: usize = 300;

/// Most packages that the static `logway-init` is built from, itself included.
const MAX_INIT: usize = 15;

/// Checks the packages of the workspace and the lock file.
pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found: Vec<Finding> = repo.packages.iter().flat_map(check_package).collect();
    if repo.locked.len() > MAX_LOCKED {
        let what = format!("{} packages, at most {MAX_LOCKED}", repo.locked.len());
        found.push(Finding::new(
            "Cargo.lock",
            1,
            what,
            "find what came in with 'cargo tree -d' and do without it",
        ));
    }
    for name in repo.locked.iter().filter(|name| name.contains("mmap")) {
        let todo = "read and write files with pread and pwrite: a truncated map kills the process";
        found.push(Finding::new("Cargo.lock", 1, format!("package {name} maps files into memory"), todo));
    }
    found
}

fn check_package(package: &Package) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let mut found = Vec::new();
    let mut add = |what: String, todo: &str| found.push(Finding::new(&manifest, 1, what, todo));

    let short = package.folder.strip_prefix("crates/");
    if let Some(name) = short.filter(|name| EMPTY_NAMES.contains(name)) {
        add(format!("a crate named {name}"), "let each helper live with its first user");
    }
    if !FREE.contains(&package.folder.as_str()) {
        match EDGES.iter().find(|(name, _)| Some(*name) == short) {
            None => add(
                "a crate that the table of edges does not know".into(),
                "add it to xtask/src/tidy/deps.rs",
            ),
            Some((name, allowed)) => {
                let allowed: BTreeSet<String> = allowed.iter().map(|name| format!("crates/{name}")).collect();
                for other in package.uses.difference(&allowed) {
                    add(format!("{name} uses {other}"), "stages meet on the bus, in the words of line");
                }
            }
        }
    }
    if NO_RUNTIME.contains(&package.folder.as_str()) && package.reaches.contains("tokio") {
        let todo = "drop the dependency that brings it: 'cargo tree -i tokio -p NAME -e normal'";
        add("reaches tokio".into(), todo);
    }
    for edge in ["anyhow", "clap"] {
        if package.takes.contains(edge) && !matches!(package.folder.as_str(), "crates/cli" | "xtask") {
            add(format!("takes {edge}"), "only cli has it; a library has one thiserror enum");
        }
    }
    if package.name == "logway-init" && package.reaches.len() > MAX_INIT {
        let what =
            format!("logway-init is built from {} packages, at most {MAX_INIT}", package.reaches.len());
        add(what, "see 'cargo tree -p logway-init -e normal'");
    }
    if package.test_binaries > 1 {
        let what = format!("{} integration-test binaries", package.test_binaries);
        add(what, "make them modules of tests/it/main.rs: each binary is one more link");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn package(folder: &str, uses: &[&str], takes: &[&str], reaches: &[&str]) -> Package {
        let (uses, takes, reaches) = (set(uses), set(takes), set(reaches));
        let name = format!("logway-{}", folder.trim_start_matches("crates/"));
        Package { name, folder: folder.to_owned(), uses, takes, reaches, test_binaries: 1 }
    }

    #[track_caller]
    fn says(package: &Package, wanted: &[&str]) {
        let found = check_package(package);
        let whats: Vec<_> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(whats, wanted, "{}", package.folder);
    }

    #[test]
    fn edges() {
        let meets = ["crates/line", "crates/bus", "crates/disk"];
        says(&package("crates/agent", &meets, &["tokio"], &["tokio"]), &[]);
        says(&package("crates/cli", &["crates/agent", "crates/bus"], &["anyhow", "clap"], &["tokio"]), &[]);
        says(&package("crates/bus", &["crates/agent"], &[], &[]), &["bus uses crates/agent"]);
        says(&package("crates/disk", &["crates/line"], &[], &[]), &["disk uses crates/line"]);
        says(&package("crates/line", &["crates/init"], &[], &[]), &["line uses crates/init"]);
        says(&package("crates/new", &[], &[], &[]), &["a crate that the table of edges does not know"]);
        let named = ["a crate named utils", "a crate that the table of edges does not know"];
        says(&package("crates/utils", &[], &[], &[]), &named);
    }

    #[test]
    fn runtime_and_libraries() {
        for pure in NO_RUNTIME {
            says(&package(pure, &[], &[], &["tokio"]), &["reaches tokio"]);
            says(&package(pure, &[], &[], &["libc"]), &[]);
        }
        says(&package("crates/agent", &[], &["anyhow", "clap"], &[]), &["takes anyhow", "takes clap"]);
    }

    #[test]
    fn sizes() {
        let many: Vec<String> = (0..=MAX_INIT).map(|n| format!("p{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        says(&package("crates/init", &[], &[], &many[..MAX_INIT]), &[]);
        says(
            &package("crates/init", &[], &[], &many),
            &["logway-init is built from 16 packages, at most 15"],
        );
        let mut two = package("crates/bus", &[], &[], &[]);
        two.test_binaries = 2;
        says(&two, &["2 integration-test binaries"]);
    }

    #[test]
    fn the_lock() {
        let mut repo = Repo { locked: vec!["a".into(); MAX_LOCKED], ..Repo::default() };
        assert_eq!(check(&repo), []);
        repo.locked.push("memmap2".into());
        let found = check(&repo);
        let whats: Vec<_> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(whats, ["301 packages, at most 300", "package memmap2 maps files into memory"]);
    }
}
