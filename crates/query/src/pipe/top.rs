//! `top N by (a, b) hits as x rank as y`: the commonest combinations of values; 10 if no number is given.

use std::fmt;
use std::sync::Arc;

use super::counted::{Counted, Order, Plan};
use super::{Pipe, Run, Stage};
use crate::Error;
use crate::lexer::Lexer;
use crate::names::List;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::{By, Context};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// The fields; none for all that a row has.
    pub by: Vec<String>,
    /// How many combinations.
    pub limit: u64,
    /// The field with the count.
    pub hits: String,
    /// The field with the place, from 1.
    pub rank: Option<String>,
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let mut top = Top { by: Vec::new(), limit: 10, hits: "hits".to_owned(), rank: None };
    if !lex.is_any(&["by", "(", "hits", "rank"]) && !lex.is_done() {
        let start = lex.offset();
        top.limit = lex.unsigned("number of rows")?;
        if top.limit == 0 {
            return Err(lex.error_from(start, "'top' needs a number of rows above 0"));
        }
    }
    if lex.eat("by") || lex.is("(") {
        top.by = lex.list("by", Lexer::field_name)?;
    }
    while !lex.is_done() {
        if lex.eat("hits") {
            lex.eat("as");
            top.hits = lex.field_name()?;
        } else if lex.eat("rank") {
            lex.eat("as");
            let is_name = !lex.is_done() && !lex.is("hits");
            top.rank = Some(if is_name { lex.field_name()? } else { "rank".to_owned() });
        } else {
            break;
        }
    }
    Ok(Pipe::Top(top))
}

impl fmt::Display for Top {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "top {}", self.limit)?;
        if !self.by.is_empty() {
            write!(f, " by ({})", List(&self.by))?;
        }
        if self.hits != "hits" {
            write!(f, " hits as {}", Plain(&self.hits))?;
        }
        match self.rank.as_deref() {
            Some("hits") => f.write_str(" rank as \"hits\""),
            Some(rank) => write!(f, " rank as {}", Plain(rank)),
            None => Ok(()),
        }
    }
}

/// The fields as rows are grouped by them.
pub(super) fn by(fields: &[String]) -> Vec<By> {
    fields.iter().map(|field| By::field(field)).collect()
}

/// What is needed to count combinations of `fields`.
pub(super) fn needs(fields: &[String], needs: &mut Fields) {
    *needs = if fields.is_empty() { Fields::all() } else { Fields::none() };
    fields.iter().for_each(|field| needs.add(field));
}

impl Stage for Top {
    fn needs(&self, fields: &mut Fields) {
        needs(&self.by, fields);
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let plan = Arc::new(Plan {
            by: by(&self.by),
            skips_empty: false,
            order: Order::Hits,
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            may_cut: false,
            hits: Some(self.hits.clone()),
            rank: self.rank.clone(),
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
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn the_commonest() {
        let (names, rows): (&[&str], &[&[&str]]) =
            (&["a", "b"], &[&["x", "1"], &["y", "1"], &["x", "2"], &["z", "1"], &["x", "1"]]);
        let wanted: &[&[&str]] = &[&["x", "3"], &["y", "1"]];
        turns("top 2 by (a)", names, rows, &["a", "hits"], wanted);
        let wanted: &[&[&str]] = &[&["x", "1", "2", "1"], &["x", "2", "1", "2"]];
        turns("top 2 (a, b) hits as n rank", names, rows, &["a", "b", "n", "rank"], wanted);
        turns("top", names, &rows[..1], &["a", "b", "hits"], &[&["x", "1", "1"]]);
        turns("top by (fly.app.name)", &["app"], &[&["w"]], &["fly.app.name", "hits"], &[&["w", "1"]]);
    }

    #[test]
    fn needs_and_text() {
        prints("top by (a,b)", "top 10 by (a, b)");
        prints("top 5 (a) rank as r hits x", "top 5 by (a) hits as x rank as r");
        prints("top 5 (a) hits as rank rank as 'hits'", "top 5 by (a) hits as rank rank as \"hits\"");
        before("top by (a)", "*", "a");
        before("top", "a", "*");
        refused("top 0 by (a)", "above 0");
    }
}
