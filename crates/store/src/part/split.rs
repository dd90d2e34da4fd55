//! Messages as templates and what varies in them.
//!
//! What varies is each run of ASCII letters, digits and `_` that has a digit in it: numbers, times, ids. A template is a message with [`SLOT`] in place
//! of each. Templates are few, so a frame has each of them once; what stood in one slot of one template stands together and is alike. A message that has
//! a byte from 128 on, a template that is too rare, or one of the two marks is kept whole.
//!
//! So a search for words without digits needs the templates only: a run that varies is a token by itself, and has a digit.
//!
//! Layout: count of templates (varint), then blocks with their length: the templates (a column), the template of each row (numbers; the count of
//! templates for a row that is whole), the slots (pressed), and pressed the four streams; at last the rows that are whole (a column). For each slot of each template, in order, stand
//! in the block of slots its form (a byte), a number (varint) and what that says:
//!
//! | form | number | what follows in the streams |
//! |---|---|---|
//! | 0 const | - (0) | texts: the value, a line break |
//! | 1 digits | length of each | digits: the first byte of all values, then the second, ... |
//! | 2 words | length of each | words: the same, for values that are not digits only |
//! | 3 lines | - (0) | texts: the values, each with a line break |
//! | 4 dict | count of different ones, up to 256 | texts: those, each with a line break; codes: a byte for each value |
//!
//! The streams are digits, words, texts, codes.

mod may;
mod read;
mod write;

pub(crate) use may::Known;
pub use may::Values;
pub(super) use read::take;
pub use read::{Slots, Templates};
pub(super) use write::{Found, put};

/// Stands in a template where something varies.
const SLOT: u8 = 0x11;

/// Not in any template: kept free for later.
const FREE: u8 = 0x12;

/// Most templates of a column.
const MAX_TEMPLATES: usize = 1 << 14;

const CONST: u8 = 0;
const DIGITS: u8 = 1;
const WORDS: u8 = 2;
const LINES: u8 = 3;
const DICT: u8 = 4;
