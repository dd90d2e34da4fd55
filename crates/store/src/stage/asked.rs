//! `sys.query.<store>`: questions of other machines.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::client::{Client, Delivery, Message, Status};
use bus::roles::Role;
use bus::sys::{QUERY_PREFIX, QueryBegin, QueryEnd, QueryFailure, QueryNext, QueryRequest};
use line::OrgId;
use query::{Block, Confinement, Flow, Held, Limits, Query, Side};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, timeout_at};

use super::answers::{Answers, Kept, Said, failed};
use super::{Question, Store};
use crate::search::Searched;
use crate::wire;

/// Longest that a search may take, whatever the asker says.
const MAX_TIMEOUT: Duration = Duration::from_secs(300);
/// Pieces of an answer that wait for their page.
const PIECES: usize = 4;

/// What questions are answered from.
pub(super) struct Asked {
    pub(super) store: Store,
    pub(super) answers: Answers,
    pub(super) threads: usize,
    pub(super) limits: Limits,
}

impl Asked {
    /// Answers questions until the client is closed.
    pub(super) async fn run(self: &Arc<Self>, name: &str) {
        let client = &self.store.client;
        let mut questions = match client.subscribe(&format!("{QUERY_PREFIX}{name}"), None).await {
            Ok(questions) => questions,
            Err(error) => return tracing::error!(%error, "the store cannot be asked"),
        };
        let mut tick = interval(Duration::from_secs(1));
        loop {
            let delivery = tokio::select! {
                delivery = questions.next() => delivery,
                _ = tick.tick() => {
                    self.answers.expire(Instant::now());
                    continue;
                }
            };
            match delivery {
                Some(Delivery::Message(message)) => self.take(client, message),
                Some(Delivery::Denied { reason }) => {
                    tracing::error!(code = "LB02", %reason, "the store cannot be asked: the bus does not let this role");
                    std::future::pending::<()>().await;
                }
                // Whoever asked meanwhile asks again.
                Some(Delivery::Interrupted { .. } | Delivery::NoResponders) => {}
                None => return self.answers.end(),
            }
        }
    }

    /// Takes a question; what has to wait does so in a task of its own.
    fn take(self: &Arc<Self>, client: &Client, message: Message) {
        // A nats-server lets us answer anywhere: nobody is to have us speak where they may not.
        let is_inbox = |reply: &&str| Role::ALL.iter().any(|role| role.has_inbox(reply.as_bytes()));
        let reply = message.reply.as_deref().and_then(|reply| std::str::from_utf8(reply).ok());
        let Ok(request) = serde_json::from_slice::<QueryRequest>(&message.payload) else { return };
        let Some(reply) = reply.filter(is_inbox).map(str::to_owned) else {
            if let QueryRequest::Cancel(asked) = &request {
                self.answers.cancel(asked);
            }
            return;
        };
        let max_bytes = match *client.status().borrow() {
            Status::Connected { max_payload, .. } => max_payload,
            _ => return,
        };
        let (asked, client) = (Arc::clone(self), client.clone());
        tokio::spawn(async move {
            let page = match request {
                QueryRequest::Begin(begin) => match asked.begin(begin).await {
                    Ok(next) => asked.answers.page(&next, max_bytes).await,
                    Err(failure) => {
                        failed(&QueryNext::default(), &failure.code, &failure.reason, failure.retry)
                    }
                },
                QueryRequest::Next(next) => asked.answers.page(&next, max_bytes).await,
                QueryRequest::Cancel(next) => return asked.answers.cancel(&next),
            };
            if let Err(error) = client.publish(&reply, None, &page).await {
                // Without a connection there is nobody who waits.
                tracing::debug!(%error, "a page of an answer was not sent");
            }
        });
    }

    /// Starts the search for a new question.
    async fn begin(self: &Arc<Self>, begin: QueryBegin) -> Result<QueryNext, QueryFailure> {
        // Long ones take long to prepare.
        let wanted = tokio::task::spawn_blocking(move || Wanted::read(&begin)).await;
        let wanted = wanted.unwrap_or_else(|_| Err(failure("LS08", "the question cannot be read", false)))?;
        let (sender, said) = mpsc::channel(PIECES);
        let (next, over) = self.answers.begin(&wanted.org, said).ok_or_else(|| {
            failure("LS07", "the store answers as many questions as it can, or as many of this org", true)
        })?;
        tokio::spawn(Arc::clone(self).answer(wanted, sender, over));
        Ok(next)
    }

    /// Searches when there is a place for it. What is found keeps the place until it is fetched.
    async fn answer(self: Arc<Self>, wanted: Wanted, sender: mpsc::Sender<Said>, over: Arc<AtomicBool>) {
        let deadline = Instant::now() + wanted.timeout;
        let place = tokio::select! {
            place = timeout_at(deadline, self.store.searches().enter(&wanted.org)) => place,
            // Nobody wants it any more.
            () = sender.closed() => return,
        };
        let Ok(Ok(place)) = place else {
            let busy = failure("LS07", "other searches have taken all the time", true);
            let end = QueryEnd { error: Some(busy), ..QueryEnd::default() };
            // Whoever asked may have gone.
            let _gone = sender.send(Said::End(end, None)).await;
            return;
        };
        let searched = tokio::task::spawn_blocking(move || {
            let (end, memory) = self.search(&wanted, &sender, &over, deadline);
            let _gone = sender.blocking_send(Said::End(end, Some(Kept { _place: place, _memory: memory })));
        });
        // If it panics the answer ends without an end, and says so.
        let _panicked = searched.await;
    }

    fn search(
        &self,
        wanted: &Wanted,
        sender: &mpsc::Sender<Said>,
        over: &AtomicBool,
        deadline: Instant,
    ) -> (QueryEnd, Option<Held>) {
        let ask = Question {
            org: &wanted.org,
            query: &wanted.query,
            side: Side::Part,
            pos: wanted.pos.clone(),
            limits: self.limits,
            threads: self.threads,
        };
        let is_over = || over.load(Ordering::Relaxed) || Instant::now() >= deadline;
        let runtime = Handle::current();
        let out = |block: Block| {
            // Whoever fetches slowly holds nothing up beyond the deadline.
            let said = sender.send(Said::Bytes(wire::rows(&block)));
            match runtime.block_on(async { timeout_at(deadline, said).await }) {
                Ok(Ok(())) => Flow::More,
                _ => Flow::Done,
            }
        };
        let failed = |error: &query::Error| {
            let retry = matches!(error, query::Error::Crowded { .. });
            let failure = failure(error.code(), &error.to_string(), retry);
            (QueryEnd { error: Some(failure), ..QueryEnd::default() }, None)
        };
        match self.store.search(&ask, &is_over, &out) {
            Ok(Searched { rows, bytes, pos, state, partial, .. }) => {
                let mut memory = None;
                if !state.is_empty() {
                    memory = self.store.memory.share(wanted.org.as_str()).hold(state.len());
                    if memory.is_none() {
                        return failed(&query::Error::Crowded { pipe: "the answer".to_owned() });
                    }
                    let _gone = sender.blocking_send(Said::Bytes(wire::state(&state)));
                }
                let partial = partial.map(|partial| partial.to_string());
                (QueryEnd { scanned_rows: rows, scanned_bytes: bytes, pos, partial, error: None }, memory)
            }
            Err(error) => failed(&error),
        }
    }
}

/// What is to be searched for.
struct Wanted {
    org: OrgId,
    query: Query,
    timeout: Duration,
    pos: Range<u64>,
}

impl Wanted {
    fn read(begin: &QueryBegin) -> Result<Self, QueryFailure> {
        let org = OrgId::new(&begin.org).map_err(|error| failure("LS08", &error.to_string(), false))?;
        let mut query = query::parse(&begin.query, begin.now)
            .map_err(|error| failure(error.code(), &error.to_string(), false))?;
        query.confine(&Confinement::org(org.clone()));
        let timeout = Duration::from_millis(begin.timeout_ms).min(MAX_TIMEOUT);
        Ok(Self { org, query, timeout, pos: begin.pos_from..begin.pos_to.unwrap_or(u64::MAX) })
    }
}

fn failure(code: &str, reason: &str, retry: bool) -> QueryFailure {
    QueryFailure { code: code.to_owned(), reason: reason.to_owned(), retry }
}
