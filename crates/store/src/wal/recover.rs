//! The start: read what stands in the log, say what is lost.

use super::format::{HEADER_BYTES, Record, SegmentHeader, segment_number};
use super::judge::{BadBytes, Finding, FindingKind};
use super::scan::{Found, records};
use super::write::{Sealed, Wal};
use crate::aside::Aside;
use crate::error::Error;
use disk::salvage::{self, Content};
use disk::{Disk, SyncPoint};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many lsns are left out for bytes that cannot be read and that no record follows: more than can have stood there.
const STRIDE: u64 = 1 << 24;

/// The log, opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) wal: Wal,
    pub(crate) findings: Vec<Finding>,
    /// Records that were replayed.
    pub(crate) replayed: u64,
    /// No position at or after it stands in the log.
    pub(crate) next_pos: u64,
    /// How many ends of segments, or whole ones, cannot be read: what positions stood there is not known.
    pub(crate) unknown: u64,
}

/// A segment.
struct Candidate {
    path: PathBuf,
    number: u64,
    /// What it says of itself, or why the disk does not give it.
    header: Result<SegmentHeader, io::Error>,
    capacity: u64,
}

pub(super) struct Start<'a> {
    disk: &'a Arc<dyn Disk>,
    pub(super) dir: &'a Path,
    pub(super) aside: &'a Aside<'a>,
    pub(super) flushed_lsn: u64,
    pub(super) findings: Vec<Finding>,
    /// Lsns that nobody was told about.
    pub(super) void: Vec<Range<u64>>,
    pub(super) bad: Vec<BadBytes>,
    /// Lsns that are missing between those that are there.
    pub(super) missing: Vec<Range<u64>>,
    due_lsn: u64,
    /// The highest lsn that some record knew to be durable.
    pub(super) durable_lsn: u64,
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
    /// When the directory cannot be listed; when this process lacks something that it needs to read a segment, or may not.
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
        start.void = candidates.iter().filter_map(|one| Some(one.header.as_ref().ok()?.void())).collect();
        for candidate in &candidates {
            next_number = next_number.max(candidate.number + 1);
            start.read(candidate, apply)?;
        }
        // What may stand in bytes that cannot be read and that no record follows must not be taken for what comes now.
        let unknown = start.bad.iter().filter(|bad| bad.unread.is_some() && bad.is_at_end()).count() as u64;
        // A segment without a record may be the only one that says what was refused before it, and it goes: the next one has to say it.
        let refused = start.void.iter().find(|void| void.end == start.next_lsn && void.start < void.end);
        let void_from = refused.map(|void| void.start).or_else(|| (unknown > 0).then_some(start.next_lsn));
        start.next_lsn += unknown * STRIDE;
        let unread = start.judge();
        start.set_unread_aside(unread)?;
        let mut wal = Self {
            disk: Arc::clone(disk),
            dir: dir.to_path_buf(),
            segment_bytes,
            active: None,
            sealed: std::mem::take(&mut start.sealed),
            spare: Vec::new(),
            next_number,
            next_lsn: start.next_lsn,
            durable_lsn: start.next_lsn - 1,
            void_from,
            buffer: Vec::new(),
        };
        // No file is used again under a new name before the one it has is durable.
        match disk.sync_dir(dir, SyncPoint::StoreLogDir) {
            Ok(()) => wal.release(flushed_lsn),
            Err(error) => return Err(Error::io("sync", dir, error)),
        }
        let Start { findings, replayed, next_pos, .. } = start;
        Ok(Opened { wal, findings, replayed, next_pos, unknown })
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
            let head = salvage::again(|| {
                let file = self.disk.open(&path)?;
                let mut head = vec![0; HEADER_BYTES];
                let filled = file.read_at(0, &mut head)?;
                head.truncate(filled);
                Ok((head, file.len()?))
            });
            match head {
                Ok((head, capacity)) => match SegmentHeader::decode(&head) {
                    Some(header) => {
                        candidates.push(Candidate {
                            path,
                            number: header.number,
                            header: Ok(header),
                            capacity,
                        });
                    }
                    // Made, and never written to.
                    None if head.iter().all(|&byte| byte == 0) => {
                        let _removed = self.disk.remove(&path);
                    }
                    None => self.set_aside(&path, capacity),
                },
                Err(error) if salvage::is_about_us(&error) => {
                    return Err(Error::io("read", &path, error).or_exhausted());
                }
                // A folder is not ours; and what has just gone is missed below.
                Err(error) if is_no_file(&error) => {}
                Err(error) => {
                    let capacity = self.disk.open(&path).and_then(|file| file.len()).unwrap_or(0);
                    candidates.push(Candidate { path, number, header: Err(error), capacity });
                }
            }
        }
        candidates.sort_by_key(|candidate| candidate.number);
        // A second name of the same file: were both used again, each would destroy what stands in the other.
        candidates.dedup_by(|second, first| {
            let same = matches!((&second.header, &first.header), (Ok(second), Ok(first)) if second == first);
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
        let header = match &candidate.header {
            Ok(header) => header,
            Err(error) => {
                self.unread(candidate, error);
                return Ok(());
            }
        };
        let content = match salvage::read(&**self.disk, &candidate.path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.set_aside(&candidate.path, candidate.capacity);
                return Ok(());
            }
            Err(error) if salvage::is_about_us(&error) => {
                return Err(Error::io("read", &candidate.path, error).or_exhausted());
            }
            Err(error) => {
                self.unread(candidate, &error);
                return Ok(());
            }
        };
        self.next_lsn = self.next_lsn.max(header.first_lsn);
        let last_lsn = self.records(candidate, header, &content, apply);
        let (path, capacity) = (candidate.path.clone(), candidate.capacity);
        self.sealed.push_back(Sealed { path, last_lsn, capacity, failed: false, note: None });
        Ok(())
    }

    /// Replays the records of one segment, and notes what is none. Returns the lsn of the last.
    fn records(
        &mut self,
        candidate: &Candidate,
        header: &SegmentHeader,
        content: &Content,
        apply: &mut dyn FnMut(&Record<'_>),
    ) -> u64 {
        let why = content.why.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut unread: Vec<&Range<usize>> = content.unread.iter().collect();
        let mut last_lsn = 0;
        let bad = |start: &mut Self, range: Range<usize>, last_lsn: u64, unread: Option<String>| {
            let lsns = last_lsn.max(header.first_lsn.saturating_sub(1)) + 1..u64::MAX;
            let (path, positions) = (candidate.path.clone(), start.next_pos..u64::MAX);
            start.bad.push(BadBytes { path, range, lsns, positions, unread });
        };
        for found in records(&content.bytes, header) {
            match found {
                Found::Record(record, _) => {
                    last_lsn = record.lsn;
                    self.record(&record, apply);
                }
                Found::Bad(range) => {
                    // What is cut off before zeros ends where those of unread bytes begin.
                    let touches =
                        |other: &&Range<usize>| other.start <= range.end && range.start <= other.end;
                    let whole = unread.iter().copied().filter(touches).fold(range.clone(), |whole, other| {
                        whole.start.min(other.start)..whole.end.max(other.end)
                    });
                    let before = unread.len();
                    unread.retain(|other| !touches(other));
                    bad(self, whole, last_lsn, (unread.len() < before).then(|| why.clone()));
                }
            }
        }
        // Behind the last record, or the header: nothing tells what stood there.
        unread.iter().for_each(|range| bad(self, (*range).clone(), last_lsn, Some(why.clone())));
        last_lsn
    }

    /// Notes a segment of which the disk gives nothing.
    fn unread(&mut self, candidate: &Candidate, error: &io::Error) {
        self.bad.push(BadBytes {
            path: candidate.path.clone(),
            range: 0..usize::try_from(candidate.capacity).unwrap_or(usize::MAX),
            lsns: self.next_lsn..u64::MAX,
            positions: self.next_pos..u64::MAX,
            unread: Some(error.to_string()),
        });
    }

    /// Moves the segments of which the disk gives nothing. Those of which it gives some stay until that is in parts.
    fn set_unread_aside(&mut self, unread: Vec<(PathBuf, String)>) -> Result<(), Error> {
        for (path, note) in unread {
            match self.sealed.iter_mut().find(|sealed| sealed.path == path) {
                Some(sealed) => sealed.note.get_or_insert_default().push_str(&note),
                None => {
                    let moved = self.aside.put_log(&path, &note);
                    moved.map_err(|error| Error::io("set aside", &path, error))?;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, apply: &mut dyn FnMut(&Record<'_>)) {
        self.next_lsn = self.next_lsn.max(record.lsn + 1);
        self.next_pos = self.next_pos.max(record.base.saturating_add(u64::from(record.count)));
        self.durable_lsn = self.durable_lsn.max(record.durable_lsn);
        for bad in self.bad.iter_mut().filter(|bad| bad.lsns.end == u64::MAX) {
            (bad.lsns.end, bad.positions.end) = (record.lsn, record.base);
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
}

fn is_no_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory)
}
