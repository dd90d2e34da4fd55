//! The disk, as the stages that keep something see it, and what the smallest of them keep it in: a [`journal`].
//!
//! They meet the file system only here, so that a test can put a disk below them that loses power, fills up or lies
//! (`fault::FaultDisk`, behind the feature `fault` that only dev-dependencies name). Everything is synchronous: the caller
//! decides on which thread it blocks.
//!
//! Every sync call names the place it is made from ([`SyncPoint`]). A test disk can ignore one of them; a sync whose
//! loss no power-cut test notices proves nothing and should not be there.

#[cfg(any(test, feature = "fault"))]
pub mod fault;
pub mod journal;
mod real;
pub mod salvage;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;

/// Mode of every directory that is made here: the lines of all tenants lie below it.
pub const DIR_MODE: u32 = 0o700;

/// The call site of a sync: what would be lost if it were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncPoint {
    /// The entry of a newly made directory, in its parent.
    NewDir,
    /// The batches of the spool's dirty segments: the sync that every acknowledgement waits for.
    SpoolBatch,
    /// The directory entry of a new segment, before the first batch in it counts as durable.
    SpoolDir,
    /// Batches found at the start: after `kill -9` they may be in the page cache only, and are about to be acknowledged.
    SpoolRecovered,
    /// The directory entries of segments found at the start.
    SpoolRecoveredDir,
    /// The content of a new cursor file, before it takes the old one's name.
    CursorFile,
    /// The renaming of a cursor file.
    CursorDir,
    /// A request that the store refused, before the agent lets go of its lines.
    DeadLetter,
    /// The naming of its file.
    DeadLetterDir,
    /// The content of a new marks file, before it takes the old one's name.
    MarksFile,
    /// The renaming of the marks file.
    MarksDir,
    /// One record of the journal.
    JournalRecord,
    /// The directory entry of a new journal.
    JournalDir,
    /// The content of a compacted journal, before it takes the old one's name.
    JournalSnapshot,
    /// The renaming of a compacted journal, before anything is appended to it.
    JournalSnapshotDir,
    /// The content of a key or token file, before anybody relies on it.
    KeyFile,
    /// The renaming of a key or token file.
    KeyDir,
    /// The records of the store's log: the sync that every receipt waits for.
    StoreLog,
    /// The directory entry of a new segment of the store's log, before the first record in it counts as durable.
    StoreLogDir,
    /// The content of a part, before the manifest names it.
    StorePart,
    /// The directory entry of a part, before the manifest names it.
    StorePartDir,
    /// The content of what the store has seen of each boot, before the manifest names it.
    StoreSeen,
    /// The directory entry of what the store has seen of each boot, before the manifest names it.
    StoreSeenDir,
}

impl SyncPoint {
    /// Every call site; the mutation test walks it.
    pub const ALL: [Self; 23] = [
        Self::NewDir,
        Self::SpoolBatch,
        Self::SpoolDir,
        Self::SpoolRecovered,
        Self::SpoolRecoveredDir,
        Self::CursorFile,
        Self::CursorDir,
        Self::DeadLetter,
        Self::DeadLetterDir,
        Self::MarksFile,
        Self::MarksDir,
        Self::JournalRecord,
        Self::JournalDir,
        Self::JournalSnapshot,
        Self::JournalSnapshotDir,
        Self::KeyFile,
        Self::KeyDir,
        Self::StoreLog,
        Self::StoreLogDir,
        Self::StorePart,
        Self::StorePartDir,
        Self::StoreSeen,
        Self::StoreSeenDir,
    ];
}

/// One open file. Positions are bytes from its start; there is no file pointer, so any thread may use any method.
pub trait File: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` at `offset`; the file grows if needed.
    ///
    /// # Errors
    /// After an error any part of the range may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buf` from `offset` and returns how many bytes there were: fewer than asked for only at the end of the file.
    ///
    /// # Errors
    /// What the file system reports; `buf` may be partly filled then.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Reserves `len_bytes` of disk space from the start and makes the file at least that long, new bytes reading as
    /// zeros. Where the file system cannot reserve, zeros are written, so that success means the space is there.
    ///
    /// # Errors
    /// `StorageFull` or `QuotaExceeded` when there is no room; the file may have become longer.
    fn allocate(&self, len_bytes: u64) -> io::Result<()>;

    /// Cuts the file off, or extends it with zeros that take no space.
    ///
    /// # Errors
    /// What the file system reports.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// What the file system reports.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the file system reports.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Makes everything written so far survive a power cut (fdatasync).
    ///
    /// # Errors
    /// After an error nothing written since the last success may be trusted, and a later success does not cover it.
    fn sync_data(&self, point: SyncPoint) -> io::Result<()>;
}

/// A lock that is held: dropping it lets go.
pub trait Guard: Send + Sync + fmt::Debug {}

/// A file system.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes an empty file (mode 0600) for reading and writing; one that exists is emptied.
    ///
    /// # Errors
    /// What the file system reports.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none; otherwise what the file system reports.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Renames a file, replacing the target at one instant.
    ///
    /// # Errors
    /// What the file system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` when there is none; otherwise what the file system reports.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory (files and directories alike), sorted. Names that are not UTF-8 are left out: none
    /// of ours is.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory; otherwise what the file system reports.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Whether a file or directory of this name exists.
    fn exists(&self, path: &Path) -> bool;

    /// Makes a directory and its missing parents with the given mode.
    ///
    /// # Errors
    /// What the file system reports; one that exists is no error.
    fn create_dir_all(&self, dir: &Path, mode: u32) -> io::Result<()>;

    /// Makes creations, renamings and removals in `dir` survive a power cut.
    ///
    /// # Errors
    /// What the file system reports.
    fn sync_dir(&self, dir: &Path, point: SyncPoint) -> io::Result<()>;

    /// Takes the file (made if missing, mode 0600) for oneself until the guard is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when another has it; otherwise what the file system reports.
    fn hold(&self, path: &Path) -> io::Result<Box<dyn Guard>>;
}

/// Makes `dir` (mode 0700) with its missing parents, so that they survive a power cut.
///
/// # Errors
/// What the file system reports; a directory that exists is no error.
pub fn make_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let parents_to_sync: Vec<&Path> = dir
        .ancestors()
        .take_while(|dir| !dir.as_os_str().is_empty() && !disk.exists(dir))
        .filter_map(Path::parent)
        .collect();
    disk.create_dir_all(dir, DIR_MODE)?;
    for parent in parents_to_sync {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        disk.sync_dir(parent, SyncPoint::NewDir)?;
    }
    Ok(())
}

/// Replaces the file `dir/name` by `bytes` so that a power cut leaves the old content or the new, never a mixture.
///
/// # Errors
/// What the file system reports; the old content is then still there, unless only the last step (the directory sync)
/// failed: then either may be.
pub fn replace_file(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    bytes: &[u8],
    (file_point, dir_point): (SyncPoint, SyncPoint),
) -> io::Result<()> {
    let temporary = dir.join(format!("{name}{TEMPORARY}"));
    let written = disk.create(&temporary).and_then(|file| {
        file.write_at(0, bytes)?;
        file.sync_data(file_point)
    });
    if let Err(error) = written.and_then(|()| disk.rename(&temporary, &dir.join(name))) {
        // The half-written file helps nobody; if it stays, the next start removes it.
        let _removed = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_dir(dir, dir_point)
}

/// Ending of the files that [`replace_file`] writes before it renames them; one found at start is left over from a crash.
pub const TEMPORARY: &str = ".tmp";

/// Reads a whole file, at most `max_bytes` of it.
///
/// # Errors
/// `NotFound` when there is none; `FileTooLarge` when it is longer than `max_bytes`; otherwise what the file system
/// reports.
pub fn read_file(disk: &dyn Disk, path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len_bytes = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if len_bytes > max_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; len_bytes];
    let filled = file.read_at(0, &mut bytes)?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// Whether an error says that there is no room, so that it may pass when room comes back.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error says that this process, or the host, has no descriptor or no memory left: it says nothing of the file.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
