//! A host agent for the tests: it speaks the frames, keeps what it is sent, and misbehaves when told.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use line::frame::{Bye, Frame, GapFrame, Hello, Parsed, RecordFlags, Welcome, parse};
use line::join::{Joiner, Limits};
use line::{Boot, Event, Stream};

/// What a test waits for at most before it fails. Nothing takes a tenth of this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A record as the agent got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) seq: u64,
    pub(crate) time: i64,
    pub(crate) stream: Stream,
    pub(crate) flags: RecordFlags,
    pub(crate) bytes: Vec<u8>,
}

/// How the agent behaves.
#[derive(Debug, Clone)]
pub(crate) struct Manners {
    /// Acknowledges what it gets.
    pub(crate) acks: bool,
    /// Answers FLUSH.
    pub(crate) flushes: bool,
    /// Answers PING.
    pub(crate) pongs: bool,
    /// Does not answer the greeting: the test does.
    pub(crate) mute: bool,
    /// `None`: what fits init's ring.
    pub(crate) window_bytes: Option<u32>,
    pub(crate) heartbeat_ms: u32,
    /// What it says of where to go on; `None`: after what it has.
    pub(crate) resume_seq: Option<u64>,
    /// Sent before each answer.
    pub(crate) noise: Vec<u8>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            acks: true,
            flushes: true,
            pongs: true,
            mute: false,
            window_bytes: None,
            heartbeat_ms: 5000,
            resume_seq: None,
            noise: Vec::new(),
        }
    }
}

/// What one greeting said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) boot: Boot,
    pub(crate) first_seq: u64,
    pub(crate) next_seq: u64,
    pub(crate) ring_bytes: u32,
    pub(crate) instance: String,
}

/// The agent. What it keeps outlives its connections, as a spool does.
pub(crate) struct Agent {
    path: PathBuf,
    listener: Option<UnixListener>,
    stream: Option<UnixStream>,
    unread: Vec<u8>,
    pub(crate) manners: Manners,
    /// Records in the order of their numbers, each once.
    pub(crate) records: Vec<Got>,
    pub(crate) gaps: Vec<GapFrame>,
    pub(crate) greetings: Vec<Greeting>,
    /// Records that came again.
    pub(crate) repeated: u64,
    pub(crate) pings: u64,
    pub(crate) bye: Option<Bye>,
    next_seq: u64,
    /// What tells which records are whole: only those are acknowledged, up to `whole_seq`.
    joiner: Joiner,
    whole_seq: u64,
}

impl Agent {
    /// An agent that listens on `path`.
    pub(crate) fn listen(path: &Path) -> Self {
        let mut agent = Self::absent(path);
        agent.start();
        agent
    }

    /// An agent that is not there yet.
    pub(crate) fn absent(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            listener: None,
            stream: None,
            unread: Vec::new(),
            manners: Manners::default(),
            records: Vec::new(),
            gaps: Vec::new(),
            greetings: Vec::new(),
            repeated: 0,
            pings: 0,
            bye: None,
            next_seq: 1,
            joiner: Joiner::new(Limits::default()),
            whole_seq: 1,
        }
    }

    /// Listens.
    pub(crate) fn start(&mut self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.listener = Some(listener);
    }

    /// Ends as by SIGKILL: connection and socket are gone, what was kept stays.
    pub(crate) fn die(&mut self) {
        self.drop_connection();
        self.listener = None;
        std::fs::remove_file(&self.path).unwrap();
    }

    /// Takes the next connection, says `frame` without reading, and closes.
    pub(crate) fn turn_away(&mut self, frame: &Frame<'_>) {
        let begun = Instant::now();
        while self.stream.is_none() {
            assert!(begun.elapsed() < DEADLINE, "nobody connects");
            self.accept(Duration::from_millis(100));
        }
        self.answer(frame);
        self.drop_connection();
    }

    /// Whether init is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Closes the connection and goes on listening.
    pub(crate) fn drop_connection(&mut self) {
        self.stream = None;
        self.unread.clear();
    }

    /// Forgets every record.
    pub(crate) fn forget(&mut self) {
        self.records.clear();
        self.gaps.clear();
        (self.next_seq, self.whole_seq) = (1, 1);
    }

    /// Works until `done`; fails after [`DEADLINE`].
    pub(crate) fn serve_until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            let kinds = self.events().into_iter().map(|event| event.kind.into_owned()).collect::<Vec<_>>();
            let (count, gaps) = (self.records.len(), &self.gaps);
            assert!(
                begun.elapsed() < DEADLINE,
                "no {what}: {count} records, gaps {gaps:?}, events {kinds:?}"
            );
            self.step(Duration::from_millis(100));
        }
    }

    /// Takes one piece of work, or nothing if none comes within `wait`.
    pub(crate) fn step(&mut self, wait: Duration) {
        if self.stream.is_none() {
            self.accept(wait);
        }
        let Some(stream) = &mut self.stream else { return };
        stream.set_read_timeout(Some(wait)).unwrap();
        let mut chunk = vec![0; 256 * 1024];
        match stream.read(&mut chunk) {
            Ok(0) => self.drop_connection(),
            Ok(len) => self.take(&chunk[..len]),
            // The time was up, or something woke the thread before.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.drop_connection(),
        }
    }

    fn accept(&mut self, wait: Duration) {
        let listener = self.listener.as_ref().expect("the agent listens");
        let begun = Instant::now();
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    self.stream = Some(stream);
                    return;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if begun.elapsed() >= wait {
                        return;
                    }
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                Err(error) => panic!("accepting: {error}"),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let unread = std::mem::take(&mut self.unread);
        let mut at = 0;
        loop {
            match parse(&unread[at..]) {
                Parsed::Frame { frame, used } => {
                    self.handle(&frame);
                    at += used;
                }
                Parsed::Incomplete { .. } => break,
                other => panic!("init sent what is no frame: {other:?}"),
            }
        }
        self.unread = unread[at..].to_vec();
    }

    fn handle(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::Hello(hello) => self.greet(hello),
            Frame::Batch(batch) => {
                for record in batch.records() {
                    if record.seq < self.next_seq {
                        self.repeated += 1;
                        continue;
                    }
                    assert_eq!(record.seq, self.next_seq, "a hole that no gap explains");
                    self.next_seq += 1;
                    self.joiner.push(record, |joined| self.whole_seq = joined.seq + joined.span);
                    self.records.push(Got {
                        seq: record.seq,
                        time: record.time,
                        stream: record.stream,
                        flags: record.flags,
                        bytes: record.bytes.to_vec(),
                    });
                }
                self.ack();
            }
            Frame::Gap(gap) => {
                let end = gap.from_seq + gap.count;
                if end > self.next_seq {
                    assert_eq!(gap.from_seq, self.next_seq, "a gap that overlaps");
                    self.gaps.push(*gap);
                    (self.next_seq, self.whole_seq) = (end, end);
                    self.joiner.cut(|_| ());
                }
                self.ack();
            }
            Frame::Ping(ping) => {
                self.pings += 1;
                if self.manners.pongs {
                    self.answer(&Frame::Pong { boottime: ping.boottime });
                }
            }
            Frame::Flush { next_seq } if self.manners.flushes => {
                assert_eq!(*next_seq, self.next_seq, "a flush before everything was sent");
                self.answer(&Frame::Flushed { next_seq: *next_seq });
            }
            Frame::Flush { .. } => {}
            Frame::Bye(bye) => self.bye = Some(*bye),
            other => panic!("not for an agent: {other:?}"),
        }
    }

    fn greet(&mut self, hello: &Hello<'_>) {
        self.greetings.push(Greeting {
            boot: hello.boot,
            first_seq: hello.first_seq,
            next_seq: hello.next_seq,
            ring_bytes: hello.ring_bytes,
            instance: hello.instance.to_owned(),
        });
        if self.manners.mute {
            return;
        }
        let limits = Limits::for_ring(hello.ring_bytes);
        self.joiner = Joiner::new(limits);
        let Manners { window_bytes, heartbeat_ms, resume_seq, .. } = self.manners;
        let window_bytes = window_bytes.unwrap_or(limits.window_bytes(hello.ring_bytes));
        let known = if self.next_seq == 1 { 0 } else { self.next_seq };
        let resume_seq = resume_seq.unwrap_or(known);
        if resume_seq == 0 {
            self.next_seq = hello.first_seq;
        }
        self.answer(&Frame::Welcome(Welcome { version: 1, resume_seq, window_bytes, heartbeat_ms }));
    }

    fn ack(&mut self) {
        if self.manners.acks {
            self.answer(&Frame::Ack { next_seq: self.whole_seq });
        }
    }

    /// Sends a frame. Init may be gone.
    pub(crate) fn answer(&mut self, frame: &Frame<'_>) {
        let mut bytes = self.manners.noise.clone();
        frame.write(&mut bytes).unwrap();
        if let Some(stream) = &mut self.stream {
            let _ = stream.write_all(&bytes);
        }
    }

    /// The app's records of one stream.
    pub(crate) fn of(&self, stream: Stream) -> Vec<&Got> {
        self.records.iter().filter(|record| record.stream == stream).collect()
    }

    /// The whole lines of one stream as text.
    pub(crate) fn lines(&self, stream: Stream) -> Vec<String> {
        self.of(stream).iter().map(|record| String::from_utf8_lossy(&record.bytes).into_owned()).collect()
    }

    /// The bytes that one stream's records stand for.
    pub(crate) fn bytes(&self, stream: Stream) -> Vec<u8> {
        let mut out = Vec::new();
        for record in self.of(stream) {
            out.extend_from_slice(&record.bytes);
            if !record.flags.has(RecordFlags::MORE) && !record.flags.has(RecordFlags::OPEN) {
                out.push(b'\n');
            }
        }
        out
    }

    /// Init's events, in order.
    pub(crate) fn events(&self) -> Vec<Event<'static>> {
        self.of(Stream::Init).iter().map(|record| Event::read(&record.bytes).unwrap().into_owned()).collect()
    }

    /// The first event of that kind.
    pub(crate) fn event(&self, kind: &str) -> Option<Event<'static>> {
        self.events().into_iter().find(|event| event.kind == kind)
    }

    /// The event that ends an instance, which must be the last record of all.
    pub(crate) fn exited(&self) -> Event<'static> {
        let last = self.records.last().expect("a last record");
        assert_eq!(last.stream, Stream::Init, "the exit is not the last record");
        let event = Event::read(&last.bytes).unwrap().into_owned();
        assert_eq!(event.kind, "exited");
        event
    }

    /// Every number from 1 to the goodbye came, as a record or in a gap.
    pub(crate) fn assert_complete(&self) {
        let lost: u64 = self.gaps.iter().map(|gap| gap.count).sum();
        assert_eq!(self.records.len() as u64 + lost + 1, self.next_seq);
        assert_eq!(self.bye.map(|bye| bye.next_seq), Some(self.next_seq));
    }
}
