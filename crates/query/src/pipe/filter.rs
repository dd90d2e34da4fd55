//! `filter …`: all other rows are dropped. The name may be left out where the filter names a field.

use std::fmt;
use std::sync::Arc;

use super::{Each, Pipe, Room, Run, Stage};
use crate::condition::{Condition, Mask};
use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::predicate::Predicate;
use crate::stats::Context;
use crate::{Block, Error};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Where {
    /// Which rows stay.
    pub condition: Condition,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    Ok(Pipe::Filter(Where { condition: Condition(crate::filter::parse::filter(lex)?) }))
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter {}", self.condition.0)
    }
}

impl Stage for Where {
    fn needs(&self, needs: &mut Fields) {
        self.condition.add_needs(needs);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        Ok(Run::Each(Arc::new(Matching(self.condition.compile()?))))
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        vec![&mut self.condition.0]
    }
}

struct Matching(Arc<Predicate>);

impl Each for Matching {
    fn apply(&self, block: Block, _: &mut Room) -> Block {
        match Mask::new(Some(&self.0), &block).rows() {
            Some(rows) if rows.len() < block.rows() => block.select(&rows),
            _ => block,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn others_are_dropped() {
        let (names, rows): (&[&str], &[&[&str]]) =
            (&["a", "_msg"], &[&["1", "x y"], &["2", "y"], &["", "x"]]);
        turns("filter a:1", names, rows, names, &rows[..1]);
        turns("where x", names, rows, names, &[rows[0], rows[2]]);
        turns("a:2", names, rows, names, &rows[1..2]);
        turns("filter a:\"\"", names, rows, names, &rows[2..]);
        turns("!a:1 | filter y", names, rows, names, &rows[1..2]);
        turns("filter *", names, rows, names, rows);
    }

    #[test]
    fn needs_and_text() {
        prints("where x or a:1", "filter x or a:1");
        prints("{app=\"web\"}", "filter {app=\"web\"}");
        before("filter fly.app.name:x b:1", "c", "app b c");
        refused("error", "'error' is no pipe");
        refused("sotr by (a)", "did you mean 'sort'?");
    }
}
