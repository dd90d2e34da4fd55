//! Who may append how much.
//!
//! The spool counts, for each group (an app), the bytes that not all cursors have passed. With Q the quota and T the sum:
//!
//! - up to 80 % of Q everybody is accepted;
//! - up to 95 % a group is accepted as long as it then holds no more than its fair share (Q / number of groups that hold
//!   something or sent something in the last minute), and no more than what is then left below the 95 %: the later a
//!   group comes, the less it gets, but never nothing;
//! - above that a group is accepted as long as it then holds no more than its part of the reserve (5 % of Q /
//!   `reserve_groups`).
//!
//! So a group that holds no more than its part of the reserve is never refused, whatever the others do, as long as there
//! are at most `reserve_groups` of them; and T never exceeds Q by admission.

use super::Pos;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Whether a batch may be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Accept,
    /// No: the caller refuses it with a gap record.
    Refuse {
        /// Why.
        reason: RefuseReason,
    },
}

/// Why a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseReason {
    /// The spool is above 80 % of its quota and the group would hold more than its fair share.
    OverShare,
    /// The spool is full, save for what is reserved for groups that hold next to nothing.
    Full,
}

/// A group that sent nothing for so long, and holds nothing, has no share any more.
const ACTIVE_NS: i64 = 60_000_000_000;

/// The number of active groups is counted anew after this time.
const RECOUNT_NS: i64 = 1_000_000_000;

/// Batches are counted out in blocks of about this size, so that small ones do not cost memory each.
const BLOCK_BYTES: u64 = 64 << 10;

/// The account of what each group holds.
#[derive(Debug)]
pub(super) struct Quota {
    quota_bytes: u64,
    reserve_groups: u64,
    total_bytes: u64,
    groups: HashMap<Arc<[u8]>, Held>,
    blocks: VecDeque<Block>,
    /// Active groups when last counted, how many were known then, and when that was.
    counted: (u64, usize, i64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: u64,
    last_sent: i64,
}

#[derive(Debug)]
struct Block {
    end: Pos,
    bytes: u64,
    parts: Vec<(Arc<[u8]>, u64)>,
}

impl Quota {
    pub(super) fn new(quota_bytes: u64, reserve_groups: u32) -> Self {
        Self {
            quota_bytes,
            reserve_groups: u64::from(reserve_groups.max(1)),
            total_bytes: 0,
            groups: HashMap::new(),
            blocks: VecDeque::new(),
            counted: (0, 0, i64::MIN),
        }
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    pub(super) fn holding_groups(&self) -> usize {
        self.groups.values().filter(|held| held.bytes > 0).count()
    }

    fn shared_name(&mut self, group: &[u8]) -> Arc<[u8]> {
        if let Some((shared, _)) = self.groups.get_key_value(group) {
            return Arc::clone(shared);
        }
        let shared: Arc<[u8]> = group.into();
        self.groups.insert(Arc::clone(&shared), Held::default());
        shared
    }

    /// Counts a batch in that ends at `end`.
    pub(super) fn add(&mut self, group: &[u8], bytes: u64, end: Pos) {
        let name = self.shared_name(group);
        self.groups.entry(Arc::clone(&name)).or_default().bytes += bytes;
        self.total_bytes += bytes;
        if self.blocks.back().is_none_or(|block| block.bytes >= BLOCK_BYTES) {
            self.blocks.push_back(Block { end, bytes: 0, parts: Vec::new() });
        }
        let Some(block) = self.blocks.back_mut() else { return };
        block.end = end;
        block.bytes += bytes;
        match block.parts.iter_mut().rev().find(|(part, _)| *part == name) {
            Some((_, held)) => *held += bytes,
            None => block.parts.push((name, bytes)),
        }
    }

    /// Counts out the blocks that every cursor has passed.
    pub(super) fn pass(&mut self, passed: Pos) {
        while self.blocks.front().is_some_and(|block| block.end <= passed) {
            let Some(block) = self.blocks.pop_front() else { return };
            self.total_bytes -= block.bytes;
            for (group, bytes) in block.parts {
                if let Some(held) = self.groups.get_mut(&group) {
                    held.bytes -= bytes;
                }
            }
        }
    }

    /// What stood after `from` now ends at `end`: it was written anew.
    pub(super) fn moved(&mut self, from: Pos, end: Pos) {
        for block in self.blocks.iter_mut().rev().take_while(|block| block.end > from) {
            block.end = end;
        }
    }

    /// Decides on a batch of `bytes`.
    pub(super) fn admit(&mut self, group: &[u8], bytes: u64, now: i64) -> Admission {
        let name = self.shared_name(group);
        let held = self.groups.entry(name).or_default();
        held.last_sent = now;
        let held_after = held.bytes.saturating_add(bytes);
        let active = self.active(now);
        let total_after = self.total_bytes.saturating_add(bytes);
        let free_for_all = self.quota_bytes / 5 * 4;
        if total_after <= free_for_all {
            return Admission::Accept;
        }
        let reserve = self.quota_bytes / 20;
        if held_after <= reserve / self.reserve_groups && total_after <= self.quota_bytes {
            return Admission::Accept;
        }
        let shared_bytes = self.quota_bytes - reserve;
        if total_after > shared_bytes {
            let over = held_after > self.quota_bytes / active;
            return Admission::Refuse {
                reason: if over { RefuseReason::OverShare } else { RefuseReason::Full },
            };
        }
        match held_after <= (self.quota_bytes / active).min(shared_bytes - total_after) {
            true => Admission::Accept,
            false => Admission::Refuse { reason: RefuseReason::OverShare },
        }
    }

    /// Number of active groups, at least 1; groups no longer active are dropped on the way.
    fn active(&mut self, now: i64) -> u64 {
        let (count, known, at) = self.counted;
        let fresh = now >= at && now.saturating_sub(at) < RECOUNT_NS;
        if fresh && known == self.groups.len() {
            return count;
        }
        self.groups.retain(|_, held| held.bytes > 0 || now.saturating_sub(held.last_sent) < ACTIVE_NS);
        let count = (self.groups.len() as u64).max(1);
        self.counted = (count, self.groups.len(), now);
        count
    }
}
