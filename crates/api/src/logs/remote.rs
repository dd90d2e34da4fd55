//! Stores on other machines, asked over the bus: each does its part of the work, and what they give is joined here.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bus::client::{Client, Delivery};
use bus::sys::{
    AppendAnswer, QUERY_PAGE_SECONDS, QUERY_PREFIX, QueryBegin, QueryEnd, QueryNext, QueryPage, QueryRequest,
    append_subject, read_page,
};
use bytes::Bytes;
use line::{Address, Name, OrgId};
use query::{Flow, Limits, Pipeline, Pool, Share, Side};
use store::Request;
use store::wire::{Piece, Pieces};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::local::rejected;
use super::{Answer, Answering, Ask, Batch, End, Failure, Listen, Logs, Pending, Receipt};
use crate::live::{Ears, Live};
use crate::logins::Known;

/// Pieces of answers that wait to be joined.
const MAX_QUEUED: usize = 4;
/// How long a store may take to say that it keeps a batch.
const APPEND_PATIENCE: Duration = Duration::from_secs(10);
/// How much more than the search a store may take to answer.
const SLACK: Duration = Duration::from_secs(1);
/// How long a page may take: one that has nothing to say yet says that each second, so this one hangs or is gone.
const PAGE_PATIENCE: Duration = Duration::from_secs(8 * QUERY_PAGE_SECONDS);
/// When to come again if no store has answered.
const RETRY: Duration = Duration::from_secs(1);

/// See [`Logs`]. Which stores there are is what the registry says. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
    live: Live,
    known: watch::Receiver<Known>,
    memory: Pool,
}

/// Bytes that are remembered to join answers, of all questions together; an org may have half of it.
const JOIN_BYTES: usize = 384 << 20;

/// What a store has said.
enum Said {
    Piece(Piece),
    End(QueryEnd),
    /// It does not answer, or not as a store does.
    Lost {
        store: Name,
        why: String,
    },
}

impl Remote {
    /// Asks over `client`, as the role `api`; tails hear on `live`.
    #[must_use]
    pub fn new(client: Client, live: Live, known: watch::Receiver<Known>) -> Self {
        Self { client, live, known, memory: Pool::new(JOIN_BYTES) }
    }

    /// The stores that may have rows, whatever is asked. Those that keep the apps that a query names are not enough: a store that a
    /// shard was taken from has its lines of before, and the registry remembers stores, not which shards they had.
    fn all_stores(&self) -> Result<BTreeSet<Name>, Failure> {
        let known = self.known.borrow();
        let Some((directory, _)) = known.as_ref() else {
            return Err(Failure::Away(
                "the registry has not been heard, so it is not known which stores there are".into(),
            ));
        };
        Ok(directory.stores().into_iter().cloned().collect())
    }

    async fn search(self, mut ask: Ask, answering: Answering) {
        // As each store does: what they send fits what is joined here.
        ask.query.hoist();
        let began = Instant::now();
        let stores = match ask.store.clone().map_or_else(|| self.all_stores(), |store| Ok([store].into())) {
            Ok(stores) => stores,
            Err(failure) => return answering.end(Err(failure)).await,
        };
        let (sender, said) = mpsc::channel(MAX_QUEUED);
        let mut asking = JoinSet::new();
        let count = stores.len();
        for store in stores {
            let wanted = Wanted { said: sender.clone(), answering: answering.clone() };
            asking.spawn(ask_one(self.client.clone(), store, ask.clone(), wanted));
        }
        drop(sender);
        let joined = tokio::task::spawn_blocking(move || {
            let share = self.memory.share(ask.org.as_str());
            let end = join(&ask, &share, &answering, said, count, began);
            answering.end_blocking(end);
        });
        // With the joining, whoever was asked ends too: the rest is not wanted, and each store hears so.
        let _ended = joined.await;
        while asking.join_next().await.is_some() {}
    }
}

/// Puts together what stores say. Blocks.
fn join(
    ask: &Ask,
    share: &Share,
    answering: &Answering,
    mut said: mpsc::Receiver<Said>,
    stores: usize,
    began: Instant,
) -> Result<End, Failure> {
    let pipeline = Pipeline::within(&ask.query, Limits { bytes: ask.state_bytes }, share, Side::Rest)?;
    let mut worker = pipeline.worker();
    let runtime = Handle::current();
    let (mut end, mut lost) = (End::default(), 0);
    let mut flow = Flow::More;
    while flow == Flow::More {
        let Some(next) = said.blocking_recv() else { break };
        match next {
            Said::Piece(Piece::Rows(block)) => {
                let mut read = Flow::More;
                flow = worker.push(block, &mut |block| {
                    if answering.rows_blocking_until(block, ask.deadline, &runtime) == Flow::Done {
                        read = Flow::Done;
                    }
                })?;
                flow = if read == Flow::Done { read } else { flow };
            }
            Said::Piece(Piece::State(state)) => worker.import(&state)?,
            Said::End(one) => note(&mut end, one)?,
            Said::Lost { store, why } => {
                lost += 1;
                end.missing.push(format!("store {store}: {why}"));
            }
        }
    }
    drop(said);
    if Instant::now() >= ask.deadline {
        return Err(Failure::Deadline { after: began.elapsed() });
    }
    if lost == stores && stores > 0 {
        return Err(Failure::Away(end.missing.join("; ")));
    }
    let out = &mut |block| answering.rows_blocking_until(block, ask.deadline, &runtime);
    pipeline.finish(vec![worker], out)?;
    if Instant::now() >= ask.deadline {
        return Err(Failure::Deadline { after: began.elapsed() });
    }
    if stores != 1 {
        end.pos = 0;
    }
    Ok(end)
}

fn note(end: &mut End, one: QueryEnd) -> Result<(), Failure> {
    if let Some(failure) = one.error {
        return Err(match failure.retry {
            true => Failure::Busy { retry_after: RETRY, reason: failure.reason },
            false => Failure::Rejected { code: failure.code, reason: failure.reason },
        });
    }
    end.missing.extend(one.partial);
    end.pos = one.pos;
    end.scanned_rows += one.scanned_rows;
    end.scanned_bytes += one.scanned_bytes;
    Ok(())
}

/// Where a store's answer goes.
struct Wanted {
    said: mpsc::Sender<Said>,
    answering: Answering,
}

impl Wanted {
    /// Whether nobody wants more: the joined answer is whole without it, or whoever asked has gone.
    fn is_over(&self) -> bool {
        self.said.is_closed() || self.answering.is_dropped()
    }

    async fn lost(&self, store: Name, why: String) {
        let _enough = self.said.send(Said::Lost { store, why }).await;
    }
}

/// Asks one store for all of its answer.
async fn ask_one(client: Client, store: Name, ask: Ask, wanted: Wanted) {
    let subject = format!("{QUERY_PREFIX}{store}");
    let left = ask.deadline.saturating_duration_since(Instant::now());
    // The store puts the org on anew; what else limits the asker travels as text.
    let mut query = ask.query.clone();
    query.without_org(&ask.org);
    let begin = QueryBegin {
        org: ask.org.as_str().to_owned(),
        query: query.to_string(),
        now: ask.now,
        timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        pos_from: ask.pos.start,
        pos_to: Some(ask.pos.end).filter(|&end| end != u64::MAX),
    };
    let mut request = QueryRequest::Begin(begin);
    let (mut pieces, mut page) = (Pieces::default(), 0);
    loop {
        let answer = one_page(&client, &subject, &request, ask.deadline).await;
        let (head, body) = match answer.as_ref().map(|bytes| read_page(bytes)) {
            Ok(Some(page)) => page,
            Ok(None) => return wanted.lost(store, "what it answers is not a page".into()).await,
            Err(why) => return wanted.lost(store, why.clone()).await,
        };
        pieces.push(body);
        loop {
            match pieces.take() {
                Ok(Some(piece)) => {
                    if wanted.said.send(Said::Piece(piece)).await.is_err() {
                        return cancel(&client, &subject, &head).await;
                    }
                }
                Ok(None) => break,
                Err(error) => return wanted.lost(store, error.to_string()).await,
            }
        }
        if let Some(end) = head.end {
            // Whoever joins may have enough.
            let _enough = wanted.said.send(Said::End(end)).await;
            return;
        }
        if wanted.is_over() {
            return cancel(&client, &subject, &head).await;
        }
        page += 1;
        request = QueryRequest::Next(QueryNext { id: head.id, page });
    }
}

/// Says that the rest is not wanted.
async fn cancel(client: &Client, subject: &str, head: &QueryPage) {
    if head.end.is_some() {
        return;
    }
    let request = QueryRequest::Cancel(QueryNext { id: head.id.clone(), page: head.page });
    let bytes = serde_json::to_vec(&request).unwrap_or_default();
    // If it does not hear so, it ends by itself after a while.
    let _lost = client.publish(subject, None, &bytes).await;
}

/// Asks for a page; an answer that is lost with its connection is asked for once more.
async fn one_page(
    client: &Client,
    subject: &str,
    request: &QueryRequest,
    deadline: Instant,
) -> Result<Bytes, String> {
    let bytes = serde_json::to_vec(request).map_err(|error| error.to_string())?;
    let mut is_again = false;
    loop {
        let mut answers = client.request_many(subject, &bytes).await.map_err(|error| error.to_string())?;
        let due = (deadline + SLACK).min(Instant::now() + PAGE_PATIENCE);
        match timeout_at(due.into(), answers.next()).await {
            Ok(Some(Delivery::Message(message))) => return Ok(message.payload),
            Ok(Some(Delivery::Interrupted { .. })) if !is_again => is_again = true,
            Ok(Some(Delivery::NoResponders)) => return Err("it is not there".into()),
            Ok(Some(Delivery::Denied { reason })) => return Err(reason),
            Ok(Some(Delivery::Interrupted { .. }) | None) => {
                return Err("the connection to the bus was lost".into());
            }
            Err(_) => return Err("it did not answer in time".into()),
        }
    }
}

impl Logs for Remote {
    fn query(&self, ask: Ask) -> Answer {
        let (answering, answer) = Answer::begin();
        tokio::spawn(self.clone().search(ask, answering));
        answer
    }

    fn stores(&self) -> Result<Vec<Name>, Failure> {
        Ok(self.all_stores()?.into_iter().collect())
    }

    fn tail(&self, listen: Listen) -> Answer {
        self.live.tail(listen)
    }

    fn hear(&self, org: OrgId, app: Option<Name>) -> Ears {
        self.live.hear(org, app)
    }

    fn recent(&self, org: OrgId, app: Option<Name>, since: i64) -> Pending<Vec<(Address, Bytes)>> {
        self.live.recent(org, app, since)
    }

    fn append(&self, batch: Batch) -> Pending<Result<Receipt, Failure>> {
        let client = self.client.clone();
        Box::pin(async move {
            let shard = batch.shard;
            let request = Request::to_send(&batch.body).map_err(|malformed| rejected(&malformed))?;
            let away = |why: &str| Failure::Away(format!("shard {shard}: {why}"));
            let asked = client.request_many(&append_subject(shard), &request).await;
            let mut answers = asked.map_err(|error| away(&error.to_string()))?;
            let answer = match tokio::time::timeout(APPEND_PATIENCE, answers.next()).await {
                Ok(Some(Delivery::Message(message))) => message.payload,
                Ok(Some(Delivery::NoResponders)) => return Err(away("no store keeps it")),
                _ => return Err(away("the store did not answer")),
            };
            match serde_json::from_slice(&answer) {
                Ok(AppendAnswer::Acked { pos, expired }) => Ok(Receipt { pos, expired }),
                Ok(AppendAnswer::Busy { retry_ms, reason }) => {
                    Err(Failure::Busy { retry_after: Duration::from_millis(retry_ms), reason })
                }
                Ok(AppendAnswer::Rejected { code, reason }) => Err(Failure::Rejected { code, reason }),
                Err(_) => Err(away("what the store answers cannot be read")),
            }
        })
    }

    fn flush(&self) -> Pending<Result<(), Failure>> {
        Box::pin(std::future::ready(Err(Failure::NotSupported("flushing stores on other machines"))))
    }
}
