//! The error codes: what the code says is in the catalogue, what is in the catalogue is said, and
//! docs/error-codes.md is the catalogue.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use line::codes::{ALL, Code};

use super::Finding;
use super::repo::Repo;

/// Where the catalogue lies.
const CATALOGUE: &str = "crates/line/src/codes/own.rs";

/// The page that is generated from it.
const PAGE: &str = "docs/error-codes.md";

/// Codes whose stage is not written yet, and which stage that is.
const AHEAD: [(&str, &str); 1] = [("LA16", "store")];

/// Checks the repository against the catalogue that this program is built with.
pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = check_uses(repo, ALL);
    if repo.file(PAGE).is_none_or(|page| page.text != page_of(ALL)) {
        found.push(Finding::new(PAGE, 1, "is not what the catalogue says", "run 'cargo xtask tidy --bless'"));
    }
    found
}

/// Writes the page anew.
pub(super) fn write(root: &Path) -> Result<()> {
    std::fs::create_dir_all(root.join("docs")).context("making docs")?;
    std::fs::write(root.join(PAGE), page_of(ALL)).with_context(|| format!("writing {PAGE}"))
}

fn check_uses(repo: &Repo, catalogue: &[Code]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let crates = repo.sources.iter().filter(|source| source.path.starts_with("crates/"));
    for source in crates.filter(|source| source.path != CATALOGUE) {
        let words = source.names.iter().flat_map(|named| named.path.iter().map(|word| (word, named.line)));
        for (text, line) in words.chain(source.literals.iter().map(|(text, line)| (text, *line))) {
            for code in codes_in(text).filter(|_| !source.is_test(line)) {
                *uses.entry(code.to_owned()).or_default() += 1;
                if !catalogue.iter().any(|entry| entry.code == code) {
                    let todo = format!("add it to {CATALOGUE}, with cause and remedy");
                    let what = format!("says {code}, which is not in the catalogue");
                    found.push(Finding::new(&source.path, line, what, todo));
                }
            }
        }
    }
    let lines: Vec<&str> = repo.file(CATALOGUE).map(|file| file.text.lines().collect()).unwrap_or_default();
    // What begins with another letter is said by others.
    for code in catalogue.iter().map(|entry| entry.code).filter(|code| code.starts_with('L')) {
        if !uses.contains_key(code) && !AHEAD.iter().any(|(ahead, _)| *ahead == code) {
            let quoted = format!("\"{code}\"");
            let line = lines.iter().position(|line| line.contains(&quoted)).map_or(1, |index| index + 1);
            let todo = "say it where it happens, or take it out";
            found.push(Finding::new(CATALOGUE, line, format!("nothing says {code}"), todo));
        }
    }
    found
}

/// The codes of ours that stand in `text` as whole words.
fn codes_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| {
        matches!(word.as_bytes(), [b'L', family, tens, ones]
            if b"IABRPSXQ".contains(family) && tens.is_ascii_digit() && ones.is_ascii_digit())
    })
}

/// The page, in Markdown.
fn page_of(catalogue: &[Code]) -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         The codes that Logway's own messages carry, and behind them those that Fly's proxy writes into lines. `logway explain CODE`\n\
         prints the same, and so does `/api/v1/codes/CODE`.\n\
         This page is written by `cargo xtask tidy --bless` from `crates/line/src/codes/`.\n",
    );
    let mut family = "";
    for entry in catalogue {
        let Code { code, title, cause, remedy } = entry;
        if entry.family() != family {
            family = entry.family();
            // Writing to a String cannot fail.
            let _ = write!(page, "\n## {}: {family}\n", &code[..2]);
        }
        let _ = write!(page, "\n### {code} {title}\n\n{cause}\n\n*What to do:* {remedy}\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: [Code; 2] = [
        Code { code: "LI01", title: "One", cause: "Because.", remedy: "Do it." },
        Code { code: "LA02", title: "Two", cause: "So.", remedy: "Do that." },
    ];

    #[track_caller]
    fn says(text: &str, wanted: &[&str]) {
        let files =
            [(CATALOGUE, "const A: [&str; 2] = [\n\"LI01\",\n\"LA02\"];"), ("crates/a/src/a.rs", text)];
        let found = check_uses(&Repo::sample(&files), &SAMPLE);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, wanted, "{text}");
    }

    #[test]
    fn said_and_listed() {
        says("fn a() { warn(\"LI01: no\"); b(codes::LA02); }", &[]);
        let unsaid =
            "crates/line/src/codes/own.rs:3: nothing says LA02: say it where it happens, or take it out";
        says("fn a() { b(\"LI01\"); }\n/// LA02\nfn c() {}\n", &[unsaid]);
        says("fn a() { b(\"LI01\"); }\n#[cfg(test)]\nmod tests { fn t() { b(\"LA02 LX99\"); } }", &[unsaid]);
        let unlisted = "crates/a/src/a.rs:2: says LB07, which is not in the catalogue: \
                        add it to crates/line/src/codes/own.rs, with cause and remedy";
        says("fn a() { b(\"LI01 LA02\");\n c(\"(LB07)\"); }", &[unlisted]);
        says("fn a() { b(\"LI01 LA02 XLA03 LZ01 LA003 LA_01\"); }", &[]);
    }

    #[test]
    fn page() {
        let page = page_of(&SAMPLE);
        assert!(page.ends_with(
            "\n## LI: init\n\n### LI01 One\n\nBecause.\n\n*What to do:* Do it.\n\n## LA: agent\n\n### LA02 Two\n\nSo.\n\n*What to do:* Do that.\n"
        ), "{page}");
        let stale = check(&Repo::sample(&[(PAGE, "old")]));
        assert!(stale.iter().any(|finding| finding.path == PAGE));
        let fresh = check(&Repo::sample(&[(PAGE, &page_of(ALL))]));
        assert!(fresh.iter().all(|finding| finding.path != PAGE));
    }
}
