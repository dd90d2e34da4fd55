//! The spool's housekeeping: cursors to disk, old segments away, figures out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Cursors, OutCursor};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::spool::{self, Pos, Spool};

/// How often cursors are saved: what went out since goes out again after a crash.
const INTERVAL: Duration = Duration::from_secs(1);
/// The name of the cursor of the live copy.
pub(crate) const LIVE: &str = "live";
/// The name of the cursor of what the store has.
pub(crate) const STORE: &str = "store";

/// A cursor of the spool, and how far it was moved.
#[derive(Debug)]
struct Kept {
    name: &'static str,
    cursor: Arc<OutCursor>,
    advanced: Pos,
}

/// What is done about once a second while something moves.
#[derive(Debug)]
pub(super) struct Keep {
    cursors: Vec<Kept>,
    keep_bytes: u64,
    dirty: bool,
    last: Instant,
}

impl Keep {
    pub(super) fn new(cursors: Cursors, keep_bytes: u64) -> Self {
        let named = std::iter::once((LIVE, cursors.live)).chain(cursors.store.map(|store| (STORE, store)));
        let cursors = named.map(|(name, cursor)| Kept { name, advanced: cursor.get(), cursor }).collect();
        Self { cursors, keep_bytes, dirty: false, last: Instant::now() }
    }

    /// Something was appended.
    pub(super) const fn dirty(&mut self) {
        self.dirty = true;
    }

    /// When the next round is due, if there is anything to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.dirty.then_some(self.last + INTERVAL)
    }

    /// Takes over how far each way out has come, so that the quota counts only what still has to go out.
    pub(super) fn advance(&mut self, spool: &mut Spool) {
        for kept in &mut self.cursors {
            let pos = kept.cursor.get();
            if pos > kept.advanced {
                // The name is a good one and was opened at the start.
                let _advanced = spool.advance(kept.name, pos);
                kept.advanced = pos;
                self.dirty = true;
            }
        }
    }

    fn save(&self, spool: &mut Spool) -> Result<(), spool::Error> {
        self.cursors.iter().try_for_each(|kept| spool.save_cursor(kept.name).map(|_| ()))
    }

    /// Saves the cursors, removes what nobody needs and notes the figures, once a second; at the end in any case.
    pub(super) fn house(&mut self, spool: &mut Spool, metrics: &Metrics, health: &Health, last: bool) {
        if !last && (!self.dirty || self.last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Instant::now();
        let marked = if last { spool.save_marks() } else { Ok(()) };
        let kept = marked.and_then(|()| self.save(spool)).and_then(|()| spool.release(self.keep_bytes));
        if let Err(why) = kept {
            health.spool_fails(&why);
        }
        let stats = spool.stats();
        metrics.spool(&stats);
        // As long as something has to go out, its going out has to be looked at.
        self.dirty = stats.held_bytes > 0;
    }
}
