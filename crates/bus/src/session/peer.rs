//! A client as others reach it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::outgoing::Outgoing;

/// One client's side that others reach: its queue.
#[derive(Debug)]
pub struct Peer {
    /// Its number, the one in its INFO.
    pub id: u64,
    /// Whether it takes headers.
    pub headers: bool,
    outgoing: Mutex<Outgoing>,
    /// There is something to write, or nothing more to come.
    pub(super) wake: Notify,
    /// Something was written.
    drained: Notify,
}

impl Peer {
    /// One with an empty queue.
    pub fn new(id: u64, headers: bool) -> Self {
        Self { id, headers, outgoing: Mutex::default(), wake: Notify::new(), drained: Notify::new() }
    }

    /// Its queue, for as long as the guard is kept. Whoever adds to it wakes the writer, if [`Outgoing::call_writer`] says so.
    pub fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an urgent frame and has it written.
    pub(super) fn urgent(&self, frame: impl FnOnce(&mut Vec<u8>)) {
        self.change(|outgoing| outgoing.push_urgent(frame));
    }

    /// Queues an answer behind the messages that wait, and has it written.
    pub fn answer(&self, now: Instant, frame: impl FnOnce(&mut Vec<u8>)) {
        self.change(|outgoing| outgoing.push_answer(now, frame));
    }

    /// Changes the queue and has the writer look at it.
    pub fn change(&self, change: impl FnOnce(&mut Outgoing)) {
        change(&mut self.outgoing());
        self.wake.notify_one();
    }

    /// Resolves when something was written after this call.
    pub fn drained(&self) -> impl Future<Output = ()> + '_ {
        self.drained.notified()
    }

    pub(super) fn note_written(&self) {
        self.drained.notify_waiters();
    }
}

/// Whose queue has something new, noted while many messages are handed out.
#[derive(Debug, Default)]
pub struct Touched {
    peers: Vec<Arc<Peer>>,
    /// A queue is so full that its writer should have its turn.
    pub is_deep: bool,
    /// By id: those with so much waiting that whoever publishes should let them catch up.
    pub full: HashMap<u64, Arc<Peer>>,
}

impl Touched {
    /// This one is to be woken.
    pub fn push(&mut self, peer: &Arc<Peer>) {
        self.peers.push(Arc::clone(peer));
    }

    /// Has all writers look at their queues.
    pub fn wake(&mut self) {
        self.peers.drain(..).for_each(|peer| peer.wake.notify_one());
    }
}
