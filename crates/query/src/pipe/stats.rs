//! `stats by (a, _time:1m) count() if (…) as x, sum(b)`: one row for each group of rows.

use std::fmt;
use std::sync::Arc;

use super::{Pipe, Run, Stage};
use crate::Error;
use crate::condition::Condition;
use crate::field::TIME;
use crate::filter::Filter;
use crate::lexer::Lexer;
use crate::needs::Fields;
use crate::quote::Plain;
use crate::stats::{By, Call, Context};

mod state;

use state::{Function, State};

/// Most functions in one pipe, and most fields that rows are grouped by.
const MAX: usize = 256;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// What rows are grouped by; all rows are one group if it is nothing.
    pub by: Vec<By>,
    /// What is computed, at least one.
    pub functions: Vec<Output>,
}

/// A function, which rows it sees and what its result is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The function.
    pub call: Call,
    /// Which rows.
    pub condition: Option<Condition>,
    /// The field with the result.
    pub name: String,
}

/// Reads it from behind `stats`, or from where that is left out.
pub(super) fn parse(lex: &mut Lexer<'_>) -> Result<Pipe, Error> {
    let start = lex.offset();
    let mut stats = Stats { by: Vec::new(), functions: Vec::new() };
    if lex.eat("by") || lex.is("(") {
        stats.by = lex.list("by", By::parse)?;
    }
    loop {
        let at = lex.offset();
        let function = parse_function(lex)?;
        if let Some(by) = stats.by.iter().find(|by| by.field == function.name) {
            let message = format!("rows are grouped by '{}', so a result cannot be called so", by.field);
            return Err(lex.error_from(at, message));
        }
        if stats.functions.iter().any(|other| other.name == function.name) {
            let message =
                format!("two results are called '{}': give one another name with 'as'", function.name);
            return Err(lex.error_from(at, message));
        }
        stats.functions.push(function);
        if stats.functions.len() > MAX || stats.by.len() > MAX {
            let message = format!("more than {MAX} functions or fields to group by in one 'stats'");
            return Err(Error::TooLarge { offset: start, len: 0, message });
        }
        if !lex.eat(",") {
            return Ok(Pipe::Stats(stats));
        }
    }
}

fn parse_function(lex: &mut Lexer<'_>) -> Result<Output, Error> {
    let call = Call::parse(lex)?;
    if lex.is("switch") {
        let start = lex.offset();
        lex.advance();
        return Err(lex.not_supported(start, "'switch' behind a stats function"));
    }
    let condition = Condition::parse_if(lex)?;
    let name = if lex.is(",") || lex.is_done() {
        condition.as_ref().map_or_else(|| call.to_string(), |condition| format!("{call} {condition}"))
    } else {
        lex.eat("as");
        lex.field_name()?
    };
    Ok(Output { call, condition, name })
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stats ")?;
        for (at, by) in self.by.iter().enumerate() {
            write!(f, "{}{by}", if at == 0 { "by (" } else { ", " })?;
        }
        f.write_str(if self.by.is_empty() { "" } else { ") " })?;
        for (at, function) in self.functions.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { ", " }, function.call)?;
            if let Some(condition) = &function.condition {
                write!(f, " {condition}")?;
            }
            write!(f, " as {}", Plain(&function.name))?;
        }
        Ok(())
    }
}

impl Stats {
    /// Groups by `_time` in steps of `step` nanoseconds from `offset` on, instead of by what it may group `_time` now.
    pub fn group_by_time(&mut self, step: i64, offset: i64) {
        self.by.retain(|by| by.field != TIME);
        self.by.insert(0, By::time(step, offset));
    }

    /// The step of `_time` that it groups by, in nanoseconds, if that is always the same.
    pub(crate) fn time_step(&self) -> Option<i64> {
        self.by.iter().find_map(By::time_step)
    }
}

impl Stage for Stats {
    fn needs(&self, needs: &mut Fields) {
        *needs = Fields::none();
        self.by.iter().for_each(|by| needs.add(&by.field));
        for function in &self.functions {
            function.call.add_needs(needs);
            if let Some(condition) = &function.condition {
                condition.add_needs(needs);
            }
        }
    }

    fn run(&self, context: Context) -> Result<Run, Error> {
        let seconds = self.time_step().map(|nanos| nanos as f64 / 1e9).or(context.seconds);
        let functions = self.functions.iter().map(Function::new).collect::<Result<Vec<_>, _>>()?;
        let (by, functions): (Arc<[By]>, Arc<[Function]>) = (self.by.clone().into(), functions.into());
        let context = Context { seconds };
        Ok(Run::Gather(Arc::new(move |account| {
            Box::new(State::new(by.clone(), functions.clone(), context, account))
        })))
    }

    fn keeps_time(&self) -> bool {
        false
    }

    fn orders_fields(&self) -> bool {
        true
    }

    fn filters(&mut self) -> Vec<&mut Filter> {
        let conditions = self.functions.iter_mut().filter_map(|function| function.condition.as_mut());
        conditions.map(|condition| &mut condition.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::pipe::tests::{before, prints, refused, turns};

    #[test]
    fn groups() {
        let (names, rows): (&[&str], &[&[&str]]) =
            (&["a", "n"], &[&["x", "1"], &["y", "2"], &["x", "3"], &["", "4"]]);
        let wanted: &[&[&str]] = &[&["", "1", "4"], &["x", "2", "4"], &["y", "1", "2"]];
        turns("stats by (a) count() c, sum(n)", names, rows, &["a", "c", "sum(n)"], wanted);
        turns("count() c", names, rows, &["c"], &[&["4"]]);
        turns("by (a) count() c", names, &[], &["a", "c"], &[]);
        turns("stats count() c, sum(n) s", names, &[], &["c", "s"], &[&["0", "NaN"]]);
        let wanted: &[&[&str]] = &[&["1", "2", "3"]];
        turns(
            "stats count() if (a:y) y, count() if (a:x) x, max(n) if (a:x) m",
            names,
            rows,
            &["y", "x", "m"],
            wanted,
        );
        turns("stats count() if (a:z)", names, rows, &["count(*) if (a:z)"], &[&["0"]]);
        turns("stats count() if ()", names, rows, &["count(*) if (*)"], &[&["4"]]);
        let wanted: &[&[&str]] = &[&["web", "1"]];
        turns(
            "stats by (fly.app.name) count() logs",
            &["app"],
            &[&["web"]],
            &["fly.app.name", "logs"],
            wanted,
        );
    }

    #[test]
    fn steps() {
        let rows: &[&[&str]] =
            &[&["2026-11-22T10:00:59Z"], &["2026-11-22T10:01:00Z"], &["2026-11-22T10:01:30Z"]];
        let wanted: &[&[&str]] =
            &[&["2026-11-22T10:00:00.000000000Z", "1"], &["2026-11-22T10:01:00.000000000Z", "2"]];
        turns("stats by (_time:1m) count() c", &["_time"], rows, &["_time", "c"], wanted);
        let wanted: &[&[&str]] = &[&["2026-11-22T10:00:00.000000000Z", "0.05"]];
        turns(
            "stats by (_time:1h) rate() if (_time:>=2026-11-22T10:01Z) r | math r * 90 as r",
            &["_time"],
            rows,
            &["_time", "r"],
            wanted,
        );
    }

    #[test]
    fn needs_and_text() {
        prints(
            "by(a,_time:1m offset 5s)count()",
            "stats by (a, _time:1m offset 5s) count(*) as \"count(*)\"",
        );
        prints("stats count() if (a:x) as c, sum(b)", "stats count(*) if (a:x) as c, sum(b) as \"sum(b)\"");
        prints("stats (a) max(b) m", "stats by (a) max(b) as m");
        before("stats by (a, _time:1m) count() if (c:x) n, sum(b)", "*", "_time a b c");
        before("stats count()", "*", "");
        before("stats by (fly.app.name) count(*)", "*", "app");
        refused("stats by (a) count() as a", "grouped by 'a'");
        refused("stats count(), count()", "two results are called 'count(*)'");
        refused("stats by (a)", "no stats function");
        refused("stats cuont()", "did you mean 'count'?");
        refused(
            "stats count() switch(case (a) as b)",
            "'switch' behind a stats function is not supported yet",
        );
        refused("stats by (a:x) count()", "'x' is no step");
    }
}
