//! From the spool's thread to whoever carries the lines on: in memory as long as the reader keeps up, from disk when not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use line::entry;
use tokio::sync::Notify;

use crate::spool::{self, Pos, SpoolReader};

/// Bytes of entries that are kept in memory for a reader that is a little behind. At the bound they are let go and the
/// reader goes on from disk: nothing is dropped.
const QUEUE_BYTES: usize = 8 << 20;
/// How much is read from disk at once.
const READ_BYTES: usize = 1 << 20;

/// Entries on their way out. Cheap to clone: clones share the bytes.
#[derive(Debug, Clone)]
pub(crate) struct LiveBatch {
    /// Where they stand.
    pub(crate) pos: Pos,
    /// The cursor after them.
    pub(crate) next: Pos,
    /// The Machine's key.
    pub(crate) key: Arc<[u8]>,
    /// Its boot.
    pub(crate) boot: u64,
    /// Seq of the first entry.
    pub(crate) first_seq: u64,
    /// Seq after the last.
    pub(crate) next_seq: u64,
    /// Number of entries.
    pub(crate) count: u32,
    /// They fill a hole: their seqs are below those of batches before.
    pub(crate) is_fill: bool,
    /// When the host took them, Unix nanoseconds; what the first entry's time is relative to.
    pub(crate) base_time: i64,
    /// The entries.
    pub(crate) bytes: Bytes,
}

impl LiveBatch {
    /// The entries, for reading.
    pub(crate) fn entries(&self) -> entry::Reader<'_> {
        entry::Reader::new(&self.bytes, self.first_seq, self.base_time)
    }
}

impl From<spool::Batch> for LiveBatch {
    fn from(batch: spool::Batch) -> Self {
        Self {
            pos: batch.pos,
            next: batch.next,
            key: batch.key,
            boot: batch.boot,
            first_seq: batch.first_seq,
            next_seq: batch.next_seq,
            count: batch.count,
            is_fill: batch.fill,
            base_time: batch.time,
            bytes: batch.bytes.into(),
        }
    }
}

/// What was appended, for each who carries lines on: both have the same batches, and each its own place in them.
#[derive(Debug)]
pub(crate) struct Feeds {
    /// For the live copy.
    pub(crate) live: Arc<LiveQueue>,
    /// For the store, if there is one.
    pub(crate) store: Option<Arc<LiveQueue>>,
}

impl Feeds {
    /// Feeds of what is appended from `end` on.
    pub(crate) fn new(end: Pos, has_store: bool) -> Self {
        let store = has_store.then(|| Arc::new(LiveQueue::new(end)));
        Self { live: Arc::new(LiveQueue::new(end)), store }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<LiveQueue>> {
        std::iter::once(&self.live).chain(&self.store)
    }

    /// Takes in a batch that was just appended.
    pub(crate) fn push(&self, batch: LiveBatch) {
        if let Some(store) = &self.store {
            store.push(batch.clone());
        }
        self.live.push(batch);
    }

    /// See [`LiveQueue::moved`].
    pub(crate) fn moved(&self, end: Pos) {
        self.all().for_each(|queue| queue.moved(end));
    }

    /// Wakes those who wait, after one or several pushes.
    pub(crate) fn wake(&self) {
        self.all().for_each(|queue| queue.wake());
    }
}

/// The batches that were appended last.
#[derive(Debug)]
pub(crate) struct LiveQueue {
    state: Mutex<State>,
    appended: Notify,
}

#[derive(Debug)]
struct State {
    batches: VecDeque<LiveBatch>,
    bytes: usize,
    /// Every batch from here on is in `batches`; those before are on disk only.
    from: Pos,
    /// Nobody reads: nothing is kept.
    unread: bool,
}

impl LiveQueue {
    /// A queue for what is appended from `end` on.
    pub(crate) fn new(end: Pos) -> Self {
        let state = State { batches: VecDeque::new(), bytes: 0, from: end, unread: false };
        Self { state: Mutex::new(state), appended: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a batch that was just appended.
    pub(crate) fn push(&self, batch: LiveBatch) {
        let mut state = self.state();
        state.bytes += batch.bytes.len();
        if state.unread || state.bytes > QUEUE_BYTES {
            state.batches.clear();
            state.bytes = 0;
            state.from = batch.next;
            return;
        }
        state.batches.push_back(batch);
    }

    /// Sends the reader to the disk for everything up to `end`: some of it stands elsewhere than it was told.
    pub(crate) fn moved(&self, end: Pos) {
        let mut state = self.state();
        state.batches.clear();
        (state.bytes, state.from) = (0, end);
    }

    /// Wakes the reader, after one or several pushes.
    pub(crate) fn wake(&self) {
        self.appended.notify_one();
    }

    /// Keeps nothing from now on, because nobody reads for now; a read undoes it.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        state.unread = true;
        if let Some(last) = state.batches.back() {
            state.from = last.next;
        }
        state.batches.clear();
        state.bytes = 0;
    }

    /// Takes batches from `at` on, if all of them are here; `None` if some are on disk only.
    fn take(&self, at: Pos, max_bytes: usize, out: &mut Vec<LiveBatch>) -> Option<()> {
        let mut state = self.state();
        state.unread = false;
        while state.batches.front().is_some_and(|batch| batch.pos < at) {
            if let Some(batch) = state.batches.pop_front() {
                state.bytes -= batch.bytes.len();
                state.from = batch.next;
            }
        }
        if at < state.from {
            return None;
        }
        let mut taken = 0;
        while taken < max_bytes
            && let Some(batch) = state.batches.pop_front()
        {
            taken += batch.bytes.len();
            state.bytes -= batch.bytes.len();
            state.from = batch.next;
            out.push(batch);
        }
        Some(())
    }
}

/// Reads the spool from a place on, without end.
#[derive(Debug)]
pub(crate) struct Source {
    queue: Arc<LiveQueue>,
    reader: SpoolReader,
    at: Pos,
}

impl Source {
    /// A source that begins at `at`.
    pub(crate) const fn new(queue: Arc<LiveQueue>, reader: SpoolReader, at: Pos) -> Self {
        Self { queue, reader, at }
    }

    /// Where the next batch is read.
    pub(crate) const fn at(&self) -> Pos {
        self.at
    }

    /// Reads on from `at`.
    pub(crate) const fn seek(&mut self, at: Pos) {
        self.at = at;
    }

    /// The end of what has been appended.
    pub(crate) fn end(&self) -> Pos {
        self.reader.end()
    }

    /// Bytes of records from `from` on. Positions say more: they jump over the room that segments have left.
    pub(crate) fn bytes_from(&self, from: Pos) -> u64 {
        self.reader.bytes_from(from)
    }

    /// Whether more than `limit` bytes of records stand from `from` on.
    pub(crate) fn is_more(&self, from: Pos, limit: u64) -> bool {
        // Positions are never less than bytes, and cost nothing.
        self.end().0.saturating_sub(from.0) > limit && self.reader.bytes_from(from) > limit
    }

    /// Lets go of what is kept in memory, because nothing can be carried on for now.
    pub(crate) fn release(&self) {
        self.queue.release();
    }

    /// Appends the next batches to `out`: at least one, and about `max_bytes`. Waits for them. Returns how many bytes were
    /// skipped because they can no longer be read.
    ///
    /// # Errors
    /// When a segment cannot be read; the place stays.
    pub(crate) async fn next(
        &mut self,
        max_bytes: usize,
        out: &mut Vec<LiveBatch>,
    ) -> Result<u64, spool::Error> {
        loop {
            let skipped = self.try_next(max_bytes, out).await?;
            if !out.is_empty() || skipped > 0 {
                return Ok(skipped);
            }
            self.queue.appended.notified().await;
        }
    }

    /// The same without waiting: `out` stays empty at the end.
    pub(crate) async fn try_next(
        &mut self,
        max_bytes: usize,
        out: &mut Vec<LiveBatch>,
    ) -> Result<u64, spool::Error> {
        if self.queue.take(self.at, max_bytes, out).is_some() {
            self.at = out.last().map_or(self.at, |batch| batch.next);
            return Ok(0);
        }
        let (reader, at) = (self.reader.clone(), self.at);
        let read = tokio::task::spawn_blocking(move || reader.read(at, max_bytes.min(READ_BYTES))).await;
        let Ok(read) = read else { return Ok(0) };
        let read = read?;
        self.at = read.next.max(self.at);
        out.extend(read.batches.into_iter().map(LiveBatch::from));
        Ok(read.skipped_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(pos: u64, bytes: usize) -> LiveBatch {
        LiveBatch {
            pos: Pos(pos),
            next: Pos(pos + 10),
            key: Arc::from(&b"k"[..]),
            boot: 1,
            first_seq: pos,
            next_seq: pos + 1,
            count: 1,
            is_fill: false,
            base_time: 0,
            bytes: vec![0; bytes].into(),
        }
    }

    fn taken(queue: &LiveQueue, at: u64, max_bytes: usize) -> Option<Vec<u64>> {
        let mut out = Vec::new();
        queue.take(Pos(at), max_bytes, &mut out)?;
        Some(out.iter().map(|batch| batch.pos.0).collect())
    }

    #[test]
    fn what_is_in_memory_is_taken_in_order_and_bounded() {
        let queue = LiveQueue::new(Pos(100));
        assert_eq!(taken(&queue, 90, 99), None);
        assert_eq!(taken(&queue, 100, 99), Some(vec![]));
        for pos in [100, 110, 120] {
            queue.push(batch(pos, 50));
        }
        assert_eq!(taken(&queue, 90, 99), None);
        assert_eq!(taken(&queue, 100, 99), Some(vec![100, 110]));
        assert_eq!(taken(&queue, 100, 99), None);
        assert_eq!(taken(&queue, 120, 99), Some(vec![120]));
    }

    #[test]
    fn a_reader_that_is_far_behind_is_sent_to_the_disk() {
        let queue = LiveQueue::new(Pos(0));
        queue.push(batch(0, 1));
        queue.push(batch(10, QUEUE_BYTES));
        queue.push(batch(20, 1));
        assert_eq!(taken(&queue, 0, 99), None);
        assert_eq!(taken(&queue, 20, 99), Some(vec![20]));
        queue.push(batch(30, 1));
        queue.release();
        queue.push(batch(40, 1));
        assert_eq!(taken(&queue, 30, 99), None);
        queue.push(batch(50, 1));
        assert_eq!(taken(&queue, 50, 99), Some(vec![50]));
        // What was taken stands elsewhere now.
        queue.moved(Pos(90));
        assert_eq!(taken(&queue, 60, 99), None);
        queue.push(batch(90, 1));
        assert_eq!(taken(&queue, 90, 99), Some(vec![90]));
    }
}
