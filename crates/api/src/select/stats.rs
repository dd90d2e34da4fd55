//! `/select/logsql/stats_query` and `stats_query_range`: statistics in the form of Prometheus.

use std::collections::BTreeMap;

use query::field::TIME;
use query::{Block, Pipe};

use super::aside;
use super::hits::{Step, span, step};
use super::json::{text, time, unix_seconds, write_value};
use super::question::{ENTRY_BYTES, Gathered, Question, must_fit};
use super::series::{labels, must_have_time};
use crate::reply::{self, Refused, Reply};
use crate::serve::{Api, Asked};

/// Each result as it is at one time.
pub(crate) async fn at_once(api: &Api, asked: &mut Asked) -> Result<Reply, Refused> {
    let mut question = Question::read(api, asked).await?;
    let labels = labels(&question.query.pipes)?;
    let gathered = question.gather(api).await?;
    let now = unix_seconds(question.now);
    aside(move || vector(&gathered, &labels, &now)).await
}

fn vector(gathered: &Gathered, labels: &[String], now: &str) -> Result<Reply, Refused> {
    let mut out = b"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[".to_vec();
    let mut is_first = true;
    for block in &gathered.blocks {
        each_value(block, labels, |metric, _, value| {
            out.extend_from_slice(if std::mem::take(&mut is_first) { b"" } else { b"," });
            out.extend_from_slice(b"{\"metric\":");
            out.extend_from_slice(metric);
            out.extend_from_slice(format!(",\"value\":[{now},").as_bytes());
            write_value(value, &mut out);
            out.extend_from_slice(b"]}");
            must_fit(out.len())
        })?;
    }
    out.extend_from_slice(b"]}}");
    Ok(gathered.mark(reply::ok(reply::JSON, out)))
}

/// Each result as it is in each step of time.
pub(crate) async fn over_time(api: &Api, asked: &mut Asked) -> Result<Reply, Refused> {
    let mut question = Question::read(api, asked).await?;
    labels(&question.query.pipes)?;
    let Step::Nanos(step) = step(&asked.args)? else {
        return Err(Refused::bad("the step has to be a span of time that is always the same, as 1h is"));
    };
    let offset = span(&asked.args, "offset")?.unwrap_or(0);
    let last = question.query.pipes.iter_mut().rev().find_map(|pipe| match pipe {
        Pipe::Stats(stats) => Some(stats),
        _ => None,
    });
    if let Some(stats) = last {
        stats.group_by_time(step, offset);
    }
    let labels = labels(&question.query.pipes)?;
    must_have_time(&labels)?;
    let gathered = question.gather(api).await?;
    aside(move || series_over_time(&gathered, &labels)).await
}

fn series_over_time(gathered: &Gathered, labels: &[String]) -> Result<Reply, Refused> {
    let mut series: BTreeMap<Vec<u8>, BTreeMap<i64, Vec<u8>>> = BTreeMap::new();
    let mut bytes = 0;
    for block in &gathered.blocks {
        each_value(block, labels, |metric, time, value| {
            let Some(time) = time else { return Ok(()) };
            let values = series.entry(metric.to_vec()).or_default();
            if values.is_empty() {
                bytes += metric.len() + ENTRY_BYTES;
            }
            bytes += value.len() + ENTRY_BYTES;
            values.insert(time, value.to_vec());
            must_fit(bytes)
        })?;
    }
    Ok(gathered.mark(reply::ok(reply::JSON, matrix(&series))))
}

fn matrix(series: &BTreeMap<Vec<u8>, BTreeMap<i64, Vec<u8>>>) -> Vec<u8> {
    let mut out = b"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[".to_vec();
    for (at, (metric, values)) in series.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"metric\":" } else { b"{\"metric\":" });
        out.extend_from_slice(metric);
        out.extend_from_slice(b",\"values\":[");
        for (at, (time, value)) in values.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}[{},", unix_seconds(*time)).as_bytes());
            write_value(value, &mut out);
            out.push(b']');
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}}");
    out
}

/// Calls `each` with the name, the time and the value of every result of every row, until it refuses.
fn each_value(
    block: &Block,
    labels: &[String],
    mut each: impl FnMut(&[u8], Option<i64>, &[u8]) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let (mut scratch, mut metric) = (Vec::new(), Vec::new());
    let mut named: Vec<&String> = labels.iter().filter(|label| *label != TIME).collect();
    named.sort();
    let values: Vec<_> =
        block.columns().iter().filter(|(name, _)| !labels.iter().any(|label| **label == **name)).collect();
    for row in 0..block.rows() {
        let time = time(block, row, &mut scratch);
        for (name, column) in &values {
            metric.clear();
            metric.extend_from_slice(b"{\"__name__\":");
            write_value(name.as_bytes(), &mut metric);
            for label in &named {
                metric.push(b',');
                write_value(label.as_bytes(), &mut metric);
                metric.push(b':');
                write_value(text(block, label, row, &mut scratch).as_bytes(), &mut metric);
            }
            metric.push(b'}');
            each(&metric, time, column.value(row, &mut scratch))?;
        }
    }
    Ok(())
}
