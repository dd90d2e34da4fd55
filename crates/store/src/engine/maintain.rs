//! What is done to parts afterwards: merged, rewritten when their day is over, removed when nobody keeps them.

mod choose;
mod keep;
mod put_off;
mod run;
mod salvage;

pub use salvage::{Loss, Salvaged};

use super::{Engine, Shared, lock};
use crate::clock::SECOND;
use crate::error::Error;
use crate::manifest::Change;
use crate::shelf::Stored;
use disk::SyncPoint;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often it is looked whether something is due, if nothing else gives cause.
const TICK: Duration = Duration::from_secs(10);
/// How often it is looked what is too old.
const KEEP_EVERY: i64 = 60 * SECOND;

/// What whoever maintains must remember.
#[derive(Debug, Default)]
pub(super) struct Maintaining {
    /// A change of the manifest that may or may not have come about: it must be made before anything else is.
    pending: Option<Done>,
    /// Parts that something failed with.
    put_off: put_off::PutOff,
    /// Parts that count no more, and what took them out. Their files stay while somebody reads them.
    leaving: Vec<(Task, Arc<Stored>)>,
    /// When it was last looked what is too old, by time elapsed.
    looked: i64,
}

/// Work that is done but for the manifest.
#[derive(Debug)]
struct Done {
    change: Change,
    added: Vec<Arc<Stored>>,
    removed: Vec<Arc<Stored>>,
    task: Task,
}

/// What is to be done with some parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Remove them: nothing in them is kept.
    Drop,
    /// Make one of them, of a day that still goes on.
    Merge,
    /// Make one of them, as small as can be: their day is over.
    Close,
    /// Write it anew without what is not kept.
    Purge,
}

impl Engine {
    /// Does all that is due: removes what is too old, merges, rewrites days that are over. Returns when nothing is left to do.
    ///
    /// # Errors
    /// When the disk fails or is full. Nothing is lost; it is tried again later.
    pub fn maintain(&self) -> Result<(), Error> {
        let mut maintaining = lock(&self.shared.maintaining);
        lock(&self.shared.core).look = true;
        self.shared.maintain(&mut maintaining)
    }
}

impl Shared {
    /// The merger's thread.
    pub(super) fn maintain_for_ever(&self) {
        let mut said = String::new();
        loop {
            let done = self.maintain(&mut lock(&self.maintaining));
            match done {
                Ok(()) => said.clear(),
                Err(error) if error.to_string() != said => {
                    said = error.to_string();
                    tracing::warn!(code = "LS03", %error, "cannot merge or remove parts; it is tried again");
                }
                Err(_) => {}
            }
            let core = lock(&self.core);
            if core.stopping {
                return;
            }
            drop(self.changed.wait_timeout(core, TICK).unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn maintain(&self, maintaining: &mut Maintaining) -> Result<(), Error> {
        self.remove_left(maintaining);
        loop {
            if let Some(done) = maintaining.pending.take() {
                self.settle(maintaining, done)?;
            }
            let elapsed = self.clock.elapsed_ns();
            let is_asked = std::mem::take(&mut lock(&self.core).look);
            if is_asked || elapsed.saturating_sub(maintaining.looked) >= KEEP_EVERY {
                maintaining.looked = elapsed;
                self.open_absent();
                self.measure_orgs();
                while let Some((task, parts)) = self.choose_unkept(maintaining) {
                    self.run(maintaining, task, parts)?;
                }
                // Only now is nothing left of those of whom all has just gone.
                self.forget_deleted()?;
            }
            let Some((task, parts)) = self.choose_merge(maintaining) else { return Ok(()) };
            self.run(maintaining, task, parts)?;
        }
    }

    /// Looks whether parts that could not be read at the start can be now.
    fn open_absent(&self) {
        let absent = lock(&self.core).absent.clone();
        for entry in absent {
            let Ok(stored) = crate::shelf::open_entry(&self.files, &self.dir, &entry) else { continue };
            let mut core = lock(&self.core);
            core.absent.retain(|other| other.id != entry.id);
            core.exchange(&[], vec![Arc::new(stored)]);
            drop(core);
            tracing::info!(rows = entry.rows, "a part that could not be read is back");
        }
    }

    /// Brings the manifest, then everybody, in line with work that is done.
    fn settle(&self, maintaining: &mut Maintaining, done: Done) -> Result<(), Error> {
        let committed = lock(&self.manifest).commit(&done.change);
        if let Err(error) = committed {
            maintaining.pending = Some(done);
            return Err(error);
        }
        let rows = |parts: &[Arc<Stored>]| parts.iter().map(|stored| stored.entry.rows).sum::<u64>();
        let dropped = rows(&done.removed).saturating_sub(rows(&done.added));
        let mut core = lock(&self.core);
        core.exchange(&done.change.removed, done.added);
        core.counters.rows_dropped += dropped;
        match done.task {
            Task::Drop => core.counters.parts_dropped += done.removed.len() as u64,
            Task::Merge => core.counters.merges += 1,
            Task::Close => core.counters.rewrites += 1,
            Task::Purge => {}
        }
        drop(core);
        maintaining.put_off.forget(&done.change.removed);
        maintaining.leaving.extend(done.removed.into_iter().map(|stored| (done.task, stored)));
        self.remove_left(maintaining);
        Ok(())
    }

    /// Removes the files of parts that do not count any more and that nobody reads.
    pub(super) fn remove_left(&self, maintaining: &mut Maintaining) {
        // A part that is no more in the store's list is in no new snapshot.
        let is_read = |(_, stored): &(Task, Arc<Stored>)| Arc::strong_count(&stored.part) > 1;
        let (still, gone): (Vec<_>, Vec<_>) = maintaining.leaving.drain(..).partition(is_read);
        maintaining.leaving = still;
        gone.iter().for_each(|(_, stored)| crate::shelf::remove_part(&*self.disk, &self.dir, &stored.entry));
        // Nothing else tells the next start that dropped ones are not missed. Should it fail, that start puts them aside.
        let days = gone.iter().filter(|(task, _)| *task == Task::Drop).map(|(_, stored)| stored.entry.day);
        let _synced = crate::shelf::sync_days(&*self.disk, &self.dir, days, SyncPoint::StorePartDir);
    }
}
