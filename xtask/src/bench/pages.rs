//! Pages of the Logs API: how many a second one `logway up` gives, and what each costs it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::http::Http;
use super::stage::{Bus, Stage};
use super::table::Row;
use super::{Bench, usage};

/// Lines that are stored, of so many apps.
const LINES: u64 = 300_000;
const APPS: u64 = 16;
/// Lines of one insert.
const AT_ONCE: u64 = 5_000;
/// Clients, each with a connection of its own.
const CLIENTS: usize = 2;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Asking {
    /// Page after page through all lines of an app, and then again.
    Through,
    /// The newest lines, again and again.
    Newest,
    /// What is behind the newest ones: nothing. As flyctl does eight times a second.
    Idle,
}

/// Requests a second and the CPU of each, for each way of asking.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let runs = bench.repeat(|| {
        let stage = Stage::start(bench, Bus::Embedded, None)?;
        fill(&mut stage.http()?)?;
        [Asking::Through, Asking::Newest, Asking::Idle]
            .into_iter()
            .map(|asking| run(&stage, asking, Duration::from_secs(bench.seconds)))
            .collect::<Result<Vec<_>>>()
    })?;
    for (at, what) in
        ["pages of 100 lines, one behind the other", "pages of the newest 100 lines", "polls without news"]
            .into_iter()
            .enumerate()
    {
        let of = |figure: fn(&Load) -> f64| -> Vec<f64> { runs.iter().map(|run| figure(&run[at])).collect() };
        rows.push(Row::new(format!("{what}, {CLIENTS} clients"), &of(|load| load.per_second), "requests/s"));
        rows.push(Row::new("  CPU of logway up", &of(|load| load.micros), "µs/request"));
        rows.push(Row::new("  p99 from question to answer", &of(|load| load.p99_ms), "ms"));
    }
    Ok(rows)
}

/// What one run gave.
#[derive(Debug, Clone, Copy)]
struct Load {
    per_second: f64,
    micros: f64,
    p99_ms: f64,
}

/// Lines of several apps in turn, a millisecond apart, the newest of now; all in parts.
fn fill(http: &mut Http) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_millis();
    let begin = u64::try_from(now)?.saturating_sub(LINES);
    for first in (0..LINES).step_by(usize::try_from(AT_ONCE)?) {
        let line = |at: u64| {
            format!(
                "{{\"_time\":{},\"app\":\"app-{}\",\"region\":\"lhr\",\"instance\":\"i{}\",\"_msg\":\"GET /things/{at} took {} ms\"}}\n",
                begin + at,
                at % APPS,
                at % 3,
                at % 977
            )
        };
        let body: String = (first..(first + AT_ONCE).min(LINES)).map(line).collect();
        http.post("/insert/jsonline", "application/x-ndjson", body.as_bytes())?;
    }
    http.form("/internal/force_flush", &[]).map(drop)
}

/// Asks with all clients for some time.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn run(stage: &Stage, asking: Asking, time: Duration) -> Result<Load> {
    let connections = (0..CLIENTS).map(|_| stage.http()).collect::<Result<Vec<_>>>()?;
    let before = usage::cpu(stage.pid())?;
    let begun = Instant::now();
    let took = std::thread::scope(|scope| {
        let ask = |(client, http): (usize, Http)| scope.spawn(move || client_of(http, client, asking, time));
        let clients: Vec<_> = connections.into_iter().enumerate().map(ask).collect();
        let took = clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| anyhow::bail!("a client panicked")));
        took.collect::<Result<Vec<_>>>()
    })?;
    let elapsed = begun.elapsed();
    let cpu = usage::cpu(stage.pid())?.saturating_sub(before);
    let mut took = took.concat();
    ensure!(!took.is_empty(), "no answer came in time");
    took.sort_unstable();
    let count = took.len() as f64;
    let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    Ok(Load {
        per_second: count / elapsed.as_secs_f64(),
        micros: cpu.as_secs_f64() * 1e6 / count,
        p99_ms: p99.as_secs_f64() * 1e3,
    })
}

/// What each request of a client took.
fn client_of(mut http: Http, client: usize, asking: Asking, time: Duration) -> Result<Vec<Duration>> {
    let path = format!("/api/v1/apps/app-{client}/logs?next_token=");
    let first = match asking {
        Asking::Through => "0".to_owned(),
        Asking::Newest => String::new(),
        Asking::Idle => page(&mut http, &path, "")?.1,
    };
    let (mut next, mut took) = (first.clone(), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        let asked = Instant::now();
        let (lines, token) = page(&mut http, &path, &next)?;
        took.push(asked.elapsed());
        match asking {
            Asking::Through if lines > 0 => next = token,
            Asking::Through => next.clone_from(&first),
            Asking::Newest => ensure!(lines == 100, "the newest page has {lines} lines"),
            Asking::Idle => ensure!(lines == 0 && token == next, "a line came that nobody wrote"),
        }
    }
    Ok(took)
}

/// How many lines a page has, and the next token.
fn page(http: &mut Http, path: &str, token: &str) -> Result<(usize, String)> {
    let body = String::from_utf8(http.get(&format!("{path}{token}"))?)?;
    let lines = body.matches("\"type\":\"log\"").count();
    let next = body.rsplit_once("\"next_token\":\"").and_then(|(_, rest)| rest.split('"').next());
    Ok((lines, next.context("a page without a token")?.to_owned()))
}
