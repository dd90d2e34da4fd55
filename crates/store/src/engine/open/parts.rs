//! Which files of parts count.
//!
//! Parts of one day never overlap in pos: each flush has its own range, and only neighbours are merged. So a part that the manifest
//! does not name is told to be another form of parts that it names, or what it has forgotten.

use crate::aside::Aside;
use crate::engine::report::{Problem, Report};
use crate::error::Error;
use crate::files::Files;
use crate::manifest::{Change, Damage, Known, Manifest, PartEntry};
use crate::part::{Error as PartError, Part};
use crate::retention::{Retention, Visible};
use crate::shelf::{self, Stored};
use crate::wal;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where parts are looked for, and by which rules they are judged.
pub(super) struct Place<'a> {
    pub(super) files: &'a Arc<Files>,
    pub(super) dir: &'a Path,
    pub(super) aside: &'a Aside<'a>,
    /// What is wrong with the manifest.
    pub(super) damage: Damage,
    /// How long rows are kept.
    pub(super) retention: &'a Retention,
}

/// The parts that count.
pub(super) struct Parts {
    pub(super) stored: Vec<Arc<Stored>>,
    /// Those that cannot be read at the moment. The manifest goes on naming them.
    pub(super) absent: Vec<PartEntry>,
    /// No pos of theirs is at or after it.
    pub(super) next_pos: u64,
    /// The highest id of any file.
    pub(super) last_id: u64,
}

/// Opens what the manifest names, sees what became of what is missing, and removes what does not count. The manifest is
/// brought in line with that: it forgets only parts whose file is gone, or was moved to `damaged`.
pub(super) fn read(place: &Place<'_>, manifest: &mut Manifest, report: &mut Report) -> Result<Parts, Error> {
    let mut files: BTreeMap<u64, PathBuf> =
        shelf::list_parts(&*place.files.disk, place.dir)?.into_iter().collect();
    let last_id = files.keys().next_back().copied().unwrap_or(0);
    let mut named = place.named(manifest.known(), &mut files, report)?;
    let unnamed = place.unnamed(files)?;
    let is_strange =
        |unnamed: &Unnamed| unnamed.part.as_ref().is_ok_and(|part| !named.has_other_form_of(&part.entry));
    let may_be_forgotten = place.damage != Damage::default() || !named.lost.is_empty();
    let is_in_doubt = may_be_forgotten || unnamed.iter().any(is_strange);
    let log = Log::look(place, manifest.known(), is_in_doubt)?;
    let mut change = Change::default();
    for unnamed in unnamed {
        let fate = place.judge(&unnamed, &named, (&log, may_be_forgotten), manifest.known());
        let path = unnamed.path;
        match (fate, unnamed.part) {
            (Fate::Adopt, Ok(part)) => {
                report.problems.push((path, Problem::AdoptedPart(part.entry.rows)));
                // What it is another form of is not missed.
                named.lost.retain(|(entry, ..)| !overlaps(entry, &part.entry));
                change.added.push(part.entry.clone());
                named.stored.push(Arc::new(part));
            }
            (Fate::Aside, _) => {
                if place.aside.put(&path).is_some() {
                    report.problems.push((path, Problem::UnknownPart));
                }
            }
            (Fate::Remove, _) => {
                let _removed = place.files.disk.remove(&path);
            }
            (Fate::Adopt | Fate::Leave, _) => {}
        }
    }
    let Named { stored, absent, lost } = named;
    let known = |id: &u64| {
        stored.iter().any(|stored| stored.entry.id == *id) || absent.iter().any(|entry| entry.id == *id)
    };
    change.removed = manifest.known().parts.keys().filter(|id| !known(id)).copied().collect();
    let ends = stored.iter().map(|stored| &stored.entry).chain(&absent).map(|entry| entry.pos.1 + 1);
    let next_pos = ends.max().unwrap_or(0);
    if change.added.iter().any(|entry| entry.pos.1 >= manifest.known().next_pos) {
        // They are flushes that the manifest has forgotten: what they hold must not come out of the log again.
        (change.flushed_lsn, change.next_pos) = (log.lsn_before(next_pos), next_pos);
    }
    report.problems.extend(lost.into_iter().map(|(_, path, problem)| (path, problem)));
    if change != Change::default() {
        manifest.commit(&change)?;
    }
    Ok(Parts { stored, absent, next_pos, last_id })
}

/// What became of the parts that the manifest names.
#[derive(Default)]
struct Named {
    stored: Vec<Arc<Stored>>,
    /// Not readable at the moment.
    absent: Vec<PartEntry>,
    /// Gone, or moved to `damaged`.
    lost: Vec<(PartEntry, PathBuf, Problem)>,
}

impl Named {
    /// Whether a part that counts, or may count later, can hold rows of that one.
    fn has_other_form_of(&self, entry: &PartEntry) -> bool {
        self.is_read_elsewhere(entry) || self.absent.iter().any(|other| overlaps(other, entry))
    }

    fn is_read_elsewhere(&self, entry: &PartEntry) -> bool {
        self.stored.iter().any(|other| overlaps(&other.entry, entry))
    }
}

/// A file that the manifest does not name.
struct Unnamed {
    path: PathBuf,
    part: Result<Stored, PartError>,
}

/// What is done with such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Adopt,
    Aside,
    Remove,
    /// It cannot be told what it is: the next start looks again.
    Leave,
}

impl Place<'_> {
    /// Opens the parts that the manifest names. `files` keeps the others.
    fn named(
        &self,
        known: &Known,
        files: &mut BTreeMap<u64, PathBuf>,
        report: &mut Report,
    ) -> Result<Named, Error> {
        let mut named = Named::default();
        for entry in known.parts.values() {
            let path = shelf::part_path(self.dir, entry.day, entry.id);
            files.remove(&entry.id);
            let problem = match shelf::open_entry(self.files, self.dir, entry) {
                Ok(part) => {
                    named.stored.push(Arc::new(part));
                    continue;
                }
                Err(error) if error.is_exhausted() => return Err(error.or_exhausted()),
                Err(error) if error.is_missing() => Some(Problem::MissingPart(entry.rows)),
                Err(Error::Part { source: PartError::Damaged { .. }, .. }) => {
                    self.aside.put(&path).map(|_| Problem::DamagedPart(entry.rows))
                }
                Err(_) => None,
            };
            match problem {
                Some(problem) => named.lost.push((entry.clone(), path, problem)),
                None => {
                    report.problems.push((path, Problem::UnreadablePart(entry.rows)));
                    named.absent.push(entry.clone());
                }
            }
        }
        Ok(named)
    }

    fn unnamed(&self, files: BTreeMap<u64, PathBuf>) -> Result<Vec<Unnamed>, Error> {
        let mut unnamed = Vec::new();
        for (id, path) in files {
            let part = match shelf::open_part(self.files, &path) {
                Ok(part) => {
                    let day = shelf::day_of_part(part.summary().time);
                    Ok(Stored {
                        entry: shelf::entry(id, (day, 0, false), part.summary()),
                        part: Arc::new(part),
                    })
                }
                Err(error) if error.is_exhausted() => return Err(error.or_exhausted()),
                Err(Error::Part { source, .. }) => Err(source),
                Err(Error::Io { source, .. }) => Err(PartError::Io(source)),
                Err(error) => return Err(error),
            };
            unnamed.push(Unnamed { path, part });
        }
        Ok(unnamed)
    }

    /// Nothing is removed that can be read and is in no other place, neither in a part that counts nor in the log.
    fn judge(
        &self,
        unnamed: &Unnamed,
        named: &Named,
        (log, may_be_forgotten): (&Log, bool),
        known: &Known,
    ) -> Fate {
        let leftover = if self.damage.bytes > 0 { Fate::Aside } else { Fate::Remove };
        let part = match &unnamed.part {
            Ok(part) => part,
            // Half of a flush or merge that did not come to its end.
            Err(PartError::Damaged { .. } | PartError::Order) => return leftover,
            Err(PartError::Io(_) | PartError::Version(_)) => return Fate::Leave,
        };
        let entry = &part.entry;
        if named.is_read_elsewhere(entry) {
            // A merge that did not come to its end, or one whose inputs were not removed yet.
            return leftover;
        }
        if named.has_other_form_of(entry) {
            return Fate::Leave;
        }
        let is_of_one_day = shelf::day_of_part((entry.time.1, 0)) == entry.day;
        if may_be_forgotten && entry.pos.1 < log.begins_at && is_of_one_day {
            return Fate::Adopt;
        }
        // A flush that did not come to its end; or nobody keeps it, and its removal was not durable.
        if log.has(&part.part) || !self.is_kept(part, known) {
            return leftover;
        }
        Fate::Aside
    }

    /// Whether any row of the part was to be kept when the manifest was last written.
    fn is_kept(&self, part: &Stored, known: &Known) -> bool {
        let visible = Visible {
            now: known.at,
            retention: Arc::new(self.retention.clone()),
            byte_floors: Arc::default(),
            deleted: Arc::new(super::deleted(known)),
        };
        part.part.apps().enumerate().any(|(number, (org, _))| {
            let frames = part.part.frames_of(number).filter_map(|frame| part.part.frames().get(frame));
            let (floor, floor_pos) = (visible.floor(org), visible.floor_pos(org));
            frames.into_iter().any(|frame| frame.to >= floor && frame.pos_to >= floor_pos)
        })
    }
}

/// What stands in the log, as far as that decides about parts.
struct Log {
    /// Lsns, with the pos that each begins at and the one after its last.
    places: Vec<(u64, u64, u64)>,
    /// All rows from this pos on that are not in parts that count are in the log.
    begins_at: u64,
    /// The positions of its records after the manifest's last flush, rising.
    records: Vec<Range<u64>>,
}

impl Log {
    /// A log goes on where the manifest's last flush ended. If it begins later, the manifest has forgotten flushes.
    fn look(place: &Place<'_>, known: &Known, is_in_doubt: bool) -> Result<Self, Error> {
        let places = match is_in_doubt {
            true => wal::places(&*place.files.disk, &place.dir.join("wal"))?,
            false => wal::Places::default(),
        };
        // Segments that are kept to be used again may still have old records: only a log without a hole is whole.
        let goes_on = places.go_on_after(known.flushed_lsn);
        let places = places.records;
        let new = || places.iter().filter(|(lsn, ..)| *lsn > known.flushed_lsn);
        // What was numbered when the manifest was written need not have been in its flush: then it is in the log.
        let next_pos = new().next().map_or(known.next_pos, |(_, base, _)| known.next_pos.min(*base));
        let begins_at = if goes_on || !is_in_doubt { next_pos } else { u64::MAX };
        let records = new().map(|(_, base, end)| *base..*end).collect();
        Ok(Self { places, begins_at, records })
    }

    /// Whether all rows of a part are in the log. Of a frame that cannot be read, as a power cut leaves one of a part that was not synced yet, it is
    /// known between which positions its rows are: then all of those have to be there.
    fn has(&self, part: &Part) -> bool {
        let has = |pos: &u64| self.record_of(*pos).is_some();
        part.frames().iter().enumerate().all(|(frame, info)| {
            let rows = part.frame(frame).and_then(|frame| frame.decode());
            match rows {
                Ok(rows) => rows.positions().iter().all(has),
                Err(_) => self.has_all(info.pos_from, info.pos_to),
            }
        })
    }

    fn has_all(&self, from: u64, to: u64) -> bool {
        let mut at = from;
        while at <= to {
            match self.record_of(at) {
                Some(record) => at = record.end,
                None => return false,
            }
        }
        true
    }

    /// The positions of the record that `pos` is of.
    fn record_of(&self, pos: u64) -> Option<&Range<u64>> {
        let after = self.records.partition_point(|record| record.start <= pos);
        self.records.get(after.checked_sub(1)?).filter(|record| record.contains(&pos))
    }

    /// The last lsn whose rows are below `pos`; if there is none in the log, the one before its first.
    fn lsn_before(&self, pos: u64) -> u64 {
        let before = self.places.iter().filter(|(_, base, _)| *base < pos).map(|(lsn, ..)| *lsn).max();
        before.or_else(|| Some(self.places.first()?.0.saturating_sub(1))).unwrap_or(0)
    }
}

fn overlaps(a: &PartEntry, b: &PartEntry) -> bool {
    a.day == b.day && a.pos.0 <= b.pos.1 && b.pos.0 <= a.pos.1
}
