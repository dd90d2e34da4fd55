//! What the broker needs to know, and what it counts.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::roles::Role;

/// Who may connect.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// What it may do.
    pub role: Role,
    /// Its name.
    pub user: String,
    /// Its password; `Debug` hides it.
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("role", &self.role).field("user", &self.user).finish_non_exhaustive()
    }
}

/// The broker's configuration. `Config { users, ..Config::default() }` is the usual one.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may connect. Nobody else may, and nothing is anonymous.
    pub users: Vec<User>,
    /// The largest message, headers included, in bytes: 1 MiB, as nats-server has it. A larger one closes its connection.
    pub max_payload: usize,
    /// Bytes that may wait for one client; beyond it the client is cut as a slow consumer. 8 MiB (nats-server: 64 MiB): the
    /// readers of the live copy fetch what they missed.
    pub max_pending_bytes: usize,
    /// A client that takes nothing for this long is cut while something waits for it. 10 s.
    pub stall_timeout: Duration,
    /// A client that was silent for this long is asked with a PING; after two without an answer it is cut. 2 min.
    pub ping_interval: Duration,
    /// A client has this long to log in. 2 s.
    pub auth_timeout: Duration,
    /// Connections at the same time, logged in or not; one more is told so and closed. 65,536.
    pub max_connections: usize,
    /// Subscriptions of one connection; one more is refused as a violation. 10,000.
    pub max_subscriptions: usize,
    /// Where it counts; keep a clone to read.
    pub stats: Stats,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            max_payload: 1 << 20,
            max_pending_bytes: 8 << 20,
            stall_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(120),
            auth_timeout: Duration::from_secs(2),
            max_connections: 65_536,
            max_subscriptions: 10_000,
            stats: Stats::default(),
        }
    }
}

/// What [`run`](super::run) can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener's address cannot be read.
    #[error("the broker's listener has no address: bind it anew")]
    Listener(#[source] io::Error),
}

/// A handle on the broker's counters; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stats(pub(crate) Arc<Counters>);

/// The counters themselves. All only rise, save `connections`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) in_msgs: AtomicU64,
    pub(crate) in_bytes: AtomicU64,
    pub(crate) out_msgs: AtomicU64,
    pub(crate) out_bytes: AtomicU64,
    pub(crate) slow_consumers: AtomicU64,
    pub(crate) violations: AtomicU64,
    pub(crate) refused_logins: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Connections that are open now.
    pub connections: u64,
    /// Messages that clients published.
    pub in_msgs: u64,
    /// Their bytes, headers and payload.
    pub in_bytes: u64,
    /// Messages that were queued for clients.
    pub out_msgs: u64,
    /// Their bytes, headers and payload.
    pub out_bytes: u64,
    /// Clients that were cut because they did not read.
    pub slow_consumers: u64,
    /// Publishes and subscriptions that were refused.
    pub violations: u64,
    /// Connections that were closed because they did not log in rightly.
    pub refused_logins: u64,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsSnapshot {
            connections: read(&self.0.connections),
            in_msgs: read(&self.0.in_msgs),
            in_bytes: read(&self.0.in_bytes),
            out_msgs: read(&self.0.out_msgs),
            out_bytes: read(&self.0.out_bytes),
            slow_consumers: read(&self.0.slow_consumers),
            violations: read(&self.0.violations),
            refused_logins: read(&self.0.refused_logins),
        }
    }
}
