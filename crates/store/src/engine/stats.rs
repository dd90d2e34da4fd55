//! Figures.

use super::{Engine, lock};
use crate::aside::Aside;
use crate::clock::Doubt;

/// What happened since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) taken: u64,
    pub(super) duplicates: u64,
    pub(super) retimed: u64,
    pub(super) expired: u64,
    pub(super) rejected: u64,
    pub(super) ended: u64,
    pub(super) busy: u64,
    pub(super) disk_errors: u64,
    pub(super) boots_forgotten: u64,
    pub(super) flushes: u64,
    pub(super) merges: u64,
    pub(super) rewrites: u64,
    pub(super) parts_dropped: u64,
    pub(super) rows_dropped: u64,
}

/// Figures of an open store. Counts are since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records taken.
    pub taken: u64,
    /// Records dropped because they had come before.
    pub duplicates: u64,
    /// Records whose time was impossible.
    pub retimed: u64,
    /// Rows from elsewhere that were too old to be taken.
    pub expired: u64,
    /// Batches that can never be taken.
    pub rejected: u64,
    /// Of those, batches with rows of orgs that have ended.
    pub ended: u64,
    /// Batches that were told to come later.
    pub busy: u64,
    /// Writes and syncs that failed.
    pub disk_errors: u64,
    /// Memtables that went into parts.
    pub flushes: u64,
    /// Merges of parts.
    pub merges: u64,
    /// Days that were rewritten.
    pub rewrites: u64,
    /// Parts that were removed because nothing in them is kept any longer.
    pub parts_dropped: u64,
    /// Rows that were removed with them or by a merge.
    pub rows_dropped: u64,
    /// Boots whose numbers are remembered.
    pub boots: usize,
    /// Boots that were forgotten because they were silent.
    pub boots_forgotten: u64,
    /// Rows in memory.
    pub memory_rows: u64,
    /// Bytes of heap of those.
    pub memory_bytes: usize,
    /// Parts.
    pub parts: usize,
    /// Rows in them.
    pub part_rows: u64,
    /// Files of parts that are open.
    pub open_parts: usize,
    /// Parts that cannot be read at the moment, and are looked at again.
    pub absent_parts: usize,
    /// Rows in those.
    pub absent_rows: u64,
    /// Parts that are damaged inside, as far as that was noticed: they stay as they are until they are repaired.
    pub damaged_parts: usize,
    /// Rows of parts that the start did not find, or set aside.
    pub lost_rows: u64,
    /// Batches of the log that the start could not read, as far as they could be counted.
    pub lost_batches: u64,
    /// Bytes of the log that the disk did not give at the start.
    pub unreadable_log_bytes: u64,
    /// Files in `damaged`, from all starts, that nobody has removed yet.
    pub set_aside: usize,
    /// Bytes of them.
    pub part_bytes: u64,
    /// Bytes of the log's files.
    pub log_bytes: u64,
    /// Segments of the log that the disk has failed on, and that are kept until what stands in them is in parts.
    pub failed_segments: usize,
    /// Whether the host's clock has jumped ahead and is not believed yet, or was set back within a week.
    pub is_clock_doubted: bool,
    /// Bytes of batches that wait for the log.
    pub queue_bytes: usize,
    /// All rows below this pos are readable.
    pub pos: u64,
    /// Why batches are told to come later, if the disk is the reason or a thread has ended.
    pub trouble: Option<String>,
}

impl Engine {
    /// Figures as of now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (log_bytes, failed_segments) = {
            let wal = lock(&self.shared.wal);
            (wal.disk_bytes(), wal.failed_segments())
        };
        let is_clock_doubted = self.shared.now_and_doubt().1 != Doubt::default();
        let set_aside = Aside::new(&*self.shared.disk, &self.shared.dir).count();
        let (lost_rows, lost_batches, unreadable_log_bytes) = self.shared.report.losses();
        let core = lock(&self.shared.core);
        let queue_bytes = lock(&self.shared.queue).bytes;
        let counters = core.counters;
        Stats {
            taken: counters.taken,
            duplicates: counters.duplicates,
            retimed: counters.retimed,
            expired: counters.expired,
            rejected: counters.rejected,
            ended: counters.ended,
            busy: counters.busy,
            disk_errors: counters.disk_errors,
            flushes: counters.flushes,
            merges: counters.merges,
            rewrites: counters.rewrites,
            parts_dropped: counters.parts_dropped,
            rows_dropped: counters.rows_dropped,
            boots: core.seen.len(),
            boots_forgotten: counters.boots_forgotten,
            memory_rows: core.active.rows() + core.frozen.as_ref().map_or(0, |frozen| frozen.memtable.rows()),
            memory_bytes: core.heap_bytes(),
            parts: core.parts.len(),
            part_rows: core.parts.iter().map(|stored| stored.entry.rows).sum(),
            open_parts: self.shared.files.count(),
            absent_parts: core.absent.len(),
            absent_rows: core.absent.iter().map(|entry| entry.rows).sum(),
            damaged_parts: core.parts.iter().filter(|stored| core.damaged.contains(&stored.entry.id)).count(),
            lost_rows,
            lost_batches,
            unreadable_log_bytes,
            set_aside,
            part_bytes: core.parts.iter().map(|stored| stored.entry.bytes).sum(),
            log_bytes,
            failed_segments,
            is_clock_doubted,
            queue_bytes,
            pos: core.readable_pos,
            trouble: core
                .broken
                .map(super::watch::sentence)
                .or_else(|| core.trouble.as_ref().map(|trouble| trouble.what.clone())),
        }
    }
}
