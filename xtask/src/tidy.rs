//! `cargo xtask tidy`: the rules of CONTRIBUTING.md and ARCHITECTURE.md that a program can check.
//!
//! A rule is a pure function from the repository as read into memory to findings; its tests show it both content and
//! not, because a rule that cannot fail is worth nothing.

mod codes;
mod deps;
mod documented;
mod logsql;
mod names;
mod purity;
mod repo;
mod size;
mod source;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::args::Args;
use crate::{Outcome, sh};
use repo::Repo;

const HELP: &str = "\
Check the rules of CONTRIBUTING.md that a program can check

Usage: cargo xtask tidy [--bless]

Options:
  --bless   write docs/error-codes.md anew from crates/line/src/codes.rs, and docs/logsql.md from crates/query,
            before checking

Each finding is 'path:line: what is wrong: what to do'.

Exit codes: 0 nothing found, 1 findings, 2 the command line is wrong
";

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1; 1 when the whole file is meant.
    line: usize,
    what: String,
    todo: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), todo: todo.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.what, self.todo)
    }
}

/// Every rule.
const RULES: [fn(&Repo) -> Vec<Finding>; 9] = [
    codes::check,
    deps::check,
    purity::check,
    size::check,
    documented::check,
    logsql::check,
    words::check,
    names::check_paths,
    names::check_tests,
];

/// Checks the repository and prints the findings.
pub(crate) fn main(mut args: Args) -> Result<Outcome> {
    if args.help() {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    let bless = args.flag("--bless");
    args.done()?;
    let root = sh::root()?;
    if bless {
        codes::write(&root)?;
        logsql::write(&root)?;
    }
    Ok(if check(&root)? { Outcome::Good } else { Outcome::Bad })
}

/// Prints the findings in the repository at `root`; true when there are none.
pub(crate) fn check(root: &Path) -> Result<bool> {
    let repo = Repo::read(root)?;
    let mut findings: Vec<_> = RULES.iter().flat_map(|rule| rule(&repo)).collect();
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    let functions: usize = repo.sources.iter().map(|source| source.functions.len()).sum();
    println!(
        "tidy: {} files, {} of them Rust, {functions} functions, {} packages: {} findings",
        repo.files.len(),
        repo.sources.len(),
        repo.locked.len(),
        findings.len()
    );
    Ok(findings.is_empty())
}
