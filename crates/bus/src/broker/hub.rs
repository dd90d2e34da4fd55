//! Who listens to what, and the delivery of messages to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::outgoing::{Outbound, Outgoing};
use super::{Config, Stats};
use crate::roles::Role;
use crate::sublist::Sublist;

/// From this part of its bound on, a queue is deep.
const DEEP_PART: usize = 16;
/// From this part of its bound on, a queue has publishers wait.
const FULL_PART: usize = 2;

/// One client's side that others reach: its queue.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: u64,
    pub(super) role: Role,
    pub(super) headers: bool,
    outgoing: Mutex<Outgoing>,
    /// There is something to write, or nothing more to come.
    pub(super) wake: Notify,
    /// Something was written.
    pub(super) drained: Notify,
}

impl Peer {
    pub(super) fn new(id: u64, role: Role, headers: bool) -> Self {
        Self { id, role, headers, outgoing: Mutex::default(), wake: Notify::new(), drained: Notify::new() }
    }

    pub(super) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an urgent frame and has it written.
    pub(super) fn urgent(&self, frame: impl FnOnce(&mut Vec<u8>)) {
        self.change(|outgoing| outgoing.push_urgent(frame));
    }

    /// Queues an answer behind the messages that wait, and has it written.
    pub(super) fn answer(&self, now: Instant, frame: impl FnOnce(&mut Vec<u8>)) {
        self.change(|outgoing| outgoing.push_answer(now, frame));
    }

    /// Changes the queue and has the writer look at it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Outgoing)) {
        change(&mut self.outgoing());
        self.wake.notify_one();
    }
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) peer: Arc<Peer>,
    pub(super) sid: Bytes,
    pub(super) pattern: Bytes,
    /// Messages given to it so far. It and `max` change under the lock of the peer's queue.
    delivered: AtomicU64,
    /// How many it may get in all; 0 is no limit.
    max: AtomicU64,
    /// It ended, but an answer of the index made before still names it.
    ended: AtomicBool,
}

impl Sub {
    /// Whether it gets no more messages.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// Whose queue has something new, noted while many messages are handed out.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// To be woken.
    pub(super) peers: Vec<Arc<Peer>>,
    /// A queue is so full that its writer should have its turn.
    pub(super) is_deep: bool,
    /// By id: those with so much waiting that whoever publishes should let them catch up.
    full: HashMap<u64, Arc<Peer>>,
}

impl Touched {
    /// Has all writers look at their queues.
    pub(super) fn wake(&mut self) {
        self.peers.drain(..).for_each(|peer| peer.wake.notify_one());
    }
}

/// A handle on a subscription, equal to itself only.
#[derive(Debug, Clone)]
pub(super) struct SubRef(pub(super) Arc<Sub>);

impl PartialEq for SubRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What all sessions share.
pub(super) struct Hub {
    pub(super) config: Config,
    pub(super) stats: Arc<Stats>,
    subscriptions: Mutex<Sublist<SubRef>>,
    next_id: AtomicU64,
    /// The broker ends: everybody writes out what waits.
    ending: watch::Sender<bool>,
}

impl Hub {
    pub(super) fn new(config: Config, stats: Arc<Stats>) -> Self {
        // Ids start at random: they should not tell how many clients came before.
        let next_id = AtomicU64::new(u64::from(fastrand::u32(1..1 << 30)));
        let subscriptions = Mutex::new(Sublist::new());
        Self { config, stats, subscriptions, next_id, ending: watch::Sender::new(false) }
    }

    /// Has all sessions end.
    pub(super) fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Waits until the broker ends.
    pub(super) async fn ended(&self) {
        let mut ending = self.ending.subscribe();
        // The sender is ours: it cannot be gone.
        let _ended = ending.wait_for(|ending| *ending).await;
    }

    /// Has a publisher wait for readers that are behind: for a moment, and for none that does not read. Without that, one
    /// that publishes at full speed would get every reader cut that is slower.
    pub(super) async fn wait_for_readers(&self, touched: &mut Touched) {
        if touched.full.is_empty() {
            return;
        }
        let until = Instant::now() + self.config.max_hold;
        let mut has_waited = false;
        for (_, peer) in touched.full.drain() {
            loop {
                let drained = peer.drained.notified();
                let now = Instant::now();
                let reads_until =
                    peer.outgoing().reads_until(self.full_bytes(), self.config.stuck_after, now);
                let Some(reads_until) = reads_until.filter(|_| now < until) else { break };
                if !std::mem::replace(&mut has_waited, true) {
                    self.stats.held_up.fetch_add(1, Ordering::Relaxed);
                }
                // Whether it came in time shows in the queue.
                let _ = timeout_at(until.min(reads_until), drained).await;
            }
        }
    }

    const fn full_bytes(&self) -> usize {
        self.config.max_pending_bytes / FULL_PART
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn subscriptions(&self) -> MutexGuard<'_, Sublist<SubRef>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(
        &self,
        peer: &Arc<Peer>,
        sid: &Bytes,
        pattern: &Bytes,
        queue: Option<Bytes>,
    ) -> Arc<Sub> {
        // Copies of their own: these are slices of a read buffer, which would be kept whole.
        let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let sub = Arc::new(Sub {
            peer: Arc::clone(peer),
            sid: copy(sid),
            pattern: copy(pattern),
            delivered: AtomicU64::new(0),
            max: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let queue = queue.map(|q| copy(&q));
        self.subscriptions().insert(&sub.pattern, queue, SubRef(Arc::clone(&sub)));
        sub
    }

    pub(super) fn unsubscribe(&self, sub: &Arc<Sub>) {
        sub.ended.store(true, Ordering::Relaxed);
        self.subscriptions().remove(&sub.pattern, &SubRef(Arc::clone(sub)));
    }

    /// Gives a message to all who listen, and adds to `touched` whose queue now has something to write. Returns how many
    /// subscriptions got it.
    pub(super) fn publish(&self, message: &Outbound<'_>, from: &Origin, touched: &mut Touched) -> usize {
        let matched = self.subscriptions().matched(message.subject);
        let mut count = 0;
        for sub in &matched.plain {
            count += usize::from(self.deliver(&sub.0, message, from, touched));
        }
        for group in &matched.groups {
            let first = fastrand::usize(..group.len());
            let members = group.iter().cycle().skip(first).take(group.len());
            count += usize::from(members.into_iter().any(|sub| self.deliver(&sub.0, message, from, touched)));
        }
        self.stats.out_messages.fetch_add(count as u64, Ordering::Relaxed);
        self.stats.out_bytes.fetch_add((count * message.payload.len()) as u64, Ordering::Relaxed);
        count
    }

    /// Gives a message to one subscription; `false` if it takes none any more.
    fn deliver(&self, sub: &Arc<Sub>, message: &Outbound<'_>, from: &Origin, touched: &mut Touched) -> bool {
        if !from.echo && sub.peer.id == from.id {
            return false;
        }
        // Only in the asker's own inboxes: nobody is to be made to speak where neither may.
        let may_answer = |reply: &&Bytes| sub.peer.role.may_answer() && from.role.has_inbox(reply);
        let note = message.reply.filter(may_answer);
        let peer = &sub.peer;
        let is_last = {
            let mut outgoing = peer.outgoing();
            if outgoing.is_closing() || sub.has_ended() {
                return false;
            }
            let pending_bytes = self.queue(sub, message, &mut outgoing);
            note.into_iter().for_each(|reply| outgoing.note_request(reply, from.now));
            touched.is_deep |= pending_bytes > self.config.max_pending_bytes / DEEP_PART;
            if pending_bytes > self.full_bytes() {
                touched.full.entry(peer.id).or_insert_with(|| Arc::clone(peer));
            }
            if outgoing.call_writer() {
                touched.peers.push(Arc::clone(peer));
            }
            let delivered = sub.delivered.fetch_add(1, Ordering::Relaxed) + 1;
            let max = sub.max.load(Ordering::Relaxed);
            let is_last = max > 0 && delivered >= max;
            if is_last {
                sub.ended.store(true, Ordering::Relaxed);
            }
            is_last
        };
        if is_last {
            self.unsubscribe(sub);
        }
        true
    }

    /// Gives a client a message from the broker itself, on the first of its subscriptions that listens and is in no group. It
    /// does not count among those after which the subscription ends.
    pub(super) fn answer_self(&self, peer: &Arc<Peer>, message: &Outbound<'_>) {
        let matched = self.subscriptions().matched(message.subject);
        if let Some(SubRef(sub)) = matched.plain.iter().find(|sub| Arc::ptr_eq(&sub.0.peer, peer)) {
            peer.change(|outgoing| {
                self.queue(sub, message, outgoing);
            });
        }
    }

    /// Queues a message for a subscription; one too many has its client cut. Gives how many bytes wait.
    fn queue(&self, sub: &Sub, message: &Outbound<'_>, outgoing: &mut Outgoing) -> usize {
        let peer = &sub.peer;
        outgoing.push_message(&sub.sid, message, peer.headers);
        let pending_bytes = outgoing.pending_bytes();
        if pending_bytes > self.config.max_pending_bytes {
            outgoing.cut();
            self.stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(client = peer.id, role = %peer.role, "cut a bus client that reads too slowly");
        }
        pending_bytes
    }

    /// Ends a subscription after so many messages since it began. `false` if it had as many already.
    pub(super) fn limit(&self, sub: &Sub, max: u64) -> bool {
        let _lock = sub.peer.outgoing();
        sub.max.store(max, Ordering::Relaxed);
        sub.delivered.load(Ordering::Relaxed) < max
    }
}

/// Who publishes.
pub(super) struct Origin {
    pub(super) id: u64,
    pub(super) role: Role,
    /// Whether its own subscriptions get what it publishes.
    pub(super) echo: bool,
    pub(super) now: Instant,
}
