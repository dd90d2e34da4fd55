//! `delete a, b*`: these fields are dropped.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage};
use crate::field::{TIME, resolve};
use crate::lexer::Lexer;
use crate::names::{Name, Names};
use crate::needs::Fields;
use crate::stats::Context;
use crate::{Block, Error};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// What is dropped.
    pub names: Names,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Ok(Pipe::Delete(Delete { names: Names::parse(lex)? }))
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delete {}", self.names)
    }
}

impl Delete {
    /// Whether a field of this name is dropped.
    fn drops(&self, field: &str) -> bool {
        self.names.0.iter().any(|name| match name {
            Name::Exact(name) => name == field || resolve(name) == field,
            Name::Prefix(_) => name.matches(field),
        })
    }
}

impl Stage for Delete {
    fn needs(&self, needs: &mut Fields) {
        for name in &self.names.0 {
            if let Name::Exact(name) = name {
                needs.remove(name);
            }
        }
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(Ready::of(&self.names))))
    }

    fn keeps_time(&self) -> bool {
        !self.drops(TIME)
    }
}

/// The names as they are looked for: there may be many of them, and as many fields.
struct Ready {
    exact: HashSet<String>,
    prefixes: Vec<String>,
}

impl Ready {
    fn of(names: &Names) -> Self {
        let mut ready = Self { exact: HashSet::new(), prefixes: Vec::new() };
        for name in &names.0 {
            match name {
                Name::Exact(name) => ready.exact.extend([name.clone(), resolve(name).to_owned()]),
                Name::Prefix(prefix) => ready.prefixes.push(prefix.clone()),
            }
        }
        ready
    }
}

impl Each for Ready {
    fn apply(&self, mut block: Block, _: &mut Room) -> Block {
        let drops = |field: &str| {
            self.exact.contains(field)
                || self.prefixes.iter().any(|prefix| field.starts_with(prefix.as_str()))
        };
        block.retain(|field| !drops(field));
        block
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn these_are_dropped() {
        let names = &["a", "b.x", "b.y", "app"];
        let rows: &[&[&str]] = &[&["1", "2", "3", "web"]];
        turns("delete a", names, rows, &["b.x", "b.y", "app"], &[&["2", "3", "web"]]);
        turns("rm b*, gone", names, rows, &["a", "app"], &[&["1", "web"]]);
        turns("drop fly.app.name", names, rows, &["a", "b.x", "b.y"], &[&["1", "2", "3"]]);
        turns("del *", names, rows, &[], &[&[]]);
    }

    #[test]
    fn needs_and_text() {
        prints("rm a,b*", "delete a, b*");
        before("delete a, b*", "a b.x c", "b.x c");
    }
}
