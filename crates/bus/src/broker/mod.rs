//! The embedded broker: core NATS in this process, for one machine.
//!
//! Each connection is a [`session`](crate::session), which hands messages to the [`hub`]; that knows who listens. A client's
//! slowness stays in its own queue: whoever publishes waits for whoever reads for ten milliseconds at a time, and for none that
//! does not read. A reader whose queue is over its bound, or that takes nothing for ten seconds, is cut with a plain close, from
//! which every NATS client recovers by itself.

mod hub;
mod interest;
mod requests;
mod users;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::Error;
use crate::client::Credentials;
use crate::roles::Role;
use crate::session::{self, Listen, Settings};
use hub::Hub;

pub use crate::session::Stats;
pub use interest::Interest;

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
    /// How sessions behave.
    pub session: Settings,
    /// How clients reach it.
    pub listen: Listen,
    /// Bytes that may wait for one client. More, and it is cut. From half of it on, publishers are held up a little: with the
    /// usual 32 MiB, a reader that gets no turn from a busy machine for two seconds is not cut by one at full speed.
    pub max_pending_bytes: usize,
    /// How long a publisher waits at most for readers whose queues are over half of the bound, each time that up to 64 KiB were
    /// read from it.
    pub max_hold: Duration,
    /// How long a reader may take nothing of what waits for it and still be waited for.
    pub stuck_after: Duration,
    /// Who listens, for others of this process: they clone it.
    pub interest: Interest,
}

impl Config {
    /// The usual bounds, for these users.
    ///
    /// 10 ms for 64 KiB is nats-server's patience too. With it nobody makes a publisher slower than 6.4 MB/s: a reader that
    /// takes less than that is cut when its queue is over its bound.
    pub fn new(users: Vec<User>) -> Self {
        Self {
            users,
            session: Settings::default(),
            listen: Listen::default(),
            max_pending_bytes: 32 * 1024 * 1024,
            max_hold: Duration::from_millis(10),
            stuck_after: Duration::from_secs(1),
            interest: Interest::default(),
        }
    }
}

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
    let listen = config.listen.clone();
    session::listen(Arc::new(Hub::new(config, stats)), listener, listen, shutdown).await;
    Ok(())
}
