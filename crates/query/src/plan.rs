//! What a store may want to know of a query before it runs it: which rows and fields are enough.

use crate::block::Order;
use crate::filter::Filter;
use crate::filter::time::TimeRange;
use crate::needs::Fields;
use crate::pipe::{Pipe, Sort};
use crate::stats::{By, Context};
use crate::{Query, field};

/// Counts that a store may have made beforehand: for each stream, minute and level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// The step of `_time` that rows are grouped by, in nanoseconds; none if they are not grouped by it.
    pub step: Option<i64>,
    /// By how much the steps are moved, in nanoseconds.
    pub offset: i64,
    /// The fields beside `_time` that are looked at, by the names that rows have: of `app`, `instance`, `region`, `level`.
    pub fields: Vec<&'static str>,
}

/// The fields that counts are made by.
const COUNTED: [&str; 4] = ["app", "instance", "region", "level"];

/// What functions must know of `query`.
pub(crate) fn context(query: &Query) -> Context {
    let TimeRange { from, to } = query.time_range();
    let is_bounded = from != i64::MIN && to != i64::MAX && from < to;
    let seconds = || to.saturating_sub(from) as f64 / 1e9;
    Context { seconds: is_bounded.then(seconds) }
}

impl Query {
    /// Moves what can be done earlier to where it is done earlier, which does not change the answer: filters right behind
    /// the filter become a part of it, and a limit right behind `sort` becomes its limit.
    pub fn hoist(&mut self) {
        while let Some(Pipe::Filter(_)) = self.pipes.first() {
            if let Pipe::Filter(pipe) = self.pipes.remove(0) {
                let old = std::mem::replace(&mut self.filter, Filter::All);
                self.filter = match (old, pipe.condition.0) {
                    (Filter::All, new) | (new, Filter::All) => new,
                    (old, new) => Filter::And(vec![old, new]),
                };
            }
        }
        let mut at = 0;
        while at + 1 < self.pipes.len() {
            let limit = match &self.pipes[at + 1] {
                Pipe::Limit(limit) if limit.rows > 0 => limit.rows,
                _ => 0,
            };
            match &mut self.pipes[at] {
                Pipe::Sort(sort) if limit > 0 && sort.partition.is_empty() => {
                    sort.limit = if sort.limit == 0 { limit } else { sort.limit.min(limit) };
                    self.pipes.remove(at + 1);
                }
                _ => at += 1,
            }
        }
    }

    /// How many of the newest matching rows are enough, if some are: `sort by (_time) desc limit N` behind pipes that drop
    /// no row and leave `_time` alone. Of rows that are as old as the oldest of them, all must be handed over, because
    /// other fields may decide between them.
    pub fn newest(&self) -> Option<usize> {
        let at = self.pipes.iter().position(|pipe| !pipe.is_row_local())?;
        let keeps =
            |pipe: &Pipe| pipe.keeps_time() && !matches!(pipe, Pipe::Filter(_) | Pipe::DropEmptyFields(_));
        let (before, rest) = self.pipes.split_at(at);
        if !before.iter().all(keeps) {
            return None;
        }
        let newest = |sort: &Sort| {
            let by_time = sort.by.first().is_some_and(|key| key.field == field::TIME) && sort.first_desc();
            by_time && sort.partition.is_empty()
        };
        let most = match rest {
            [
                Pipe::Sort(sort)
                | Pipe::First(crate::pipe::First(sort))
                | Pipe::Last(crate::pipe::Last(sort)),
                next @ ..,
            ] if newest(sort) => match (sort.limit, next.first()) {
                (0, Some(Pipe::Limit(limit))) => limit.rows,
                (0, _) => return None,
                (limit, _) => limit,
            }
            .saturating_add(sort.offset),
            _ => return None,
        };
        usize::try_from(most).ok()
    }

    /// Whether counts of rows are enough, and which: the first pipe is `stats` by nothing but a step of `_time` and fields of
    /// streams and levels, with no function but `count()` and `rate()`. Such rows come with a weight
    /// ([`crate::Block::set_weights`]). Whether the filter allows it is for the store to see.
    pub fn counts(&self) -> Option<Counts> {
        let Some(Pipe::Stats(stats)) = self.pipes.first() else { return None };
        let mut counts = Counts { step: None, offset: 0, fields: Vec::new() };
        let mut add = |name: &str| {
            let name = field::resolve(name);
            let known = COUNTED.iter().find(|counted| **counted == name)?;
            if !counts.fields.contains(known) {
                counts.fields.push(known);
            }
            Some(())
        };
        let mut time: Option<&By> = None;
        for by in &stats.by {
            if by.field == field::TIME {
                time = Some(by);
            } else if by.bucket.is_some() {
                return None;
            } else {
                add(&by.field)?;
            }
        }
        for output in &stats.functions {
            if !output.call.is_bare_count() {
                return None;
            }
            let mut fits = true;
            if let Some(condition) = &output.condition {
                condition.0.each_field(&mut |name| fits &= add(name).is_some());
            }
            if !fits {
                return None;
            }
        }
        if let Some(by) = time {
            counts.step = Some(by.time_step()?);
            counts.offset = by.time_offset();
        }
        Some(counts)
    }

    /// The fields that rows must have when they come to the pipes. What the filter looks at is not among them.
    pub fn fields_needed(&self) -> Fields {
        let mut needs = Fields::all();
        self.pipes.iter().rev().for_each(|pipe| pipe.needs(&mut needs));
        needs
    }

    /// Whether every row can be answered for by itself and still has its time: then it can be a tail, and a limit on the
    /// answer means the newest rows.
    pub fn is_row_local(&self) -> bool {
        self.pipes.iter().all(|pipe| pipe.is_row_local() && pipe.keeps_time())
    }

    /// In which order the fields of the answer are written: by name, unless the last pipe says something else.
    pub fn order(&self) -> Order {
        if self.pipes.last().is_some_and(Pipe::orders_fields) { Order::AsGiven } else { Order::Sorted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn query(text: &str) -> Query {
        parse(text, 0).unwrap()
    }

    #[test]
    fn hoisted() {
        for (text, wanted) in [
            ("* | filter x | a:y | fields b", "x a:y | fields b"),
            ("x | filter y | filter *", "x y"),
            ("x or z | filter y", "(x or z) y"),
            ("* | sort by (a) | limit 5 | limit 3", "* | sort by (a) limit 3"),
            ("* | sort by (a) limit 2 | head 5", "* | sort by (a) limit 2"),
            ("* | sort by (a) partition by (b) | limit 5", "* | sort by (a) partition by (b) | limit 5"),
            ("* | fields a | filter a:x", "* | fields a | filter a:x"),
        ] {
            let mut query = query(text);
            query.hoist();
            assert_eq!(
                parse(&query.to_string(), 0).unwrap().to_string(),
                parse(wanted, 0).unwrap().to_string()
            );
            let flat = query.to_string().replace(['(', ')'], "");
            assert_eq!(flat, parse(wanted, 0).unwrap().to_string().replace(['(', ')'], ""), "{text}");
        }
    }

    #[test]
    fn newest() {
        for (text, wanted) in [
            ("* | sort by (_time) desc limit 5", Some(5)),
            ("* | sort by (_time desc) limit 5 offset 2", Some(7)),
            ("* | fields _time, a | sort by (_time) desc | limit 5", Some(5)),
            ("* | sort by (_time desc, a) limit 5 | fields a", Some(5)),
            ("* | first 3 by (_time desc)", Some(3)),
            ("* | last by (_time)", Some(1)),
            ("* | sort by (_time) limit 5", None),
            ("* | sort by (_time) desc", None),
            ("* | filter a:x | sort by (_time) desc limit 5", None),
            ("* | copy a as _time | sort by (_time) desc limit 5", None),
            ("* | delete _time | sort by (_time) desc limit 5", None),
            ("* | sort by (_time) desc partition by (a) limit 5", None),
            ("* | limit 9 | sort by (_time) desc limit 5", None),
            ("* | stats count() | sort by (_time) desc limit 5", None),
            ("*", None),
        ] {
            assert_eq!(query(text).newest(), wanted, "{text}");
        }
    }

    #[test]
    fn counts() {
        let shown = |text: &str| {
            let counts = query(text).counts()?;
            Some(format!(
                "{:?} {} {}",
                counts.step.map(|step| step / 1_000_000_000),
                counts.offset,
                counts.fields.join(" ")
            ))
        };
        for (text, wanted) in [
            ("* | stats by (fly.app.name, level) count() as logs", Some("None 0 app level")),
            ("* | stats by (_time:1m) count(), rate()", Some("Some(60) 0 ")),
            (
                "* | stats by (_time:5m offset 1s, app) count() if (level:error) e",
                Some("Some(300) 1000000000 app level"),
            ),
            ("* | stats count()", Some("None 0 ")),
            ("* | stats by (host) count()", None),
            ("* | stats by (_time) count()", None),
            ("* | stats by (_time:month) count()", None),
            ("* | stats count(app)", None),
            ("* | stats sum(app)", None),
            ("* | stats count() if (error)", None),
            ("* | stats count() if (_time:5m)", None),
            ("* | fields app | stats by (app) count()", None),
        ] {
            assert_eq!(shown(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn row_by_row() {
        for (text, wanted) in [
            ("*", true),
            ("* | fields _time, a | filter a:x | format '<a>' | math a + 1 as b", true),
            ("* | fields a", false),
            ("* | delete _t*", false),
            ("* | stats count()", false),
            ("* | limit 5", false),
            ("* | unpack_json", true),
            ("* | unpack_json fields (_time)", false),
            ("* | unpack_json fields (a)", true),
        ] {
            assert_eq!(query(text).is_row_local(), wanted, "{text}");
        }
        assert_eq!(query("* | fields a").order(), Order::AsGiven);
        assert_eq!(query("* | fields a | filter a:x").order(), Order::Sorted);
    }
}
