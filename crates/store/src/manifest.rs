//! Which files count: a journal of what was added and removed, and how far the log is in parts.
//!
//! A change is one record, so that a power cut leaves all of it or nothing: the parts of a flush and how far the log has
//! been flushed, or the outcome of a merge and its inputs. Files that the manifest does not name mean nothing.

use crate::clock::Doubt;
use crate::error::Error;
use disk::Disk;
use disk::journal::{self, Journal, MAX_RECORD_BYTES, Report};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The manifest's name in the store's directory.
pub(crate) const NAME: &str = "MANIFEST";
/// Parts in one record when all is written anew.
const PARTS_PER_RECORD: usize = 100;
/// The journal is written anew when it is this long, and twice as long as it was then.
const COMPACT_BYTES: u64 = 256 << 10;

/// A part, as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartEntry {
    /// Its number: part of its file's name, never used again.
    pub(crate) id: u64,
    /// The UTC day of all its rows, in days since 1970.
    pub(crate) day: i32,
    /// Rows in it.
    pub(crate) rows: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// The lowest and the highest pos of its rows.
    pub(crate) pos: (u64, u64),
    /// The earliest and the latest time of its rows, Unix nanoseconds.
    pub(crate) time: (i64, i64),
    /// When it was made, Unix nanoseconds.
    pub(crate) made: i64,
    /// It was made by the rewrite of a day that is over.
    pub(crate) closed: bool,
}

/// One record. Applying it twice is the same as once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) added: Vec<PartEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<u64>,
    /// All records of the log up to this lsn are in parts; never goes back.
    #[serde(default)]
    pub(crate) flushed_lsn: u64,
    /// The id of the file that says what was seen up to that lsn; 0 if none does.
    #[serde(default)]
    pub(crate) seen: u64,
    /// No pos at or after it was given out when this was written; never goes back.
    #[serde(default)]
    pub(crate) next_pos: u64,
    /// The time that was believed, Unix nanoseconds.
    #[serde(default)]
    pub(crate) at: i64,
    /// What was doubted about that time.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) doubt: Doubt,
    /// An org whose rows below this pos are deleted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) deleted: BTreeMap<String, u64>,
}

fn is_none(doubt: &Doubt) -> bool {
    *doubt == Doubt::default()
}

/// What all records say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) parts: BTreeMap<u64, PartEntry>,
    pub(crate) flushed_lsn: u64,
    pub(crate) seen: u64,
    pub(crate) next_pos: u64,
    pub(crate) at: i64,
    pub(crate) doubt: Doubt,
    pub(crate) deleted: BTreeMap<String, u64>,
    /// No id at or after it was ever used, as far as the manifest knows.
    pub(crate) next_id: u64,
}

impl Known {
    /// What the records of a journal say together.
    fn of(records: &[Vec<u8>], report: Report) -> (Self, Damage) {
        let mut known = Self { next_id: 1, ..Self::default() };
        let mut damage = Damage { bytes: report.damaged_bytes, is_torn: report.torn_bytes > 0 };
        for record in records {
            match serde_json::from_slice::<Change>(record) {
                Ok(change) => known.apply(&change),
                Err(_) => damage.bytes += record.len() as u64,
            }
        }
        (known, damage)
    }

    fn apply(&mut self, change: &Change) {
        for part in &change.added {
            self.next_id = self.next_id.max(part.id + 1);
            self.parts.insert(part.id, part.clone());
        }
        for id in &change.removed {
            self.next_id = self.next_id.max(id + 1);
            self.parts.remove(id);
        }
        if change.flushed_lsn > self.flushed_lsn || change.seen > self.seen {
            self.flushed_lsn = self.flushed_lsn.max(change.flushed_lsn);
            self.seen = self.seen.max(change.seen);
        }
        self.next_id = self.next_id.max(self.seen + 1);
        self.next_pos = self.next_pos.max(change.next_pos);
        // The believed time may go back; records are in the order of what was believed.
        if change.at != 0 {
            (self.at, self.doubt) = (change.at, change.doubt);
        }
        for (org, below) in &change.deleted {
            let known = self.deleted.entry(org.clone()).or_default();
            *known = (*known).max(*below);
        }
    }

    /// As few records as say all of it.
    fn records(&self) -> Vec<Change> {
        let parts: Vec<PartEntry> = self.parts.values().cloned().collect();
        let mut records: Vec<Change> = parts
            .chunks(PARTS_PER_RECORD)
            .map(|added| Change { added: added.to_vec(), ..Change::default() })
            .collect();
        let deleted: Vec<(String, u64)> =
            self.deleted.iter().map(|(org, below)| (org.clone(), *below)).collect();
        records.extend(
            deleted
                .chunks(PARTS_PER_RECORD)
                .map(|some| Change { deleted: some.iter().cloned().collect(), ..Change::default() }),
        );
        records.push(Change {
            flushed_lsn: self.flushed_lsn,
            seen: self.seen,
            next_pos: self.next_pos,
            at: self.at,
            doubt: self.doubt,
            ..Change::default()
        });
        records
    }
}

/// What is wrong with the manifest's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Bytes that are unreadable: what they said is not known.
    pub(crate) bytes: u64,
    /// It ends in a record that is not whole: one that was never made, or one that was and is damaged.
    pub(crate) is_torn: bool,
}

/// The open manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    journal: Journal,
    known: Known,
    compact_at: u64,
}

impl Manifest {
    /// Opens the manifest in `dir`, made if missing. Damage never stops it.
    ///
    /// It is written anew: if a sync had failed before a kill, what is read may be in the page cache only, and no sync of
    /// that file will ever bring it to the disk. Files are removed by what it says, so it must be durable.
    ///
    /// # Errors
    /// When the file cannot be made, read or written.
    pub(crate) fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(Self, Damage), Error> {
        let (journal, records, report) = Journal::open(Arc::clone(disk), &dir.join(NAME))?;
        let (known, damage) = Known::of(&records, report);
        let mut manifest = Self { journal, known, compact_at: COMPACT_BYTES };
        if !records.is_empty() {
            manifest.compact()?;
        }
        Ok((manifest, damage))
    }

    /// What the store did about the damage is durable: see [`Journal::settled`].
    pub(crate) fn settled(&self) {
        self.journal.settled();
    }

    /// Reads what the manifest in `dir` says, and changes nothing.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<(Known, Damage), Error> {
        let path = dir.join(NAME);
        let (records, report) =
            journal::read(disk, &path).map_err(|error| Error::io("read", &path, error))?;
        Ok(Known::of(&records, report))
    }

    /// What it says.
    pub(crate) const fn known(&self) -> &Known {
        &self.known
    }

    /// Makes a change, durably.
    ///
    /// # Errors
    /// What the disk reports. The change may or may not be found after a restart then: the caller makes the same change again
    /// until that succeeds, and does nothing that contradicts it.
    pub(crate) fn commit(&mut self, change: &Change) -> Result<(), Error> {
        let record =
            serde_json::to_vec(change).map_err(|error| Error::io("encode", Path::new(NAME), error.into()))?;
        if record.len() > MAX_RECORD_BYTES {
            return self.commit_anew(change);
        }
        self.journal.append(&record)?;
        self.known.apply(change);
        if self.journal.len_bytes() > self.compact_at {
            // It is as good as before if this fails; the next change tries again.
            let _compacted = self.compact();
        }
        Ok(())
    }

    /// Makes a change that is too long for a record (a start that finds thousands of parts again, a day of thousands that becomes one):
    /// the whole is written anew with it, which is one step, too.
    fn commit_anew(&mut self, change: &Change) -> Result<(), Error> {
        let before = self.known.clone();
        self.known.apply(change);
        let compacted = self.compact();
        if compacted.is_err() {
            self.known = before;
        }
        compacted
    }

    /// Forgets that rows of these orgs below these positions were deleted: none is left.
    ///
    /// # Errors
    /// What the disk reports; the old content stands then.
    pub(crate) fn forget_deleted(&mut self, over: &BTreeMap<String, u64>) -> Result<(), Error> {
        let before = self.known.deleted.clone();
        self.known.deleted.retain(|org, below| over.get(org) != Some(below));
        let compacted = self.compact();
        if compacted.is_err() {
            self.known.deleted = before;
        }
        compacted
    }

    /// Writes it anew, without what is over.
    fn compact(&mut self) -> Result<(), Error> {
        let records: Result<Vec<_>, _> = self.known.records().iter().map(serde_json::to_vec).collect();
        let records = records.map_err(|error| Error::io("encode", Path::new(NAME), error.into()))?;
        self.journal.compact(&records)?;
        self.compact_at = COMPACT_BYTES.max(2 * self.journal.len_bytes());
        Ok(())
    }
}

/// Has the next opening report damage, whatever it finds.
///
/// # Errors
/// What the disk reports.
pub(crate) fn doubt(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let path = dir.join(NAME);
    journal::doubt(disk, &path).map_err(|error| Error::io("mark the damage of", &path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Kept;
    use disk::fault::{Call, FaultDisk};

    fn part(id: u64) -> PartEntry {
        let (pos, time) = ((u64::MAX, u64::MAX), (i64::MIN, i64::MIN));
        PartEntry {
            id,
            day: i32::MIN,
            rows: u64::MAX,
            bytes: u64::MAX,
            pos,
            time,
            made: i64::MIN,
            closed: false,
        }
    }

    fn open(disk: &FaultDisk) -> (Manifest, Damage) {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        Manifest::open(&disk, Path::new("/s")).unwrap()
    }

    #[test]
    fn changes_come_back_and_compaction_changes_nothing() {
        let disk = FaultDisk::new();
        let (mut manifest, _) = open(&disk);
        for id in 1..2000u64 {
            let removed = if id % 7 == 0 { (id - 6..id).collect() } else { Vec::new() };
            let deleted = BTreeMap::from([(format!("org{}", id % 5), id)]);
            let (flushed_lsn, at) = (id, id.cast_signed());
            let kept = Kept { clock: at, age: 1 };
            let doubt = Doubt { back: (id % 3 == 0).then_some(kept), ahead: None };
            let change = Change {
                added: vec![part(id)],
                removed,
                flushed_lsn,
                seen: id,
                next_pos: id * 2,
                at,
                doubt,
                deleted,
            };
            manifest.commit(&change).unwrap();
            // Once more is the same.
            manifest.commit(&change).unwrap();
        }
        let (again, damaged) = open(&disk);
        assert_eq!((again.known(), damaged), (manifest.known(), Damage::default()));
        assert_eq!((again.known().parts.len(), again.known().next_id), (285 + 4, 2000));
        assert!(manifest.journal.len_bytes() < 2 * COMPACT_BYTES);
        let last = manifest.known().deleted["org1"];
        // It was deleted again meanwhile.
        manifest.forget_deleted(&BTreeMap::from([("org1".to_owned(), last - 1)])).unwrap();
        assert_eq!(open(&disk).0.known().deleted.len(), 5);
        manifest.forget_deleted(&BTreeMap::from([("org1".to_owned(), last)])).unwrap();
        assert_eq!(open(&disk).0.known().deleted.len(), 4);
    }

    #[test]
    fn changes_of_any_size_are_made_and_all_or_nothing() {
        for count in [240, 400, 5000] {
            let disk = FaultDisk::new();
            let (mut manifest, _) = open(&disk);
            let one = Change { added: vec![part(1)], at: 7, ..Change::default() };
            manifest.commit(&one).unwrap();
            let added: Vec<_> = (0..count).map(|id| part(u64::MAX - 1 - id)).collect();
            let change = Change { added, removed: vec![1], ..Change::default() };
            disk.fail_nth(Call::Sync, 1, std::io::ErrorKind::Other);
            assert!(manifest.commit(&change).is_err());
            assert_eq!(manifest.known().parts.len(), 1);
            manifest.commit(&change).unwrap();
            // A day of all of them becomes one part.
            let removed: Vec<u64> = change.added.iter().map(|part| part.id).collect();
            let merged = Change { added: vec![part(2)], removed, ..Change::default() };
            assert_eq!(Manifest::read(&disk, Path::new("/s")).unwrap().0, *manifest.known());
            manifest.commit(&merged).unwrap();
            let known = open(&disk).0.known;
            assert_eq!((known.parts.keys().copied().collect::<Vec<_>>(), known.at), (vec![2], 7));
        }
    }
}
