//! What each shard's store has, and has not. One request of a shard is asked at a time, so that its lines arrive in order;
//! shards know nothing of each other, so that a store that is away holds up nobody else's.
//!
//! What waits for its answer is held in memory. When that is too much, the shards that do not get on are *set aside*: what
//! they have is let go, and read from the spool again when their store answers ([`Shards::begin_pass`]).

use std::collections::VecDeque;
use std::time::Duration;

use line::shard::SHARDS;
use tokio::time::Instant;

use super::ask::Ask;
use super::pack::Request;
use crate::live::LiveBatch;
use crate::spool::Pos;

/// Bytes that may be held for all shards; then nothing more is read.
const MAX_HELD_BYTES: usize = 8 << 20;
/// Of these, what may be filled by shards that catch up: the others must not wait for them.
const MAX_PASS_BYTES: usize = MAX_HELD_BYTES / 2;
/// A shard whose store takes longer to answer is set aside when there is no room.
const SLOW: Duration = Duration::from_secs(2);
/// The first wait before a store that did not answer is asked again; it doubles with each time.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// One shard.
#[derive(Debug, Default)]
struct Shard {
    /// What is not stored yet, oldest first; the first may be on its way.
    queue: VecDeque<Request>,
    /// Since when the first is on its way.
    asked: Option<Instant>,
    /// It was set aside: lines from here on are in the spool only.
    behind: Option<Pos>,
    /// What was set aside is being read now.
    in_pass: bool,
    /// Not before this moment is it tried again.
    retry_at: Option<Instant>,
    /// How long the last wait was; zero if its store answers.
    delay: Duration,
}

impl Shard {
    fn is_failing(&self) -> bool {
        !self.delay.is_zero()
    }

    fn may_try(&self, now: Instant) -> bool {
        self.asked.is_none() && self.retry_at.is_none_or(|at| now >= at)
    }

    /// Where its first line stands that is not stored. That need not be in the first request: parts of one that was refused
    /// lie over each other.
    fn unstored(&self) -> Option<Pos> {
        self.queue.iter().map(Request::first_pos).chain(self.behind).min()
    }

    /// Lets go of everything but the first `keep` requests.
    fn set_aside(&mut self, keep: usize, read_from: Pos) -> usize {
        let dropped: Vec<_> = self.queue.drain(keep.min(self.queue.len())..).collect();
        let first = dropped.iter().map(Request::first_pos).chain(self.behind).min().unwrap_or(read_from);
        self.behind = Some(first);
        self.in_pass = false;
        dropped.iter().map(Request::held_bytes).sum()
    }
}

/// All shards.
#[derive(Debug)]
pub(super) struct Shards {
    shards: Vec<Shard>,
    held_bytes: usize,
    longest_delay: Duration,
}

impl Shards {
    /// Shards that nothing is known of; a store that does not answer is tried again after `longest_delay` at the latest.
    pub(super) fn new(longest_delay: Duration) -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), held_bytes: 0, longest_delay }
    }

    fn shard(&self, shard: u8) -> &Shard {
        // There are as many as a byte counts.
        &self.shards[usize::from(shard)]
    }

    fn shard_mut(&mut self, shard: u8) -> &mut Shard {
        &mut self.shards[usize::from(shard)]
    }

    /// Queues a request behind those of its shard.
    pub(super) fn push(&mut self, request: Request) {
        self.held_bytes += request.held_bytes();
        self.shard_mut(request.shard).queue.push_back(request);
    }

    /// What can be asked at `now`: it is on its way from now on.
    pub(super) fn take_ready(&mut self, now: Instant) -> Vec<Ask> {
        let mut ready = Vec::new();
        for shard in &mut self.shards {
            if let Some(Request { shard: number, message, is_too_long, .. }) = shard.queue.front()
                && shard.may_try(now)
            {
                ready.push(Ask { shard: *number, message: message.clone(), is_too_long: *is_too_long });
                (shard.asked, shard.retry_at) = (Some(now), None);
            }
        }
        ready
    }

    /// The request of a shard that is, or was last, on its way.
    pub(super) fn front(&self, shard: u8) -> Option<&Request> {
        self.shard(shard).queue.front()
    }

    /// The store has answered: the shard's first request is done with. Whatever was wrong with the shard is over.
    pub(super) fn done(&mut self, shard: u8) -> Option<Request> {
        let state = self.shard_mut(shard);
        (state.asked, state.retry_at, state.delay) = (None, None, Duration::ZERO);
        let request = state.queue.pop_front()?;
        self.held_bytes -= request.held_bytes();
        Some(request)
    }

    /// Puts others in the place of the shard's first request.
    pub(super) fn replace(&mut self, shard: u8, with: Vec<Request>) {
        self.done(shard);
        self.held_bytes += with.iter().map(Request::held_bytes).sum::<usize>();
        let state = self.shard_mut(shard);
        with.into_iter().rev().for_each(|request| state.queue.push_front(request));
    }

    /// There was no answer, or none that says yes or no: the shard is tried again after `delay`, or after longer each time. One
    /// that was set aside is read anew then.
    pub(super) fn failed(&mut self, shard: u8, delay: Option<Duration>, now: Instant) {
        let longest = self.longest_delay;
        let state = self.shard_mut(shard);
        state.delay = (state.delay * 2).clamp(FIRST_DELAY, longest.max(FIRST_DELAY));
        state.retry_at = Some(now + delay.unwrap_or(state.delay));
        state.asked = None;
        if let Some(behind) = state.behind {
            self.held_bytes -= self.shards[usize::from(shard)].set_aside(0, behind);
        }
    }

    /// The bus is back: all are tried again.
    pub(super) fn retry_all(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.retry_at = None);
    }

    /// When the next shard is tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        let waiting = self.shards.iter().filter(|shard| shard.unstored().is_some());
        waiting.filter_map(|shard| shard.retry_at).min()
    }

    /// Those that may be tried again at `now` wait no longer.
    pub(super) fn forget_past_retries(&mut self, now: Instant) {
        for shard in &mut self.shards {
            shard.retry_at = shard.retry_at.filter(|at| *at > now);
        }
    }

    /// Whether more lines may be read.
    pub(super) const fn has_room(&self) -> bool {
        self.held_bytes < MAX_HELD_BYTES
    }

    /// Makes room, if there is none, by setting aside the shards that do not get on. `read_from`: what is before has been pushed.
    pub(super) fn make_room(&mut self, read_from: Pos, now: Instant) {
        if self.has_room() {
            return;
        }
        for shard in &mut self.shards {
            let is_slow = shard.asked.is_some_and(|asked| now.saturating_duration_since(asked) >= SLOW);
            if !shard.queue.is_empty() && (shard.is_failing() || is_slow) {
                self.held_bytes -= shard.set_aside(usize::from(shard.asked.is_some()), read_from);
            }
        }
    }

    /// Leaves of `batches`, which follow what was pushed before, those that are to be pushed now.
    pub(super) fn retain(&self, batches: &mut Vec<LiveBatch>) {
        if self.shards.iter().any(|shard| shard.behind.is_some()) {
            batches.retain(|batch| self.shard(line::shard::of_key(&batch.key)).behind.is_none());
        }
    }

    /// Everything before this is stored. `read_from`: what is before has been pushed.
    pub(super) fn stored(&self, read_from: Pos) -> Pos {
        self.shards.iter().filter_map(Shard::unstored).min().map_or(read_from, |pos| pos.min(read_from))
    }

    /// When the host took the line at `stored`, if that is known here.
    pub(super) fn taken(&self, stored: Pos) -> Option<i64> {
        let requests = self.shards.iter().flat_map(|shard| &shard.queue);
        requests.filter(|request| request.first_pos() == stored).map(Request::taken).min()
    }

    /// How many shards' stores do not answer.
    pub(super) fn failing(&self) -> usize {
        self.shards.iter().filter(|shard| shard.is_failing()).count()
    }

    /// Whether every shard is stored as far as its store answers.
    pub(super) fn is_settled(&self) -> bool {
        self.shards.iter().all(|shard| shard.unstored().is_none() || shard.is_failing())
    }
}

/// Where the shards are read that were set aside.
#[derive(Debug)]
pub(super) struct Pass {
    /// What is read next.
    pub(super) at: Pos,
}

impl Shards {
    /// Begins to read, from the spool, the shards that were set aside and may be tried again at `now`; `None` if there are none, or
    /// no room.
    pub(super) fn begin_pass(&mut self, now: Instant) -> Option<Pass> {
        if self.held_bytes >= MAX_PASS_BYTES {
            return None;
        }
        let mut at: Option<Pos> = None;
        for shard in &mut self.shards {
            if let Some(behind) = shard.behind
                && shard.queue.is_empty()
                && shard.may_try(now)
            {
                shard.in_pass = true;
                at = Some(at.map_or(behind, |at| at.min(behind)));
            }
        }
        at.map(|at| Pass { at })
    }

    /// Whether there are shards for [`Shards::begin_pass`].
    pub(super) fn may_begin_pass(&self) -> bool {
        let waits = |shard: &Shard| shard.behind.is_some() && shard.queue.is_empty();
        self.shards.iter().any(|shard| waits(shard) && shard.asked.is_none() && shard.retry_at.is_none())
    }

    /// Whether the pass may read more.
    pub(super) const fn has_room_for_pass(&self) -> bool {
        self.held_bytes < MAX_PASS_BYTES
    }

    /// Whether a pass still has shards to read.
    pub(super) fn is_passing(&self) -> bool {
        self.shards.iter().any(|shard| shard.in_pass)
    }

    /// Leaves, of what a pass has read up to `next`, what is to be pushed; the shards are then behind from `next` on.
    pub(super) fn pass_over(&mut self, batches: &mut Vec<LiveBatch>, next: Pos) {
        batches.retain(|batch| {
            let shard = self.shard(line::shard::of_key(&batch.key));
            shard.in_pass && batch.pos < next && shard.behind.is_some_and(|behind| batch.pos >= behind)
        });
        for shard in self.shards.iter_mut().filter(|shard| shard.in_pass) {
            shard.behind = shard.behind.map(|behind| behind.max(next));
        }
    }

    /// The pass has read all that the others have: its shards are as those again. If it broke off they stay behind, and are tried
    /// again after the usual time.
    pub(super) fn end_pass(&mut self, is_whole: bool, now: Instant) {
        for shard in self.shards.iter_mut().filter(|shard| shard.in_pass) {
            shard.in_pass = false;
            if is_whole {
                shard.behind = None;
            } else {
                shard.retry_at = Some(now + FIRST_DELAY);
            }
        }
    }
}

#[cfg(test)]
mod tests;
