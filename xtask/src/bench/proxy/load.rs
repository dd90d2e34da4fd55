//! What is published, and who publishes it.

use std::io::Write;
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::produce::monotonic;
use super::client::{Login, flush};
use super::crowd::Progress;

/// What the publisher publishes on.
const SUBJECT: &str = "o.bench.logs.app.lhr.i1";
/// What a reader subscribes to, at nats-server itself and at the front door.
pub(super) const INNER_PATTERN: &str = "o.bench.logs.>";
/// See [`INNER_PATTERN`].
pub(super) const PATTERN: &str = "logs.>";

/// Bytes of frames that are written at once.
const BATCH_BYTES: usize = 32 * 1024;
/// Bytes that the publisher may be ahead of the slowest reader: half of what the front door keeps for one.
const WINDOW_BYTES: usize = 4 << 20;
/// Numbers have this many digits, so that all frames are of one length.
const DIGITS: usize = 16;
/// The first number of a line: it has as many digits as the last one.
const FIRST_SEQ: u64 = 1_000_000_000_000_000;

/// How a message is made up.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    frame: Vec<u8>,
    seq: Range<usize>,
    /// Where in the payload the time stands.
    time: Range<usize>,
    payload_bytes: usize,
}

impl Shape {
    /// A message with `payload_bytes` of payload: a line as an agent publishes it; with less than 300 bytes there is no room for that, and it
    /// is a number and a time alone.
    pub(super) fn new(payload_bytes: usize) -> Result<Self> {
        let (seq, time) = ("S".repeat(DIGITS), "T".repeat(DIGITS));
        let (start, end) = if payload_bytes < 300 {
            (format!(r#"{{"seq":{seq},"message":"{time} "#), r#""}"#.to_owned())
        } else {
            (
                format!(
                    r#"{{"event":{{"provider":"app"}},"fly":{{"app":{{"instance":"i1","name":"app"}},"region":"lhr"}},"host":"h1","log":{{"level":"info"}},"message":"{time} "#
                ),
                format!(
                    r#"","timestamp":"2026-11-22T10:00:00.123456789Z","logway":{{"boot":"019a0000beefcafe","seq":{seq},"span":1,"stream":"stdout"}}}}"#
                ),
            )
        };
        let fill = payload_bytes.checked_sub(start.len() + end.len()).context("the payload is too short")?;
        let payload = format!("{start}{}{end}", "x".repeat(fill));
        let head = format!("PUB {SUBJECT} {payload_bytes}\r\n");
        let find = |what: &str| payload.find(what).map(|at| at..at + DIGITS).context("a number is missing");
        let (seq, time) = (find(&seq)?, find(&time)?);
        let seq = head.len() + seq.start..head.len() + seq.end;
        Ok(Self { frame: format!("{head}{payload}\r\n").into_bytes(), seq, time, payload_bytes })
    }

    pub(super) const fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Appends the message number `number`, from 0 on, of the time `at`.
    fn write(&self, out: &mut Vec<u8>, number: u64, at: Duration) {
        let begun = out.len();
        out.extend_from_slice(&self.frame);
        put(&mut out[begun..][self.seq.clone()], FIRST_SEQ + number);
        let head = self.frame.len() - self.payload_bytes - 2;
        put(&mut out[begun + head..][self.time.clone()], u64::try_from(at.as_nanos()).unwrap_or(0));
    }

    /// How old the message with this payload is at `now`.
    pub(super) fn age(&self, payload: &[u8], now: Duration) -> Option<Duration> {
        let digits = payload.get(self.time.clone())?;
        let nanos = digits
            .iter()
            .try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))?;
        now.checked_sub(Duration::from_nanos(nanos))
    }
}

/// Writes `value` over `digits`, with zeros in front.
fn put(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10).to_le_bytes()[0];
        value /= 10;
    }
}

/// How fast is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as the slowest reader takes it, with little on the way.
    AsRead,
    /// As fast as nats-server takes it.
    FlatOut,
    /// So many messages a second, each with a write of its own.
    PerSecond(u32),
}

/// Publishes in a thread of its own until it is stopped.
pub(super) struct Publisher {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Publisher {
    /// Begins. With [`Pace::AsRead`] `progress` says how far the slowest reader is.
    pub(super) fn start(login: &Login, shape: Shape, pace: Pace, progress: Arc<Progress>) -> Result<Self> {
        let stream = login.connect("")?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut work =
            Work { stream, shape, progress, stop: Arc::clone(&stop), sent: Arc::clone(&sent), number: 0 };
        let thread = thread::spawn(move || {
            match pace {
                Pace::PerSecond(rate) => work.steadily(rate),
                Pace::AsRead | Pace::FlatOut => work.in_batches(pace == Pace::AsRead),
            }?;
            flush(&mut work.stream)
        });
        Ok(Self { stop, sent, thread })
    }

    /// Ends the publishing, and gives how many messages there were.
    pub(super) fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the publishing thread failed")??;
        Ok(self.sent.load(Ordering::Relaxed))
    }
}

/// The thread's side.
struct Work {
    stream: TcpStream,
    shape: Shape,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    number: u64,
}

impl Work {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn in_batches(&mut self, with_window: bool) -> Result<()> {
        let count = (BATCH_BYTES / self.shape.frame.len()).max(1) as u64;
        let window = (WINDOW_BYTES / self.shape.frame.len()) as u64;
        let mut batch = Vec::with_capacity(2 * BATCH_BYTES);
        while !self.is_stopped() {
            batch.clear();
            let now = monotonic();
            for number in self.number..self.number + count {
                self.shape.write(&mut batch, number, now);
            }
            self.stream.write_all(&batch).context("publishing")?;
            self.number += count;
            self.sent.store(self.number, Ordering::Relaxed);
            if with_window {
                self.progress.wait(self.number.saturating_sub(window), || self.is_stopped());
            }
        }
        Ok(())
    }

    fn steadily(&mut self, rate: u32) -> Result<()> {
        let (begun, mut frame) = (Instant::now(), Vec::new());
        while !self.is_stopped() {
            let due = begun + Duration::from_secs(1).mul_f64(self.number_f64() / f64::from(rate));
            thread::sleep(due.saturating_duration_since(Instant::now()));
            frame.clear();
            self.shape.write(&mut frame, self.number, monotonic());
            self.stream.write_all(&frame).context("publishing")?;
            self.number += 1;
            self.sent.store(self.number, Ordering::Relaxed);
        }
        ensure!(self.number > 0, "nothing was published");
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "a run has some thousand messages")]
    const fn number_f64(&self) -> f64 {
        self.number as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_of_the_size_and_its_age_can_be_read() {
        for (payload_bytes, is_line) in [(128, false), (512, true)] {
            let shape = Shape::new(payload_bytes).unwrap();
            let mut out = Vec::new();
            shape.write(&mut out, 7, Duration::from_micros(5));
            let text = String::from_utf8(out).unwrap();
            let (head, payload) = text.strip_suffix("\r\n").unwrap().split_once("\r\n").unwrap();
            assert_eq!(head, format!("PUB {SUBJECT} {payload_bytes}"));
            assert_eq!(payload.len(), payload_bytes);
            assert!(serde_json::from_str::<serde_json::Value>(payload).is_ok());
            assert!(payload.contains(&format!("\"seq\":{}", FIRST_SEQ + 7)), "{payload}");
            assert_eq!(line::json::decode(payload.as_bytes()).is_ok_and(|m| m.boot.is_some()), is_line);
            let age = shape.age(payload.as_bytes(), Duration::from_micros(9));
            assert_eq!(age, Some(Duration::from_micros(4)));
        }
        assert!(Shape::new(40).is_err());
    }
}
