//! The spool: what the host has taken from its Machines and not yet handed on, on disk.
//!
//! Batches of all Machines follow each other in preallocated segment files, each with a CRC; a batch's place ([`Pos`])
//! rises over all segments and starts. The bytes are specified in `docs/spool-format.md`, for a second implementation.
//!
//! What it promises, and its tests hold it to:
//! - A batch appended before a [`Spool::sync`] that succeeded survives `kill -9` and a power cut, exactly once, byte for
//!   byte, in order.
//! - No entry of a boot stands twice: [`Spool::append`] takes only what comes next.
//! - What damage took away is reported as a [`Hole`], as far as checkpoints (at the start of each segment) and marks
//!   ([`Spool::save_marks`]) let it be known; nothing valid beside the damage is given up, and the start never fails for it.
//! - A failed sync is never papered over: see [`Spool::sync`].
//!
//! The writer is one thread; readers ([`SpoolReader`]) are as many as wanted, on any thread. Holes should be filled before
//! the first [`Spool::release`] after a start, since the evidence of a hole goes with the segments around it.

mod batch;
mod boots;
mod cursors;
mod fate;
mod format;
mod inspect;
mod open;
mod quota;
mod reader;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod write;

pub use batch::{Batch, BatchRef, BootRef, MAX_BODY_BYTES, MAX_KEY_BYTES, Pos};
pub use inspect::{SegmentScan, scan_segment};
pub use quota::{Admission, RefuseReason};
pub use reader::{NewestStart, ReadBatches, SpoolReader};
pub use recovery::{BootState, Damage, DamageKind, Hole, HoleReason, Mark, Recovery};

use boots::Boots;
use cursors::Cursor;
use disk::Disk;
use quota::Quota;
use segment::Shared;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use write::Writer;

/// How the spool is laid out and how much it may hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// Size of a segment file, preallocated; default 8 MiB, at least 64 KiB. A larger batch gets a segment of its own.
    pub segment_bytes: u64,
    /// Bytes that not all cursors have passed, over all groups, above which nothing more is admitted; default 1 GiB.
    /// The disk use is bounded by this plus what [`Spool::release`] is told to keep plus two segments.
    pub quota_bytes: u64,
    /// Number of groups for which the last 5 % of the quota are reserved in equal parts; default 1,024.
    pub reserve_groups: u32,
    /// Bytes appended and not synced above which `append` syncs by itself; default 16 MiB. They are kept in memory too.
    pub max_unsynced_bytes: usize,
    /// Marks from outside (say, from a heartbeat that was persisted elsewhere), beside those of `save_marks`.
    pub marks: Vec<Mark>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_bytes: 8 << 20,
            quota_bytes: 1 << 30,
            reserve_groups: 1024,
            max_unsynced_bytes: 16 << 20,
            marks: Vec::new(),
        }
    }
}

/// Why the spool could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// These sequence numbers (or the first of them) stand in the spool already; the caller trims and appends the rest.
    #[error("the boot's entries below seq {next_seq} are in the spool already; send those from there on")]
    Duplicate {
        /// The seq that the boot's next batch must begin with.
        next_seq: u64,
    },
    /// Entries are missing before this batch; the caller appends them, or a gap record for them, first.
    #[error("the boot's next seq is {next_seq}; append what is missing, or a gap record for it, first")]
    Ahead {
        /// The seq that the boot's next batch must begin with.
        next_seq: u64,
    },
    /// The batch breaks a bound of [`BatchRef`], or a name one of [`Spool::cursor`].
    #[error("{0}")]
    Invalid(&'static str),
    /// The disk has no room. Nothing was stored, nothing is damaged; it works again when there is room.
    #[error("no room on the disk for {path}; free some, or lower the spool's quota")]
    Full {
        /// The file that could not be written.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Any other failure of the disk.
    #[error("cannot {action} {path}; check the disk")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// The writer's side of the spool; one per directory.
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    dir: PathBuf,
    config: Config,
    boots: Boots,
    quota: Quota,
    cursors: BTreeMap<String, Cursor>,
    writer: Writer,
    /// End of the last batch: what stands behind it needs nobody to carry it on.
    batches_end: Pos,
    failed_syncs: u64,
    moves: u64,
}

/// Figures for metrics, all of one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segment files.
    pub segments: usize,
    /// Bytes of batches, and of what is noted between them, that not all cursors have passed.
    pub held_bytes: u64,
    /// Groups with such bytes.
    pub groups: usize,
    /// Boots known.
    pub boots: usize,
    /// Bytes appended and not yet synced.
    pub unsynced_bytes: usize,
    /// Syncs that failed since the start.
    pub failed_syncs: u64,
}

impl Error {
    /// What the disk's error means for the caller.
    fn disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if disk::is_full(&source) { Self::Full { path, source } } else { Self::Io { action, path, source } }
    }
}

impl Spool {
    /// Opens the spool in `dir` (made if missing), mends what a crash left and says what is lost.
    ///
    /// No damage to a file stops the start. What was found is durable when this returns, unless the disk refuses to sync:
    /// then `durable()` is less than `end()`, and no seq found may be acknowledged before [`Spool::sync`] succeeds. `now` is
    /// in ns since 1970.
    ///
    /// # Errors
    /// When the directory cannot be made or listed.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: Config,
        now: i64,
    ) -> Result<(Self, Recovery), Error> {
        open::open(disk, dir, config, now)
    }

    /// The holes that are still open: reported at the start and not filled yet.
    #[must_use]
    pub fn holes(&self) -> Vec<Hole> {
        self.boots.holes()
    }

    /// What the spool knows of a boot.
    #[must_use]
    pub fn boot(&self, key: &[u8], boot: u64) -> Option<BootState> {
        self.boots.state(key, boot)
    }

    /// The last batch of a boot. `None` if it has been released, or cannot be read. Reads nothing else.
    #[must_use]
    pub fn last_batch(&self, key: &[u8], boot: u64) -> Option<Batch> {
        let pos = self.boots.get(key, boot)?.last_batch?;
        let read = self.reader().read(pos, 1).ok()?;
        read.batches.into_iter().next().filter(|batch| batch.pos == pos)
    }

    /// A reader for use in other threads.
    #[must_use]
    pub fn reader(&self) -> SpoolReader {
        SpoolReader::new(Arc::clone(&self.shared))
    }

    /// Everything before this survives a power cut: a batch does when this is greater than its position.
    #[must_use]
    pub fn durable(&self) -> Pos {
        self.shared.durable()
    }

    /// Everything appended stands before this.
    #[must_use]
    pub fn end(&self) -> Pos {
        self.shared.end()
    }

    /// Whether `bytes` of a group may be appended now; the rule stands at [`Config::quota_bytes`] and in the `quota` module:
    /// everybody up to 80 % of the quota, then fair shares, and a reserve for groups that hold next to nothing. The
    /// caller refuses what is not accepted with a gap record, which is itself appended without asking. `now` is in ns
    /// since 1970.
    pub fn admit(&mut self, group: &[u8], bytes: u64, now: i64) -> Admission {
        self.quota.admit(group, bytes, now)
    }

    /// How often [`Spool::sync`] has had to write anew what was not durable. Whoever had read that, and reads on behind it, has
    /// to read it again: it stands at higher positions now.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            segments: self.shared.segments().len(),
            held_bytes: self.quota.total_bytes(),
            groups: self.quota.holding_groups(),
            boots: self.boots.len(),
            unsynced_bytes: self.writer.unsynced_bytes(),
            failed_syncs: self.failed_syncs,
        }
    }
}
