//! Reading a file from a disk that gives some of it no more: what can be had is had.

use crate::{Disk, File, is_exhausted};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes read of one file; no writer makes one that is larger.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// What disks and file systems give or refuse together.
const BLOCK_BYTES: usize = 4096;
/// How often something is tried before it is given up.
const ATTEMPTS: u32 = 3;
/// The same for a whole file, which is three seconds: nothing of it is given up because a disk of the network was away for a moment.
const FILE_ATTEMPTS: u32 = 7;
/// How long is waited before it is tried again: a path to a disk that was away for a moment may be back. Each further time it is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// Reads that fail for good before the rest of a file is given up: a disk that is broken answers slowly.
const MAX_FAILURES: usize = 256;

/// What could be read of a file.
#[derive(Debug, Default)]
pub struct Content {
    /// Its bytes; zeros where they could not be read.
    pub bytes: Vec<u8>,
    /// Which could not, rising.
    pub unread: Vec<Range<usize>>,
    /// Why the first of them could not.
    pub why: Option<io::Error>,
}

/// Whether an error says nothing of the file: the process lacks something, or may not read it. That is to be mended, and nothing given up.
#[must_use]
pub fn is_about_us(error: &io::Error) -> bool {
    is_exhausted(error) || error.kind() == io::ErrorKind::PermissionDenied
}

/// Does it, and again if it fails and may not the next time: for three seconds at most.
///
/// # Errors
/// Of the last time; at once `NotFound` and what [`is_about_us`].
pub fn again<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut left = FILE_ATTEMPTS;
    let mut pause = PAUSE;
    loop {
        left -= 1;
        match attempt() {
            Err(error) if left > 0 && error.kind() != io::ErrorKind::NotFound && !is_about_us(&error) => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            done => return done,
        }
    }
}

/// Reads a whole file, block by block where it must.
///
/// # Errors
/// When it cannot be opened, also not when it is tried again; `FileTooLarge` for one that no writer makes; what [`is_about_us`].
pub fn read(disk: &dyn Disk, path: &Path) -> io::Result<Content> {
    let file = again(|| disk.open(path))?;
    let len = again(|| file.len())?;
    let len = usize::try_from(len).ok().filter(|_| len <= MAX_FILE_BYTES);
    let len = len.ok_or(io::ErrorKind::FileTooLarge)?;
    let mut reading =
        Reading { file, content: Content { bytes: vec![0; len], ..Content::default() }, failures: 0 };
    reading.range(0..len, true)?;
    Ok(reading.content)
}

struct Reading {
    file: Arc<dyn File>,
    content: Content,
    failures: usize,
}

impl Reading {
    fn range(&mut self, range: Range<usize>, is_first: bool) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        if self.failures >= MAX_FAILURES {
            self.give_up(range, None);
            return Ok(());
        }
        let is_block = range.len() <= BLOCK_BYTES;
        let (file, bytes) = (&self.file, &mut self.content.bytes[range.clone()]);
        let mut attempt = || file.read_at(range.start as u64, bytes);
        let mut read = attempt();
        if read.is_err() && is_first {
            std::thread::sleep(PAUSE);
        }
        for _ in 1..if is_block { ATTEMPTS } else { 1 } {
            read = read.or_else(|_| attempt());
        }
        match read {
            Ok(_) => Ok(()),
            Err(error) if is_about_us(&error) => Err(error),
            Err(error) if is_block => {
                self.failures += 1;
                self.give_up(range, Some(error));
                Ok(())
            }
            Err(_) => {
                let middle = range.start + (range.len() / 2).next_multiple_of(BLOCK_BYTES).min(range.len());
                self.range(range.start..middle, false)?;
                self.range(middle..range.end, false)
            }
        }
    }

    fn give_up(&mut self, range: Range<usize>, error: Option<io::Error>) {
        self.content.bytes[range.clone()].fill(0);
        if self.content.why.is_none() {
            self.content.why = error;
        }
        match self.content.unread.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.content.unread.push(range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Call, FaultDisk};

    fn disk() -> FaultDisk {
        let disk = FaultDisk::new();
        let content: Vec<u8> = (0..100_000u32).map(|at| at.to_le_bytes()[0] | 1).collect();
        disk.put(Path::new("/f"), &content);
        disk
    }

    #[test]
    fn only_blocks_that_cannot_be_read_are_missing() {
        let disk = disk();
        let whole = disk.content(Path::new("/f")).unwrap();
        disk.spoil(Path::new("/f"), 5000..5001).unwrap();
        disk.spoil(Path::new("/f"), 99_999..100_000).unwrap();
        let read = read(&disk, Path::new("/f")).unwrap();
        assert_eq!(read.unread.len(), 2, "{:?}", read.unread);
        for (at, (byte, was)) in read.bytes.iter().zip(&whole).enumerate() {
            let is_unread = read.unread.iter().any(|range| range.contains(&at));
            assert!(*byte == if is_unread { 0 } else { *was }, "{at}");
        }
        assert!(read.unread.iter().all(|range| range.len() <= BLOCK_BYTES));
        assert!(read.unread[0].contains(&5000) && read.unread[1].contains(&99_999) && read.why.is_some());
    }

    #[test]
    fn what_fails_once_or_twice_is_read() {
        for nth in [&[1][..], &[1, 2], &[1, 2, 3]] {
            let disk = disk();
            nth.iter().for_each(|nth| disk.fail_nth(Call::Read, *nth, io::ErrorKind::Other));
            let read = read(&disk, Path::new("/f")).unwrap();
            assert!(read.unread.is_empty() && read.bytes == disk.content(Path::new("/f")).unwrap());
        }
    }

    #[test]
    fn what_is_about_this_process_is_an_error() {
        let disk = disk();
        disk.fail_nth(Call::Read, 1, io::ErrorKind::OutOfMemory);
        assert!(read(&disk, Path::new("/f")).is_err());
        disk.fail_nth(Call::Open, 1, io::ErrorKind::PermissionDenied);
        assert!(read(&disk, Path::new("/f")).is_err());
        disk.spoil_whole(Path::new("/f")).unwrap();
        assert!(read(&disk, Path::new("/f")).is_err());
    }
}
