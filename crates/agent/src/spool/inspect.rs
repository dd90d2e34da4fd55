//! A segment's bytes on their own, without a spool around them: for tools that look into one, and for fuzzing.

use super::boots::decode_notes;
use super::format::{Found, HEADER_BYTES, Kind, SegmentHeader, scan};
use super::reader::owned;
use super::write::is_batch;
use super::{Batch, Pos};

/// What stands in the bytes of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentScan {
    /// The valid batches, in order of position. Together they hold fewer bytes than the segment.
    pub batches: Vec<Batch>,
    /// Boots that its checkpoints tell of, with repetitions.
    pub notes: usize,
    /// Boots that end in it.
    pub ended: usize,
    /// Position after the last valid record; that of the first one if there is none.
    pub end: Pos,
    /// Bytes before the end that are no valid record.
    pub damaged_bytes: u64,
    /// Whether anything but zeros stands after the end.
    pub is_torn: bool,
}

/// Reads all records of a segment, given the bytes of its file from the beginning; `None` if it has no valid header.
///
/// It takes any bytes, never panics, and what it returns is no larger than what it was given, save for a fixed part for each
/// record. Whether a later segment declares parts of this one void, only the whole spool knows.
#[must_use]
pub fn scan_segment(bytes: &[u8]) -> Option<SegmentScan> {
    let header = SegmentHeader::decode(bytes)?;
    let start = Pos(header.base.checked_add(HEADER_BYTES as u64)?);
    let whole =
        usize::try_from(header.capacity).map_or(bytes, |capacity| bytes.get(..capacity).unwrap_or(bytes));
    let mut scanned = SegmentScan::default();
    let (end, is_torn) =
        scan(whole.get(HEADER_BYTES..).unwrap_or_default(), header.nonce, start, |found| match found {
            Found::Record(record) if is_batch(record.kind) => scanned.batches.push(owned(&record)),
            Found::Record(record) if record.kind == Kind::Checkpoint => {
                scanned.notes += decode_notes(record.body).len();
            }
            Found::Record(record) => scanned.ended += usize::from(record.kind == Kind::End),
            Found::Bad(from, to) => scanned.damaged_bytes += to.0 - from.0,
        });
    Some(SegmentScan { end, is_torn, ..scanned })
}
