//! A NATS client that reconnects without end and loses nothing silently.

mod error;
mod message;
mod options;

use tokio::sync::watch;

pub use error::Error;
pub use message::{Delivery, Message};
pub use options::{Credentials, DEFAULT_PORT, Options, ServerAddr};

/// Where the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not connected; being tried.
    Connecting {
        /// Tries since the last connection.
        attempts: u32,
        /// Why the last one failed.
        last_error: Option<String>,
    },
    /// Connected and logged in.
    Connected {
        /// `host:port` of the server.
        server: String,
        /// The largest message that it takes, in bytes.
        max_payload: usize,
        /// Which connection of this client it is, counted from 1.
        epoch: u64,
    },
    /// The server refuses us (user, password, TLS). Tried again slowly.
    Refused {
        /// Why.
        reason: String,
    },
    /// Closed by [`Client::close`].
    Closed,
}

/// Messages that the server refused for want of permission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations {
    /// How many.
    pub count: u64,
    /// The server's words about the last one.
    pub last: Option<String>,
}

/// A connection that is made again whenever it is lost. Cheap to clone; all clones share the one connection.
#[derive(Debug, Clone)]
pub struct Client {
    status: watch::Receiver<Status>,
}

impl Client {
    /// Starts to connect, in a task of its own on the current tokio runtime. Never fails because a server is away.
    pub fn start(options: Options) -> Self {
        let _ = options;
        Self { status: watch::channel(Status::Closed).1 }
    }

    /// Follows where the connection stands.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until connected. [`Error::Refused`] while the server refuses us, [`Error::Closed`] after a close.
    pub async fn connected(&self) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Publishes one message; waits for room in the write queue.
    pub async fn publish(&self, subject: &str, reply: Option<&str>, payload: &[u8]) -> Result<(), Error> {
        let _ = (subject, reply, payload);
        Err(Error::Closed)
    }

    /// An empty batch for [`Client::send`].
    pub fn batch() -> PubBatch {
        PubBatch::default()
    }

    /// Queues a batch with a PING behind it; waits for room in the write queue.
    pub async fn send(&self, batch: PubBatch) -> Result<Receipt, Error> {
        let _ = batch;
        Err(Error::Closed)
    }

    /// Subscribes. `queue` empty or `None`: a plain subscription.
    pub async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<Subscription, Error> {
        let _ = (subject, queue);
        Err(Error::Closed)
    }

    /// Publishes a request; its answers come to the subscription.
    pub async fn request_many(&self, subject: &str, payload: &[u8]) -> Result<Subscription, Error> {
        let _ = (subject, payload);
        Err(Error::Closed)
    }

    /// Waits until the server has handled all that was sent before.
    pub async fn flush(&self) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Messages that the server refused for want of permission, since the start.
    pub fn violations(&self) -> Violations {
        Violations::default()
    }

    /// Writes what is queued, then closes.
    pub async fn close(self) {}
}

/// Messages in wire form, to be sent at once.
#[derive(Debug, Default)]
pub struct PubBatch {
    bytes: Vec<u8>,
}

impl PubBatch {
    /// Adds one message.
    pub fn push(&mut self, subject: &str, payload: &[u8]) -> Result<(), Error> {
        self.push_with(subject, |bytes| bytes.extend_from_slice(payload))
    }

    /// Adds one message whose payload `write` appends to the buffer. It must only append.
    pub fn push_with(&mut self, subject: &str, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let _ = subject;
        write(&mut self.bytes);
        Ok(())
    }

    /// Bytes on the wire so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Messages so far.
    pub fn messages(&self) -> usize {
        0
    }

    /// True when nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The server's confirmation of a batch: a future of `Ok(())` when all of it was handled, [`Error::Disconnected`] when the
/// connection was lost before.
#[derive(Debug)]
pub struct Receipt(());

impl Future for Receipt {
    type Output = Result<(), Error>;
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::task::Poll::Ready(Err(Error::Disconnected))
    }
}

/// A subscription. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription(());

impl Subscription {
    /// The next delivery; `None` after the client was closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        None
    }

    /// The next delivery if one is there.
    pub fn try_next(&mut self) -> Option<Delivery> {
        None
    }
}
