//! The writer's thread: batches into the log, then into the memtable.

use super::append::{Pending, Receipt, Refusal, busy_disk};
use super::core::{Core, Frozen, Trouble};
use super::{Shared, lock};
use crate::batch::{FUTURE, Terms};
use crate::clock::DAY;
use crate::seen;
use crate::wal::{CommitError, NewRecord};
use std::sync::{Arc, PoisonError};

/// Most bytes of one group: more would keep the first ones waiting.
const GROUP_BYTES: usize = 8 << 20;
/// Boots that were silent for so long are forgotten.
const SEEN_FOR: i64 = 8 * DAY;
/// However long rows are kept, older ones than this are not taken any more: one flush writes a part for each day.
const MAX_AGE: i64 = 200 * DAY;

/// Nobody waits for a writer that is gone, however it went.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.stop_taking();
        lock(&self.0.queue).waiting.clear();
    }
}

impl Shared {
    /// Runs until the queue is closed and empty, or the engine is dropped.
    pub(super) fn write_batches(&self) {
        let _closing = Closing(self);
        while let Some(group) = self.next_group() {
            let bytes: usize = group.iter().map(|pending| pending.checked.body_bytes()).sum();
            let answers = self.commit(&group);
            lock(&self.queue).bytes -= bytes;
            for (pending, answer) in group.into_iter().zip(answers) {
                (pending.reply)(answer);
            }
        }
    }

    /// All that wait, up to the bound of a group. `None` when there will be no more.
    fn next_group(&self) -> Option<Vec<Pending>> {
        let mut queue = lock(&self.queue);
        while queue.waiting.is_empty() {
            if queue.closed {
                return None;
            }
            queue = self.queued.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(pending) = queue.waiting.pop_front() {
            bytes += pending.checked.payload.len();
            if !group.is_empty() && bytes > GROUP_BYTES {
                queue.waiting.push_front(pending);
                break;
            }
            group.push(pending);
        }
        Some(group)
    }

    /// Makes a group durable and readable. The answers are in its order.
    fn commit(&self, group: &[Pending]) -> Vec<Result<Receipt, Refusal>> {
        let terms = self.number(group);
        let records: Vec<NewRecord<'_>> = group
            .iter()
            .zip(&terms)
            .map(|(pending, terms)| NewRecord {
                base: terms.base,
                count: terms.positions,
                latest: terms.latest,
                earliest: terms.earliest,
                payload: &pending.checked.payload,
            })
            .collect();
        let committed = lock(&self.wal).commit(&records);
        match committed {
            Ok(first_lsn) => (first_lsn..)
                .zip(group.iter().zip(&terms))
                .map(|(lsn, (pending, terms))| Ok(self.apply(lsn, pending, terms)))
                .collect(),
            Err(error) => self.refuse(group, &error),
        }
    }

    /// Gives each batch its positions, and the times between which its rows may lie.
    fn number(&self, group: &[Pending]) -> Vec<Terms> {
        let (first, last) = lock(&self.trusted).range(&*self.clock);
        let mut core = lock(&self.core);
        let latest = last.saturating_add(FUTURE);
        let earliest = first.saturating_sub(core.retention.longest().min(MAX_AGE));
        let terms = group.iter().map(|pending| {
            let (base, positions) = (core.next_pos, pending.checked.positions);
            core.next_pos += u64::from(positions);
            Terms { base, positions, latest, earliest }
        });
        terms.collect()
    }

    /// Puts a durable batch into the memtable.
    fn apply(&self, lsn: u64, pending: &Pending, terms: &Terms) -> Receipt {
        let mut core = lock(&self.core);
        let receipt = core.apply(lsn, &pending.checked, terms, self.clock.elapsed_ns());
        if core.active.heap_bytes() >= self.config.flush_bytes && core.frozen.is_none() {
            self.freeze(&mut core);
            self.changed.notify_all();
        }
        receipt
    }

    /// Starts a new memtable. The former one, which must have been flushed, is forgotten.
    pub(super) fn freeze(&self, core: &mut Core) {
        let believed = self.now();
        let forgotten = core.seen.forget(believed.saturating_sub(SEEN_FOR));
        core.counters.boots_forgotten += forgotten as u64;
        let memtable = std::mem::take(&mut core.active);
        core.active_since = None;
        core.frozen = Some(Arc::new(Frozen {
            memtable,
            lsn: core.applied_lsn,
            next_pos: core.next_pos,
            readable_pos: core.readable_pos,
            seen: seen::encode(&core.seen, core.applied_lsn),
        }));
    }

    fn refuse(&self, group: &[Pending], error: &CommitError) -> Vec<Result<Receipt, Refusal>> {
        let (is_full, what) = match error {
            CommitError::Full(error) => (true, error.to_string()),
            CommitError::Failed(error) => (false, error.to_string()),
        };
        let mut core = lock(&self.core);
        core.counters.busy += group.len() as u64;
        core.counters.disk_errors += u64::from(!is_full);
        let trouble = Trouble { is_full, what: what.clone() };
        if core.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(code = trouble.code(), error = what, "batches are told to come later");
        }
        core.trouble = Some(trouble);
        // A flush frees segments of the log, and finds out whether the disk does its work again.
        self.changed.notify_all();
        group.iter().map(|_| Err(busy_disk(is_full, &what))).collect()
    }
}

impl Core {
    /// Puts a batch of the log into the memtable. `elapsed` is now, by time elapsed.
    pub(super) fn apply(
        &mut self,
        lsn: u64,
        checked: &crate::batch::Checked,
        terms: &Terms,
        elapsed: i64,
    ) -> Receipt {
        let (deleted, ended) = (Arc::clone(&self.deleted), Arc::clone(&self.ended));
        // One that waited while its org ended; should the log be replayed before it is told so again, the org is deleted again then.
        let is_deleted = |org: &line::OrgId| {
            ended.contains(org) || deleted.get(org).is_some_and(|below| terms.base < *below)
        };
        let outcome = checked.apply(terms, &mut self.seen, &mut self.active, &mut self.scratch, &is_deleted);
        self.applied_lsn = lsn;
        self.active_since.get_or_insert(elapsed);
        self.readable_pos = self.readable_pos.max(terms.base + u64::from(terms.positions));
        self.counters.taken += outcome.taken;
        self.counters.duplicates += outcome.duplicates;
        self.counters.retimed += outcome.retimed;
        self.counters.expired += outcome.expired;
        Receipt {
            pos: self.readable_pos,
            taken: outcome.taken,
            duplicates: outcome.duplicates,
            retimed: outcome.retimed,
            expired: outcome.expired,
        }
    }
}
