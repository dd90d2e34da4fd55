//! Parts become one, or go.

use super::super::{Shared, lock};
use super::{Done, Maintaining, Task};
use crate::error::Error;
use crate::manifest::Change;
use crate::part::{MergeError, Part, merge};
use crate::shelf::{self, Quality, Stored};
use disk::SyncPoint;
use line::{Name, OrgId};
use std::sync::Arc;

impl Shared {
    /// Does one task. A part that cannot be read is left as it is, and nothing is done then.
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
            Err(Error::Merge(MergeError::Read {
                part,
                source: crate::part::Error::Damaged { what, at },
            })) => {
                if let Some(stored) = parts.get(part) {
                    let path = shelf::part_path(&self.dir, stored.entry.day, stored.entry.id);
                    tracing::error!(code = "LS04", ?path, what, at, "a part is damaged; it is left as it is");
                    maintaining.unreadable.insert(stored.entry.id);
                }
                return Ok(());
            }
            Err(Error::Merge(MergeError::Cancelled)) => return Ok(()),
            added => added?,
        };
        let added: Vec<Arc<Stored>> = added.into_iter().map(Arc::new).collect();
        let change = Change {
            added: added.iter().map(|stored| stored.entry.clone()).collect(),
            removed: parts.iter().map(|stored| stored.entry.id).collect(),
            at: self.now(),
            ..Change::default()
        };
        self.settle(maintaining, Done { change, added, removed: parts, task })
    }

    /// Writes the parts as one, durably. `None` if nothing of them is kept.
    fn merge(&self, parts: &[Arc<Stored>], quality: Quality) -> Result<Option<Stored>, Error> {
        let Some(first) = parts.first() else { return Ok(None) };
        let now = self.now();
        let visible = lock(&self.core).visible(now);
        let inputs: Vec<&Part> = parts.iter().map(|stored| &*stored.part).collect();
        // An org that is deleted has nothing afterwards: its id is not used again.
        let keep = |org: &OrgId, app: &Name| {
            (last_pos(&inputs, org, app) >= visible.floor_pos(org)).then(|| visible.floor(org))
        };
        let go_on = || !lock(&self.core).stopping;
        let new = (self.next_id(), first.entry.day, now);
        let made = shelf::make_part(&self.disk, &self.dir, new, quality, |file| {
            Ok(merge(&inputs, &keep, quality.options(), Arc::clone(file), &go_on)?)
        })?;
        if let Some(stored) = &made {
            let days = std::iter::once(stored.entry.day);
            let synced = shelf::sync_days(&*self.disk, &self.dir, days, SyncPoint::StorePartDir);
            synced.inspect_err(|_| shelf::remove_part(&*self.disk, &self.dir, &stored.entry))?;
        }
        Ok(made)
    }
}

/// The highest pos of the rows of an app.
fn last_pos(parts: &[&Part], org: &OrgId, app: &Name) -> u64 {
    let frames = parts.iter().filter_map(|part| Some((part, part.frames_of(part.app_number(org, app)?))));
    let last = frames.flat_map(|(part, frames)| part.frames()[frames].iter().map(|frame| frame.pos_to));
    last.max().unwrap_or(0)
}
