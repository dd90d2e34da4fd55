//! `sys.query.<store>`: questions of other machines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::client::{Client, Delivery, Message, Status};
use bus::roles::Role;
use bus::sys::{QUERY_PREFIX, QueryBegin, QueryEnd, QueryFailure, QueryNext, QueryRequest};
use line::OrgId;
use query::{Block, Confinement, Flow, Limits, Side};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

use super::answers::{Answers, Said, failed};
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
                QueryRequest::Begin(begin) => match asked.begin(begin) {
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
    fn begin(self: &Arc<Self>, begin: QueryBegin) -> Result<QueryNext, QueryFailure> {
        let failure =
            |code: &str, reason: String, retry| QueryFailure { code: code.to_owned(), reason, retry };
        let org = OrgId::new(&begin.org).map_err(|error| failure("LS08", error.to_string(), false))?;
        let mut query = query::parse(&begin.query, begin.now)
            .map_err(|error| failure(error.code(), error.to_string(), false))?;
        query.confine(&Confinement::org(org.clone()));
        let (sender, said) = mpsc::channel(PIECES);
        let (next, over) = self.answers.begin(said).ok_or_else(|| {
            failure("LS07", "the store answers as many questions as it can".to_owned(), true)
        })?;
        let asked = Arc::clone(self);
        let timeout = Duration::from_millis(begin.timeout_ms).min(MAX_TIMEOUT);
        tokio::task::spawn_blocking(move || {
            let deadline = std::time::Instant::now() + timeout;
            let end = asked.search(&org, &query, &sender, &over, deadline);
            // Whoever asked may have gone.
            let _gone = sender.blocking_send(Said::End(end));
        });
        Ok(next)
    }

    fn search(
        &self,
        org: &OrgId,
        query: &query::Query,
        sender: &mpsc::Sender<Said>,
        over: &AtomicBool,
        deadline: std::time::Instant,
    ) -> QueryEnd {
        let ask = Question {
            org,
            query,
            side: Side::Part,
            pos_from: 0,
            limits: self.limits,
            threads: self.threads,
        };
        let is_over = || over.load(Ordering::Relaxed) || std::time::Instant::now() >= deadline;
        let out = |block: Block| {
            let sent = sender.blocking_send(Said::Bytes(wire::rows(&block)));
            if sent.is_ok() { Flow::More } else { Flow::Done }
        };
        match self.store.search(&ask, &is_over, &out) {
            Ok(Searched { rows, bytes, state, partial, .. }) => {
                if !state.is_empty() {
                    let _gone = sender.blocking_send(Said::Bytes(wire::state(&state)));
                }
                let partial = partial.map(|partial| partial.to_string());
                QueryEnd { scanned_rows: rows, scanned_bytes: bytes, partial, error: None }
            }
            Err(error) => {
                let failure =
                    QueryFailure { code: error.code().to_owned(), reason: error.to_string(), retry: false };
                QueryEnd { error: Some(failure), ..QueryEnd::default() }
            }
        }
    }
}
