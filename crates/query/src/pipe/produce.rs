//! What pipes have in common that make fields of a text: `extract`, `unpack_json` and the like.

use std::collections::HashMap;
use std::sync::Arc;

use crate::condition::Mask;
use crate::lexer::Lexer;
use crate::{Block, Column, Text};

use super::Room;

/// Most different fields that one pipe makes of the rows of a block; what is beyond stays in the text. Otherwise a few
/// thousand rows with names of their own would fill the memory with empty columns.
const MAX_FIELDS: usize = 1_000;

/// What becomes of a field that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeping {
    /// It is overwritten.
    #[default]
    Nothing,
    /// `keep_original_fields`: it stays if it has a value.
    Original,
    /// `skip_empty_results`: it stays if the new value is empty.
    SkipEmpty,
}

impl Keeping {
    /// Reads it, if it is there.
    pub(super) fn parse(lex: &mut Lexer<'_>) -> Self {
        if lex.eat("keep_original_fields") {
            return Self::Original;
        }
        if lex.eat("skip_empty_results") { Self::SkipEmpty } else { Self::Nothing }
    }

    /// As it is written, with a space before it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Original => " keep_original_fields",
            Self::SkipEmpty => " skip_empty_results",
        }
    }
}

/// New values of the rows of a block.
#[derive(Debug, Default)]
pub(super) struct Produce {
    columns: Vec<New>,
    places: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct New {
    name: Arc<str>,
    values: Text,
    /// The rows that have one, in their order.
    rows: Vec<u32>,
}

impl Produce {
    /// Gives `field` of `row` a value, if it has none in that row yet. Rows come in their order.
    pub(super) fn put(&mut self, row: usize, field: &str, value: &[u8], room: &mut Room) {
        let Ok(row) = u32::try_from(row) else { return };
        let place = match self.places.get(field) {
            Some(&place) => place,
            None if self.columns.len() == MAX_FIELDS => return,
            None => {
                let name: Arc<str> = field.into();
                self.places.insert(name.clone(), self.columns.len());
                self.columns.push(New { name, values: Text::default(), rows: Vec::new() });
                self.columns.len() - 1
            }
        };
        let Some(column) = self.columns.get_mut(place) else { return };
        if column.rows.last() != Some(&row) && room.take(value.len()) {
            column.rows.push(row);
            column.values.push(value);
        }
    }

    /// The block with the new values in it.
    pub(super) fn merge(self, mut block: Block, keeping: Keeping) -> Block {
        for column in self.columns {
            let merged = column.merge(&block, keeping);
            block.set(column.name, Column::Text(merged));
        }
        block
    }
}

impl New {
    fn merge(&self, block: &Block, keeping: Keeping) -> Text {
        let old = block.column(&self.name);
        let (mut merged, mut scratch, mut at) = (Text::default(), Vec::new(), 0);
        for row in 0..block.rows() {
            let old = old.map_or(&b""[..], |old| old.value(row, &mut scratch));
            if self.rows.get(at).is_none_or(|&next| next as usize != row) {
                merged.push(old);
                continue;
            }
            let new = self.values.get(at);
            at += 1;
            let stays = match keeping {
                Keeping::Nothing => false,
                Keeping::Original => !old.is_empty(),
                Keeping::SkipEmpty => new.is_empty(),
            };
            merged.push(if stays { old } else { new });
        }
        merged
    }
}

/// Calls `each` with the rows of `field` that `mask` has, and their values.
pub(super) fn each_text(block: &Block, field: &str, mask: &Mask, mut each: impl FnMut(usize, &[u8])) {
    let column = block.column(field);
    let scratch = &mut Vec::new();
    for row in (0..block.rows()).filter(|&row| mask.has(row)) {
        each(row, column.map_or(&b""[..], |column| column.value(row, scratch)));
    }
}
