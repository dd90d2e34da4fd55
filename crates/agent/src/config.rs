//! How an agent is set up.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use disk::{Disk, RealDisk};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::context::Context;
use crate::spool;

/// How an agent is set up. [`Config::new`] gives the usual values.
#[derive(Debug)]
pub struct Config {
    /// The agent's own directory; made if missing, mode 0700. One agent at a time may use it: the caller sees to that.
    pub data_dir: PathBuf,
    /// The host's name, as it stands in each line.
    pub host: String,
    /// Its region, for the heartbeat; Machines name their own.
    pub region: String,
    /// How to reach NATS.
    pub bus: bus::client::Options,
    /// Lines go to this socket of Vector instead of to NATS. NATS still carries heartbeats and answers for recent lines.
    pub vector: Option<PathBuf>,
    /// The spool.
    pub spool: spool::Config,
    /// Bytes of the spool that are kept for `sys.recent` after everything went out; default 64 MiB.
    pub keep_bytes: u64,
    /// There is a store, and it is given every line; without one this is `None`, and nothing is held back for it. Best set by
    /// [`Config::with_store`].
    pub store: Option<ToStore>,
    /// How far the live copy may be behind before it skips ahead. Only where a store has the lines: without one this is
    /// `None`, and all lines go out, however late.
    pub live_lag: Option<LiveLag>,
    /// Lines a second that an app may write, for apps registered without a limit of their own; `None`: any number.
    pub rate_limit: Option<u64>,
    /// How long a boot whose connection ended without a goodbye may take to come back before a gap record says that it has
    /// vanished; default 15 s. It may come back later too.
    pub vanish_after: Duration,
    /// How long an ephemeral Machine without a connection is kept when its init's process cannot be watched: after a restart
    /// of the agent, or across pid namespaces. Otherwise it is kept as long as that process lives. Default 24 hours.
    pub forget_after: Duration,
    /// How often a heartbeat is sent and the spool's marks are saved; default 5 s.
    pub heartbeat: Duration,
    /// At the end: how long the sockets, and then the bus, may take; default 2 s each.
    pub grace: Duration,
    /// The disk; tests put a faulty one here.
    pub disk: Arc<dyn Disk>,
    /// Where `/metrics` and `/health` are served.
    pub http: Option<TcpListener>,
    /// Figures of others in this process, in OpenMetrics text: they are served behind the agent's own.
    pub more_metrics: Option<MoreMetrics>,
    /// Where its figures and faults can be read while it runs, for who serves them beside others.
    pub figures: Arc<Figures>,
    /// Told when the admin socket and the sockets of all registered Machines listen. NATS may still be away then.
    pub ready: Option<oneshot::Sender<()>>,
}

/// Gives figures in OpenMetrics text, its end mark included; called for each request.
pub struct MoreMetrics(pub Box<dyn Fn() -> String + Send + Sync>);

impl fmt::Debug for MoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoreMetrics").finish_non_exhaustive()
    }
}

/// The figures of an agent that runs in this process; nothing until it does.
#[derive(Default)]
pub struct Figures(pub(crate) OnceLock<Arc<Context>>);

impl Figures {
    /// All figures in OpenMetrics text, its end mark included.
    pub fn text(&self) -> String {
        self.0.get().map(|context| context.metrics.text()).unwrap_or_default()
    }

    /// What is wrong, in a sentence; `None` if all is well.
    pub fn fault(&self) -> Option<String> {
        self.0.get().and_then(|context| context.health.fault())
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

/// How lines are handed to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToStore {
    /// How long an answer of the store may take before the request is repeated; default 10 s.
    pub answer_within: Duration,
    /// The longest wait before a store that did not answer is tried again; default 5 s.
    pub retry_after: Duration,
    /// Most bytes of requests that the store refused and that are kept for people to look into; default 64 MiB. Beyond that
    /// they are only counted, and stated as missing.
    pub dead_letter_bytes: u64,
}

impl Default for ToStore {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(10),
            retry_after: Duration::from_secs(5),
            dead_letter_bytes: 64 << 20,
        }
    }
}

/// How far the live copy may be behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLag {
    /// Lines older than this are skipped.
    pub after: Duration,
    /// So are lines that have more than this many bytes behind them.
    pub bytes: u64,
}

impl Default for LiveLag {
    fn default() -> Self {
        Self { after: Duration::from_secs(60), bytes: 64 << 20 }
    }
}

impl Config {
    /// The usual agent.
    pub fn new(data_dir: PathBuf, host: String, region: String, bus: bus::client::Options) -> Self {
        Self {
            data_dir,
            host,
            region,
            bus,
            vector: None,
            spool: spool::Config::default(),
            keep_bytes: 64 << 20,
            store: None,
            live_lag: None,
            rate_limit: None,
            vanish_after: Duration::from_secs(15),
            forget_after: Duration::from_secs(86_400),
            heartbeat: Duration::from_secs(bus::sys::HEARTBEAT_SECONDS),
            grace: Duration::from_secs(2),
            disk: Arc::new(RealDisk),
            http: None,
            more_metrics: None,
            figures: Arc::default(),
            ready: None,
        }
    }
    /// The same with a store: it is given every line, and the live copy may skip ahead because the store has them.
    #[must_use]
    pub fn with_store(self) -> Self {
        Self { store: Some(ToStore::default()), live_lag: Some(LiveLag::default()), ..self }
    }
}
