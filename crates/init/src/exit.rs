//! The end of an instance: read what is left, end what the app left running, say how it ended, and see to it that the agent
//! has everything. Every step has its own limit, so that the end always comes.

use std::collections::HashSet;
use std::time::Duration;

use line::{Event, Level};

use crate::config::{Policy, SignalExit};
use crate::kernel::{Death, Signal, Sys};
use crate::serve::{Ended, Init};
use crate::signals::after;
use crate::{Error, ExitStatus};

/// How long what the app wrote last is read before anything else happens.
const DRAIN: Duration = Duration::from_secs(2);
/// How long other processes may take to end after SIGTERM, and how long SIGKILL may take to work.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How long the end of an output is waited for when no process of ours is left.
const END_OF_OUTPUT: Duration = Duration::from_secs(2);
/// How often is looked whether processes are left.
const LOOK: Duration = Duration::from_millis(50);
/// How long a socket that is full is waited for with the goodbye.
const GOODBYE: Duration = Duration::from_millis(500);
/// What is allowed for the end besides the time to stop, when a stop was asked for and no agent is there.
const AWAY: Duration = Duration::from_secs(5);

impl<S: Sys> Init<'_, S> {
    /// Reads until both outputs were empty once: everything that the main process wrote.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        self.bound_wait();
        let limit = self.drain_limit();
        if let Some(capture) = &mut self.capture {
            capture.expect_bytes();
        }
        loop {
            self.read_outputs([true; 2])?;
            let Some(capture) = self.capture.as_ref().filter(|capture| !capture.is_dry()) else {
                return Ok(());
            };
            let now = self.sys.boottime();
            if now >= limit {
                return Ok(());
            }
            // A full ring has to be waited for, bytes that are there have not.
            let waits = self.waits_for_room() && capture.is_blocked(self.ring.free_bytes());
            self.turn(if waits { limit } else { now })?;
        }
    }

    fn drain_limit(&self) -> i64 {
        let blocks = matches!(self.config.policy, Policy::Block { .. });
        let wait = if blocks { self.config.flush_timeout } else { DRAIN };
        after(self.sys.boottime(), wait)
    }

    /// Ends every process that the app left: SIGTERM, two seconds, SIGKILL.
    pub(crate) fn end_descendants(&mut self) -> Result<(), Error> {
        let term_until = after(self.sys.boottime(), TERM_GRACE);
        let kill_until = after(term_until, TERM_GRACE);
        let mut told = HashSet::new();
        while self.reap() {
            let now = self.sys.boottime();
            let left = self.sys.descendants();
            if left.is_empty() || now >= kill_until {
                return Ok(());
            }
            for process in left {
                if now >= term_until {
                    self.sys.kill(process.pid, Signal::KILL);
                } else if told.insert(process.pid) {
                    self.sys.kill(process.pid, Signal::TERM);
                }
            }
            self.turn(after(now, LOOK))?;
        }
        Ok(())
    }

    /// Reads to the end of both outputs. A process outside of ours may hold them open: it is named and left.
    pub(crate) fn await_end_of_output(&mut self) -> Result<(), Error> {
        let limit = after(self.sys.boottime(), END_OF_OUTPUT).max(self.drain_limit());
        let over = |init: &Self| init.capture.as_ref().is_none_or(|capture| capture.is_over());
        self.turn_until(limit, over)?;
        let now = self.sys.boottime();
        if !over(self) {
            for process in self.sys.writers() {
                let message = format!(
                    "process {} ({}) still has the output open; what it writes from now on is lost",
                    process.pid, process.comm
                );
                let event = Event::new("still_writing", Level::Warn, message)
                    .int("pid", process.pid.into())
                    .text("comm", process.comm.as_str())
                    .text("code_name", "LI05");
                self.event(&event);
            }
        }
        if let Some(mut capture) = self.capture.take() {
            capture.flush(&mut self.ring, now);
        }
        Ok(())
    }

    /// The last event of the instance: how the app ended.
    pub(crate) fn say_exited(&mut self) -> ExitStatus {
        let (Some(main), Some(ended)) = (&self.main, self.ended) else {
            return ExitStatus { code: crate::EXIT_USAGE, raise: None };
        };
        let oom_killed = ended.oom_killed;
        let (code, signal, core_dumped) = match ended.death {
            Death::Code(code) => (code, -1, false),
            Death::Signal { signal, core_dumped } => (128 + signal.number(), signal.number(), core_dumped),
        };
        let stopped = self.stop.is_requested();
        let level = match ended.death {
            Death::Code(0) => Level::Info,
            _ if stopped => Level::Warn,
            _ => Level::Error,
        };
        let mut event = Event::new("exited", level, exit_message(&ended.death, oom_killed))
            .int("code", code.into())
            .int("signal", signal.into())
            .flag("core_dumped", core_dumped)
            .flag("oom_killed", oom_killed)
            .flag("requested_stop", stopped)
            .int("duration_ms", (ended.at - main.started) / 1_000_000)
            .int("user_ms", millis(ended.used.user))
            .int("system_ms", millis(ended.used.system))
            .int("max_rss_kb", ended.used.max_rss_kb);
        if oom_killed {
            event = event.text("code_name", "LI07");
        }
        self.event(&event);
        let raise = signal_of(&ended).filter(|_| self.config.signal_exit == SignalExit::Raise);
        ExitStatus { code: u8::try_from(code & 0xff).unwrap_or(u8::MAX), raise }
    }

    /// The end of an instance whose app did not start.
    pub(crate) fn end_unstarted(mut self, code: u8) -> Result<ExitStatus, Error> {
        let message = format!("Main child was not started, exiting with code: {code}");
        let event = Event::new("exited", Level::Error, message)
            .int("code", code.into())
            .int("signal", -1)
            .flag("oom_killed", false)
            .flag("requested_stop", self.stop.is_requested());
        self.event(&event);
        self.flush()?;
        self.say_goodbye()?;
        Ok(ExitStatus { code, raise: None })
    }

    /// Waits until the agent has everything on its disk, and says so if it has not in time.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let begun = self.sys.boottime();
        self.ring.seal();
        self.link.flush(self.sys, self.ring.next_seq(), begun);
        // Whoever waits for room for so long at most has waited for this agent already.
        let is_bounded = self.config.policy != (Policy::Block { limit: None });
        let is_given_up = is_bounded && self.is_dropping && !self.link.is_up();
        let limit = if is_given_up { begun } else { after(begun, self.config.flush_timeout) };
        let flushed = |init: &Self| {
            init.link.is_flushed(&init.ring)
                || init.stop.is_hurried
                || init.sys.boottime() >= init.away_limit()
        };
        self.turn_until(limit, flushed)?;
        if !self.link.is_flushed(&self.ring) {
            let path = self.config.socket.display();
            let what = match self.ring.lines() {
                0 => "the last events".to_owned(),
                lines => format!("{lines} lines"),
            };
            let waited_ms = (self.sys.boottime() - begun) / 1_000_000;
            self.sys.say(&format!(
                "LI06: {what} were not confirmed by the agent at {path} within {waited_ms} ms; \
                 look whether it runs, or give it longer with --flush-timeout"
            ));
        }
        Ok(())
    }

    /// Without an agent, a stop that was asked for is not held up for longer than it may take anyway.
    fn away_limit(&self) -> i64 {
        match self.stop.asked_at() {
            Some(at) if !self.link.is_up() => after(after(at, self.config.kill_timeout), AWAY),
            _ => i64::MAX,
        }
    }

    /// Says goodbye if nothing is missing, and closes.
    pub(crate) fn say_goodbye(&mut self) -> Result<(), Error> {
        let now = self.sys.boottime();
        // Whoever hurries has not turned the loop since the last records: the agent must not miss what can still be sent.
        self.link.pump(self.sys, &mut self.ring, now);
        self.link.bye(&self.ring);
        self.link.pump(self.sys, &mut self.ring, now);
        self.turn_until(after(now, GOODBYE), |init| init.link.has_spoken())?;
        self.sys.disconnect();
        Ok(())
    }

    /// Turns the loop until `done` or until `limit`.
    fn turn_until(&mut self, limit: i64, done: impl Fn(&Self) -> bool) -> Result<(), Error> {
        while !done(self) && self.sys.boottime() < limit {
            self.turn(limit)?;
        }
        Ok(())
    }
}

fn signal_of(ended: &Ended) -> Option<Signal> {
    match ended.death {
        Death::Signal { signal, .. } => Some(signal),
        Death::Code(_) => None,
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The sentence that people and their scripts know from Fly.
fn exit_message(death: &Death, oom_killed: bool) -> String {
    match death {
        Death::Code(code) => format!("Main child exited normally with code: {code}"),
        Death::Signal { signal, core_dumped } => {
            let oom = if oom_killed { "; the kernel killed it for lack of memory" } else { "" };
            let name = signal.name();
            format!("Main child exited with signal (with signal '{name}', core dumped? {core_dumped}){oom}")
        }
    }
}
