//! The log: every batch as it came, before anybody is told that it is stored.
//!
//! It is a row of preallocated segments. Records are written in groups, one write and one sync for all that wait. A
//! segment that the disk has failed on is left behind; what it refused is declared void by the next one. When all of a
//! segment is in parts, its file is used again under a new number and a new nonce, so that what still stands in it means
//! nothing.

mod format;
mod recover;
mod scan;
mod write;

pub use format::{MAX_PAYLOAD_BYTES, Record};
pub(crate) use recover::Opened;
pub use recover::{Finding, FindingKind};
pub use scan::{Found, scan};
pub(crate) use write::{CommitError, NewRecord, Wal};

#[cfg(test)]
mod tests;
