//! `cargo xtask bench`: what a line costs, measured on the real binaries, as a table.

mod calibrate;
mod child;
mod dashboard;
mod feed;
mod host;
mod http;
mod init;
mod inventory;
mod lines;
mod page;
mod pages;
mod pipeline;
mod produce;
mod proxy;
mod reader;
mod searchable;
mod stage;
mod store;
mod table;
mod tail;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::args::{Args, Usage};
use crate::{Outcome, dist, sh};
use table::Row;

const HELP: &str = "\
Measure what a line costs, on release binaries, and print a table for each bench

Usage: cargo xtask bench [NAME...] [--seconds N] [--runs N] [--corpus FILE] [--no-build] [--record FILE]
                         [--rows FILE] [--lines N] [--times N] [--split N]

Benches (all of them without NAME; the calibration always runs first):
  init       CPU per GB of 100-byte lines, memory idle and full, size of the static logway-init
  host       CPU per line of the agent from Machine socket to NATS, spool on, 16 apps, one tail; lines/s on one core
  latency    from an app's write to what 'logway logs' wrote, at 10, 1,000 and 20,000 lines/s
  pipeline   CPU per line from stdout to the tail and to searchable, at 100, 1,000 and 50,000 lines/s, 16 apps, one tail;
             how long until a search finds a line
  store      CPU per line of inserts over HTTP, disk, memory, and queries over 3 million lines, before and after days are closed;
             with VICTORIA_LOGS_BIN set, then the same of that VictoriaLogs
  pages      requests/s of the Logs API, with lines and without news, and CPU of each
  inventory  answers of /api/v1/apps, machines and doctor over 3 million lines of 200 apps and 2,000 boots, all of the last hour
  tail       from stdout to readers of the tail over HTTP, one and 500 of an app, and what they cost
  dashboard  first line, latency, frames and memory of the page of an app's lines, in Chromium
  proxy      deliveries/s, latency and CPU of the NATS front door against nats-server itself; idle clients, logins

Options:
  --seconds N     measure each run for N seconds, after one second that does not count [default: 3]
  --runs N        runs of each point, each on a fresh data directory [default: 3]
  --corpus FILE   the apps write the lines of this file, in place of lines of the bench's own
  --rows FILE     the store gets the JSON lines of this file (_time, _msg, app, region, instance, level), in place of lines of the bench's own
  --lines N       how many of them [default: 3000000]
  --times N       insert them N times, each time a day later: growth [default: 1]
  --split N       make N apps of each: many small ones [default: 1]
  --no-build      measure the binaries that are there
  --record FILE   write the page docs/performance.md into FILE; with all benches, as it needs every figure

Only Logway's processes are counted: not the apps, not the reader, not nats-server. Data lie in TMPDIR [default: /tmp].

Examples:
  cargo xtask bench
  cargo xtask bench init --runs 1
  cargo xtask bench store --runs 1 --lines 300000
  cargo xtask bench --record docs/performance.md

Exit codes: 0 measured (whether or not a budget is met), 1 something could not be measured, 2 the command line is wrong
";

/// How many apps share the load.
const APPS: u64 = 16;

/// Left out of each run at its begin, so that connections, allocations and files are made.
const WARM_UP: Duration = Duration::from_secs(1);

/// What a bench needs to know.
pub(crate) struct Bench {
    /// The release `logway`, with the static `logway-init` beside it, as it is installed.
    logway: PathBuf,
    /// The static `logway-init`.
    init: PathBuf,
    /// A front door with tokens of its own: an example of crates/proxy.
    door: PathBuf,
    /// The repository.
    root: PathBuf,
    /// How long one run is measured.
    seconds: u64,
    /// How often.
    runs: usize,
    /// Lines to write.
    corpus: Option<PathBuf>,
    /// What the store gets.
    plan: store::Plan,
}

impl Bench {
    /// Runs `run` as often as asked for.
    fn repeat<T>(&self, mut run: impl FnMut() -> Result<T>) -> Result<Vec<T>> {
        (0..self.runs).map(|_| run()).collect()
    }
}

/// A bench: its name, what its table is about, and how it is measured.
struct Named {
    name: &'static str,
    title: &'static str,
    measure: fn(&Bench) -> Result<Vec<Row>>,
}

/// In the order in which a line travels.
const BENCHES: [Named; 10] = [
    Named { name: "init", title: "init: the static logway-init alone", measure: init::measure },
    Named {
        name: "host",
        title: "host: the agent, from Machine socket to NATS, spool on, 16 apps",
        measure: host::measure,
    },
    Named {
        name: "latency",
        title: "latency: from the app's write to the reader's read",
        measure: pipeline::latency,
    },
    Named {
        name: "pipeline",
        title: "pipeline: from stdout to the tail and into the store, 16 apps, one tail of all",
        measure: pipeline::whole,
    },
    Named {
        name: "store",
        title: "store: JSON lines over HTTP, kept and searched, hot and after their day is closed",
        measure: store::measure,
    },
    Named {
        name: "pages",
        title: "pages: the Logs API as flyctl asks it, 300,000 lines of 16 apps stored",
        measure: pages::measure,
    },
    Named {
        name: "inventory",
        title: "inventory: what the dashboard asks each few seconds, 3 million lines of 200 apps and 2,000 boots in the last hour",
        measure: inventory::measure,
    },
    Named {
        name: "tail",
        title: "tail: from stdout to readers of the tail over HTTP",
        measure: tail::measure,
    },
    Named {
        name: "dashboard",
        title: "dashboard: the page of an app's lines in Chromium",
        measure: dashboard::measure,
    },
    Named {
        name: "proxy",
        title: "proxy: the NATS front door against nats-server itself, in turn, on the same machine",
        measure: proxy::measure,
    },
];

/// Builds, calibrates, measures, prints.
pub(crate) fn main(mut args: Args) -> Result<Outcome> {
    if args.help() {
        print!("{HELP}");
        return Ok(Outcome::Good);
    }
    let build = !args.flag("--no-build");
    let mut number = |name: &str, default: u64| -> Result<u64> {
        let Some(text) = args.option(name)? else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Usage(format!("{name} {text}: not a number from 1 on")).into())
    };
    let seconds = number("--seconds", 3)?;
    let runs = usize::try_from(number("--runs", 3)?)?;
    let (lines, times, split) = (number("--lines", 3_000_000)?, number("--times", 1)?, number("--split", 1)?);
    let rows = args.option("--rows")?.map(std::path::absolute).transpose().context("the rows")?;
    let plan = store::Plan { rows, lines, times, split };
    let (record, corpus) = (args.option("--record")?, args.option("--corpus")?);
    let wanted = args.rest()?;
    if let Some(name) = wanted.iter().find(|name| BENCHES.iter().all(|known| known.name != **name)) {
        return Err(Usage(format!("no bench '{name}' (see 'cargo xtask bench --help')")).into());
    }
    if record.is_some() && !wanted.is_empty() {
        return Err(Usage("--record needs all benches: leave their names out".to_owned()).into());
    }
    let corpus = corpus.map(std::path::absolute).transpose().context("the corpus")?;
    let root = sh::root()?;
    if cfg!(debug_assertions) {
        return in_release(&root, build);
    }
    let bench = Bench { seconds, runs, corpus, plan, ..prepare(&root, build, &wanted)? };
    let (text, good) = measure(&bench, &wanted)?;
    if let (Some(path), true) = (record, good) {
        std::fs::write(&path, page::render(&text)).with_context(|| format!("writing {path}"))?;
        println!("recorded in {path}");
    }
    Ok(if good { Outcome::Good } else { Outcome::Bad })
}

/// The producer's side of a bench, started by the benches themselves as a child of `logway-init` or `logway run`.
pub(crate) fn produce(args: Args) -> Result<Outcome> {
    produce::main(args)
}

/// Measures the benches `wanted`, prints what comes, and gives it all; false when one of them failed.
fn measure(bench: &Bench, wanted: &[String]) -> Result<(String, bool)> {
    let lines = lines::Lines::describe(bench.corpus.as_deref())?;
    let (runs, seconds) = (bench.runs, bench.seconds);
    let mut text = format!(
        "{}\nThe apps wrote {lines}. Runs of each point: {runs}, of {seconds} s each.\n\n",
        calibrate::machine()?
    );
    text.push_str(&format!("### calibration: this machine\n\n{}", table::render(&calibrate::measure()?)));
    println!("{text}");
    let mut good = true;
    for one in BENCHES.iter().filter(|one| wanted.is_empty() || wanted.iter().any(|name| name == one.name)) {
        eprintln!("bench {}", one.name);
        match (one.measure)(bench) {
            Ok(rows) => {
                let part = format!("\n### {}\n\n{}", one.title, table::render(&rows));
                println!("{part}");
                text.push_str(&part);
            }
            Err(error) => {
                eprintln!("bench {} failed: {error:#}", one.name);
                good = false;
            }
        }
    }
    Ok((text, good))
}

/// Starts this task anew in its release build, so that producers and readers do not take what is to be measured.
fn in_release(root: &Path, build: bool) -> Result<Outcome> {
    if build {
        sh::must(sh::cargo(root).args(["build", "--release", "--locked", "-p", "xtask"]))?;
    }
    let mut bench = Command::new(sh::target_dir(root)?.join("release/xtask"));
    bench.args(std::env::args_os().skip(1));
    let status = bench.status().context("starting the release build of this task")?;
    match status.code() {
        Some(0) => Ok(Outcome::Good),
        Some(1) => Ok(Outcome::Bad),
        _ => anyhow::bail!("the release build of this task ended with {status}"),
    }
}

/// Builds what is measured and puts it side by side: the binaries, the front door, or both.
fn prepare(root: &Path, build: bool, wanted: &[String]) -> Result<Bench> {
    let target = sh::target_dir(root)?;
    let is_wanted =
        |of_proxy: bool| wanted.is_empty() || wanted.iter().any(|name| (name == "proxy") == of_proxy);
    let mut built = Vec::new();
    if is_wanted(false) {
        if build {
            let mut logway = sh::cargo(root);
            sh::must(logway.args(["build", "--release", "--locked", "-p", "logway", "--bin", "logway"]))?;
            dist::static_init(root, &target)?;
        }
        built.extend([target.join("release/logway"), dist::init_path(&target)?]);
    }
    if is_wanted(true) {
        if build {
            let mut door = sh::cargo(root);
            sh::must(door.args([
                "build",
                "--release",
                "--locked",
                "-p",
                "logway-proxy",
                "--example",
                "door",
            ]))?;
        }
        built.push(target.join("release/examples/door"));
    }
    let dir = target.join("bench");
    std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    for binary in &built {
        ensure!(binary.is_file(), "{} is not there: leave --no-build out", binary.display());
        let name = binary.file_name().context("a binary without a name")?;
        std::fs::copy(binary, dir.join(name)).with_context(|| format!("copying {}", binary.display()))?;
    }
    let [logway, init, door] = ["logway", "logway-init", "door"].map(|name| dir.join(name));
    Ok(Bench {
        logway,
        init,
        door,
        root: root.to_owned(),
        seconds: 3,
        runs: 3,
        corpus: None,
        plan: store::Plan::default(),
    })
}
