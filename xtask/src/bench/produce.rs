//! The app of a bench: writes lines at a steady rate, each with the time of its writing.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use super::lines::{Lines, Text};
use crate::Outcome;
use crate::args::{Args, Usage};

/// What stands before the time in a line.
pub(super) const MARK: &str = " at=";

/// The machine's monotonic clock: the same for every process, and nobody sets it.
pub(super) fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// `xtask bench-produce --lines N [--rate N] [--burst-ms N] [--corpus FILE] [--gate FIFO] [--plain N]`: waits until
/// the gate is closed by the bench, then writes. With `--plain` lines have 99 bytes and no time, and N go out in a write.
pub(super) fn main(mut args: Args) -> Result<Outcome> {
    let mut number = |name: &str| -> Result<u64> {
        let text = args.option(name)?.unwrap_or_else(|| "0".to_owned());
        Ok(text.parse::<u64>().map_err(|_| Usage(format!("{name} {text}: not a number")))?)
    };
    let (lines, seed) = (number("--lines")?, number("--seed")?);
    let pace = Pace { rate: number("--rate")?, burst: Duration::from_millis(number("--burst-ms")?) };
    let per_write = number("--plain")?;
    let (gate, corpus) = (args.option("--gate")?, args.option("--corpus")?);
    args.done()?;
    let source = Lines::new(seed, corpus.as_deref().map(Path::new))?;
    if let Some(path) = gate {
        // Opening a named pipe waits until the bench opens its end, and the read until it closes that.
        let mut file = std::fs::File::open(&path).with_context(|| format!("opening {path}"))?;
        file.read_to_end(&mut Vec::new()).with_context(|| format!("reading {path}"))?;
    }
    // All apps begin at once, but no two write their bursts at the same moment.
    std::thread::sleep(pace.burst.mul_f64(f64::from(u8::try_from(seed % 16)?) / 16.0));
    let mut stdout = std::io::stdout().lock();
    if per_write > 0 {
        write_plain(&mut stdout, lines, usize::try_from(per_write)?)?
    } else {
        write_paced(&mut stdout, source, lines, pace)?
    }
    Ok(Outcome::Good)
}

/// 100 bytes a line, newline included, as fast as the pipe takes them, `per_write` at once.
fn write_plain(out: &mut impl Write, lines: u64, per_write: usize) -> Result<()> {
    let mut line = vec![b'x'; 99];
    line.push(b'\n');
    let block = line.repeat(per_write);
    let mut left = lines;
    while left > 0 {
        let now = usize::try_from(left).map_or(per_write, |left| left.min(per_write));
        out.write_all(&block[..now * 100])?;
        left = left.saturating_sub(per_write as u64);
    }
    Ok(out.flush()?)
}

/// How fast lines are written.
#[derive(Clone, Copy)]
struct Pace {
    /// Lines a second; 0 is no limit.
    rate: u64,
    /// Lines are written when this time has gone by, all that are due in one write; zero is each line for itself, when it is due.
    burst: Duration,
}

impl Pace {
    /// When line `number` is due, counted from the begin.
    fn due(self, number: u64) -> Duration {
        let nanos = (number * 1_000_000_000).checked_div(self.rate).unwrap_or(0);
        let burst = u64::try_from(self.burst.as_nanos()).unwrap_or(0);
        Duration::from_nanos(nanos.checked_div(burst).map_or(nanos, |bursts| (bursts + 1) * burst))
    }
}

/// Writes `lines` lines in step with the clock, and not with the line before.
fn write_paced(out: &mut impl Write, mut source: Lines, lines: u64, pace: Pace) -> Result<()> {
    let (begun, mut held) = (monotonic(), Vec::with_capacity(64 * 1024));
    let mut number = 0;
    while number < lines {
        let due = pace.due(number);
        while let Some(early) = due.checked_sub(monotonic() - begun).filter(|early| !early.is_zero()) {
            std::thread::sleep(early);
        }
        held.clear();
        loop {
            source.next_into(&mut held);
            let _ = write!(Text(&mut held), "{MARK}{}", monotonic().as_nanos());
            held.push(b'\n');
            number += 1;
            // Lines of a burst go out together; others each in a write of its own, as from an app that does not buffer.
            if pace.burst.is_zero() || number >= lines || pace.due(number) > due {
                break;
            }
        }
        out.write_all(&held)?;
        out.flush()?;
    }
    Ok(())
}

/// How long ago the line was written, when it holds its time.
pub(super) fn age(line: &[u8], now: Duration) -> Option<Duration> {
    let at = memchr::memmem::rfind(line, MARK.as_bytes())? + MARK.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let nanos = std::str::from_utf8(&line[at..at + digits]).ok()?.parse::<u64>().ok()?;
    now.checked_sub(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_have_a_hundred_bytes() {
        for (lines, per_write) in [(1, 640), (640, 640), (641, 640), (2000, 640), (3, 1)] {
            let mut out = Writes::default();
            write_plain(&mut out, lines, per_write).unwrap();
            assert_eq!(out.1.len() as u64, lines * 100);
            assert!(out.1.chunks(100).all(|line| line.ends_with(b"x\n")));
            assert!(out.0.iter().all(|count| *count <= per_write), "{:?}", out.0);
        }
    }

    /// Notes how many lines each write has.
    #[derive(Default)]
    struct Writes(Vec<usize>, Vec<u8>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.iter().filter(|byte| **byte == b'\n').count());
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn paced_lines_hold_their_time() {
        for (burst_ms, writes) in [(0, vec![1; 1000]), (1, vec![500; 2])] {
            let mut out = Writes::default();
            let pace = Pace { rate: 500_000, burst: Duration::from_millis(burst_ms) };
            write_paced(&mut out, Lines::new(3, None).unwrap(), 1000, pace).unwrap();
            assert_eq!(out.0, writes);
            let now = monotonic();
            let lines = out.1.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let ages: Vec<_> = lines.map(|line| age(line, now)).collect();
            assert_eq!(ages.len(), 1000);
            assert!(ages.iter().all(|age| age.is_some_and(|age| age < Duration::from_secs(60))));
        }
        assert_eq!(age(b"no time", monotonic()), None);
    }
}
