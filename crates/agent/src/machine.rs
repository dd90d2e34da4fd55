//! A Machine and its boots, as the steps of the agent pass them on.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use line::{Address, Boot};
use tokio::sync::Notify;

use crate::admin::AppStatus;
use crate::metrics::AppMetrics;
use crate::pace::Pace;
use crate::rate::RateLimit;

/// Who a Machine is. The socket that it was given decides; its own word counts for nothing.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Its address.
    pub(crate) address: Address,
    /// [`Address::key`], as the spool's key.
    pub(crate) key: Arc<[u8]>,
    /// How many bytes of the key name the app, which the spool's quota counts for.
    pub(crate) group_len: usize,
    /// The app's counters.
    pub(crate) metrics: AppMetrics,
    /// It was connected to this agent or an earlier one.
    pub(crate) was_seen: AtomicBool,
    /// Wakes the task at its socket: it was registered again, perhaps with other terms.
    pub(crate) registered: Notify,
    /// How often it may say hello.
    pub(crate) greetings: Pace,
    standing: Mutex<Standing>,
    boots: Mutex<Vec<Arc<BootHandle>>>,
}

/// What a later registration may change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// The app's rate limit.
    pub(crate) rate: Option<Arc<RateLimit>>,
    /// The registration ends with the boot.
    pub(crate) ephemeral: bool,
}

/// How a Machine is registered.
#[derive(Debug, Default)]
struct Standing {
    terms: Terms,
    /// How often it was registered with this agent.
    registrations: u64,
    /// So many of them announced a boot that has not come yet: whoever registers starts an init next.
    awaited: u64,
    /// The boot that came last: when it comes again, it is not one of those awaited.
    newest: Option<Boot>,
}

impl Machine {
    /// A Machine without boots.
    pub(crate) fn new(address: Address, terms: Terms, metrics: AppMetrics) -> Self {
        let (key, group_len) = (address.key(), address.app_key_len());
        Self {
            address,
            key: key.as_bytes().into(),
            group_len,
            metrics,
            was_seen: AtomicBool::new(false),
            registered: Notify::new(),
            greetings: Pace::default(),
            standing: Mutex::new(Standing { terms, ..Standing::default() }),
            boots: Mutex::default(),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was registered, again perhaps: takes over what with, from the next frame on.
    pub(crate) fn register(&self, terms: Terms) {
        let mut standing = self.standing();
        standing.terms = terms;
        standing.registrations += 1;
        standing.awaited += 1;
        drop(standing);
        self.registered.notify_one();
    }

    /// How often it was registered with this agent.
    pub(crate) fn registrations(&self) -> u64 {
        self.standing().registrations
    }

    /// Whether a registration announced a boot that has not come yet.
    pub(crate) fn is_awaited(&self) -> bool {
        self.standing().awaited > 0
    }

    fn came(&self, boot: Boot) {
        let mut standing = self.standing();
        if standing.newest.replace(boot) != Some(boot) {
            standing.awaited = standing.awaited.saturating_sub(1);
        }
    }

    /// The app's rate limit.
    pub(crate) fn rate(&self) -> Option<Arc<RateLimit>> {
        self.standing().terms.rate.clone()
    }

    /// Whether the registration ends with the boot.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.standing().terms.ephemeral
    }

    fn boots(&self) -> MutexGuard<'_, Vec<Arc<BootHandle>>> {
        self.boots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The boot `boot`, known from now on and spoken for, and the others that have not ended.
    pub(crate) fn enter(self: &Arc<Self>, boot: Boot) -> (Arc<BootHandle>, Vec<Arc<BootHandle>>) {
        self.was_seen.store(true, Ordering::Release);
        self.came(boot);
        let mut boots = self.boots();
        let (mut same, others): (Vec<_>, Vec<_>) =
            boots.iter().cloned().partition(|known| known.boot == boot);
        let handle = same.pop().unwrap_or_else(|| {
            let handle = Arc::new(BootHandle::new(Arc::clone(self), boot));
            boots.push(Arc::clone(&handle));
            handle
        });
        handle.live.store(true, Ordering::Release);
        (handle, others)
    }

    /// Remembers a boot that is in the spool and has not ended; nobody speaks for it yet.
    pub(crate) fn remember(self: &Arc<Self>, boot: Boot) {
        self.boots().push(Arc::new(BootHandle::new(Arc::clone(self), boot)));
    }

    /// Forgets the boots that have not ended and that no connection speaks for, and gives them to be ended. One that comes
    /// back is a fresh one: how far it is on disk has to be asked again, because a gap record may count among that now.
    pub(crate) fn take_lost(&self) -> Vec<Arc<BootHandle>> {
        self.boots().extract_if(.., |boot| !boot.live.load(Ordering::Acquire)).collect()
    }

    /// Whether a connection speaks for a boot.
    pub(crate) fn is_live(&self) -> bool {
        self.boots().iter().any(|boot| boot.live.load(Ordering::Acquire))
    }

    /// The figures of its app.
    pub(crate) fn app_status(&self) -> AppStatus {
        AppStatus {
            org: self.address.org.to_string(),
            app: self.address.app.to_string(),
            lines: self.metrics.lines.get(),
            bytes: self.metrics.bytes.get(),
        }
    }

    /// Whether any boot has not ended.
    pub(crate) fn has_boots(&self) -> bool {
        !self.boots().is_empty()
    }

    /// Forgets a boot that has ended.
    pub(crate) fn forget(&self, boot: &Arc<BootHandle>) {
        self.boots().retain(|known| !Arc::ptr_eq(known, boot));
    }
}

/// One boot, between its session and the writer of the spool.
#[derive(Debug)]
pub(crate) struct BootHandle {
    /// Whose.
    pub(crate) machine: Arc<Machine>,
    /// Which.
    pub(crate) boot: Boot,
    /// Everything below this seq is on disk.
    durable: AtomicU64,
    /// What init last said that its next record would get: 0 if it said nothing to this agent.
    pub(crate) known_next: AtomicU64,
    /// A connection speaks for it.
    pub(crate) live: AtomicBool,
    /// When something of it was last written to disk, Unix nanoseconds.
    pub(crate) written: AtomicI64,
    /// Time of its last entry, Unix nanoseconds; 0 if that was not asked yet, or is not known.
    pub(crate) last_time: AtomicI64,
    /// A notice has said that its clock is off.
    pub(crate) clock_told: AtomicBool,
    /// Wakes the session when `durable` has moved.
    pub(crate) moved: Notify,
}

impl BootHandle {
    /// A boot that nothing is known of.
    pub(crate) fn new(machine: Arc<Machine>, boot: Boot) -> Self {
        Self {
            machine,
            boot,
            durable: AtomicU64::new(0),
            known_next: AtomicU64::new(0),
            live: AtomicBool::new(false),
            written: AtomicI64::new(0),
            last_time: AtomicI64::new(0),
            clock_told: AtomicBool::new(false),
            moved: Notify::new(),
        }
    }

    /// Everything below this seq is on disk; 0 if that is not known.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Notes that everything below `next_seq` is on disk and wakes the session.
    pub(crate) fn set_durable(&self, next_seq: u64, now_ns: i64) {
        self.durable.fetch_max(next_seq, Ordering::AcqRel);
        self.written.store(now_ns, Ordering::Relaxed);
        self.moved.notify_one();
    }

    /// Waits until everything below `next_seq` is on disk.
    pub(crate) async fn wait_durable(&self, next_seq: u64) {
        while self.durable() < next_seq {
            self.moved.notified().await;
        }
        // Whoever else waits here must look too.
        self.moved.notify_one();
    }

    /// Notes what init says of its sequence.
    pub(crate) fn note_next(&self, next_seq: u64) {
        self.known_next.fetch_max(next_seq, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use line::OrgId;

    use super::*;
    use crate::metrics::Metrics;

    fn machine() -> Arc<Machine> {
        let address = Address::new(OrgId::new("a").unwrap(), "web", "lhr", "i1").unwrap();
        let metrics = Metrics::new().app(&address);
        Arc::new(Machine::new(address, Terms::default(), metrics))
    }

    #[test]
    fn each_registration_awaits_a_boot_and_one_that_comes_again_is_not_another() {
        let machine = machine();
        assert!(!machine.is_awaited());
        machine.register(Terms::default());
        machine.register(Terms::default());
        let one = machine.enter(Boot::from_bits(1)).0;
        machine.forget(&one);
        machine.enter(Boot::from_bits(1));
        assert!(machine.is_awaited(), "the second has not come");
        machine.enter(Boot::from_bits(2));
        assert!(!machine.is_awaited() && machine.registrations() == 2);
        machine.enter(Boot::from_bits(3));
        machine.register(Terms { ephemeral: true, ..Terms::default() });
        assert!(machine.is_awaited() && machine.is_ephemeral());
    }

    #[test]
    fn only_a_boot_that_nobody_speaks_for_is_taken_and_it_comes_back_as_another() {
        let machine = machine();
        machine.remember(Boot::from_bits(1));
        let (two, others) = machine.enter(Boot::from_bits(2));
        assert_eq!(others.iter().map(|boot| boot.boot).collect::<Vec<_>>(), [Boot::from_bits(1)]);
        let lost = machine.take_lost();
        assert!(lost.len() == 1 && Arc::ptr_eq(&lost[0], &others[0]));
        assert!(machine.is_live() && machine.take_lost().is_empty());
        two.live.store(false, Ordering::Release);
        assert!(Arc::ptr_eq(&machine.take_lost()[0], &two) && !machine.has_boots());
        // What is stated of the lost one is not what has come of the one that is back.
        let again = machine.enter(Boot::from_bits(2)).0;
        two.set_durable(100, 1);
        machine.forget(&two);
        assert_eq!((again.durable(), machine.is_live()), (0, true));
    }
}
