//! Follows the stores: what each has behind the feed's position there is given, when it was not yet.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use line::Name;
use tokio::time::{Instant, sleep_until, timeout};

use super::{AWAY, Health, Shared};
use crate::logs::Failure;
use crate::serve::unix_ns;
use crate::tail::follow::{Follower, Ids, UNKNOWN_STORE};
use crate::tail::weave::Origin;

/// How long after a poll the next one comes: when something waits for it, when something was given ahead, and when nothing is known to be
/// there.
const POLL: [Duration; 3] =
    [Duration::from_millis(15), Duration::from_millis(250), Duration::from_millis(1000)];
/// How long agents may take to say what stores may not have yet.
const ASKED: Duration = Duration::from_millis(500);
/// How long a record waits for those before it: while the stores answer, and while they do not.
const PATIENCE: [Duration; 2] = [Duration::from_secs(10), Duration::from_millis(300)];

/// How long a store may have taken nothing until it is doubted that it takes anything.
const TAKES: Duration = Duration::from_secs(60);
/// What passes between two looks at the stores, at most.
const LONGEST_STEP: Duration = Duration::from_secs(10);

/// Follows the stores, for ever.
pub(super) async fn follow(shared: &Shared, follower: &Follower) {
    let began = unix_ns();
    let (mut away, mut since, mut absent) = (AWAY.0, None, Absent::new());
    let mut named = None;
    let mut whole = Whole::default();
    // What agents have comes first, so that the first tail has it, too.
    let _late = timeout(ASKED, shared.asked.notified()).await;
    loop {
        if named.is_none() {
            named = follower.logs.stores().ok();
        }
        let polled = poll(shared, follower, since.as_ref(), &mut absent).await;
        since = named.clone().map(|named| Missed { since: began, named });
        whole.note(shared, polled.as_ref().is_ok_and(|is_all| *is_all) && absent.is_empty(), follower);
        let wait = match polled {
            Ok(is_all) => {
                away = AWAY.0;
                let lacks = absent.values().next().map(|(why, _)| why.clone());
                match lacks {
                    Some(why) => shared.say(Health::Storeless(why)),
                    None if matches!(*shared.health.borrow(), Health::Starting | Health::Storeless(_)) => {
                        shared.say(Health::Live);
                    }
                    None => {}
                }
                shared.give_up(PATIENCE[0], began);
                let inner = shared.lock();
                match (is_all, inner.weave.is_waiting(), !inner.weave.ahead().is_empty()) {
                    (false, _, _) => Duration::ZERO,
                    (true, true, _) => POLL[0],
                    (true, false, true) => POLL[1],
                    (true, false, false) => POLL[2],
                }
            }
            Err(failure) => {
                shared.say(Health::Storeless(failure.to_string()));
                shared.give_up(PATIENCE[1], first_given(follower, began));
                away = (away * 2).min(AWAY.1);
                away
            }
        };
        let (least, most) = (Instant::now() + POLL[0].min(wait), Instant::now() + wait);
        let is_away = wait >= AWAY.0 && matches!(*shared.health.borrow(), Health::Storeless(_));
        pause(shared, least, most, is_away.then(|| first_given(follower, began))).await;
    }
}

/// Since when a store has been missed that was not there from the begin on.
#[derive(Debug)]
struct Missed {
    /// When the feed began, Unix nanoseconds.
    since: i64,
    /// The stores that there were then. Any other is new, and so is all that it has, late lines too.
    named: Vec<Name>,
}

impl Missed {
    fn of(&self, store: &Name) -> i64 {
        if self.named.contains(store) { self.since } else { self.since.saturating_sub(UNKNOWN_STORE) }
    }
}

/// Since when all stores answer, have no more, and take what comes.
#[derive(Debug, Default)]
struct Whole {
    at: Option<Instant>,
    /// How far each store was, and when it was seen to have taken something.
    taken: BTreeMap<Name, (u64, Instant)>,
}

impl Whole {
    /// Tells the feed how long it has been so.
    fn note(&mut self, shared: &Shared, is_whole: bool, follower: &Follower) {
        let has_store = follower.logs.stores().map_or(true, |stores| !stores.is_empty());
        let stores = shared.lock().stores.clone();
        if let Some(by) = self.passed(Instant::now(), &stores, is_whole || !has_store) {
            shared.lose(by, has_store);
        }
    }

    /// How long it has been so since the last time. A store that is away (not `is_whole`) may have anything, and one that takes nothing, as
    /// its disk is full, will have what agents keep for it: no time passes then.
    fn passed(&mut self, now: Instant, stores: &BTreeMap<Name, u64>, is_whole: bool) -> Option<Duration> {
        self.taken.retain(|store, _| stores.contains_key(store));
        for (store, &pos) in stores {
            match self.taken.get_mut(store) {
                Some((known, _)) if *known == pos => {}
                Some(taken) => *taken = (pos, now),
                None => _ = self.taken.insert(store.clone(), (pos, now)),
            }
        }
        let takes = self.taken.values().all(|(_, last)| now - *last < TAKES);
        let at = (is_whole && takes).then_some(now);
        let before = std::mem::replace(&mut self.at, at);
        // Of a pause of this process nothing is known.
        before.zip(at).map(|(before, now)| (now - before).min(LONGEST_STEP))
    }
}

/// From when on records are given of which no store can say whether they were given before. Where there is no store, all are.
fn first_given(follower: &Follower, began: i64) -> i64 {
    if follower.logs.stores().is_ok_and(|stores| stores.is_empty()) { i64::MIN } else { began }
}

/// Waits until `most`, or until somebody is in a hurry, but not less than until `least`. While no store answers, those who wait for one
/// are let go meanwhile, from the time `away` on.
async fn pause(shared: &Shared, least: Instant, most: Instant, away: Option<i64>) {
    sleep_until(least).await;
    loop {
        let look = if away.is_some() { most.min(Instant::now() + PATIENCE[1]) } else { most };
        tokio::select! {
            () = sleep_until(look) => {}
            () = shared.hurry.notified(), if away.is_none() => return,
        }
        if let Some(since) = away {
            shared.give_up(PATIENCE[1], since);
        }
        if Instant::now() >= most {
            return;
        }
    }
}

/// Stores that did not answer: why, and when to ask them again. The others are followed meanwhile.
type Absent = BTreeMap<Name, (String, Instant)>;

/// Reads what the stores have behind the feed's positions, and from a store that is new what was `missed`. Says whether that is all. Fails
/// when none answers.
async fn poll(
    shared: &Shared,
    follower: &Follower,
    missed: Option<&Missed>,
    absent: &mut Absent,
) -> Result<bool, Failure> {
    let (mut is_all, mut failed) = (true, None);
    let mut stores = follower.logs.stores()?;
    absent.retain(|store, _| stores.contains(store));
    let now = Instant::now();
    let is_alone = stores.len() == 1;
    stores.retain(|store| is_alone || absent.get(store).is_none_or(|(_, again)| *again <= now));
    let mut answered = Vec::new();
    for store in stores {
        match poll_one(shared, follower, &store, missed.map(|missed| missed.of(&store))).await {
            Ok(is_last) => {
                is_all &= is_last;
                absent.remove(&store);
                answered.push(store);
            }
            Err(failure) => {
                absent.insert(store, (failure.to_string(), Instant::now() + AWAY.1));
                failed = Some(failure);
            }
        }
    }
    if answered.is_empty() {
        return Err(failed.unwrap_or_else(|| Failure::Away("there is none".into())));
    }
    let stores = answered;
    let unknown = shared.lock().weave.unknown();
    if !unknown.is_empty() {
        let mut all: HashMap<Origin, u64> = HashMap::new();
        for store in &stores {
            let below = shared.lock().stores.get(store).copied().unwrap_or(0);
            for (origin, next) in follower.known(store, &unknown, below).await? {
                all.entry(origin).and_modify(|known| *known = next.max(*known)).or_insert(next);
            }
        }
        shared.learn(&all);
    }
    Ok(is_all)
}

/// The same of one store.
async fn poll_one(
    shared: &Shared,
    follower: &Follower,
    store: &Name,
    since: Option<i64>,
) -> Result<bool, Failure> {
    let from = shared.lock().stores.get(store).copied();
    let Some(from) = from else {
        begin(shared, follower, store, since).await?;
        return Ok(true);
    };
    let ids = follower.ids(store, from).await?;
    if !ids.missing.is_empty() {
        tracing::warn!(store = %store, missing = ?ids.missing, "rows may be missing in a tail");
    }
    give_rows(shared, follower, store, &ids).await?;
    Ok(ids.is_last)
}

/// Begins to follow a store: where it is, or with the first line `since`. What was given ahead of those may be among the rows before that.
async fn begin(
    shared: &Shared,
    follower: &Follower,
    store: &Name,
    since: Option<i64>,
) -> Result<(), Failure> {
    let pos = match since {
        None => follower.end(store).await?,
        Some(since) => follower.first_since(store, since).await?,
    };
    let origins = shared.lock().weave.origins();
    let known = match since {
        Some(_) if !origins.is_empty() => follower.known(store, &origins, pos).await?,
        _ => HashMap::new(),
    };
    shared.begin(store, pos, &known);
    Ok(())
}

/// Gives the rows of `ids` that were not given yet.
async fn give_rows(shared: &Shared, follower: &Follower, store: &Name, ids: &Ids) -> Result<(), Failure> {
    let mut rows = ids.rows.as_slice();
    while let Some((first, last)) = shared.wanted(&Ids { rows: rows.to_vec(), ..Ids::default() }) {
        let (page, fresh) = follower.rows(store, first, last + 1).await?;
        let next = if page.is_last { last + 1 } else { page.next.clamp(first + 1, last + 1) };
        let count = rows.partition_point(|row| row.pos < next);
        let (now, later) = rows.split_at(count);
        shared.stored(store, now, next, &mut fresh.into_iter().collect());
        rows = later;
    }
    shared.stored(store, rows, ids.next, &mut HashMap::new());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_while_all_stores_answer_and_take_something() {
        let (mut whole, begun) = (Whole::default(), Instant::now());
        let stores = |one: u64, two: u64| {
            [("one", one), ("two", two)].map(|(name, pos)| (Name::new("store", name).unwrap(), pos)).into()
        };
        for (second, stores, is_whole, wanted) in [
            (0, stores(1, 1), true, None),
            (1, stores(2, 1), true, Some(1)),
            // One is away.
            (2, stores(2, 1), false, None),
            (3, stores(2, 1), true, None),
            (5, stores(2, 1), true, Some(2)),
            // The process has slept.
            (55, stores(3, 1), true, Some(10)),
            // The second one has taken nothing for a minute.
            (61, stores(4, 1), true, None),
            (62, stores(5, 1), true, None),
            (63, stores(6, 2), true, None),
            (64, stores(7, 2), true, Some(1)),
            // It is there no more.
            (65, [(Name::new("store", "one").unwrap(), 7)].into(), true, Some(1)),
        ] {
            let passed = whole.passed(begun + Duration::from_secs(second), &stores, is_whole);
            assert_eq!(passed, wanted.map(Duration::from_secs), "{second}");
        }
    }
}
