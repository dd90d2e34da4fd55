//! `pack_json fields (a, b*) as field`: fields as one JSON object, sorted by name; all fields if none are listed.

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
pub struct PackJson {
    /// Which fields.
    pub names: Names,
    /// Where it goes.
    pub result: String,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let names = if lex.eat("fields") { Names::parse_list(lex, "fields")? } else { Names::all() };
    let names = if names.0.is_empty() { Names::all() } else { names };
    let result = if lex.eat("as") || !lex.is_done() { lex.field_name()? } else { field::MSG.to_owned() };
    Ok(Pipe::PackJson(PackJson { names, result }))
}

impl fmt::Display for PackJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pack_json")?;
        if !self.names.is_unsaid() {
            write!(f, " fields ({})", self.names)?;
        }
        if self.result == field::MSG { Ok(()) } else { write!(f, " as {}", Plain(&self.result)) }
    }
}

impl Stage for PackJson {
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

impl Each for PackJson {
    fn apply(&self, mut block: Block, room: &mut Room) -> Block {
        let fields = super::pairs::listed(&self.names, &block);
        let (mut packed, mut scratch) = (Text::default(), Vec::new());
        for row in 0..block.rows() {
            packed.push_with(|out| {
                let start = out.len();
                out.push(b'{');
                let before = out.len();
                for (name, column) in &fields {
                    let value = column.value(row, &mut scratch);
                    if value.is_empty() {
                        continue;
                    }
                    if out.len() > before {
                        out.push(b',');
                    }
                    crate::block::write_value(name.as_bytes(), out);
                    out.push(b':');
                    crate::block::write_value(value, out);
                }
                out.push(b'}');
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
    fn fields_as_an_object() {
        let (names, rows): (&[&str], &[&[&str]]) = (&["b", "a.x"], &[&["1", "q\""], &["", ""]]);
        let wanted: &[&[&str]] = &[&["1", "q\"", r#"{"a.x":"q\"","b":"1"}"#], &["", "", "{}"]];
        turns("pack_json", names, rows, &["b", "a.x", "_msg"], wanted);
        let wanted: &[&[&str]] = &[&["1", "q\"", r#"{"b":"1"}"#]];
        turns("pack_json fields (b, gone) as x", names, &rows[..1], &["b", "a.x", "x"], wanted);
        turns(
            "pack_json fields (fly.app.name) as x",
            &["app"],
            &[&["w"]],
            &["app", "x"],
            &[&["w", r#"{"fly.app.name":"w"}"#]],
        );
    }

    #[test]
    fn needs_and_text() {
        prints("pack_json fields (a,b*) as x", "pack_json fields (a, b*) as x");
        prints("pack_json fields (*)", "pack_json");
        before("pack_json fields (a, b*) as x", "x y", "a b* y");
        before("pack_json as x", "y", "y");
    }
}
