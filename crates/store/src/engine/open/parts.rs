//! Which files of parts count.
//!
//! Parts of one day never overlap in pos: each flush has its own range, and only neighbours are merged. So a part that the manifest
//! does not name is told to be another form of parts that it names, or what it has forgotten.

use super::{Problem, Report};
use crate::aside::Aside;
use crate::error::Error;
use crate::manifest::{Change, Manifest, PartEntry};
use crate::shelf::{self, Stored};
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
    is_manifest_damaged: bool,
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
    let mut change = Change::default();
    let may_be_forgotten = is_manifest_damaged || !lost.is_empty();
    for (id, path) in files {
        match may_be_forgotten.then(|| adopt(disk, &path, id, &stored, manifest.known().next_pos)).flatten() {
            Some(part) => {
                report.problems.push((path, Problem::AdoptedPart(part.entry.rows)));
                // What it is another form of is not missed.
                lost.retain(|(entry, ..)| !overlaps(entry, &part.entry));
                change.added.push(part.entry.clone());
                stored.push(Arc::new(part));
            }
            None if is_manifest_damaged => {
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
    report.problems.extend(lost.into_iter().map(|(_, path, problem)| (path, problem)));
    if change != Change::default() {
        manifest.commit(&change)?;
    }
    let next_pos = stored.iter().map(|stored| stored.entry.pos.1 + 1).max().unwrap_or(0);
    Ok(Parts { stored, next_pos, last_id })
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
    next_pos: u64,
) -> Option<Stored> {
    let part = shelf::open_part(disk, path).ok()?;
    let summary = part.summary();
    let day = shelf::day_of_part(summary.time);
    let entry = shelf::entry(id, (day, 0, false), summary);
    let is_elsewhere = entry.pos.1 >= next_pos || stored.iter().any(|other| overlaps(&other.entry, &entry));
    (!is_elsewhere && shelf::day_of_part((summary.time.1, 0)) == day)
        .then(|| Stored { entry, part: Arc::new(part) })
}

fn overlaps(a: &PartEntry, b: &PartEntry) -> bool {
    a.day == b.day && a.pos.0 <= b.pos.1 && b.pos.0 <= a.pos.1
}
