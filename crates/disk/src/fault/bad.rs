//! What the disk gives no more, however often it is asked.

use super::FaultDisk;
use std::io;
use std::ops::Range;
use std::path::Path;

/// What cannot be had of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Bad {
    /// Bytes that cannot be read.
    ranges: Vec<Range<usize>>,
    /// It cannot be opened.
    whole: bool,
}

impl Bad {
    pub(super) fn open(&self) -> io::Result<()> {
        if self.whole { Err(rustix::io::Errno::IO.into()) } else { Ok(()) }
    }

    pub(super) fn read(&self, wanted: Range<usize>) -> io::Result<()> {
        let is_bad = |range: &Range<usize>| range.start < wanted.end && wanted.start < range.end;
        if self.ranges.iter().any(is_bad) { Err(rustix::io::Errno::IO.into()) } else { Ok(()) }
    }
}

impl FaultDisk {
    /// From now on, reads that touch these bytes of a file give EIO, under whatever name it has by then.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn spoil(&self, path: &Path, range: Range<usize>) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.file(path)?;
        state.files[id].bad.ranges.push(range);
        Ok(())
    }

    /// From now on, opening a file gives EIO, under whatever name it has by then.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn spoil_whole(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.file(path)?;
        state.files[id].bad.whole = true;
        Ok(())
    }

    /// Everything can be read again.
    pub fn unspoil(&self) {
        self.lock().files.iter_mut().for_each(|file| file.bad = Bad::default());
    }
}
