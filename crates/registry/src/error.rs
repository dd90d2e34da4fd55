//! Why a change was not made, or a state not read.

use std::io;
use std::path::PathBuf;

use disk::journal;
use line::OrgId;

use crate::{Slug, Snapshot};

/// Why a change was not made, or a state not read. Nothing has changed then, save as [`Error::Journal`] says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A slug of other characters, empty, or too long.
    #[error("slug {0:?} is not 1 to {max} of the characters a-z, 0-9 and '-'; choose another", max = Slug::MAX_BYTES)]
    SlugIllegal(String),
    /// A slug that another org has, or that is another org's id.
    #[error("slug {0} is taken by another org; choose another, or rename that org first")]
    SlugTaken(Slug),
    /// No org is called so, or has this id.
    #[error("there is no org {0:?}; list the orgs with 'logway orgs list'")]
    UnknownOrg(String),
    /// The org is no more, and never comes back.
    #[error("the org {0} has ended; make a new one")]
    OrgEnded(OrgId),
    /// A name, as of an app, a host or a store, that is empty or too long.
    #[error("a name cannot be used; give 1 to 63 bytes, best of a-z, 0-9 and '-'")]
    Name(#[from] line::Error),
    /// No shards belong to a store of this name, or did.
    #[error("there is no store {0}; list them with 'logway store list'")]
    UnknownStore(line::Name),
    /// The store keeps new lines.
    #[error("{shards} shards belong to the store {store}; give them to another one first")]
    StoreHasShards {
        /// Which.
        store: line::Name,
        /// How many.
        shards: usize,
    },
    /// A public key that is empty or too long.
    #[error("a public key has 1 to {max_bytes} bytes, not {len}; give the bare key, without an envelope")]
    KeyBytes {
        /// Its length in bytes.
        len: usize,
        /// The longest that is taken.
        max_bytes: usize,
    },
    /// A public key that is there already.
    #[error("this public key is key {0} already; make a new key pair")]
    KeyKnown(u32),
    /// A key id that was never given out, or whose key was retired so long ago that it is forgotten.
    #[error("there is no signing key {0}; list the keys")]
    UnknownKey(u32),
    /// Retiring this key would leave none: nobody could log in.
    #[error("key {0} is the only one that is not retired; add the next key first")]
    LastKey(u32),
    /// A revocation id that is empty or too long.
    #[error("a revocation id has 1 to {max_bytes} bytes, not {len}; give the bytes, not their text form")]
    RevocationBytes {
        /// Its length in bytes.
        len: usize,
        /// The longest that is taken.
        max_bytes: usize,
    },
    /// A bound of the state is reached.
    #[error("there is room for {max} {what} and no more; {remedy}")]
    Full {
        /// What there are too many of, in the plural.
        what: &'static str,
        /// How many there may be.
        max: usize,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The journal cannot be opened or written. A change that failed so is not in force, but after a restart it may be:
    /// make it again, or look first.
    #[error(
        "the journal of the registry cannot be used; check the disk of the data directory, then try again"
    )]
    Journal(#[source] journal::Error),
    /// A snapshot longer than any that is made.
    #[error("a snapshot of {0} bytes, at most {max} are taken; fetch it again", max = Snapshot::MAX_BYTES)]
    SnapshotSize(usize),
    /// A snapshot that another version of the program has made.
    #[error("a snapshot of format {0}, this program reads format {ours}; run the same version everywhere", ours = Snapshot::FORMAT)]
    SnapshotFormat(u32),
    /// A snapshot that is not JSON of the right shape.
    #[error("the snapshot cannot be read; fetch it again")]
    SnapshotJson(#[from] serde_json::Error),
    /// A snapshot that contradicts itself.
    #[error("the snapshot is not that of a registry: {0}; fetch it again")]
    SnapshotContent(&'static str),
    /// A name for a token that is too long or has characters that are not for people.
    #[error("a token's name has at most {max_bytes} bytes, and no control characters; choose another")]
    TokenName {
        /// The longest that is taken.
        max_bytes: usize,
    },
    /// A token, or a scope for one, that cannot be used.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A key file cannot be read or written.
    #[error("cannot {action} the key file {path}; check the disk of the data directory, then try again")]
    KeyFile {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The admin socket cannot be made.
    #[error("cannot listen on {path}; check the owner and the permissions of the data directory")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A page of a snapshot that does not fit what was asked for, or pages that do not make what they say.
    #[error("a page of the registry's state cannot be used: {0}; it is fetched again")]
    Page(&'static str),
    /// The registry did not answer.
    #[error("the registry does not answer: {0}; see that it runs, and that this role may ask it")]
    NoAnswer(&'static str),
    /// The question did not reach the bus.
    #[error("the registry cannot be asked")]
    Bus(#[from] bus::Error),
    /// The process ends before the work was done.
    #[error("this process ends; ask again when it is back")]
    Ending,
}

impl Error {
    /// Its code in the catalogue, if it is one that a person can do something about.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Name(_) => Some("LA12"),
            // The kernel takes 107 bytes at most.
            Self::Socket { source, .. } if source.kind() == io::ErrorKind::InvalidInput => Some("LA13"),
            Self::Socket { .. } => Some("LA14"),
            Self::Journal(_) | Self::KeyFile { .. } => Some("LR02"),
            Self::Bus(_) | Self::NoAnswer(_) => Some("LR03"),
            Self::SnapshotSize(_)
            | Self::SnapshotFormat(_)
            | Self::SnapshotJson(_)
            | Self::SnapshotContent(_)
            | Self::Page(_) => Some("LR04"),
            Self::UnknownOrg(_) | Self::OrgEnded(_) => Some("LR05"),
            Self::SlugIllegal(_) | Self::SlugTaken(_) => Some("LR06"),
            Self::Access(_) | Self::TokenName { .. } | Self::RevocationBytes { .. } => Some("LR07"),
            Self::KeyBytes { .. } | Self::KeyKnown(_) | Self::UnknownKey(_) | Self::LastKey(_) => {
                Some("LR08")
            }
            Self::Full { .. } => Some("LR09"),
            Self::UnknownStore(_) => Some("LR15"),
            Self::StoreHasShards { .. } => Some("LR16"),
            Self::Ending => None,
        }
    }
}
