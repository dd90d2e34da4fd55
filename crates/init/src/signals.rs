//! Signals from outside go on to the main process. One that asks it to stop also starts a clock: an app that does not
//! listen is told again, and then killed. When no main process lives, whoever asks twice does not want to wait for the agent.

use std::time::Duration;

use line::{Event, Level};

use crate::kernel::{Signal, Sys};
use crate::serve::Init;

/// From SIGTERM to SIGKILL, when SIGTERM was not the first signal.
const TERM_GRACE: Duration = Duration::from_secs(1);

/// How far a stop has come.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// When it was first asked for while the main process lived.
    requested_at: Option<i64>,
    /// When it was first asked for after that, or when the app did not start: it is not why the app ended.
    late_at: Option<i64>,
    /// What is sent next, and when.
    next: Option<(Signal, i64)>,
    /// Init itself has sent SIGKILL to the main process.
    pub(crate) is_killed: bool,
    /// A stop was asked for again when no main process lived.
    pub(crate) is_hurried: bool,
}

impl Stop {
    /// Whether the main process was asked to stop.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested_at.is_some()
    }

    /// When somebody first asked for a stop, whether or not the main process still lived.
    pub(crate) fn asked_at(&self) -> Option<i64> {
        self.requested_at.or(self.late_at)
    }

    /// When the next signal is due.
    pub(crate) fn deadline(&self) -> i64 {
        self.next.map_or(i64::MAX, |(_, at)| at)
    }
}

/// `time` after `now`, in nanoseconds.
pub(crate) fn after(now: i64, time: Duration) -> i64 {
    now.saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

impl<S: Sys> Init<'_, S> {
    /// Passes a signal from outside on to the main process.
    pub(crate) fn pass_on(&mut self, signal: Signal) {
        let now = self.sys.boottime();
        let Some(pid) = self.living_main() else {
            if signal.is_stop() {
                self.stop.is_hurried = self.stop.asked_at().is_some();
                self.stop.late_at.get_or_insert(now);
            }
            return;
        };
        let sent = if signal == Signal::TERM { self.config.kill_signal.unwrap_or(signal) } else { signal };
        if signal.is_stop() && self.stop.requested_at.is_none() {
            self.stop.requested_at = Some(now);
            let next = if sent == Signal::TERM { Signal::KILL } else { Signal::TERM };
            self.stop.next = Some((next, after(now, self.config.kill_timeout)));
        }
        self.send_signal(pid, sent, "asked from outside");
    }

    /// Sends the next signal of a stop when the app had its time.
    pub(crate) fn insist(&mut self, now: i64) {
        let Some((signal, at)) = self.stop.next else { return };
        let Some(pid) = self.living_main() else {
            self.stop.next = None;
            return;
        };
        if now >= at {
            self.stop.next = (signal == Signal::TERM).then(|| (Signal::KILL, after(now, TERM_GRACE)));
            self.send_signal(pid, signal, "the app did not stop in time");
        }
    }

    fn send_signal(&mut self, pid: i32, signal: Signal, why: &str) {
        let name = signal.name();
        let message = format!("Sending signal {name} to main child process w/ PID {pid}");
        let event = Event::new("signal_sent", Level::Info, message)
            .int("pid", pid.into())
            .text("signal", name.as_ref())
            .text("why", why);
        self.event(&event);
        self.stop.is_killed |= signal == Signal::KILL;
        self.sys.kill(pid, signal);
    }
}
