//! Rows of an app from a store: the newest ones, or those from a position on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use line::Name;
use query::{Block, Confinement, Query};
use tokio::time::timeout_at;

use super::entry::FIELDS;
use super::quiet::Asked as Question;
use crate::commits::Commits;
use crate::logs::{ALL_POSITIONS, Ask, End, Failure, Piece};
use crate::reply::{Refused, refusal_of};
use crate::select::note_end;
use crate::serve::Api;

/// How much later than the store we ourselves give up.
const GRACE: Duration = Duration::from_secs(2);

/// Whoever reads an app's rows.
pub(super) struct Reader {
    pub(super) api: Arc<Api>,
    /// What may be seen, and of it what is asked for.
    pub(super) limits: Confinement,
    /// When it was asked: Unix nanoseconds.
    pub(super) now: i64,
    /// When an answer is of no use any more.
    pub(super) deadline: Instant,
}

/// Rows of one store.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) blocks: Vec<Block>,
    /// Where to go on: all rows before it are in the blocks.
    pub(super) next: u64,
    /// What could not be read.
    pub(super) missing: Vec<String>,
}

impl Reader {
    /// The newest `most` rows after `after`.
    pub(super) async fn newest(&self, store: &Name, after: i64, most: usize) -> Result<Found, Failure> {
        let mut limit = most;
        loop {
            let pipes = format!(" | sort by (_time desc, pos desc) limit {limit}");
            match self.ask(store, after, &pipes).await {
                // They are so long that the question may not hold as many.
                Err(failure) if failure.is_too_much() && limit > 1 => limit = limit.div_ceil(10),
                answered => {
                    let (blocks, end) = answered?;
                    return Ok(Found { blocks, next: end.pos, missing: end.missing });
                }
            }
        }
    }

    /// The first rows after `after`, by position, whatever that is. `None`, and the store's end: there are none.
    pub(super) async fn first(&self, store: &Name, after: i64) -> Result<(Option<u64>, Found), Failure> {
        let (blocks, end) = self.ask(store, after, " | stats min(pos) as pos").await?;
        let first = blocks.iter().find_map(|block| (!block.is_empty()).then(|| pos(block, 0))?);
        Ok((first, Found { blocks: Vec::new(), next: end.pos, missing: end.missing }))
    }

    /// The first `most` rows after `after` in commit order, from `from` on; fewer at the store's end.
    pub(super) async fn forward(
        &self,
        store: &Name,
        after: i64,
        from: u64,
        most: usize,
    ) -> Result<Found, Failure> {
        let whose = format!("{:?}", self.limits);
        let question = Question { whose, after, store: store.as_str().to_owned(), from };
        let begin = self.api.quiet.end(&question).unwrap_or(from).max(from);
        let commits = Commits {
            logs: Arc::clone(&self.api.logs),
            store: store.clone(),
            org: self.limits.org.clone(),
            query: self.query(after, "")?,
            now: self.now,
            timeout: self.deadline.saturating_duration_since(Instant::now()),
            state_bytes: self.api.limits.state_bytes,
        };
        let page = commits.read(begin, most).await?;
        if page.rows() == 0 && page.missing.is_empty() && page.next > begin {
            self.api.quiet.note(question, page.next);
        }
        Ok(Found { blocks: page.blocks, next: page.next, missing: page.missing })
    }

    /// A question for what may be seen of the app after a time.
    fn query(&self, after: i64, pipes: &str) -> Result<Query, query::Error> {
        let mut query = query::parse(&format!("* | fields {}{pipes}", FIELDS.join(", ")), self.now)?;
        query.add_time(after.saturating_add(1), i64::MAX);
        query.confine(&self.limits);
        query.hoist();
        Ok(query)
    }

    /// Asks one store, and waits for all of its answer.
    async fn ask(&self, store: &Name, after: i64, pipes: &str) -> Result<(Vec<Block>, End), Failure> {
        let ask = Ask {
            org: self.limits.org.clone(),
            query: self.query(after, pipes)?,
            now: self.now,
            deadline: self.deadline,
            state_bytes: self.api.limits.state_bytes,
            store: Some(store.clone()),
            pos: ALL_POSITIONS,
        };
        let mut answer = self.api.logs.query(ask);
        let mut blocks = Vec::new();
        loop {
            let late = |_| Failure::Deadline { after: self.api.limits.query_time };
            let piece = timeout_at((self.deadline + GRACE).into(), answer.next()).await.map_err(late)?;
            match piece.unwrap_or(Err(Failure::Broken))? {
                Piece::Rows(block) => blocks.push(block),
                Piece::End(end) => {
                    note_end(&self.api, &end);
                    return Ok((blocks, end));
                }
            }
        }
    }
}

/// The position of a row.
pub(super) fn pos(block: &Block, row: usize) -> Option<u64> {
    std::str::from_utf8(block.value("pos", row, &mut Vec::new())).ok()?.parse().ok()
}

/// A failure as flyctl understands it: 401 and 404 end its tail for ever, anything else it tries again.
pub(super) fn refused(failure: &Failure) -> Refused {
    match failure {
        Failure::Rejected { .. } => {
            Refused::later(StatusCode::SERVICE_UNAVAILABLE, failure.to_string(), GRACE)
        }
        _ => refusal_of(failure, ""),
    }
}
