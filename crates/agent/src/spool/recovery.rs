//! What the start found.

use super::Pos;
use std::ops::Range;
use std::sync::Arc;

/// What the spool knows of one boot of one Machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootState {
    /// The Machine.
    pub key: Arc<[u8]>,
    /// The boot.
    pub boot: u64,
    /// Seq of the first entry that was ever appended.
    pub start_seq: u64,
    /// Seq that the next batch must begin with.
    pub next_seq: u64,
    /// Whether [`super::Spool::end_boot`] was called.
    pub ended: bool,
    /// The boot has given out the numbers below this, by its own word; 0 if that is not known.
    pub told_seq: u64,
    /// Ranges that [`super::Spool::vanish`] states as missing and no fill has taken yet, in rising order.
    pub vanished: Vec<Range<u64>>,
}

impl BootState {
    /// The first seq that is worth sending again by somebody who holds all from `first_held` on: it is not here as a line.
    #[must_use]
    pub fn resume_seq(&self, first_held: u64) -> u64 {
        let wanted = self.vanished.iter().find(|range| first_held < range.end);
        wanted.map_or(self.next_seq, |range| range.start.max(first_held))
    }

    /// Whether the spool says already that the boot has vanished, and with it all that it is known to have had.
    #[must_use]
    pub fn is_stated(&self) -> bool {
        self.vanished.last().is_some_and(|range| range.end == self.next_seq) && self.told_seq <= self.next_seq
    }
}

/// How far a boot had come when that was last noted, to be compared with what the spool still has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The Machine.
    pub key: Arc<[u8]>,
    /// The boot.
    pub boot: u64,
    /// Everything below this was durable.
    pub next_seq: u64,
}

/// Why entries are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleReason {
    /// A segment, or a part of one, is unreadable or gone.
    Damaged,
    /// The spool ends before a mark.
    ShorterThanMark,
}

/// A range of entries that were in the spool (or about to be) and are not there any more. The agent makes a gap record
/// of it and appends that with [`super::Spool::fill`]; until then each start reports it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The Machine.
    pub key: Arc<[u8]>,
    /// The boot.
    pub boot: u64,
    /// Seq of the first missing entry.
    pub from_seq: u64,
    /// Seq after the last missing entry.
    pub next_seq: u64,
    /// Why.
    pub reason: HoleReason,
}

/// What kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The newest segment ends in a half-written batch, which was cut: normal after a crash.
    TornTail,
    /// Bytes in the middle of a segment are not a valid batch.
    BadBatch,
    /// The segment has no valid header; it was renamed to `*.damaged`.
    BadHeader,
    /// The segment has no content at all; it was removed.
    EmptySegment,
    /// A segment that should be there is not.
    MissingSegment,
    /// The segment could not be read; it was left alone and skipped.
    Unreadable,
    /// A cursor or marks file is invalid; it counts as missing.
    BadFile,
    /// Not a file of the spool; it was left alone.
    Foreign,
}

/// One finding of the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name within the spool's directory.
    pub file: String,
    /// What kind.
    pub kind: DamageKind,
    /// Where it begins, as far as known.
    pub from: Pos,
    /// Where it ends, as far as known.
    pub to: Pos,
}

/// What the start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Every boot known, ordered by key and boot.
    pub boots: Vec<BootState>,
    /// What is missing, ordered by key, boot and seq.
    pub holes: Vec<Hole>,
    /// What is damaged, in the order found.
    pub damaged: Vec<Damage>,
}
