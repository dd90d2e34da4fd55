//! One client's session, the same for the broker and for the front door: greet, log in, read verbs, write what waits.
//!
//! What differs is behind [`Server`]: who may come in, what a subscription means, and where a message goes. What does not is
//! here, once: the handshake ([`greet`]), the login's text ([`connect`]), the verbs ([`verbs`]), the queue of each client
//! ([`outgoing`]) and what takes from it ([`writer`]).
//!
//! A client's slowness stays in its own queue. One that takes nothing for as long as [`Settings::stall`] is cut with a plain
//! close, from which every NATS client recovers by itself; an error text that a client does not know would end some for good.

mod block;
mod connect;
mod ending;
mod greet;
mod listen;
mod outgoing;
mod peer;
pub mod proxy_v2;
mod sub;
mod verbs;
mod writer;

pub use block::{Block, BlockMaker};
pub use connect::{Connect, VIOLATION};
pub use ending::{Ending, LameDuck};
pub use listen::{Listen, Tls, TlsWhen, listen};
pub use outgoing::{Outbound, Outgoing};
pub use peer::{Peer, Touched};
pub use sub::Sub;
pub use verbs::Publish;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::Limits;

/// How sessions behave, whatever they are for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds of what a client may send.
    pub limits: Limits,
    /// Bytes asked for in one read: many where clients publish, few where thousands of them only listen.
    pub read_bytes: usize,
    /// How long a client may take nothing of what waits for it. Longer, and it is cut.
    pub stall: Duration,
    /// How long a client may take to log in, TLS included.
    pub login_timeout: Duration,
    /// After so long without a byte from a client it is asked whether it lives; the third time in a row it is cut.
    pub ping_interval: Duration,
    /// Connections at one time. Further ones are told so and closed.
    pub max_connections: usize,
    /// Subscriptions of one connection. Further ones are refused. A front door before the broker has as many as it wants: it
    /// subscribes for all of its clients, and bounds each.
    pub max_subscriptions: usize,
    /// Verbs a second that a client may send, with a burst of five seconds' worth; `None`: any number. One that sends more is
    /// read more slowly.
    pub max_verbs_per_s: Option<u32>,
    /// Refusals within a minute after which a client is cut without a word; `None`: any number.
    pub max_violations: Option<u32>,
}

impl Default for Settings {
    /// The usual bounds of a broker.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            read_bytes: 64 * 1024,
            stall: Duration::from_secs(10),
            login_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(30),
            max_connections: 4096,
            max_subscriptions: 1000,
            max_verbs_per_s: None,
            max_violations: None,
        }
    }
}

/// What a server has done so far, for metrics.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections at this moment.
    pub connections: AtomicU64,
    /// Messages taken: from clients by a broker, from upstream by a front door.
    pub in_messages: AtomicU64,
    /// Bytes of payload taken.
    pub in_bytes: AtomicU64,
    /// Messages queued for clients.
    pub out_messages: AtomicU64,
    /// Bytes of payload queued for clients.
    pub out_bytes: AtomicU64,
    /// Clients that were cut because they were slow.
    pub slow_consumers: AtomicU64,
    /// Times that a publisher was held up because a reader was behind.
    pub held_up: AtomicU64,
    /// Messages and subscriptions refused because the client may not.
    pub violations: AtomicU64,
    /// Logins refused.
    pub refused_logins: AtomicU64,
}

/// A login that is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(
    /// The last word, in the words of nats-server; `None`: a plain close, after which every client tries again.
    pub Option<&'static str>,
);

/// A connection that is not even greeted properly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// It is told that there are too many.
    TooMany,
    /// It is closed at once.
    Silently,
}

/// What a client asks to hear.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The subscription as the session knows it.
    pub sid: &'a Bytes,
    /// The pattern, legal, as the client wrote it.
    pub pattern: &'a Bytes,
    /// The queue group, if it is in one.
    pub queue: Option<&'a Bytes>,
}

/// What became of a message that a client published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// So many subscriptions got it.
    Reached(usize),
    /// The client may not publish there.
    Refused,
}

/// What clients are told of the server when they connect.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The connection's number.
    pub id: u64,
    /// The server is about to go: clients should look for another.
    pub is_lame_duck: bool,
    /// Clients must, and can, go on with TLS.
    pub tls_required: bool,
    /// Clients may go on with TLS.
    pub tls_available: bool,
}

impl About {
    /// A greeting that claims no more than core NATS and tells nothing of the host.
    pub fn info(&self, server: &str, max_payload: usize) -> String {
        let mut info = serde_json::json!({
            "server_id": server, "server_name": server, "version": "2.10.0", "proto": 1, "headers": true,
            "auth_required": true, "max_payload": max_payload, "client_id": self.id, "host": "0.0.0.0",
            "port": 4222, "go": "",
        });
        for (key, is_set) in [
            ("ldm", self.is_lame_duck),
            ("tls_required", self.tls_required),
            ("tls_available", self.tls_available),
        ] {
            if is_set {
                info[key] = true.into();
            }
        }
        info.to_string()
    }
}

/// What a session is for. Everything is called from the session's own task; what is not `async` must not take long.
pub trait Server: Send + Sync + Sized + 'static {
    /// What the server knows of a connection before its login; counts for as long as it is kept.
    type Admission: Send;
    /// What a login yields.
    type Login: Send;
    /// A client that is logged in.
    type Client: Send + Sync;
    /// One of its subscriptions.
    type Listener: AsRef<Sub> + Send + Sync;

    /// How sessions behave.
    fn settings(&self) -> &Settings;

    /// Where to count.
    fn stats(&self) -> &Arc<Stats>;

    /// The JSON of INFO.
    fn info(&self, about: &About) -> String;

    /// A connection came from there.
    ///
    /// # Errors
    /// It is not wanted.
    fn admit(&self, from: SocketAddr) -> Result<Self::Admission, Turned>;

    /// Checks a login.
    fn log_in(
        &self,
        connect: &Connect,
        from: SocketAddr,
    ) -> impl Future<Output = Result<Self::Login, Refused>> + Send;

    /// A client is in, and `peer` is how it is reached.
    fn enter(&self, login: Self::Login, connect: &Connect, peer: &Arc<Peer>) -> Arc<Self::Client>;

    /// A client is gone; its subscriptions have ended.
    fn leave(&self, client: &Arc<Self::Client>);

    /// How many subscriptions a client may have.
    fn max_subscriptions(&self, client: &Self::Client) -> usize;

    /// Whether a client may subscribe to this pattern, which is a legal one.
    fn may_subscribe(&self, client: &Self::Client, pattern: &Bytes) -> bool;

    /// Begins a subscription to what the client may subscribe to; `None` if there are too many.
    fn subscribe(&self, client: &Arc<Self::Client>, sub: Sub, wanted: &Wanted<'_>) -> Option<Self::Listener>;

    /// Ends a subscription. It may have ended by itself; if it has not, it ends when this is done.
    fn unsubscribe(&self, listener: &Self::Listener);

    /// Takes a message from a client.
    fn publish(&self, client: &Arc<Self::Client>, message: &Publish<'_>, touched: &mut Touched) -> Published;

    /// Tells a client on its own inbox that nobody heard its request: once, however often it listens there.
    fn say_no_responders(&self, client: &Arc<Self::Client>, reply: &Bytes);

    /// Whether all that the client subscribed to is in force, so that a PING can be answered.
    fn is_settled(&self, client: &Self::Client) -> bool;

    /// Waits until it is, with a bound of its own.
    fn settle(&self, client: &Self::Client) -> impl Future<Output = ()> + Send;

    /// Gives whom a client published to the chance to catch up.
    fn wait_for_readers(&self, touched: &mut Touched) -> impl Future<Output = ()> + Send;

    /// A client whose queue [owed](Outgoing::owe) something has room again.
    fn has_room(&self, client: &Arc<Self::Client>);
}
