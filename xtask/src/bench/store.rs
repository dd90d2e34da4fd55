//! The store: rows come over HTTP, rest, and are asked for. With VICTORIA_LOGS_BIN set the same is done to a VictoriaLogs.

mod corpus;
mod queries;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::table::Row;
use corpus::DAY;
pub(super) use corpus::Plan;
use queries::{Place, QUESTIONS};
use server::{Kind, Server};

/// Connections that insert.
const CONNECTIONS: usize = 2;
/// What is asked of ingest, disk and memory.
const MICROS_PER_LINE: f64 = 2.2;
const BYTES_PER_LINE: f64 = 18.0;
const PEAK_MIB: f64 = 256.0;
/// The rows that the budgets are for.
const BUDGET_LINES: u64 = 3_000_000;

/// Measures Logway, then the peer if there is one.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut table = Table::default();
    for _ in 0..bench.runs {
        run(bench, &Kind::Logway(bench.logway.clone()), "", &mut table)?;
    }
    if let Some(peer) = std::env::var_os("VICTORIA_LOGS_BIN") {
        let kind = Kind::VictoriaLogs(PathBuf::from(peer));
        for _ in 0..bench.runs {
            run(bench, &kind, "VictoriaLogs: ", &mut table)?;
        }
    }
    Ok(table.rows())
}

/// Figures in the order in which they first came, with those of all runs.
#[derive(Default)]
struct Table {
    order: Vec<String>,
    figures: BTreeMap<String, (Vec<f64>, &'static str, Option<f64>)>,
}

impl Table {
    fn note(&mut self, what: String, figure: f64, unit: &'static str, at_most: Option<f64>) {
        eprintln!("  {what}: {figure:.2} {unit}");
        if !self.figures.contains_key(&what) {
            self.order.push(what.clone());
        }
        self.figures.entry(what).or_insert_with(|| (Vec::new(), unit, at_most)).0.push(figure);
    }

    fn rows(&self) -> Vec<Row> {
        let row = |what: &String| {
            let (figures, unit, at_most) = self.figures.get(what)?;
            let row = Row::new(what, figures, unit);
            Some(at_most.map_or(row.clone(), |limit| row.at_most(limit)))
        };
        self.order.iter().filter_map(row).collect()
    }
}

/// All of it on one server.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn run(bench: &Bench, kind: &Kind, whose: &str, table: &mut Table) -> Result<()> {
    let plan = &bench.plan;
    let total = plan.total();
    let is_ours = whose.is_empty();
    let budget = |limit: f64| is_ours.then_some(limit);
    let mut server = Server::start(kind.clone())?;
    let begin = plan.begin(now()?);
    let before = server.cpu()?;
    let inserted = insert(&server, plan, begin)?;
    let acknowledged = server.cpu()?;
    server.flush()?;
    let flushed = server.cpu()?;
    let per_line = |cpu: Duration| cpu.saturating_sub(before).as_secs_f64() * 1e6 / total as f64;
    let of = format!("{whose}{} lines: ", shown(total));
    table.note(
        format!("{of}ingest, until all is in parts"),
        per_line(flushed),
        "µs/line",
        budget(MICROS_PER_LINE),
    );
    table.note(format!("{of}  until all is acknowledged"), per_line(acknowledged), "µs/line", None);
    table.note(
        format!("{of}  flow over {CONNECTIONS} connections"),
        total as f64 / inserted.took.as_secs_f64(),
        "lines/s",
        None,
    );
    table.note(format!("{of}memory, ingest alone"), mebibytes(server.peak_bytes()?), "MiB", None);
    let place = inserted.place(begin, plan);
    for state in ["hot", "closed"] {
        if state == "closed" {
            server.pack()?;
        }
        let bytes = server.disk_bytes()? as f64 / total as f64;
        let limit = if state == "closed" { budget(BYTES_PER_LINE) } else { None };
        table.note(format!("{of}{state}: disk"), bytes, "bytes/line", limit);
        ask_all(&server, &place, (total, &format!("{of}{state}: "), is_ours), table)?;
    }
    table.note(
        format!("{of}peak memory, with all queries"),
        mebibytes(server.peak_bytes()?),
        "MiB",
        budget(PEAK_MIB),
    );
    server.stop()
}

fn ask_all(
    server: &Server,
    place: &Place,
    (total, of, is_ours): (u64, &str, bool),
    table: &mut Table,
) -> Result<()> {
    server.settle()?;
    let mut http = server.http()?;
    for question in &QUESTIONS {
        let asked = question.ask(&mut http, place)?;
        let answer = String::from_utf8_lossy(&asked.body);
        ensure!(
            question.what != "count all" || answer.contains(&total.to_string()),
            "not all rows are there: {answer}"
        );
        let limit = question.budget.filter(|_| is_ours && total == BUDGET_LINES);
        table.note(format!("{of}{}", question.what), asked.median.as_secs_f64() * 1e3, "ms", limit);
    }
    Ok(())
}

/// What was inserted.
struct Inserted {
    took: Duration,
    /// The app of the first row, which is one of the largest, and a number of a row in the middle.
    app: String,
    needle: String,
}

impl Inserted {
    fn place(&self, begin: i64, plan: &Plan) -> Place {
        let times = i64::try_from(plan.times).unwrap_or(1);
        Place {
            app: self.app.clone(),
            needle: self.needle.clone(),
            start: line::time::rfc3339(begin),
            end: line::time::rfc3339(begin + times * DAY),
        }
    }
}

/// Sends all rows, over several connections.
fn insert(server: &Server, plan: &Plan, begin: i64) -> Result<Inserted> {
    let path = "/insert/jsonline?_stream_fields=app,region,instance&_msg_field=_msg&_time_field=_time";
    let (send, receive) = sync_channel::<Vec<u8>>(CONNECTIONS);
    let receive = Arc::new(Mutex::new(receive));
    let next =
        |bodies: &Mutex<Receiver<Vec<u8>>>| bodies.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let begun = Instant::now();
    let (mut apps, mut needle) = (BTreeMap::new(), String::new());
    thread::scope(|scope| {
        let mut senders = Vec::new();
        for _ in 0..CONNECTIONS {
            let (bodies, mut http) = (Arc::clone(&receive), server.http()?);
            senders.push(scope.spawn(move || {
                while let Ok(body) = next(&bodies) {
                    http.post(path, "application/x-ndjson", &body)?;
                }
                anyhow::Ok(())
            }));
        }
        drop(receive);
        let made = plan.bodies(begin, |body| {
            if let Some(row) = body.split(|byte| *byte == b'\n').next() {
                let row: serde_json::Value = serde_json::from_slice(row).context("a row")?;
                *apps.entry(row["app"].as_str().unwrap_or_default().to_owned()).or_insert(0_u32) += 1;
                let words = row["_msg"].as_str().unwrap_or_default().split(|c: char| !c.is_ascii_digit());
                needle = words
                    .max_by_key(|word| word.len())
                    .filter(|word| word.len() > 8)
                    .unwrap_or(&needle)
                    .to_owned();
            }
            send.send(body).ok().context("no connection takes rows any more")
        });
        drop(send);
        for sender in senders {
            sender.join().ok().context("a sender failed")??;
        }
        made
    })?;
    let app = apps.into_iter().max_by_key(|(_, count)| *count).map(|(app, _)| app);
    Ok(Inserted { took: begun.elapsed(), app: app.context("there are no rows")?, needle })
}

fn now() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?)
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// As `3 M`, when it is that.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn shown(lines: u64) -> String {
    match lines {
        0..1_000_000 => lines.to_string(),
        _ if lines.is_multiple_of(100_000) => format!("{} M", lines as f64 / 1e6),
        _ => lines.to_string(),
    }
}
