//! The readers: one thread reads for all of them and counts, so that they cost as little as can be.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::epoll;

use super::super::produce::monotonic;
use super::client::Login;
use super::load::Shape;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// How often who waits looks whether it should end.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the last messages may take.
const DRAIN: Duration = Duration::from_secs(20);

/// How far the readers are.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Messages that the slowest has, those that a gap record stands for with them.
    slowest: AtomicU64,
    /// Messages of all together that came.
    delivered: AtomicU64,
    /// Messages of all together that gap records stand for.
    skipped: AtomicU64,
    lock: Mutex<()>,
    moved: Condvar,
}

impl Progress {
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Waits until the slowest reader has so many messages, or `is_over`, which is asked every now and then.
    pub(super) fn wait(&self, count: u64, is_over: impl Fn() -> bool) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.slowest.load(Ordering::Relaxed) < count && !is_over() {
            (guard, _) = self.moved.wait_timeout(guard, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn set_slowest(&self, count: u64) {
        if self.slowest.swap(count, Ordering::Relaxed) != count {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.moved.notify_all();
        }
    }
}

/// Readers that run.
pub(super) struct Crowd {
    pub(super) progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Duration>>>,
}

impl Crowd {
    /// Logs in `count` readers, each with a connection and a subscription of its own. With `ages` the age of each message is kept.
    pub(super) fn start(
        login: &Login,
        pattern: &str,
        count: usize,
        shape: Shape,
        ages: bool,
    ) -> Result<Self> {
        let verbs = format!("SUB {pattern} 1\r\n");
        let readers = (0..count).map(|_| Reader::new(login.connect(&verbs)?)).collect::<Result<Vec<_>>>()?;
        let (progress, stop) = (Arc::new(Progress::default()), Arc::new(AtomicBool::new(false)));
        let mut work = Work { readers, shape, progress: Arc::clone(&progress), ages: ages.then(Vec::new) };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            work.run(&stopped)?;
            Ok(work.ages.unwrap_or_default())
        });
        Ok(Self { progress, stop, thread })
    }

    /// Waits until each reader has `sent` messages or knows that it has not; then they leave. Gives the ages, if they were kept, and how
    /// many messages of all are missing without a word.
    pub(super) fn finish(self, sent: u64) -> Result<(Vec<Duration>, u64)> {
        let until = Instant::now() + DRAIN;
        self.progress.wait(sent, || Instant::now() >= until || self.thread.is_finished());
        self.stop.store(true, Ordering::Relaxed);
        let slowest = self.progress.slowest.load(Ordering::Relaxed);
        let ages = self.thread.join().ok().context("the reading thread failed")??;
        Ok((ages, sent.saturating_sub(slowest)))
    }
}

/// One of them.
struct Reader {
    stream: TcpStream,
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
    count: u64,
}

impl Reader {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, rest: Vec::new(), count: 0 })
    }
}

/// The thread's side.
struct Work {
    readers: Vec<Reader>,
    shape: Shape,
    progress: Arc<Progress>,
    ages: Option<Vec<Duration>>,
}

impl Work {
    fn run(&mut self, stop: &AtomicBool) -> Result<()> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
        for (number, reader) in self.readers.iter().enumerate() {
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&poll, &reader.stream, data, epoll::EventFlags::IN).context("epoll")?;
        }
        let mut events = Vec::with_capacity(256);
        let mut chunk = vec![0; 2 * READ_BYTES];
        let wait = rustix::time::Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.subsec_nanos().into() };
        while !stop.load(Ordering::Relaxed) {
            events.clear();
            epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)).context("epoll")?;
            for event in &events {
                let number = usize::try_from(event.data.u64())?;
                self.read(number, &mut chunk)?;
            }
            let slowest = self.readers.iter().map(|reader| reader.count).min().unwrap_or(0);
            self.progress.set_slowest(slowest);
        }
        Ok(())
    }

    fn read(&mut self, number: usize, chunk: &mut [u8]) -> Result<()> {
        let Some(reader) = self.readers.get_mut(number) else { return Ok(()) };
        let held = reader.rest.len();
        ensure!(held < READ_BYTES, "a frame has no end");
        chunk[..held].copy_from_slice(&reader.rest);
        let read = match reader.stream.read(&mut chunk[held..held + READ_BYTES]) {
            Ok(0) => bail!("a reader was cut"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("reading messages"),
        };
        let bytes = &chunk[..held + read];
        let now = if self.ages.is_some() { monotonic() } else { Duration::ZERO };
        let (mut at, mut delivered, mut skipped, mut pings) = (0, 0_u64, 0_u64, 0);
        while let Some(frame) = Frame::next(bytes, at)? {
            at = frame.end;
            match frame.payload.map(|payload| &bytes[payload]) {
                Some(payload) if payload.len() == self.shape.payload_bytes() => {
                    delivered += 1;
                    if let (Some(ages), Some(age)) = (&mut self.ages, self.shape.age(payload, now)) {
                        ages.push(age);
                    }
                }
                Some(payload) => skipped += span(payload)?,
                None => pings += usize::from(frame.is_ping),
            }
        }
        reader.rest.clear();
        reader.rest.extend_from_slice(&bytes[at..]);
        reader.count += delivered + skipped;
        self.progress.delivered.fetch_add(delivered, Ordering::Relaxed);
        self.progress.skipped.fetch_add(skipped, Ordering::Relaxed);
        // A few bytes into an empty socket.
        for _ in 0..pings {
            reader.stream.write_all(b"PONG\r\n").context("answering a PING")?;
        }
        Ok(())
    }
}

/// How many messages the gap record with this payload stands for.
fn span(payload: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(payload);
    ensure!(text.contains("\"gap\":"), "a message that was not published: {text}");
    let digits = text.split("\"span\":").nth(1).map(|rest| rest.split([',', '}']).next().unwrap_or(""));
    digits
        .and_then(|digits| digits.parse().ok())
        .with_context(|| format!("a gap record without a span: {text}"))
}

/// One frame from a server.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    end: usize,
    /// Where the payload is, of a message.
    payload: Option<Range<usize>>,
    is_ping: bool,
}

impl Frame {
    /// The frame that begins at `at`, if it is whole.
    fn next(bytes: &[u8], at: usize) -> Result<Option<Self>> {
        let Some(line) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)) else {
            return Ok(None);
        };
        let line = &bytes[at..at + line + 1];
        let body = at + line.len();
        if !line.starts_with(b"MSG ") {
            ensure!(!line.starts_with(b"-ERR"), "the server says {}", String::from_utf8_lossy(line).trim());
            return Ok(Some(Self { end: body, payload: None, is_ping: line.starts_with(b"PING") }));
        }
        let digits = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        let size = digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit & 15));
        let end = body + size + 2;
        if end > bytes.len() {
            return Ok(None);
        }
        Ok(Some(Self { end, payload: Some(body..body + size), is_ping: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_one_after_another() {
        let bytes = b"MSG a.b 1 5\r\nhello\r\nPING\r\nMSG a 1 0\r\n\r\nMSG a 1 9\r\nhal";
        let (mut at, mut found) = (0, Vec::new());
        while let Some(frame) = Frame::next(bytes, at).unwrap() {
            at = frame.end;
            found.push((frame.payload.map(|payload| bytes[payload].to_vec()), frame.is_ping));
        }
        assert_eq!(found, [(Some(b"hello".to_vec()), false), (None, true), (Some(Vec::new()), false)]);
        assert_eq!(&bytes[at..], b"MSG a 1 9\r\nhal");
        assert!(Frame::next(b"-ERR 'no'\r\n", 0).is_err());
    }

    #[test]
    fn what_a_gap_record_stands_for() {
        assert_eq!(
            span(br#"{"gap":{"bytes":5},"logway":{"seq":7,"span":42,"stream":"stdout"}}"#).unwrap(),
            42
        );
        assert!(span(b"{}").is_err());
    }
}
