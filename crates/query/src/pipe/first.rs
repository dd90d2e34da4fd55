//! `first N by (a desc, b) partition by (c) rank as r`: the first rows in an order; 1 if no number is given.

use std::fmt;

use super::sort::Sort;
use super::{Pipe, Run, Stage};
use crate::Error;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First(
    /// The order, and how many rows there will be at most.
    pub Sort,
);

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Sort::parse_counted(lex, "first", false).map(|sort| Pipe::First(First(sort)))
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_counted("first", f)
    }
}

impl Stage for First {
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
        turns("first by (a)", names, rows, names, &[rows[1]]);
        turns("first 2 by (a desc)", names, rows, names, &[rows[2], rows[0]]);
        turns("first 1 by (a) partition by (b)", names, rows, names, &[rows[0], rows[1]]);
        turns("first 9 (a) rank as a", names, &rows[..1], names, &[&["1", "x"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("first by (a, b desc)", "first 1 by (a, b desc)");
        prints("first 5 (a) partition by (b) rank", "first 5 by (a) partition by (b) rank as rank");
        before("first by (a)", "b", "a b");
        refused("first 0 by (a)", "above 0");
    }
}
