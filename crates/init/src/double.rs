//! A kernel for tests: a clock that stands still but for waiting, happenings on a timetable, an agent that answers after a
//! set delay, and a record of everything that was asked.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use line::Stream;
use line::frame::{Batch, Frame, Parsed, Refused, Welcome, parse};
use line::join::{Joiner, Limits};

use crate::kernel::{
    Death, Interest, Output, Pid, Process, Ready, Reaped, Signal, SpawnError, Started, Sys, Used,
};

/// A millisecond in the unit of the clock.
pub(crate) const MS: i64 = 1_000_000;
/// The app's process id.
pub(crate) const APP: Pid = 100;

/// Something that happens at its time.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// The app writes.
    Write(Output, Vec<u8>),
    /// The app closes both outputs and ends.
    Exit(Death),
    /// A signal for init.
    Signal(Signal),
    /// The kernel kills some process for lack of memory.
    OomKill,
    /// The agent says something.
    Say(Vec<u8>),
    /// The agent begins or ceases to read, so that its socket takes no more.
    Read(bool),
    /// The agent begins or ceases to listen.
    Listen(bool),
}

/// A record that arrived at the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) at: i64,
    pub(crate) seq: u64,
    pub(crate) stream: Stream,
    pub(crate) bytes: Vec<u8>,
}

/// The double.
#[derive(Debug)]
pub(crate) struct Double {
    pub(crate) now: i64,
    timetable: VecDeque<(i64, Happening)>,
    outputs: [VecDeque<u8>; 2],
    ended: [bool; 2],
    signals: VecDeque<Signal>,
    child: Option<Death>,
    reaped: bool,
    oom_kills: u64,
    pub(crate) listens: bool,
    connected: bool,
    inbox: VecDeque<u8>,
    outbox: Vec<u8>,
    /// What the agent joins records with: it acknowledges a record when all of it is there, up to `joined_seq`.
    joiner: Joiner,
    joined_seq: u64,
    /// How long the agent takes to acknowledge; `None`: it never does.
    pub(crate) ack_ns: Option<i64>,
    /// The window that the agent gives; `None`: what fits the ring.
    pub(crate) window_bytes: Option<u32>,
    /// The agent sends init away, for this reason.
    pub(crate) refuses: Option<&'static str>,
    /// The agent greets back.
    pub(crate) welcomes: bool,
    /// The agent answers pings.
    pub(crate) pongs: bool,
    reads: bool,
    /// The most bytes that the socket takes before it is full; after a wait it takes as many again.
    pub(crate) takes: usize,
    is_full: bool,
    /// Signals that end the app.
    pub(crate) deadly: Vec<Signal>,
    /// What was asked, in order, with the time in milliseconds.
    pub(crate) log: Vec<(i64, String)>,
    pub(crate) arrived: Vec<Arrived>,
    pub(crate) said: Vec<String>,
}

impl Double {
    /// A kernel on which `timetable` happens, with a healthy agent.
    pub(crate) fn new(mut timetable: Vec<(i64, Happening)>) -> Self {
        timetable.sort_by_key(|(at, _)| *at);
        Self {
            now: 0,
            timetable: timetable.into(),
            outputs: [VecDeque::new(), VecDeque::new()],
            ended: [false; 2],
            signals: VecDeque::new(),
            child: None,
            reaped: false,
            oom_kills: 3,
            listens: true,
            connected: false,
            inbox: VecDeque::new(),
            outbox: Vec::new(),
            joiner: Joiner::new(Limits::default()),
            joined_seq: 0,
            ack_ns: Some(2 * MS),
            window_bytes: None,
            refuses: None,
            welcomes: true,
            pongs: true,
            reads: true,
            takes: usize::MAX,
            is_full: false,
            deadly: vec![Signal::KILL],
            log: Vec::new(),
            arrived: Vec::new(),
            said: Vec::new(),
        }
    }

    /// What was asked that begins with `what`: when, in milliseconds.
    pub(crate) fn times(&self, what: &str) -> Vec<i64> {
        self.log.iter().filter(|(_, entry)| entry.starts_with(what)).map(|(at, _)| *at).collect()
    }

    /// What was asked, without the waiting for it.
    pub(crate) fn steps(&self) -> Vec<&str> {
        self.log.iter().map(|(_, entry)| entry.as_str()).collect()
    }

    fn note(&mut self, entry: impl Into<String>) {
        self.log.push((self.now / MS, entry.into()));
    }

    fn ready(&self, interest: Interest) -> Ready {
        let output = |at: usize| interest.outputs[at] && (!self.outputs[at].is_empty() || self.ended[at]);
        Ready {
            signals: !self.signals.is_empty(),
            outputs: [output(0), output(1)],
            agent_read: interest.agent_read && !self.inbox.is_empty(),
            agent_write: interest.agent_write && self.connected && self.reads,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Write(output, bytes) => self.outputs[output as usize].extend(bytes),
            Happening::Exit(death) => {
                self.child = Some(death);
                self.ended = [true; 2];
                self.signals.push_back(Signal::CHLD);
            }
            Happening::Signal(signal) => self.signals.push_back(signal),
            Happening::OomKill => self.oom_kills += 1,
            Happening::Say(bytes) if self.connected => self.inbox.extend(bytes),
            Happening::Say(_) => {}
            Happening::Read(reads) => self.reads = reads,
            Happening::Listen(listens) => self.listens = listens,
        }
    }

    fn later(&mut self, at: i64, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        frame.write(&mut bytes).unwrap();
        let place = self.timetable.partition_point(|(when, _)| *when <= at);
        self.timetable.insert(place, (at, Happening::Say(bytes)));
    }

    /// Takes the records of a batch.
    fn join(&mut self, batch: &Batch<'_>) {
        for record in batch.records() {
            let (at, bytes) = (self.now, record.bytes.to_vec());
            self.arrived.push(Arrived { at, seq: record.seq, stream: record.stream, bytes });
            self.joiner.push(record, |joined| self.joined_seq = joined.seq + joined.span);
        }
    }

    /// What the agent makes of a frame.
    fn answer(&mut self, frame: &Frame<'_>) {
        let ack_at = self.ack_ns.map(|delay| self.now + delay);
        match frame {
            Frame::Hello(hello) => {
                self.note(format!("hello {}..{}", hello.first_seq, hello.next_seq));
                let limits = Limits::for_ring(hello.ring_bytes);
                (self.joiner, self.joined_seq) = (Joiner::new(limits), 0);
                let window_bytes = self.window_bytes.unwrap_or(limits.window_bytes(hello.ring_bytes));
                let welcome = Welcome { version: 1, resume_seq: 0, window_bytes, heartbeat_ms: 5000 };
                if let Some(reason) = self.refuses {
                    self.later(self.now, &Frame::Refused(Refused { code: "LA06", reason }));
                } else if self.welcomes {
                    self.later(self.now, &Frame::Welcome(welcome));
                }
            }
            Frame::Batch(batch) => {
                self.note(format!("batch {}..{}", batch.base_seq(), batch.next_seq()));
                self.join(batch);
                if let Some(at) = ack_at {
                    self.later(at, &Frame::Ack { next_seq: self.joined_seq });
                }
            }
            Frame::Gap(gap) => self.note(format!("gap {}..{}", gap.from_seq, gap.from_seq + gap.count)),
            Frame::Ping(ping) => {
                self.note(format!("ping {}", ping.next_seq));
                if self.pongs {
                    self.later(self.now, &Frame::Pong { boottime: ping.boottime });
                }
            }
            Frame::Flush { next_seq } => {
                self.note(format!("flush {next_seq}"));
                if let Some(at) = ack_at {
                    self.later(at, &Frame::Flushed { next_seq: *next_seq });
                }
            }
            Frame::Bye(bye) => self.note(format!("bye {}", bye.next_seq)),
            other => panic!("not for an agent: {other:?}"),
        }
    }
}

impl Sys for Double {
    fn boottime(&self) -> i64 {
        self.now
    }

    fn realtime(&self) -> i64 {
        1_795_341_600_000_000_000 + self.now
    }

    fn random(&mut self) -> u64 {
        u64::MAX / 2
    }

    fn memory_bytes(&self) -> u64 {
        64 << 20
    }

    fn oom_kills(&self) -> u64 {
        self.oom_kills
    }

    fn give_memory_back(&mut self) {
        self.note("give memory back");
    }

    fn prepare(&mut self) -> io::Result<()> {
        self.note("prepare");
        Ok(())
    }

    fn spawn(&mut self, argv: &[OsString]) -> Result<Started, SpawnError> {
        self.note(format!("spawn {}", argv[0].to_string_lossy()));
        if argv[0] == "missing" {
            let source = io::Error::from(ErrorKind::NotFound);
            return Err(SpawnError::Exec { path: "missing".into(), source });
        }
        Ok(Started { pid: APP, pipe_bytes: 256 * 1024 })
    }

    fn wait(&mut self, interest: Interest, timeout: Option<Duration>) -> io::Result<Ready> {
        let end = timeout.map(|time| self.now + i64::try_from(time.as_nanos()).unwrap());
        loop {
            while self.timetable.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, happening) = self.timetable.pop_front().unwrap();
                self.happen(happening);
            }
            let ready = self.ready(interest);
            self.is_full &= !ready.agent_write;
            if ready != Ready::default() || end.is_some_and(|end| end <= self.now) {
                return Ok(ready);
            }
            let next = self.timetable.front().map(|(at, _)| *at);
            self.now = match (next, end) {
                (Some(next), Some(end)) => next.min(end),
                (Some(time), None) | (None, Some(time)) => time,
                (None, None) => panic!("init waits for ever: {:?}", self.log),
            };
        }
    }

    fn read(&mut self, output: Output, buffer: &mut [u8]) -> io::Result<usize> {
        let held = &mut self.outputs[output as usize];
        if held.is_empty() {
            return if self.ended[output as usize] { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let len = held.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(held.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }

    fn close(&mut self, output: Output) {
        self.note(format!("close {}", output.stream().as_str()));
    }

    fn signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    fn reap(&mut self) -> Reaped {
        match self.child {
            Some(death) if !self.reaped => {
                self.reaped = true;
                Reaped::Child { pid: APP, death, used: Used::default() }
            }
            Some(_) => Reaped::None,
            None => Reaped::Alive,
        }
    }

    fn kill(&mut self, pid: Pid, signal: Signal) {
        self.note(format!("kill {pid} {}", signal.name()));
        if self.deadly.contains(&signal) && self.child.is_none() {
            self.happen(Happening::Exit(Death::Signal { signal, core_dumped: false }));
        }
    }

    fn descendants(&mut self) -> Vec<Process> {
        Vec::new()
    }

    fn writers(&mut self) -> Vec<Process> {
        Vec::new()
    }

    fn connect(&mut self, _path: &Path) -> io::Result<()> {
        self.note("connect");
        self.connected = self.listens;
        if self.listens { Ok(()) } else { Err(ErrorKind::ConnectionRefused.into()) }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.connected {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.is_full || !self.reads {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(self.takes);
        self.is_full = taken < bytes.len();
        self.outbox.extend_from_slice(&bytes[..taken]);
        let outbox = std::mem::take(&mut self.outbox);
        let mut at = 0;
        while let Parsed::Frame { frame, used } = parse(&outbox[at..]) {
            self.answer(&frame);
            at += used;
        }
        self.outbox = outbox[at..].to_vec();
        Ok(taken)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.inbox.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = self.inbox.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.inbox.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }

    fn disconnect(&mut self) {
        self.note("disconnect");
        self.connected = false;
        self.inbox.clear();
        self.outbox.clear();
    }

    fn say(&mut self, notice: &str) {
        self.said.push(notice.to_owned());
    }

    fn die_of(&mut self, _signal: Signal) {}
}
