//! What can go wrong in the store as a whole.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the directory.
    #[error("another process uses the store in {0}; stop it, or give this one a directory of its own (LS01)")]
    InUse(PathBuf),
    /// The disk failed, or is full. What was acknowledged is safe.
    #[error("cannot {action} {path}: {source}; check the disk and its free space (LS03)")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// There are too many open files, or too little memory, to open the store. Nothing is lost.
    #[error(
        "cannot open {path}: {source}; raise the limit of open files ('ulimit -n', systemd's LimitNOFILE) or free memory, \
         and start again: nothing is lost (LS03)"
    )]
    Exhausted {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest could not be opened or written.
    #[error("the store's manifest: {0} (LS03)")]
    Manifest(#[from] disk::journal::Error),
    /// Bytes of a file of the store are not what was written.
    #[error("{path} is damaged: {what} (LS04)")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A part could not be written or read.
    #[error("{path}: {source}")]
    Part {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::part::Error,
    },
    /// Parts could not be merged.
    #[error(transparent)]
    Merge(#[from] crate::part::MergeError),
    /// A thread has ended by a fault of the program. What was acknowledged is safe.
    #[error(
        "the store's thread '{0}' has ended by a fault of the program; start it again, and report what the log says (LS09)"
    )]
    Broken(&'static str),
    /// The store has been closed.
    #[error("the store is closed; open it again")]
    Closed,
}

impl Error {
    /// The disk's answer to `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    /// What is wrong with the part at `path`.
    pub(crate) fn part(path: &Path, source: crate::part::Error) -> Self {
        Self::Part { path: path.to_path_buf(), source }
    }

    /// Whether a file is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether it is this process that lacks something, and not the file.
    pub(crate) fn is_exhausted(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Part { source: crate::part::Error::Io(source), .. } => {
                disk::is_exhausted(source)
            }
            Self::Exhausted { .. } => true,
            _ => false,
        }
    }

    /// Says so, if it is.
    pub(crate) fn or_exhausted(self) -> Self {
        match self {
            Self::Io { path, source, .. } | Self::Part { path, source: crate::part::Error::Io(source) }
                if disk::is_exhausted(&source) =>
            {
                Self::Exhausted { path, source }
            }
            other => other,
        }
    }

    /// Whether the disk does not give the manifest, and that is not for want of something in this process.
    pub(crate) fn is_unread(&self) -> bool {
        let Self::Manifest(disk::journal::Error::Io { action: "read", source, .. }) = self else {
            return false;
        };
        !disk::salvage::is_about_us(source) && !disk::is_full(source)
    }

    /// Whether it may pass when there is room on the disk again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use crate::part::{Error as Part, MergeError};
        match self {
            Self::Io { source, .. }
            | Self::Manifest(disk::journal::Error::Io { source, .. })
            | Self::Part { source: Part::Io(source), .. }
            | Self::Merge(MergeError::Write(Part::Io(source))) => disk::is_full(source),
            _ => false,
        }
    }
}
