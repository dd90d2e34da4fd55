//! `decolorize field`: the control sequences of terminals (colours and the like) are taken out of a text.

use std::fmt;

use super::{Pipe, Room, Run, Stage, update};
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;
use crate::{Error, field};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decolorize {
    /// Which field.
    pub field: String,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let field = if lex.is_done() { field::MSG.to_owned() } else { lex.field_name()? };
    Ok(Pipe::Decolorize(Decolorize { field }))
}

impl fmt::Display for Decolorize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("decolorize")?;
        if self.field == field::MSG { Ok(()) } else { write!(f, " {}", Plain(&self.field)) }
    }
}

impl Stage for Decolorize {
    fn needs(&self, _: &mut Fields) {}

    fn run(&self, _: Context) -> Result<Run, Error> {
        update::run(&self.field, None, Box::new(strip))
    }

    fn keeps_time(&self) -> bool {
        self.field != field::TIME
    }
}

/// Appends `value` without `ESC [ … letter`.
fn strip(value: &[u8], out: &mut Vec<u8>, room: &mut Room) {
    let mut rest = value;
    while let Some(at) = memchr::memmem::find(rest, b"\x1b[") {
        room.put(&rest[..at], out);
        let inside = &rest[at + 2..];
        let end = inside.iter().position(|byte| (0x40..=0x7e).contains(byte));
        rest = end.and_then(|end| inside.get(end + 1..)).unwrap_or_default();
    }
    room.put(rest, out);
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{prints, turns};

    #[test]
    fn colours() {
        let rows: &[&[&str]] = &[&["\u{1b}[31;1mred\u{1b}[0m x"], &["plain"], &["cut \u{1b}[31"]];
        turns("decolorize", &["_msg"], rows, &["_msg"], &[&["red x"], &["plain"], &["cut "]]);
        turns("decolorize a", &["a"], &rows[..1], &["a"], &[&["red x"]]);
        prints("decolorize _msg", "decolorize");
        prints("decolorize a", "decolorize a");
    }
}
