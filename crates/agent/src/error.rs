//! Why the agent could not start, or go on.

use std::io;
use std::path::PathBuf;

use disk::journal;

use crate::spool;

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spool's directory cannot be used.
    #[error("[LA14] the spool cannot be opened; check the owner and the permissions of the data directory")]
    Spool(#[source] spool::Error),
    /// The journal of registrations cannot be used.
    #[error(
        "[LA14] the journal of Machines cannot be opened; check the owner and the permissions of the data directory"
    )]
    Journal(#[source] journal::Error),
    /// A directory or a socket cannot be made.
    #[error("[LA14] cannot {action} {path}; check the owner and the permissions of the data directory")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The directory or the socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A socket's path is longer than the kernel takes.
    #[error(
        "[LA13] the socket path {path} has {len} bytes, at most {max} are possible; use a shorter data directory"
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
        /// The kernel's bound.
        max: usize,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread; raise the limit of processes (ulimit -u)")]
    Thread(#[source] io::Error),
    /// The host's or the region's name cannot be used.
    #[error("[LA12] the {what} cannot be used as a name")]
    Name {
        /// `host` or `region`.
        what: &'static str,
        /// Why.
        source: line::Error,
    },
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
