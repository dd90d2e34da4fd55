//! A subscription: what the server sends for it, in order, with every interruption marked.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::Shared;
use crate::codec::{ServerMessage, write};

/// Messages that may wait for their reader. The reading of the socket stops while there are more.
const MAX_QUEUED: usize = 4096;
/// Bytes of payload that may wait for their reader, with the same effect.
const MAX_QUEUED_BYTES: u32 = 8 * 1024 * 1024;

/// What a subscription gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message.
    Message(Message),
    /// The connection was lost and is back, and the subscription with it: messages in between may be missing.
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
}

/// A subscription. Dropped, it ends.
pub struct Subscription {
    shared: Arc<Shared>,
    sid: u64,
    receiver: mpsc::Receiver<Delivery>,
    room: Arc<Semaphore>,
}

pub(super) fn new(
    shared: Arc<Shared>,
    sid: u64,
    pattern: &str,
    queue: Option<&str>,
) -> (Entry, Subscription) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    let room = Arc::new(Semaphore::new(MAX_QUEUED_BYTES as usize));
    let entry =
        Entry { pattern: pattern.into(), queue: queue.map(Into::into), sender, room: Arc::clone(&room) };
    (entry, Subscription { shared, sid, receiver, room })
}

/// What a message takes of the room in bytes: never more than there is in all.
fn weight(payload: &Bytes) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX).clamp(1, MAX_QUEUED_BYTES)
}

impl Entry {
    /// Hands a message over, waiting while the reader is behind.
    pub(super) async fn deliver(&self, message: ServerMessage) {
        if message.payload.is_empty()
            && message.headers.as_ref().is_some_and(|h| h.starts_with(b"NATS/1.0 503"))
        {
            return self.tell(Delivery::NoResponders).await;
        }
        let Ok(permit) = self.room.acquire_many(weight(&message.payload)).await else { return };
        permit.forget();
        let ServerMessage { subject, reply, headers, payload, .. } = message;
        self.tell(Delivery::Message(Message { subject, reply, headers, payload })).await;
    }

    /// Hands over something that is not a message.
    pub(super) async fn tell(&self, delivery: Delivery) {
        // A dropped subscription is on its way out of the table.
        let _ = self.sender.send(delivery).await;
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
        if let Some(Delivery::Message(message)) = &delivery {
            self.room.add_permits(weight(&message.payload) as usize);
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
