//! A subscription as its session knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use super::block::Block;
use super::outgoing::{Outbound, Outgoing};
use super::peer::Peer;

/// One subscription.
#[derive(Debug)]
pub struct Sub {
    /// Whose it is.
    pub peer: Arc<Peer>,
    /// The client's id for it.
    pub sid: Bytes,
    /// The pattern, as the client wrote it.
    pub pattern: Bytes,
    /// Messages given to it so far. It and `max` change under the lock of the peer's queue.
    delivered: AtomicU64,
    /// How many it may get in all; 0 is no limit.
    max: AtomicU64,
    /// It ended, but somebody may still have it in hand.
    ended: AtomicBool,
}

impl Sub {
    /// A subscription that nothing was given to yet.
    pub(super) fn new(peer: &Arc<Peer>, sid: &Bytes, pattern: &Bytes) -> Self {
        // Copies of their own: these are slices of a read buffer, which would be kept whole.
        let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        Self {
            peer: Arc::clone(peer),
            sid: copy(sid),
            pattern: copy(pattern),
            delivered: AtomicU64::new(0),
            max: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }
    }

    /// Whether it gets no more messages.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Ends it: it gets no more messages.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Queues a message for it. `outgoing` is its peer's, which the caller has locked. `true` if it was the last one: then the
    /// subscription has ended, and the caller takes it out of its index.
    pub fn give(&self, outgoing: &mut Outgoing, message: &Outbound<'_>) -> bool {
        outgoing.push_message(&self.sid, message, self.peer.headers);
        let delivered = self.delivered.fetch_add(1, Ordering::Relaxed) + 1;
        let max = self.max.load(Ordering::Relaxed);
        let is_last = max > 0 && delivered >= max;
        if is_last {
            self.end();
        }
        is_last
    }

    /// Queues `count` messages for it that [`super::BlockMaker::make`] made a block of, for its id and for what its client takes. `outgoing` is its
    /// peer's, which the caller has locked. `false`, and nothing is queued, if it would end with one of them: then they are to be
    /// [given](Self::give) one by one.
    pub fn give_block(&self, outgoing: &mut Outgoing, count: usize, block: impl FnOnce() -> Block) -> bool {
        let delivered = self.delivered.load(Ordering::Relaxed) + count as u64;
        let max = self.max.load(Ordering::Relaxed);
        if max > 0 && delivered >= max {
            return false;
        }
        outgoing.push_block(&block());
        self.delivered.store(delivered, Ordering::Relaxed);
        true
    }

    /// Ends it after so many messages since it began. `false` if it had as many already.
    pub(super) fn limit(&self, max: u64) -> bool {
        let _lock = self.peer.outgoing();
        self.max.store(max, Ordering::Relaxed);
        self.delivered.load(Ordering::Relaxed) < max
    }
}
