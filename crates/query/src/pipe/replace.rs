//! `replace ("old", "new") at field limit N`: text instead of other text, at most N times a value.

use std::fmt;

use memchr::memmem::Finder;

use super::{Pipe, Room, Run, Stage, update};
use crate::condition::Condition;
use crate::filter::Filter;
use crate::lexer::{Lexer, VALUE};
use crate::needs::Fields;
use crate::quote::{Plain, Quoted};
use crate::stats::Context;
use crate::{Error, field};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Replace {
    /// Which rows.
    pub condition: Option<Condition>,
    /// What is replaced.
    pub old: String,
    /// By what.
    pub new: String,
    /// Which field.
    pub field: String,
    /// How often a value, 0 for ever.
    pub limit: u64,
}

/// Reads `if (…) (old, new) at field limit N`.
pub(super) fn parse_parts(lex: &mut Lexer<'_>, name: &str) -> Result<Replace, Error> {
    let condition = Condition::parse_if(lex)?;
    lex.expect("(", name)?;
    let old = lex.compound(VALUE, "text to replace")?.into_owned();
    lex.expect(",", "the text to replace")?;
    let new = lex.compound(VALUE, "new text")?.into_owned();
    lex.expect(")", "the new text")?;
    let field = update::parse_at(lex)?;
    let limit = if lex.eat("limit") { lex.unsigned("limit")? } else { 0 };
    Ok(Replace { condition, old, new, field, limit })
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Ok(Pipe::Replace(parse_parts(lex, "replace")?))
}

impl Replace {
    /// Writes it behind the name of the pipe.
    pub(super) fn write(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name)?;
        if let Some(condition) = &self.condition {
            write!(f, " {condition}")?;
        }
        write!(f, " ({}, {})", Quoted(&self.old), Quoted(&self.new))?;
        if self.field != field::MSG {
            write!(f, " at {}", Plain(&self.field))?;
        }
        if self.limit == 0 { Ok(()) } else { write!(f, " limit {}", self.limit) }
    }

    /// The limit as a count.
    pub(super) fn times(&self) -> usize {
        if self.limit == 0 { usize::MAX } else { usize::try_from(self.limit).unwrap_or(usize::MAX) }
    }
}

impl fmt::Display for Replace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write("replace", f)
    }
}

impl Stage for Replace {
    fn needs(&self, needs: &mut Fields) {
        update::needs(&self.field, self.condition.as_ref(), needs);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let finder = Finder::new(self.old.as_bytes()).into_owned();
        let (new, times) = (self.new.clone().into_bytes(), self.times());
        let change = move |value: &[u8], out: &mut Vec<u8>, room: &mut Room| {
            let mut at = 0;
            if !finder.needle().is_empty() {
                for found in finder.find_iter(value).take(times) {
                    room.put(&value[at..found], out);
                    room.put(&new, out);
                    at = found + finder.needle().len();
                }
            }
            room.put(&value[at..], out);
        };
        update::run(&self.field, self.condition.as_ref(), Box::new(change))
    }

    fn keeps_time(&self) -> bool {
        self.field != field::TIME
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        self.condition.iter_mut().map(|condition| &mut condition.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn text_for_text() {
        let rows: &[&[&str]] = &[&["a-b-c"], &["abc"], &[""]];
        turns("replace (\"-\", \"+\")", &["_msg"], rows, &["_msg"], &[&["a+b+c"], &["abc"], &[""]]);
        turns("replace (b, \"\") at x limit 1", &["x"], &[&["bab"]], &["x"], &[&["ab"]]);
        turns("replace (\"\", x)", &["_msg"], rows, &["_msg"], rows);
        turns(
            "replace if (x:1) (b, c) at y",
            &["x", "y"],
            &[&["1", "b"], &["2", "b"]],
            &["x", "y"],
            &[&["1", "c"], &["2", "b"]],
        );
        turns("replace (w, W) at fly.app.name", &["app"], &[&["web"]], &["app"], &[&["Web"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("replace (a, 'b c') at x limit 2", "replace (\"a\", \"b c\") at x limit 2");
        before("replace if (y:1) (a, b)", "_msg", "_msg y");
        refused("replace (a)", "missing ','");
    }
}
