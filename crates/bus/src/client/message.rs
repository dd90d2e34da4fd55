//! What a subscription gives.

use bytes::Bytes;

/// One message. Its parts share one read buffer of 64 KiB or more: copy what is kept for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The subject that it was published to.
    pub subject: Bytes,
    /// Where an answer is to go.
    pub reply: Option<Bytes>,
    /// The header block, from `NATS/1.0` to the empty line.
    pub headers: Option<Bytes>,
    /// The payload.
    pub payload: Bytes,
}

/// What [`Subscription::next`](super::Subscription::next) gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message.
    Message(Message),
    /// From here on the subscription is live on a new connection: messages since the one before may be missing. Also the
    /// first thing that a subscription made without a connection gives, when the connection is there.
    Interrupted {
        /// Which connection of this client it is, counted from 1.
        epoch: u64,
    },
    /// Nobody listens on the subject of the request.
    NoResponders,
    /// The server refused this subscription. It is asked for again on the next connection.
    Denied {
        /// The server's words.
        reason: String,
    },
}
