//! What clients want from the bus: one subscription upstream for each pattern, however many listen, and one for each member
//! of a queue group, so that groups are exact over several front doors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use access::Deliveries;
use bus::codec::write;
use bus::session::{Stats, Touched};
use bus::subject;
use tokio::time::{Duration, Instant};

use crate::batch::Group;
use crate::delivery::Tally;
use crate::tenant::{Member, Taken};

/// How long a pattern that nobody listens to any more stays subscribed upstream: clients that come and go are not felt there.
const LINGER: Duration = Duration::from_millis(100);
/// How long it is remembered which group a queue subscription was of that has ended: a message may be on its way to it.
const REMEMBER: Duration = Duration::from_secs(5);

/// A subscription upstream.
#[derive(Debug)]
pub(crate) struct Interest {
    sid: u64,
    /// The pattern on the bus: `o.<orgid>.` and what a client wrote.
    pattern: String,
    /// The queue group on the bus.
    queue: Option<String>,
    /// Bytes of `o.<orgid>.`.
    prefix_bytes: usize,
    /// Who listens: one at most, if it is in a queue group.
    members: Mutex<Arc<Vec<Arc<Member>>>>,
    /// Upstream's answer number from which on it is in force.
    barrier: AtomicU64,
    tally: Tally,
}

impl Interest {
    pub(crate) const fn sid(&self) -> u64 {
        self.sid
    }

    pub(crate) const fn prefix_bytes(&self) -> usize {
        self.prefix_bytes
    }

    /// Whether a message on this subject of the bus may have come for it: the pattern selects it, and something is left of it without the prefix.
    pub(crate) fn selects(&self, subject: &[u8]) -> bool {
        subject.len() > self.prefix_bytes && subject::matches(self.pattern.as_bytes(), subject)
    }

    pub(crate) const fn is_queue(&self) -> bool {
        self.queue.is_some()
    }

    pub(crate) fn barrier(&self) -> u64 {
        self.barrier.load(Ordering::Relaxed)
    }

    fn members(&self) -> Arc<Vec<Arc<Member>>> {
        Arc::clone(&self.members.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_members(&self, change: impl FnOnce(&mut Vec<Arc<Member>>)) -> usize {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        // A copy only if messages are being given to those that were there.
        let list = Arc::make_mut(&mut members);
        change(list);
        list.len()
    }

    fn write_sub(&self, out: &mut Vec<u8>) {
        write::sub(out, &self.pattern, self.queue.as_deref(), self.sid);
    }
}

/// A message that must not have come: from outside the pattern that was subscribed to. Nothing more is taken from that server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign;

/// By what a plain interest is found, and by what a group.
type Key = (String, Option<String>);

/// All subscriptions upstream.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    inner: Mutex<Inner>,
    /// Where it is counted what clients were given.
    pub(crate) deliveries: Arc<Deliveries>,
}

#[derive(Debug, Default)]
struct Inner {
    by_sid: HashMap<u64, Arc<Interest>>,
    plain: HashMap<String, Arc<Interest>>,
    /// The members of each queue group that are here.
    groups: HashMap<Key, Vec<Arc<Interest>>>,
    /// Those that nobody listens to, and since when.
    idle: HashMap<u64, Instant>,
    last_sid: u64,
}

/// What has to be told upstream.
pub(crate) type Verbs = Vec<u8>;

impl Interests {
    /// None yet.
    pub(crate) fn new(deliveries: Arc<Deliveries>) -> Self {
        Self { inner: Mutex::default(), deliveries }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many subscriptions there are upstream.
    pub(crate) fn len(&self) -> usize {
        self.lock().by_sid.len()
    }

    /// Has one more member hear a pattern of the bus; `member` makes it. What is new has a verb to be sent: `send` does that and gives
    /// the answer number from which on it is in force.
    pub(crate) fn join(
        &self,
        (prefix, pattern): (&str, &str),
        queue: Option<String>,
        member: impl FnOnce(Arc<Interest>) -> Member,
        send: impl FnOnce(Verbs) -> u64,
    ) -> Arc<Member> {
        let full = format!("{prefix}{pattern}");
        // All under the lock, so that a connection that begins now either has it in its list or is sent it, and nobody ends it
        // before it has its member.
        let mut inner = self.lock();
        let known = inner.plain.get(&full).filter(|_| queue.is_none()).map(Arc::clone);
        let interest = known.unwrap_or_else(|| {
            let tally = Tally::new(&self.deliveries, &full, prefix.len());
            inner.begin(full, prefix.len(), queue, tally, send)
        });
        inner.idle.remove(&interest.sid);
        let member = Arc::new(member(Arc::clone(&interest)));
        interest.change_members(|members| members.push(Arc::clone(&member)));
        member
    }

    /// Takes away who listened. A plain one stays subscribed upstream for a moment; a member of a group does not, since it would be
    /// given messages that others of its group then miss.
    pub(crate) fn part(
        &self,
        interest: &Arc<Interest>,
        member: &Member,
        now: Instant,
        send: impl FnOnce(Verbs),
    ) {
        let mut inner = self.lock();
        let left = interest.change_members(|members| members.retain(|other| !std::ptr::eq(&**other, member)));
        if left > 0 || !inner.by_sid.contains_key(&interest.sid) {
            return;
        }
        inner.idle.insert(interest.sid, now);
        if interest.is_queue() {
            inner.leave_group(interest);
            let mut verbs = Vec::new();
            write::unsub(&mut verbs, interest.sid);
            send(verbs);
        }
    }

    /// Ends what nobody has listened to for a while.
    pub(crate) fn sweep(&self, now: Instant, send: impl FnOnce(Verbs)) {
        let mut inner = self.lock();
        let mut verbs = Vec::new();
        let Inner { by_sid, plain, idle, .. } = &mut *inner;
        idle.retain(|sid, since| {
            let Some(interest) = by_sid.get(sid) else { return false };
            let keep_for = if interest.is_queue() { REMEMBER } else { LINGER };
            if now.saturating_duration_since(*since) < keep_for {
                return true;
            }
            if !interest.is_queue() {
                plain.remove(&interest.pattern);
                write::unsub(&mut verbs, *sid);
            }
            by_sid.remove(sid);
            false
        });
        if !verbs.is_empty() {
            send(verbs);
        }
    }

    /// All that has to be subscribed to on a new connection, given to `send` under the lock.
    pub(crate) fn resubscribe(&self, send: impl FnOnce(Verbs)) {
        let inner = self.lock();
        let mut verbs = Vec::new();
        for interest in inner.by_sid.values() {
            if !(interest.is_queue() && inner.idle.contains_key(&interest.sid)) {
                interest.write_sub(&mut verbs);
            }
        }
        send(verbs);
    }

    /// The one of that number, unless it has ended.
    pub(crate) fn find(&self, sid: u64) -> Option<Arc<Interest>> {
        self.lock().by_sid.get(&sid).map(Arc::clone)
    }

    /// Gives messages to who listens, and tells whose subscription has ended with one of them.
    pub(crate) fn deliver(
        &self,
        interest: &Arc<Interest>,
        group: &mut Group<'_>,
        stats: &Stats,
        touched: &mut Touched,
    ) -> Vec<Arc<Member>> {
        let (mut taken, mut finished) = (Taken::default(), Vec::new());
        for member in interest.members().iter() {
            let one = member.give(group, 0, stats, touched);
            taken.add(&one);
            if one.is_finished {
                finished.push(Arc::clone(member));
            }
        }
        if interest.is_queue() && taken.count < group.len() {
            self.give_to_group(interest, group, &mut taken, &mut finished, stats, touched);
        }
        interest.tally.note(group);
        stats.in_messages.fetch_add(group.len() as u64, Ordering::Relaxed);
        stats.in_bytes.fetch_add(group.payload_bytes as u64, Ordering::Relaxed);
        stats.out_messages.fetch_add(taken.count as u64, Ordering::Relaxed);
        stats.out_bytes.fetch_add(taken.payload_bytes as u64, Ordering::Relaxed);
        finished
    }

    /// Gives those messages that their member did not take to others of its group, if there are some here: it has just left.
    fn give_to_group(
        &self,
        interest: &Interest,
        group: &mut Group<'_>,
        taken: &mut Taken,
        finished: &mut Vec<Arc<Member>>,
        stats: &Stats,
        touched: &mut Touched,
    ) {
        let key = (interest.pattern.clone(), interest.queue.clone());
        let others = self.lock().groups.get(&key).cloned().unwrap_or_default();
        for other in others.iter().filter(|other| other.sid != interest.sid) {
            for member in other.members().iter() {
                // An interest of a group has one member at most, so that what was taken is how many messages were.
                let one = member.give(group, taken.count, stats, touched);
                taken.add(&one);
                if one.is_finished {
                    finished.push(Arc::clone(member));
                }
            }
        }
    }
}

impl Inner {
    fn begin(
        &mut self,
        pattern: String,
        prefix_bytes: usize,
        queue: Option<String>,
        tally: Tally,
        send: impl FnOnce(Verbs) -> u64,
    ) -> Arc<Interest> {
        self.last_sid += 1;
        let interest = Arc::new(Interest {
            sid: self.last_sid,
            pattern: pattern.clone(),
            queue: queue.clone(),
            prefix_bytes,
            members: Mutex::default(),
            barrier: AtomicU64::new(u64::MAX),
            tally,
        });
        self.by_sid.insert(interest.sid, Arc::clone(&interest));
        match queue {
            None => _ = self.plain.insert(pattern, Arc::clone(&interest)),
            Some(_) => self.groups.entry((pattern, queue)).or_default().push(Arc::clone(&interest)),
        }
        let mut verbs = Vec::new();
        interest.write_sub(&mut verbs);
        interest.barrier.store(send(verbs), Ordering::Relaxed);
        interest
    }

    fn leave_group(&mut self, interest: &Interest) {
        let key = (interest.pattern.clone(), interest.queue.clone());
        if let Some(group) = self.groups.get_mut(&key) {
            group.retain(|other| other.sid != interest.sid);
            if group.is_empty() {
                self.groups.remove(&key);
            }
        }
    }
}
