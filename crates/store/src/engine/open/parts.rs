//! Which files of parts count.
//!
//! Parts of one day never overlap in pos: each flush has its own range, and only neighbours are merged. So a part that the manifest
//! does not name is told to be another form of parts that it names, or what it has forgotten.

use super::{Problem, Report};
use crate::aside::Aside;
use crate::error::Error;
use crate::manifest::{Change, Damage, Manifest, PartEntry};
use crate::shelf::{self, Stored};
use crate::wal;
use disk::Disk;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The parts that count.
pub(super) struct Parts {
    pub(super) stored: Vec<Arc<Stored>>,
    /// No pos of theirs is at or after it.
    pub(super) next_pos: u64,
    /// The highest id of any file.
    pub(super) last_id: u64,
}

/// Opens what the manifest names, sees what became of what is missing, and removes what does not count. The manifest is
/// brought in line with that.
pub(super) fn read(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    manifest: &mut Manifest,
    damage: Damage,
    aside: &Aside<'_>,
    report: &mut Report,
) -> Result<Parts, Error> {
    let mut files: BTreeMap<u64, PathBuf> = shelf::list_parts(&**disk, dir)?.into_iter().collect();
    let last_id = files.keys().next_back().copied().unwrap_or(0);
    let (mut stored, mut lost) = (Vec::new(), Vec::new());
    for entry in manifest.known().parts.values() {
        let path = shelf::part_path(dir, entry.day, entry.id);
        files.remove(&entry.id);
        match open(disk, &path, entry) {
            Ok(part) => stored.push(Arc::new(part)),
            Err(problem) => {
                if problem != Problem::MissingPart(entry.rows) {
                    aside.put(&path);
                }
                lost.push((entry.clone(), path, problem));
            }
        }
    }
    let log = Log::look(disk, dir, manifest, damage != Damage::default());
    let mut change = Change::default();
    let may_be_forgotten = damage != Damage::default() || !lost.is_empty();
    for (id, path) in files {
        match may_be_forgotten.then(|| adopt(disk, &path, id, &stored, log.begins_at)).flatten() {
            Some(part) => {
                report.problems.push((path, Problem::AdoptedPart(part.entry.rows)));
                // What it is another form of is not missed.
                lost.retain(|(entry, ..)| !overlaps(entry, &part.entry));
                change.added.push(part.entry.clone());
                stored.push(Arc::new(part));
            }
            None if damage.bytes > 0 => {
                aside.put(&path);
                report.problems.push((path, Problem::UnknownPart));
            }
            // Left over from a flush or merge that did not come to its end, or from one whose inputs were not removed yet.
            None => {
                let _removed = disk.remove(&path);
            }
        }
    }
    let known: Vec<u64> = stored.iter().map(|stored| stored.entry.id).collect();
    change.removed = manifest.known().parts.keys().filter(|id| !known.contains(id)).copied().collect();
    let next_pos = stored.iter().map(|stored| stored.entry.pos.1 + 1).max().unwrap_or(0);
    if change.added.iter().any(|entry| entry.pos.1 >= manifest.known().next_pos) {
        // They are flushes that the manifest has forgotten: what they hold must not come out of the log again.
        (change.flushed_lsn, change.next_pos) = (log.lsn_before(next_pos), next_pos);
    }
    report.problems.extend(lost.into_iter().map(|(_, path, problem)| (path, problem)));
    if change != Change::default() {
        manifest.commit(&change)?;
    }
    Ok(Parts { stored, next_pos, last_id })
}

/// What stands in the log, as far as that decides about parts.
struct Log {
    places: Vec<(u64, u64)>,
    /// All rows from this pos on that are not in parts that count are in the log.
    begins_at: u64,
}

impl Log {
    /// A log goes on where the manifest's last flush ended. If it begins later, the manifest has forgotten flushes.
    fn look(disk: &Arc<dyn Disk>, dir: &Path, manifest: &Manifest, is_in_doubt: bool) -> Self {
        let known = manifest.known();
        let places = if is_in_doubt { wal::places(&**disk, &dir.join("wal")) } else { Vec::new() };
        // Segments that are kept to be used again may still have old records: only a log without a hole is whole.
        let new = places.iter().map(|(lsn, _)| *lsn).filter(|lsn| *lsn > known.flushed_lsn);
        let goes_on = !places.is_empty() && new.zip(known.flushed_lsn + 1..).all(|(lsn, due)| lsn == due);
        let begins_at = if goes_on || !is_in_doubt { known.next_pos } else { u64::MAX };
        Self { places, begins_at }
    }

    /// The last lsn whose rows are below `pos`; if there is none in the log, the one before its first.
    fn lsn_before(&self, pos: u64) -> u64 {
        let before = self.places.iter().filter(|(_, base)| *base < pos).map(|(lsn, _)| *lsn).max();
        before.or_else(|| Some(self.places.first()?.0.saturating_sub(1))).unwrap_or(0)
    }
}

fn open(disk: &Arc<dyn Disk>, path: &Path, entry: &PartEntry) -> Result<Stored, Problem> {
    if !disk.exists(path) {
        return Err(Problem::MissingPart(entry.rows));
    }
    let part = shelf::open_part(disk, path).map_err(|_| Problem::DamagedPart(entry.rows))?;
    let found = shelf::entry(entry.id, (entry.day, entry.made, entry.closed), part.summary());
    if found == *entry {
        Ok(Stored { entry: entry.clone(), part: Arc::new(part) })
    } else {
        Err(Problem::DamagedPart(entry.rows))
    }
}

/// Opens a part that the manifest does not name, if nothing of it can be in another place: in a part that counts, or in the log.
fn adopt(
    disk: &Arc<dyn Disk>,
    path: &Path,
    id: u64,
    stored: &[Arc<Stored>],
    log_begins_at: u64,
) -> Option<Stored> {
    let part = shelf::open_part(disk, path).ok()?;
    let summary = part.summary();
    let day = shelf::day_of_part(summary.time);
    let entry = shelf::entry(id, (day, 0, false), summary);
    let is_elsewhere =
        entry.pos.1 >= log_begins_at || stored.iter().any(|other| overlaps(&other.entry, &entry));
    (!is_elsewhere && shelf::day_of_part((summary.time.1, 0)) == day)
        .then(|| Stored { entry, part: Arc::new(part) })
}

fn overlaps(a: &PartEntry, b: &PartEntry) -> bool {
    a.day == b.day && a.pos.0 <= b.pos.1 && b.pos.0 <= a.pos.1
}
