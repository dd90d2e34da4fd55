//! Bytes on their way to the server, and the answers that are awaited for them.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::{Notify, oneshot};

use crate::Error;
use crate::codec::write;

/// Bytes that may wait to be written. A sender waits while there are more.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that may wait beside them because they cannot wait for room: 170,000 PONGs. A server that sends PINGs and takes
/// none of the answers loses us there.
const MAX_URGENT_BYTES: usize = 1024 * 1024;

/// Messages to be published together, encoded as they are pushed.
#[derive(Debug, Default)]
pub struct PubBatch {
    bytes: Vec<u8>,
    /// Bytes of the longest payload.
    longest: usize,
}

impl PubBatch {
    /// Appends a message. The subject must be literal and legal; it is not checked here, on the hot path.
    pub fn push(&mut self, subject: &str, payload: &[u8]) {
        write::publish(&mut self.bytes, subject, None, payload);
        self.longest = self.longest.max(payload.len());
    }

    /// Appends a message whose payload `write` appends to the buffer in place. It must only append.
    pub fn push_with(&mut self, subject: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let payload_bytes = write::publish_with(&mut self.bytes, subject, write);
        self.longest = self.longest.max(payload_bytes);
    }

    /// Encoded size in bytes.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no message in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A batch of one message.
    pub(super) fn of(subject: &str, reply: Option<&str>, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(payload.len() + subject.len() + 32);
        write::publish(&mut bytes, subject, reply, payload);
        Self { bytes, longest: payload.len() }
    }

    /// Bytes that are no message, such as a SUB.
    pub(super) const fn of_verbs(bytes: Vec<u8>) -> Self {
        Self { bytes, longest: 0 }
    }
}

/// Resolves when the server has handled what was sent: at its PONG with what [`super::Client::line_violations`] was then, or
/// with [`Error::Disconnected`] if the connection was lost before, and nobody knows how much it handled.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<u64>);

impl Future for Receipt {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| Error::Disconnected)
    }
}

#[derive(Default)]
struct State {
    is_connected: bool,
    /// Longest payload that the server takes.
    max_payload: usize,
    queued: Vec<u8>,
    /// How many of the queued bytes did not wait for room.
    urgent_bytes: usize,
    /// One for each PING that was sent; `None` for a keepalive.
    awaited: VecDeque<Option<oneshot::Sender<u64>>>,
}

/// The write queue of a connection.
pub(super) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
    emptied: Notify,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), emptied: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a batch and a PING after it.
    pub(super) async fn send(&self, batch: PubBatch) -> Result<Receipt, Error> {
        let (sender, receiver) = oneshot::channel();
        self.put(batch, Some(sender)).await?;
        Ok(Receipt(receiver))
    }

    /// Queues a batch.
    pub(super) async fn push(&self, batch: PubBatch) -> Result<(), Error> {
        self.put(batch, None).await
    }

    async fn put(&self, batch: PubBatch, awaited: Option<oneshot::Sender<u64>>) -> Result<(), Error> {
        self.room().await?;
        let PubBatch { bytes, longest } = batch;
        let mut state = self.state();
        if !state.is_connected {
            return Err(Error::Disconnected);
        }
        if longest > state.max_payload {
            return Err(Error::TooLong { bytes: longest, max_bytes: state.max_payload });
        }
        // An empty queue takes the whole buffer over instead of copying it.
        if state.queued.is_empty() {
            state.queued = bytes;
        } else {
            state.queued.extend_from_slice(&bytes);
        }
        if awaited.is_some() {
            state.queued.extend_from_slice(b"PING\r\n");
            state.awaited.push_back(awaited);
        }
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until the queue is below its bound.
    async fn room(&self) -> Result<(), Error> {
        loop {
            let emptied = self.emptied.notified();
            {
                let state = self.state();
                if !state.is_connected {
                    return Err(Error::Disconnected);
                }
                if state.queued.len() < MAX_QUEUED_BYTES {
                    return Ok(());
                }
            }
            emptied.await;
        }
    }

    /// Queues bytes that must not wait (PONG, UNSUB, a keepalive). `false`: there is no connection, or it is
    /// shut by this because the server takes nothing while more than [`MAX_URGENT_BYTES`] wait for it.
    pub(super) fn push_now(&self, bytes: &[u8], is_keepalive: bool) -> bool {
        let mut state = self.state();
        if !state.is_connected {
            return false;
        }
        state.urgent_bytes += bytes.len();
        if state.urgent_bytes > MAX_URGENT_BYTES {
            drop(state);
            self.shut();
            return false;
        }
        state.queued.extend_from_slice(bytes);
        if is_keepalive {
            state.awaited.push_back(None);
        }
        drop(state);
        self.filled.notify_one();
        true
    }

    /// Begins a connection to a server that takes payloads of up to `max_payload` bytes, with these bytes ahead of all others.
    pub(super) fn open(&self, bytes: Vec<u8>, max_payload: usize) {
        let mut state = self.state();
        state.is_connected = true;
        state.max_payload = max_payload;
        (state.queued, state.urgent_bytes) = (bytes, 0);
        state.awaited.clear();
        drop(state);
        self.filled.notify_one();
    }

    /// The server takes another length from now on.
    pub(super) fn set_max_payload(&self, max_payload: usize) {
        self.state().max_payload = max_payload;
    }

    /// Ends a connection: what was queued is dropped, and whoever awaits an answer learns it.
    pub(super) fn shut(&self) {
        *self.state() = State::default();
        self.emptied.notify_waiters();
        self.filled.notify_one();
    }

    /// A PONG came, after so many lines had been refused. `false` if none was awaited.
    pub(super) fn answered(&self, line_violations: u64) -> bool {
        let Some(awaited) = self.state().awaited.pop_front() else { return false };
        if let Some(sender) = awaited {
            // The receipt may have been dropped: nobody is interested.
            let _ = sender.send(line_violations);
        }
        true
    }

    /// Swaps what is queued for an empty buffer, waiting until there is something. `false`: the connection was shut.
    pub(super) async fn take(&self, spare: &mut Vec<u8>) -> bool {
        loop {
            {
                let mut state = self.state();
                if !state.is_connected {
                    return false;
                }
                if !state.queued.is_empty() {
                    state.urgent_bytes = 0;
                    spare.clear();
                    std::mem::swap(&mut state.queued, spare);
                    drop(state);
                    self.emptied.notify_waiters();
                    return true;
                }
            }
            self.filled.notified().await;
        }
    }
}
