//! Disk space kept back, so that a flush that is under way when the disk becomes full can end.

use crate::error::Error;
use disk::Disk;
use std::path::{Path, PathBuf};

/// The file's name.
pub(super) const NAME: &str = "reserve";

/// Disk space kept back.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    is_held: bool,
}

impl Reserve {
    /// The reserve in the store's directory. It is not held yet.
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: dir.join(NAME), bytes, is_held: bytes == 0 }
    }

    /// Takes the space, if it is not held.
    ///
    /// # Errors
    /// When there is not so much room.
    pub(super) fn take(&mut self, disk: &dyn Disk) -> Result<(), Error> {
        if self.is_held {
            return Ok(());
        }
        let file = match disk.open(&self.path) {
            Ok(file) => Ok(file),
            Err(_) => disk.create(&self.path),
        };
        let taken = file.and_then(|file| file.allocate(self.bytes));
        match taken {
            Ok(()) => self.is_held = true,
            // What was taken of it is not enough, and others may need it.
            Err(_) => self.give(disk),
        }
        taken.map_err(|error| Error::io("keep space back in", &self.path, error))
    }

    /// Gives the space back.
    pub(super) fn give(&mut self, disk: &dyn Disk) {
        if self.bytes > 0 {
            self.is_held = false;
            let _removed = disk.remove(&self.path);
        }
    }
}
