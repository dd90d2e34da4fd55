//! A frame: rows of one app, each column by itself.
//!
//! A frame says by itself whose rows it holds, so that it can be copied from part to part byte for byte, and be read when the
//! part's directory is lost. It is the length of its header (u32), the header's CRC32 (u32), the header (pressed), and the
//! columns one behind the other. The header: org, app (strings), count of rows (varint), count of sources (varint), each of them
//! as region, instance, host (strings) and boot (u64); count of columns (varint), each as its id (varint; for a further field
//! [`NAMED`] and its name), its length (varint) and CRC32 (u32).

mod read;
mod write;

pub use read::Frame;
pub(super) use read::{Copy, take_name};
pub(super) use write::write;

/// Most rows of a frame.
pub(super) const MAX_ROWS: usize = 1 << 16;

/// Most sources of a frame: each row could come from another one.
pub(super) const MAX_SOURCES: usize = MAX_ROWS;

/// Most further fields that a writer puts into one frame; it begins another one before a row that would bring more.
pub(super) const MAX_FIELDS: usize = 5000;

/// Most columns that a reader takes.
const MAX_COLUMNS: usize = 8192;

/// Times, rising: numbers, deltas.
const TIME: u64 = 0;
/// Commit order: numbers, deltas.
const POS: u64 = 1;
/// The source of each row: numbers.
const SOURCE: u64 = 2;
/// Sequence numbers: length of a block of numbers (varint), that block: the first one of each source; then numbers: for each
/// row the zigzag difference from what is expected, which is the last one of its source and that one's span, or the first one.
const SEQ: u64 = 3;
/// Spans less one: numbers. Absent if all are 1.
const SPAN: u64 = 4;
/// [`crate::Kind::bits`]: count of different ones (varint), those (u16 each), then numbers: the place of each row's among them.
const KIND: u64 = 5;
/// Messages: texts.
const MESSAGE: u64 = 6;
/// A further field: texts, empty where a row does not have it.
const NAMED: u64 = 7;
