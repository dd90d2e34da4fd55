//! The store of this process: the one that is asked directly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use line::{Address, Name, OrgId};
use query::{Limits, Side};
use store::search::Partial;
use store::stage::{Question, Store};
use store::{Malformed, Refusal, Request};
use tokio::runtime::Handle;

use super::{Answer, Answering, Ask, Batch, End, Failure, Listen, Logs, Pending, Receipt};
use crate::live::{Ears, Live};

/// When to come again if there was no place.
const RETRY: Duration = Duration::from_secs(1);

/// See [`Logs`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Local {
    store: Store,
    name: Name,
    live: Live,
    threads: usize,
}

impl Local {
    /// Asks `store`, whose name is `name`; tails hear on `live`.
    #[must_use]
    pub fn new(store: Store, name: Name, live: Live) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { store, name, live, threads }
    }

    /// Searches on a thread of its own when there is a place.
    async fn search(self, ask: Ask, answering: Answering) {
        let began = Instant::now();
        let place = tokio::select! {
            place = self.store.searches().enter(&ask.org) => place,
            () = tokio::time::sleep_until(ask.deadline.into()) => {
                let reason = "other searches have taken all the time".to_owned();
                return answering.end(Err(Failure::Busy { retry_after: RETRY, reason })).await;
            }
            () = answering.dropped() => return,
        };
        // As many as like may wait.
        let Ok(place) = place else { return };
        tokio::task::spawn_blocking(move || {
            let end = self.look(&ask, &answering, began);
            drop(place);
            answering.end_blocking(end);
        });
    }

    fn look(&self, ask: &Ask, answering: &Answering, began: Instant) -> Result<End, Failure> {
        let question = Question {
            org: &ask.org,
            query: &ask.query,
            side: Side::Whole,
            pos: ask.pos.clone(),
            limits: Limits { bytes: ask.state_bytes },
            threads: self.threads,
        };
        let is_over = || answering.is_dropped() || Instant::now() >= ask.deadline;
        let runtime = Handle::current();
        let out = |block| answering.rows_blocking_until(block, ask.deadline, &runtime);
        let searched = self.store.search(&question, &is_over, &out)?;
        if searched.partial == Some(Partial::Ended) || Instant::now() >= ask.deadline {
            return Err(Failure::Deadline { after: began.elapsed() });
        }
        let missing = searched.partial.iter().map(Partial::to_string).collect();
        Ok(End { missing, scanned_rows: searched.rows, scanned_bytes: searched.bytes, pos: searched.pos })
    }
}

impl Logs for Local {
    fn query(&self, ask: Ask) -> Answer {
        let (answering, answer) = Answer::begin();
        tokio::spawn(self.clone().search(ask, answering));
        answer
    }

    fn stores(&self) -> Result<Vec<Name>, Failure> {
        Ok(vec![self.name.clone()])
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
        let store = self.store.clone();
        Box::pin(async move {
            let request = Request::of(batch.body).map_err(|malformed| rejected(&malformed))?;
            let receipt = store.append(request).await.map_err(failure)?;
            Ok(Receipt { pos: receipt.pos, expired: receipt.expired })
        })
    }

    fn flush(&self) -> Pending<Result<(), Failure>> {
        let engine = Arc::clone(self.store.engine());
        Box::pin(async move {
            let flushed = tokio::task::spawn_blocking(move || engine.flush_now()).await;
            let rejected = |reason: String| Failure::Rejected { code: "LS03".to_owned(), reason };
            flushed.map_err(|_| Failure::Broken)?.map_err(|error| rejected(error.to_string()))
        })
    }
}

/// The failure of a batch that is none.
pub(super) fn rejected(malformed: &Malformed) -> Failure {
    failure(Refusal::from(malformed))
}

fn failure(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Busy { retry_ms, reason } => {
            Failure::Busy { retry_after: Duration::from_millis(retry_ms), reason }
        }
        Refusal::Rejected { code, reason } => Failure::Rejected { code: code.to_owned(), reason },
    }
}
