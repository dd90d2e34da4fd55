//! What is in memory, behind one lock that nobody holds while the disk works.

use super::append::Pending;
use super::stats::Counters;
use crate::flatten::Flattened;
use crate::manifest::PartEntry;
use crate::memtable::Memtable;
use crate::retention::Retention;
use crate::seen::Seen;
use crate::shelf::Stored;
use line::OrgId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A memtable that nothing is added to any more.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) memtable: Memtable,
    /// It holds all records of the log after the last flush, up to this one.
    pub(super) lsn: u64,
    /// No position at or after it was given out.
    pub(super) next_pos: u64,
    /// All its positions are below.
    pub(super) readable_pos: u64,
    /// What was seen of each boot, up to that record, encoded.
    pub(super) seen: Vec<u8>,
}

/// Why batches are told to come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The disk is full, and not broken.
    pub(super) is_full: bool,
    pub(super) what: String,
}

impl Trouble {
    /// The catalogue's code.
    pub(super) const fn code(&self) -> &'static str {
        if self.is_full { "LS02" } else { "LS03" }
    }
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) active: Memtable,
    /// When the first record that is not flushed came, by time elapsed.
    pub(super) active_since: Option<i64>,
    pub(super) frozen: Option<Arc<Frozen>>,
    /// All records up to this one are in the memtables or in parts.
    pub(super) applied_lsn: u64,
    /// All records up to this one are in parts.
    pub(super) flushed_lsn: u64,
    /// No position at or after it was given out.
    pub(super) next_pos: u64,
    /// No file has had an id at or after it.
    pub(super) next_id: u64,
    /// All rows below are in parts.
    pub(super) flushed_pos: u64,
    /// All rows below are there to be read.
    pub(super) readable_pos: u64,
    pub(super) seen: Seen,
    /// By day and pos.
    pub(super) parts: Vec<Arc<Stored>>,
    /// Parts that could not be read at the start: they may be, later.
    pub(super) absent: Vec<PartEntry>,
    /// Parts that are damaged inside: they stay as they are.
    pub(super) damaged: BTreeSet<u64>,
    pub(super) retention: Arc<Retention>,
    pub(super) byte_floors: Arc<BTreeMap<OrgId, i64>>,
    pub(super) deleted: Arc<BTreeMap<OrgId, u64>>,
    /// Orgs that are no more: no rows of them are taken.
    pub(super) ended: Arc<BTreeSet<OrgId>>,
    /// What is kept has changed: it is to be looked at once what must go.
    pub(super) look: bool,
    /// What was replayed is not durable: nothing is acknowledged before it is in parts.
    pub(super) suspect: bool,
    /// The disk's last answer, if it was a bad one.
    pub(super) trouble: Option<Trouble>,
    /// The thread that has panicked. That does not pass.
    pub(super) broken: Option<&'static str>,
    pub(super) counters: Counters,
    pub(super) stopping: bool,
    pub(super) scratch: Flattened,
}

impl Core {
    /// Bytes of heap of the rows that are not in parts.
    pub(super) fn heap_bytes(&self) -> usize {
        self.active.heap_bytes() + self.frozen.as_ref().map_or(0, |frozen| frozen.memtable.heap_bytes())
    }

    /// Exchanges parts.
    pub(super) fn exchange(&mut self, removed: &[u64], added: Vec<Arc<Stored>>) {
        self.parts.retain(|stored| !removed.contains(&stored.entry.id));
        self.parts.extend(added);
        self.parts.sort_by_key(|stored| (stored.entry.day, stored.entry.pos));
    }
}

/// Batches that wait for the log.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Pending>,
    /// Bytes of those that wait and of those that are being written.
    pub(super) bytes: usize,
    pub(super) closed: bool,
}
