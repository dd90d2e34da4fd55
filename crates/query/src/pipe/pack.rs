//! What `pack_json` and `pack_logfmt` have in common: fields become one text in another field.

use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage, pack_json, pack_logfmt};
use crate::lexer::Lexer;
use crate::names::Names;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::Context;
use crate::{Block, Column, Error, Text, field};

/// What the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON object.
    Json,
    /// Pairs of logfmt.
    Logfmt,
}

/// Fields as one text, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// What it becomes.
    pub form: Form,
    /// Which fields.
    pub names: Names,
    /// Where it goes.
    pub result: String,
}

/// Hands over name and value of each field that a row has.
pub(super) type Pairs<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&str, &[u8]));

/// Reads what stands behind the name: `fields (a, b*) as field`; all fields if none are listed.
pub(super) fn parse(lex: &mut Lexer<'_>, form: Form) -> Result<Pipe, Error> {
    let names = if lex.eat("fields") { Names::parse_list(lex, "fields")? } else { Names::all() };
    let names = if names.0.is_empty() { Names::all() } else { names };
    let result = if lex.eat("as") || !lex.is_done() { lex.field_name()? } else { field::MSG.to_owned() };
    Ok(Pipe::Pack(Pack { form, names, result }))
}

impl fmt::Display for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.form {
            Form::Json => "pack_json",
            Form::Logfmt => "pack_logfmt",
        })?;
        if !self.names.is_unsaid() {
            write!(f, " fields ({})", self.names)?;
        }
        if self.result == field::MSG { Ok(()) } else { write!(f, " as {}", Plain(&self.result)) }
    }
}

impl Stage for Pack {
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

impl Each for Pack {
    fn apply(&self, mut block: Block, room: &mut Room) -> Block {
        let fields = super::pairs::listed(&self.names, &block);
        let (mut packed, mut scratch) = (Text::default(), Vec::new());
        for row in 0..block.rows() {
            packed.push_with(|out| {
                let start = out.len();
                // What is empty is not there.
                let mut each = |write: &mut dyn FnMut(&str, &[u8])| {
                    for (name, column) in &fields {
                        let value = column.value(row, &mut scratch);
                        if !value.is_empty() {
                            write(name, value);
                        }
                    }
                };
                match self.form {
                    Form::Json => pack_json::write(&mut each, out),
                    Form::Logfmt => pack_logfmt::write(&mut each, out),
                }
                room.take(out.len() - start);
            });
        }
        block.set(self.result.as_str(), Column::Text(packed));
        block
    }
}
