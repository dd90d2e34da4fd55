//! The log: every batch as it came, before anybody is told that it is stored.
//!
//! It is a row of preallocated segments. Records are written in groups, one write and one sync for all that wait. A
//! segment that the disk has failed on is left behind; what it refused is declared void by the next one. When all of a
//! segment is in parts, its file is used again under a new number and a new nonce, so that what still stands in it means
//! nothing.

mod format;
mod judge;
mod look;
mod recover;
mod scan;
mod write;

use format::SegmentHeader;

pub use format::{MAX_PAYLOAD_BYTES, Record};
pub use judge::{Finding, FindingKind};
pub(crate) use look::{Places, contents, places};
pub(crate) use recover::Opened;
pub(crate) use scan::scan_whole;
pub use scan::{Found, scan};
pub(crate) use write::{CommitError, NewRecord, Wal};

/// The bytes of a segment with these records and no unused space, as the log writes them: for tools and tests.
#[must_use]
pub fn segment(number: u64, nonce: u64, records: &[Record<'_>]) -> Vec<u8> {
    let first_lsn = records.first().map_or(1, |record| record.lsn);
    let mut bytes = SegmentHeader { number, nonce, first_lsn, void_from: first_lsn }.encode();
    for record in records {
        record.encode(nonce, &mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests;
