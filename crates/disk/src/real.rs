//! The host's file system.

use crate::{Disk, File, Guard, SyncPoint};
use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Mode of every file that is made here: its owner alone may read the lines of tenants.
const FILE_MODE: u32 = 0o600;

/// Bytes written at once where the file system cannot reserve space.
const ZEROS_BYTES: usize = 64 * 1024;

/// The host's file system. Files are made 0600, directories 0700.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(fs::File);

impl RealFile {
    /// Fills the file up to `len_bytes` with zeros that take space.
    fn write_zeros(&self, len_bytes: u64) -> io::Result<()> {
        let zeros = [0; ZEROS_BYTES];
        let mut at = self.0.metadata()?.len();
        while at < len_bytes {
            let piece = usize::try_from(len_bytes - at).unwrap_or(ZEROS_BYTES).min(ZEROS_BYTES);
            self.0.write_all_at(&zeros[..piece], at)?;
            at += piece as u64;
        }
        Ok(())
    }
}

impl File for RealFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.0.read_at(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        loop {
            match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len_bytes) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return self.write_zeros(len_bytes),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self, _point: SyncPoint) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(FILE_MODE);
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(fs::OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn create_dir_all(&self, dir: &Path, mode: u32) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(mode).create(dir)
    }

    fn sync_dir(&self, dir: &Path, _point: SyncPoint) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn hold(&self, path: &Path) -> io::Result<Box<dyn Guard>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealFile(file)))
    }
}

/// Closing the file lets go of the lock.
impl Guard for RealFile {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{make_dir, read_file, replace_file};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_and_directories_are_private() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        make_dir(&RealDisk, &dir).unwrap();
        let points = (SyncPoint::CursorFile, SyncPoint::CursorDir);
        replace_file(&RealDisk, &dir, "f", b"one", points).unwrap();
        replace_file(&RealDisk, &dir, "f", b"two", points).unwrap();
        assert_eq!(read_file(&RealDisk, &dir.join("f"), 3).unwrap(), b"two");
        assert_eq!(read_file(&RealDisk, &dir.join("f"), 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(RealDisk.list(&dir).unwrap(), ["f"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir.join("f")), 0o600);
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&root.path().join("a")), 0o700);
    }

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("LOCK");
        let held = RealDisk.hold(&path).unwrap();
        assert_eq!(RealDisk.hold(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        RealDisk.hold(&path).unwrap();
    }

    #[test]
    fn allocated_space_reads_as_zeros_and_keeps_what_was_written() {
        let root = tempfile::tempdir().unwrap();
        for zeros_by_hand in [false, true] {
            let path = root.path().join("f");
            let file = RealFile(fs::File::create_new(&path).unwrap());
            let file_rw = RealDisk.open(&path).unwrap();
            file_rw.write_at(0, b"head").unwrap();
            if zeros_by_hand {
                file.write_zeros(100_000).unwrap()
            } else {
                file.allocate(100_000).unwrap()
            }
            let mut buf = vec![1; 100_010];
            assert_eq!(file_rw.read_at(0, &mut buf).unwrap(), 100_000);
            assert_eq!(&buf[..4], b"head");
            assert!(buf[4..100_000].iter().all(|&byte| byte == 0));
            file.set_len(4).unwrap();
            assert_eq!(file.len().unwrap(), 4);
            RealDisk.remove(&path).unwrap();
        }
    }
}
