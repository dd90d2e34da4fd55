//! The real binaries together: `logway up`, `logway run` with a producer for each app, `logway logs` as the reader.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{ChildStdout, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::calibrate::{Scratch, percentile};
use super::child::Running;
use super::init::{make_gate, producer};
use super::table::{Row, figure};
use super::{Bench, produce, usage};
use crate::parts;

/// How many apps share the load.
const APPS: u64 = 16;

/// Left out of each measurement at its begin, so that connections, allocations and files are made.
const WARM_UP: Duration = Duration::from_secs(1);

/// CPU per line of the agent, from socket to a real nats-server.
pub(super) fn host(bench: &Bench) -> Result<Vec<Row>> {
    let server = parts::dir()?.join("venv/bin/nats-server");
    ensure!(server.is_file(), "{} is not there: run 'cargo xtask test' once", server.display());
    let mut nats =
        Running::start("nats-server", Command::new(server).args(["-a", "127.0.0.1", "-p", "-1"]), false)?;
    let words = "Listening for client connections on ";
    let line = nats.wait_for("its address", |line| line.contains(words))?;
    let address = line.split(words).nth(1).context("no address")?.trim().to_owned();
    let url = format!("nats://{address}");
    let mut rows = Vec::new();
    for rate in [1_000, 50_000] {
        let load = load(bench, &["--nats", &url], APPS, rate)?;
        let what = format!("host: agent, socket to NATS, CPU per line at {rate} lines/s");
        let cpu = load.up_micros_per_line();
        rows.push(if rate >= 50_000 {
            Row::at_most(what, cpu, 4.0, "µs")
        } else {
            Row::plain(what, format!("{} µs", figure(cpu)))
        });
        rows.push(Row::plain(
            format!("host: lines/s that arrived, of {rate}"),
            format!("{:.0}", load.lines_per_second()),
        ));
    }
    Ok(rows)
}

/// CPU per line of everything that `logway up` brings, at three loads.
pub(super) fn whole(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for rate in [100, 1_000, 50_000] {
        let load = load(bench, &[], APPS, rate)?;
        let what = format!("pipeline: CPU per line, init and up, at {rate} lines/s");
        let cpu = load.all_micros_per_line();
        rows.push(if rate >= 50_000 {
            Row::at_most(what, cpu, 8.0, "µs")
        } else {
            Row::plain(what, format!("{} µs", figure(cpu)))
        });
        rows.push(Row::plain(
            format!("pipeline: lines/s that arrived, of {rate}"),
            format!("{:.0}", load.lines_per_second()),
        ));
    }
    Ok(rows)
}

/// From an app's write to the terminal, at three loads of one app.
pub(super) fn latency(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for rate in [10, 1_000, 20_000] {
        let mut load = load(bench, &[], 1, rate)?;
        let (p50, p99) = (percentile(&mut load.ages, 50), percentile(&mut load.ages, 99));
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        rows.push(Row::plain(
            format!("latency: write to terminal, p50 at {rate} lines/s"),
            format!("{} ms", figure(milliseconds(p50))),
        ));
        rows.push(Row::at_most(
            format!("latency: write to terminal, p99 at {rate} lines/s"),
            milliseconds(p99),
            50.0,
            "ms",
        ));
    }
    Ok(rows)
}

/// What one load took.
struct Load {
    /// Lines of all apps in the measured time.
    lines: u64,
    elapsed: Duration,
    /// CPU of `logway up`.
    up: Duration,
    /// CPU of `logway up`, `logway run` and `logway-init`.
    all: Duration,
    /// Age of each line of the first app when the terminal got it.
    ages: Vec<Duration>,
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
impl Load {
    fn up_micros_per_line(&self) -> f64 {
        self.up.as_secs_f64() * 1e6 / self.lines.max(1) as f64
    }

    fn all_micros_per_line(&self) -> f64 {
        self.all.as_secs_f64() * 1e6 / self.lines.max(1) as f64
    }

    fn lines_per_second(&self) -> f64 {
        self.lines as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs `apps` apps that write `rate` lines a second together, and measures from the end of the warm-up on.
fn load(bench: &Bench, up_options: &[&str], apps: u64, rate: u64) -> Result<Load> {
    let scratch = Scratch::new("load")?;
    let data = scratch.path().join("d");
    let logway = |command: &str| {
        let mut logway = Command::new(&bench.logway);
        logway.arg(command).arg("--data").arg(&data);
        logway
    };
    let mut up = logway("up");
    up.args(["--nats-port", "0", "--http-port", "0"]).args(up_options);
    let mut up = Running::start("logway up", &mut up, false)?;
    up.wait_for("ready", |line| line.split_whitespace().any(|word| word == "ready"))?;

    let mut tail = Running::start("logway logs", logway("logs").args(["-a", "app-0"]), true)?;
    let reader = Reader::start(tail.stdout()?);
    // A line of the app that is already there shows that the reader is connected.
    greet(&mut logway("run"), &reader)?;

    let lines = (rate * (bench.seconds + 2) / apps).max(20);
    let per_app = (rate / apps).max(1);
    let (mut running, mut gates) = (Vec::new(), Vec::new());
    for app in 0..apps {
        let gate = scratch.path().join(format!("gate-{app}"));
        make_gate(&gate)?;
        let mut run = logway("run");
        run.args(["--app", &format!("app-{app}"), "--region", "lhr", "--"]).args(producer(&gate)?);
        run.args(["--lines", &lines.to_string(), "--rate", &per_app.to_string(), "--seed", &app.to_string()]);
        running.push(Running::start("logway run", &mut run, false)?);
        gates.push(open_gate(gate)?);
    }
    drop(gates);
    thread::sleep(WARM_UP);
    let before = Sample::take(&up, &running, &reader)?;
    thread::sleep(Duration::from_secs(bench.seconds));
    let after = Sample::take(&up, &running, &reader)?;
    for run in &mut running {
        run.wait()?;
    }
    Ok(Load {
        lines: (after.lines - before.lines) * apps,
        elapsed: after.when - before.when,
        up: after.up.saturating_sub(before.up),
        all: after.all.saturating_sub(before.all),
        ages: reader.ages_from(before.lines),
    })
}

/// Opens when the producer has opened its end.
fn open_gate(gate: PathBuf) -> Result<File> {
    File::options().write(true).open(&gate).with_context(|| format!("opening {}", gate.display()))
}

/// Has one line written and waits until the reader has it.
fn greet(run: &mut Command, reader: &Reader) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let script = format!("echo hello{}{now}", produce::MARK);
    run.args(["--app", "app-0", "--region", "lhr", "--", "sh", "-c", &script]);
    let mut run = Running::start("logway run", run, false)?;
    run.wait()?;
    let begun = Instant::now();
    while reader.count() == 0 {
        ensure!(begun.elapsed() < Duration::from_secs(30), "logway logs shows no line within 30 s");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// One moment.
struct Sample {
    when: Instant,
    lines: u64,
    up: Duration,
    all: Duration,
}

impl Sample {
    fn take(up: &Running, running: &[Running], reader: &Reader) -> Result<Self> {
        let (when, lines) = (Instant::now(), reader.count());
        let up = usage::cpu(up.pid())?;
        let mut all = up;
        for run in running {
            for pid in usage::logway_processes(run.pid()) {
                all += usage::cpu(pid)?;
            }
        }
        Ok(Self { when, lines, up, all })
    }
}

/// The terminal: reads what `logway logs` prints, and notes how old each line is.
struct Reader {
    ages: Arc<Mutex<Vec<Duration>>>,
}

impl Reader {
    fn start(mut stdout: ChildStdout) -> Self {
        let ages = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&ages);
        thread::spawn(move || {
            let (mut held, mut chunk) = (Vec::new(), vec![0; 256 * 1024]);
            while let Ok(read @ 1..) = stdout.read(&mut chunk) {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                held.extend_from_slice(&chunk[..read]);
                let whole = memchr::memrchr(b'\n', &held).map_or(0, |end| end + 1);
                let found =
                    held[..whole].split(|byte| *byte == b'\n').filter_map(|line| produce::age(line, now));
                if let Ok(mut ages) = shared.lock() {
                    ages.extend(found);
                }
                held.drain(..whole);
            }
        });
        Self { ages }
    }

    fn count(&self) -> u64 {
        self.ages.lock().map_or(0, |ages| ages.len() as u64)
    }

    fn ages_from(&self, first: u64) -> Vec<Duration> {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        self.ages.lock().map(|ages| ages.get(first..).unwrap_or_default().to_vec()).unwrap_or_default()
    }
}
