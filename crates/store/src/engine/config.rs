//! What can be set.

use crate::retention::Retention;

/// What can be set. Bounds that are too small are raised to what works.
#[derive(Clone, Debug)]
pub struct Config {
    /// Size of the log's segments, bytes.
    pub segment_bytes: u64,
    /// The memtable goes into parts at so many bytes of heap.
    pub flush_bytes: usize,
    /// Bytes of heap of all that is in memory and not in parts; beyond, batches are told to come later.
    pub memory_bytes: usize,
    /// Bytes of batches, decompressed, that may wait for the log; beyond, batches are told to come later.
    pub queue_bytes: usize,
    /// The memtable goes into parts when its first row is so old, seconds.
    pub flush_after_s: u32,
    /// Disk space kept back, so that a flush can end when the disk is full. 0: none.
    pub reserve_bytes: u64,
    /// Files of parts that stay open; the others are opened again when they are read. Beside them the store has a handful open, and one
    /// for each thread that searches.
    pub open_parts: usize,
    /// A day that is over is rewritten when nothing of it has changed for so long, seconds.
    pub quiet_s: u32,
    /// Most parts that are merged into one at once.
    pub merge_inputs: usize,
    /// Parts grow to about this size by merging while their day lasts, bytes.
    pub merge_bytes: u64,
    /// Flush and merge by themselves. Without it, only [`super::Engine::flush_now`] and [`super::Engine::maintain`] do.
    pub background: bool,
    /// How long rows are kept.
    pub retention: Retention,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            flush_bytes: 32 << 20,
            memory_bytes: 48 << 20,
            queue_bytes: 16 << 20,
            flush_after_s: 600,
            reserve_bytes: 64 << 20,
            open_parts: 128,
            quiet_s: 2 * 3600,
            merge_inputs: 8,
            merge_bytes: 1 << 30,
            background: true,
            retention: Retention::default(),
        }
    }
}
