//! `limit N`: The first N rows that come, in whatever order they come; 10 if no number is given.

use std::fmt;

use super::{Pipe, Run, Stage};
use crate::Error;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// How many rows are let pass.
    pub rows: u64,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let rows = if lex.is_done() { 10 } else { lex.unsigned("number of rows")? };
    Ok(Pipe::Limit(Limit { rows }))
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit {}", self.rows)
    }
}

impl Stage for Limit {
    fn needs(&self, _: &mut Fields) {}

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Limit(self.rows))
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn the_first_rows() {
        let rows: &[&[&str]] = &[&["1"], &["2"], &["3"]];
        turns("limit 2", &["a"], rows, &["a"], &rows[..2]);
        turns("head 9", &["a"], rows, &["a"], rows);
        turns("limit 0", &["a"], rows, &["a"], &[]);
        turns("limit 2 | limit 1", &["a"], rows, &["a"], &rows[..1]);
        prints("head", "limit 10");
        prints("limit 1_000", "limit 1000");
        before("limit 2", "a", "a");
    }
}
