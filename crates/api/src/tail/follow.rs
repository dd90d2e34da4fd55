//! What a feed asks the stores: rows behind its positions, and how far those before them go.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use line::{Boot, Name, OrgId};
use query::{Block, Confinement, Filter, Query};

use super::batch::Fresh;
use super::cursor::BootKey;
use super::weave::{Id, Origin};
use crate::commits::{Commits, Page};
use crate::logs::{ALL_POSITIONS, Ask, Failure, Logs, Piece};
use crate::serve::unix_ns;

/// Rows whose ids are read at once.
const MAX_IDS: usize = 4096;
/// Rows that are read whole at once.
pub(crate) const MAX_ROWS: usize = 512;
/// How long a store may take for one of these questions.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far back the end of a boot is looked for first: all of its rows may be very many. Nanoseconds.
const RECENT: i64 = 900 * 1_000_000_000;
/// How long before it was first heard of a store is read from that was not there before: what it has is new, but may be late. Nanoseconds.
pub(crate) const UNKNOWN_STORE: i64 = 600 * 1_000_000_000;
/// Most bytes that one may take in the store.
const STATE_BYTES: usize = 64 << 20;

/// Asks for all rows of an org, or of one of its apps.
#[derive(Clone)]
pub(crate) struct Follower {
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) org: OrgId,
    pub(crate) app: Option<Name>,
}

/// A row by its place and id.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) pos: u64,
    /// `None` for a row that has none.
    pub(crate) id: Option<Id>,
}

/// Ids in commit order.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pub(crate) rows: Vec<Row>,
    pub(crate) next: u64,
    pub(crate) is_last: bool,
    pub(crate) missing: Vec<String>,
}

impl Follower {
    /// A filter with these pipes, confined.
    fn query(&self, text: &str) -> Result<Query, Failure> {
        let mut query = query::parse(text, 0)?;
        let apps = self.app.clone().map(|app| BTreeSet::from([app]));
        query.confine(&Confinement { apps, ..Confinement::org(self.org.clone()) });
        Ok(query)
    }

    fn commits(&self, store: &Name, text: &str) -> Result<Commits, Failure> {
        Ok(Commits {
            logs: Arc::clone(&self.logs),
            store: store.clone(),
            org: self.org.clone(),
            query: self.query(text)?,
            now: 0,
            timeout: PATIENCE,
            state_bytes: STATE_BYTES,
        })
    }

    /// The pos at which a store is.
    pub(crate) async fn end(&self, store: &Name) -> Result<u64, Failure> {
        let none = u64::MAX - 1..u64::MAX;
        let (_, end) = self.ask(store, self.query("*")?, none).await?;
        Ok(end)
    }

    /// The first pos of a row of that time or later, if there is one, and where the store is.
    pub(crate) async fn first_since(&self, store: &Name, time: i64) -> Result<u64, Failure> {
        let mut query = self.query("* | stats min(pos) pos")?;
        query.add_time(time, i64::MAX);
        let (blocks, end) = self.ask(store, query, ALL_POSITIONS).await?;
        let first = blocks.iter().find_map(|block| (!block.is_empty()).then(|| number(block, "pos", 0))?);
        Ok(first.unwrap_or(end))
    }

    /// The ids of the next rows from `from` on.
    pub(crate) async fn ids(&self, store: &Name, from: u64) -> Result<Ids, Failure> {
        let commits =
            self.commits(store, "* | fields pos, app, region, instance, boot, seq, span, gap.reason")?;
        let page = commits.read(from, MAX_IDS).await?;
        let mut rows = Vec::with_capacity(page.rows());
        for block in &page.blocks {
            rows.extend(
                (0..block.rows())
                    .filter_map(|row| Some(Row { pos: number(block, "pos", row)?, id: id(block, row) })),
            );
        }
        Ok(Ids { rows, next: page.next, is_last: page.is_last, missing: page.missing })
    }

    /// The rows of those positions, in their order: not more than [`MAX_ROWS`], so that there may be more behind `Page::next`.
    pub(crate) async fn rows(
        &self,
        store: &Name,
        from: u64,
        to: u64,
    ) -> Result<(Page, Vec<(u64, Fresh)>), Failure> {
        let page = self.commits(store, "*")?.read_between(from..to, MAX_ROWS).await?;
        let fresh = fresh(&self.org, &page);
        Ok((page, fresh))
    }

    /// For each of these boots one past the highest number that has a pos below `below`; 1 if there is none.
    pub(crate) async fn known(
        &self,
        store: &Name,
        origins: &[Origin],
        below: u64,
    ) -> Result<HashMap<Origin, u64>, Failure> {
        let recent = unix_ns() - RECENT;
        let mut known = self.known_since(store, origins, below, Some(recent)).await?;
        // Times rise with the numbers of a boot: what is found in the last minutes is the end of all.
        let rest: Vec<Origin> =
            origins.iter().filter(|origin| known.get(*origin) == Some(&1)).cloned().collect();
        if !rest.is_empty() {
            known.extend(self.known_since(store, &rest, below, None).await?);
        }
        Ok(known)
    }

    async fn known_since(
        &self,
        store: &Name,
        origins: &[Origin],
        below: u64,
        since: Option<i64>,
    ) -> Result<HashMap<Origin, u64>, Failure> {
        let mut query =
            self.query("* | math seq + (span default 1) as end | stats by (instance, boot) max(end) end")?;
        let instances: BTreeSet<String> = origins.iter().map(|origin| origin.instance.to_string()).collect();
        let boots: BTreeSet<String> = origins.iter().map(|origin| origin.boot.to_string()).collect();
        query.narrow(Filter::one_of("instance", instances));
        query.narrow(Filter::one_of("boot", boots));
        if let Some(since) = since {
            query.add_time(since, i64::MAX);
        }
        let (blocks, _) = self.ask(store, query, 0..below).await?;
        let mut known: HashMap<Origin, u64> = origins.iter().map(|origin| (origin.clone(), 1)).collect();
        for block in &blocks {
            for row in 0..block.rows() {
                if let (Some(origin), Some(next)) = (origin(block, row), number(block, "end", row)) {
                    known.entry(origin).and_modify(|known| *known = next.max(*known));
                }
            }
        }
        Ok(known)
    }

    async fn ask(&self, store: &Name, query: Query, pos: Range<u64>) -> Result<(Vec<Block>, u64), Failure> {
        let mut answer = self.logs.query(Ask {
            org: self.org.clone(),
            query,
            now: 0,
            deadline: Instant::now() + PATIENCE,
            state_bytes: STATE_BYTES,
            store: Some(store.clone()),
            pos,
        });
        let mut blocks = Vec::new();
        loop {
            match answer.next().await {
                Some(Ok(Piece::Rows(block))) => blocks.push(block),
                Some(Ok(Piece::End(end))) => return Ok((blocks, end.pos)),
                Some(Err(failure)) => return Err(failure),
                None => return Err(Failure::Broken),
            }
        }
    }
}

/// The rows of a page with their positions. What is no line's is left out.
pub(crate) fn fresh(org: &OrgId, page: &Page) -> Vec<(u64, Fresh)> {
    let mut fresh = Vec::with_capacity(page.rows());
    for block in &page.blocks {
        fresh.extend(
            (0..block.rows())
                .filter_map(|row| Some((number(block, "pos", row)?, Fresh::stored(org, block, row)?))),
        );
    }
    fresh
}

fn text(block: &Block, field: &str, row: usize) -> Option<String> {
    String::from_utf8(block.value(field, row, &mut Vec::new()).to_vec()).ok()
}

fn number(block: &Block, field: &str, row: usize) -> Option<u64> {
    text(block, field, row)?.parse().ok()
}

fn origin(block: &Block, row: usize) -> Option<Origin> {
    let boot = Boot::parse(&text(block, "boot", row)?).ok()?;
    Some(Origin { instance: text(block, "instance", row)?.into(), boot })
}

fn id(block: &Block, row: usize) -> Option<Id> {
    let seq = number(block, "seq", row)?;
    let span = number(block, "span", row).unwrap_or(1);
    let is_gap = !block.value("gap.reason", row, &mut Vec::new()).is_empty();
    let origin = origin(block, row)?;
    let (app, region) = (text(block, "app", row)?, text(block, "region", row)?);
    let key = BootKey::of(&app, &region, &origin.instance, origin.boot);
    Some(Id { origin, key, seq, end: seq.saturating_add(span), is_gap })
}
