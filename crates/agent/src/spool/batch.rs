//! What goes into the spool and comes out of it.

use std::sync::Arc;

/// Most bytes of a key.
pub const MAX_KEY_BYTES: usize = 1024;

/// Most bytes of a batch's encoded entries: 8 MiB, several times what a frame of the Machine socket can hold.
pub const MAX_BODY_BYTES: usize = 8 << 20;

/// A place in the spool: an offset that rises over all segments and all starts and is never used twice for something
/// durable. Only its order means anything; it is not dense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos(
    /// The offset.
    pub u64,
);

/// Consecutive entries of one boot of one Machine, to be appended.
#[derive(Clone, Copy, Debug)]
pub struct BatchRef<'a> {
    /// The Machine: opaque bytes, 1 to [`MAX_KEY_BYTES`]. They begin with the group.
    pub key: &'a [u8],
    /// How many of the key's first bytes name the group (the app) that the quota counts for; at most the whole key.
    pub group_len: usize,
    /// The boot.
    pub boot: u64,
    /// Seq of the first entry; at least 1.
    pub first_seq: u64,
    /// Seq after the last entry; greater than `first_seq`.
    pub next_seq: u64,
    /// Number of entries; a statement of the caller that [`super::SpoolReader::newest_start`] counts by.
    pub count: u32,
    /// The encoded entries, at most [`MAX_BODY_BYTES`].
    pub bytes: &'a [u8],
    /// When the host took it, ns since 1970; kept as it is.
    pub time: i64,
}

/// One boot of one Machine, of which something is noted beside its entries.
#[derive(Clone, Copy, Debug)]
pub struct BootRef<'a> {
    /// The Machine, as [`BatchRef::key`].
    pub key: &'a [u8],
    /// As [`BatchRef::group_len`]: the group that the quota counts the note for.
    pub group_len: usize,
    /// The boot.
    pub boot: u64,
}

/// A batch as it was appended, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where it stands.
    pub pos: Pos,
    /// Where the next one may stand: the cursor after this batch.
    pub next: Pos,
    /// The Machine.
    pub key: Arc<[u8]>,
    /// How many of the key's first bytes name the group.
    pub group_len: usize,
    /// The boot.
    pub boot: u64,
    /// Seq of the first entry.
    pub first_seq: u64,
    /// Seq after the last entry.
    pub next_seq: u64,
    /// Number of entries.
    pub count: u32,
    /// Whether it fills a hole, so that its seqs are below those of batches before it.
    pub fill: bool,
    /// The encoded entries.
    pub bytes: Vec<u8>,
    /// When the host took it, ns since 1970.
    pub time: i64,
}
