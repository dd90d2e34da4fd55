//! Rows of one store in the order in which it took them: what a cursor reads on from.
//!
//! A store finds rows by their time, not by their pos. So it is asked for a window of positions at a time, which grows until it
//! has enough rows: what lies far behind a cursor costs nothing for a page.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use line::{Name, OrgId};
use query::{Block, Query};

use crate::logs::{Ask, End, Failure, Logs, Piece};

/// Positions of the first window.
const FIRST_WINDOW: u64 = 4096;
/// By what each further window is larger.
const GROWTH: u64 = 8;
/// Most bytes of one page; of more rows fewer are taken.
const MAX_PAGE_BYTES: usize = 32 << 20;

/// Whose rows, and which of them.
#[derive(Clone)]
pub(crate) struct Commits {
    /// Who is asked.
    pub(crate) logs: Arc<dyn Logs>,
    /// Which store of those.
    pub(crate) store: Name,
    /// Whose rows.
    pub(crate) org: OrgId,
    /// A filter, confined already, and pipes that look at one row at a time and leave `pos` in it.
    pub(crate) query: Query,
    /// What relative times in it meant, Unix nanoseconds.
    pub(crate) now: i64,
    /// How long one page may take.
    pub(crate) timeout: Duration,
    /// Most bytes that a page may take in the store.
    pub(crate) state_bytes: usize,
}

/// Some rows in commit order.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The rows, in blocks that follow each other. Each has the field `pos`.
    pub(crate) blocks: Vec<Block>,
    /// All rows below this pos, from where it was asked, are in this page or do not match: where to go on.
    pub(crate) next: u64,
    /// There was nothing more when it was asked.
    pub(crate) is_last: bool,
    /// Why rows may be missing, if they may.
    pub(crate) missing: Vec<String>,
}

impl Page {
    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.blocks.iter().map(Block::rows).sum()
    }
}

impl Commits {
    /// The first rows from pos `from` on, at most `most` of them (at least 1).
    ///
    /// # Errors
    /// Whatever keeps a store from answering. To ask again is harmless.
    pub(crate) async fn read(&self, from: u64, most: usize) -> Result<Page, Failure> {
        self.read_between(from..u64::MAX, most).await
    }

    /// The same of those positions: [`Page::is_last`] when all below the end of the range was read.
    ///
    /// # Errors
    /// As [`Commits::read`].
    pub(crate) async fn read_between(&self, range: Range<u64>, most: usize) -> Result<Page, Failure> {
        let from = range.start;
        let deadline = Instant::now() + self.timeout;
        let (mut at, mut window, mut most) = (from, FIRST_WINDOW, most.max(1));
        let mut page = Page { next: from, ..Page::default() };
        loop {
            let asked = at..at.saturating_add(window).min(range.end);
            let (blocks, end) = match self.window(&asked, most - page.rows(), deadline).await {
                Ok(found) => found,
                // What was found so far is a page.
                Err(_) if page.next > from => return Ok(page),
                // Fewer of them fit.
                Err(failure) if failure.is_too_much() && most > 1 => {
                    most = most.div_ceil(4);
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            page.missing.extend(end.missing);
            let is_full = page.rows() + blocks.iter().map(Block::rows).sum::<usize>() >= most;
            let bytes: usize = blocks.iter().map(Block::bytes).sum();
            let last = blocks.last().and_then(last_pos);
            page.blocks.extend(blocks);
            page.is_last = !is_full && (end.pos < asked.end || asked.end == range.end);
            page.next = match last.filter(|_| is_full) {
                Some(last) => last.saturating_add(1),
                // A store whose positions end before ours has gone back: nothing of it is behind this cursor.
                None => end.pos.clamp(from, asked.end),
            };
            if is_full || page.is_last || bytes > MAX_PAGE_BYTES || page.next <= at {
                page.is_last |= page.next <= at && !is_full;
                return Ok(page);
            }
            (at, window) = (page.next, window.saturating_mul(GROWTH));
        }
    }

    /// The first rows of a window, and how the search went.
    async fn window(
        &self,
        asked: &Range<u64>,
        most: usize,
        deadline: Instant,
    ) -> Result<(Vec<Block>, End), Failure> {
        let mut query = self.query.clone();
        query.pipes.extend(query::parse(&format!("* | sort by (pos) limit {most}"), self.now)?.pipes);
        let mut answer = self.logs.query(Ask {
            org: self.org.clone(),
            query,
            now: self.now,
            deadline,
            state_bytes: self.state_bytes,
            store: Some(self.store.clone()),
            pos: asked.clone(),
        });
        let mut blocks = Vec::new();
        loop {
            match answer.next().await {
                Some(Ok(Piece::Rows(block))) if block.is_empty() => {}
                Some(Ok(Piece::Rows(block))) => blocks.push(block),
                Some(Ok(Piece::End(end))) => return Ok((blocks, end)),
                Some(Err(failure)) => return Err(failure),
                None => return Err(Failure::Broken),
            }
        }
    }
}

fn last_pos(block: &Block) -> Option<u64> {
    let row = block.rows().checked_sub(1)?;
    std::str::from_utf8(block.value("pos", row, &mut Vec::new())).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Answer;
    use proptest::prelude::*;
    use query::{Column, Flow, Limits, Pipeline, Side};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Rows at these positions, and how often it was asked.
    struct Fake(Vec<u64>, u64, AtomicU64);

    impl Logs for Fake {
        fn query(&self, ask: Ask) -> Answer {
            self.2.fetch_add(1, Ordering::Relaxed);
            let found = self.0.iter().copied().filter(|pos| ask.pos.contains(pos)).collect::<Vec<_>>();
            let pos = self.1.min(ask.pos.end);
            let (answering, answer) = Answer::begin();
            tokio::spawn(async move {
                let pipeline = Pipeline::new(&ask.query, Limits { bytes: 1 << 20 }, Side::Whole).unwrap();
                let mut worker = pipeline.worker();
                let block = Block::new(found.len()).with("pos", Column::Number(found));
                worker.push(block, &mut |_| {}).unwrap();
                let mut out = Vec::new();
                let keep = &mut |block| {
                    out.push(block);
                    Flow::More
                };
                pipeline.finish(vec![worker], keep).unwrap();
                for block in out {
                    answering.rows(block).await;
                }
                answering.end(Ok(End { pos, ..End::default() })).await;
            });
            answer
        }

        fn stores(&self) -> Result<Vec<Name>, Failure> {
            Ok(Vec::new())
        }
    }

    fn commits(positions: Vec<u64>, end: u64) -> (Arc<Fake>, Commits) {
        let fake = Arc::new(Fake(positions, end, AtomicU64::new(0)));
        let commits = Commits {
            logs: fake.clone(),
            store: Name::new("store", "main").unwrap(),
            org: OrgId::new("k3f9").unwrap(),
            query: query::parse("*", 0).unwrap(),
            now: 0,
            timeout: Duration::from_secs(5),
            state_bytes: 1 << 20,
        };
        (fake, commits)
    }

    fn positions(page: &Page) -> Vec<u64> {
        let value = |block: &Block, row| {
            std::str::from_utf8(block.value("pos", row, &mut Vec::new())).unwrap().parse().unwrap()
        };
        page.blocks.iter().flat_map(|block| (0..block.rows()).map(move |row| value(block, row))).collect()
    }

    #[tokio::test]
    async fn nothing_new_costs_one_question() {
        let (fake, commits) = commits(vec![1, 2, 3], 1000);
        let page = commits.read(1000, 100).await.unwrap();
        assert_eq!((page.rows(), page.next, page.is_last), (0, 1000, true));
        assert_eq!(fake.2.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_store_that_went_back_has_nothing() {
        let (_, commits) = commits(vec![1, 2, 3], 4);
        let page = commits.read(1000, 100).await.unwrap();
        assert_eq!((page.rows(), page.next, page.is_last), (0, 1000, true));
    }

    #[tokio::test]
    async fn far_rows_are_found_in_few_windows() {
        let (fake, commits) = commits(vec![900_000_000], 1_000_000_000);
        let page = commits.read(0, 100).await.unwrap();
        assert_eq!((positions(&page), page.next, page.is_last), (vec![900_000_000], 1_000_000_000, true));
        assert!(fake.2.load(Ordering::Relaxed) < 10);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn all_rows_come_once_and_in_order(
            gaps in prop::collection::vec(1_u64..9000, 0..60), most in 1_usize..20, start in 0_u64..100_000,
        ) {
            let all: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let end = all.last().map_or(0, |last| last + 1);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let found = runtime.block_on(async {
                let (_, commits) = commits(all.clone(), end);
                let (mut found, mut at) = (Vec::new(), start);
                loop {
                    let page = commits.read(at, most).await.unwrap();
                    assert!(page.rows() <= most);
                    found.extend(positions(&page));
                    if page.is_last {
                        assert!(page.next >= end);
                        return found;
                    }
                    assert!(page.next > at);
                    at = page.next;
                }
            });
            let wanted: Vec<u64> = all.into_iter().filter(|&pos| pos >= start).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
