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
    /// Since when they do. Unix nanoseconds.
    live_since: AtomicI64,
    /// Since when each chunk waits that was not taken yet. Unix nanoseconds.
    waiting: Mutex<VecDeque<i64>>,
}

impl Delivery {
    /// A tail begins. One that does not follow is a download: its lines are counted, and it reads nothing live that it could be
    /// behind with.
    pub(crate) fn begin(
        deliveries: &Arc<Deliveries>,
        grant: &Grant,
        app: Option<&Name>,
        follows: bool,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            deliveries: Arc::clone(deliveries),
            org: grant.org.clone(),
            app: app.cloned(),
            apps: grant.scope.apps.clone(),
            counts: Mutex::default(),
            is_live: AtomicBool::new(false),
            live_since: AtomicI64::new(0),
            waiting: Mutex::default(),
        });
        if follows {
            let reader: std::sync::Weak<Self> = Arc::downgrade(&this);
            deliveries.enter(&grant.org, reader);
        }
        this
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<i64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether lines come as they are written.
    pub(crate) fn set_live(&self, is_live: bool) {
        self.set_live_at(is_live, unix_ns());
    }

    fn set_live_at(&self, is_live: bool, now: i64) {
        self.live_since.store(now, Ordering::Relaxed);
        self.is_live.store(is_live, Ordering::Relaxed);
    }

    /// A chunk waits for the connection, with lines that were ready at that time or, where a tail catches up, written.
    pub(crate) fn offer(&self, time: i64) {
        self.offer_at(time, unix_ns());
    }

    fn offer_at(&self, time: i64, now: i64) {
        // Lines of history may be old, and have not waited for who has only just asked for them.
        let since = match self.is_live.load(Ordering::Relaxed) {
            true => time.max(self.live_since.load(Ordering::Relaxed)),
            false => now,
        };
        self.waiting().push_back(since);
    }

    /// The connection has taken a chunk.
    pub(crate) fn taken(&self, lines: &Tally) {
        self.waiting().pop_front();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (app, lines) in lines {
            let count = match counts.get(app) {
                Some(count) => count,
                None => counts.entry(app.clone()).or_insert(self.deliveries.count(&self.org, app, unix_ns())),
            };
            if let Some(count) = count {
                count.add(*lines, unix_ns());
            }
        }
    }

    fn standing(&self, now: i64) -> Standing {
        let is_live = self.is_live.load(Ordering::Relaxed);
        let since = self.waiting().front().copied().unwrap_or(now);
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
        let tail = Delivery::begin(&deliveries, &grant(), None, true);
        let behind = |now: i64| tail.standing(now).behind.as_nanos();
        assert_eq!((behind(150), tail.standing(150).is_live), (0, false));
        // Lines of long ago, that wait since they were read.
        tail.offer_at(1, 100);
        assert_eq!((behind(100), behind(150), tail.standing(150).is_live), (0, 50, false));
        tail.taken(&Tally::new());
        tail.set_live_at(true, 110);
        assert_eq!(behind(150), 0);
        // The last of them may come when others do already.
        tail.offer_at(1, 112);
        assert_eq!(behind(150), 40);
        tail.taken(&Tally::new());
        tail.offer_at(120, 145);
        tail.offer_at(140, 145);
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
        let tail = Delivery::begin(&deliveries, &grant(), Some(&web), true);
        // What somebody downloads is counted, and nobody waits for it.
        let download = Delivery::begin(&deliveries, &grant(), Some(&db), false);
        tail.offer(1);
        assert_eq!(deliveries.lines(), []);
        tail.taken(&Tally::from([(web.clone(), 3)]));
        tail.taken(&Tally::from([(web.clone(), 2), (db.clone(), 1)]));
        download.taken(&Tally::from([(db.clone(), 1)]));
        let seen = deliveries.of(&grant()).unwrap();
        assert_eq!([&web, &db].map(|app| seen.of_app(app).lines), [Some(5), Some(2)]);
        assert_eq!([&web, &db].map(|app| seen.of_app(app).readers.open), [1, 0]);
        drop(tail);
        assert_eq!(deliveries.of(&grant()).unwrap().of_app(&web).readers.open, 0);
    }
}
