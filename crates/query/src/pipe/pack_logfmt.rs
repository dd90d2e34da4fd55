//! `pack_logfmt fields (a, b*) as field`: fields as one logfmt text, sorted by name; all fields if none are listed.

use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage};
use crate::lexer::Lexer;
use crate::names::Names;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;
use crate::{Block, Column, Error, Text, field};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackLogfmt {
    /// Which fields.
    pub names: Names,
    /// Where it goes.
    pub result: String,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let names = if lex.eat("fields") { Names::parse_list(lex, "fields")? } else { Names::all() };
    let names = if names.0.is_empty() { Names::all() } else { names };
    let result = if lex.eat("as") || !lex.is_done() { lex.field_name()? } else { field::MSG.to_owned() };
    Ok(Pipe::PackLogfmt(PackLogfmt { names, result }))
}

impl fmt::Display for PackLogfmt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pack_logfmt")?;
        if !self.names.is_unsaid() {
            write!(f, " fields ({})", self.names)?;
        }
        if self.result == field::MSG { Ok(()) } else { write!(f, " as {}", Plain(&self.result)) }
    }
}

impl Stage for PackLogfmt {
    fn needs(&self, needs: &mut Fields) {
        if needs.has(&self.result) {
            needs.remove(&self.result);
            needs.add_names(&self.names);
        }
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(self.clone())))
    }

    fn keeps_time(&self) -> bool {
        self.result != field::TIME
    }
}

impl Each for PackLogfmt {
    fn apply(&self, mut block: Block, room: &mut Room) -> Block {
        let fields = super::pairs::listed(&self.names, &block);
        let (mut packed, mut scratch) = (Text::default(), Vec::new());
        for row in 0..block.rows() {
            packed.push_with(|out| {
                let start = out.len();
                for (name, column) in &fields {
                    let value = column.value(row, &mut scratch);
                    if value.is_empty() {
                        continue;
                    }
                    if out.len() > start {
                        out.push(b' ');
                    }
                    super::logfmt::write_pair(name, value, out);
                }
                room.take(out.len() - start);
            });
        }
        block.set(self.result.as_str(), Column::Text(packed));
        block
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn fields_as_a_text() {
        let (names, rows): (&[&str], &[&[&str]]) = (&["b", "a.x"], &[&["1", "q \""], &["", ""]]);
        let wanted: &[&[&str]] = &[&["1", "q \"", r#"a.x="q \"" b=1"#], &["", "", ""]];
        turns("pack_logfmt", names, rows, &["b", "a.x", "_msg"], wanted);
        turns("pack_logfmt fields (b) as x", names, &rows[..1], &["b", "a.x", "x"], &[&["1", "q \"", "b=1"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("pack_logfmt fields (a,b*) as x", "pack_logfmt fields (a, b*) as x");
        before("pack_logfmt fields (a) as x", "x y", "a y");
    }
}
