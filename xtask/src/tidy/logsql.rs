//! The page about the query language is what the language's own tables say.

use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use super::repo::Repo;

/// The page that is generated.
const PAGE: &str = "docs/logsql.md";

/// Checks the page against the tables that this program is built with.
pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    match repo.file(PAGE) {
        Some(page) if page.text == query::reference() => Vec::new(),
        _ => {
            vec![Finding::new(PAGE, 1, "is not what crates/query says", "run 'cargo xtask tidy --bless'")]
        }
    }
}

/// Writes the page anew.
pub(super) fn write(root: &Path) -> Result<()> {
    std::fs::create_dir_all(root.join("docs")).context("making docs")?;
    std::fs::write(root.join(PAGE), query::reference()).with_context(|| format!("writing {PAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page() {
        assert_eq!(check(&Repo::sample(&[(PAGE, "old")])).len(), 1);
        assert_eq!(check(&Repo::sample(&[])).len(), 1);
        assert!(check(&Repo::sample(&[(PAGE, &query::reference())])).is_empty());
    }
}
