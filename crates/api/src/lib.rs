//! The HTTP face: queries, live tail and inserts with the paths, arguments and answers of VictoriaLogs, so that Grafana's plugin,
//! shippers and scripts for it work unchanged.
//!
//! A token decides the org. What is asked is parsed, limited to what the token allows as nodes of its tree, and only then
//! handed to whatever keeps the lines ([`Logs`]). docs/http.md says what there is.
//!
//! | step | module |
//! |---|---|
//! | a connection comes | [`door`], [`stall`] |
//! | a request: path, token, tenant, arguments | [`serve`], [`route`], [`logins`], [`tenant`], [`args`] |
//! | is there a place for it | [`limits`] |
//! | it asks: text becomes a query that is confined | [`select`] |
//! | it listens: rows as they come on the bus | [`live`] |
//! | it wants what is Logway's own: pages, apps, Machines, tokens | [`v1`] |
//! | it brings lines: JSON becomes rows | [`insert`] |
//! | it is a browser that wants the pages | [`dashboard`] |
//! | whoever keeps the lines | [`logs`] |

mod args;
mod body;
mod caller;
mod commits;
mod dashboard;
mod door;
mod flushes;
mod heartbeats;
mod insert;
mod limits;
mod live;
mod logins;
pub mod logs;
mod metrics;
pub mod probe;
mod reply;
mod route;
mod select;
mod serve;
mod stall;
mod tail;
mod tenant;
pub mod tokens;
mod v1;

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use access::Deliveries;
use bus::client::Client;
use flushes::Flushes;
use heartbeats::Heartbeats;
use insert::{Seqs, Streams};
use limits::Gate;
use logins::Logins;
use serve::Api;

pub use limits::{Limits, PerOrg};
pub use live::{Ears, Heard, Live, deaf};
pub use logins::Known;
pub use logs::Logs;
pub use metrics::ApiFigures;
pub use serve::{Fault, Figures, Warnings};
pub use tokens::Tokens;

/// How the HTTP face behaves.
pub struct Config {
    /// Where clients come.
    pub listener: TcpListener,
    /// What keeps the lines.
    pub logs: Arc<dyn Logs>,
    /// Orgs, keys and revocations, as the registry tells them. Until there are some, nobody is let in.
    pub known: watch::Receiver<Known>,
    /// Where heartbeats of hosts are heard, with a login that may subscribe to `sys.hb.>`. `None`: nobody knows here which Machines run.
    pub heartbeats: Option<Client>,
    /// Where it is counted what readers of live logs are given: with others of this process that deliver lines, if there are some.
    pub deliveries: Arc<Deliveries>,
    /// Who makes and revokes tokens; `None`: nobody does here.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// How much each may have.
    pub limits: Limits,
    /// What inserted lines have as their host.
    pub host: String,
    /// What `/metrics` says to whoever asks, without a token; `None`: it is not served here.
    pub figures: Option<Figures>,
    /// What is wrong with others in this process, for `/health`; `None` if all is well with them.
    pub fault: Option<Fault>,
    /// What is missing or damaged with others in this process, for `/health`: it stays 200 then.
    pub warnings: Option<Warnings>,
    /// Where one's own figures can be read while it runs, for who serves them beside others.
    pub own_figures: Arc<ApiFigures>,
}

impl Config {
    /// The usual bounds, and no metrics.
    pub fn new(listener: TcpListener, logs: Arc<dyn Logs>, known: watch::Receiver<Known>) -> Self {
        let (limits, host) = (Limits::default(), String::new());
        let (own_figures, deliveries) = (Arc::default(), Arc::new(Deliveries::new(serve::unix_ns())));
        let (figures, fault, warnings, heartbeats, tokens) = (None, None, None, None, None);
        Self {
            listener,
            logs,
            known,
            heartbeats,
            deliveries,
            tokens,
            limits,
            host,
            figures,
            fault,
            warnings,
            own_figures,
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("listener", &self.listener)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Serves clients until `shutdown` resolves. Then nobody new is let in, tails end at once, and requests that run may come to
/// their end within 5 seconds. A store or a registry that is away does not end it.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) {
    let Config {
        listener,
        logs,
        known,
        heartbeats,
        deliveries,
        tokens,
        limits,
        host,
        figures,
        fault,
        warnings,
        own_figures,
    } = config;
    let api = Arc::new(Api {
        logs,
        logins: Logins::new(known),
        gate: Gate::new(limits),
        limits,
        counts: metrics::Counts::default(),
        seqs: Seqs::new(),
        streams: Streams::new(limits.apps_per_day, limits.streams_per_day),
        flushes: Flushes::default(),
        feeds: tail::Feeds::new(limits.follow_bytes),
        quiet: v1::Quiet::default(),
        heartbeats: Heartbeats::default(),
        deliveries,
        tokens,
        host,
        figures,
        fault,
        warnings,
        ending: watch::Sender::new(false),
    });
    // A second run with one configuration cannot be: it would have to be cloned.
    let _ = own_figures.0.set(Arc::clone(&api));
    let hearing = async {
        if let Some(client) = heartbeats {
            api.heartbeats.listen(&client).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = hearing => {}
        () = door::serve(Arc::clone(&api), listener, shutdown) => {}
    }
}
