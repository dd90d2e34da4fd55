//! The host agent alone: the bench feeds the Machine sockets of a real `logway up`, so that only the agent's work is measured.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::feed::{Feed, Speed};
use super::reader::Outlet;
use super::stage::{Bus, Lost, Stage};
use super::table::Row;
use super::{APPS, Bench, WARM_UP, usage};

/// The processor to which the agent is bound for the figure of one core.
const CPU: &str = "0";

/// CPU per line from socket to NATS at three loads, on both kinds of bus; then lines/s on one core.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (bus, what) in
        [(Bus::NatsServer, "agent, to nats-server"), (Bus::Embedded, "agent and embedded broker")]
    {
        for rate in [100_u32, 1_000, 50_000] {
            let runs = bench.repeat(|| run(bench, bus, Some(rate.into())))?;
            let column = |pick: fn(&Taken) -> f64| runs.iter().map(pick).collect::<Vec<_>>();
            let cpu =
                Row::new(format!("{what}, {rate} lines/s"), &column(|one| one.micros_per_line), "µs/line");
            let cpu = cpu.under_load(f64::from(rate), &column(|one| one.rate));
            rows.push(if rate >= 50_000 && bus == Bus::NatsServer { cpu.at_most(4.0) } else { cpu });
            if rate >= 50_000 {
                rows.push(Row::new("  lines/s that the bus confirmed", &column(|one| one.rate), "lines/s"));
                rows.push(Lost::row(runs.iter().map(|one| &one.lost)));
            }
        }
    }
    let runs = bench.repeat(|| run(bench, Bus::NatsServer, None))?;
    let column = |pick: fn(&Taken) -> f64| runs.iter().map(pick).collect::<Vec<_>>();
    rows.push(Row::new(
        "agent bound to one core, flat out, to nats-server",
        &column(|one| one.rate),
        "lines/s",
    ));
    rows.push(Row::new("  CPU per line of it", &column(|one| one.micros_per_line), "µs/line"));
    rows.push(Row::new("  of the core, used by the agent", &column(|one| one.core * 100.0), "%"));
    // More comes than one core carries on, and is refused when the spool is full: that is how it should be.
    rows.push(Lost::row(runs.iter().map(|one| &one.lost)).without_limit());
    Ok(rows)
}

/// What a run took.
struct Taken {
    micros_per_line: f64,
    /// Lines a second that the bus confirmed.
    rate: f64,
    /// Processors used.
    core: f64,
    lost: Lost,
}

/// Feeds `rate` lines a second with one tail of all apps; without a rate, as many as one core takes, without a tail.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn run(bench: &Bench, bus: Bus, rate: Option<u64>) -> Result<Taken> {
    let stage = Stage::start(bench, bus, rate.is_none().then_some(CPU))?;
    let tail = if rate.is_some() { Some(stage.tail(&["-j"], Outlet::Pipe)?) } else { None };
    let speed = rate.map_or(Speed::FlatOut, |rate| Speed::LinesPerSecond(rate as f64 / APPS as f64));
    let feed = Feed::start(&stage.dir().join("d"), APPS, speed, bench.corpus.as_deref())?;
    thread::sleep(WARM_UP);
    let before = (Instant::now(), stage.counter("logway_agent_published_lines")?, usage::cpu(stage.pid())?);
    thread::sleep(Duration::from_secs(bench.seconds));
    let after = (Instant::now(), stage.counter("logway_agent_published_lines")?, usage::cpu(stage.pid())?);
    let lost = stage.lost()?;
    feed.stop()?;
    drop(tail);
    let lines = (after.1 - before.1) as f64;
    ensure!(lines > 0.0, "the agent published nothing");
    let (elapsed, cpu) = ((after.0 - before.0).as_secs_f64(), after.2.saturating_sub(before.2).as_secs_f64());
    Ok(Taken { micros_per_line: cpu * 1e6 / lines, rate: lines / elapsed, core: cpu / elapsed, lost })
}
