//! How a server ends: its clients are told first, then cut one by one.

use std::time::Duration;

use tokio::sync::watch;

/// How long clients have to find another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LameDuck {
    /// After they were told, until the first one is cut.
    pub grace: Duration,
    /// From the first one to the last one. Each is cut at a moment of its own, so that they do not all come back at once.
    pub spread: Duration,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not at all.
    Serving,
    /// Clients are told, and cut one by one.
    LameDuck(LameDuck),
    /// Everybody writes out what waits, now.
    Ended,
}

/// Tells all sessions of a server about its end.
#[derive(Debug)]
pub struct Ending {
    phase: watch::Sender<Phase>,
}

impl Default for Ending {
    fn default() -> Self {
        Self { phase: watch::Sender::new(Phase::Serving) }
    }
}

impl Ending {
    /// Tells clients, and has them cut after the given times.
    pub(super) fn begin(&self, lame_duck: LameDuck) {
        self.phase.send_replace(Phase::LameDuck(lame_duck));
    }

    /// Has all sessions end now.
    pub(super) fn end(&self) {
        self.phase.send_replace(Phase::Ended);
    }

    /// Whether clients should look for another server.
    pub fn has_begun(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    /// Waits for the first word of the end.
    pub(super) async fn begun(&self) -> Phase {
        let mut phase = self.phase.subscribe();
        // The sender is ours: it cannot be gone.
        phase.wait_for(|phase| *phase != Phase::Serving).await.map_or(Phase::Ended, |phase| *phase)
    }

    /// Waits until a session has to end: its own moment of the lame duck's time, or the end itself.
    pub(super) async fn turn(&self, lame_duck: LameDuck) {
        let mut phase = self.phase.subscribe();
        let delay = lame_duck.grace + lame_duck.spread.mul_f64(fastrand::f64());
        let ended = phase.wait_for(|phase| *phase == Phase::Ended);
        // Either is as good.
        let _ = tokio::time::timeout(delay, ended).await;
    }
}
