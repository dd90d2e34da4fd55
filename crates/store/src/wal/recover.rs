//! The start: read what stands in the log, say what is lost.

use super::format::{HEADER_BYTES, Record, SegmentHeader, segment_number};
use super::scan::{Found, records};
use super::write::{Sealed, Wal};
use crate::aside::Aside;
use crate::error::Error;
use disk::{Disk, SyncPoint, read_file};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes read of one segment; no writer makes one that is larger.
const MAX_SEGMENT_BYTES: usize = 1 << 30;

/// What is wrong with a file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The log ends in records that are not whole: normal after a crash. Nobody was told that they are stored.
    TornTail,
    /// Records that were acknowledged are unreadable; their bytes were copied to `damaged`.
    Lost,
    /// A segment has no valid header or is impossibly long; it was moved to `damaged`.
    SetAside,
}

/// One finding of the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file; for records that are lost with their file, the log's directory.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: FindingKind,
    /// How many records are lost, as far as that is known.
    pub records: u64,
    /// How many bytes it is about.
    pub bytes: u64,
}

/// The log, opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) wal: Wal,
    pub(crate) findings: Vec<Finding>,
    /// Records that were replayed.
    pub(crate) replayed: u64,
    /// No position at or after it stands in the log.
    pub(crate) next_pos: u64,
}

/// A segment with a valid header.
struct Candidate {
    path: PathBuf,
    header: SegmentHeader,
    capacity: u64,
}

/// Bytes that are no record, and the lsns that are missing around them.
struct BadBytes {
    path: PathBuf,
    range: Range<usize>,
    lsns: Range<u64>,
}

struct Start<'a> {
    disk: &'a Arc<dyn Disk>,
    dir: &'a Path,
    aside: &'a Aside<'a>,
    flushed_lsn: u64,
    findings: Vec<Finding>,
    /// Lsns that nobody was told about.
    void: Vec<Range<u64>>,
    bad: Vec<BadBytes>,
    /// Lsns that are missing between those that are there.
    missing: Vec<Range<u64>>,
    due_lsn: u64,
    /// The highest lsn that some record knew to be durable.
    durable_lsn: u64,
    replayed: u64,
    next_pos: u64,
    next_lsn: u64,
    sealed: VecDeque<Sealed>,
}

impl Wal {
    /// Opens the log in `dir`, which must exist. `apply` gets every record after `flushed_lsn` in order. Damage never
    /// stops it: see [`Opened::findings`].
    ///
    /// What was replayed may be in the page cache only, and if a sync had failed before a kill, no sync of these files will
    /// ever bring it to the disk: it must be written anew, into parts, before it counts as durable.
    ///
    /// # Errors
    /// When the directory cannot be listed, or a segment not be read.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        aside: &Aside<'_>,
        (segment_bytes, flushed_lsn): (u64, u64),
        apply: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Opened, Error> {
        let mut start = Start {
            disk,
            dir,
            aside,
            flushed_lsn,
            findings: Vec::new(),
            void: Vec::new(),
            bad: Vec::new(),
            missing: Vec::new(),
            due_lsn: flushed_lsn + 1,
            durable_lsn: flushed_lsn,
            replayed: 0,
            next_pos: 0,
            next_lsn: flushed_lsn + 1,
            sealed: VecDeque::new(),
        };
        let (candidates, mut next_number) = start.candidates()?;
        start.void = candidates.iter().map(|candidate| candidate.header.void()).collect();
        for candidate in &candidates {
            next_number = next_number.max(candidate.header.number + 1);
            start.read(candidate, apply)?;
        }
        start.judge();
        let mut wal = Self {
            disk: Arc::clone(disk),
            dir: dir.to_path_buf(),
            segment_bytes,
            active: None,
            sealed: start.sealed,
            spare: Vec::new(),
            next_number,
            next_lsn: start.next_lsn,
            durable_lsn: start.next_lsn - 1,
            void_from: None,
            buffer: Vec::new(),
        };
        // No file is used again under a new name before the one it has is durable.
        match disk.sync_dir(dir, SyncPoint::StoreLogDir) {
            Ok(()) => wal.release(flushed_lsn),
            Err(error) => return Err(Error::io("sync", dir, error)),
        }
        Ok(Opened { wal, findings: start.findings, replayed: start.replayed, next_pos: start.next_pos })
    }
}

impl Start<'_> {
    /// The segments in their order, and the number after the highest name.
    fn candidates(&mut self) -> Result<(Vec<Candidate>, u64), Error> {
        let names = self.disk.list(self.dir).map_err(|error| Error::io("list", self.dir, error))?;
        let (mut candidates, mut next_number) = (Vec::new(), 0);
        for name in names {
            let Some(number) = segment_number(&name) else { continue };
            next_number = next_number.max(number + 1);
            let path = self.dir.join(&name);
            let head = self.disk.open(&path).and_then(|file| {
                let mut head = vec![0; HEADER_BYTES];
                let filled = file.read_at(0, &mut head)?;
                head.truncate(filled);
                Ok((head, file.len()?))
            });
            match head {
                Ok((head, capacity)) => match SegmentHeader::decode(&head) {
                    Some(header) => candidates.push(Candidate { path, header, capacity }),
                    // Made, and never written to.
                    None if head.iter().all(|&byte| byte == 0) => {
                        let _removed = self.disk.remove(&path);
                    }
                    None => self.set_aside(&path, capacity),
                },
                // It may pass: what was acknowledged is not given up for it.
                Err(error) => return Err(Error::io("read", &path, error).or_exhausted()),
            }
        }
        candidates.sort_by_key(|candidate| candidate.header.number);
        // A second name of the same file: were both used again, each would destroy what stands in the other.
        candidates.dedup_by(|second, first| {
            let same = second.header == first.header;
            if same {
                let _removed = self.disk.remove(&second.path);
            }
            same
        });
        Ok((candidates, next_number))
    }

    fn set_aside(&mut self, path: &Path, bytes: u64) {
        self.aside.put(path);
        let kind = FindingKind::SetAside;
        self.findings.push(Finding { path: path.to_path_buf(), kind, records: 0, bytes });
    }

    /// Replays one segment.
    fn read(&mut self, candidate: &Candidate, apply: &mut dyn FnMut(&Record<'_>)) -> Result<(), Error> {
        let content = match read_file(&**self.disk, &candidate.path, MAX_SEGMENT_BYTES) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.set_aside(&candidate.path, candidate.capacity);
                return Ok(());
            }
            Err(error) => return Err(Error::io("read", &candidate.path, error).or_exhausted()),
        };
        self.next_lsn = self.next_lsn.max(candidate.header.first_lsn);
        let mut last_lsn = 0;
        for found in records(&content, &candidate.header) {
            match found {
                Found::Record(record, _) => {
                    last_lsn = record.lsn;
                    self.record(&record, apply);
                }
                Found::Bad(range) => {
                    let lsns = last_lsn.max(candidate.header.first_lsn.saturating_sub(1)) + 1..u64::MAX;
                    self.bad.push(BadBytes { path: candidate.path.clone(), range, lsns });
                }
            }
        }
        let (path, capacity) = (candidate.path.clone(), candidate.capacity);
        self.sealed.push_back(Sealed { path, last_lsn, capacity, failed: false });
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, apply: &mut dyn FnMut(&Record<'_>)) {
        self.next_lsn = self.next_lsn.max(record.lsn + 1);
        self.next_pos = self.next_pos.max(record.base.saturating_add(u64::from(record.count)));
        self.durable_lsn = self.durable_lsn.max(record.durable_lsn);
        for bad in self.bad.iter_mut().filter(|bad| bad.lsns.end == u64::MAX) {
            bad.lsns.end = record.lsn;
        }
        if record.lsn < self.due_lsn || self.void.iter().any(|void| void.contains(&record.lsn)) {
            return;
        }
        if record.lsn > self.due_lsn {
            self.missing.push(self.due_lsn..record.lsn);
        }
        self.due_lsn = record.lsn + 1;
        self.replayed += 1;
        apply(record);
    }

    /// Tells what is lost from what was never acknowledged.
    fn judge(&mut self) {
        let void = &self.void;
        let (durable, refused) = (self.durable_lsn, |lsn: u64| void.iter().any(|void| void.contains(&lsn)));
        self.missing.retain(|range| range.clone().any(|lsn| !refused(lsn)));
        let is_lost = |range: &Range<u64>| range.clone().any(|lsn| lsn <= durable && !refused(lsn));
        let mut counted = Vec::new();
        for bad in std::mem::take(&mut self.bad) {
            if bad.lsns.end <= self.flushed_lsn + 1 {
                continue;
            }
            let inside: Vec<_> = self
                .missing
                .iter()
                .filter(|m| m.start < bad.lsns.end && bad.lsns.start < m.end)
                .cloned()
                .collect();
            let lost = inside.iter().any(is_lost);
            let kind = if lost { FindingKind::Lost } else { FindingKind::TornTail };
            if lost {
                self.aside.copy(&bad.path, bad.range.clone());
            }
            let bytes = bad.range.len() as u64;
            let records = if lost { inside.iter().map(|range| range.end - range.start).sum() } else { 0 };
            counted.extend(inside);
            self.findings.push(Finding { path: bad.path, kind, records, bytes });
        }
        // Whole segments, or their ends, that are gone without a trace.
        let gone = self.missing.iter().filter(|range| is_lost(range) && !counted.contains(range));
        let records: u64 = gone.map(|range| range.end - range.start).sum();
        if records > 0 {
            let kind = FindingKind::Lost;
            self.findings.push(Finding { path: self.dir.to_path_buf(), kind, records, bytes: 0 });
        }
    }
}

/// The segments' files with their content, in the order of their names, for those who only look.
pub(crate) fn contents(disk: &dyn Disk, dir: &Path) -> impl Iterator<Item = (PathBuf, io::Result<Vec<u8>>)> {
    let names = disk.list(dir).unwrap_or_default();
    let paths = names.into_iter().filter(|name| segment_number(name).is_some()).map(|name| dir.join(name));
    paths.map(|path| {
        let content = read_file(disk, &path, MAX_SEGMENT_BYTES);
        (path, content)
    })
}

/// The lsns that stand in the log, with the pos that each begins at and the one after its last, rising; void ones too.
///
/// # Errors
/// When a segment cannot be read.
pub(crate) fn places(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, u64, u64)>, Error> {
    let mut found = Vec::new();
    for (path, content) in contents(disk, dir) {
        let content = match content {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => continue,
            Err(error) => return Err(Error::io("read", &path, error).or_exhausted()),
        };
        found.extend(super::scan::scan(&content).iter().filter_map(|found| match found {
            Found::Record(record, _) => {
                Some((record.lsn, record.base, record.base.saturating_add(u64::from(record.count))))
            }
            Found::Bad(_) => None,
        }));
    }
    found.sort_unstable();
    Ok(found)
}
