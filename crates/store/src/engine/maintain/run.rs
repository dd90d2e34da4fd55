//! Parts become one, or go.

use super::super::{Shared, lock};
use super::{Done, Maintaining, Task, put_off};
use crate::error::Error;
use crate::manifest::Change;
use crate::part::{Error as PartError, MergeError, Part, merge};
use crate::shelf::{self, Quality, Stored};
use disk::{File, SyncPoint};
use line::{Name, OrgId};
use std::path::Path;
use std::sync::Arc;

impl Shared {
    /// Does one task. If it fails, its parts are left alone for a while.
    pub(super) fn run(
        &self,
        maintaining: &mut Maintaining,
        task: Task,
        parts: Vec<Arc<Stored>>,
    ) -> Result<(), Error> {
        let added = match task {
            Task::Drop => Ok(None),
            Task::Merge => self.merge(&parts, Quality::Hot),
            Task::Close => self.merge(&parts, Quality::Closed),
            Task::Purge if parts.iter().all(|stored| stored.entry.closed) => {
                self.merge(&parts, Quality::Closed)
            }
            Task::Purge => self.merge(&parts, Quality::Hot),
        };
        let added = match added {
            Ok(added) => added,
            Err(error) => return self.put_off(maintaining, &parts, error),
        };
        let added: Vec<Arc<Stored>> = added.into_iter().map(Arc::new).collect();
        let (at, doubt) = self.now_and_doubt();
        let change = Change {
            added: added.iter().map(|stored| stored.entry.clone()).collect(),
            removed: parts.iter().map(|stored| stored.entry.id).collect(),
            at,
            doubt,
            ..Change::default()
        };
        self.settle(maintaining, Done { change, added, removed: parts, task })
    }

    /// Sees to it that what failed holds up no others.
    fn put_off(
        &self,
        maintaining: &mut Maintaining,
        parts: &[Arc<Stored>],
        error: Error,
    ) -> Result<(), Error> {
        let elapsed = self.clock.elapsed_ns();
        if let Error::Merge(MergeError::Read { part, source }) = &error
            && let Some(stored) = parts.get(*part)
        {
            let path = shelf::part_path(&self.dir, stored.entry.day, stored.entry.id);
            if let PartError::Damaged { what, at } = source {
                tracing::error!(code = "LS04", ?path, what, at, "a part is damaged; it is left as it is");
                lock(&self.core).damaged.insert(stored.entry.id);
            } else {
                tracing::warn!(code = "LS03", ?path, error = %source, "a part cannot be read; it is tried again");
                maintaining.put_off.add(stored.entry.id, put_off::SHORT, elapsed);
            }
            return Ok(());
        }
        if matches!(error, Error::Merge(MergeError::Cancelled)) {
            return Ok(());
        }
        let wait = if error.is_full() { put_off::LONG } else { put_off::SHORT };
        parts.iter().for_each(|stored| maintaining.put_off.add(stored.entry.id, wait, elapsed));
        Err(error)
    }

    /// Takes the room that a merge needs, so that a disk with too little says so before anything is written, and not when nothing is
    /// left for the log and for flushes: for those, there must be as much again, up to what they may need meanwhile.
    fn take_room(&self, path: &Path, file: &dyn File, bytes: u64) -> Result<(), Error> {
        let others = self.config.reserve_bytes.saturating_add(self.config.segment_bytes.saturating_mul(2));
        let taken = file.allocate(bytes.saturating_add(others.min(bytes))).and_then(|()| file.set_len(bytes));
        taken.map_err(|error| Error::io("keep space for", path, error))
    }

    /// Writes the parts as one, durably. `None` if nothing of them is kept.
    fn merge(&self, parts: &[Arc<Stored>], quality: Quality) -> Result<Option<Stored>, Error> {
        let Some(first) = parts.first() else { return Ok(None) };
        let now = self.now();
        let visible = lock(&self.core).visible(now);
        let inputs: Vec<&Part> = parts.iter().map(|stored| &*stored.part).collect();
        let keep = |org: &OrgId, _: &Name| visible.floors(org);
        let go_on = || !lock(&self.core).stopping;
        let new = (self.next_id(), first.entry.day, now);
        let path = shelf::part_path(&self.dir, new.1, new.0);
        let bytes = parts.iter().map(|stored| stored.entry.bytes).sum();
        let made = shelf::make_part(&self.files, &self.dir, new, quality, |file| {
            self.take_room(&path, &**file, bytes)?;
            let summary = merge(&inputs, &keep, quality.options(), Arc::clone(file), &go_on)?;
            let len = summary.as_ref().map_or(0, |summary| summary.file_bytes);
            file.set_len(len).map_err(|error| Error::io("cut", &path, error))?;
            Ok(summary)
        })?;
        if let Some(stored) = &made {
            let days = std::iter::once(stored.entry.day);
            let synced = shelf::sync_days(&*self.disk, &self.dir, days, SyncPoint::StorePartDir);
            synced.inspect_err(|_| shelf::remove_part(&*self.disk, &self.dir, &stored.entry))?;
        }
        Ok(made)
    }
}
