//! The steps of a tail: history, what a cursor has not seen, then lines as they come.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use line::{Name, OrgId};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use super::batch::{Batch, Batcher, Fresh, Record};
use super::cursor::{Ahead, BootKey, Cursor, Last, Stand, has, note, remove};
use super::feed::{Feed, Health, Joined};
use super::follow::{MAX_ROWS, UNKNOWN_STORE, fresh};
use super::request::Request;
use super::ring::{Behind, Reader};
use super::writer::{Gone, Notice, Writer};
use crate::commits::Commits;
use crate::serve::{Api, unix_ns};

/// How long a store may take for a piece of history.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to go on without a store that did not answer before it is asked again.
const AGAIN: Duration = Duration::from_secs(3);
/// How long to wait for the stores when the feed has let go of what they do not have yet.
const SOON: Duration = Duration::from_millis(50);
/// How long to wait so. What they do not have then they may never have.
const GONE: Duration = Duration::from_secs(10);
/// Boots whose lines are noted while a store is away before what the others have is read from them: a cursor has to tell of each.
const MAX_NOTED: usize = 256;
/// Boots of which it is noted what came, while more than one store is read. What two stores have of others comes twice.
const MAX_PASSED: usize = 16_384;
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
            Some(cursor) => {
                // Should it end before it has begun.
                self.writer.stand_at(&cursor);
                cursor
            }
            None => self.first().await?,
        };
        let (mut begun, mut until) = (self.feed.begun(), None);
        loop {
            begun.mark_unchanged();
            if let Some(last) = cursor.history.take() {
                self.history(&mut cursor, Some(last)).await?;
            }
            let joined = self.join(&cursor).await?;
            let Joined { stand, ahead, is_complete, losses, clock, mut batches } = joined;
            self.joined = (losses, clock);
            self.catch_up(&mut cursor, &stand.cursor).await?;
            if is_complete {
                until = None;
            } else {
                let until = *until.get_or_insert_with(|| Instant::now() + GONE);
                if !matches!(*health.borrow(), Health::Storeless(_)) && Instant::now() < until {
                    // The stores have what the feed has no more, in a moment.
                    self.feed.hurry();
                    sleep(SOON).await;
                    continue;
                }
                self.lacks = true;
            }
            self.ahead(&mut cursor, &stand, &ahead).await?;
            if !self.request.follows {
                return Err(Over::Done("all was given that was asked for"));
            }
            let mut beside = std::mem::take(&mut cursor.given);
            let now = health.borrow_and_update().clone();
            self.writer.set_live(true);
            self.tell(&now).await?;
            let lacks = self.lacks;
            tokio::select! {
                biased;
                // A store that was away is followed now.
                Ok(()) = begun.changed(), if lacks => {}
                live = self.live(&mut batches, &mut health, &mut beside) => live?,
                () = sleep(AGAIN), if lacks => {}
            }
            // It was too slow, or a store was away: what it missed is read.
            self.count();
            self.writer.set_live(false);
            self.writer.say(Notice::State("catching-up", None)).await?;
            cursor = self.writer.position();
        }
    }

    /// When to say that a tail lives while it has no lines.
    pub(super) fn beats(&self) -> Interval {
        let mut beats = interval(self.api.limits.heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.reset();
        beats
    }

    pub(super) async fn beat(&mut self) -> Result<(), Gone> {
        self.count();
        self.writer.say(Notice::Heartbeat(unix_ns())).await
    }

    /// Waits for what may take long, and says meanwhile that the tail lives.
    pub(super) async fn waiting<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Over> {
        let (mut beats, mut what) = (self.beats(), std::pin::pin!(what));
        loop {
            tokio::select! {
                done = &mut what => return Ok(done),
                _ = beats.tick() => self.beat().await?,
                () = self.writer.gone() => return Err(Over::Gone),
            }
        }
    }

    /// The rows of a store that are asked for.
    pub(super) fn rows_of(&self, store: &Name) -> Commits {
        Commits {
            logs: Arc::clone(&self.api.logs),
            store: store.clone(),
            org: self.org.clone(),
            query: self.request.query.clone(),
            now: self.now,
            timeout: PATIENCE,
            state_bytes: self.api.limits.state_bytes,
        }
    }

    /// Gives the rows between the cursor and where the feed stands. A store that does not answer is left for later.
    async fn catch_up(&mut self, cursor: &mut Cursor, stands: &Cursor) -> Result<(), Over> {
        // Of what was on its way when shards moved two stores have the same.
        let mut passed = (stands.stores.len() > 1).then(Ahead::new);
        for (store, &to) in &stands.stores {
            let from = match cursor.stores.get(store) {
                Some(&from) => from,
                // All that it has came after the cursor was given.
                None => {
                    let at = i64::try_from(cursor.at).unwrap_or(0);
                    let since = at.saturating_mul(1_000_000_000).saturating_sub(UNKNOWN_STORE);
                    let follower = self.feed.follower().clone();
                    match self.waiting(async { follower.first_since(store, since).await }).await? {
                        Ok(first) => first.min(to),
                        // Where to begin in it is not known, and what it has is not given up: it is asked again.
                        Err(failure) => {
                            self.writer.stand_at(cursor);
                            self.writer.say(Notice::State("store-away", Some(&failure.to_string()))).await?;
                            continue;
                        }
                    }
                }
            };
            cursor.stores.insert(store.clone(), from);
            let commits = self.rows_of(store);
            let mut next = Some(from);
            while let Some(from) = next.filter(|from| *from < to) {
                next = self.page(cursor, &commits, from..to, &mut passed).await?;
            }
            if next.is_some() {
                self.pass(cursor, store, from, to).await;
            }
        }
        // One that the registry does not name any more does not come back.
        let named = self.api.logs.stores();
        let is_named = |store: &Name| named.as_ref().map_or(true, |named| named.contains(store));
        cursor.stores.retain(|store, _| stands.stores.contains_key(store) || is_named(store));
        self.lacks = cursor.stores != stands.stores;
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
                remove(&mut cursor.given, id.key, id.seq, id.end, id.is_gap);
            }
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
        Range { start: from, end: to }: Range<u64>,
        passed: &mut Option<Ahead>,
    ) -> Result<Option<u64>, Over> {
        let page = match self.waiting(commits.read_between(from..to, MAX_ROWS)).await? {
            Ok(page) => page,
            Err(failure) => {
                self.writer.stand_at(cursor);
                self.writer.say(Notice::State("store-away", Some(&failure.to_string()))).await?;
                return Ok(None);
            }
        };
        self.writer.stand_at(cursor);
        let rows = fresh(&self.org, &page).into_iter().map(|(_, fresh)| fresh);
        for (_, record) in records(rows) {
            self.writer.reach(record.time);
            let is_new = take(&mut cursor.given, &record);
            if !passed.as_mut().is_none_or(|passed| pass(passed, &record)) {
                self.writer.note(&record);
            } else if is_new {
                self.writer.line(&record, None).await?;
            }
        }
        if !page.missing.is_empty() {
            self.writer.say(Notice::State("catching-up", Some(&page.missing.join("; ")))).await?;
        }
        let next = if page.is_last { to } else { page.next.max(from + 1) };
        cursor.stores.insert(commits.store.clone(), next);
        self.writer.stand_at(cursor);
        self.writer.flush().await?;
        Ok(Some(next))
    }

    /// Gives what the feed has given ahead of where it stands, and the client does not have.
    async fn ahead(
        &mut self,
        cursor: &mut Cursor,
        stand: &Arc<Stand>,
        ahead: &[(Arc<Batch>, Vec<usize>)],
    ) -> Result<(), Over> {
        self.writer.stand_at(cursor);
        for (batch, some) in ahead {
            let passing = batch.passing(&self.request.sieve);
            for (record, passes) in some.iter().filter_map(|&at| batch.records.get(at).zip(passing.get(at))) {
                if take(&mut cursor.given, record) && *passes {
                    self.writer.line(record, None).await?;
                }
            }
        }
        // While it lacks something, where it stands is what was noted here.
        if !self.lacks {
            self.writer.stand(self.seen(stand), &cursor.given);
        }
        self.writer.flush().await?;
        Ok(())
    }

    /// Gives what comes. Returns when the client was too slow to be given all.
    async fn live(
        &mut self,
        batches: &mut Reader<Batch>,
        health: &mut tokio::sync::watch::Receiver<Health>,
        beside: &mut Ahead,
    ) -> Result<(), Over> {
        let mut beats = self.beats();
        let most = self.writer.boots_beside() + MAX_NOTED;
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
                    if matches!(next, Err(Behind)) || (self.lacks && self.writer.boots_beside() > most) {
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
                    self.stand_now(batches, beside);
                    self.beat().await?;
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

    /// What the client may see of where the feed stands.
    fn seen(&self, stand: &Arc<Stand>) -> Arc<Stand> {
        stand.seen_by(&self.request.sieve.sight)
    }

    /// Lets go of what the client had beside the feed, and that comes no more.
    fn let_go(&self, beside: &mut Ahead) {
        if !self.lacks && !beside.is_empty() && self.feed.is_over(self.joined.1) {
            beside.clear();
        }
    }

    /// Has the client stand where the feed does: the stores go on without lines for it, too.
    fn stand_now(&mut self, batches: &Reader<Batch>, beside: &mut Ahead) {
        self.let_go(beside);
        if !self.lacks
            && let Some(stand) = self.feed.stand_of(batches)
        {
            self.writer.stand(self.seen(&stand), beside);
        }
    }

    async fn batch(&mut self, batch: &Batch, beside: &mut Ahead) -> Result<(), Gone> {
        self.writer.reach(batch.made);
        self.let_go(beside);
        if !self.lacks && beside.is_empty() && !batch.has_late() {
            let text = batch.text(self.request.format, &self.request.sieve);
            return self.writer.shared(&text, self.seen(&batch.end)).await;
        }
        if !self.lacks {
            self.writer.stand(self.seen(&batch.start), beside);
        }
        let passing = batch.passing(&self.request.sieve);
        for (record, passes) in batch.records.iter().zip(passing) {
            let is_there = record.late.is_none_or(|loss| loss <= self.joined.0);
            if take(beside, record) && passes && is_there {
                self.writer.line(record, None).await?;
            }
        }
        if !self.lacks {
            self.writer.stand(self.seen(&batch.end), beside);
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
fn take(given: &mut Ahead, record: &Record) -> bool {
    let Some((boot, seq, end)) = record.id else { return true };
    let is_new = !has(given, boot, seq, end, record.is_gap);
    remove(given, boot, seq, end, record.is_gap);
    is_new
}

/// Whether a record did not come from another store before. It is noted.
fn pass(passed: &mut Ahead, record: &Record) -> bool {
    let Some((boot, seq, end)) = record.id else { return true };
    let is_new = !has(passed, boot, seq, end, record.is_gap);
    if passed.len() < MAX_PASSED {
        note(passed, boot, seq, end, record.is_gap);
    }
    is_new
}

/// Records by themselves, with their places in a history.
pub(super) fn records(rows: impl Iterator<Item = Fresh>) -> Vec<(Last, Record)> {
    let mut batcher = Batcher::default();
    rows.for_each(|row| batcher.push(row));
    let nowhere = Arc::new(Stand::default());
    let batch = batcher.finish(Arc::clone(&nowhere), nowhere, None);
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
