//! Reading a segment, damaged or not.

use super::format::{HEADER_BYTES, RECORD_HEADER_BYTES, Record, SegmentHeader};
use std::ops::Range;

/// What stands in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record, and where it stands.
    Record(Record<'a>, Range<usize>),
    /// Bytes that should be records and are not.
    Bad(Range<usize>),
}

/// Everything in a segment's bytes, in order; nothing if its header is damaged. Never fails, whatever the bytes are.
/// Unused space at the end is left out; a half-written record there is `Bad`.
pub fn scan(content: &[u8]) -> Vec<Found<'_>> {
    scan_whole(content).unwrap_or_default()
}

/// As [`scan`]; `None` if the header is damaged.
pub(crate) fn scan_whole(content: &[u8]) -> Option<Vec<Found<'_>>> {
    SegmentHeader::decode(content).map(|header| records(content, &header))
}

/// As [`scan`], with the header at hand.
pub(super) fn records<'a>(content: &'a [u8], header: &SegmentHeader) -> Vec<Found<'a>> {
    let mark = header.nonce.to_le_bytes();
    let finder = memchr::memmem::Finder::new(&mark);
    let (mut found, mut at) = (Vec::new(), HEADER_BYTES);
    let mut due_lsn = header.first_lsn;
    // Where bytes that are no record begin, if they do.
    let mut bad: Option<usize> = None;
    while let Some(rest) = content.get(at..).filter(|rest| rest.len() >= RECORD_HEADER_BYTES) {
        if let Some(record) = Record::decode(rest, header.nonce, due_lsn) {
            if let Some(from) = bad.take() {
                found.push(Found::Bad(from..at));
            }
            let end = at + record.len();
            due_lsn = record.lsn + 1;
            found.push(Found::Record(record, at..end));
            at = end;
            continue;
        }
        // What stands here is unused, old, or damaged: only a nonce further on tells.
        let from = *bad.get_or_insert(at);
        match finder.find(&rest[1..]) {
            Some(next) => at += 1 + next,
            None => {
                // A nonce in the damaged bytes themselves: a record was begun here and not ended.
                if let Some(first) = finder.find(&content[from..]) {
                    let from = from + first;
                    found.push(Found::Bad(from..torn_end(content, from)));
                }
                return found;
            }
        }
    }
    if let Some(from) = bad {
        found.push(Found::Bad(from..content.len()));
    }
    found
}

/// Where the bytes of a record that was begun at `from` and never ended may end: before the zeros behind it.
fn torn_end(content: &[u8], from: usize) -> usize {
    content.iter().rposition(|&byte| byte != 0).map_or(from, |last| last + 1).max(from)
}
