//! How fast this machine is today: figures of different days are compared by these.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::produce;
use super::table::{Row, figure};
use crate::sh;

/// Day, processor, kernel, load: in words.
pub(super) fn machine() -> Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let day = sh::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let kernel = sh::output(Command::new("uname").arg("-r"))?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let (day, kernel) = (day.trim(), kernel.trim());
    Ok(format!("Measured on {day}: {count} CPUs, {model}, Linux {kernel}, load {load} before the start.\n\n"))
}

/// The four calibrations.
pub(super) fn measure() -> Result<Vec<Row>> {
    let text = sample(16 * 1024 * 1024);
    Ok(vec![zstd(&text)?, memmem(&text), fdatasync()?, echo()?])
}

/// `bytes` of log lines.
fn sample(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 1024);
    let mut lines = produce::Lines::new(1);
    while text.len() < bytes {
        lines.next_into(&mut text);
        text.push(b'\n');
    }
    text
}

/// zstd level 1 by the command, in MB of input a second of CPU time: elapsed, for one thread.
fn zstd(text: &[u8]) -> Result<Row> {
    let what = "calibration: zstd -1, one thread";
    let mut zstd = Command::new("zstd");
    zstd.args(["-1", "-T1", "-q", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let begun = Instant::now();
    let Ok(mut child) = zstd.spawn() else { return Ok(Row::plain(what, "no zstd command here")) };
    let mut stdout = child.stdout.take().context("stdout is a pipe")?;
    let counter = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    child.stdin.take().context("stdin is a pipe")?.write_all(text).context("writing to zstd")?;
    child.wait()?;
    let elapsed = begun.elapsed();
    counter.join().ok().context("the reader of zstd failed")??;
    Ok(Row::plain(what, format!("{} MB/s", figure(megabytes(text.len()) / elapsed.as_secs_f64()))))
}

/// A search that finds nothing.
fn memmem(text: &[u8]) -> Row {
    let finder = memchr::memmem::Finder::new(b"no line holds this");
    let best = best_of(5, || {
        std::hint::black_box(finder.find(std::hint::black_box(text)));
    });
    Row::plain("calibration: memmem", format!("{} MB/s", figure(megabytes(text.len()) / best.as_secs_f64())))
}

/// 4 KiB appended and synced, in the directory where the data of the benches lie.
fn fdatasync() -> Result<Row> {
    let dir = Scratch::new("calibrate")?;
    let mut file = File::create(dir.path().join("file")).context("making a file for fdatasync")?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[7; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    Ok(Row::plain(
        "calibration: fdatasync of 4 KiB, p50 / p99",
        format!("{} / {} µs", p50.as_micros(), p99.as_micros()),
    ))
}

/// One byte to another process and back, through two pipes.
fn echo() -> Result<Row> {
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
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    Ok(Row::plain(
        "calibration: pipe echo, p50 / p99",
        format!("{} / {} µs", p50.as_micros(), p99.as_micros()),
    ))
}

fn best_of(times: usize, mut run: impl FnMut()) -> Duration {
    let runs = (0..times).map(|_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    });
    runs.min().unwrap_or_default()
}

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
        let text = sample(100_000);
        assert!(text.len() >= 100_000 && text.ends_with(b"\n"));
        for row in [zstd(&text).unwrap(), memmem(&text), echo().unwrap()] {
            assert!(
                row.measured.contains("/s") || row.measured.contains("µs") || row.measured.contains("zstd"),
                "{row:?}"
            );
        }
    }
}
