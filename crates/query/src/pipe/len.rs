//! `len(field) as result`: how many bytes the value of a field has.

use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage};
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;
use crate::{Block, Column, Error, field};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Len {
    /// Whose length.
    pub field: String,
    /// Where it goes.
    pub result: String,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    lex.expect("(", "len")?;
    let field = lex.field_name()?;
    lex.expect(")", "the field of len")?;
    lex.eat("as");
    let result = if lex.is_done() { format!("len({})", Plain(&field)) } else { lex.field_name()? };
    Ok(Pipe::Len(Len { field, result }))
}

impl fmt::Display for Len {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "len({}) as {}", Plain(&self.field), Plain(&self.result))
    }
}

impl Stage for Len {
    fn needs(&self, needs: &mut Fields) {
        if needs.has(&self.result) {
            needs.remove(&self.result);
            needs.add(&self.field);
        }
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(self.clone())))
    }

    fn keeps_time(&self) -> bool {
        self.result != field::TIME
    }
}

impl Each for Len {
    fn apply(&self, mut block: Block, _: &mut Room) -> Block {
        let scratch = &mut Vec::new();
        let column = match block.column(&self.field) {
            Some(column) => {
                let lens = (0..block.rows()).map(|row| column.value(row, scratch).len() as u64);
                Column::Number(lens.collect())
            }
            None => Column::of("0"),
        };
        block.set(self.result.as_str(), column);
        block
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn lengths() {
        let rows: &[&[&str]] = &[&["abc"], &[""], &["é"]];
        turns("len(a) as n", &["a"], rows, &["a", "n"], &[&["abc", "3"], &["", "0"], &["é", "2"]]);
        turns("len(gone) n", &["a"], &rows[..1], &["a", "n"], &[&["abc", "0"]]);
        prints("len(a)", "len(a) as \"len(a)\"");
        before("len(a) as b", "b", "a");
        before("len(a) as b", "c", "c");
    }
}
