//! The steps of a tail: history, what a cursor has not seen, then lines as they come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use line::{Name, OrgId};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::batch::{Batch, Batcher, Fresh, Record};
use super::cursor::{BootKey, Cursor, Given, Last};
use super::feed::{Feed, Health, Joined};
use super::follow::{MAX_ROWS, fresh};
use super::request::Request;
use super::ring::{Behind, Reader};
use super::writer::{Gone, Notice, Writer};
use crate::commits::Commits;
use crate::logs::{Ask, Failure, Piece};
use crate::serve::{Api, unix_ns};

/// How often it is said that a tail lives while it has no lines.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a store may take for a piece of history.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to go on without a store that did not answer before it is asked again.
const AGAIN: Duration = Duration::from_secs(3);
/// How long to wait for the stores when the feed has let go of what they do not have yet.
const SOON: Duration = Duration::from_millis(50);
/// How long before now a store is read from that was not there when a cursor was given.
const UNKNOWN_STORE: i64 = 600 * 1_000_000_000;
/// How long lines gather for each tail that there is, and at most.
const PER_TAIL: Duration = Duration::from_micros(40);
const LONGEST_REST: Duration = Duration::from_millis(15);
/// How long after the end of its time a tail waits for lines of that time.
const LATE: Duration = Duration::from_secs(1);

/// A tail at work.
pub(super) struct Tail {
    pub(super) api: Arc<Api>,
    pub(super) feed: Arc<Feed>,
    pub(super) org: OrgId,
    pub(super) request: Request,
    pub(super) writer: Writer,
    /// When it was asked, Unix nanoseconds.
    pub(super) now: i64,
    /// A store did not say yet what the client has not: until it does, the cursor stays where it is, and what is given is noted.
    pub(super) lacks: bool,
    /// How often the feed had lost something when it was joined, and where its clock stood.
    pub(super) joined: (u64, Duration),
}

/// Why a tail ends by itself.
pub(super) enum Over {
    Gone,
    Done(&'static str),
}

impl From<Gone> for Over {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl Tail {
    /// Runs until it is over.
    pub(super) async fn run(&mut self) -> Over {
        let over = match self.go().await {
            Ok(never) => match never {},
            Err(over) => over,
        };
        self.count();
        over
    }

    async fn go(&mut self) -> Result<std::convert::Infallible, Over> {
        let mut health = self.feed.health();
        let mut cursor = match self.request.cursor.take() {
            Some(cursor) => cursor,
            None => self.first().await?,
        };
        let mut begun = self.feed.begun();
        loop {
            begun.mark_unchanged();
            if let Some(last) = cursor.history.take() {
                self.history(&cursor, Some(last)).await?;
            }
            let joined = self.join(&cursor).await?;
            let Joined { cursor: stands, ahead, recent, is_complete, losses, clock, mut batches } = joined;
            self.joined = (losses, clock);
            self.catch_up(&mut cursor, &stands).await?;
            if !is_complete {
                if !matches!(*health.borrow(), Health::Storeless(_)) {
                    // The stores have what the feed has no more, in a moment.
                    self.feed.hurry();
                    sleep(SOON).await;
                    continue;
                }
                self.lacks = true;
            }
            self.ahead(&mut cursor, &stands, &ahead, &recent).await?;
            if !self.request.follows {
                return Err(Over::Done("all was given that was asked for"));
            }
            let mut beside = std::mem::take(&mut cursor.given);
            let now = health.borrow_and_update().clone();
            self.writer.set_live(true);
            self.tell(&now).await?;
            let lacks = self.lacks;
            tokio::select! {
                live = self.live(&mut batches, &mut health, &mut beside) => live?,
                // A store that was away is followed now.
                Ok(()) = begun.changed(), if lacks => {}
                () = sleep(AGAIN), if lacks => {}
            }
            // It was too slow, or a store was away: what it missed is read.
            self.count();
            self.writer.set_live(false);
            self.writer.say(Notice::State("catching-up", None)).await?;
            cursor = Cursor::read(&self.writer.cursor()).unwrap_or_default();
        }
    }

    /// Gives the history that is asked for, and where it ended.
    async fn first(&mut self) -> Result<Cursor, Over> {
        let joined = self.feed.join();
        let mut cursor = Cursor { stores: joined.cursor.stores, ..Cursor::default() };
        if let (None, Some(since)) = (self.request.lines, self.request.since) {
            for (store, pos) in &mut cursor.stores {
                let first = self.feed.follower().first_since(store, since).await;
                // Without an answer it is looked for from the beginning: what is older does not match.
                *pos = first.unwrap_or(0).min(*pos);
            }
            self.writer.stand(cursor.text().into(), &BTreeMap::new());
            self.writer.say(Notice::State("history", None)).await?;
            return Ok(cursor);
        }
        let begin = Cursor { history: Some(Last::BEFORE_ALL), ..cursor.clone() };
        self.writer.stand(begin.text().into(), &BTreeMap::new());
        self.writer.say(Notice::State("history", None)).await?;
        self.history(&cursor, None).await?;
        Ok(cursor)
    }

    /// The newest lines below the cursor, behind `last`.
    async fn history(&mut self, cursor: &Cursor, last: Option<Last>) -> Result<(), Over> {
        let lines = self.request.lines.unwrap_or(super::request::LINES);
        if lines == 0 {
            return Ok(());
        }
        let mut found: Vec<(Last, Record)> = Vec::new();
        for (store, &pos) in &cursor.stores {
            match self.newest(store, pos, lines).await {
                Ok(some) => found.extend(some),
                Err(failure) => {
                    self.writer.say(Notice::State("store-away", Some(&failure.to_string()))).await?
                }
            }
        }
        found.sort_by_key(|(last, _)| *last);
        let too_many = found.len().saturating_sub(lines);
        let below = Cursor { history: Some(Last::BEFORE_ALL), ..cursor.clone() };
        self.writer.stand(below.text().into(), &BTreeMap::new());
        for (place, record) in &found[too_many..] {
            if last.is_none_or(|last| *place > last) {
                self.writer.line(record, Some(*place)).await?;
            }
        }
        self.writer.stand(cursor.text().into(), &BTreeMap::new());
        self.writer.flush().await?;
        Ok(())
    }

    /// The newest rows of a store below `pos`, at most `lines`.
    async fn newest(&self, store: &Name, pos: u64, lines: usize) -> Result<Vec<(Last, Record)>, Failure> {
        let (mut limit, until) = (lines, Instant::now() + PATIENCE);
        loop {
            match self.ask_newest(store, pos, limit).await {
                // They are so long that there is no room for as many.
                Err(failure) if failure.is_too_much() && limit > 1 => limit = limit.div_ceil(4),
                // Many come at once when a server comes back.
                Err(Failure::Busy { retry_after, .. }) if Instant::now() < until => sleep(retry_after).await,
                found => return found,
            }
        }
    }

    async fn ask_newest(&self, store: &Name, pos: u64, limit: usize) -> Result<Vec<(Last, Record)>, Failure> {
        let mut query = self.request.query.clone();
        query.pipes =
            query::parse(&format!("* | sort by (_time desc, pos desc) limit {limit}"), self.now)?.pipes;
        let mut answer = self.api.logs.query(Ask {
            org: self.org.clone(),
            query,
            now: self.now,
            deadline: Instant::now() + PATIENCE,
            state_bytes: self.api.limits.state_bytes,
            store: Some(store.clone()),
            pos: 0..pos,
        });
        let mut found = Vec::new();
        loop {
            match answer.next().await {
                Some(Ok(Piece::Rows(block))) => {
                    let rows = (0..block.rows()).filter_map(|row| Fresh::stored(&self.org, &block, row));
                    found.extend(records(rows));
                }
                Some(Ok(Piece::End(_))) => return Ok(found),
                Some(Err(failure)) => return Err(failure),
                None => return Err(Failure::Broken),
            }
        }
    }

    /// Joins the feed when it is as far as the cursor.
    async fn join(&mut self, cursor: &Cursor) -> Result<Joined, Over> {
        loop {
            let joined = self.feed.join();
            let is_far = |(store, pos): (&Name, &u64)| {
                joined.cursor.stores.get(store).is_none_or(|reached| reached >= pos)
            };
            if cursor.stores.iter().all(is_far) {
                return Ok(joined);
            }
            self.feed.hurry();
            tokio::select! {
                () = sleep(Duration::from_millis(20)) => {}
                () = self.writer.gone() => return Err(Over::Gone),
            }
        }
    }

    /// Gives the rows between the cursor and where the feed stands. A store that does not answer is left for later.
    async fn catch_up(&mut self, cursor: &mut Cursor, stands: &Cursor) -> Result<(), Over> {
        for (store, &to) in &stands.stores {
            let from = match cursor.stores.get(store) {
                Some(&from) => from,
                None => {
                    let since = unix_ns() - UNKNOWN_STORE;
                    self.feed.follower().first_since(store, since).await.unwrap_or(to).min(to)
                }
            };
            cursor.stores.insert(store.clone(), from);
            let commits = Commits {
                logs: Arc::clone(&self.api.logs),
                store: store.clone(),
                org: self.org.clone(),
                query: self.request.query.clone(),
                now: self.now,
                timeout: PATIENCE,
                state_bytes: self.api.limits.state_bytes,
            };
            let mut next = Some(from);
            while let Some(from) = next.filter(|from| *from < to) {
                next = self.page(cursor, &commits, from, to).await?;
            }
            if next.is_some() {
                self.pass(cursor, store, from, to).await;
            }
        }
        // One that the registry does not name any more does not come back.
        let named = self.api.logs.stores();
        let is_named = |store: &Name| named.as_ref().map_or(true, |named| named.contains(store));
        cursor.stores.retain(|store, _| stands.stores.contains_key(store) || is_named(store));
        self.lacks = cursor.stores.iter().any(|(store, pos)| stands.stores.get(store) != Some(pos));
        Ok(())
    }

    /// Takes off the list of what was given what has passed though it does not match: it would be in each further cursor.
    async fn pass(&self, cursor: &mut Cursor, store: &Name, from: u64, to: u64) {
        let mut from = from;
        while from < to && !cursor.given.is_empty() {
            // Without an answer it stays on the list.
            let Ok(ids) = self.feed.follower().ids(store, from).await else { return };
            for row in ids.rows.iter().filter(|row| row.pos < to) {
                let Some(id) = &row.id else { continue };
                let boot = BootKey::of(&id.origin.instance, id.origin.boot);
                if let Some(given) = cursor.given.get_mut(&boot) {
                    given.remove(id.seq, id.end, id.is_gap);
                }
            }
            cursor.given.retain(|_, given| !given.is_empty());
            if ids.is_last {
                return;
            }
            from = ids.next.max(from + 1);
        }
    }

    /// Gives one page of them, and says where the next one begins. `None`: the store does not answer.
    async fn page(
        &mut self,
        cursor: &mut Cursor,
        commits: &Commits,
        from: u64,
        to: u64,
    ) -> Result<Option<u64>, Over> {
        let page = match commits.read_between(from..to, MAX_ROWS).await {
            Ok(page) => page,
            Err(failure) => {
                self.writer.stand(cursor.text().into(), &BTreeMap::new());
                self.writer.say(Notice::State("store-away", Some(&failure.to_string()))).await?;
                return Ok(None);
            }
        };
        self.writer.stand(cursor.text().into(), &BTreeMap::new());
        let rows = fresh(&self.org, &page).into_iter().map(|(_, fresh)| fresh);
        for (_, record) in records(rows) {
            self.writer.reach(record.time);
            if take(&mut cursor.given, &record) {
                self.writer.line(&record, None).await?;
            }
        }
        if !page.missing.is_empty() {
            self.writer.say(Notice::State("catching-up", Some(&page.missing.join("; ")))).await?;
        }
        let next = if page.is_last { to } else { page.next.max(from + 1) };
        cursor.stores.insert(commits.store.clone(), next);
        self.writer.stand(cursor.text().into(), &BTreeMap::new());
        self.writer.flush().await?;
        Ok(Some(next))
    }

    /// Gives what the feed has given ahead of where it stands, and the client does not have.
    async fn ahead(
        &mut self,
        cursor: &mut Cursor,
        stands: &Cursor,
        ahead: &[Record],
        batches: &[Arc<Batch>],
    ) -> Result<(), Over> {
        let mut passing: Option<(&Arc<Batch>, Vec<bool>)> = None;
        self.writer.stand(cursor.text().into(), &BTreeMap::new());
        for (record, batch) in ahead.iter().zip(batches) {
            if passing.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, batch)) {
                passing = Some((batch, batch.passing(&self.request.sieve)));
            }
            let passes = passing.as_ref().is_some_and(|(_, passing)| {
                let at = batch.records.iter().position(|other| other.id == record.id);
                at.and_then(|at| passing.get(at)).copied().unwrap_or(false)
            });
            if take(&mut cursor.given, record) && passes {
                self.writer.line(record, None).await?;
            }
        }
        // While it lacks something, where it stands is what was noted here.
        if !self.lacks {
            self.writer.stand(stands.text().into(), &cursor.given);
        }
        self.writer.flush().await?;
        Ok(())
    }

    /// Gives what comes. Returns when the client was too slow to be given all.
    async fn live(
        &mut self,
        batches: &mut Reader<Batch>,
        health: &mut tokio::sync::watch::Receiver<Health>,
        beside: &mut BTreeMap<BootKey, Given>,
    ) -> Result<(), Over> {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.reset();
        loop {
            let left = self.left();
            tokio::select! {
                batch = batches.next() => {
                    let mut next = batch.map(Some);
                    while let Ok(Some(batch)) = next {
                        self.batch(&batch, beside).await?;
                        drop(batch);
                        next = batches.try_next();
                    }
                    if matches!(next, Err(Behind)) {
                        return Ok(());
                    }
                    if self.writer.flush_lines().await? {
                        beats.reset();
                    }
                    self.rest().await;
                }
                Ok(()) = health.changed() => {
                    let now = health.borrow_and_update().clone();
                    self.tell(&now).await?;
                }
                _ = beats.tick() => {
                    self.count();
                    self.writer.say(Notice::Heartbeat(unix_ns())).await?;
                }
                () = self.writer.gone() => return Err(Over::Gone),
                () = sleep(left.unwrap_or_default()), if left.is_some() => {
                    return Err(Over::Done("its time is over"));
                }
            }
        }
    }

    /// Lets lines gather when there are many tails: each chunk costs a call of the system. Who comes alone waits for nothing.
    async fn rest(&self) {
        let tails = u32::try_from(self.feed.tails()).unwrap_or(u32::MAX);
        let rest = PER_TAIL.saturating_mul(tails).min(LONGEST_REST);
        if rest >= Duration::from_millis(1) {
            sleep(rest).await;
        }
    }

    /// How long until its time is over, if it has an end.
    fn left(&self) -> Option<Duration> {
        let until = self.request.until?;
        let late = i64::try_from(LATE.as_nanos()).unwrap_or(i64::MAX);
        let left = until.saturating_add(late).saturating_sub(unix_ns());
        Some(Duration::from_nanos(u64::try_from(left).unwrap_or(0)))
    }

    async fn batch(&mut self, batch: &Batch, beside: &mut BTreeMap<BootKey, Given>) -> Result<(), Gone> {
        self.writer.reach(batch.made);
        if !self.lacks && !beside.is_empty() && self.feed.is_over(self.joined.1) {
            // What the client had of it comes no more.
            beside.clear();
        }
        if !self.lacks && beside.is_empty() && !batch.has_late() {
            let text = batch.text(self.request.format, &self.request.sieve);
            return self.writer.shared(&text, Arc::clone(&batch.end)).await;
        }
        if !self.lacks {
            self.writer.stand(Arc::clone(&batch.start), beside);
        }
        let passing = batch.passing(&self.request.sieve);
        for (record, passes) in batch.records.iter().zip(passing) {
            let is_there = record.late.is_none_or(|loss| loss <= self.joined.0);
            if take(beside, record) && passes && is_there {
                self.writer.line(record, None).await?;
            }
        }
        if !self.lacks {
            self.writer.stand(Arc::clone(&batch.end), beside);
        }
        Ok(())
    }

    /// Says how the feed is.
    async fn tell(&mut self, health: &Health) -> Result<(), Gone> {
        let (state, why) = match health {
            Health::Starting | Health::Live => ("live", None),
            Health::Deaf(why) => ("store-only", Some(why.as_str())),
            Health::Storeless(why) => ("store-away", Some(why.as_str())),
        };
        self.writer.say(Notice::State(state, why)).await
    }

    fn count(&mut self) {
        let lines = self.writer.take_lines();
        self.api.counts.tailed_rows.fetch_add(lines, Ordering::Relaxed);
    }
}

/// Whether a record was not given before; what was is taken off the list.
fn take(given: &mut BTreeMap<BootKey, Given>, record: &Record) -> bool {
    let Some((boot, seq, end)) = record.id else { return true };
    let Some(of_boot) = given.get_mut(&boot) else { return true };
    let is_new = !of_boot.has(seq, end, record.is_gap);
    of_boot.remove(seq, end, record.is_gap);
    if of_boot.is_empty() {
        given.remove(&boot);
    }
    is_new
}

/// Records by themselves, with their places in a history.
fn records(rows: impl Iterator<Item = Fresh>) -> Vec<(Last, Record)> {
    let mut batcher = Batcher::default();
    rows.for_each(|row| batcher.push(row));
    let batch = batcher.finish(Arc::from(""), Arc::from(""), None);
    let place = |record: &Record| {
        let (boot, seq, _) = record.id.unwrap_or((BootKey::NONE, 0, 0));
        Last { time: record.time, boot, seq }
    };
    batch.records.into_iter().map(|record| (place(&record), record)).collect()
}

/// Waits until a feed has begun, as long as it may take.
pub(super) async fn begun(feed: &Feed, patience: Duration) -> Health {
    let mut health = feed.health();
    let begun = timeout(patience, health.wait_for(|health| *health != Health::Starting)).await;
    match begun {
        Ok(Ok(health)) => health.clone(),
        _ => Health::Starting,
    }
}
