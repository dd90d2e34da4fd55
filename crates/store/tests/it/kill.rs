//! `kill -9` at any moment: this test binary runs itself as the store, and kills it.

use crate::support::{Machine, NOON, Paused, SECOND, World, lines, once};
use disk::{Disk, RealDisk};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use store::{Config, Engine, SystemClock};

const DIR: &str = "LOGWAY_TEST_KILL_DIR";
const FIRST: &str = "LOGWAY_TEST_KILL_FIRST";

/// So small that flushes, merges and changes of segments come all the time.
fn config() -> Config {
    Config {
        segment_bytes: 64 << 10,
        flush_bytes: 60_000,
        reserve_bytes: 1 << 20,
        merge_inputs: 2,
        quiet_s: 0,
        ..Config::default()
    }
}

fn open(dir: &Path) -> World {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (engine, report) = Engine::open(disk, dir, config(), Arc::new(SystemClock::new())).unwrap();
    World { disk: disk::fault::FaultDisk::new(), clock: Paused::at(NOON), engine: Some(engine), report }
}

/// The store, until it is killed: says each number that it has acknowledged. It does nothing when the tests run it.
#[test]
fn the_store_that_is_killed() {
    let (Ok(dir), Ok(first)) = (std::env::var(DIR), std::env::var(FIRST)) else { return };
    let (world, first) = (open(Path::new(&dir)), first.parse::<u64>().unwrap());
    assert!(!world.report.is_lossy(), "{:?}", world.report);
    let web = Machine::new("o1", "web", "m1");
    for from in (first..).step_by(20) {
        // Yesterday's lines too, so that a day that is over is rewritten.
        let time = SystemClock::new();
        let now = store::Clock::unix_ns(&time) - if from % 40 == 1 { 86_400 * SECOND } else { 0 };
        if world.append(lines(&web, from..from + 20, now)).is_ok() {
            let mut out = std::io::stdout().lock();
            writeln!(out, "acked {}", from + 20).unwrap();
            out.flush().unwrap();
        } else {
            std::process::exit(3);
        }
    }
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once() {
    let root = tempfile::tempdir().unwrap();
    let rounds = if std::env::var_os("LOGWAY_SOAK").is_some() { 1000 } else { 30 };
    let mut next = 1;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::the_store_that_is_killed", "--nocapture"])
            .envs([(DIR, root.path().to_str().unwrap()), (FIRST, &next.to_string())])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let count = fastrand::usize(1..60);
        let acked = said.by_ref().filter_map(|line| line.rsplit_once("acked ")?.1.parse().ok());
        let heard: Vec<u64> = acked.take(count).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said until it died counts as well.
        let late = said.filter_map(|line| line.rsplit_once("acked ")?.1.parse().ok());
        next = heard
            .into_iter()
            .chain(late)
            .max()
            .unwrap_or_else(|| panic!("round {round}: the store does not start"));
    }
    let world = open(root.path());
    assert!(!world.report.is_lossy(), "{:?}", world.report);
    let found = once(&world.rows());
    let web = Machine::new("o1", "web", "m1");
    let lost: Vec<u64> = (1..next).filter(|seq| !found.contains_key(&web.id(*seq))).collect();
    assert!(lost.is_empty(), "of {next} lost {lost:?}");
    println!("{rounds} kills, {} rows, {:?}", found.len(), world.engine().stats());
}
