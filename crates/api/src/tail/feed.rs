//! The lines of an org or of one of its apps, once for all tails that want them: heard on the bus, followed in the stores, put into one
//! order.

mod following;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use line::{Address, Name};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::batch::{Batch, Batcher, Fresh, Record};
use super::cursor::{Ahead, Cursor, Stand, remove};
use super::follow::{Follower, Ids, Row};
use super::memory::{Lease, Memory};
use super::ring::{Reader, Ring};
use super::weave::{Due, Limits, Origin, Piece, Weave};
use crate::live::Heard;
use crate::logs::{Failure, Pending};
use crate::serve::unix_ns;

/// Bytes that a tail may be behind, about, if all feeds together leave as many. One that is further behind reads from the store until it
/// has caught up.
const MAX_BEHIND_BYTES: usize = 16 << 20;
/// Most bytes of a batch, about, unless one record is longer.
const BATCH_BYTES: usize = 128 << 10;
/// Bytes that a tail may be behind whatever the other feeds hold: a few batches.
const LEAST_BEHIND_BYTES: usize = 256 << 10;
/// Bytes of records given ahead of the stores that are kept for tails that begin, if all feeds together leave as many. Older ones are in the stores soon, or no store is there.
const MAX_RECENT_BYTES: usize = 16 << 20;
/// How old lines may be that agents are asked for when it begins: stores have older ones. Nanoseconds.
const RECENT: i64 = 60 * 1_000_000_000;
/// How long to wait when a store or the bus is away, at first and at most.
const AWAY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How a feed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// It begins.
    Starting,
    /// Lines come as they are written.
    Live,
    /// The bus is not heard: lines come when a store has them.
    Deaf(String),
    /// A store does not answer: lines come as they are written, and what is missed is given when it does.
    Storeless(String),
}

/// A feed that runs as long as this is held.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    follower: Follower,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("org", &self.follower.org).field("app", &self.follower.app).finish()
    }
}

/// What a tail gets that joins.
#[derive(Debug)]
pub(crate) struct Joined {
    /// Where the feed is.
    pub(crate) stand: Arc<Stand>,
    /// Records that were given ahead of the cursor's positions: by batch, which of it.
    pub(crate) ahead: Vec<(Arc<Batch>, Vec<usize>)>,
    /// They are all that were given ahead. Else the stores are so far behind that some are kept here no more.
    pub(crate) is_complete: bool,
    /// How often something that was given ahead was taken for lost.
    pub(crate) losses: u64,
    /// How long the stores have answered.
    pub(crate) clock: Duration,
    /// Everything from here on.
    pub(crate) batches: Reader<Batch>,
}

struct Shared {
    inner: Mutex<Inner>,
    batches: Arc<Ring<Batch>>,
    memory: Memory,
    health: watch::Sender<Health>,
    /// How many stores are followed.
    begun: watch::Sender<usize>,
    /// Somebody wants the stores to be looked at now.
    hurry: Notify,
    /// The agents were asked for what the stores may not have yet, or cannot be.
    asked: Notify,
    /// Nobody wants it any more.
    stop: Notify,
    began: Instant,
}

struct Inner {
    weave: Weave<Fresh>,
    stores: BTreeMap<Name, u64>,
    stand: Arc<Stand>,
    recent: VecDeque<(usize, Arc<Batch>)>,
    recent_bytes: usize,
    /// What waits in the weave.
    held: Lease,
    out: Vec<Piece<Fresh>>,
}

impl Feed {
    /// Starts a feed. Must be called in a tokio runtime.
    pub(crate) fn start(follower: Follower, limits: Limits, memory: Memory) -> Arc<Self> {
        let inner = Inner {
            weave: Weave::new(limits),
            stores: BTreeMap::new(),
            stand: Stand::new(Cursor::default(), None),
            recent: VecDeque::new(),
            recent_bytes: 0,
            held: memory.lease(0),
            out: Vec::new(),
        };
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            batches: Ring::new(),
            memory,
            health: watch::Sender::new(Health::Starting),
            begun: watch::Sender::new(0),
            hurry: Notify::new(),
            asked: Notify::new(),
            stop: Notify::new(),
            began: Instant::now(),
        });
        let feed = Self { shared: Arc::clone(&shared), follower: follower.clone() };
        tokio::spawn(async move {
            tokio::select! {
                () = shared.stop.notified() => {}
                () = hear(&shared, &follower) => {}
                () = following::follow(&shared, &follower) => {}
            }
        });
        Arc::new(feed)
    }

    /// How it is, from now on.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// How many stores it follows, from now on.
    pub(crate) fn begun(&self) -> watch::Receiver<usize> {
        self.shared.begun.subscribe()
    }

    /// Where it is, and all that it gives from there on.
    pub(crate) fn join(&self) -> Joined {
        let inner = self.shared.lock();
        let mut left = inner.weave.ahead().clone();
        let mut ahead = Vec::new();
        for (_, batch) in &inner.recent {
            let mut is_left = |record: &Record| {
                record.id.is_some_and(|(boot, seq, end)| remove(&mut left, boot, seq, end, record.is_gap))
            };
            let some = batch.records.iter().enumerate().filter(|(_, record)| is_left(record));
            let some: Vec<usize> = some.map(|(at, _)| at).collect();
            if !some.is_empty() {
                ahead.push((Arc::clone(batch), some));
            }
        }
        let (stand, is_complete) = (Arc::clone(&inner.stand), left.is_empty());
        let (losses, clock) = (inner.weave.losses(), inner.weave.clock());
        let batches = self.shared.batches.subscribe();
        Joined { stand, ahead, is_complete, losses, clock, batches }
    }

    /// Whether what was ahead when its clock stood there is lost by now, if it did not come.
    pub(crate) fn is_over(&self, clock: Duration) -> bool {
        self.shared.lock().weave.is_over(clock)
    }

    /// Where it is, if the reader has taken all that was given before that.
    pub(crate) fn stand_of(&self, reader: &Reader<Batch>) -> Option<Arc<Stand>> {
        let inner = self.shared.lock();
        reader.has_all().then(|| Arc::clone(&inner.stand))
    }

    /// How many tails it has.
    pub(crate) fn tails(&self) -> usize {
        self.shared.batches.readers()
    }

    /// Has the stores looked at now.
    pub(crate) fn hurry(&self) {
        self.shared.hurry.notify_one();
    }

    pub(crate) const fn follower(&self) -> &Follower {
        &self.follower
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.stop.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn say(&self, health: Health) {
        self.health.send_if_modified(|now| std::mem::replace(now, health.clone()) != health);
    }

    /// Messages of the bus.
    fn live(&self, messages: Vec<(Address, Bytes)>) {
        let now = self.now();
        let fresh: Vec<Fresh> =
            messages.into_iter().filter_map(|(address, json)| Fresh::live(address, json)).collect();
        let mut inner = self.lock();
        inner.weave.bound_held(self.memory.free());
        let mut batcher = Batcher::default();
        for one in fresh {
            match one.id() {
                // Nobody can say whether it was given, and no store has it.
                None => batcher.push(one),
                Some(id) => {
                    let mut out = std::mem::take(&mut inner.out);
                    inner.weave.live(now, one.into_piece(id), &mut out);
                    out.drain(..).for_each(|piece| batcher.push(piece.payload));
                    inner.out = out;
                }
            }
            if batcher.bytes() > BATCH_BYTES {
                self.give(&mut inner, std::mem::take(&mut batcher));
            }
        }
        self.give(&mut inner, batcher);
        let is_waiting = inner.weave.is_waiting();
        drop(inner);
        if is_waiting {
            self.hurry.notify_one();
        }
    }

    /// Where it is now.
    fn stand(&self, inner: &Inner) -> Arc<Stand> {
        self.stand_before(inner, &[])
    }

    /// Where it is before these are given, which the weave has let go already.
    fn stand_before(&self, inner: &Inner, out: &[Piece<Fresh>]) -> Arc<Stand> {
        let at = u64::try_from(unix_ns() / 1_000_000_000).unwrap_or(0);
        let mut given = inner.weave.ahead().clone();
        for Piece { id, .. } in out {
            remove(&mut given, id.key, id.seq, id.end, id.is_gap);
        }
        let cursor = Cursor { stores: inner.stores.clone(), given, at, history: None };
        Stand::new(cursor, Some(self.memory.lease(0)))
    }

    /// Says a batch, and remembers it as long as some of it is ahead of the stores.
    fn give(&self, inner: &mut Inner, batcher: Batcher) {
        inner.held.set(inner.weave.held_bytes());
        if batcher.is_empty() {
            return;
        }
        let end = self.stand(inner);
        let bytes = batcher.bytes() + end.bytes();
        let lease = self.memory.lease(batcher.bytes());
        let batch = Arc::new(batcher.finish(Arc::clone(&inner.stand), Arc::clone(&end), Some(lease)));
        inner.stand = end;
        inner.recent.push_back((bytes, Arc::clone(&batch)));
        inner.recent_bytes += bytes;
        // Whoever has most lets go first: what one feed may have is what is left for all.
        let free = self.memory.free();
        while inner.recent_bytes > MAX_RECENT_BYTES.min(free) {
            let Some((bytes, _)) = inner.recent.pop_front() else { break };
            inner.recent_bytes -= bytes;
        }
        self.batches.push(batch, bytes, free.clamp(LEAST_BEHIND_BYTES, MAX_BEHIND_BYTES));
    }

    /// Which of these rows are to be given: the first and the last of them.
    fn wanted(&self, ids: &Ids) -> Option<(u64, u64)> {
        let inner = self.lock();
        let is_wanted = |row: &&Row| row.id.as_ref().is_none_or(|id| inner.weave.is_wanted(id));
        let mut wanted = ids.rows.iter().filter(is_wanted).map(|row| row.pos);
        let first = wanted.next()?;
        Some((first, wanted.next_back().unwrap_or(first)))
    }

    /// The next rows of a store, in commit order; `fresh` has those of them that are to be given.
    fn stored(&self, store: &Name, rows: &[Row], next: u64, fresh: &mut HashMap<u64, Fresh>) {
        let now = self.now();
        let mut inner = self.lock();
        let mut batcher = Batcher::default();
        for row in rows {
            let mut out = std::mem::take(&mut inner.out);
            let due = row.id.as_ref().map_or(Due::New, |id| inner.weave.stored(now, id, &mut out));
            // One that is there no more when it is asked for was deleted meanwhile.
            match (due, fresh.remove(&row.pos)) {
                (Due::New, Some(fresh)) => batcher.push(fresh),
                (Due::Late(loss), Some(mut fresh)) => {
                    fresh.late = Some(loss);
                    batcher.push(fresh);
                }
                _ => {}
            }
            out.drain(..).for_each(|piece| batcher.push(piece.payload));
            inner.out = out;
            if batcher.bytes() > BATCH_BYTES {
                inner.stores.insert(store.clone(), row.pos + 1);
                self.give(&mut inner, std::mem::take(&mut batcher));
            }
        }
        inner.stores.insert(store.clone(), next);
        self.give(&mut inner, batcher);
        inner.stand = self.stand(&inner);
        inner.forget();
    }

    /// Follows a store from `pos` on. Its rows before that go up to what is `known` of each boot.
    fn begin(&self, store: &Name, pos: u64, known: &HashMap<Origin, u64>) {
        let mut inner = self.lock();
        let mut out = std::mem::take(&mut inner.out);
        for (origin, next) in known.iter().filter(|(_, next)| **next > 1) {
            inner.weave.settle(origin, *next, &mut out);
        }
        inner.stores.insert(store.clone(), pos);
        inner.stand = self.stand_before(&inner, &out);
        self.give_all(&mut inner, out);
        inner.forget();
        self.begun.send_replace(inner.stores.len());
    }

    fn learn(&self, known: &HashMap<Origin, u64>) {
        let mut inner = self.lock();
        let mut out = std::mem::take(&mut inner.out);
        for (origin, next) in known {
            inner.weave.learn(origin, *next, &mut out);
        }
        self.give_all(&mut inner, out);
    }

    fn give_up(&self, patience: Duration, since: i64) {
        let now = self.now();
        let mut inner = self.lock();
        let mut out = std::mem::take(&mut inner.out);
        inner.weave.give_up(now, patience, since, &mut out);
        self.give_all(&mut inner, out);
    }

    /// All stores have answered for so long, and have no more; or there is none.
    fn lose(&self, by: Duration, has_store: bool) {
        let mut inner = self.lock();
        if inner.weave.lose(by, has_store) {
            inner.stand = self.stand(&inner);
            inner.forget();
        }
    }

    /// Gives them in one batch: the cursor behind it has all of them.
    fn give_all(&self, inner: &mut Inner, mut out: Vec<Piece<Fresh>>) {
        let mut batcher = Batcher::default();
        out.drain(..).for_each(|piece| batcher.push(piece.payload));
        inner.out = out;
        self.give(inner, batcher);
    }
}

impl Inner {
    /// Lets go of batches that the stores have reached.
    fn forget(&mut self) {
        let ahead = self.weave.ahead();
        self.recent.retain(|(_, batch)| batch.records.iter().any(|record| is_ahead(ahead, record)));
        self.recent_bytes = self.recent.iter().map(|(bytes, _)| bytes).sum();
    }
}

/// Whether some of a record was given ahead of the stores.
fn is_ahead(ahead: &Ahead, record: &Record) -> bool {
    let Some((boot, seq, end)) = record.id else { return false };
    ahead.get(&boot).is_some_and(|given| given.touches(seq, end, record.is_gap))
}

/// Nothing, ever.
fn never<T: Send + 'static>() -> Pending<T> {
    Box::pin(std::future::pending())
}

/// Hears the bus, for ever.
async fn hear(shared: &Shared, follower: &Follower) {
    let mut away = AWAY.0;
    loop {
        let mut ears = follower.logs.hear(follower.org.clone(), follower.app.clone());
        let mut recent = None;
        let failure = loop {
            let heard = tokio::select! {
                heard = ears.recv() => heard,
                messages = async { recent.as_mut().unwrap_or(&mut never()).await }, if recent.is_some() => {
                    recent = None;
                    shared.live(messages);
                    shared.asked.notify_one();
                    shared.hurry.notify_one();
                    continue;
                }
            };
            match heard {
                Some(Heard::Begun) => {
                    away = AWAY.0;
                    // What was said before is in a store soon, and until then agents have it.
                    let since = unix_ns() - RECENT;
                    recent = Some(follower.logs.recent(follower.org.clone(), follower.app.clone(), since));
                    shared.hurry.notify_one();
                    if matches!(*shared.health.borrow(), Health::Deaf(_)) {
                        shared.say(Health::Live);
                    }
                }
                Some(Heard::Messages(messages)) => shared.live(messages),
                Some(Heard::Missed(_)) => shared.hurry.notify_one(),
                Some(Heard::Lost(failure)) => break failure,
                None => break Failure::Broken,
            }
        };
        shared.asked.notify_one();
        if !matches!(*shared.health.borrow(), Health::Starting) {
            shared.say(Health::Deaf(failure.to_string()));
        }
        sleep(away).await;
        away = (away * 2).min(AWAY.1);
    }
}
