//! How fast this machine is today: figures of different days are compared by these.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::lines::Lines;
use super::table::Row;
use crate::sh;

/// How often the searches and compressions are done; the figures of a machine at rest are all alike.
const RUNS: usize = 5;

/// Above this load before the start, whatever else runs is measured too.
const QUIET_LOAD: f64 = 0.5;

/// Day, processor, kernel, load: in words.
pub(super) fn machine() -> Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let day = sh::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let kernel = sh::output(Command::new("uname").arg("-r"))?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    if load.parse().is_ok_and(|load: f64| load > QUIET_LOAD) {
        eprintln!("this machine is busy (load {load}): do not trust these figures");
    }
    let model = model.trim_start_matches([' ', '\t', ':']);
    let (day, kernel) = (day.trim(), kernel.trim());
    Ok(format!("Measured on {day}: {count} CPUs, {model}, Linux {kernel}, load {load} before the start."))
}

/// The four calibrations.
pub(super) fn measure() -> Result<Vec<Row>> {
    let text = sample(16 * 1024 * 1024)?;
    let mut rows = vec![zstd(&text)?, memmem(&text)];
    rows.extend(both_percentiles("fdatasync of 4 KiB", fdatasync)?);
    rows.extend(both_percentiles("one byte through a pipe to another process and back", echo)?);
    Ok(rows)
}

/// `bytes` of log lines.
fn sample(bytes: usize) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes + 1024);
    let mut lines = Lines::new(1, None)?;
    while text.len() < bytes {
        lines.next_into(&mut text);
        text.push(b'\n');
    }
    Ok(text)
}

/// zstd level 1 by the command, one thread: input by the time it takes.
fn zstd(text: &[u8]) -> Result<Row> {
    let what = "zstd -1, one thread";
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let mut zstd = Command::new("zstd");
        zstd.args(["-1", "-T1", "-q", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let begun = Instant::now();
        let Ok(mut child) = zstd.spawn() else { return Ok(Row::words(what, "no zstd command here")) };
        let mut stdout = child.stdout.take().context("stdout is a pipe")?;
        let counter = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        child.stdin.take().context("stdin is a pipe")?.write_all(text).context("writing to zstd")?;
        child.wait()?;
        rates.push(megabytes(text.len()) / begun.elapsed().as_secs_f64());
        counter.join().ok().context("the reader of zstd failed")??;
    }
    Ok(Row::new(what, &rates, "MB/s"))
}

/// A search that finds nothing.
fn memmem(text: &[u8]) -> Row {
    let finder = memchr::memmem::Finder::new(b"no line holds this");
    let rates = (0..RUNS).map(|_| {
        let begun = Instant::now();
        std::hint::black_box(finder.find(std::hint::black_box(text)));
        megabytes(text.len()) / begun.elapsed().as_secs_f64()
    });
    Row::new("memmem, nothing found", &rates.collect::<Vec<_>>(), "MB/s")
}

/// The median and the 99th percentile of what `run` gives, in several runs.
fn both_percentiles(what: &str, run: fn() -> Result<Vec<Duration>>) -> Result<[Row; 2]> {
    let mut runs = (0..3).map(|_| run()).collect::<Result<Vec<_>>>()?;
    Ok([50, 99].map(|percent| {
        let times = runs.iter_mut().map(|times| percentile(times, percent).as_secs_f64() * 1e6);
        Row::new(format!("{what}, p{percent}"), &times.collect::<Vec<_>>(), "µs")
    }))
}

/// 4 KiB appended and synced, in the directory where the data of the benches lie.
fn fdatasync() -> Result<Vec<Duration>> {
    let dir = Scratch::new("calibrate")?;
    let mut file = File::create(dir.path().join("file")).context("making a file for fdatasync")?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[7; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// One byte to `cat` and back, through two pipes.
fn echo() -> Result<Vec<Duration>> {
    let mut cat =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting cat")?;
    let (mut to, mut from) = (cat.stdin.take().context("a pipe")?, cat.stdout.take().context("a pipe")?);
    let mut times = Vec::new();
    for _ in 0..2000 {
        let begun = Instant::now();
        to.write_all(b"x")?;
        from.read_exact(&mut [0])?;
        times.push(begun.elapsed());
    }
    drop(to);
    cat.wait()?;
    Ok(times)
}

/// Bytes in MB, for people.
#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// The value that `percent` of all do not exceed; zero when there are none.
pub(super) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100);
    rank.checked_sub(1).and_then(|index| times.get(index)).copied().unwrap_or_default()
}

/// A directory for one bench, with a short path (sockets lie in it), removed when dropped.
pub(super) struct Scratch(std::path::PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("lwb-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in the temporary directory, where somebody else does it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let mut times: Vec<_> = (1..=200).rev().map(Duration::from_micros).collect();
        assert_eq!(percentile(&mut times, 50), Duration::from_micros(100));
        assert_eq!(percentile(&mut times, 99), Duration::from_micros(198));
        assert_eq!(percentile(&mut [], 50), Duration::ZERO);
    }

    #[test]
    fn every_calibration_gives_a_figure() {
        let text = sample(100_000).unwrap();
        assert!(text.len() >= 100_000 && text.ends_with(b"\n"));
        let mut rows = vec![zstd(&text).unwrap(), memmem(&text)];
        rows.extend(both_percentiles("echo", echo).unwrap());
        let table = super::super::table::render(&rows);
        assert_eq!(table.lines().count(), 6, "{table}");
        assert!(table.contains("| echo, p99"), "{table}");
    }
}
