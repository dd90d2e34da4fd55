//! What pipes have in common that make a new value of an old one: `replace`, `collapse_nums` and the like.

use std::sync::Arc;

use super::{Each, Room, Run};
use crate::condition::{Condition, Mask, compile};
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::predicate::Predicate;
use crate::{Block, Column, Error, Text};

/// Appends the new value of an old one.
pub(super) type Change = Box<dyn Fn(&[u8], &mut Vec<u8>, &mut Room) + Send + Sync>;

/// Reads `at field`; without it the message is meant.
pub(super) fn parse_at(lex: &mut Lexer<'_>) -> Result<String, Error> {
    if lex.eat("at") { lex.field_name() } else { Ok(crate::field::MSG.to_owned()) }
}

/// Runs `change` on `field` where `condition` holds.
pub(super) fn run(field: &str, condition: Option<&Condition>, change: Change) -> Result<Run, Error> {
    Ok(Run::Each(Arc::new(Update { field: field.to_owned(), predicate: compile(condition)?, change })))
}

/// What a change of `field` needs beside what is needed behind it.
pub(super) fn needs(field: &str, condition: Option<&Condition>, needs: &mut Fields) {
    if let Some(condition) = condition.filter(|_| needs.has(field)) {
        condition.add_needs(needs);
    }
}

struct Update {
    field: String,
    predicate: Option<Arc<Predicate>>,
    change: Change,
}

impl Each for Update {
    fn apply(&self, mut block: Block, room: &mut Room) -> Block {
        let Some(column) = block.column(&self.field) else { return block };
        let mask = Mask::new(self.predicate.as_ref(), &block);
        let mut of = |value: &[u8]| {
            let mut out = Vec::new();
            (self.change)(value, &mut out, room);
            out
        };
        let changed = match &**column {
            Column::Const(value) if mask.is_all() => Column::of(of(value)),
            Column::Dict { values, codes } if mask.is_all() && values.len() <= block.rows() => {
                let values = values.iter().map(|value| of(value).into_boxed_slice()).collect();
                Column::Dict { values, codes: codes.clone() }
            }
            column => {
                let (mut text, mut scratch) = (Text::default(), Vec::new());
                for row in 0..block.rows() {
                    let value = column.value(row, &mut scratch);
                    text.push_with(|out| {
                        if mask.has(row) {
                            (self.change)(value, out, room);
                        } else {
                            room.put(value, out);
                        }
                    });
                }
                Column::Text(text)
            }
        };
        // Under the name that the block has it by, which may be an alias. A copy of a field shares its column, so the field's own
        // name comes first.
        let own = block.columns().iter().find(|(name, _)| **name == self.field);
        let alias = || block.columns().iter().find(|(_, other)| Arc::ptr_eq(other, column));
        let name = own.or_else(alias);
        let name = name.map_or_else(|| self.field.as_str().into(), |(name, _)| name.clone());
        block.set(name, changed);
        block
    }
}
