//! The stage: the engine on the bus.

mod answers;
mod appended;
mod asked;
mod figures;
mod imports;

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bus::broker::Interest;
use bus::client::Client;
use line::OrgId;
use query::{Block, Flow, Limits, Pool, Query, Side};
use tokio::sync::{oneshot, watch};

use crate::engine::{Engine, Receipt, Refusal};
use crate::fair::Places;
use crate::search::{Ask, Searched, Stored, search};
use crate::{Error, Request};
use answers::Answers;
pub use appended::Shards;
use asked::Asked;

/// A store that is open and on the bus; cheap to clone.
#[derive(Clone)]
pub struct Store {
    engine: Arc<Engine>,
    client: Client,
    interest: Option<Interest>,
    searches: Places<OrgId>,
    memory: Pool,
}

/// Searches that run at once, of which an org may have half. Further ones wait, as long as they may take.
const MAX_SEARCHES: usize = 6;
/// Bytes that all searches together may remember, of which an org may have half. Answers that wait to be fetched are among them.
const SEARCH_BYTES: usize = 384 << 20;

/// A question to a [`Store`], whose own rules (how long rows are kept, which orgs are no more) are put on top.
#[derive(Debug)]
pub struct Question<'a> {
    /// Whose rows. No others are looked at, whatever the query says.
    pub org: &'a OrgId,
    /// What is asked, with all that limits the asker in it.
    pub query: &'a Query,
    /// Whether this store's rows are all there are.
    pub side: Side,
    /// Only rows whose pos is in it: what a cursor has not seen, up to where another one stands.
    pub pos: Range<u64>,
    /// How much memory the pipes may take.
    pub limits: Limits,
    /// How many threads may work on it.
    pub threads: usize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Store {
    /// Puts an engine on the bus, as the role `store`. Must be called in a tokio runtime.
    #[must_use]
    pub fn start(engine: Arc<Engine>, bus: bus::client::Options) -> Self {
        let searches = Places::new(MAX_SEARCHES, MAX_SEARCHES, usize::MAX);
        Self { engine, client: Client::start(bus), interest: None, searches, memory: Pool::new(SEARCH_BYTES) }
    }

    /// Says on the bus only what `interest`, of the broker that the bus is, knows to be heard.
    #[must_use]
    pub fn with_interest(self, interest: Interest) -> Self {
        Self { interest: Some(interest), ..self }
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Its figures in OpenMetrics text, its end mark included.
    #[must_use]
    pub fn figures(&self) -> String {
        figures::text(self.engine.stats())
    }

    /// Why it takes no lines at the moment, if the disk is the reason.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let trouble = self.engine.stats().trouble?;
        Some(format!("the store takes no lines: {trouble}"))
    }

    /// What is missing or damaged though lines are taken and found, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.engine.warnings().into_iter().map(|what| format!("store: {what}")).collect()
    }

    /// Keeps a request. It resolves when all of it is durable, or with the reason why not. Rows from elsewhere are said on the bus then. The
    /// request is on its way when this returns, whether or not anybody waits.
    pub fn append(&self, request: Request) -> impl Future<Output = Result<Receipt, Refusal>> + Send + use<> {
        let (sender, receiver) = oneshot::channel();
        let imports = request.is_import().then(|| Arc::clone(&request.body));
        // Whoever waits may be gone.
        let reply = |result| {
            let _gone = sender.send(result);
        };
        self.engine.append_request(request, Box::new(reply));
        let (client, interest) = (self.client.clone(), self.interest.clone());
        async move {
            let closed =
                || Refusal::Busy { retry_ms: 1000, reason: "LS06: the store is being closed".to_owned() };
            let receipt = receiver.await.unwrap_or_else(|_| Err(closed()))?;
            if let Some(body) = imports {
                tokio::spawn(async move { imports::publish(&client, interest.as_ref(), &body).await });
            }
            Ok(receipt)
        }
    }

    /// The places for searches. Whoever calls [`Store::search`] takes one, and keeps it as long as what was found is held.
    #[must_use]
    pub const fn searches(&self) -> &Places<OrgId> {
        &self.searches
    }

    /// Searches; blocks until it is done. See [`search`].
    ///
    /// # Errors
    /// As [`search`].
    pub fn search(
        &self,
        question: &Question<'_>,
        is_over: &(dyn Fn() -> bool + Sync),
        out: &(dyn Fn(Block) -> Flow + Sync),
    ) -> Result<Searched, query::Error> {
        let snapshot = self.engine.snapshot();
        let ask = Ask {
            org: question.org,
            query: question.query,
            side: question.side,
            from: snapshot.visible.floor(question.org),
            pos: question.pos.start.max(snapshot.visible.floor_pos(question.org))..question.pos.end,
            limits: question.limits,
            share: &self.memory.share(question.org.as_str()),
            threads: question.threads,
        };
        let mut searched =
            search(Stored { rows: &snapshot.rows, parts: &snapshot.parts }, &ask, is_over, out)?;
        searched.pos = snapshot.pos.min(question.pos.end);
        if searched.partial.is_none() {
            let asked = question.query.time_range();
            searched.partial = snapshot.absent_in((asked.from, asked.to), ask.pos.start);
        }
        Ok(searched)
    }
}

/// How the stage is set up. [`Config::new`] gives the usual values.
#[derive(Debug)]
pub struct Config {
    /// The store. The stage finishes it at its end.
    pub store: Store,
    /// Its name, by which it is asked.
    pub name: String,
    /// Which shards are this store's.
    pub shards: watch::Receiver<Shards>,
    /// Orgs that are no more: what is stored of them goes.
    pub ended: watch::Receiver<BTreeSet<OrgId>>,
    /// How many threads a search may use; default as many as there are processors.
    pub threads: usize,
    /// How much memory the pipes of a search may take; default 96 MiB.
    pub limits: Limits,
}

impl Config {
    /// The usual values, for a store that owns `shards`.
    #[must_use]
    pub fn new(store: Store, name: String, shards: watch::Receiver<Shards>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let ended = watch::channel(BTreeSet::new()).1;
        Self { store, name, shards, ended, threads, limits: Limits::default() }
    }
}

/// How long what was asked last may take at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Takes lines and answers questions until `shutdown` resolves; then it puts what is in memory into parts.
///
/// # Errors
/// [`Error::Broken`] at once when a thread of the store has ended by a fault of the program; when that last step fails: nothing is
/// lost, the next start reads it from the log. A bus that is away and a disk that is full
/// show in the log, and end nothing.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let Config { store, name, shards, ended, threads, limits } = config;
    let asked = Arc::new(Asked { store: store.clone(), answers: Answers::default(), threads, limits });
    let broken = tokio::select! {
        () = shutdown => None,
        () = appended::run(&store, shards) => None,
        () = asked.run(&name) => None,
        () = forget(&store, ended) => None,
        name = broken(&store) => Some(name),
    };
    asked.answers.end();
    let engine = Arc::clone(&store.engine);
    let finished = tokio::task::spawn_blocking(move || engine.finish());
    let finished = tokio::time::timeout(GRACE, finished).await;
    store.client.close().await;
    if let Some(name) = broken {
        return Err(Error::Broken(name));
    }
    match finished {
        Ok(Ok(finished)) => finished,
        // It goes on, or has panicked; the log has all of it.
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

/// Waits until a thread of the store has ended by a fault of the program.
async fn broken(store: &Store) -> &'static str {
    loop {
        if let Some(name) = store.engine.broken() {
            return name;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How often it is looked whether the store's threads are there.
const LOOK: Duration = Duration::from_secs(1);

/// How soon it is tried again to delete what could not be deleted.
const AGAIN: Duration = Duration::from_secs(60);

/// Takes nothing more of orgs that are no more, and deletes what is stored of them.
async fn forget(store: &Store, mut ended: watch::Receiver<BTreeSet<OrgId>>) {
    let mut gone = BTreeSet::new();
    loop {
        let all = ended.borrow_and_update().clone();
        let new: Vec<OrgId> = all.difference(&gone).cloned().collect();
        // First, so that nothing comes behind what is deleted.
        store.engine.set_ended(all);
        for org in new {
            let engine = Arc::clone(&store.engine);
            let deleted = {
                let org = org.clone();
                tokio::task::spawn_blocking(move || engine.delete_org(&org)).await
            };
            match deleted {
                Ok(Ok(())) => {
                    gone.insert(org);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%org, %error, "lines of an org that is no more are still there")
                }
                Err(_) => {}
            }
        }
        let is_settled = ended.borrow().is_subset(&gone);
        tokio::select! {
            changed = ended.changed() => match changed {
                Ok(()) => {}
                Err(_) if is_settled => std::future::pending::<()>().await,
                Err(_) => tokio::time::sleep(AGAIN).await,
            },
            () = tokio::time::sleep(AGAIN), if !is_settled => {}
        }
    }
}
