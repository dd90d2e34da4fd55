//! `last N by (a desc, b) partition by (c) rank as r`: the last rows in an order; 1 if no number is given.

use std::fmt;

use super::sort::Sort;
use super::{Pipe, Run, Stage};
use crate::Error;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last(
    /// The order, and how many rows there will be at most.
    pub Sort,
);

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Sort::parse_counted(lex, "last", true).map(|sort| Pipe::Last(Last(sort)))
}

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_counted("last", f)
    }
}

impl Stage for Last {
    fn needs(&self, needs: &mut Fields) {
        self.0.needs(needs);
    }

    fn run(&self, context: Context) -> Result<Run, Error> {
        self.0.run(context)
    }

    fn keeps_time(&self) -> bool {
        self.0.keeps_time()
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn rows() {
        let (names, rows): (&[&str], &[&[&str]]) = (&["a", "b"], &[&["2", "x"], &["1", "y"], &["3", "y"]]);
        turns("last by (a)", names, rows, names, &[rows[2]]);
        turns("last 2 by (a desc)", names, rows, names, &[rows[1], rows[0]]);
        turns("last 1 by (a) partition by (b)", names, rows, names, &[rows[0], rows[2]]);
    }

    #[test]
    fn needs_and_text() {
        prints("last by (a, b desc)", "last 1 by (a, b desc)");
        before("last by (a)", "b", "a b");
        refused("last x", "'x' is no number of rows");
    }
}
