//! A subscription: what the server sends for it, in order, with every interruption marked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::Shared;
use crate::codec::{ServerMessage, write};

/// Messages that may wait for their reader. The reading of the socket stops while there are more.
const MAX_QUEUED: usize = 4096;
/// Bytes that may wait for their reader, with the same effect. A message counts as [`MIN_WEIGHT`] at least, so that there are
/// never more than [`MAX_QUEUED`].
const MAX_QUEUED_BYTES: u32 = 8 * 1024 * 1024;
/// What the smallest message counts as, in bytes.
const MIN_WEIGHT: u32 = 2 * 1024;
/// Places in the queue: for the messages, for one interruption between any two of them, and for a refusal.
const PLACES: usize = 2 * MAX_QUEUED + 2;

/// What a subscription gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message.
    Message(Message),
    /// The connection was lost and is back, and the subscription is being made anew: messages in between may be missing. What
    /// this client sends from now on is handled after the new subscription; [`super::Client::flush`] waits for that. Said once
    /// for several losses while the first is unread and no message came in between.
    Interrupted {
        /// Counts connections, from 1.
        epoch: u64,
    },
    /// Nobody answers the request.
    NoResponders,
    /// The server refused the subscription; nothing more will come.
    Denied {
        /// What the server said.
        reason: String,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The subject it was published on.
    pub subject: Bytes,
    /// Where an answer is wanted.
    pub reply: Option<Bytes>,
    /// The header block, from `NATS/1.0` to its empty line.
    pub headers: Option<Bytes>,
    /// The payload.
    pub payload: Bytes,
}

/// The link's side of a subscription.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) pattern: Arc<str>,
    pub(super) queue: Option<Arc<str>>,
    sender: mpsc::Sender<Delivery>,
    room: Arc<Semaphore>,
    interruption: Arc<Interruption>,
}

/// The epoch of the interruption that was queued last, as long as nothing stands behind it and the reader has not taken it:
/// another one would say nothing new. 0 if there is none. Epochs of interruptions are 2 and more.
#[derive(Debug, Default)]
struct Interruption(AtomicU64);

impl Interruption {
    /// Whether one of `epoch` is to be queued.
    fn begin(&self, epoch: u64) -> bool {
        self.0.compare_exchange(0, epoch, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// A message stands behind it.
    fn followed(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The reader took the one of `epoch`. If that was not the last one, the last one is still to be read.
    fn taken(&self, epoch: u64) {
        let _ = self.0.compare_exchange(epoch, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A subscription. Dropped, it ends.
pub struct Subscription {
    shared: Arc<Shared>,
    sid: u64,
    receiver: mpsc::Receiver<Delivery>,
    room: Arc<Semaphore>,
    interruption: Arc<Interruption>,
}

pub(super) fn new(
    shared: Arc<Shared>,
    sid: u64,
    pattern: &str,
    queue: Option<&str>,
) -> (Entry, Subscription) {
    let (sender, receiver) = mpsc::channel(PLACES);
    let room = Arc::new(Semaphore::new(MAX_QUEUED_BYTES as usize));
    let interruption = Arc::default();
    let entry = Entry {
        pattern: pattern.into(),
        queue: queue.map(Into::into),
        sender,
        room: Arc::clone(&room),
        interruption: Arc::clone(&interruption),
    };
    (entry, Subscription { shared, sid, receiver, room, interruption })
}

/// What a delivery takes of the room in bytes: never more than there is in all. The rest has places of its own.
fn weight(delivery: &Delivery) -> u32 {
    match delivery {
        Delivery::Message(Message { payload, headers, .. }) => {
            let bytes = payload.len() + headers.as_ref().map_or(0, Bytes::len);
            u32::try_from(bytes).unwrap_or(u32::MAX).clamp(MIN_WEIGHT, MAX_QUEUED_BYTES)
        }
        Delivery::NoResponders => MIN_WEIGHT,
        Delivery::Interrupted { .. } | Delivery::Denied { .. } => 0,
    }
}

impl Entry {
    /// Hands a message over, waiting while the reader is behind.
    pub(super) async fn deliver(&self, message: ServerMessage) {
        let is_503 = message.headers.as_ref().is_some_and(|block| block.starts_with(b"NATS/1.0 503"));
        let delivery = if is_503 && message.payload.is_empty() {
            Delivery::NoResponders
        } else {
            let ServerMessage { subject, reply, headers, payload, .. } = message;
            Delivery::Message(Message { subject, reply, headers, payload })
        };
        // The room is closed when the subscription was dropped or the client is being closed.
        let Ok(permit) = self.room.acquire_many(weight(&delivery)).await else { return };
        permit.forget();
        self.interruption.followed();
        self.put(delivery);
    }

    /// Says that the connection was lost and is back. Never waits: who does not read must not hold up a connection.
    pub(super) fn interrupt(&self, epoch: u64) {
        if self.interruption.begin(epoch) {
            self.put(Delivery::Interrupted { epoch });
        }
    }

    /// Says that the server refused the subscription.
    pub(super) fn deny(&self, reason: String) {
        self.put(Delivery::Denied { reason });
    }

    /// Takes nothing more: whoever waits for room does so no longer.
    pub(super) fn end(&self) {
        self.room.close();
    }

    fn put(&self, delivery: Delivery) {
        // There is a place for each by construction; a dropped subscription is on its way out of the table.
        let _ = self.sender.try_send(delivery);
    }
}

impl Subscription {
    /// The next delivery; `None` when the client was closed or the subscription denied, and all was read.
    pub async fn next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.recv().await;
        self.account(delivery)
    }

    /// The next delivery if one is waiting.
    pub fn try_next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.try_recv().ok();
        self.account(delivery)
    }

    fn account(&self, delivery: Option<Delivery>) -> Option<Delivery> {
        if let Some(delivery) = &delivery {
            if let Delivery::Interrupted { epoch } = delivery {
                self.interruption.taken(*epoch);
            }
            self.room.add_permits(weight(delivery) as usize);
        }
        delivery
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The link may wait for room that nobody will make.
        self.room.close();
        if self.shared.subscriptions().remove(&self.sid).is_some() {
            let mut bytes = Vec::new();
            write::unsub(&mut bytes, self.sid);
            self.shared.outbox.push_now(&bytes, false);
        }
    }
}
