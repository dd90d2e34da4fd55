//! The NATS front door: whoever has a token hears the lines that it allows, with any NATS client, and nothing else.
//!
//! Behind it is a bus on which everything is said under `o.<orgid>.`; before it are clients who never see that. What they
//! subscribe to gets the prefix of their token's org, what comes back loses it, and no byte that a client wrote goes to the bus: each
//! verb is read and written anew.
//!
//! | step | module |
//! |---|---|
//! | a connection comes: from where, and how many from there | [`limits`] |
//! | CONNECT: whose token is it, is it good | [`logins`] |
//! | SUB: what does the pattern stand for, may it be read | [`rules`] |
//! | the one subscription upstream that serves all who want the same | [`interest`] |
//! | the connection to the bus, always drained | [`upstream`] |
//! | messages that were read together, made once for all | [`batch`] |
//! | a message to each who listens, or a note for who is too slow | [`tenant`], [`skipped`] |
//! | heartbeats: does the bus hand on all that is said | [`hearing`], [`watchdog`] |
//! | recent lines and heartbeats, for `logway logs` | [`relay`] |
//! | how much each app's readers were given, and who is behind | [`delivery`] |
//! | tokens that end, memory of all | [`warden`] |
//! | who read what | [`audit`] |
//!
//! The session itself (handshake, verbs, queues) is the broker's: [`bus::session`].

mod audit;
mod batch;
mod delivery;
mod door;
mod hearing;
mod http;
mod interest;
mod limits;
mod logins;
mod metrics;
mod relay;
mod rules;
mod skipped;
mod tenant;
mod upstream;
mod warden;
mod watchdog;

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::Deliveries;
use bus::client::{Client, Options};
use bus::codec::Limits as CodecLimits;
use bus::session::{self, Listen, Settings, Stats};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use audit::Audit;
use door::Door;
use limits::Gate;
use logins::Logins;
use metrics::Reader;
use relay::Relay;
use upstream::Upstream;
use warden::Done;

pub use limits::{Limits, OrgLimits};
pub use logins::Known;
pub use metrics::Figures;
pub use rules::{MARKS, RECENT};

/// How a front door behaves.
#[derive(Debug)]
pub struct Config {
    /// Where clients come.
    pub listener: TcpListener,
    /// How they come: TLS, a balancer before us, and how they are told of the end.
    pub listen: Listen,
    /// How sessions behave.
    pub session: Settings,
    /// How much each may have.
    pub limits: Limits,
    /// The bus, and the front door's login there.
    pub upstream: Options,
    /// Orgs, keys and revocations, as the registry tells them. Until there are some, nobody is let in.
    pub known: watch::Receiver<Known>,
    /// The file that says who read what; `None`: it is not kept.
    pub audit: Option<PathBuf>,
    /// Where metrics and health are served; `None`: nowhere.
    pub http: Option<TcpListener>,
    /// Where the figures can be read while it runs, for who serves them beside others.
    pub figures: Arc<Figures>,
    /// Where it is counted what clients are given: with others of this process that deliver lines, if there are some.
    pub deliveries: Arc<Deliveries>,
    /// Told when clients are taken: connected to the bus, and the registry's state known.
    pub ready: Option<oneshot::Sender<()>>,
}

impl Config {
    /// The usual bounds.
    pub fn new(listener: TcpListener, upstream: Options, known: watch::Receiver<Known>) -> Self {
        let session = Settings {
            // All that they may send with a payload is a question.
            limits: CodecLimits { payload_bytes: 64 * 1024, ..CodecLimits::default() },
            // Clients say little, and there are many.
            read_bytes: 1024,
            ping_interval: Duration::from_secs(120),
            max_connections: 65_536,
            max_verbs_per_s: Some(1000),
            max_violations: Some(100),
            ..Settings::default()
        };
        let (listen, limits) = (Listen::default(), Limits::default());
        Self {
            listener,
            listen,
            session,
            limits,
            upstream,
            known,
            audit: None,
            http: None,
            figures: Arc::default(),
            deliveries: Arc::default(),
            ready: None,
        }
    }
}

/// Why a front door cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The audit log cannot be written.
    #[error("cannot open the audit log {path}: {error}")]
    Audit {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Serves clients until `shutdown` resolves; then they are told, and cut as [`Listen::lame_duck`] says. A bus or a registry that
/// is away does not end it.
///
/// # Errors
/// [`Error::Audit`], at the start.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let Config {
        listener,
        listen,
        session,
        limits,
        upstream,
        known,
        audit,
        http,
        figures,
        deliveries,
        ready,
    } = config;
    let audit = match audit {
        None => Audit::none(),
        Some(path) => Audit::to(&path).map_err(|error| Error::Audit { path, error })?,
    };
    let client = Client::start(upstream.clone());
    let stats = Arc::new(Stats::default());
    let door = Arc::new(Door {
        settings: session,
        stats: Arc::clone(&stats),
        server_id: format!("LW{:016X}", fastrand::u64(..)),
        gate: Arc::new(Gate::new(limits)),
        logins: Logins::new(known.clone()),
        upstream: Arc::new(Upstream::new(upstream.servers.len(), deliveries)),
        relay: Relay::new(client.clone()),
        audit,
        tenants: Mutex::default(),
        skipped_lines: 0.into(),
    });
    let reader = Reader { door: Arc::clone(&door), done: Arc::new(Done::default()) };
    // A second run with one configuration cannot be: it would have to be cloned.
    let _ = figures.0.set(reader.clone());

    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&door.upstream).run(upstream, stats));
    tasks.spawn(relay_heartbeats(Arc::clone(&door)));
    tasks.spawn(watch(Arc::clone(&door), client.clone()));
    tasks.spawn(warden::run(Arc::clone(&door), known.clone(), Arc::clone(&reader.done)));
    if let Some(http) = http {
        tasks.spawn(http::serve(http, reader));
    }
    if let Some(ready) = ready {
        tasks.spawn(tell_ready(Arc::clone(&door), known, ready));
    }
    session::listen(door, listener, listen, shutdown).await;
    tasks.shutdown().await;
    client.close().await;
    Ok(())
}

async fn relay_heartbeats(door: Arc<Door>) {
    let beats = door.upstream.hearing.beats();
    door.relay.run(beats).await;
}

async fn watch(door: Arc<Door>, client: Client) {
    hearing::run(&door.upstream, &client).await;
}

/// Says when clients can be served.
async fn tell_ready(door: Arc<Door>, mut known: watch::Receiver<Known>, ready: oneshot::Sender<()>) {
    let mut standing = door.upstream.standing();
    let connected = standing.wait_for(|standing| matches!(standing, upstream::Standing::Connected { .. }));
    if connected.await.is_err() || known.wait_for(Option::is_some).await.is_err() {
        return;
    }
    // Whoever asked may have gone.
    let _ = ready.send(());
}
