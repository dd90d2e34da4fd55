//! How much each may have at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use line::OrgId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::reply::Refused;

/// Bounds. Each says what happens when it is reached.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections. Further ones are closed with 503.
    pub connections: usize,
    /// Time for the head of a request, and between two requests of a connection; then it is closed.
    pub head_time: Duration,
    /// Time in which nothing of a reply is taken; then the connection is cut. A tail has a third of it.
    pub stall: Duration,
    /// Queries at once, of all orgs together and of one. Further ones wait.
    pub queries: PerOrg,
    /// Live tails at once. Further ones are refused.
    pub tails: PerOrg,
    /// Inserts at once. Further ones wait.
    pub inserts: PerOrg,
    /// Requests of an org that may wait, of each kind. Further ones are refused with 429.
    pub waiting_per_org: usize,
    /// How long they wait; then they are refused with 429, or with 503 when it is all orgs together that do too much.
    pub queue_time: Duration,
    /// The longest that a query may take, and the usual bound; then it ends with 503.
    pub query_time: Duration,
    /// Most bytes that the pipes of a query may remember; then it is refused.
    pub state_bytes: usize,
    /// Longest time for an insert to be kept; then it is refused with 503.
    pub insert_time: Duration,
}

/// A bound for all orgs together, and one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerOrg {
    /// For all together.
    pub all: usize,
    /// For each.
    pub each: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head_time: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            queries: PerOrg { all: 32, each: 8 },
            tails: PerOrg { all: 1024, each: 64 },
            inserts: PerOrg { all: 32, each: 8 },
            waiting_per_org: 64,
            queue_time: Duration::from_secs(10),
            query_time: Duration::from_secs(30),
            state_bytes: 96 << 20,
            insert_time: Duration::from_secs(30),
        }
    }
}

/// What a request wants a place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Tail,
    Insert,
}

/// Places of one kind.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Places {
    fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), waiting: AtomicUsize::new(0) }
    }
}

/// The places of one org.
#[derive(Debug)]
struct OfOrg([Places; 3]);

/// Gives out places.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    all: [Places; 3],
    orgs: Mutex<HashMap<OrgId, Arc<OfOrg>>>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _all: OwnedSemaphorePermit,
    _each: OwnedSemaphorePermit,
    /// Keeps the org's entry.
    _org: Arc<OfOrg>,
}

/// Orgs that are remembered before those without a place are forgotten.
const MAX_IDLE_ORGS: usize = 1024;

impl Gate {
    pub(crate) fn new(limits: Limits) -> Self {
        let all = [limits.queries, limits.tails, limits.inserts].map(|bound| Places::new(bound.all));
        Self { limits, all, orgs: Mutex::default() }
    }

    fn orgs(&self) -> MutexGuard<'_, HashMap<OrgId, Arc<OfOrg>>> {
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, org: &OrgId) -> Arc<OfOrg> {
        let mut orgs = self.orgs();
        if let Some(known) = orgs.get(org) {
            return Arc::clone(known);
        }
        if orgs.len() >= MAX_IDLE_ORGS {
            orgs.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let limits = &self.limits;
        let bounds = [limits.queries, limits.tails, limits.inserts];
        let places = Arc::new(OfOrg(bounds.map(|bound| Places::new(bound.each))));
        orgs.insert(org.clone(), Arc::clone(&places));
        places
    }

    /// A place, at once or after waiting for one. 429 when the org has as many as it may, 503 when all together have.
    pub(crate) async fn enter(&self, kind: Kind, org: &OrgId) -> Result<Place, Refused> {
        let own = self.of(org);
        let each = self.take(&own.0[kind as usize], kind).await.ok_or_else(|| too_many(kind))?;
        let all = self.take(&self.all[kind as usize], kind).await.ok_or_else(all_taken)?;
        Ok(Place { _all: all, _each: each, _org: own })
    }

    async fn take(&self, places: &Places, kind: Kind) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&places.free).try_acquire_owned() {
            return Some(permit);
        }
        // A tail does not end by itself: there is nothing to wait for.
        if kind == Kind::Tail {
            return None;
        }
        let _waiting = Waiting::among(&places.waiting, self.limits.waiting_per_org)?;
        let acquired = Arc::clone(&places.free).acquire_owned();
        tokio::time::timeout(self.limits.queue_time, acquired).await.ok()?.ok()
    }

    /// Places that are taken, by kind in the order query, tail, insert.
    pub(crate) fn taken(&self) -> [usize; 3] {
        let limits = &self.limits;
        let bounds = [limits.queries.all, limits.tails.all, limits.inserts.all];
        std::array::from_fn(|at| bounds[at].saturating_sub(self.all[at].free.available_permits()))
    }
}

fn too_many(kind: Kind) -> Refused {
    let what = match kind {
        Kind::Query => "queries",
        Kind::Tail => "live tails",
        Kind::Insert => "inserts",
    };
    let text = format!("the org has as many {what} running as it may: end one, or try again later");
    Refused::later(StatusCode::TOO_MANY_REQUESTS, text, Duration::from_secs(1))
}

fn all_taken() -> Refused {
    let text = "as many requests run as may: try again later";
    Refused::later(StatusCode::SERVICE_UNAVAILABLE, text, Duration::from_secs(1))
}

/// One of those that wait; ends when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize, places: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let one = Self(count);
        (before < places).then_some(one)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let (queries, tails) = (PerOrg { all: 3, each: 2 }, PerOrg { all: 2, each: 1 });
        Gate::new(Limits { queries, tails, waiting_per_org: 1, ..Limits::default() })
    }

    fn org(id: &str) -> OrgId {
        OrgId::new(id).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_org_takes_its_own_places_only() {
        let gate = gate();
        let (a, b) = (org("a"), org("b"));
        let places = [gate.enter(Kind::Query, &a).await.unwrap(), gate.enter(Kind::Query, &a).await.unwrap()];
        assert_eq!(gate.enter(Kind::Query, &a).await.unwrap_err().status, 429);
        let other = gate.enter(Kind::Query, &b).await.unwrap();
        assert_eq!(gate.taken(), [3, 0, 0]);
        assert_eq!(gate.enter(Kind::Query, &b).await.unwrap_err().status, 503);
        drop((places, other));
        assert!(gate.enter(Kind::Query, &b).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_next_place() {
        let gate = Arc::new(gate());
        let a = org("a");
        let first = gate.enter(Kind::Query, &a).await.unwrap();
        let _second = gate.enter(Kind::Query, &a).await.unwrap();
        let waits = tokio::spawn({
            let (gate, a) = (Arc::clone(&gate), a.clone());
            async move { gate.enter(Kind::Query, &a).await.map(drop) }
        });
        tokio::task::yield_now().await;
        // One waits, and no more may.
        assert_eq!(gate.enter(Kind::Query, &a).await.unwrap_err().status, 429);
        drop(first);
        assert!(waits.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn tails_do_not_wait() {
        let gate = gate();
        let _one = gate.enter(Kind::Tail, &org("a")).await.unwrap();
        assert_eq!(gate.enter(Kind::Tail, &org("a")).await.unwrap_err().status, 429);
        let _two = gate.enter(Kind::Tail, &org("b")).await.unwrap();
        assert_eq!(gate.enter(Kind::Tail, &org("c")).await.unwrap_err().status, 503);
    }
}
