//! An append-only journal of small records: what a stage must know again after a restart (the agent its Machines).
//!
//! The file begins with two copies of a header, 512 bytes apart: the magic `LWJRNL01`, a random number (u64), and the CRC32
//! of both. Records follow from byte 1024: the same number, the payload's length (u32), the CRC32 of length and payload,
//! the payload. All numbers are little-endian. The random number marks where records begin, so that reading goes on after
//! damage and no payload passes for a record.

use crate::salvage::{self, Content};
use crate::{Disk, File, SyncPoint, make_dir, replace_file};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of one record.
pub const MAX_RECORD_BYTES: usize = 64 << 10;

/// Damaged journals that are kept beside the one in use.
const MAX_ASIDE: usize = 16;
const MAGIC: [u8; 8] = *b"LWJRNL01";
const COPY_BYTES: usize = 512;
const HEADER_BYTES: usize = 2 * COPY_BYTES;
const RECORD_HEADER_BYTES: usize = 16;

/// Why the journal could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record is longer than [`MAX_RECORD_BYTES`], or empty.
    #[error("a journal record has 1 to {MAX_RECORD_BYTES} bytes, not {0}")]
    Size(usize),
    /// The disk failed, or is full. Records appended before are safe.
    #[error("cannot {action} {path}; check the disk and its free space")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// What the opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bytes at the end that were no complete record: normal after a crash.
    pub torn_bytes: u64,
    /// Bytes elsewhere that were no valid record and were skipped, and all that the disk does not give: a copy of the rest is in
    /// `*.damaged`. A journal without a header or a record counts as a whole; it was renamed so. At least 1 until [`Journal::settled`] was
    /// told of earlier damage.
    pub damaged_bytes: u64,
}

impl Report {
    /// Bytes between records that are damaged, and those behind the last one. What the disk does not give may have been a record, also
    /// there.
    const fn of(damaged: u64, behind: u64, is_unread: bool) -> Self {
        match is_unread {
            true => Self { torn_bytes: 0, damaged_bytes: damaged + behind },
            false => Self { torn_bytes: behind, damaged_bytes: damaged },
        }
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    dir: PathBuf,
    file: Arc<dyn File>,
    nonce: u64,
    len_bytes: u64,
    /// A sync has failed: the file is not to be trusted and is written anew before the next record.
    broken: bool,
}

impl Journal {
    /// Opens the journal at `path` (made if missing, with its directory) and returns its records, oldest first. They are
    /// durable then. Damage never stops it: see [`Report`].
    ///
    /// # Errors
    /// When the file cannot be made, mended, or opened: that is tried for three seconds.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<(Self, Vec<Vec<u8>>, Report), Error> {
        let fail = |action, source| Error::Io { action, path: path.to_path_buf(), source };
        let dir = parent(path);
        make_dir(&*disk, &dir).map_err(|error| fail("make the directory of", error))?;
        let mut report = Report::default();
        let content = match salvage::read(&*disk, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            content => content.map_err(|error| fail("read", error))?,
        };
        let is_unread = !content.unread.is_empty();
        let bytes = &content.bytes;
        let header = decode_header(bytes);
        let Some(nonce) = header.or_else(|| nonce_of_records(bytes)) else {
            if is_unread || bytes.iter().any(|&byte| byte != 0) {
                report.damaged_bytes = bytes.len() as u64;
                doubt(&*disk, path).map_err(|error| fail("mark the damage of", error))?;
                disk.rename(path, &aside(&*disk, path)).map_err(|error| fail("set aside", error))?;
            }
            report.damaged_bytes = report.damaged_bytes.max(is_doubted(&*disk, path).into());
            let journal = Self::create(disk, path, dir).map_err(|error| fail("make", error))?;
            return Ok((journal, Vec::new(), report));
        };
        let (records, end, damaged) = scan(bytes, nonce);
        let head = if header.is_none() { HEADER_BYTES as u64 } else { 0 };
        report = Report::of(damaged + head, (bytes.len() - end) as u64, is_unread);
        let is_marked = report.damaged_bytes == 0 || doubt(&*disk, path).is_ok();
        report.damaged_bytes = report.damaged_bytes.max(is_doubted(&*disk, path).into());
        let file = disk.open(path).map_err(|error| fail("open", error))?;
        let mut journal =
            Self { disk, path: path.to_path_buf(), dir, file, nonce, len_bytes: end as u64, broken: false };
        if is_unread || header.is_none() {
            // Whoever cannot even mark it has no room for it either, and keeps it as it is.
            journal.broken = !is_marked || journal.compact(&records).is_err();
            if !journal.broken {
                // For people to look at; without it the records are there all the same.
                let kept = aside(&*journal.disk, path);
                let _kept = journal.disk.create(&kept).and_then(|copy| copy.write_at(0, bytes));
            }
        } else {
            journal.broken = journal.settle(report.torn_bytes > 0).is_err();
        }
        Ok((journal, records, report))
    }

    /// What followed from the damage that was reported is durable: the next opening reports it no more. Until then a start that does not
    /// come to its end, or is killed, leaves the next one in the same doubt.
    pub fn settled(&self) {
        let doubt = beside(&self.path, ".doubt");
        if self.disk.exists(&doubt) {
            // If it comes back, the next start is in doubt once more, and does the same again.
            let _removed = self.disk.remove(&doubt);
        }
    }

    fn create(disk: Arc<dyn Disk>, path: &Path, dir: PathBuf) -> io::Result<Self> {
        let nonce = fresh_nonce();
        let file = disk.create(path)?;
        file.write_at(0, &encode_header(nonce))?;
        file.sync_data(SyncPoint::JournalRecord)?;
        disk.sync_dir(&dir, SyncPoint::JournalDir)?;
        Ok(Self {
            disk,
            path: path.to_path_buf(),
            dir,
            file,
            nonce,
            len_bytes: HEADER_BYTES as u64,
            broken: false,
        })
    }

    /// Cuts off a torn tail and makes what was found durable: after `kill -9` it may be in the page cache only.
    fn settle(&self, torn: bool) -> io::Result<()> {
        if torn {
            self.file.set_len(self.len_bytes)?;
        }
        self.file.sync_data(SyncPoint::JournalRecord)?;
        self.disk.sync_dir(&self.dir, SyncPoint::JournalDir)
    }

    /// Appends a record; it survives a power cut once this returns. Costs one sync.
    ///
    /// # Errors
    /// `Size` for a record out of bounds; `Io`: the record may or may not be found at the next start.
    pub fn append(&mut self, record: &[u8]) -> Result<(), Error> {
        self.append_all(&[record])
    }

    /// Appends records, in this order, with one sync; none is no change. A power cut before this returns leaves any number of the
    /// first ones.
    ///
    /// # Errors
    /// As [`Journal::append`], of all of them.
    pub fn append_all(&mut self, records: &[impl AsRef<[u8]>]) -> Result<(), Error> {
        records.iter().try_for_each(|record| check_size(record.as_ref()))?;
        if records.is_empty() {
            return Ok(());
        }
        if self.broken {
            self.mend()?;
        }
        let bytes: Vec<u8> =
            records.iter().flat_map(|record| encode_record(self.nonce, record.as_ref())).collect();
        if let Err(error) = self.file.write_at(self.len_bytes, &bytes) {
            // Of several, the later ones may stand whole behind the next one, and would be read as if they had been made.
            self.broken |= records.len() > 1;
            return Err(self.error("write", error));
        }
        if let Err(error) = self.file.sync_data(SyncPoint::JournalRecord) {
            // No later sync of this file would cover what this one has dropped.
            self.broken = true;
            return Err(self.error("sync", error));
        }
        self.len_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Replaces all records by `records`, so that a power cut leaves the old or the new. Costs two syncs.
    ///
    /// # Errors
    /// As [`Journal::append`]; the old records stand then, and after a restart the old or the new.
    pub fn compact(&mut self, records: &[Vec<u8>]) -> Result<(), Error> {
        let nonce = fresh_nonce();
        let mut bytes = encode_header(nonce);
        for record in records {
            check_size(record)?;
            bytes.extend_from_slice(&encode_record(nonce, record));
        }
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or("journal").to_owned();
        let points = (SyncPoint::JournalSnapshot, SyncPoint::JournalSnapshotDir);
        let replaced = replace_file(&*self.disk, &self.dir, &name, &bytes, points);
        // Whether or not the replacement is durable, the name may stand for the new file now.
        self.broken |= replaced.is_err();
        replaced.map_err(|error| self.error("replace", error))?;
        self.file = self.disk.open(&self.path).map_err(|error| {
            self.broken = true;
            self.error("open", error)
        })?;
        self.nonce = nonce;
        self.len_bytes = bytes.len() as u64;
        self.broken = false;
        Ok(())
    }

    /// Writes a journal that is not to be trusted anew, from what it still reads as.
    fn mend(&mut self) -> Result<(), Error> {
        let len = usize::try_from(self.len_bytes).unwrap_or_default();
        let mut content = vec![0; len];
        let filled = self.file.read_at(0, &mut content).map_err(|error| self.error("read", error))?;
        let (records, _, _) = scan(&content[..filled], self.nonce);
        self.compact(&records)
    }

    /// Length of the file in bytes, for deciding when to compact.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn error(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: self.path.clone(), source }
    }
}

/// Reads the journal at `path` as it is and changes nothing. Without a header the records say its number.
///
/// # Errors
/// `NotFound` when there is none; otherwise what the file system reports.
pub fn read(disk: &dyn Disk, path: &Path) -> io::Result<(Vec<Vec<u8>>, Report)> {
    let Content { bytes, unread, .. } = salvage::read(disk, path)?;
    let header = decode_header(&bytes);
    let Some(nonce) = header.or_else(|| nonce_of_records(&bytes)) else {
        return Ok((Vec::new(), Report { torn_bytes: 0, damaged_bytes: bytes.len() as u64 }));
    };
    let (records, end, damaged) = scan(&bytes, nonce);
    let head = if header.is_none() { HEADER_BYTES as u64 } else { 0 };
    let mut report = Report::of(damaged + head, (bytes.len() - end) as u64, !unread.is_empty());
    report.damaged_bytes = report.damaged_bytes.max(is_doubted(disk, path).into());
    Ok((records, report))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Where what is damaged is put: beside what was put there before. The last name is used again and again.
fn aside(disk: &dyn Disk, path: &Path) -> PathBuf {
    let mut names = (0..MAX_ASIDE).map(|number| match number {
        0 => beside(path, ".damaged"),
        number => beside(path, &format!(".damaged-{number}")),
    });
    names.find(|name| !disk.exists(name)).unwrap_or_else(|| beside(path, ".damaged-last"))
}

/// Says durably that the journal at `path` is damaged, before what shows it goes: see [`Journal::settled`].
///
/// # Errors
/// What the disk reports.
pub fn doubt(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let (doubt, dir) = (beside(path, ".doubt"), parent(path));
    if disk.exists(&doubt) {
        return Ok(());
    }
    disk.create(&doubt)?.sync_data(SyncPoint::JournalSnapshot)?;
    disk.sync_dir(&dir, SyncPoint::JournalSnapshotDir)
}

fn is_doubted(disk: &dyn Disk, path: &Path) -> bool {
    disk.exists(&beside(path, ".doubt"))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

/// The number of a journal whose header is lost: most records have it, and at least two, or the only one where the first one stands.
fn nonce_of_records(content: &[u8]) -> Option<u64> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    let mut at = HEADER_BYTES;
    while let Some(nonce) = content.get(at..).and_then(|rest| rest.first_chunk()) {
        let nonce = u64::from_le_bytes(*nonce);
        match decode_record(&content[at..], nonce).filter(|_| nonce != 0) {
            Some(payload) => {
                *counts.entry(nonce).or_default() += if at == HEADER_BYTES { 2 } else { 1 };
                at += RECORD_HEADER_BYTES + payload.len();
            }
            None => at += 1,
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 1).max_by_key(|(_, count)| *count).map(|(nonce, _)| nonce)
}

fn check_size(record: &[u8]) -> Result<(), Error> {
    if record.is_empty() || record.len() > MAX_RECORD_BYTES { Err(Error::Size(record.len())) } else { Ok(()) }
}

/// Random from the system: the standard library's hash keys are.
fn fresh_nonce() -> u64 {
    RandomState::new().hash_one(MAGIC).max(1)
}

fn encode_header(nonce: u64) -> Vec<u8> {
    let mut copy = MAGIC.to_vec();
    copy.extend_from_slice(&nonce.to_le_bytes());
    copy.extend_from_slice(&crc32fast::hash(&copy).to_le_bytes());
    copy.resize(COPY_BYTES, 0);
    copy.repeat(2)
}

/// The number in the header; `None` also for one that is cut short: records would go where no reader looks for them.
fn decode_header(content: &[u8]) -> Option<u64> {
    content.get(..HEADER_BYTES)?.chunks(COPY_BYTES).find_map(|copy| {
        let (head, crc) = copy.get(..20)?.split_last_chunk()?;
        let (magic, nonce) = head.split_first_chunk::<8>()?;
        let valid = *magic == MAGIC && crc32fast::hash(head) == u32::from_le_bytes(*crc);
        valid.then(|| nonce.first_chunk().map(|nonce| u64::from_le_bytes(*nonce))).flatten()
    })
}

fn encode_record(nonce: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = nonce.to_le_bytes().to_vec();
    let len = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
    bytes.extend_from_slice(&len);
    bytes.extend_from_slice(&record_crc(len, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn record_crc(len: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len);
    hasher.update(payload);
    hasher.finalize()
}

fn decode_record(bytes: &[u8], nonce: u64) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&nonce.to_le_bytes())?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let payload = rest.get(..usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    let valid = (1..=MAX_RECORD_BYTES).contains(&payload.len())
        && record_crc(*len, payload) == u32::from_le_bytes(*crc);
    valid.then_some(payload)
}

/// The valid records, the offset after the last one, and how many bytes before it are damaged.
fn scan(content: &[u8], nonce: u64) -> (Vec<Vec<u8>>, usize, u64) {
    let (mut records, mut end, mut damaged) = (Vec::new(), HEADER_BYTES.min(content.len()), 0);
    let mut at = end;
    while at < content.len() {
        match decode_record(&content[at..], nonce) {
            Some(payload) => {
                damaged += (at - end) as u64;
                at += RECORD_HEADER_BYTES + payload.len();
                end = at;
                records.push(payload.to_vec());
            }
            None => at += 1,
        }
    }
    (records, end, damaged)
}

#[cfg(test)]
mod tests;
