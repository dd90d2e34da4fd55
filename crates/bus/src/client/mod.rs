//! A NATS client that never gives up and never drops in silence.
//!
//! One task owns the connection ([`link`]). It reconnects for ever and subscribes anew; each subscription then gets
//! [`Delivery::Interrupted`], because messages in between may be missing. A subscription whose reader is slow stops the
//! reading of the socket; the server then cuts us, which shows as an interruption, never as a hole that nobody sees.

mod link;
mod options;
mod outbox;
mod subscription;

pub use options::{Credentials, Options, ServerAddr};
pub use outbox::{PubBatch, Receipt};
pub use subscription::{Delivery, Message, Subscription};

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::codec::write;
use crate::{Error, subject};
use outbox::Outbox;
use subscription::Entry;

/// How long a client that is closed waits for the server to handle what is queued.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not connected, and trying.
    Connecting {
        /// Tries since the start or the loss, this one included.
        attempts: u64,
        /// Why the last one failed; `None` before the first has.
        last_error: Option<String>,
    },
    /// Connected and logged in.
    Connected {
        /// The server's address.
        server: String,
        /// The longest message that it takes, in bytes.
        max_payload: usize,
        /// Counts connections, from 1.
        epoch: u64,
    },
    /// The server does not let us in. The client tries again every 5 seconds, as an operator may mend it.
    Refused {
        /// What the server said.
        reason: String,
    },
    /// [`Client::close`] was called.
    Closed,
}

/// What the task and the handles share.
struct Shared {
    options: Options,
    status: watch::Sender<Status>,
    outbox: Arc<Outbox>,
    subscriptions: Mutex<HashMap<u64, Entry>>,
    next_sid: AtomicU64,
    violations: AtomicU64,
    /// Of these, lines.
    line_violations: AtomicU64,
    /// Other errors that the server reported.
    errors: AtomicU64,
    /// The next connection is to be with another server.
    elsewhere: AtomicBool,
}

impl Shared {
    fn subscriptions(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the status, unless the client was closed: that is for good. What is as before is no news for those who watch.
    fn set_status(&self, status: Status) {
        self.status.send_if_modified(|now| {
            let is_news = *now != Status::Closed && *now != status;
            if is_news {
                *now = status;
            }
            is_news
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The task sleeps on the queue when there is nothing to write.
        self.outbox.shut();
    }
}

/// A handle on the connection; cheap to clone. The connection lives until [`Client::close`] or until the last handle and
/// subscription are gone.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("status", &*self.shared.status.borrow()).finish_non_exhaustive()
    }
}

impl Client {
    /// Starts to connect, in a task of its own, and returns at once. Must be called in a tokio runtime.
    pub fn start(options: Options) -> Self {
        let shared = Arc::new(Shared {
            options,
            status: watch::Sender::new(Status::Connecting { attempts: 0, last_error: None }),
            outbox: Arc::new(Outbox::new()),
            subscriptions: Mutex::new(HashMap::new()),
            next_sid: AtomicU64::new(1),
            violations: AtomicU64::new(0),
            line_violations: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            elsewhere: AtomicBool::new(false),
        });
        tokio::spawn(link::run(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// How the connection stands, and its changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// Waits until connected. [`Error::Closed`] if the client was closed.
    pub async fn connected(&self) -> Result<(), Error> {
        let mut status = self.status();
        let reached = status.wait_for(|s| matches!(s, Status::Connected { .. } | Status::Closed)).await;
        match reached.as_deref() {
            Ok(Status::Connected { .. }) => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    /// An empty batch of messages to publish.
    pub fn batch() -> PubBatch {
        PubBatch::default()
    }

    /// Sends a batch, in order, after waiting for room in the write queue (4 MiB). The receipt resolves when the server has
    /// handled it. [`Error::Disconnected`] when there is no connection: nothing is kept for later. [`Error::TooLong`] when the
    /// server does not take one of the messages: none is sent.
    pub async fn send(&self, batch: PubBatch) -> Result<Receipt, Error> {
        self.shared.outbox.send(batch).await
    }

    /// Publishes one message. It is on its way, not yet handled; [`Client::flush`] waits for that. Fails as
    /// [`Client::send`] does, and with [`Error::Subject`] for an illegal subject.
    pub async fn publish(&self, subject: &str, reply: Option<&str>, payload: &[u8]) -> Result<(), Error> {
        check_literal(subject)?;
        reply.map_or(Ok(()), check_literal)?;
        self.shared.outbox.push(PubBatch::of(subject, reply, payload)).await
    }

    /// Waits until the server has handled everything sent so far. [`Error::Disconnected`] if the connection is lost before.
    pub async fn flush(&self) -> Result<(), Error> {
        self.shared.outbox.send(PubBatch::default()).await?.await.map(|_| ())
    }

    /// Subscribes. When connected, returns once the server has the subscription; when not, at once, and the subscription
    /// begins with the connection. An empty queue is none. [`Error::Subject`] for an illegal pattern; a refusal comes as
    /// [`Delivery::Denied`].
    pub async fn subscribe(&self, pattern: &str, queue: Option<&str>) -> Result<Subscription, Error> {
        if !subject::is_pattern(pattern.as_bytes()) {
            return Err(Error::Subject(pattern.to_owned()));
        }
        let (subscription, bytes) = self.listen(pattern, queue.filter(|q| !q.is_empty()));
        if let Ok(receipt) = self.shared.outbox.send(PubBatch::of_verbs(bytes)).await {
            // Lost before the answer: the link subscribes again by itself.
            let _ = receipt.await;
        }
        Ok(subscription)
    }

    /// A subscription, and the bytes that tell the server of it.
    fn listen(&self, pattern: &str, queue: Option<&str>) -> (Subscription, Vec<u8>) {
        let sid = self.shared.next_sid.fetch_add(1, Ordering::Relaxed);
        let (entry, subscription) = subscription::new(Arc::clone(&self.shared), sid, pattern, queue);
        self.shared.subscriptions().insert(sid, entry);
        let mut bytes = Vec::new();
        write::sub(&mut bytes, pattern, queue, sid);
        (subscription, bytes)
    }

    /// Publishes a request and gives the subscription on which answers come: any number of them, or
    /// [`Delivery::NoResponders`]. Fails as [`Client::publish`] does.
    pub async fn request_many(&self, subject: &str, payload: &[u8]) -> Result<Subscription, Error> {
        let inbox = format!("{}.{:016x}", self.shared.options.inbox_prefix, fastrand::u64(..));
        check_literal(subject)?;
        // The server takes the two in this order: there is nothing to wait for in between.
        let (answers, bytes) = self.listen(&inbox, None);
        self.shared.outbox.push(PubBatch::of_verbs(bytes)).await?;
        self.publish(subject, Some(&inbox), payload).await?;
        Ok(answers)
    }

    /// How many messages the server refused to take because we may not publish there.
    pub fn violations(&self) -> u64 {
        self.shared.violations.load(Ordering::Relaxed)
    }

    /// How many of these were lines. The [`Receipt`] of a batch tells how many it were by then: the server answers in order,
    /// so that the difference to the receipt before is what it refused of this batch.
    pub fn line_violations(&self) -> u64 {
        self.shared.line_violations.load(Ordering::Relaxed)
    }

    /// Gives the connection up and makes another one, with the next server of the list, which is the first one to be tried from then on. For
    /// a server that answers and yet does not hear what others say. It is an interruption like any other. Does nothing without
    /// a connection.
    pub fn reconnect_elsewhere(&self) {
        if matches!(*self.shared.status.borrow(), Status::Connected { .. }) {
            self.shared.elsewhere.store(true, Ordering::Relaxed);
            self.shared.outbox.shut();
        }
    }

    /// Has the server handle what is queued, for at most 5 seconds, then ends the connection for good. Subscriptions give
    /// what they already have, then end.
    pub async fn close(self) {
        // Nobody may be reading them any more, and the server's answer comes behind what they would have to take.
        let subscriptions: Vec<_> = self.shared.subscriptions().drain().collect();
        let mut bytes = Vec::new();
        for (sid, entry) in &subscriptions {
            entry.end();
            write::unsub(&mut bytes, *sid);
        }
        self.shared.outbox.push_now(&bytes, false);
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.flush()).await;
        self.shared.set_status(Status::Closed);
        self.shared.outbox.shut();
    }
}

fn check_literal(text: &str) -> Result<(), Error> {
    if subject::is_literal(text.as_bytes()) { Ok(()) } else { Err(Error::Subject(text.to_owned())) }
}
