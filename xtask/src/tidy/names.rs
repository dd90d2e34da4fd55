//! Names that must lead somewhere: paths in the documents, promises in the tests.

use super::Finding;
use super::repo::Repo;

/// The documents whose paths are checked.
const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// The promises of README.md that the code already keeps; each has a file `tests/it/promise_N_*.rs`.
const PROMISES: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// Checks that what the documents put in backticks and looks like a path exists.
pub(super) fn check_paths(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for document in DOCUMENTS.iter().filter_map(|path| repo.file(path)) {
        for (index, line) in document.text.lines().enumerate() {
            // Every second piece between backticks is code.
            for code in line.split('`').skip(1).step_by(2) {
                if looks_like_path(code, repo) && !exists(code, repo) {
                    let what = format!("names `{code}`, which is not there");
                    found.push(Finding::new(&document.path, index + 1, what, "correct the path"));
                }
            }
        }
    }
    found
}

/// A file name with an ending of ours, or a path that begins with a folder of the root.
fn looks_like_path(code: &str, repo: &Repo) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-/:".contains(letter);
    if code.is_empty()
        || !code.chars().all(plain)
        || code.starts_with(['/', '.', '-']) && !code.starts_with(".c")
    {
        return false;
    }
    let code = strip_line(code);
    let ours = [".rs", ".md", ".toml"].iter().any(|end| code.ends_with(end) && code != *end);
    let top = code.split_once('/').map(|(top, _)| format!("{top}/"));
    ours || top.is_some_and(|top| repo.files.iter().any(|file| file.path.starts_with(&top)))
}

/// Whether `code` names a file or folder, from the root or from `crates/`; a bare file name may lie anywhere.
fn exists(code: &str, repo: &Repo) -> bool {
    let code = strip_line(code).trim_end_matches('/');
    let inside = [format!("{code}/"), format!("crates/{code}/")];
    repo.files.iter().any(|file| {
        file.path == code
            || file.path.strip_prefix("crates/") == Some(code)
            || inside.iter().any(|folder| file.path.starts_with(folder))
            || !code.contains('/') && file.path.ends_with(&format!("/{code}"))
    })
}

/// `path:12` without the line.
fn strip_line(code: &str) -> &str {
    code.split(':').next().unwrap_or(code)
}

/// Checks that each promise has its test, and that every file of `tests/it` is part of the test binary.
pub(super) fn check_tests(repo: &Repo) -> Vec<Finding> {
    let in_it = |path: &str| {
        path.strip_prefix("tests/it/").and_then(|name| name.strip_suffix(".rs")).map(str::to_owned)
    };
    let files: Vec<String> = repo.sources.iter().filter_map(|source| in_it(&source.path)).collect();
    let mut found = Vec::new();
    // Before the first promise is tested there is no path to hold to its promises.
    if files.iter().any(|name| name.starts_with("promise_")) {
        for number in PROMISES {
            if !files.iter().any(|name| name.starts_with(&format!("promise_{number}_"))) {
                let todo = format!("write tests/it/promise_{number}_WHAT.rs");
                found.push(Finding::new(
                    "tests/it/main.rs",
                    1,
                    format!("promise {number} has no test"),
                    todo,
                ));
            }
        }
    }
    let main = repo.file("tests/it/main.rs").map_or("", |file| file.text.as_str());
    for name in files.iter().filter(|name| *name != "main" && !name.contains('/')) {
        if !main.lines().any(|line| line.trim() == format!("mod {name};")) {
            let path = format!("tests/it/{name}.rs");
            found.push(Finding::new(
                &path,
                1,
                "never runs",
                format!("write 'mod {name};' in tests/it/main.rs"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_documents() {
        let files = [
            ("crates/line/src/codes.rs", ""),
            ("fuzz/Cargo.toml", ""),
            (".ci/run", ""),
            (
                "README.md",
                "`crates/line/src/codes.rs:12` `line/src/codes.rs` `codes.rs` `fuzz/` `.ci/run` `cargo x/y`",
            ),
            (
                "ARCHITECTURE.md",
                "`o.<org>.logs` `application/json` `DATA/bus/` `tests/it/*.rs` `/api/v1/logs`\n`fuzz`",
            ),
        ];
        assert_eq!(check_paths(&Repo::sample(&files)), []);
        for gone in
            ["crates/line/src/gone.rs", "line/src/gone.rs", "gone.rs", "fuzz/gone/", "GONE.md", ".ci/gone"]
        {
            let mut files = files.to_vec();
            let text = format!("ok\nsee `{gone}`, all right\n");
            files.push(("CONTRIBUTING.md", &text));
            let found = check_paths(&Repo::sample(&files));
            assert_eq!(found.len(), 1, "{gone}");
            assert_eq!(
                found[0].to_string(),
                format!("CONTRIBUTING.md:2: names `{gone}`, which is not there: correct the path")
            );
        }
    }

    #[test]
    fn promises() {
        let names: Vec<String> = PROMISES.map(|number| format!("promise_{number}_kept")).to_vec();
        let main: String = names.iter().map(|name| format!("mod {name};\n")).collect();
        let paths: Vec<String> = names.iter().map(|name| format!("tests/it/{name}.rs")).collect();
        let mut files = vec![("tests/it/main.rs", main.as_str())];
        assert_eq!(check_tests(&Repo::sample(&files)), []);
        files.extend(paths[..paths.len() - 1].iter().map(|path| (path.as_str(), "")));
        let found = check_tests(&Repo::sample(&files));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "promise 7 has no test");
        files.extend([(paths[paths.len() - 1].as_str(), ""), ("tests/it/lost.rs", "")]);
        let found = check_tests(&Repo::sample(&files));
        assert_eq!(found.len(), 1);
        let wanted = "tests/it/lost.rs:1: never runs: write 'mod lost;' in tests/it/main.rs";
        assert_eq!(found[0].to_string(), wanted);
    }
}
