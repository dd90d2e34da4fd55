//! `rename a as b, c* as d*`: fields get another name. A field that has that name already is overwritten.

use std::fmt;
use std::sync::Arc;

use super::pairs::{self, Pair};
use super::{Each, Pipe, Room, Run, Stage};
use crate::field::TIME;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::stats::Context;
use crate::{Block, Error};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Old and new names, done the one after the other.
    pub pairs: Vec<Pair>,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Ok(Pipe::Rename(Rename { pairs: pairs::parse(lex)? }))
}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rename ")?;
        pairs::write(&self.pairs, f)
    }
}

impl Stage for Rename {
    fn needs(&self, needs: &mut Fields) {
        self.pairs.iter().rev().for_each(|pair| pairs::needs(pair, true, needs));
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(self.clone())))
    }

    fn keeps_time(&self) -> bool {
        let touches = |pair: &Pair| pair.from.matches(TIME) || pair.to.matches(TIME);
        !self.pairs.iter().any(touches)
    }
}

impl Each for Rename {
    fn apply(&self, mut block: Block, _: &mut Room) -> Block {
        for pair in &self.pairs {
            let names = block.columns().iter().map(|(name, _)| name.clone());
            let moved: Vec<_> =
                names.filter_map(|name| Some((pairs::new_name(pair, &name)?, name))).collect();
            if let (true, crate::names::Name::Exact(to)) = (moved.is_empty(), &pair.to) {
                block.remove(to);
            }
            let taken: Vec<_> = moved.into_iter().map(|(to, from)| (to, block.remove(&from))).collect();
            for (to, column) in taken {
                if let Some(column) = column {
                    block.set(to, column);
                }
            }
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn another_name() {
        let (names, rows): (&[&str], &[&[&str]]) = (&["a", "b", "app"], &[&["1", "2", "web"]]);
        turns("rename a as c", names, rows, &["b", "app", "c"], &[&["2", "web", "1"]]);
        turns("mv a b", names, rows, &["b", "app"], &[&["1", "web"]]);
        turns("rename a as b, b as c", names, rows, &["app", "c"], &[&["web", "1"]]);
        turns("rename a as a", names, rows, names, rows);
        turns("rename fly.app.name as x", names, rows, &["a", "b", "x"], &[&["1", "2", "web"]]);
        turns("rename gone as a", names, rows, &["b", "app"], &[&["2", "web"]]);
        turns("rename p.* as q*", &["p.x", "r"], &[&["1", "2"]], &["r", "qx"], &[&["2", "1"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("mv a b, c* as d*", "rename a as b, c* as d*");
        before("rename a as b", "b c", "a c");
        before("rename a as b", "a b", "a");
        before("rename a as b", "c", "c");
        before("rename a as b, b as c", "c", "a");
        before("rename a* as b*", "bx", "a* bx");
    }
}
