//! `/select/logsql/hits`: how many rows there are in each step of time, for each value of some fields.

use std::collections::{BTreeMap, HashMap};

use query::stats::By;
use query::{Block, Pipe};

use super::aside;
use super::json::{count, short_time, text, time, write_value};
use super::question::{ENTRY_BYTES, Question, must_fit, seconds};
use crate::args::{Args, short};
use crate::reply::{self, Refused, Reply};
use crate::serve::{Api, Asked};

/// The usual step.
const DAY: i64 = 86_400_000_000_000;
/// Most fields that rows are told apart by.
const MAX_FIELDS: usize = 16;

pub(crate) async fn answer(api: &Api, asked: &mut Asked) -> Result<Reply, Refused> {
    let mut question = Question::read(api, asked).await?;
    let args = &asked.args;
    let mut fields: Vec<&str> = args.all("field").take(MAX_FIELDS + 1).collect();
    if fields.len() > MAX_FIELDS {
        return Err(Refused::bad(format!(
            "more than {MAX_FIELDS} fields to tell rows apart by: ask for fewer"
        )));
    }
    fields.retain(|field| !field.is_empty());
    let limit =
        args.count("fields_limit")?.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    // The bars are those of the rows that the filters find; what pipes make of them does not matter.
    let filters = question.query.pipes.iter().take_while(|pipe| matches!(pipe, Pipe::Filter(_))).count();
    question.query.pipes.truncate(filters);
    question.push_pipes("stats by (_time:1d) count() as hits")?;
    if let Some(Pipe::Stats(stats)) = question.query.pipes.last_mut() {
        let (step, offset) = (step(args)?, span(args, "offset")?.unwrap_or(0));
        match step {
            Step::Nanos(step) => stats.group_by_time(step, offset),
            Step::Named(step) => *stats = named_step(step)?,
        }
    }
    if let Some(Pipe::Stats(stats)) = question.query.pipes.last_mut() {
        stats.by.extend(fields.iter().map(|field| By::field(field)));
    }
    let gathered = question.gather(api).await?;
    let fields: Vec<String> = fields.into_iter().map(str::to_owned).collect();
    aside(move || {
        let mut series = Series { fields, ..Series::default() };
        gathered.blocks.iter().try_for_each(|block| series.add(block))?;
        Ok(gathered.mark(reply::ok(reply::JSON, series.into_json(limit))))
    })
    .await
}

/// How long a step is.
pub(crate) enum Step {
    Nanos(i64),
    /// `month` and its like, which are not always as long.
    Named(&'static str),
}

/// The argument `step`; a day without it.
pub(crate) fn step(args: &Args) -> Result<Step, Refused> {
    if let Some(named) =
        args.get("step").and_then(|text| ["week", "month", "year"].into_iter().find(|name| *name == text))
    {
        return Ok(Step::Named(named));
    }
    let step = span(args, "step")?.unwrap_or(DAY);
    if step > 0 {
        Ok(Step::Nanos(step))
    } else {
        Err(Refused::bad("the argument step has to be longer than nothing"))
    }
}

/// A span of time, in nanoseconds; a number without a unit is seconds.
pub(crate) fn span(args: &Args, name: &str) -> Result<Option<i64>, Refused> {
    let Some(text) = args.get(name) else { return Ok(None) };
    let nanos = query::number::duration(text).or_else(|| seconds(text));
    let nanos = nanos.ok_or_else(|| {
        Refused::bad(format!("the argument {name}={} is no time span, as 5m is", short(text)))
    });
    nanos.map(Some)
}

/// Grouping by a step of the calendar.
fn named_step(step: &str) -> Result<query::pipe::Stats, Refused> {
    let text = format!("* | stats by (_time:{step}) count() as hits");
    let parsed = query::parse(&text, 0).ok().and_then(|query| query.pipes.into_iter().next());
    match parsed {
        Some(Pipe::Stats(stats)) => Ok(stats),
        _ => Err(Refused::bad(format!("the step {step} is not known"))),
    }
}

/// Counts by the values of the fields, and within them by time.
#[derive(Debug, Default)]
struct Series {
    hits: HashMap<Vec<String>, BTreeMap<i64, u64>>,
    fields: Vec<String>,
    bytes: usize,
}

impl Series {
    /// Adds rows, as long as all of it is not too long for an answer: one value in a block may stand for many rows.
    fn add(&mut self, block: &Block) -> Result<(), Refused> {
        let mut scratch = Vec::new();
        for row in 0..block.rows() {
            let key: Vec<String> =
                self.fields.iter().map(|field| text(block, field, row, &mut scratch)).collect();
            let Some(time) = time(block, row, &mut scratch) else { continue };
            let hits = count(block, "hits", row, &mut scratch);
            let key_bytes: usize = key.iter().map(|value| value.len() + ENTRY_BYTES).sum();
            let times = self.hits.entry(key).or_default();
            if times.is_empty() {
                self.bytes += key_bytes + ENTRY_BYTES;
            }
            let before = times.len();
            *times.entry(time).or_default() += hits;
            self.bytes += (times.len() - before) * ENTRY_BYTES;
            must_fit(self.bytes)?;
        }
        Ok(())
    }

    /// The largest `limit` of them by name, and what is left as one without a name.
    fn into_json(self, limit: usize) -> Vec<u8> {
        let Self { hits: series, fields, .. } = self;
        let total = |hits: &BTreeMap<i64, u64>| hits.values().sum::<u64>();
        let mut all: Vec<_> = series.into_iter().collect();
        all.sort_by(|a, b| total(&b.1).cmp(&total(&a.1)).then_with(|| a.0.cmp(&b.0)));
        let rest = all.split_off(limit.min(all.len()));
        let mut named: Vec<_> =
            all.into_iter().map(|(key, hits)| (names_json(&fields, &key), hits)).collect();
        let mut left = BTreeMap::new();
        for (time, hits) in rest.into_iter().flat_map(|(_, hits)| hits) {
            *left.entry(time).or_default() += hits;
        }
        if !left.is_empty() {
            named.push((b"{}".to_vec(), left));
        }
        named.sort();
        let mut out = b"{\"hits\":[".to_vec();
        for (at, (names, hits)) in named.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",{\"fields\":" } else { b"{\"fields\":" });
            out.extend_from_slice(names);
            write_hits(hits, &mut out);
        }
        out.extend_from_slice(b"]}");
        out
    }
}

fn names_json(fields: &[String], values: &[String]) -> Vec<u8> {
    let mut pairs: Vec<_> = fields.iter().zip(values).collect();
    pairs.sort();
    pairs.dedup_by(|a, b| a.0 == b.0);
    let mut out = b"{".to_vec();
    for (at, (field, value)) in pairs.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_value(field.as_bytes(), &mut out);
        out.push(b':');
        write_value(value.as_bytes(), &mut out);
    }
    out.push(b'}');
    out
}

fn write_hits(hits: &BTreeMap<i64, u64>, out: &mut Vec<u8>) {
    let join = |texts: Vec<String>| texts.join(",");
    let times = join(hits.keys().map(|time| format!("\"{}\"", short_time(*time))).collect());
    let values = join(hits.values().map(u64::to_string).collect());
    let total: u64 = hits.values().sum();
    out.extend_from_slice(
        format!(",\"timestamps\":[{times}],\"values\":[{values}],\"total\":{total}}}").as_bytes(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use query::Column;

    #[test]
    fn what_is_too_long_is_refused() {
        // A megabyte that a block holds once, and 200 series would hold each.
        let block = |rows: usize| {
            let times = (0..rows as i64).collect();
            let other = (0..rows).map(|row| row.to_string()).collect::<Vec<_>>();
            let other = other.iter().map(String::as_bytes).collect::<query::Text>();
            Block::new(rows)
                .with("_time", Column::Time(times))
                .with("a", Column::of("x".repeat(1 << 20)))
                .with("b", Column::Text(other))
                .with("hits", Column::of("1"))
        };
        let by = |fields: &[&str]| Series {
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            ..Series::default()
        };
        let mut series = by(&["a", "b"]);
        assert!(series.add(&block(50)).is_ok());
        assert!(series.add(&block(200)).is_err());
        assert!(by(&["b"]).add(&block(200)).is_ok());
    }
}
