//! `offset N`: All but the first N rows that come, in whatever order they come.

use std::fmt;

use super::{Pipe, Run, Stage};
use crate::Error;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offset {
    /// How many rows are kept back.
    pub rows: u64,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let rows = lex.unsigned("number of rows")?;
    Ok(Pipe::Offset(Offset { rows }))
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}", self.rows)
    }
}

impl Stage for Offset {
    fn needs(&self, _: &mut Fields) {}

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Offset(self.rows))
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{prints, turns};

    #[test]
    fn the_rows_behind() {
        let rows: &[&[&str]] = &[&["1"], &["2"], &["3"]];
        turns("offset 2", &["a"], rows, &["a"], &rows[2..]);
        turns("skip 9", &["a"], rows, &["a"], &[]);
        turns("offset 1 | limit 1", &["a"], rows, &["a"], &rows[1..2]);
        turns("limit 2 | offset 1", &["a"], rows, &["a"], &rows[1..2]);
        prints("skip 3", "offset 3");
    }
}
