//! `drop_empty_fields`: rows without any field are dropped. Empty fields are none in any case.

use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage};
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;
use crate::{Block, Error};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropEmptyFields;

pub(super) fn parse(_: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Ok(Pipe::DropEmptyFields(DropEmptyFields))
}

impl fmt::Display for DropEmptyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("drop_empty_fields")
    }
}

impl Stage for DropEmptyFields {
    /// Whether a row has any field is a question about all of them.
    fn needs(&self, needs: &mut Fields) {
        *needs = Fields::all();
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(Self)))
    }
}

impl Each for DropEmptyFields {
    fn apply(&self, mut block: Block, _: &mut Room) -> Block {
        let empty: Vec<_> = block
            .columns()
            .iter()
            .filter(|(_, column)| column.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        empty.iter().for_each(|name| drop(block.remove(name)));
        let scratch = &mut Vec::new();
        let mut rows: Vec<u32> = Vec::with_capacity(block.rows());
        for row in 0..block.rows() {
            if block.columns().iter().any(|(_, column)| !column.value(row, scratch).is_empty()) {
                rows.extend(u32::try_from(row));
            }
        }
        if rows.len() == block.rows() {
            return block;
        }
        block.select(&rows)
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{prints, turns};

    #[test]
    fn empty_rows_are_dropped() {
        let rows: &[&[&str]] = &[&["1", "", ""], &["", "", ""], &["", "2", ""]];
        turns("drop_empty_fields", &["a", "b", "c"], rows, &["a", "b"], &[&["1", ""], &["", "2"]]);
        prints("drop_empty_fields", "drop_empty_fields");
    }
}
