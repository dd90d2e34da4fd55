//! From an app's write until a search finds the line: the store of `logway up` is asked again and again.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::calibrate::percentile;
use super::pipeline::{Load, start_apps};
use super::stage::{Bus, Stage};
use super::table::Row;
use super::{APPS, Bench, WARM_UP, produce};

/// How long to wait between two searches: a line's age is at most this, and a search, too high.
const PAUSE: Duration = Duration::from_millis(5);
/// What a search gives: more than come between two.
const LINES: &str = "* | sort by (_time) desc limit 2000 | fields _msg";
/// What is promised for a line, milliseconds.
const PROMISED_MS: f64 = 1000.0;

/// The ages at which lines were first found, at two loads.
pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for rate in [100, 1_000] {
        let mut runs = bench.repeat(|| run(bench, rate))?;
        for (percent, limit) in [(50, None), (99, Some(PROMISED_MS)), (100, None)] {
            let age = |ages: &mut Vec<Duration>| percentile(ages, percent).as_secs_f64() * 1e3;
            let ages: Vec<_> = runs.iter_mut().map(age).collect();
            let name = if percent == 100 { "slowest".to_owned() } else { format!("p{percent}") };
            let row =
                Row::new(format!("{name} from stdout to found by a search, {rate} lines/s"), &ages, "ms");
            rows.push(limit.map_or(row.clone(), |limit| row.at_most(limit)));
        }
    }
    Ok(rows)
}

fn run(bench: &Bench, rate: u64) -> Result<Vec<Duration>> {
    let stage = Stage::start(bench, Bus::Embedded, None)?;
    let seconds = if rate < 1_000 { bench.seconds * 2 } else { bench.seconds };
    let apps = start_apps(bench, &stage, &Load { apps: APPS, rate, burst_ms: 0, seconds })?;
    thread::sleep(WARM_UP);
    let mut http = stage.http()?;
    let (mut seen, mut ages) = (HashSet::new(), Vec::new());
    let begun = Instant::now();
    let mut is_first = true;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let found = http.form("/select/logsql/query", &[("query", LINES)])?;
        let now = produce::monotonic();
        for age in found.split(|byte| *byte == b'\n').filter_map(|line| produce::age(line, now)) {
            // Those of the first search may have been there for long.
            if seen.insert(now - age) && !is_first {
                ages.push(age);
            }
        }
        is_first = false;
        thread::sleep(PAUSE);
    }
    drop(apps);
    ensure!(!ages.is_empty(), "no search finds a line");
    Ok(ages)
}
