//! `sort by (a desc, b) desc partition by (c) offset N limit N rank as r`: rows in an order. With a limit, no more rows are
//! kept than that.
//!
//! Without `by`, and among rows that are equal in it, the order is that of all fields, so that runs agree.

use std::fmt;
use std::sync::Arc;

use super::{Pipe, Run, Stage};
use crate::Error;
use crate::field::TIME;
use crate::lexer::Lexer;
use crate::names::List;
use crate::needs::Fields;
use crate::quote::{Plain, Quoted};
use crate::stats::Context;

mod heap;
mod state;

use state::State;

/// Words that may follow `rank`, whose name may be left out.
const OPTIONS: [&str; 5] = ["asc", "desc", "limit", "offset", "partition"];

/// A field that rows are sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The field.
    pub field: String,
    /// Whether the largest come first.
    pub desc: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sort {
    /// What decides, the most important first.
    pub by: Vec<Key>,
    /// Whether all of it is the other way round.
    pub desc: bool,
    /// Fields; rows with different values in them are sorted, counted and cut each for themselves.
    pub partition: Vec<String>,
    /// How many of the first rows are left out.
    pub offset: u64,
    /// How many rows there will be at most; 0 for all.
    pub limit: u64,
    /// The field that gets the place of the row, from 1.
    pub rank: Option<String>,
}

impl Sort {
    /// Whether the largest value of the first field comes first.
    pub(crate) fn first_desc(&self) -> bool {
        self.by.first().is_some_and(|key| key.desc) != self.desc
    }

    /// Reads `(a desc, b asc)`.
    /// Reads `N by (…) option …`, as `first` and `last` have it: 1 if no number is given.
    pub(super) fn parse_counted(lex: &mut Lexer<'_>, name: &str, desc: bool) -> Result<Self, Error> {
        let mut sort = Self { limit: 1, desc, ..Self::default() };
        if !lex.is_any(&["by", "("]) && !lex.is_done() && !lex.is_any(&["partition", "rank"]) {
            let start = lex.offset();
            sort.limit = lex.unsigned("number of rows")?;
            if sort.limit == 0 {
                return Err(lex.error_from(start, format!("'{name}' needs a number of rows above 0")));
            }
        }
        if lex.eat("by") || lex.is("(") {
            sort.parse_by(lex)?;
        }
        while sort.parse_option(lex)? {}
        Ok(sort)
    }

    /// Writes what [`Sort::parse_counted`] reads.
    pub(super) fn write_counted(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{name} {}", self.limit)?;
        self.write_by(f)?;
        self.write_options(f)
    }

    pub(super) fn parse_by(&mut self, lex: &mut Lexer<'_>) -> Result<(), Error> {
        self.by = lex.list("by", |lex| {
            let field = lex.field_name()?;
            let desc = lex.eat("desc");
            if !desc {
                lex.eat("asc");
            }
            Ok(Key { field, desc })
        })?;
        Ok(())
    }

    /// Reads `partition by (a, b)` or `rank as r`, if one of them is there.
    pub(super) fn parse_option(&mut self, lex: &mut Lexer<'_>) -> Result<bool, Error> {
        if lex.eat("partition") {
            lex.expect("by", "partition")?;
            self.partition = lex.list("partition by", Lexer::field_name)?;
            return Ok(true);
        }
        if lex.eat("rank") {
            lex.eat("as");
            let is_name = !lex.is_done() && !lex.is_any(&OPTIONS);
            self.rank = Some(if is_name { lex.field_name()? } else { "rank".to_owned() });
            return Ok(true);
        }
        Ok(false)
    }

    /// Writes ` by (a desc, b)`.
    pub(super) fn write_by(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, key) in self.by.iter().enumerate() {
            let desc = if key.desc { " desc" } else { "" };
            write!(f, "{}{}{desc}", if at == 0 { " by (" } else { ", " }, Plain(&key.field))?;
        }
        f.write_str(if self.by.is_empty() { "" } else { ")" })
    }

    /// Writes what [`Sort::parse_option`] reads.
    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.partition.is_empty() {
            write!(f, " partition by ({})", List(&self.partition))?;
        }
        match &self.rank {
            Some(rank) if OPTIONS.contains(&rank.as_str()) => write!(f, " rank as {}", Quoted(rank)),
            Some(rank) => write!(f, " rank as {}", Plain(rank)),
            None => Ok(()),
        }
    }
}

pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let mut sort = Sort::default();
    if lex.eat("by") || lex.is("(") {
        sort.parse_by(lex)?;
    }
    while !lex.is_done() {
        if lex.eat("desc") {
            sort.desc = true;
        } else if lex.eat("asc") {
            sort.desc = false;
        } else if lex.eat("offset") {
            sort.offset = lex.unsigned("offset")?;
        } else if lex.eat("limit") {
            sort.limit = lex.unsigned("limit")?;
        } else if !sort.parse_option(lex)? {
            break;
        }
    }
    Ok(Pipe::Sort(sort))
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sort")?;
        self.write_by(f)?;
        f.write_str(if self.desc { " desc" } else { "" })?;
        if self.offset > 0 {
            write!(f, " offset {}", self.offset)?;
        }
        if self.limit > 0 {
            write!(f, " limit {}", self.limit)?;
        }
        self.write_options(f)
    }
}

impl Stage for Sort {
    fn needs(&self, needs: &mut Fields) {
        if let Some(rank) = &self.rank {
            needs.remove(rank);
        }
        self.by.iter().for_each(|key| needs.add(&key.field));
        self.partition.iter().for_each(|field| needs.add(field));
        if self.by.is_empty() {
            *needs = Fields::all();
        }
    }

    fn run(&self, _: Context) -> Result<Run, Error> {
        let sort = Arc::new(self.clone());
        Ok(Run::Gather(Arc::new(move |account| Box::new(State::new(sort.clone(), account)))))
    }

    fn keeps_time(&self) -> bool {
        self.rank.as_deref() != Some(TIME)
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    const NAMES: &[&str] = &["a", "b"];
    const ROWS: &[&[&str]] =
        &[&["10", "x"], &["9", "y"], &["", "x"], &["host-10", "y"], &["host-9", "x"], &["9", "a"]];

    #[track_caller]
    fn sorts(pipe: &str, order: &[usize]) {
        let wanted: Vec<&[&str]> = order.iter().map(|&row| ROWS[row]).collect();
        turns(pipe, NAMES, ROWS, NAMES, &wanted);
    }

    #[test]
    fn orders() {
        sorts("sort by (a)", &[2, 5, 1, 0, 4, 3]);
        sorts("sort by (a) desc", &[3, 4, 0, 5, 1, 2]);
        sorts("order by (b desc, a)", &[1, 3, 2, 0, 4, 5]);
        sorts("sort by (b, a desc) desc", &[1, 3, 2, 0, 4, 5]);
        sorts("sort (a) limit 2", &[2, 5]);
        sorts("sort by (a) offset 1 limit 2", &[5, 1]);
        sorts("sort by (a) offset 4", &[4, 3]);
        sorts("sort by (a) desc limit 1", &[3]);
        sorts("sort by (a) partition by (b) limit 1", &[5, 2, 1]);
        sorts("sort by (a) offset 9", &[]);
        sorts("sort by (a) | limit 2", &[2, 5]);
        sorts("sort by (a) | offset 5", &[3]);
    }

    #[test]
    fn places() {
        turns(
            "sort by (a) limit 2 rank as r",
            &["a"],
            &[&["3"], &["1"], &["2"]],
            &["r", "a"],
            &[&["1", "1"], &["2", "2"]],
        );
        turns("sort by (a) offset 1 rank a", &["a"], &[&["3"], &["1"]], &["a"], &[&["2"]]);
    }

    #[test]
    fn times() {
        let rows: &[&[&str]] =
            &[&["2026-11-22T10:00:00Z"], &["2026-11-22T09:00:00.5Z"], &["2026-11-22T12:00:00+03:00"]];
        turns("sort by (_time)", &["_time"], rows, &["_time"], &[rows[2], rows[1], rows[0]]);
    }

    #[test]
    fn needs_and_text() {
        prints(
            "order by(a desc,b asc) limit 5 offset 2 rank",
            "sort by (a desc, b) offset 2 limit 5 rank as rank",
        );
        prints("sort (a) desc partition by (b, \"c d\")", "sort by (a) desc partition by (b, \"c d\")");
        prints("sort", "sort");
        prints("sort by (by, \"desc\") rank as \"limit\"", "sort by (\"by\", desc) rank as \"limit\"");
        before("sort by (a) partition by (b) rank as r", "c r", "a b c");
        before("sort", "c", "*");
        refused("sort by a", "missing '('");
        refused("sort by (a) limit x", "'x' is no limit");
        refused("sort by (a) foo", "where 'sort by (a)' should end");
    }
}
