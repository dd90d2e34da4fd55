//! Appending groups of records, and using segments again.

use super::format::{HEADER_BYTES, RECORD_HEADER_BYTES, Record, SegmentHeader, fresh_nonce, segment_name};
use crate::aside::Aside;
use crate::error::Error;
use disk::{Disk, File, SyncPoint};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Zeros are written so far ahead of the records, so that a record changes no metadata of the file system: the sync
/// behind it is many times quicker then.
const ZEROS_BYTES: usize = 1 << 20;
/// Segments kept to be used again.
const MAX_SPARE: usize = 2;

/// Segments that the disk has failed on, in which there is something that counts, before it is given time: they take room until a flush.
const MAX_DEAD: usize = 4;

/// What is to be recorded; the log adds lsn and base.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewRecord<'a> {
    pub(crate) base: u64,
    pub(crate) count: u32,
    pub(crate) latest: i64,
    pub(crate) earliest: i64,
    pub(crate) payload: &'a [u8],
}

/// Why a group was not committed. Nothing of it counts then, now or after a restart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// There is no room for another segment, or for the group.
    #[error("the disk is full")]
    Full(#[source] Error),
    /// The disk failed.
    #[error("the disk fails")]
    Failed(#[source] Error),
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        if error.is_full() { Self::Full(error) } else { Self::Failed(error) }
    }
}

/// The log, as its one writer has it.
#[derive(Debug)]
pub(crate) struct Wal {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) active: Option<Active>,
    /// Former segments, oldest first.
    pub(super) sealed: VecDeque<Sealed>,
    /// Files to be used again.
    pub(super) spare: Vec<(PathBuf, u64)>,
    pub(super) next_number: u64,
    pub(super) next_lsn: u64,
    pub(super) durable_lsn: u64,
    /// Lsns from here on were refused.
    pub(super) void_from: Option<u64>,
    /// Bytes of the group at hand; kept for its memory.
    pub(super) buffer: Vec<u8>,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    path: PathBuf,
    file: Arc<dyn File>,
    header: SegmentHeader,
    capacity: u64,
    end: u64,
    /// What is before it does not change the file's metadata when written.
    zeroed: u64,
    /// Its directory entry is not durable yet.
    fresh: bool,
}

/// A segment that is not written to any more.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) path: PathBuf,
    pub(super) last_lsn: u64,
    pub(super) capacity: u64,
    /// The disk has failed on it: it is not used again.
    pub(super) failed: bool,
    /// It cannot be read as a whole: it goes to `damaged`, with this.
    pub(super) note: Option<String>,
}

impl Wal {
    /// Writes the records as one group and makes them durable. Returns the lsn of the first; the others follow.
    ///
    /// # Errors
    /// See [`CommitError`]. The segment is left behind then, and what may stand in it of this group is void.
    pub(crate) fn commit(&mut self, records: &[NewRecord<'_>]) -> Result<u64, CommitError> {
        let len: usize = records.iter().map(|record| RECORD_HEADER_BYTES + record.payload.len()).sum();
        self.room_for(len as u64)?;
        let first_lsn = self.next_lsn;
        self.next_lsn += records.len() as u64;
        match self.write(records, first_lsn) {
            Ok(()) => {
                self.durable_lsn = self.next_lsn - 1;
                self.void_from = None;
                Ok(first_lsn)
            }
            Err(error) => {
                self.void_from.get_or_insert(first_lsn);
                self.blot_out(records);
                self.seal(true);
                Err(error.into())
            }
        }
    }

    fn write(&mut self, records: &[NewRecord<'_>], first_lsn: u64) -> Result<(), Error> {
        let Some(active) = &mut self.active else { return Err(Error::Closed) };
        self.buffer.clear();
        for (lsn, record) in (first_lsn..).zip(records) {
            let NewRecord { base, count, latest, earliest, payload } = *record;
            let durable_lsn = self.durable_lsn;
            let record = Record { lsn, durable_lsn, base, count, latest, earliest, payload };
            record.encode(active.header.nonce, &mut self.buffer);
        }
        let end = active.end + self.buffer.len() as u64;
        active.zero_ahead(end).map_err(|error| Error::io("write", &active.path, error))?;
        let written = active
            .file
            .write_at(active.end, &self.buffer)
            .and_then(|()| active.file.sync_data(SyncPoint::StoreLog));
        written.map_err(|error| Error::io("write", &active.path, error))?;
        if active.fresh {
            let synced = self.disk.sync_dir(&self.dir, SyncPoint::StoreLogDir);
            synced.map_err(|error| Error::io("sync", &self.dir, error))?;
            active.fresh = false;
        }
        active.end = end;
        Ok(())
    }

    /// Writes zeros over the heads of records that the disk has refused, if it takes those: a start after a kill would find them in the page
    /// cache, and no segment that declares them void.
    fn blot_out(&self, records: &[NewRecord<'_>]) {
        let Some(active) = &self.active else { return };
        let mut at = active.end;
        for record in records {
            if active.file.write_at(at, &[0; RECORD_HEADER_BYTES]).is_err() {
                return;
            }
            at += (RECORD_HEADER_BYTES + record.payload.len()) as u64;
        }
        // If it was not the sync that failed, this one brings the zeros to the disk too.
        let _synced = active.file.sync_data(SyncPoint::StoreLog);
    }

    /// Sees to it that the active segment has room for `len` bytes.
    fn room_for(&mut self, len: u64) -> Result<(), Error> {
        if self.active.as_ref().is_some_and(|active| active.end + len <= active.capacity) {
            return Ok(());
        }
        if self.failed_segments() >= MAX_DEAD {
            let many = std::io::Error::other(
                "it has failed on many segments of the log; they go when what is in memory is in parts",
            );
            return Err(Error::io("write", &self.dir, many));
        }
        // The one before ends here even if making the next one fails: only the last segment ever grows.
        self.seal(false);
        let wanted = self.segment_bytes.max(HEADER_BYTES as u64 + len);
        let number = self.next_number;
        let path = self.dir.join(segment_name(number));
        let void_from = self.void_from.unwrap_or(self.next_lsn);
        let header = SegmentHeader { number, nonce: fresh_nonce(), first_lsn: self.next_lsn, void_from };
        let active = match self.spare.iter().position(|(_, capacity)| *capacity >= wanted) {
            Some(at) => {
                let (old, capacity) = self.spare.swap_remove(at);
                self.reuse(&old, path, header, capacity)?
            }
            None => self.create(path, header, wanted)?,
        };
        self.next_number += 1;
        self.active = Some(active);
        Ok(())
    }

    fn create(&self, path: PathBuf, header: SegmentHeader, capacity: u64) -> Result<Active, Error> {
        let made = self.disk.create(&path).and_then(|file| {
            file.allocate(capacity)?;
            file.write_at(0, &header.encode())?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                let end = HEADER_BYTES as u64;
                Ok(Active { path, file, header, capacity, end, zeroed: end, fresh: true })
            }
            Err(error) => {
                // A half-made segment has no content; if it cannot be removed now, the next start does it.
                let _removed = self.disk.remove(&path);
                Err(Error::io("make", &path, error))
            }
        }
    }

    fn reuse(
        &self,
        old: &Path,
        path: PathBuf,
        header: SegmentHeader,
        capacity: u64,
    ) -> Result<Active, Error> {
        // Whichever name a power cut leaves: the header says which segment it is. But two changes of its name that are both
        // not durable could leave two names, so the first record waits for this one.
        let made = self.disk.rename(old, &path).and_then(|()| {
            let file = self.disk.open(&path)?;
            file.write_at(0, &header.encode())?;
            Ok(file)
        });
        let file = made.map_err(|error| Error::io("use again", &path, error))?;
        Ok(Active { path, file, header, capacity, end: HEADER_BYTES as u64, zeroed: capacity, fresh: true })
    }

    /// Ends the active segment. One that the disk has failed on goes at once if nothing stands in it that counts: else a disk that fails for
    /// long would be full of them.
    fn seal(&mut self, failed: bool) {
        if let Some(Active { path, capacity, end, .. }) = self.active.take() {
            // What was refused in it is void, whether or not its name is gone after a power cut.
            if failed && end == HEADER_BYTES as u64 && self.disk.remove(&path).is_ok() {
                return;
            }
            self.sealed.push_back(Sealed { path, last_lsn: self.durable_lsn, capacity, failed, note: None });
        }
    }

    /// Frees the segments in which nothing stands after `flushed_lsn`: all of them is in parts.
    pub(crate) fn release(&mut self, flushed_lsn: u64) {
        while self.sealed.front().is_some_and(|sealed| sealed.last_lsn <= flushed_lsn) {
            let Some(sealed) = self.sealed.pop_front() else { break };
            if let (Some(note), Some(store)) = (&sealed.note, self.dir.parent()) {
                // If it stays, the next start finds it, and nothing in it that is needed.
                let _moved = Aside::new(&*self.disk, store).put_log(&sealed.path, note);
                continue;
            }
            let usable = !sealed.failed && sealed.capacity == self.segment_bytes;
            if usable && self.spare.len() < MAX_SPARE {
                self.spare.push((sealed.path, sealed.capacity));
            } else {
                // If it stays, the next start finds nothing in it that is needed.
                let _removed = self.disk.remove(&sealed.path);
            }
        }
    }

    /// Gives the spare segments' space back.
    pub(crate) fn shrink(&mut self) {
        for (path, _) in self.spare.drain(..) {
            let _removed = self.disk.remove(&path);
        }
    }

    /// The highest lsn that is durable.
    pub(crate) const fn durable_lsn(&self) -> u64 {
        self.durable_lsn
    }

    /// Segments that the disk has failed on while they were written.
    pub(crate) fn failed_segments(&self) -> usize {
        self.sealed.iter().filter(|sealed| sealed.failed && sealed.note.is_none()).count()
    }

    /// Bytes of all files.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|sealed| sealed.capacity).sum();
        let spare: u64 = self.spare.iter().map(|(_, capacity)| capacity).sum();
        sealed + spare + self.active.as_ref().map_or(0, |active| active.capacity)
    }
}

impl Active {
    fn zero_ahead(&mut self, end: u64) -> std::io::Result<()> {
        if end <= self.zeroed || end >= self.capacity {
            return Ok(());
        }
        let len = ZEROS_BYTES.min(usize::try_from(self.capacity - end).unwrap_or(ZEROS_BYTES));
        self.file.write_at(end, &vec![0; len])?;
        self.zeroed = end + len as u64;
        Ok(())
    }
}
