//! How much one org, one address and all clients together may have. Time comes as an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use line::OrgId;
use tokio::time::{Duration, Instant};

/// Addresses that are remembered. When there are more, those that have nothing open are forgotten.
const MAX_ADDRESSES: usize = 65_536;

/// What may be had.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What each org may have.
    pub org: OrgLimits,
    /// What some orgs may have instead.
    pub orgs: HashMap<OrgId, OrgLimits>,
    /// Connections from one IP address (of IPv6, from one /64) at one time. More are closed.
    pub connections_per_address: u32,
    /// New connections a second from one address, after [`Limits::connections_per_address`] at once: after a restart all come
    /// back. More are closed without a greeting.
    pub connects_per_s: u32,
    /// Wrong logins a minute from one address, those that are being looked at included. After that each login that is not known
    /// yet waits a second.
    pub failures_per_min: u32,
    /// Bytes that may wait for all clients together. Over it, those with the most are cut.
    pub total_pending_bytes: usize,
}

/// What one org may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrgLimits {
    /// Connections at one time. Further ones are told so and closed.
    pub connections: u32,
    /// Subscriptions of all its connections together. Further ones are refused.
    pub subscriptions: u32,
    /// Bytes that may wait for one connection. Over it, a reader is not given lines but a gap record; a member of a queue group is
    /// cut.
    pub pending_bytes: usize,
}

impl Default for OrgLimits {
    fn default() -> Self {
        Self { connections: 64, subscriptions: 10_000, pending_bytes: 8 << 20 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            org: OrgLimits::default(),
            orgs: HashMap::new(),
            connections_per_address: 256,
            connects_per_s: 20,
            failures_per_min: 5,
            total_pending_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Those of an org.
    pub fn of(&self, org: &OrgId) -> OrgLimits {
        self.orgs.get(org).copied().unwrap_or(self.org)
    }
}

/// What is open from one address.
#[derive(Debug)]
struct Address {
    open: u32,
    /// When the connections that came so far will have been paid for at the allowed rate.
    paid_until: Instant,
    failures: u32,
    failures_since: Instant,
    /// Logins from there that are being looked at.
    checking: u32,
}

impl Address {
    /// Whether so many wrong logins came from there that further ones have to wait. Those that are being looked at may all turn
    /// out wrong, so they count as that.
    fn is_suspect(&self, failures_per_min: u32, now: Instant) -> bool {
        let is_recent = now.saturating_duration_since(self.failures_since) < Duration::from_secs(60);
        let failures = if is_recent { self.failures } else { 0 };
        failures.saturating_add(self.checking) > failures_per_min
    }
}

/// Counts what addresses and orgs have.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    addresses: Mutex<HashMap<IpAddr, Address>>,
    orgs: Mutex<HashMap<OrgId, Arc<OrgCount>>>,
}

/// What one org has.
#[derive(Debug, Default)]
struct OrgCount {
    connections: AtomicU32,
    subscriptions: AtomicU32,
    /// Questions that are being answered.
    questions: AtomicU32,
    /// Up to when its subscriptions and its questions will have been paid for at the allowed rates.
    paid_until: Mutex<[Option<Instant>; 2]>,
}

/// New subscriptions and questions a second that an org may have, after so many at once: as many as it may have at all, or 200.
const NEW_PER_S: [u32; 2] = [200, 50];
/// The least that an org may have of either at once.
const MIN_AT_ONCE: u32 = 200;

impl OrgCount {
    /// Whether the org may have one more of a kind now, with so many at once.
    fn pay(&self, kind: usize, at_once: u32, now: Instant) -> bool {
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = Duration::from_secs(1) / NEW_PER_S[kind];
        let until = paid_until[kind].unwrap_or(now).max(now) + cost;
        let may = until <= now + cost * at_once;
        if may {
            paid_until[kind] = Some(until);
        }
        may
    }
}

/// One connection from an address; ends when dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(address) = self.gate.addresses().get_mut(&self.address) {
            address.open = address.open.saturating_sub(1);
        }
    }
}

/// One login from an address that is being looked at; ends when dropped.
#[derive(Debug)]
pub(crate) struct Checking {
    gate: Arc<Gate>,
    address: IpAddr,
    /// It has to wait, for so many wrong ones came from there.
    pub(crate) is_suspect: bool,
}

impl Drop for Checking {
    fn drop(&mut self) {
        if let Some(address) = self.gate.addresses().get_mut(&self.address) {
            address.checking = address.checking.saturating_sub(1);
        }
    }
}

/// One connection of an org; ends when dropped.
#[derive(Debug)]
pub(crate) struct OrgPlace {
    count: Arc<OrgCount>,
    max_subscriptions: u32,
}

impl OrgPlace {
    /// How many questions of the org are being answered.
    pub(crate) fn questions(&self) -> &AtomicU32 {
        &self.count.questions
    }

    /// Whether the org may ask one more question now.
    pub(crate) fn may_ask(&self, now: Instant) -> bool {
        self.count.pay(1, MIN_AT_ONCE, now)
    }

    /// Takes room for one more subscription; `false` if the org has as many as it may, or makes new ones too fast.
    pub(crate) fn take_subscription(&self, now: Instant) -> bool {
        if !self.count.pay(0, self.max_subscriptions.max(MIN_AT_ONCE), now) {
            return false;
        }
        let taken = self.count.subscriptions.fetch_add(1, Ordering::Relaxed);
        let fits = taken < self.max_subscriptions;
        if !fits {
            self.give_subscription_back();
        }
        fits
    }

    pub(crate) fn give_subscription_back(&self) {
        self.count.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OrgPlace {
    fn drop(&mut self) {
        self.count.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What counts as one address: of IPv6 the network that one customer usually has.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        v4 => v4,
    }
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, addresses: Mutex::default(), orgs: Mutex::default() }
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets a connection in, unless its address has too many, or makes them too fast.
    pub(crate) fn admit(self: &Arc<Self>, from: IpAddr, now: Instant) -> Option<Admission> {
        let (limits, from) = (&self.limits, whose(from));
        let mut addresses = self.addresses();
        if addresses.len() >= MAX_ADDRESSES {
            addresses.retain(|_, address| address.open > 0 || address.paid_until > now);
        }
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&from) {
            return None;
        }
        let address = addresses.entry(from).or_insert_with(|| Address {
            open: 0,
            paid_until: now,
            failures: 0,
            failures_since: now,
            checking: 0,
        });
        let cost = Duration::from_secs(1) / limits.connects_per_s.max(1);
        let paid_until = address.paid_until.max(now) + cost;
        let burst = cost * limits.connections_per_address;
        if address.open >= limits.connections_per_address || paid_until > now + burst {
            return None;
        }
        address.paid_until = paid_until;
        address.open += 1;
        Some(Admission { gate: Arc::clone(self), address: from })
    }

    /// Notes a wrong login.
    pub(crate) fn note_failure(&self, from: IpAddr, now: Instant) {
        if let Some(address) = self.addresses().get_mut(&whose(from)) {
            if now.saturating_duration_since(address.failures_since) >= Duration::from_secs(60) {
                (address.failures, address.failures_since) = (0, now);
            }
            address.failures = address.failures.saturating_add(1);
        }
    }

    /// Notes that a login from there is being looked at, for as long as what comes back is kept.
    pub(crate) fn begin_check(self: &Arc<Self>, from: IpAddr, now: Instant) -> Checking {
        let from = whose(from);
        let is_suspect = self.addresses().get_mut(&from).is_some_and(|address| {
            let is_suspect = address.is_suspect(self.limits.failures_per_min, now);
            address.checking = address.checking.saturating_add(1);
            is_suspect
        });
        Checking { gate: Arc::clone(self), address: from, is_suspect }
    }

    /// Takes a place among the connections of an org; `None` if it has as many as it may.
    pub(crate) fn enter(&self, org: &OrgId) -> Option<OrgPlace> {
        let limits = self.limits.of(org);
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        let count = Arc::clone(orgs.entry(org.clone()).or_default());
        let taken = count.connections.fetch_add(1, Ordering::Relaxed);
        // Made first: it gives the connection back, however this ends.
        let place = OrgPlace { count, max_subscriptions: limits.subscriptions };
        (taken < limits.connections).then_some(place)
    }

    /// How many connections each org has that has any.
    pub(crate) fn connections_of_orgs(&self) -> Vec<(OrgId, u32)> {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        orgs.retain(|_, count| Arc::strong_count(count) > 1);
        orgs.iter().map(|(org, count)| (org.clone(), count.connections.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { connections_per_address: 3, connects_per_s: 10, failures_per_min: 2, ..Limits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_so_many_and_so_fast() {
        let (gate, start) = (Arc::new(Gate::new(limits())), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let here: IpAddr = "10.0.0.1".parse().unwrap();
        let open: Vec<_> = (0..3).filter_map(|_| gate.admit(here, at(0))).collect();
        assert_eq!(open.len(), 3);
        assert!(gate.admit(here, at(10_000)).is_none(), "three are open");
        assert!(gate.admit("10.0.0.2".parse().unwrap(), at(0)).is_some(), "another address is another");
        drop(open);
        // Three at once, then one each 100 ms.
        let fast: Vec<bool> = (0..5).map(|_| gate.admit(here, at(20_000)).is_some()).collect();
        assert_eq!(fast, [true, true, true, false, false]);
        assert!(gate.admit(here, at(20_099)).is_none() && gate.admit(here, at(20_100)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_logins_make_an_address_suspect_for_a_minute() {
        let (gate, start) = (Arc::new(Gate::new(limits())), Instant::now());
        let here: IpAddr = "10.0.0.1".parse().unwrap();
        let _open = gate.admit(here, start).unwrap();
        let is_suspect = |at| gate.begin_check(here, at).is_suspect;
        for (failures, suspect) in [(1, false), (2, false), (3, true)] {
            gate.note_failure(here, start);
            assert_eq!(is_suspect(start), suspect, "{failures}");
        }
        assert!(!gate.begin_check("10.0.0.2".parse().unwrap(), start).is_suspect);
        let later = start + Duration::from_secs(60);
        assert!(!is_suspect(later));
        // Of many at once only the first ones are not.
        let checking: Vec<Checking> = (0..5).map(|_| gate.begin_check(here, later)).collect();
        let suspects: Vec<bool> = checking.iter().map(|checking| checking.is_suspect).collect();
        assert_eq!(suspects, [false, false, false, true, true]);
        drop(checking);
        assert!(!is_suspect(later));
    }

    #[test]
    fn networks_of_one_customer_are_one() {
        for (a, b, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(whose(a.parse().unwrap()) == whose(b.parse().unwrap()), same, "{a} {b}");
        }
    }

    #[test]
    fn an_org_has_so_many_connections_and_subscriptions() {
        let (small, big) = (OrgId::new("small").unwrap(), OrgId::new("big").unwrap());
        let org = |connections| OrgLimits { connections, subscriptions: 2, ..OrgLimits::default() };
        let orgs = HashMap::from([(big.clone(), org(2))]);
        let gate = Gate::new(Limits { org: org(1), orgs, ..limits() });
        let place = gate.enter(&small).unwrap();
        assert!(gate.enter(&small).is_none());
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        assert!(place.take_subscription(now) && place.take_subscription(now));
        assert!(!place.take_subscription(later), "two are open");
        place.give_subscription_back();
        assert!(place.take_subscription(later));
        drop(place);
        assert!(gate.enter(&small).is_some());
        let two = (gate.enter(&big), gate.enter(&big), gate.enter(&big));
        assert!(two.0.is_some() && two.1.is_some() && two.2.is_none());
        assert_eq!(gate.connections_of_orgs(), [(big, 2)]);
    }
}
