//! `copy a as b, c* as d*`: fields get a second name. A field that has that name already is overwritten.

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
pub struct Copy {
    /// Old and new names, done the one after the other.
    pub pairs: Vec<Pair>,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Ok(Pipe::Copy(Copy { pairs: pairs::parse(lex)? }))
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("copy ")?;
        pairs::write(&self.pairs, f)
    }
}

impl Stage for Copy {
    fn needs(&self, needs: &mut Fields) {
        self.pairs.iter().rev().for_each(|pair| pairs::needs(pair, false, needs));
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(self.clone())))
    }

    fn keeps_time(&self) -> bool {
        !self.pairs.iter().any(|pair| pair.to.matches(TIME))
    }
}

impl Each for Copy {
    fn apply(&self, mut block: Block, _: &mut Room) -> Block {
        for pair in &self.pairs {
            let columns = block.columns().iter();
            let copied: Vec<_> = columns
                .filter_map(|(name, column)| Some((pairs::new_name(pair, name)?, column.clone())))
                .collect();
            if let (true, crate::names::Name::Exact(to)) = (copied.is_empty(), &pair.to) {
                block.remove(to);
            }
            copied.into_iter().for_each(|(to, column)| block.set(to, column));
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn a_second_name() {
        let (names, rows): (&[&str], &[&[&str]]) = (&["a", "b", "app"], &[&["1", "2", "web"]]);
        turns("copy a as c", names, rows, &["a", "b", "app", "c"], &[&["1", "2", "web", "1"]]);
        turns("cp a b", names, rows, names, &[&["1", "1", "web"]]);
        turns("copy fly.app.name as x", names, rows, &["a", "b", "app", "x"], &[&["1", "2", "web", "web"]]);
        turns("copy gone as a", names, rows, &["b", "app"], &[&["2", "web"]]);
        turns("copy p.* as q*", &["p.x", "r"], &[&["1", "2"]], &["p.x", "r", "qx"], &[&["1", "2", "1"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("cp a b, c* as d*", "copy a as b, c* as d*");
        before("copy a as b", "b c", "a c");
        before("copy a as b", "a b", "a");
        before("copy a as b", "c", "c");
    }
}
