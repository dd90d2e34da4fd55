//! The spool's housekeeping: cursors to disk, old segments away, figures out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::LiveCursor;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::spool::{Pos, Spool};

/// How often the cursor is saved: what was published since is published again after a crash.
const INTERVAL: Duration = Duration::from_secs(1);
/// The name of the cursor of the live copy.
pub(crate) const LIVE: &str = "live";

/// What is done about once a second while something moves.
#[derive(Debug)]
pub(super) struct Keep {
    cursor: Arc<LiveCursor>,
    advanced: Pos,
    keep_bytes: u64,
    dirty: bool,
    last: Instant,
}

impl Keep {
    pub(super) fn new(cursor: Arc<LiveCursor>, keep_bytes: u64) -> Self {
        let advanced = cursor.get();
        Self { cursor, advanced, keep_bytes, dirty: false, last: Instant::now() }
    }

    /// Something was appended.
    pub(super) const fn dirty(&mut self) {
        self.dirty = true;
    }

    /// When the next round is due, if there is anything to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.dirty.then_some(self.last + INTERVAL)
    }

    /// Takes over how far the live copy has come, so that the quota counts only what still has to go out.
    pub(super) fn advance(&mut self, spool: &mut Spool) {
        let pos = self.cursor.get();
        if pos > self.advanced {
            // The name is a good one and was opened at the start.
            let _advanced = spool.advance(LIVE, pos);
            self.advanced = pos;
            self.dirty = true;
        }
    }

    /// Saves the cursor, removes what nobody needs and notes the figures, once a second; at the end in any case.
    pub(super) fn house(&mut self, spool: &mut Spool, metrics: &Metrics, health: &Health, last: bool) {
        if !last && (!self.dirty || self.last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Instant::now();
        let marked = if last { spool.save_marks() } else { Ok(()) };
        let kept = marked.and_then(|()| spool.save_cursor(LIVE)).and_then(|_| spool.release(self.keep_bytes));
        if let Err(why) = kept {
            health.spool_fails(&why);
        }
        let stats = spool.stats();
        metrics.spool(&stats);
        // As long as something has to go out, its going out has to be looked at.
        self.dirty = stats.held_bytes > 0;
    }
}
