//! The connection to the host agent: connect, greet, send what the ring holds, take acknowledgements, notice a dead agent,
//! come back.
//!
//! Nothing here waits and nothing fails for good: whatever goes wrong, lines stay in the ring and the next try comes.

mod backoff;

use std::io::ErrorKind;
use std::path::PathBuf;

use line::Boot;
use line::frame::{Bye, Frame, Hello, Parsed, Ping, Policy, Refused, VERSION, Welcome, parse};

use crate::kernel::Sys;
use crate::ring::{Next, Ring};
use backoff::Backoff;

/// How long between tries when the agent said no, in nanoseconds.
const REFUSED_NS: i64 = 5_000_000_000;

/// The longest heartbeat that is accepted, and the one before the agent has named its own; three of them without a byte
/// from the agent mean that it is gone.
const MAX_HEARTBEAT_MS: u32 = 5_000;

/// The shortest heartbeat that is accepted.
const MIN_HEARTBEAT_MS: u32 = 100;

/// What the agent is told about this start of the instance.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) socket: PathBuf,
    pub(crate) instance: String,
    pub(crate) boot: Boot,
    pub(crate) policy: Policy,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Link {
    identity: Identity,
    state: State,
    backoff: Backoff,
    /// Frames other than the ring's, as bytes, and how many of them are sent.
    control: Vec<u8>,
    control_sent: usize,
    /// How much of the ring's next frame is sent.
    frame_sent: usize,
    /// The socket took no more.
    is_full: bool,
    received: Vec<u8>,
    last_heard: i64,
    next_ping: i64,
    heartbeat_ns: i64,
    window_bytes: usize,
    /// The barrier that is asked for, whether it is on its way, and how far the agent has confirmed.
    flush_seq: Option<u64>,
    flush_sent: bool,
    flushed_seq: u64,
    down_since: i64,
    said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not connected; the next try is due then.
    Down { retry_at: i64 },
    /// Connected and greeted, waiting for the answer.
    Greeting,
    /// The agent takes records.
    Up,
}

/// What people were last told of the connection, so that they are told once.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Unreachable,
    Refused(String),
}

impl Link {
    /// A connection that is due at once.
    pub(crate) fn new(identity: Identity, now: i64) -> Self {
        Self {
            identity,
            state: State::Down { retry_at: now },
            backoff: Backoff::default(),
            control: Vec::new(),
            control_sent: 0,
            frame_sent: 0,
            is_full: false,
            received: Vec::new(),
            last_heard: now,
            next_ping: i64::MAX,
            heartbeat_ns: i64::from(MAX_HEARTBEAT_MS) * 1_000_000,
            window_bytes: 0,
            flush_seq: None,
            flush_sent: false,
            flushed_seq: 0,
            down_since: now,
            said: Said::Nothing,
        }
    }

    /// Does what is due by the clock: connect, ping, give up on a silent agent. True once in each heartbeat.
    pub(crate) fn tick(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64) -> bool {
        match self.state {
            State::Down { retry_at } if now >= retry_at => self.connect(sys, ring, now),
            State::Greeting | State::Up if now >= self.silent_at() => self.lose(sys, ring, now),
            State::Up if now >= self.next_ping => {
                let ping = Ping { next_seq: ring.next_seq(), realtime: sys.realtime(), boottime: now };
                self.put(&Frame::Ping(ping));
                self.next_ping = now + self.heartbeat_ns;
                return true;
            }
            _ => {}
        }
        false
    }

    /// When [`Link::tick`] next has something to do.
    pub(crate) fn deadline(&self) -> i64 {
        match self.state {
            State::Down { retry_at } => retry_at,
            State::Greeting => self.silent_at(),
            State::Up => self.silent_at().min(self.next_ping),
        }
    }

    fn silent_at(&self) -> i64 {
        self.last_heard + 3 * self.heartbeat_ns
    }

    fn connect(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64) {
        if let Err(error) = sys.connect(&self.identity.socket) {
            if self.said == Said::Nothing {
                self.said = Said::Unreachable;
                let path = self.identity.socket.display();
                sys.say(&format!(
                    "LI08: cannot reach the agent at {path} ({error}), lines are kept in memory; start it with 'logway up'"
                ));
            }
            let retry_at = now + self.backoff.next_ns(sys.random());
            self.state = State::Down { retry_at };
            return;
        }
        self.state = State::Greeting;
        self.last_heard = now;
        let identity = &self.identity;
        let hello = Hello {
            versions: (VERSION, VERSION),
            boot: identity.boot,
            first_seq: ring.first_seq(),
            next_seq: ring.next_seq(),
            realtime: sys.realtime(),
            boottime: sys.boottime(),
            ring_bytes: u32::try_from(ring.announced_bytes()).unwrap_or(u32::MAX),
            policy: identity.policy,
            instance: &identity.instance,
        };
        // Shorter than the longest frame: a name is cut at 64 KiB.
        let _ = Frame::Hello(hello).write(&mut self.control);
    }

    /// Ends the connection; the next try comes after the backoff.
    fn lose(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64) {
        let wait_ns = self.backoff.next_ns(sys.random());
        self.close(sys, ring, now, wait_ns);
    }

    fn close(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64, wait_ns: i64) {
        sys.disconnect();
        ring.disconnect();
        if self.is_up() {
            self.down_since = now;
        }
        self.state = State::Down { retry_at: now + wait_ns };
        self.control.clear();
        self.received.clear();
        (self.control_sent, self.frame_sent, self.is_full, self.flush_sent) = (0, 0, false, false);
        self.next_ping = i64::MAX;
    }

    fn put(&mut self, frame: &Frame<'_>) {
        // Control frames are far shorter than the longest frame.
        let _ = frame.write(&mut self.control);
    }

    /// The socket takes more again.
    pub(crate) fn has_room(&mut self) {
        self.is_full = false;
    }

    /// Sends what the socket and the window take.
    pub(crate) fn pump(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64) {
        if self.is_full {
            return;
        }
        while let Some(sent) = self.send_next(sys, ring) {
            match sent {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_full = true;
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // What the agent said last may be why it closed.
                    self.receive(sys, ring, now);
                    if self.is_connected() {
                        self.lose(sys, ring, now);
                    }
                    return;
                }
            }
        }
    }

    /// Sends one piece; `None` if there is nothing to send.
    fn send_next(&mut self, sys: &mut impl Sys, ring: &mut Ring) -> Option<std::io::Result<()>> {
        if !self.is_connected() {
            return None;
        }
        if self.frame_sent == 0 && self.control_sent < self.control.len() {
            let rest = self.control.get(self.control_sent..).unwrap_or_default();
            return Some(sys.send(rest).map(|sent| self.control_advance(sent)));
        }
        if self.state != State::Up {
            return None;
        }
        match ring.next() {
            Some(Next::Frame(bytes)) => {
                let room = self.window_bytes.saturating_sub(ring.in_flight_bytes());
                if self.frame_sent == 0 && bytes.len() > room && ring.in_flight_bytes() > 0 {
                    return None;
                }
                let rest = bytes.get(self.frame_sent..).unwrap_or_default();
                let len = rest.len();
                Some(sys.send(rest).map(|sent| {
                    self.frame_sent = if sent < len { self.frame_sent + sent } else { 0 };
                    ring.mark_sent(self.frame_sent == 0);
                }))
            }
            Some(Next::Gap(gap)) => {
                ring.mark_sent(true);
                self.put(&Frame::Gap(gap));
                Some(Ok(()))
            }
            None => {
                let next_seq = self.flush_seq.filter(|_| !self.flush_sent)?;
                self.flush_sent = true;
                self.put(&Frame::Flush { next_seq });
                Some(Ok(()))
            }
        }
    }

    fn control_advance(&mut self, sent: usize) {
        self.control_sent += sent;
        if self.control_sent >= self.control.len() {
            self.control.clear();
            self.control_sent = 0;
        }
    }

    /// Reads what the agent sent.
    pub(crate) fn receive(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64) {
        let mut chunk = [0; 4096];
        let len = match sys.receive(&mut chunk) {
            Ok(0) => return self.lose(sys, ring, now),
            Ok(len) => len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => return self.lose(sys, ring, now),
        };
        self.last_heard = now;
        let mut received = std::mem::take(&mut self.received);
        received.extend_from_slice(chunk.get(..len).unwrap_or_default());
        let mut at = 0;
        while let Some(bytes) = received.get(at..).filter(|bytes| !bytes.is_empty()) {
            at += match parse(bytes) {
                Parsed::Frame { frame, used } => {
                    self.take(sys, ring, now, &frame);
                    used
                }
                Parsed::Unknown { used, .. } | Parsed::Garbage { used, .. } => used,
                Parsed::Incomplete { .. } => break,
            };
            if !self.is_connected() {
                return;
            }
        }
        received.drain(..at);
        self.received = received;
    }

    fn take(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64, frame: &Frame<'_>) {
        match (self.state, frame) {
            (_, Frame::Refused(refused)) => self.refused(sys, ring, now, refused),
            (State::Greeting, Frame::Welcome(welcome)) => self.welcome(sys, ring, now, *welcome),
            (State::Up, Frame::Ack { next_seq }) => ring.ack(*next_seq),
            (State::Up, Frame::Flushed { next_seq }) => self.flushed(ring, *next_seq),
            // A pong has done its work by arriving. Nothing else is for init.
            _ => {}
        }
    }

    /// Takes the confirmation of a barrier. One that was not asked for on this connection confirms nothing.
    fn flushed(&mut self, ring: &mut Ring, next_seq: u64) {
        let Some(barrier) = self.flush_seq.filter(|_| self.flush_sent) else { return };
        let next_seq = next_seq.min(barrier);
        self.flushed_seq = self.flushed_seq.max(next_seq);
        ring.ack(next_seq);
    }

    fn welcome(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64, welcome: Welcome) {
        if welcome.version != VERSION {
            let why = format!("the agent wants version {} of the protocol, not {VERSION}", welcome.version);
            return self.refuse(sys, ring, now, why);
        }
        if self.said != Said::Nothing {
            self.said = Said::Nothing;
            sys.say(&format!("connected to the agent at {}", self.identity.socket.display()));
        }
        self.state = State::Up;
        self.backoff = Backoff::default();
        self.window_bytes = usize::try_from(welcome.window_bytes).unwrap_or(usize::MAX).max(1);
        let heartbeat_ms = welcome.heartbeat_ms.clamp(MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS);
        self.heartbeat_ns = i64::from(heartbeat_ms) * 1_000_000;
        self.next_ping = now + self.heartbeat_ns;
        ring.resume(welcome.resume_seq);
    }

    fn refused(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64, refused: &Refused<'_>) {
        self.refuse(sys, ring, now, format!("{}: {}", refused.code, refused.reason));
    }

    fn refuse(&mut self, sys: &mut impl Sys, ring: &mut Ring, now: i64, why: String) {
        if self.said != Said::Refused(why.clone()) {
            let path = self.identity.socket.display();
            sys.say(&format!("the agent at {path} refuses this instance, lines are kept in memory; {why}"));
            self.said = Said::Refused(why);
        }
        self.close(sys, ring, now, REFUSED_NS);
    }

    /// Whether a record that is sealed now can be sent now.
    pub(crate) fn can_send(&self, ring: &Ring) -> bool {
        self.state == State::Up && !self.is_full && ring.in_flight_bytes() < self.window_bytes
    }

    /// Whether the next [`Link::pump`] should wait until the socket takes more.
    pub(crate) fn wants_room(&self) -> bool {
        self.is_full
    }

    fn is_connected(&self) -> bool {
        !matches!(self.state, State::Down { .. })
    }

    /// Whether the agent takes records.
    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Since when the agent has been away; `None` while it takes records.
    pub(crate) fn away_since(&self) -> Option<i64> {
        if self.is_up() { None } else { Some(self.down_since) }
    }

    /// Asks the agent to say when everything below `next_seq` is safe. Before all records a ping tells it how far the
    /// sequence goes, so that it knows how much is missing if not all of them get through; whoever connects only now says
    /// so in its HELLO.
    pub(crate) fn flush(&mut self, sys: &impl Sys, next_seq: u64, now: i64) {
        self.flush_seq = Some(next_seq);
        self.flush_sent = false;
        if self.is_connected() {
            self.put(&Frame::Ping(Ping { next_seq, realtime: sys.realtime(), boottime: now }));
        }
    }

    /// Whether the agent has said so, or has acknowledged all of it.
    pub(crate) fn is_flushed(&self, ring: &Ring) -> bool {
        self.flush_seq.is_some_and(|seq| self.flushed_seq.max(ring.first_seq()) >= seq)
    }

    /// Says goodbye if everything is sent. Otherwise the connection just ends, and the agent states what is missing.
    pub(crate) fn bye(&mut self, ring: &Ring) {
        if self.is_up() && ring.next().is_none() {
            self.put(&Frame::Bye(Bye { next_seq: ring.next_seq() }));
        }
    }

    /// Whether everything but records is sent.
    pub(crate) fn has_spoken(&self) -> bool {
        self.control.is_empty()
    }
}
