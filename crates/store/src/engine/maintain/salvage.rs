//! What is left of damaged parts.

use super::super::{Engine, Shared, lock};
use super::{Done, Maintaining, Task};
use crate::aside::Aside;
use crate::error::Error;
use crate::manifest::Change;
use crate::part::PartWriter;
use crate::shelf::{self, Quality, Stored};
use disk::SyncPoint;
use std::path::PathBuf;
use std::sync::Arc;

impl Engine {
    /// Reads every byte of every part, and writes those that are damaged anew from the frames that are whole. Returns their files, the rows
    /// that were saved, and those that were lost. The damaged files are moved to `damaged`.
    ///
    /// # Errors
    /// When the disk fails or is full; a part that cannot be read is left as it is, and the others are seen to first. It can be called
    /// again.
    pub(crate) fn salvage(&self) -> Result<Vec<(PathBuf, u64, u64)>, Error> {
        let shared = &self.shared;
        let mut maintaining = lock(&shared.maintaining);
        let parts = lock(&shared.core).parts.clone();
        let mut done = Vec::new();
        let mut failed = None;
        for stored in parts {
            let mut found = stored.part.check();
            if found.is_empty() {
                continue;
            }
            // What cannot be read at the moment may be whole: nothing is given up for it.
            match found.iter().position(|error| matches!(error, crate::part::Error::Io(_))) {
                Some(at) => {
                    let path = shelf::part_path(&shared.dir, stored.entry.day, stored.entry.id);
                    failed.get_or_insert(Error::part(&path, found.swap_remove(at)));
                }
                None => done.push(shared.salvage(&mut maintaining, stored)?),
            }
        }
        failed.map_or(Ok(done), Err)
    }
}

impl Shared {
    fn salvage(
        &self,
        maintaining: &mut Maintaining,
        stored: Arc<Stored>,
    ) -> Result<(PathBuf, u64, u64), Error> {
        let entry = stored.entry.clone();
        let quality = if entry.closed { Quality::Closed } else { Quality::Hot };
        let new = (self.next_id(), entry.day, entry.made);
        let path = shelf::part_path(&self.dir, entry.day, entry.id);
        let fail = |error| Error::part(&path, error);
        let made = shelf::make_part(&self.disk, &self.dir, new, quality, |file| {
            let mut writer = PartWriter::new(Arc::clone(file), quality.options()).map_err(fail)?;
            let mut any = false;
            for frame in 0..stored.part.frames().len() {
                let rows = match stored.part.frame(frame).and_then(|frame| frame.decode()) {
                    Ok(rows) => rows,
                    Err(error @ crate::part::Error::Io(_)) => return Err(fail(error)),
                    Err(_) => continue,
                };
                any = true;
                writer.push(&[&rows], i64::MIN, i64::MAX).map_err(fail)?;
            }
            if any { writer.finish().map(Some).map_err(fail) } else { Ok(None) }
        })?;
        let saved = made.as_ref().map_or(0, |made| made.entry.rows);
        let added: Vec<Arc<Stored>> = made.into_iter().map(Arc::new).collect();
        shelf::sync_days(&*self.disk, &self.dir, std::iter::once(entry.day), SyncPoint::StorePartDir)?;
        let change = Change {
            added: added.iter().map(|stored| stored.entry.clone()).collect(),
            removed: vec![entry.id],
            ..Change::default()
        };
        // Until the manifest has the new one, the damaged one stays where it is.
        self.settle(maintaining, Done { change, added, removed: Vec::new(), task: Task::Purge })?;
        Aside::new(&*self.disk, &self.dir).put(&path);
        Ok((path, saved, entry.rows.saturating_sub(saved)))
    }
}
