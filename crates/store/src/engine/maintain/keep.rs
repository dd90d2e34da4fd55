//! What is not kept any longer.

use super::super::core::Core;
use super::super::{Engine, Shared, lock};
use super::{Maintaining, Task};
use crate::error::Error;
use crate::manifest::Change;
use crate::part::FrameInfo;
use crate::retention::{Retention, Visible};
use crate::shelf::Stored;
use line::OrgId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A part is written anew when this fraction of it is not kept.
const WORTH: u64 = 4;

impl Engine {
    /// Changes how long rows are kept. What is beyond is not to be seen from now on, and is removed soon.
    pub fn set_retention(&self, retention: Retention) {
        lock(&self.shared.core).retention = Arc::new(retention);
        self.shared.measure_orgs();
        lock(&self.shared.core).look = true;
        self.shared.changed.notify_all();
    }

    /// Says which orgs are no more: batches with rows of them are rejected from now on. What is there of them goes by
    /// [`Engine::delete_org`].
    pub fn set_ended(&self, ended: BTreeSet<OrgId>) {
        lock(&self.shared.core).ended = Arc::new(ended);
    }

    /// Deletes all rows of an org that are there now. They are not to be seen from now on, and are removed soon.
    ///
    /// # Errors
    /// When the disk fails: whether they are deleted is not known then; to be called again.
    pub fn delete_org(&self, org: &OrgId) -> Result<(), Error> {
        let shared = &self.shared;
        let mut manifest = lock(&shared.manifest);
        let below = lock(&shared.core).next_pos;
        let deleted = BTreeMap::from([(org.as_str().to_owned(), below)]);
        manifest.commit(&Change { deleted, ..Change::default() })?;
        drop(manifest);
        let mut core = lock(&shared.core);
        Arc::make_mut(&mut core.deleted).insert(org.clone(), below);
        core.look = true;
        drop(core);
        shared.changed.notify_all();
        Ok(())
    }
}

impl Core {
    /// Which rows are to be seen when it is `now`.
    pub(in super::super) fn visible(&self, now: i64) -> Visible {
        Visible {
            now,
            retention: Arc::clone(&self.retention),
            byte_floors: Arc::clone(&self.byte_floors),
            deleted: Arc::clone(&self.deleted),
        }
    }
}

impl Shared {
    /// Finds from which time on the rows of orgs with a bound of bytes are within it.
    pub(super) fn measure_orgs(&self) {
        let (retention, parts) = {
            let core = lock(&self.core);
            (Arc::clone(&core.retention), core.parts.clone())
        };
        // Sums first, which are cheap: only who is over the bound has its frames put in order.
        let mut sums: BTreeMap<&OrgId, u64> = BTreeMap::new();
        for stored in &parts {
            for (number, (org, _)) in stored.part.apps().enumerate() {
                let bytes: u64 = app_frames(stored, number).map(|frame| frame.len).sum();
                *sums.entry(org).or_default() += bytes;
            }
        }
        let over = sums.into_iter().filter_map(|(org, bytes)| {
            let bound = retention.of(org).bytes.filter(|bound| bytes > *bound)?;
            let of_org = parts.iter().flat_map(|stored| frames(stored, org));
            Some((org.clone(), byte_floor(of_org.map(|frame| (frame.to, frame.len)).collect(), bound)?))
        });
        let floors: BTreeMap<OrgId, i64> = over.collect();
        lock(&self.core).byte_floors = Arc::new(floors);
    }

    /// Forgets deletions of which nothing is left to be removed.
    pub(super) fn forget_deleted(&self) -> Result<(), Error> {
        let over: BTreeMap<String, u64> = {
            let core = lock(&self.core);
            let is_over = |(org, below): &(&OrgId, &u64)| {
                let has_rows = |stored: &Arc<Stored>| {
                    stored.entry.pos.0 < **below && frames(stored, org).any(|frame| frame.pos_from < **below)
                };
                // What could not be read may hold rows of it.
                let may_come = core.absent.iter().any(|entry| entry.pos.0 < **below);
                core.flushed_pos >= **below && !may_come && !core.parts.iter().any(has_rows)
            };
            core.deleted.iter().filter(is_over).map(|(org, below)| (org.to_string(), *below)).collect()
        };
        if over.is_empty() {
            return Ok(());
        }
        lock(&self.manifest).forget_deleted(&over)?;
        Arc::make_mut(&mut lock(&self.core).deleted)
            .retain(|org, below| over.get(org.as_str()) != Some(below));
        Ok(())
    }

    /// Parts of which nothing, or not enough, is kept.
    pub(super) fn choose_unkept(&self, maintaining: &Maintaining) -> Option<(Task, Vec<Arc<Stored>>)> {
        let now = self.now();
        let core = lock(&self.core);
        let mut skipped: BTreeSet<u64> = maintaining.put_off.at(self.clock.elapsed_ns()).collect();
        skipped.extend(&core.damaged);
        if core.stopping {
            return None;
        }
        let visible = core.visible(now);
        let mut purge = None;
        for stored in &core.parts {
            let (mut bytes, mut unkept, mut deleted) = (0, 0, false);
            for (number, (org, _)) in stored.part.apps().enumerate() {
                let floor = visible.floors(org);
                for frame in app_frames(stored, number) {
                    // Of an org that was deleted, rows go also from between others.
                    deleted |= frame.pos_from < floor.pos;
                    bytes += frame.len;
                    unkept += if floor.has_none_of(frame) { frame.len } else { 0 };
                }
            }
            if unkept == bytes {
                return Some((Task::Drop, vec![Arc::clone(stored)]));
            }
            let wanted = deleted || unkept > 0 && unkept * WORTH >= bytes;
            let possible = core.trouble.is_none() && !skipped.contains(&stored.entry.id);
            if wanted && possible && purge.is_none() {
                purge = Some((Task::Purge, vec![Arc::clone(stored)]));
            }
        }
        purge
    }
}

/// The time from which on frames, given by their latest time and their bytes, take no more than `bound` bytes; `None` if all of them do.
/// However small the bound is, the newest row stays to be seen.
fn byte_floor(mut frames: Vec<(i64, u64)>, bound: u64) -> Option<i64> {
    frames.sort_unstable_by_key(|(to, _)| std::cmp::Reverse(*to));
    let newest = frames.first()?.0;
    let mut bytes = 0u64;
    let beyond = frames.iter().find(|(_, len)| {
        bytes = bytes.saturating_add(*len);
        bytes > bound
    })?;
    Some(beyond.0.saturating_add(1).min(newest))
}

/// What the part's directory says of the frames of an org.
fn frames<'a>(stored: &'a Stored, org: &OrgId) -> impl Iterator<Item = &'a FrameInfo> {
    let apps = stored.part.apps().enumerate().filter(move |(_, (owner, _))| *owner == org);
    let numbers: Vec<usize> = apps.map(|(number, _)| number).collect();
    numbers.into_iter().flat_map(move |number| app_frames(stored, number))
}

fn app_frames(stored: &Stored, number: usize) -> impl Iterator<Item = &FrameInfo> {
    stored.part.frames_of(number).filter_map(move |frame| stored.part.frames().get(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_frames_are_beyond_the_bound() {
        let frames = vec![(10, 5), (30, 5), (20, 5), (30, 5)];
        for (bound, floor) in [
            (20, None),
            (19, Some(11)),
            (15, Some(11)),
            (14, Some(21)),
            (10, Some(21)),
            (9, Some(30)),
            (0, Some(30)),
        ] {
            assert_eq!(byte_floor(frames.clone(), bound), floor, "{bound}");
        }
        assert_eq!(byte_floor(Vec::new(), 0), None);
    }
}
