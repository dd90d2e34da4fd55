//! What can go wrong with one part.

use std::io;

/// Why a part could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed, or is full.
    #[error("{0}; check the disk and its free space")]
    Io(#[from] io::Error),
    /// Bytes of the file are not what was written. Other frames of the part may be whole.
    #[error(
        "{what} is damaged at byte {at}; 'logway store check' says what is lost, 'logway store repair' sets it aside"
    )]
    Damaged {
        /// What does not fit.
        what: &'static str,
        /// Where in the file the damaged piece begins.
        at: u64,
    },
    /// The part was written by a later version.
    #[error("the part has format version {0}, this program reads up to {known}; use a newer one", known = super::VERSION)]
    Version(u32),
    /// Rows were not handed over in order of org, app and time, or no rows were.
    #[error("rows for a part must come by org, app and time, and there must be some")]
    Order,
}

/// Bytes that do not decode. The place in the file is known further up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad(pub(crate) &'static str);

impl From<line::Error> for Bad {
    fn from(_: line::Error) -> Self {
        Self("a number or name")
    }
}

impl Bad {
    /// The error for a piece that begins at `at`.
    pub(crate) const fn at(self, at: u64) -> Error {
        Error::Damaged { what: self.0, at }
    }
}
