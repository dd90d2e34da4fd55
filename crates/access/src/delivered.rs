//! What was delivered: lines that were handed to readers of live logs, by org and app, and how those who read now stand.
//!
//! Whoever hands lines out counts here: live tails over HTTP and the NATS front door, if they are one process. Another process tells its own.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use line::{Name, OrgId};

use crate::{Action, Grant};

/// Apps of one org that are counted. Of others it is not known how much was delivered.
const MAX_APPS_OF_ORG: usize = 5_000;
/// And of all orgs.
const MAX_APPS: usize = 100_000;
/// A count that nobody has added to for so long makes room for others. Nanoseconds.
const IDLE: i64 = 24 * 3600 * 1_000_000_000;
/// How often it is looked for such ones at most: whoever names ever new apps would have it looked each time. Nanoseconds.
const LOOK_EVERY: i64 = 60 * 1_000_000_000;
/// Readers are looked through for those that are gone when there are more than this, and then twice as many as were left.
const LOOK_FROM: usize = 16;

/// What was delivered of one app. Cheap to add to: whoever delivers keeps it.
#[derive(Debug, Default)]
pub struct Count {
    lines: AtomicU64,
    /// Unix nanoseconds; 0: nothing was.
    last: AtomicI64,
    /// Since when it is counted, Unix nanoseconds.
    begun: i64,
}

impl Count {
    fn is_idle(&self, now: i64) -> bool {
        let last = self.last.load(Ordering::Relaxed).max(self.begun);
        now.saturating_sub(last) >= IDLE
    }

    /// So many lines were delivered now, at this time (Unix nanoseconds).
    pub fn add(&self, lines: u64, now: i64) {
        if lines > 0 {
            self.lines.fetch_add(lines, Ordering::Relaxed);
            self.last.fetch_max(now, Ordering::Relaxed);
        }
    }
}

/// How a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// It is given lines as they come; else it catches up, or is too slow to be given all.
    pub is_live: bool,
    /// How long what it is given next has waited for it.
    pub behind: Duration,
}

/// Somebody who reads live logs.
pub trait Reads: Send + Sync {
    /// The apps that it may read at most; `None`: all of the org.
    fn apps(&self) -> Option<&BTreeSet<Name>>;

    /// Says how it stands, once for each app that it reads, or with `None` for all that it may.
    fn tell(&self, say: &mut dyn FnMut(Option<&Name>, Standing));
}

/// Counts of all orgs, and who reads.
#[derive(Default)]
pub struct Deliveries {
    /// Unix nanoseconds.
    since: i64,
    inner: Mutex<Inner>,
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries").field("since", &self.since).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Inner {
    orgs: HashMap<OrgId, Org>,
    /// Apps that are counted, of all orgs.
    apps: usize,
    looked: Option<i64>,
}

#[derive(Default)]
struct Org {
    apps: HashMap<Name, Arc<Count>>,
    /// Lines of apps whose counts were let go.
    let_go: u64,
    looked: Option<i64>,
    readers: Vec<Weak<dyn Reads>>,
    look_from: usize,
}

impl Inner {
    /// Makes room among all apps.
    fn make_room(&mut self, now: i64) {
        if self.apps >= MAX_APPS && is_due(&mut self.looked, now) {
            self.apps -= self.orgs.values_mut().map(|org| org.let_go(now)).sum::<usize>();
        }
    }
}

impl Org {
    /// Lets go of the counts that are idle and at nobody's hand, and says how many they were.
    fn let_go(&mut self, now: i64) -> usize {
        let before = self.apps.len();
        let let_go = &mut self.let_go;
        self.apps.retain(|_, count| {
            // Only under the lock is it taken out to somebody, and nobody does so now.
            let is_held = Arc::strong_count(count) > 1;
            let is_kept = is_held || !count.is_idle(now);
            if !is_kept {
                *let_go += count.lines.load(Ordering::Relaxed);
            }
            is_kept
        });
        before - self.apps.len()
    }
}

/// Whether it was not looked in a while.
fn is_due(looked: &mut Option<i64>, now: i64) -> bool {
    let is_due = looked.is_none_or(|at| now.saturating_sub(at) >= LOOK_EVERY);
    if is_due {
        *looked = Some(now);
    }
    is_due
}

impl Deliveries {
    /// Nothing was delivered, and it begins now, at this time (Unix nanoseconds).
    pub fn new(now: i64) -> Self {
        Self { since: now, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The count of an app, at this time (Unix nanoseconds); `None` if there are too many to count one more.
    pub fn count(&self, org: &OrgId, app: &Name, now: i64) -> Option<Arc<Count>> {
        let mut inner = self.inner();
        if let Some(count) = inner.orgs.get(org).and_then(|of| of.apps.get(app)) {
            return Some(Arc::clone(count));
        }
        inner.make_room(now);
        let Inner { orgs, apps, .. } = &mut *inner;
        let of = orgs.entry(org.clone()).or_default();
        if of.apps.len() >= MAX_APPS_OF_ORG && is_due(&mut of.looked, now) {
            *apps -= of.let_go(now);
        }
        if *apps >= MAX_APPS || of.apps.len() >= MAX_APPS_OF_ORG {
            return None;
        }
        let count = Arc::new(Count { begun: now, ..Count::default() });
        of.apps.insert(app.clone(), Arc::clone(&count));
        *apps += 1;
        Some(count)
    }

    /// Somebody reads, until it is dropped.
    pub fn enter(&self, org: &OrgId, reader: Weak<dyn Reads>) {
        let mut inner = self.inner();
        let org = inner.orgs.entry(org.clone()).or_default();
        if org.readers.len() >= org.look_from {
            org.readers.retain(|reader| reader.strong_count() > 0);
            org.look_from = (org.readers.len() * 2).max(LOOK_FROM);
        }
        org.readers.push(reader);
    }

    /// What whoever has `grant` may know of its org. `None`: it reads some regions or Machines only, and nothing is counted by those.
    pub fn of(&self, grant: &Grant) -> Option<Delivered> {
        let scope = &grant.scope;
        if !scope.actions.has(Action::Read) || scope.regions.is_some() || scope.instances.is_some() {
            return None;
        }
        let may = |app: &Name| scope.apps.as_ref().is_none_or(|apps| apps.contains(app));
        let mut delivered = Delivered { since: self.since, ..Delivered::default() };
        let readers: Vec<_> = {
            let inner = self.inner();
            delivered.is_full = inner.apps >= MAX_APPS;
            let Some(org) = inner.orgs.get(&grant.org) else { return Some(delivered) };
            // An app may be one whose count was let go.
            delivered.is_full |= org.apps.len() >= MAX_APPS_OF_ORG || org.let_go > 0;
            let seen = org.apps.iter().filter(|(app, _)| may(app));
            delivered.counts.extend(seen.map(|(app, count)| (app.clone(), Arc::clone(count))));
            org.readers.iter().filter_map(Weak::upgrade).collect()
        };
        // Without the lock: readers have locks of their own, under which they count.
        for reader in readers {
            let limits = reader.apps();
            reader.tell(&mut |app, standing| match (app, limits) {
                (Some(app), _) => delivered.note(app, standing),
                (None, None) => delivered.of_all.note(standing),
                (None, Some(apps)) => apps.iter().for_each(|app| delivered.note(app, standing)),
            });
        }
        delivered.readers.retain(|app, _| may(app));
        Some(delivered)
    }

    /// The lines that were delivered of each app; and with `None`, so that sums do not sink, of those whose counts were let go.
    pub fn lines(&self) -> Vec<(OrgId, Option<Name>, u64)> {
        let inner = self.inner();
        let mut all = Vec::with_capacity(inner.apps);
        for (org, of) in &inner.orgs {
            let counted = |(app, count): (&Name, &Arc<Count>)| {
                (org.clone(), Some(app.clone()), count.lines.load(Ordering::Relaxed))
            };
            all.extend(of.apps.iter().map(counted));
            all.extend((of.let_go > 0).then(|| (org.clone(), None, of.let_go)));
        }
        all
    }
}

/// Those who read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readers {
    /// How many there are.
    pub open: u64,
    /// How many of them are given lines as they come.
    pub live: u64,
    /// How long what the slowest one is given next has waited for it; `None`: nobody reads.
    pub slowest: Option<Duration>,
}

impl Readers {
    fn note(&mut self, standing: Standing) {
        self.open += 1;
        self.live += u64::from(standing.is_live);
        self.slowest = self.slowest.max(Some(standing.behind));
    }

    fn and(self, other: Self) -> Self {
        let (open, live) = (self.open + other.open, self.live + other.live);
        Self { open, live, slowest: self.slowest.max(other.slowest) }
    }
}

/// What was delivered of the apps of an org.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Since when it is counted, Unix nanoseconds.
    pub since: i64,
    counts: HashMap<Name, Arc<Count>>,
    /// Those who read an app by its name.
    readers: HashMap<Name, Readers>,
    /// Those who read all of the org.
    of_all: Readers,
    /// There are apps that are not counted, or not any more.
    is_full: bool,
}

/// What was delivered of one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfApp {
    /// Lines; `None`: there are so many apps that this one is not counted.
    pub lines: Option<u64>,
    /// When one was delivered last, Unix nanoseconds.
    pub last: Option<i64>,
    /// Those who read it.
    pub readers: Readers,
}

impl Delivered {
    fn note(&mut self, app: &Name, standing: Standing) {
        self.readers.entry(app.clone()).or_default().note(standing);
    }

    /// What was delivered of an app.
    pub fn of_app(&self, app: &Name) -> OfApp {
        let count = self.counts.get(app);
        let lines = count.map(|count| count.lines.load(Ordering::Relaxed));
        let last = count.map(|count| count.last.load(Ordering::Relaxed)).filter(|last| *last > 0);
        let readers = self.readers.get(app).copied().unwrap_or_default().and(self.of_all);
        OfApp { lines: lines.or((!self.is_full).then_some(0)), last, readers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    fn name(text: &str) -> Name {
        Name::new("app", text).unwrap()
    }

    fn org(text: &str) -> OrgId {
        OrgId::new(text).unwrap()
    }

    fn grant(org_id: &str, change: impl FnOnce(&mut Scope)) -> Grant {
        let mut scope = Scope::ALL;
        change(&mut scope);
        Grant { org: org(org_id), scope, revocation_ids: Vec::new(), key_id: 1 }
    }

    struct Fake(Option<BTreeSet<Name>>, Vec<(Option<Name>, Standing)>);

    impl Reads for Fake {
        fn apps(&self) -> Option<&BTreeSet<Name>> {
            self.0.as_ref()
        }

        fn tell(&self, say: &mut dyn FnMut(Option<&Name>, Standing)) {
            self.1.iter().for_each(|(app, standing)| say(app.as_ref(), *standing));
        }
    }

    fn standing(is_live: bool, seconds: u64) -> Standing {
        Standing { is_live, behind: Duration::from_secs(seconds) }
    }

    fn enter(all: &Deliveries, org_id: &str, fake: Fake) -> Arc<Fake> {
        let reader = Arc::new(fake);
        let weak: Weak<Fake> = Arc::downgrade(&reader);
        all.enter(&org(org_id), weak);
        reader
    }

    #[test]
    fn lines_are_counted_by_org_and_app() {
        let all = Deliveries::new(7);
        let web = all.count(&org("k3f9"), &name("web"), 8).unwrap();
        all.count(&org("m7x2"), &name("web"), 8).unwrap().add(50, 9);
        web.add(3, 10);
        web.add(2, 9);
        web.add(0, 99);
        let seen = all.of(&grant("k3f9", |_| {})).unwrap();
        assert_eq!(seen.since, 7);
        let none = Readers::default();
        assert_eq!(seen.of_app(&name("web")), OfApp { lines: Some(5), last: Some(10), readers: none });
        assert_eq!(seen.of_app(&name("db")), OfApp { lines: Some(0), last: None, readers: none });
        let mut lines = all.lines();
        lines.sort_by_key(|(.., lines)| *lines);
        assert_eq!(lines, [(org("k3f9"), Some(name("web")), 5), (org("m7x2"), Some(name("web")), 50)]);
    }

    #[test]
    fn readers_count_for_what_they_read_until_they_are_gone() {
        let all = Deliveries::new(0);
        let by_name = Fake(None, vec![(Some(name("web")), standing(true, 0))]);
        let of_all = enter(&all, "k3f9", Fake(None, vec![(None, standing(false, 5))]));
        let limited = Fake(Some([name("db")].into()), vec![(None, standing(true, 9))]);
        let kept = [
            enter(&all, "k3f9", by_name),
            enter(&all, "k3f9", limited),
            enter(&all, "m7x2", Fake(None, vec![(Some(name("web")), standing(false, 99))])),
        ];
        let of = |app: &str| all.of(&grant("k3f9", |_| {})).unwrap().of_app(&name(app)).readers;
        let readers = |open, live, slowest: Option<u64>| Readers {
            open,
            live,
            slowest: slowest.map(Duration::from_secs),
        };
        assert_eq!([of("web"), of("db")], [readers(2, 1, Some(5)), readers(2, 1, Some(9))]);
        assert_eq!(of("other"), readers(1, 0, Some(5)));
        drop(of_all);
        assert_eq!([of("web"), of("other")], [readers(1, 1, Some(0)), readers(0, 0, None)]);
        drop(kept);
        assert_eq!(of("web"), Readers::default());
    }

    #[test]
    fn nobody_sees_what_it_may_not_read() {
        let all = Deliveries::new(0);
        let _reader = enter(&all, "k3f9", Fake(None, vec![(Some(name("web")), standing(true, 0))]));
        all.count(&org("k3f9"), &name("web"), 0).unwrap().add(1, 1);
        let of = |change: fn(&mut Scope)| {
            all.of(&grant("k3f9", change)).map(|seen| {
                let web = seen.of_app(&name("web"));
                (web.lines, web.readers.open)
            })
        };
        assert_eq!(of(|_| {}), Some((Some(1), 1)));
        assert_eq!(of(|scope| scope.apps = Some([name("web")].into())), Some((Some(1), 1)));
        assert_eq!(of(|scope| scope.apps = Some([name("db")].into())), Some((Some(0), 0)));
        assert_eq!(of(|scope| scope.regions = Some([name("lhr")].into())), None);
        assert_eq!(of(|scope| scope.instances = Some([name("i1")].into())), None);
        assert_eq!(of(|scope| scope.actions = [Action::Write].into_iter().collect()), None);
    }

    #[test]
    fn there_are_bounds() {
        let all = Deliveries::new(0);
        for number in 0..MAX_APPS_OF_ORG {
            assert!(all.count(&org("k3f9"), &name(&format!("a{number}")), 0).is_some());
        }
        let is_counted = |of: &str, app: &str| all.count(&org(of), &name(app), 0).is_some();
        assert!(!is_counted("k3f9", "one-more"));
        assert!(is_counted("k3f9", "a0") && is_counted("m7x2", "x"));
        let seen = all.of(&grant("k3f9", |_| {})).unwrap();
        assert_eq!([seen.of_app(&name("one-more")).lines, seen.of_app(&name("a0")).lines], [None, Some(0)]);
        for _ in 0..1_000 {
            drop(enter(&all, "k3f9", Fake(None, Vec::new())));
        }
        assert!(all.inner().orgs[&org("k3f9")].readers.len() <= LOOK_FROM);
    }
    /// Fills the places of orgs with apps that were given one line each.
    fn fill(all: &Deliveries, of: &[String], now: i64) {
        for of in of {
            for number in 0..MAX_APPS_OF_ORG {
                let count = all.count(&org(of), &name(&format!("a{number}")), now).unwrap();
                count.add(1, now);
            }
        }
    }

    #[test]
    fn who_is_idle_for_a_day_makes_room_for_others() {
        let all = Deliveries::new(0);
        let orgs: Vec<_> = (0..MAX_APPS / MAX_APPS_OF_ORG).map(|number| format!("org{number}")).collect();
        fill(&all, &orgs, 0);
        let sum = || all.lines().iter().map(|(.., lines)| lines).sum::<u64>();
        let is_counted = |of: &str, app: &str, now| all.count(&org(of), &name(app), now).is_some();
        assert!(!is_counted("fresh", "web", IDLE - 1), "nobody is idle yet");
        assert!(!is_counted("fresh", "web", IDLE), "it was looked a moment ago");
        // One has had a line since, and one is at somebody's hand.
        all.count(&org("org0"), &name("a1"), IDLE).unwrap().add(1, IDLE);
        let held = all.count(&org("org0"), &name("a2"), IDLE).unwrap();
        let before = sum();
        assert!(is_counted("fresh", "web", IDLE + LOOK_EVERY));
        held.add(1, IDLE);
        assert_eq!((all.lines().len(), sum()), (2 + 1 + orgs.len(), before + 1));
        let seen = all.of(&grant("org0", |_| {})).unwrap();
        let lines = |app: &str| seen.of_app(&name(app)).lines;
        assert_eq!(
            [lines("a1"), lines("a2"), lines("a3")],
            [Some(2), Some(2), None],
            "of a3 it is not known"
        );
        // An org that is full by itself has room again too.
        fill(&all, &["own".to_owned()], IDLE);
        assert!(!is_counted("own", "web", 2 * IDLE - 1) && is_counted("own", "web", 2 * IDLE + LOOK_EVERY));
        let inner = all.inner();
        assert_eq!(inner.apps, inner.orgs.values().map(|of| of.apps.len()).sum::<usize>());
    }
}
