//! The app of a bench: writes lines like those of real apps, at a steady rate, each with the time of its writing.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::Outcome;
use crate::args::{Args, Usage};

/// What stands before the time in a line.
pub(super) const MARK: &str = " at=";

/// Lines of the kinds that apps write; of the length that real ones have on average, about 120 bytes.
const SHAPES: [&str; 6] = [
    "{\"level\":\"info\",\"msg\":\"request completed\",\"method\":\"GET\",\"path\":\"/api/v1/items/#\",\"status\":200,\"user\":#",
    "level=warn msg=\"slow query\" table=orders rows=# caller=db/pool.go:118 trace=#",
    "10.0.# - - \"POST /checkout/# HTTP/1.1\" 302 # \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
    "[INFO] worker # took job # from queue 'mail', 0 waiting, next poll in 250 ms",
    "E1122 10:00:00.# 7 reconciler.go:301] could not update status of machine #: conflict, trying again",
    "\tat com.example.shop.Checkout.pay(Checkout.java:#) ~[app.jar:1.4.#]",
];

/// An endless run of lines, the same for the same seed.
pub(super) struct Lines {
    seed: u64,
}

impl Lines {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed: seed.wrapping_mul(2).wrapping_add(1) }
    }

    /// Appends the next line, without its newline.
    pub(super) fn next_into(&mut self, out: &mut Vec<u8>) {
        // xorshift64: no more is needed to make identifiers differ.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let shape = SHAPES[usize::try_from(self.seed % 6).unwrap_or(0)];
        for (index, piece) in shape.split('#').enumerate() {
            if index > 0 {
                let _ = write!(Text(out), "{}", self.seed >> (index * 12) & 0xff_ffff);
            }
            out.extend_from_slice(piece.as_bytes());
        }
    }
}

/// Lets `write!` append to bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// `xtask bench-produce --lines N [--rate N] [--plain]`: waits for a byte on stdin when it is a pipe, then writes.
/// With `--plain` lines have 99 bytes and no time, and go out in large writes.
pub(super) fn main(mut args: Args) -> Result<Outcome> {
    let mut number = |name: &str| -> Result<u64> {
        let text = args.option(name)?.unwrap_or_else(|| "0".to_owned());
        Ok(text.parse::<u64>().map_err(|_| Usage(format!("{name} {text}: not a number")))?)
    };
    let (lines, rate, seed) = (number("--lines")?, number("--rate")?, number("--seed")?);
    let plain = args.flag("--plain");
    let gate = args.option("--gate")?;
    args.done()?;
    if let Some(path) = gate {
        // Opening a named pipe waits until the bench opens its end, and the read until it closes that.
        let mut file = std::fs::File::open(&path).with_context(|| format!("opening {path}"))?;
        file.read_to_end(&mut Vec::new()).with_context(|| format!("reading {path}"))?;
    }
    let mut stdout = std::io::stdout().lock();
    if plain {
        write_plain(&mut stdout, lines)?
    } else {
        write_paced(&mut stdout, lines, rate, seed)?
    }
    Ok(Outcome::Good)
}

/// 100 bytes a line, newline included, as fast as the pipe takes them.
fn write_plain(out: &mut impl Write, lines: u64) -> Result<()> {
    let mut line = vec![b'x'; 99];
    line.push(b'\n');
    let block = line.repeat(640);
    let mut left = lines;
    while left > 0 {
        let now = usize::try_from(left.min(640)).unwrap_or(640);
        out.write_all(&block[..now * 100])?;
        left -= 640.min(left);
    }
    Ok(out.flush()?)
}

/// One write for each line, as apps do; `rate` lines a second, in step with the clock and not with the last line.
fn write_paced(out: &mut impl Write, lines: u64, rate: u64, seed: u64) -> Result<()> {
    let (mut source, mut line) = (Lines::new(seed), Vec::with_capacity(512));
    let begun = Instant::now();
    for number in 0..lines {
        let due = Duration::from_nanos((number * 1_000_000_000).checked_div(rate).unwrap_or(0));
        while let Some(early) = due.checked_sub(begun.elapsed()).filter(|early| !early.is_zero()) {
            std::thread::sleep(early);
        }
        line.clear();
        source.next_into(&mut line);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let _ = write!(Text(&mut line), "{MARK}{}", now.as_nanos());
        line.push(b'\n');
        out.write_all(&line)?;
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
        for lines in [1, 640, 641, 2000] {
            let mut out = Vec::new();
            write_plain(&mut out, lines).unwrap();
            assert_eq!(out.len() as u64, lines * 100);
            assert!(out.chunks(100).all(|line| line.ends_with(b"x\n")));
        }
    }

    #[test]
    fn paced_lines_hold_their_time() {
        let mut out = Vec::new();
        write_paced(&mut out, 1000, 1_000_000, 3).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let lines: Vec<_> = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 1000);
        assert!(lines.iter().all(|line| age(line, now).is_some_and(|age| age < Duration::from_secs(60))));
        let mean = out.len() / 1000;
        assert!((90..150).contains(&mean), "{mean}");
        assert_eq!(age(b"no time", now), None);
    }
}
