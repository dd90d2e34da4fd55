//! The real binaries together: `logway up`, `logway run` with a producer for each app, `logway logs` as the reader.

use std::fs::File;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::calibrate::percentile;
use super::child::Running;
use super::init::{make_gate, producer};
use super::reader::Outlet;
use super::stage::{Bus, Lost, Stage, Tail};
use super::table::Row;
use super::{APPS, Bench, WARM_UP, searchable, usage};

/// How lines are written when they do not come one by one.
const BURST_MS: u64 = 10;

/// CPU per line of everything that `logway up` brings, at three loads.
pub(super) fn whole(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (rate, burst_ms) in [(100_u32, 0), (1_000, 0), (50_000, 0), (50_000, BURST_MS)] {
        let load = Load { apps: APPS, rate: rate.into(), burst_ms, seconds: bench.seconds };
        let runs = bench.repeat(|| run(bench, &load, &["-j"], Outlet::Pipe))?;
        let how = match burst_ms {
            0 => format!("{rate} lines/s, a write each"),
            ms => format!("{rate} lines/s, a write each {ms} ms"),
        };
        let column = |pick: fn(&Taken) -> f64| runs.iter().map(pick).collect::<Vec<_>>();
        let whole = Row::new(format!("up and init, {how}"), &column(Taken::all), "µs/line");
        let whole = whole.under_load(f64::from(rate), &column(Taken::rate));
        rows.push(if rate >= 50_000 { whole.at_most(8.0) } else { whole });
        rows.push(Row::new("  of it up (agent, broker and store)", &column(Taken::up), "µs/line"));
        rows.push(Row::new("  of it init", &column(Taken::init), "µs/line"));
        rows.push(Row::new("  beside it logs -j, the tail of all apps", &column(Taken::logs), "µs/line"));
        rows.push(Row::new("  lines/s that the tail wrote", &column(Taken::rate), "lines/s"));
        rows.push(Lost::row(runs.iter().map(|taken| &taken.lost)));
    }
    rows.extend(searchable::measure(bench)?);
    Ok(rows)
}

/// From an app's write to the terminal, at three loads of one app.
pub(super) fn latency(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (outlet, args, to) in [
        (Outlet::Pipe, &["-j", "-a", "app-0"][..], "a pipe (logs -j)"),
        (Outlet::Terminal, &["-a", "app-0"], "a terminal (logs)"),
    ] {
        for rate in [10, 1_000, 20_000] {
            // At 10 lines/s there would otherwise be too few lines for a p99.
            let seconds = if rate < 100 { bench.seconds * 2 } else { bench.seconds };
            let load = Load { apps: 1, rate, burst_ms: 0, seconds };
            let mut runs = bench.repeat(|| run(bench, &load, args, outlet))?;
            for (percent, limit) in [(50, None), (99, Some(50.0)), (100, None)] {
                let age = |taken: &mut Taken| percentile(&mut taken.ages, percent).as_secs_f64() * 1e3;
                let ages: Vec<_> = runs.iter_mut().map(age).collect();
                let name = if percent == 100 { "slowest".to_owned() } else { format!("p{percent}") };
                let row = Row::new(format!("{name} to {to}, {rate} lines/s"), &ages, "ms");
                rows.push(limit.map_or(row.clone(), |limit| row.at_most(limit)));
            }
        }
    }
    Ok(rows)
}

/// What is written, and for how long it is measured.
pub(super) struct Load {
    pub(super) apps: u64,
    /// Lines a second of all apps together.
    pub(super) rate: u64,
    pub(super) burst_ms: u64,
    pub(super) seconds: u64,
}

/// What a run took.
struct Taken {
    lines: f64,
    elapsed: Duration,
    up: Duration,
    init: Duration,
    logs: Duration,
    lost: Lost,
    /// Age of each line when the reader had it.
    ages: Vec<Duration>,
}

impl Taken {
    fn all(&self) -> f64 {
        self.up() + self.init()
    }

    fn up(&self) -> f64 {
        self.up.as_secs_f64() * 1e6 / self.lines
    }

    fn init(&self) -> f64 {
        self.init.as_secs_f64() * 1e6 / self.lines
    }

    fn logs(&self) -> f64 {
        self.logs.as_secs_f64() * 1e6 / self.lines
    }

    fn rate(&self) -> f64 {
        self.lines / self.elapsed.as_secs_f64()
    }
}

/// Starts everything, and measures from the end of the warm-up on.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn run(bench: &Bench, load: &Load, tail_args: &[&str], outlet: Outlet) -> Result<Taken> {
    let stage = Stage::start(bench, Bus::Embedded, None)?;
    let tail = stage.tail(tail_args, outlet)?;
    let apps = start_apps(bench, &stage, load)?;
    thread::sleep(WARM_UP);
    let before = Sample::take(&stage, &apps, &tail)?;
    thread::sleep(Duration::from_secs(load.seconds));
    let after = Sample::take(&stage, &apps, &tail)?;
    let lines = after.lines - before.lines;
    ensure!(lines > 0, "logway logs shows no line");
    Ok(Taken {
        lines: lines as f64,
        elapsed: after.when - before.when,
        up: after.up.saturating_sub(before.up),
        init: after.init.saturating_sub(before.init),
        logs: after.logs.saturating_sub(before.logs),
        lost: stage.lost()?,
        ages: tail.reader.ages_from(before.lines),
    })
}

/// Starts the apps, each at a gate; then opens the gates.
pub(super) fn start_apps(bench: &Bench, stage: &Stage, load: &Load) -> Result<Vec<Running>> {
    let lines = (load.rate * (load.seconds + 5) / load.apps).max(100);
    let numbers = [
        ("--lines", lines),
        // A rate in thousandths would be truer; 100 lines/s of 16 apps become 96.
        ("--rate", (load.rate / load.apps).max(1)),
        ("--burst-ms", load.burst_ms),
    ];
    let (mut running, mut gates) = (Vec::new(), Vec::new());
    for app in 0..load.apps {
        let gate = stage.dir().join(format!("gate-{app}"));
        make_gate(&gate)?;
        let mut run = stage.command("run");
        run.args(["--app", &format!("app-{app}"), "--region", "lhr", "--"]).args(producer(&gate)?);
        run.args(["--seed", &app.to_string()]);
        for (name, number) in numbers {
            run.args([name, &number.to_string()]);
        }
        if let Some(corpus) = &bench.corpus {
            run.arg("--corpus").arg(corpus);
        }
        running.push(Running::start("logway run", &mut run, Stdio::null())?);
        // Opens when the producer has opened its end.
        let gate = File::options().write(true).open(&gate);
        gates.push(gate.context("opening a gate")?);
    }
    drop(gates);
    Ok(running)
}

/// One moment.
struct Sample {
    when: Instant,
    lines: u64,
    up: Duration,
    init: Duration,
    logs: Duration,
}

impl Sample {
    fn take(stage: &Stage, apps: &[Running], tail: &Tail) -> Result<Self> {
        let (when, lines) = (Instant::now(), tail.reader.count());
        let mut init = Duration::ZERO;
        for pid in apps.iter().flat_map(|app| usage::logway_processes(app.pid())) {
            init += usage::cpu(pid)?;
        }
        Ok(Self { when, lines, up: usage::cpu(stage.pid())?, init, logs: usage::cpu(tail.pid())? })
    }
}
