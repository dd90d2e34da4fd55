//! In place of init: feeds Machine sockets with frames, as init does, and costs next to nothing itself.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use line::frame::{BatchWriter, Frame, Hello, Parsed, Ping, Policy, RecordFlags, parse};
use line::{Boot, Stream};
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde_json::{Value, json};

use super::lines::Lines;

/// How often init reads from an app that writes all the time.
const READ_PAUSE: Duration = Duration::from_millis(5);

/// How long init holds lines back while a frame is on the way; with none on the way it sends at once.
const HOLD: Duration = Duration::from_millis(20);

/// Bytes of text in a frame when there is more than enough to send.
const FULL_BATCH_BYTES: u64 = 64 * 1024;

/// The ring that the feed claims to have; the agent lets half of it be unacknowledged.
const RING_BYTES: u32 = 8 << 20;

/// Different lines that a Machine sends in turn. They are made before the measuring begins.
const LINES: usize = 4096;

/// Without an answer for so long, something is wrong.
const DEADLINE: Duration = Duration::from_secs(30);

/// How fast a Machine sends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Speed {
    /// Steadily.
    LinesPerSecond(f64),
    /// As fast as the agent acknowledges.
    FlatOut,
}

/// Machines that send, each in a thread of its own.
pub(super) struct Feed {
    stop: Arc<AtomicBool>,
    machines: Vec<JoinHandle<Result<()>>>,
}

impl Feed {
    /// Registers `apps` Machines with the agent whose data lie in `data`, and begins to send.
    pub(super) fn start(data: &Path, apps: u64, speed: Speed, corpus: Option<&Path>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut machines = Vec::new();
        for app in 0..apps {
            let mut lines = Lines::new(app, corpus)?;
            let text = (0..LINES).map(|_| {
                let mut line = Vec::new();
                lines.next_into(&mut line);
                line
            });
            let text = text.collect();
            let mut machine = Machine::connect(&register(data, app)?, app, text)?;
            let stop = Arc::clone(&stop);
            machines.push(thread::spawn(move || machine.run(speed, &stop)));
        }
        Ok(Self { stop, machines })
    }

    /// Ends the sending; an error when a Machine could not send to the end.
    pub(super) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for machine in self.machines {
            machine.join().ok().context("a feeding thread failed")??;
        }
        Ok(())
    }
}

/// Registers the Machine number `app` and gives its socket.
fn register(data: &Path, app: u64) -> Result<PathBuf> {
    let org = std::fs::read_to_string(data.join("org")).context("reading the org")?;
    let org: Value = serde_json::from_str(&org).context("reading the org")?;
    let request = json!({"register": {
        "org": org["id"], "app": format!("app-{app}"), "region": "lhr", "instance": format!("feed{app}"),
        "uid": rustix::process::geteuid().as_raw(), "ephemeral": true,
    }});
    let begun = Instant::now();
    loop {
        let mut admin =
            UnixStream::connect(data.join("agent/admin.sock")).context("connecting to the agent")?;
        admin.write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(&admin).read_line(&mut answer).context("reading the agent's answer")?;
        let answer: Value = serde_json::from_str(&answer).context("reading the agent's answer")?;
        if let Some(socket) = answer["registered"]["socket"].as_str() {
            return Ok(PathBuf::from(socket));
        }
        // One client at a time: the one before may not be gone yet.
        let busy = answer["error"]["code"] == "LA06" && begun.elapsed() < DEADLINE;
        ensure!(busy, "the agent does not register a Machine: {answer}");
        thread::yield_now();
    }
}

/// A connection in the place of init.
struct Machine {
    stream: UnixStream,
    input: Vec<u8>,
    text: Vec<Vec<u8>>,
    /// The next line of `text`.
    next: usize,
    next_seq: u64,
    /// The bytes of each frame that is not acknowledged, with the sequence number behind it.
    sent: std::collections::VecDeque<(u64, usize)>,
    in_flight_bytes: usize,
    window_bytes: usize,
    /// When this Machine's frames go out, so that not all do at once.
    phase: Duration,
}

impl Machine {
    /// Connects and greets.
    fn connect(socket: &Path, number: u64, text: Vec<Vec<u8>>) -> Result<Self> {
        let stream =
            UnixStream::connect(socket).with_context(|| format!("connecting to {}", socket.display()))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let phase = READ_PAUSE.mul_f64(f64::from(u8::try_from(number % 16)?) / 16.0);
        let (input, sent) = (Vec::new(), std::collections::VecDeque::new());
        let mut machine = Self {
            stream,
            input,
            text,
            next: 0,
            next_seq: 1,
            sent,
            in_flight_bytes: 0,
            window_bytes: 0,
            phase,
        };
        let milliseconds = u64::try_from(realtime() / 1_000_000).unwrap_or(0);
        let hello = Hello {
            versions: (1, 1),
            boot: Boot::new(milliseconds, u16::try_from(number)?),
            first_seq: 1,
            next_seq: 1,
            realtime: realtime(),
            boottime: boottime(),
            ring_bytes: RING_BYTES,
            policy: Policy::Block,
            instance: &format!("feed{number}"),
        };
        machine.write(&Frame::Hello(hello))?;
        while machine.window_bytes == 0 {
            machine.listen(true)?;
        }
        Ok(machine)
    }

    fn write(&mut self, frame: &Frame<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        frame.write(&mut bytes)?;
        self.stream.write_all(&bytes).context("writing to the agent")
    }

    /// Sends until `stop`.
    fn run(&mut self, speed: Speed, stop: &AtomicBool) -> Result<()> {
        thread::sleep(self.phase);
        let (begun, mut pinged, mut lines, mut sent) = (Instant::now(), Instant::now(), 0, Instant::now());
        while !stop.load(Ordering::Relaxed) {
            match speed {
                Speed::FlatOut => _ = self.send(u64::MAX)?,
                Speed::LinesPerSecond(rate) => {
                    thread::sleep(READ_PAUSE);
                    self.listen(false)?;
                    if self.sent.is_empty() || sent.elapsed() >= HOLD {
                        lines += self.send(whole(begun.elapsed().as_secs_f64() * rate) - lines)?;
                        sent = Instant::now();
                    }
                }
            }
            self.listen(false)?;
            while self.in_flight_bytes >= self.window_bytes {
                self.listen(true)?;
            }
            if pinged.elapsed() > Duration::from_secs(5) {
                let ping = Ping { next_seq: self.next_seq, realtime: realtime(), boottime: boottime() };
                self.write(&Frame::Ping(ping))?;
                pinged = Instant::now();
            }
        }
        Ok(())
    }

    /// Sends a frame with `most` lines at most, or as many as go into one. Gives how many that were.
    fn send(&mut self, most: u64) -> Result<u64> {
        if most == 0 {
            return Ok(0);
        }
        let now = boottime();
        let mut batch = BatchWriter::new(Vec::new(), self.next_seq, now);
        while u64::from(batch.count()) < most && batch.text_bytes() < FULL_BATCH_BYTES {
            batch.push(now, Stream::Stdout, RecordFlags::WHOLE, &self.text[self.next]);
            self.next = (self.next + 1) % self.text.len();
        }
        let count = u64::from(batch.count());
        self.next_seq = batch.next_seq();
        let frame = batch.finish()?;
        self.stream.write_all(&frame).context("writing to the agent")?;
        self.sent.push_back((self.next_seq, frame.len()));
        self.in_flight_bytes += frame.len();
        Ok(count)
    }

    /// Takes what the agent says; waits for it when `wait`.
    fn listen(&mut self, wait: bool) -> Result<()> {
        let mut chunk = [0; 4096];
        self.stream.set_nonblocking(!wait)?;
        let read = self.stream.read(&mut chunk);
        self.stream.set_nonblocking(false)?;
        match read {
            Ok(0) => bail!("the agent closed the connection"),
            Ok(read) => self.input.extend_from_slice(&chunk[..read]),
            Err(error) if !wait && error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("waiting for the agent"),
        }
        let mut at = 0;
        loop {
            match parse(&self.input[at..]) {
                Parsed::Incomplete { .. } => break,
                Parsed::Unknown { used, .. } => at += used,
                Parsed::Garbage { why, .. } => bail!("the agent sent what is no frame: {why}"),
                Parsed::Frame { frame, used } => {
                    match frame {
                        Frame::Welcome(welcome) => self.window_bytes = usize::try_from(welcome.window_bytes)?,
                        Frame::Refused(refused) => bail!("the agent refuses: {}", refused.reason),
                        Frame::Ack { next_seq } => {
                            while let Some((_, bytes)) = self.sent.pop_front_if(|(seq, _)| *seq <= next_seq) {
                                self.in_flight_bytes -= bytes;
                            }
                        }
                        _ => {}
                    }
                    at += used;
                }
            }
        }
        self.input.drain(..at);
        Ok(())
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few seconds of lines, never negative"
)]
fn whole(lines: f64) -> u64 {
    lines as u64
}

fn realtime() -> i64 {
    nanos(clock_gettime(ClockId::Realtime))
}

fn boottime() -> i64 {
    nanos(clock_gettime(ClockId::Boottime))
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
