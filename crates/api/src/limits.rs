//! How much each may have at once.

use std::time::Duration;

use hyper::StatusCode;
use line::OrgId;
use store::fair::{Full, Places};
use tokio::time::timeout;

use crate::reply::Refused;

/// Bounds. Each says what happens when it is reached.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections. Further ones are closed with 503. No address (of IPv6: its first 64 bits) gets more than are left for others.
    pub connections: usize,
    /// Time for the head of a request, and between two requests of a connection; then it is closed.
    pub head_time: Duration,
    /// Time for the whole of a form; then it is refused with 408.
    pub form_time: Duration,
    /// Time in which nothing of a reply is taken; then the connection is cut. A tail has a third of it.
    pub stall: Duration,
    /// Queries at once, of all orgs together and of one. Further ones wait, each org for its turn; no org gets more than are
    /// left for others.
    pub queries: PerOrg,
    /// Live tails of `/select` at once, each of which hears the bus for itself. Further ones are refused.
    pub tails: PerOrg,
    /// Tails of `/api/v1` at once, which share what is heard. Further ones are refused.
    pub follows: PerOrg,
    /// How often it is said that such a tail lives while it has no lines.
    pub heartbeat: Duration,
    /// How long a tail waits for what was heard live and that no store has, though they answer and have what was heard later. Then it is
    /// taken for lost, and is in no cursor any more.
    pub lost_after: Duration,
    /// Bytes that are held for all of these tails, beside what each has on its way: what comes and was not taken by all, what no store has
    /// yet, and what waits for it. Beyond, the oldest is let go, and tails read it from the stores.
    pub follow_bytes: usize,
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
    /// Apps that an org may bring lines of on a day. Lines of others are refused.
    pub apps_per_day: usize,
    /// The same of streams: app, region and instance.
    pub streams_per_day: usize,
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
            form_time: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            queries: PerOrg { all: 32, each: 8 },
            tails: PerOrg { all: 1024, each: 64 },
            follows: PerOrg { all: 2048, each: 1024 },
            heartbeat: Duration::from_secs(15),
            lost_after: Duration::from_secs(600),
            follow_bytes: 256 << 20,
            inserts: PerOrg { all: 32, each: 8 },
            waiting_per_org: 64,
            queue_time: Duration::from_secs(10),
            query_time: Duration::from_secs(30),
            state_bytes: 96 << 20,
            insert_time: Duration::from_secs(30),
            apps_per_day: 10_000,
            streams_per_day: 100_000,
        }
    }
}

/// What a request wants a place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Tail,
    Insert,
    Follow,
}

/// Gives out places. None of the orgs can take all of them, and of the orgs that wait each has its turn ([`store::fair`]).
#[derive(Debug)]
pub(crate) struct Gate {
    queue_time: Duration,
    kinds: [Places<OrgId>; 4],
}

/// A place; given back when dropped.
pub(crate) type Place = store::fair::Place<OrgId>;

impl Gate {
    pub(crate) fn new(limits: Limits) -> Self {
        let places = |bound: PerOrg| Places::new(bound.all, bound.each, limits.waiting_per_org);
        let kinds = [limits.queries, limits.tails, limits.inserts, limits.follows].map(places);
        Self { queue_time: limits.queue_time, kinds }
    }

    /// A place, at once or after waiting for one. 429 when the org has as many as it may, 503 when all together have.
    pub(crate) async fn enter(&self, kind: Kind, org: &OrgId) -> Result<Place, Refused> {
        let places = &self.kinds[kind as usize];
        let entered = match kind {
            // A tail does not end by itself: there is nothing to wait for.
            Kind::Tail | Kind::Follow => places.try_enter(org),
            Kind::Query | Kind::Insert => match timeout(self.queue_time, places.enter(org)).await {
                Ok(entered) => entered,
                Err(_) => Err(places.full(org).unwrap_or(Full::All)),
            },
        };
        entered.map_err(|full| match full {
            Full::Own => too_many(kind),
            Full::All => all_taken(),
        })
    }

    /// Places that are taken: by queries, tails of both kinds, and inserts.
    pub(crate) fn taken(&self) -> [usize; 3] {
        let [queries, tails, inserts, follows] = self.kinds.each_ref().map(Places::taken);
        [queries, tails + follows, inserts]
    }
}

fn too_many(kind: Kind) -> Refused {
    let what = match kind {
        Kind::Query => "queries",
        Kind::Tail | Kind::Follow => "live tails",
        Kind::Insert => "inserts",
    };
    let text = format!("the org has as many {what} running as it may: end one, or try again later");
    Refused::later(StatusCode::TOO_MANY_REQUESTS, text, Duration::from_secs(1))
}

fn all_taken() -> Refused {
    let text = "as many requests run as may: try again later";
    Refused::later(StatusCode::SERVICE_UNAVAILABLE, text, Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_org_keeps_no_other_out() {
        let queries = PerOrg { all: 4, each: 4 };
        let gate = Arc::new(Gate::new(Limits { queries, ..Limits::default() }));
        let (flood, small, late) = (org("a"), org("b"), org("c"));
        // Each of these takes 5 seconds, and there are always more.
        for _ in 0..60 {
            let (gate, flood) = (Arc::clone(&gate), flood.clone());
            tokio::spawn(async move {
                let place = gate.enter(Kind::Query, &flood).await;
                tokio::time::sleep(Duration::from_secs(5)).await;
                drop(place);
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = tokio::time::Instant::now();
        let first = gate.enter(Kind::Query, &small).await.unwrap();
        let second = gate.enter(Kind::Query, &late).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        // Whoever has one waits until as many are free as it has: two of the flood are over then.
        let third = gate.enter(Kind::Query, &small).await.unwrap();
        assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
        drop((first, second, third));
    }
}
