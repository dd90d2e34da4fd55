//! The embedded broker: core NATS in this process, for one machine.
//!
//! Each connection is a [`session`]: it reads verbs, logs in ([`login`]), and hands messages to the [`hub`], which knows who
//! listens. Each session has an [`outgoing`] queue of its own ([`writer`] takes from it), and its slowness stays there: whoever
//! publishes waits for whoever reads for ten milliseconds at a time, and for none that does not read. A reader whose queue is
//! over its bound, or that takes nothing for ten seconds, is cut with a plain close, from which every NATS client recovers by
//! itself.

mod hub;
mod login;
mod outgoing;
mod session;
mod writer;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Error;
use crate::client::Credentials;
use crate::codec::Limits;
use crate::roles::Role;
use hub::Hub;

/// A login that the broker takes.
#[derive(Debug, Clone)]
pub struct User {
    /// What it may do.
    pub role: Role,
    /// User and password.
    pub credentials: Credentials,
}

/// How the broker behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may log in. Nobody else may.
    pub users: Vec<User>,
    /// Bounds of what a client may send.
    pub limits: Limits,
    /// Bytes that may wait for one client. More, and it is cut. From half of it on, publishers are held up a little: with the
    /// usual 32 MiB, a reader that gets no turn from a busy machine for two seconds is not cut by one at full speed.
    pub max_pending_bytes: usize,
    /// How long a publisher waits at most for readers whose queues are over half of the bound, each time that up to 64 KiB were
    /// read from it.
    pub max_hold: Duration,
    /// How long a reader may take nothing of what waits for it and still be waited for.
    pub stuck_after: Duration,
    /// How long a client may take nothing of what waits for it. Longer, and it is cut.
    pub stall: Duration,
    /// How long a client may take to log in.
    pub login_timeout: Duration,
    /// After so long without a byte from a client it is asked whether it lives; the third time in a row it is cut.
    pub ping_interval: Duration,
    /// Connections at one time. Further ones are told so and closed.
    pub max_connections: usize,
    /// Subscriptions of one connection. Further ones are refused.
    pub max_subscriptions: usize,
}

impl Config {
    /// The usual bounds, for these users.
    ///
    /// 10 ms for 64 KiB is nats-server's patience too. With it nobody makes a publisher slower than 6.4 MB/s: a reader that
    /// takes less than that is cut when its queue is over its bound.
    pub fn new(users: Vec<User>) -> Self {
        Self {
            users,
            limits: Limits::default(),
            max_pending_bytes: 32 * 1024 * 1024,
            max_hold: Duration::from_millis(10),
            stuck_after: Duration::from_secs(1),
            stall: Duration::from_secs(10),
            login_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(30),
            max_connections: 4096,
            max_subscriptions: 1000,
        }
    }
}

/// What the broker has done so far, for metrics.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections at this moment.
    pub connections: AtomicU64,
    /// Messages taken from clients.
    pub in_messages: AtomicU64,
    /// Bytes of payload taken from clients.
    pub in_bytes: AtomicU64,
    /// Messages queued for clients.
    pub out_messages: AtomicU64,
    /// Bytes of payload queued for clients.
    pub out_bytes: AtomicU64,
    /// Clients that were cut because they were slow.
    pub slow_consumers: AtomicU64,
    /// Times that a publisher was held up because a reader was behind.
    pub held_up: AtomicU64,
    /// Messages and subscriptions refused because the role may not.
    pub violations: AtomicU64,
    /// Logins refused.
    pub refused_logins: AtomicU64,
}

/// How long clients may take at the end for what waits for them.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves clients on `listener` until `shutdown` resolves; then they are given what waits for them, for one second at most,
/// and all connections are closed. Fails only if the listener does.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    run_with(config, listener, Arc::new(Stats::default()), shutdown).await
}

/// The same, counting into `stats`.
pub async fn run_with(
    config: Config,
    listener: TcpListener,
    stats: Arc<Stats>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let hub = Arc::new(Hub::new(config, stats));
    let mut sessions = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    sessions.spawn(session::run(Arc::clone(&hub), stream, peer));
                }
                // Out of file descriptors, or a client that was gone at once: neither ends the broker.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a bus client");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = sessions.join_next() => {}
        }
    }
    drop(listener);
    hub.end();
    let farewell = async { while sessions.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    sessions.shutdown().await;
    Ok(())
}
