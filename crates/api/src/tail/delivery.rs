//! What the client of a tail was given, and how far it is behind.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::{Count, Deliveries, Grant, Reads, Standing};
use bytes::Bytes;
use line::{Name, OrgId};

use crate::serve::unix_ns;

/// Lines by app.
pub(crate) type Tally = HashMap<Name, u64>;

/// Bytes on their way to the connection, and the lines in them.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    pub(crate) lines: Tally,
}

/// One tail's client.
#[derive(Debug)]
pub(crate) struct Delivery {
    deliveries: Arc<Deliveries>,
    org: OrgId,
    /// The app that the tail is of; `None`: of all that may be read.
    app: Option<Name>,
    /// What may be read.
    apps: Option<BTreeSet<Name>>,
    counts: Mutex<HashMap<Name, Option<Arc<Count>>>>,
    /// Lines come as they are written.
    is_live: AtomicBool,
    /// While they do not: up to when it has all. Unix nanoseconds.
    reached: AtomicI64,
    /// When the lines of each chunk that was not taken yet were ready or, where a tail catches up, written. Unix nanoseconds.
    waiting: Mutex<VecDeque<i64>>,
}

impl Delivery {
    /// A tail begins.
    pub(crate) fn begin(deliveries: &Arc<Deliveries>, grant: &Grant, app: Option<&Name>) -> Arc<Self> {
        let this = Arc::new(Self {
            deliveries: Arc::clone(deliveries),
            org: grant.org.clone(),
            app: app.cloned(),
            apps: grant.scope.apps.clone(),
            counts: Mutex::default(),
            is_live: AtomicBool::new(false),
            reached: AtomicI64::new(unix_ns()),
            waiting: Mutex::default(),
        });
        let reader: std::sync::Weak<Self> = Arc::downgrade(&this);
        deliveries.enter(&grant.org, reader);
        this
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<i64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether lines come as they are written.
    pub(crate) fn set_live(&self, is_live: bool) {
        self.is_live.store(is_live, Ordering::Relaxed);
    }

    /// It is given lines that were ready, or written, at this time.
    pub(crate) fn reach(&self, time: i64) {
        self.reached.store(time, Ordering::Relaxed);
    }

    /// A chunk waits for the connection, with lines of that time.
    pub(crate) fn offer(&self, time: i64) {
        self.waiting().push_back(time);
    }

    /// The connection has taken a chunk.
    pub(crate) fn taken(&self, lines: &Tally) {
        self.waiting().pop_front();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (app, lines) in lines {
            let count = match counts.get(app) {
                Some(count) => count,
                None => counts.entry(app.clone()).or_insert(self.deliveries.count(&self.org, app)),
            };
            if let Some(count) = count {
                count.add(*lines, unix_ns());
            }
        }
    }

    fn standing(&self, now: i64) -> Standing {
        let is_live = self.is_live.load(Ordering::Relaxed);
        let since = match self.waiting().front() {
            Some(since) => *since,
            None if is_live => now,
            None => self.reached.load(Ordering::Relaxed),
        };
        let behind = u64::try_from(now.saturating_sub(since)).unwrap_or(0);
        Standing { is_live, behind: Duration::from_nanos(behind) }
    }
}

impl Reads for Delivery {
    fn apps(&self) -> Option<&BTreeSet<Name>> {
        self.apps.as_ref()
    }

    fn tell(&self, say: &mut dyn FnMut(Option<&Name>, Standing)) {
        say(self.app.as_ref(), self.standing(unix_ns()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Scope;

    fn grant() -> Grant {
        let org = OrgId::new("k3f9").unwrap();
        Grant { org, scope: Scope::ALL, revocation_ids: Vec::new(), key_id: 1 }
    }

    #[test]
    fn how_far_a_tail_is_behind() {
        let deliveries = Arc::new(Deliveries::default());
        let tail = Delivery::begin(&deliveries, &grant(), None);
        let behind = |now: i64| tail.standing(now).behind.as_nanos();
        tail.reach(100);
        assert_eq!((behind(150), tail.standing(150).is_live), (50, false));
        tail.set_live(true);
        assert_eq!(behind(150), 0);
        tail.offer(120);
        tail.offer(140);
        assert_eq!(behind(150), 30);
        tail.taken(&Tally::new());
        assert_eq!(behind(150), 10);
        // Clocks of other hosts may be ahead.
        assert_eq!(behind(90), 0);
        tail.taken(&Tally::new());
        assert_eq!((behind(150), tail.standing(150).is_live), (0, true));
    }

    #[test]
    fn what_was_taken_is_counted() {
        let deliveries = Arc::new(Deliveries::default());
        let [web, db] = ["web", "db"].map(|app| Name::new("app", app).unwrap());
        let tail = Delivery::begin(&deliveries, &grant(), Some(&web));
        tail.offer(1);
        assert_eq!(deliveries.lines(), []);
        tail.taken(&Tally::from([(web.clone(), 3)]));
        tail.taken(&Tally::from([(web.clone(), 2), (db.clone(), 1)]));
        let seen = deliveries.of(&grant()).unwrap();
        assert_eq!([&web, &db].map(|app| seen.of_app(app).lines), [Some(5), Some(1)]);
        assert_eq!([&web, &db].map(|app| seen.of_app(app).readers.open), [1, 0]);
        drop(tail);
        assert_eq!(deliveries.of(&grant()).unwrap().of_app(&web).readers.open, 0);
    }
}
