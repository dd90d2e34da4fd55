//! The loop: what init holds, and one turn of it. Every step of the instance's life turns this loop until its own end has come.

#[cfg(test)]
mod tests;

use std::time::Duration;

use line::frame::RecordFlags;
use line::{Boot, Event, Stream};

use crate::capture::Capture;
use crate::config::{Config, Policy};
use crate::kernel::{Death, Interest, Pid, Ready, Reaped, Sys, Used};
use crate::link::{Identity, Link};
use crate::oom::OomWatch;
use crate::ring::Ring;
use crate::signals::{Stop, after};
use crate::{Error, Signal};

/// The longest that a record waits for more to be sent with it, in nanoseconds. With the pauses of `capture` it makes the
/// 20 ms for which init holds a line at most.
const SEND_NS: i64 = 10_000_000;

/// With a bounded `block`, an agent that is away for longer than this is not waited for, in nanoseconds.
const DEAD_AGENT_NS: i64 = 15_000_000_000;

/// The default ring is this part of memory, within its bounds.
const MEMORY_SHARE: u64 = 64;
const MAX_DEFAULT_RING_BYTES: usize = 8 << 20;

/// The main process.
#[derive(Debug)]
pub(crate) struct Main {
    pub(crate) pid: Pid,
    pub(crate) started: i64,
    pub(crate) oom: OomWatch,
}

/// How and when the main process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) death: Death,
    pub(crate) used: Used,
    pub(crate) at: i64,
    /// The kernel killed it for lack of memory.
    pub(crate) oom_killed: bool,
}

/// Init at work.
#[derive(Debug)]
pub(crate) struct Init<'a, S> {
    pub(crate) config: &'a Config,
    pub(crate) sys: &'a mut S,
    pub(crate) ring: Ring,
    pub(crate) link: Link,
    pub(crate) capture: Option<Capture>,
    pub(crate) main: Option<Main>,
    pub(crate) ended: Option<Ended>,
    pub(crate) stop: Stop,
    /// From the app's end on: how long `block` without a limit waits for room.
    last_wait: Option<Duration>,
    /// Since when nothing was read because the ring is full.
    full_since: Option<i64>,
    /// The bounded wait is over: drop until the ring has room again.
    pub(crate) is_dropping: bool,
}

impl<'a, S: Sys> Init<'a, S> {
    /// Takes the signals and makes ring and link.
    pub(crate) fn prepare(config: &'a Config, sys: &'a mut S) -> Result<Self, Error> {
        // One byte of the 108 is the NUL at the end.
        if config.socket.as_os_str().len() > 107 {
            return Err(Error::SocketPath { path: config.socket.clone() });
        }
        sys.prepare().map_err(Error::Prepare)?;
        let (now, random) = (sys.boottime(), sys.random());
        let start_ms = u64::try_from(sys.realtime() / 1_000_000).unwrap_or(0);
        let policy = match config.policy {
            Policy::DropOldest => line::frame::Policy::DropOldest,
            Policy::Block { .. } => line::frame::Policy::Block,
        };
        let identity = Identity {
            socket: config.socket.clone(),
            instance: config.instance.clone(),
            boot: Boot::new(start_ms, u16::try_from(random & 0xffff).unwrap_or(0)),
            policy,
        };
        let mut ring = Ring::new(config.ring_bytes.unwrap_or_else(|| default_ring_bytes(sys.memory_bytes())));
        ring.set_lossless(policy == line::frame::Policy::Block);
        Ok(Self {
            config,
            sys,
            ring,
            link: Link::new(identity, now),
            capture: None,
            main: None,
            ended: None,
            stop: Stop::default(),
            last_wait: None,
            full_since: None,
            is_dropping: false,
        })
    }

    /// The first try to reach the agent, before anything that would take rights away. The app does not wait for it.
    pub(crate) fn connect(&mut self) {
        let now = self.sys.boottime();
        self.link.tick(self.sys, &mut self.ring, now);
        self.link.pump(self.sys, &mut self.ring, now);
    }

    /// Reads, sends and passes signals on until the main process has ended.
    pub(crate) fn serve_until_exit(&mut self) -> Result<(), Error> {
        while self.ended.is_none() {
            self.turn(i64::MAX)?;
        }
        Ok(())
    }

    /// One turn: do what is due, send what can be sent, wait until `until` at most, take what came.
    pub(crate) fn turn(&mut self, until: i64) -> Result<(), Error> {
        let now = self.sys.boottime();
        self.tick(now);
        self.link.pump(self.sys, &mut self.ring, now);
        let (interest, deadline) = self.wanted(now, until);
        let wait_ns = u64::try_from(deadline - now).unwrap_or(0);
        let timeout = (deadline < i64::MAX).then(|| Duration::from_nanos(wait_ns));
        let ready = self.sys.wait(interest, timeout).map_err(Error::Read)?;
        self.take(ready)
    }

    /// Does what the clock says is due.
    fn tick(&mut self, now: i64) {
        if self.link.tick(self.sys, &mut self.ring, now) && self.ring.trim() {
            self.sys.give_memory_back();
        }
        self.insist(now);
        if let Some(main) = self.main.as_mut().filter(|_| self.ended.is_none()) {
            main.oom.tick(self.sys, now);
        }
        let room = self.room_rule()(&self.ring);
        if let Some(capture) = &mut self.capture {
            capture.tick(&mut self.ring, now, room);
        }
        self.watch_room(now);
        if self.link.can_send(&self.ring) && self.send_at() <= now {
            self.ring.seal();
        }
    }

    /// When the open frame is to be sent: at once if an event is in it or nothing is on its way, else when it has
    /// waited for long enough or an acknowledgement comes.
    fn send_at(&self) -> i64 {
        let idle = self.ring.in_flight_bytes() == 0;
        match self.ring.open_since() {
            None => i64::MAX,
            Some(since) if idle || self.ring.is_urgent() => since,
            Some(since) => since + SEND_NS,
        }
    }

    /// What to wait for, and until when.
    fn wanted(&self, now: i64, until: i64) -> (Interest, i64) {
        let can_send = self.link.can_send(&self.ring);
        let mut interest =
            Interest { outputs: [false; 2], agent_read: true, agent_write: self.link.wants_room() };
        let mut deadline = until.min(self.link.deadline()).min(self.stop.deadline());
        if let Some(capture) = &self.capture {
            interest.outputs = capture.interest(now, self.room_rule()(&self.ring));
            deadline = deadline.min(capture.deadline(now));
            // Within a pause, acknowledgements wait for its end: one wake-up for both.
            interest.agent_read = !(can_send && capture.is_paused(now));
        }
        if can_send {
            deadline = deadline.min(self.send_at());
        }
        (interest, deadline.min(self.give_up_at()))
    }

    fn take(&mut self, ready: Ready) -> Result<(), Error> {
        if ready.signals {
            self.take_signals();
        }
        if ready.agent_write {
            self.link.has_room();
        }
        if ready.agent_read {
            let now = self.sys.boottime();
            self.link.receive(self.sys, &mut self.ring, now);
        }
        self.read_outputs(ready.outputs)
    }

    /// Reads each output that is `ready` once.
    pub(crate) fn read_outputs(&mut self, ready: [bool; 2]) -> Result<(), Error> {
        let room = self.room_rule();
        let Some(capture) = &mut self.capture else { return Ok(()) };
        capture.read(self.sys, &mut self.ring, ready, room).map_err(Error::Read)
    }

    /// Whether a full ring keeps the outputs from being read.
    pub(crate) fn waits_for_room(&self) -> bool {
        matches!(self.config.policy, Policy::Block { .. }) && !self.is_dropping
    }

    /// How many bytes of records a ring takes; `None`: any, it drops.
    fn room_rule(&self) -> fn(&Ring) -> Option<usize> {
        if self.waits_for_room() { |ring| Some(ring.free_bytes()) } else { |_| None }
    }

    /// Ends a bounded wait for room, and its dropping when half of the ring is free again.
    fn watch_room(&mut self, now: i64) {
        let Policy::Block { .. } = self.config.policy else { return };
        if self.is_dropping {
            self.is_dropping = !self.ring.is_half_free();
        } else if self.capture.as_ref().is_some_and(|capture| capture.is_blocked(self.ring.free_bytes())) {
            self.full_since.get_or_insert(now);
            self.is_dropping = now >= self.give_up_at();
        } else {
            self.full_since = None;
        }
        if self.is_dropping {
            self.full_since = None;
        }
        self.ring.set_lossless(!self.is_dropping);
    }

    /// The app has ended: from here on a full ring is waited for no longer than the agent is.
    pub(crate) fn bound_wait(&mut self) {
        if self.config.policy == (Policy::Block { limit: None }) {
            self.last_wait = Some(self.config.flush_timeout);
            self.full_since = None;
        }
    }

    /// When a full ring has been waited for long enough.
    fn give_up_at(&self) -> i64 {
        let (Some(since), Policy::Block { limit }) = (self.full_since, self.config.policy) else {
            return i64::MAX;
        };
        if self.stop.is_hurried {
            return since;
        }
        let Some(limit) = limit else {
            return self.last_wait.map_or(i64::MAX, |wait| after(since, wait));
        };
        let dead_at = self.link.away_since().map_or(i64::MAX, |away| away.saturating_add(DEAD_AGENT_NS));
        after(since, limit).min(dead_at)
    }

    /// Writes an event into the sequence.
    pub(crate) fn event(&mut self, event: &Event<'_>) {
        let mut bytes = Vec::with_capacity(256);
        event.write(&mut bytes);
        let now = self.sys.boottime();
        self.ring.push(now, Stream::Init, RecordFlags::WHOLE, &bytes);
    }

    /// Takes the status of every child that has ended.
    pub(crate) fn reap(&mut self) -> bool {
        loop {
            match self.sys.reap() {
                Reaped::Child { pid, death, used } => {
                    if self.living_main() == Some(pid) {
                        let (at, oom_killed) = (self.sys.boottime(), self.is_oom(death));
                        self.ended = Some(Ended { death, used, at, oom_killed });
                    }
                }
                Reaped::Alive => return true,
                Reaped::None => return false,
            }
        }
    }

    /// Whether the kernel killed the main process for lack of memory.
    fn is_oom(&self, death: Death) -> bool {
        let by_kill = matches!(death, Death::Signal { signal: Signal::KILL, .. }) && !self.stop.is_killed;
        by_kill && self.main.as_ref().is_some_and(|main| main.oom.has_risen(self.sys))
    }

    /// The main process, while it lives.
    pub(crate) fn living_main(&self) -> Option<Pid> {
        self.main.as_ref().filter(|_| self.ended.is_none()).map(|main| main.pid)
    }

    /// Takes every pending signal.
    fn take_signals(&mut self) {
        while let Some(signal) = self.sys.signal() {
            if signal == Signal::CHLD {
                self.reap();
            } else {
                self.pass_on(signal);
            }
        }
    }
}

fn default_ring_bytes(memory_bytes: u64) -> usize {
    let share = usize::try_from(memory_bytes / MEMORY_SHARE).unwrap_or(usize::MAX);
    share.clamp(Config::MIN_RING_BYTES, MAX_DEFAULT_RING_BYTES)
}
