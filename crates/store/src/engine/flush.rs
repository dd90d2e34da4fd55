//! From memory into parts.

use super::core::{Core, Frozen, Trouble};
use super::{Engine, Shared, lock};
use crate::clock::{SECOND, day_of};
use crate::error::Error;
use crate::manifest::{Change, PartEntry};
use crate::rows::Rows;
use crate::shelf::{self, Quality, Stored};
use disk::SyncPoint;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often the flusher looks at the time, and tries again what failed.
const TICK: Duration = Duration::from_secs(1);

/// What whoever flushes must remember from one attempt to the next.
#[derive(Debug, Default)]
pub(super) struct Flushing {
    /// Parts that are written, and a change of the manifest that may or may not have come about: it must be made before
    /// anything else is.
    written: Option<Written>,
}

#[derive(Debug)]
struct Written {
    frozen: Arc<Frozen>,
    change: Change,
    parts: Vec<Arc<Stored>>,
}

impl Engine {
    /// Puts everything that was acknowledged before into parts, and waits for it. Finds out, too, whether a disk that was full
    /// or failed still does.
    ///
    /// # Errors
    /// When an attempt fails. Nothing is lost; it is tried again later.
    pub fn flush_now(&self) -> Result<(), Error> {
        let shared = &self.shared;
        let target = lock(&shared.core).applied_lsn;
        let mut flushing = lock(&shared.flushing);
        loop {
            let is_done = {
                let core = lock(&shared.core);
                core.flushed_lsn >= target && core.trouble.is_none()
            };
            if is_done {
                return Ok(());
            }
            shared.flush(&mut flushing)?;
        }
    }
}

impl Shared {
    /// The flusher's thread.
    pub(super) fn flush_for_ever(&self) {
        loop {
            let core = lock(&self.core);
            if core.stopping {
                return;
            }
            if !self.is_flush_due(&core) {
                drop(self.changed.wait_timeout(core, TICK).unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            drop(core);
            let flushed = {
                let mut flushing = lock(&self.flushing);
                self.flush(&mut flushing)
            };
            if flushed.is_err() {
                let core = lock(&self.core);
                if !core.stopping {
                    drop(self.changed.wait_timeout(core, TICK).unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    fn is_flush_due(&self, core: &Core) -> bool {
        let age = core.active_since.map_or(0, |since| self.clock.elapsed_ns().saturating_sub(since));
        let is_unflushed = core.applied_lsn > core.flushed_lsn;
        core.frozen.is_some()
            || core.trouble.is_some()
            || is_unflushed && (core.suspect || age >= i64::from(self.config.flush_after_s) * SECOND)
    }

    /// Freezes the memtable unless one is frozen, and flushes that.
    fn flush(&self, flushing: &mut Flushing) -> Result<(), Error> {
        let frozen = {
            let mut core = lock(&self.core);
            if core.frozen.is_none() && core.applied_lsn > core.flushed_lsn {
                self.freeze(&mut core);
            }
            core.frozen.clone()
        };
        let flushed = match frozen {
            Some(frozen) => self.flush_frozen(flushing, frozen),
            None => {
                // All is in parts, and the log may have segments that it has not given back since.
                let flushed_lsn = lock(&self.core).flushed_lsn;
                lock(&self.wal).release(flushed_lsn);
                Ok(())
            }
        };
        // Even if all is flushed: room may be back.
        let settled = flushed.and_then(|()| lock(&self.reserve).take(&*self.disk));
        self.settle_trouble(settled)
    }

    /// Notes what the disk said: while it is full or fails, no batches are taken.
    fn settle_trouble(&self, outcome: Result<(), Error>) -> Result<(), Error> {
        let mut core = lock(&self.core);
        match &outcome {
            Ok(()) if core.trouble.is_some() => {
                core.trouble = None;
                tracing::info!("the store's disk takes lines again");
            }
            Ok(()) => {}
            Err(error) => {
                core.counters.disk_errors += 1;
                let trouble = Trouble { is_full: error.is_full(), what: error.to_string() };
                if core.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(code = trouble.code(), %error, "batches are told to come later");
                }
                core.trouble = Some(trouble);
            }
        }
        if outcome.as_ref().is_err_and(Error::is_full) {
            drop(core);
            // What is under way may end with it.
            lock(&self.wal).shrink();
            lock(&self.reserve).give(&*self.disk);
        }
        outcome
    }

    fn flush_frozen(&self, flushing: &mut Flushing, frozen: Arc<Frozen>) -> Result<(), Error> {
        let written = match flushing.written.take() {
            Some(written) => written,
            None => self.write_parts(frozen)?,
        };
        let committed = lock(&self.manifest).commit(&written.change);
        if let Err(error) = committed {
            flushing.written = Some(written);
            return Err(error);
        }
        let Written { frozen, change, parts } = written;
        let mut core = lock(&self.core);
        core.exchange(&[], parts);
        core.flushed_lsn = frozen.lsn;
        core.flushed_pos = frozen.readable_pos;
        core.frozen = None;
        core.suspect = false;
        core.counters.flushes += 1;
        drop(core);
        lock(&self.wal).release(frozen.lsn);
        shelf::remove_other_seen(&*self.disk, &self.dir, change.seen);
        self.changed.notify_all();
        Ok(())
    }

    /// Writes the parts and what was seen; durable, but not in the manifest.
    fn write_parts(&self, frozen: Arc<Frozen>) -> Result<Written, Error> {
        let mut rows = Vec::new();
        frozen.memtable.snapshot(&mut rows);
        let deleted = {
            let core = lock(&self.core);
            rows.iter_mut().for_each(|rows| core.seen.drop_filled(rows));
            Arc::clone(&core.deleted)
        };
        for rows in &mut rows {
            if let Some(below) = deleted.get(rows.org()) {
                *rows = Arc::new(rows.filter(|row| rows.positions()[row] >= *below));
            }
        }
        rows.retain(|rows| !rows.is_empty());
        let mut written = Written { frozen, change: Change::default(), parts: Vec::new() };
        let done = self.write_days(&rows, &mut written);
        if done.is_err() {
            for stored in &written.parts {
                shelf::remove_part(&*self.disk, &self.dir, &stored.entry);
            }
        }
        done.map(|()| written)
    }

    fn write_days(&self, rows: &[Arc<Rows>], written: &mut Written) -> Result<(), Error> {
        let (at, doubt) = self.now_and_doubt();
        for (day, rows) in by_day(rows) {
            let id = self.next_id();
            let part = shelf::write_part(&self.files, &self.dir, (id, day, at), &rows, Quality::Hot)?;
            written.parts.extend(part.map(Arc::new));
        }
        let seen = self.next_id();
        shelf::write_seen(&*self.disk, &self.dir, seen, &written.frozen.seen)?;
        let added: Vec<PartEntry> = written.parts.iter().map(|stored| stored.entry.clone()).collect();
        shelf::sync_days(
            &*self.disk,
            &self.dir,
            added.iter().map(|entry| entry.day),
            SyncPoint::StorePartDir,
        )?;
        let (flushed_lsn, next_pos) = (written.frozen.lsn, written.frozen.next_pos);
        written.change = Change { added, flushed_lsn, seen, next_pos, at, doubt, ..Change::default() };
        Ok(())
    }

    /// An id that no file has had.
    pub(super) fn next_id(&self) -> u64 {
        let mut core = lock(&self.core);
        core.next_id += 1;
        core.next_id - 1
    }
}

/// The rows that have any of a day, by day.
fn by_day(rows: &[Arc<Rows>]) -> BTreeMap<i32, Vec<Arc<Rows>>> {
    let mut days: BTreeMap<i32, Vec<Arc<Rows>>> = BTreeMap::new();
    for rows in rows {
        let Some((first, last)) = rows.time_range() else { continue };
        if day_of(first) == day_of(last) {
            days.entry(day_of(first)).or_default().push(Arc::clone(rows));
            continue;
        }
        let mut found: Vec<i32> = rows.times().iter().map(|time| day_of(*time)).collect();
        found.sort_unstable();
        found.dedup();
        for day in found {
            days.entry(day).or_default().push(Arc::clone(rows));
        }
    }
    days
}
