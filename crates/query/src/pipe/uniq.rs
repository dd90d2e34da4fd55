//! `uniq by (a, b) with hits limit N`: the different combinations of values, sorted by them.
//!
//! With a limit, and more than 65,536 combinations, some are not looked at, and the counts are 0.

use std::fmt;
use std::sync::Arc;

use super::counted::{Counted, Order, Plan};
use super::{Pipe, Run, Stage, top};
use crate::Error;
use crate::lexer::Lexer;
use crate::names::List;
use crate::needs::Fields;
use crate::stats::Context;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uniq {
    /// The fields; none for all that a row has.
    pub by: Vec<String>,
    /// Whether the field `hits` has the count.
    pub hits: bool,
    /// Most combinations; 0 for all.
    pub limit: u64,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let mut uniq = Uniq { by: Vec::new(), hits: false, limit: 0 };
    if lex.eat("by") || lex.is("(") {
        uniq.by = lex.list("by", Lexer::field_name)?;
    }
    while !lex.is_done() {
        if lex.eat("with") {
            lex.expect("hits", "with")?;
            uniq.hits = true;
        } else if lex.eat("hits") {
            uniq.hits = true;
        } else if lex.eat("limit") {
            uniq.limit = lex.unsigned("limit")?;
        } else {
            break;
        }
    }
    Ok(Pipe::Uniq(uniq))
}

impl fmt::Display for Uniq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("uniq")?;
        if !self.by.is_empty() {
            write!(f, " by ({})", List(&self.by))?;
        }
        f.write_str(if self.hits { " with hits" } else { "" })?;
        if self.limit == 0 { Ok(()) } else { write!(f, " limit {}", self.limit) }
    }
}

impl Stage for Uniq {
    fn needs(&self, fields: &mut Fields) {
        top::needs(&self.by, fields);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        // The name of the count must not be that of one of the fields.
        let mut hits = "hits".to_owned();
        while self.by.contains(&hits) {
            hits.push('s');
        }
        let plan = Arc::new(Plan {
            by: top::by(&self.by),
            skips_empty: false,
            order: Order::Values,
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            may_cut: true,
            hits: self.hits.then_some(hits),
            rank: None,
        });
        Ok(Run::Gather(Arc::new(move |account| Box::new(Counted::new(plan.clone(), account)))))
    }

    fn keeps_time(&self) -> bool {
        false
    }

    fn orders_fields(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, turns};

    #[test]
    fn different_ones() {
        let (names, rows): (&[&str], &[&[&str]]) =
            (&["a", "b"], &[&["y", "1"], &["x", "1"], &["y", "2"], &["", "1"]]);
        turns("uniq by (a)", names, rows, &["a"], &[&[""], &["x"], &["y"]]);
        turns("uniq by (a) with hits limit 2", names, rows, &["a", "hits"], &[&["", "1"], &["x", "1"]]);
        turns("uniq", names, &[rows[0], rows[0]], names, &rows[..1]);
        turns("uniq (a) hits", names, &[], &["a", "hits"], &[]);
        turns("uniq by (hits) with hits", &["hits"], &[&["x"]], &["hits", "hitss"], &[&["x", "1"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("uniq (a,b) hits limit 3", "uniq by (a, b) with hits limit 3");
        prints("uniq", "uniq");
        before("uniq by (a)", "*", "a");
    }
}
