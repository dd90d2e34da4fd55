//! The files of parts: as many are open as may be, and the others are opened again when they are read.
//!
//! A store may have more parts than a process may have open files. So a part keeps its file's name, and what the file ends with: place,
//! length and checksum of its tables. Another file that has taken the name is not taken for it. Names of files that somebody may read must
//! therefore stay until nobody does: whoever removes parts sees to that.

use disk::{Disk, File, SyncPoint};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Bytes at the end that tell which file it is: a part's footer.
const END_BYTES: u64 = 40;

/// How often a file is tried to be opened when the process has no descriptor left: each time there are fewer in use.
const ATTEMPTS: u32 = 8;

/// The open files of parts.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) disk: Arc<dyn Disk>,
    /// How many may be open, but for those that are being read at the moment. It falls when the process has fewer.
    most: AtomicUsize,
    /// Rises with each use.
    uses: AtomicU64,
    open: Mutex<Vec<Weak<PartFile>>>,
}

/// The file of one part, for reading.
#[derive(Debug)]
pub(crate) struct PartFile {
    files: Arc<Files>,
    path: PathBuf,
    id: Identity,
    open: Mutex<Option<Arc<dyn File>>>,
    /// When it was used last.
    used: AtomicU64,
    me: Weak<Self>,
}

/// What tells one file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    len: u64,
    end: Vec<u8>,
}

impl Identity {
    fn of(file: &dyn File) -> io::Result<Self> {
        let len = file.len()?;
        let mut end = vec![0; usize::try_from(len.min(END_BYTES)).unwrap_or(0)];
        let filled = file.read_at(len.saturating_sub(END_BYTES), &mut end)?;
        end.truncate(filled);
        Ok(Self { len, end })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    /// Files on `disk`, of which at most `most` (at least 1) stay open.
    pub(crate) fn new(disk: Arc<dyn Disk>, most: usize) -> Arc<Self> {
        Arc::new(Self {
            disk,
            most: AtomicUsize::new(most.max(1)),
            uses: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// Opens a part's file.
    pub(crate) fn open(self: &Arc<Self>, path: &Path) -> io::Result<Arc<PartFile>> {
        let file = self.open_now(path)?;
        let id = Identity::of(&*file)?;
        let part = Arc::new_cyclic(|me| PartFile {
            files: Arc::clone(self),
            path: path.to_path_buf(),
            id,
            open: Mutex::new(Some(file)),
            used: AtomicU64::new(self.next_use()),
            me: Weak::clone(me),
        });
        self.note(Weak::clone(&part.me));
        Ok(part)
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        lock(&self.open).iter().filter(|file| file.strong_count() > 0).count()
    }

    fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens a file; if this process has no descriptor left, parts give half of theirs up, for good.
    fn open_now(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match self.disk.open(path) {
                Err(error) if left > 0 && disk::is_exhausted(&error) => {
                    let half = (self.count() / 2).max(1);
                    let most = self.most.fetch_min(half, Ordering::Relaxed).min(half);
                    tracing::warn!(code = "LS03", %error, most, "parts are read with fewer open files");
                    self.close_beyond(most);
                }
                opened => return opened,
            }
        }
    }

    /// Notes that a file is open. Those that were not used for longest are closed.
    fn note(&self, file: Weak<PartFile>) {
        lock(&self.open).push(file);
        self.close_beyond(self.most.load(Ordering::Relaxed));
    }

    fn close_beyond(&self, most: usize) {
        let mut open = lock(&self.open);
        open.retain(|file| file.strong_count() > 0);
        let beyond = open.len().saturating_sub(most);
        if beyond == 0 {
            return;
        }
        let mut by_use: Vec<(u64, Arc<PartFile>)> = open
            .iter()
            .filter_map(|file| file.upgrade().map(|file| (file.used.load(Ordering::Relaxed), file)))
            .collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        by_use.truncate(beyond);
        open.retain(|file| {
            !by_use.iter().any(|(_, closed)| std::ptr::eq(file.as_ptr(), &raw const **closed))
        });
        drop(open);
        // Whoever reads one just now keeps it open until that is done.
        by_use.iter().for_each(|(_, file)| *lock(&file.open) = None);
    }
}

impl PartFile {
    fn file(&self) -> io::Result<Arc<dyn File>> {
        self.used.store(self.files.next_use(), Ordering::Relaxed);
        let mut open = lock(&self.open);
        if let Some(file) = &*open {
            return Ok(Arc::clone(file));
        }
        let file = self.files.open_now(&self.path)?;
        if Identity::of(&*file)? != self.id {
            return Err(io::Error::other("another file has taken the name of a part that is in use"));
        }
        *open = Some(Arc::clone(&file));
        drop(open);
        self.files.note(Weak::clone(&self.me));
        Ok(file)
    }
}

impl File for PartFile {
    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file()?.read_at(offset, buf)
    }

    fn allocate(&self, _len_bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _len_bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.id.len)
    }

    fn sync_data(&self, _point: SyncPoint) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::fault::{Call, FaultDisk};

    fn made(count: u8, most: usize) -> (FaultDisk, Arc<Files>, Vec<Arc<PartFile>>) {
        let disk = FaultDisk::new();
        for at in 0..count {
            disk.put(Path::new(&format!("/{at}")), &[at; 100]);
        }
        let files = Files::new(Arc::new(disk.clone()), most);
        let open = (0..count).map(|at| files.open(Path::new(&format!("/{at}"))).unwrap()).collect();
        (disk, files, open)
    }

    fn first(file: &PartFile) -> io::Result<u8> {
        let mut byte = [0];
        file.read_at(0, &mut byte).map(|_| byte[0])
    }

    #[test]
    fn those_used_last_stay_open() {
        let (disk, files, open) = made(10, 3);
        assert_eq!(files.count(), 3);
        let opens = disk.calls(Call::Open);
        for at in [7, 8, 9, 7, 8, 9] {
            assert_eq!(first(&open[at]).unwrap(), u8::try_from(at).unwrap());
        }
        assert_eq!(disk.calls(Call::Open), opens, "they were open");
        first(&open[0]).unwrap();
        first(&open[9]).unwrap();
        first(&open[8]).unwrap();
        assert_eq!(
            (disk.calls(Call::Open), files.count()),
            (opens + 1, 3),
            "the one used longest ago was closed"
        );
        drop(open);
        assert_eq!(files.count(), 0);
    }

    #[test]
    fn another_file_of_that_name_is_not_it() {
        let (disk, _files, open) = made(3, 1);
        disk.put(Path::new("/0"), &[9; 100]);
        assert!(first(&open[0]).is_err());
        disk.put(Path::new("/1"), &[1; 99]);
        assert!(first(&open[1]).is_err());
        assert_eq!(first(&open[2]).unwrap(), 2);
    }

    #[test]
    fn without_a_descriptor_the_others_are_closed_first() {
        let (disk, files, open) = made(5, 4);
        disk.fail_nth(Call::Open, 1, io::ErrorKind::OutOfMemory);
        assert_eq!((first(&open[0]).unwrap(), files.count()), (0, 2), "two of four, and no more from now on");
        assert_eq!((first(&open[1]).unwrap(), files.count()), (1, 2));
    }
}
