//! `unpack_logfmt from field fields (a, b*) result_prefix "p_"`: the pairs of a logfmt text become fields. Also what
//! `unpack_json` has in common with it.

use std::fmt;
use std::sync::Arc;

use super::logfmt::each_pair;
use super::produce::{Keeping, Produce, each_text};
use super::{Each, Pipe, Room, Run, Stage};
use crate::condition::{Condition, Mask, compile};
use crate::filter::Filter;
use crate::lexer::{Lexer, VALUE};
use crate::names::{Name, Names};
use crate::needs::Fields;
use crate::predicate::Predicate;
use crate::quote::{Plain, Quoted};
use crate::stats::Context;
use crate::{Block, Error, field};

/// What both kinds of unpacking are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Which rows.
    pub condition: Option<Condition>,
    /// Where the text is.
    pub from: String,
    /// Which of its members.
    pub names: Names,
    /// What is put before their names.
    pub prefix: String,
    /// What becomes of fields that are there already.
    pub keeping: Keeping,
}

/// A pipe that unpacks: how it is read and written is the same for both.
macro_rules! unpack_pipe {
    ($type:ident, $name:literal, $each:expr) => {
        /// See the module.
        #[derive(Debug, Clone, PartialEq)]
        pub struct $type(pub super::unpack_logfmt::Parts);

        pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
            Ok(Pipe::$type($type(Parts::parse(lex)?)))
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.write($name, f)
            }
        }

        impl Stage for $type {
            fn needs(&self, needs: &mut Fields) {
                self.0.needs(needs);
            }

            fn run(&self, _: Context) -> Result<Run, Error> {
                self.0.run(|text, parts, row, new, room| {
                    let mut name_in_full = String::new();
                    $each(text, &mut |name: &str, value: &[u8]| {
                        if parts.names.matches(name) {
                            name_in_full.clear();
                            name_in_full.push_str(&parts.prefix);
                            name_in_full.push_str(name);
                            if name_in_full != field::TIME || parts.may_make(field::TIME) {
                                new.put(row, &name_in_full, value, room);
                            }
                        }
                    });
                })
            }

            fn keeps_time(&self) -> bool {
                !self.0.may_make(field::TIME)
            }

            fn filters(&mut self) -> Vec<&mut Filter> {
                self.0.condition.iter_mut().map(|condition| &mut condition.0).collect()
            }
        }
    };
}
pub(super) use unpack_pipe;

unpack_pipe!(UnpackLogfmt, "unpack_logfmt", |text: &[u8], take: &mut dyn FnMut(&str, &[u8])| {
    let text = String::from_utf8_lossy(text);
    each_pair(&text, |name, value| take(name, value.as_bytes()));
});

/// Puts what a text holds into a row.
type Unpack = fn(&[u8], &Parts, usize, &mut Produce, &mut Room);

impl Parts {
    /// Reads what comes behind the name of the pipe.
    pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Self, Error> {
        let condition = Condition::parse_if(lex)?;
        let mut parts = Self {
            condition,
            from: field::MSG.to_owned(),
            names: Names::all(),
            prefix: String::new(),
            keeping: Keeping::Nothing,
        };
        let options = ["fields", "result_prefix", "keep_original_fields", "skip_empty_results"];
        if lex.eat("from") || !lex.is_done() && !lex.is_any(&options) {
            parts.from = lex.field_name()?;
        }
        if lex.eat("fields") {
            parts.names = Names::parse_list(lex, "fields")?;
        }
        if lex.eat("result_prefix") {
            parts.prefix = lex.compound(VALUE, "prefix")?.into_owned();
        }
        parts.keeping = Keeping::parse(lex);
        Ok(parts)
    }

    /// Writes it behind the name of the pipe.
    pub(super) fn write(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name)?;
        if let Some(condition) = &self.condition {
            write!(f, " {condition}")?;
        }
        if self.from != field::MSG {
            write!(f, " from {}", Plain(&self.from))?;
        }
        if !self.names.is_unsaid() {
            write!(f, " fields ({})", self.names)?;
        }
        if !self.prefix.is_empty() {
            write!(f, " result_prefix {}", Quoted(&self.prefix))?;
        }
        f.write_str(self.keeping.text())
    }

    /// Whether a field of this name comes of it because it is listed. A `_time` that only happens to be in a text must not
    /// take the place of the row's.
    pub(super) fn may_make(&self, field: &str) -> bool {
        let listed = |name: &str| self.names.0.iter().any(|other| *other == Name::Exact(name.to_owned()));
        field.strip_prefix(self.prefix.as_str()).is_some_and(listed)
    }

    /// Turns what is needed behind it into what is needed before it. What it finds may be any field that it may make, so
    /// none of them becomes superfluous.
    pub(super) fn needs(&self, needs: &mut Fields) {
        let makes = self.names.0.iter().map(|name| match name {
            Name::Exact(name) => Name::Exact(format!("{}{name}", self.prefix)),
            Name::Prefix(name) => Name::Prefix(format!("{}{name}", self.prefix)),
        });
        let is_needed = makes.into_iter().any(|name| needs.has_any(&name));
        if is_needed {
            needs.add(&self.from);
            if let Some(condition) = &self.condition {
                condition.add_needs(needs);
            }
        }
    }

    /// Ready to run.
    pub(super) fn run(&self, unpack: Unpack) -> Result<Run, Error> {
        let predicate = compile(self.condition.as_ref())?;
        Ok(Run::Each(Arc::new(Ready { parts: self.clone(), predicate, unpack })))
    }
}

struct Ready {
    parts: Parts,
    predicate: Option<Arc<Predicate>>,
    unpack: Unpack,
}

impl Each for Ready {
    fn apply(&self, block: Block, room: &mut Room) -> Block {
        let (mask, mut new) = (Mask::new(self.predicate.as_ref(), &block), Produce::default());
        each_text(&block, &self.parts.from, &mask, |row, value| {
            (self.unpack)(value, &self.parts, row, &mut new, room);
        });
        new.merge(block, self.parts.keeping)
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn pairs_become_fields() {
        let text = "a=1 b=\"x y\" c=";
        turns("unpack_logfmt", &["_msg"], &[&[text]], &["_msg", "a", "b", "c"], &[&[text, "1", "x y", ""]]);
        turns(
            "unpack_logfmt from t fields (b) result_prefix p.",
            &["t"],
            &[&[text]],
            &["t", "p.b"],
            &[&[text, "x y"]],
        );
        turns("unpack_logfmt t", &["t"], &[&["a=1"]], &["t", "a"], &[&["a=1", "1"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("unpack_logfmt x", "unpack_logfmt from x");
        prints("unpack_logfmt skip_empty_results", "unpack_logfmt skip_empty_results");
        before("unpack_logfmt from y fields (a*)", "b", "b");
        before("unpack_logfmt if (z:1) from y fields (a*)", "ab", "ab y z");
    }
}
