//! A client that is logged in, and its subscriptions.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use access::Grant;
use bus::session::{Outbound, Outgoing, Peer, Stats, Sub, Touched};
use tokio::time::Instant;

use crate::audit::Allowance;
use crate::batch::Group;
use crate::delivery::Backlog;
use crate::interest::Interest;
use crate::limits::OrgPlace;
use crate::skipped::Skipped;

/// From this part of its bound on, a queue is deep: its writer should have its turn.
const DEEP_PART: usize = 16;
/// Ranges that all subscriptions of one client together may be owed. With more it is cut.
const MAX_RANGES: u32 = 4096;
/// A reader that was skipped gets messages again when no more than this part of its bound waits.
const ROOM_PART: usize = 2;

/// A client that is logged in.
#[derive(Debug)]
pub(crate) struct Tenant {
    /// How it is reached.
    pub(crate) peer: Arc<Peer>,
    /// What it may.
    pub(crate) grant: Grant,
    /// `o.<orgid>.`: what its subjects have before them on the bus.
    pub(crate) prefix: String,
    /// When it came.
    pub(crate) since: Instant,
    /// Bytes that may wait for it.
    pub(crate) max_pending_bytes: usize,
    /// Its place among the connections of its org.
    pub(crate) place: OrgPlace,
    /// Messages that it was given.
    pub(crate) messages: AtomicU64,
    /// Bytes of payload that it was given.
    pub(crate) bytes: AtomicU64,
    /// Lines that it was not given because it is slow; each is in a gap record.
    pub(crate) skipped_lines: AtomicU64,
    /// Questions of it that are being answered.
    pub(crate) relays: AtomicU32,
    /// Upstream's answer number from which on all that it subscribed to is in force.
    pub(crate) barrier: AtomicU64,
    /// What it may still have written down.
    pub(crate) allowance: Mutex<Allowance>,
    /// Upstream's connection from which on it hears something.
    epoch: AtomicU64,
    /// Ranges that its subscriptions were not given and not told of yet.
    ranges: AtomicU32,
    /// Why it was ended, if somebody did.
    ended: Mutex<Option<&'static str>>,
    members: Mutex<Vec<Arc<Member>>>,
    /// Since when lines wait for it.
    backlog: Mutex<Backlog>,
}

/// What a tenant is made of, besides counters.
#[derive(Debug)]
pub(crate) struct NewTenant {
    pub(crate) peer: Arc<Peer>,
    pub(crate) grant: Grant,
    pub(crate) max_pending_bytes: usize,
    pub(crate) place: OrgPlace,
}

impl Tenant {
    pub(crate) fn new(new: NewTenant) -> Self {
        let NewTenant { peer, grant, max_pending_bytes, place } = new;
        Self {
            peer,
            prefix: line::subject::org_prefix(&grant.org),
            grant,
            since: Instant::now(),
            max_pending_bytes,
            place,
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            skipped_lines: AtomicU64::new(0),
            relays: AtomicU32::new(0),
            barrier: AtomicU64::new(0),
            allowance: Mutex::new(Allowance::new(std::time::Instant::now())),
            epoch: AtomicU64::new(u64::MAX),
            ranges: AtomicU32::new(0),
            ended: Mutex::default(),
            members: Mutex::default(),
            backlog: Mutex::default(),
        }
    }

    pub(crate) fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it with a last word, or with a plain close. `why` is for the audit log.
    pub(crate) fn end(&self, why: &'static str, last_word: Option<&str>) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.peer.change(|outgoing| match last_word {
            Some(text) => outgoing.end_with(Instant::now(), |out| bus::codec::write::error(out, text)),
            None => outgoing.cut(),
        });
    }

    /// Why it ended: what was said first, else that it left.
    pub(crate) fn end_reason(&self) -> &'static str {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or("client left or was too slow")
    }

    /// Gives what it is owed, now that there is room; gives the subscriptions that ended with it.
    pub(crate) fn catch_up(&self) -> Vec<Arc<Member>> {
        let members: Vec<_> = self.members().clone();
        members.into_iter().filter(|member| member.tell_skipped()).collect()
    }

    /// Notes that it hears something over this connection to the bus.
    pub(crate) fn hears_from(&self, epoch: u64) {
        self.epoch.fetch_min(epoch, Ordering::Relaxed);
    }

    /// Whether it heard something over a connection before that one.
    pub(crate) fn is_from_before(&self, epoch: u64) -> bool {
        self.epoch.load(Ordering::Relaxed) < epoch && !self.peer.outgoing().is_closing()
    }
}

/// What became of messages that a member was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// So many, from the first one on, it has or will be told of in a gap record. It takes none any more if that is not all.
    pub(crate) count: usize,
    /// Bytes of their payloads.
    pub(crate) payload_bytes: usize,
    /// Its subscription has ended with the last one that it took.
    pub(crate) is_finished: bool,
}

impl Taken {
    /// Adds what another one took.
    pub(crate) const fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.payload_bytes += other.payload_bytes;
    }
}

/// One subscription of a tenant.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) sub: Sub,
    pub(crate) tenant: Arc<Tenant>,
    /// What it hears of on the bus; `None` for what the front door itself says.
    pub(crate) interest: Option<Arc<Interest>>,
    /// It hears heartbeats.
    pub(crate) is_marks: bool,
    /// It shares messages with others of its group.
    pub(crate) is_queue: bool,
    /// It is too slow: messages are noted in place of given. Changes under the lock of the peer's queue.
    is_behind: AtomicBool,
    skipped: Mutex<Skipped>,
}

impl Member {
    pub(crate) fn new(
        sub: Sub,
        tenant: &Arc<Tenant>,
        interest: Option<Arc<Interest>>,
        is_marks: bool,
    ) -> Self {
        Self {
            sub,
            tenant: Arc::clone(tenant),
            is_queue: interest.as_ref().is_some_and(|interest| interest.is_queue()),
            interest,
            is_marks,
            is_behind: AtomicBool::new(false),
            skipped: Mutex::default(),
        }
    }

    fn skipped(&self) -> MutexGuard<'_, Skipped> {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it the messages of a group from number `first` on, or notes that it cannot.
    pub(crate) fn give(
        &self,
        group: &mut Group<'_>,
        first: usize,
        stats: &Stats,
        touched: &mut Touched,
    ) -> Taken {
        let tenant = &*self.tenant;
        let mut outgoing = tenant.peer.outgoing();
        if outgoing.is_closing() || self.sub.has_ended() {
            return Taken::default();
        }
        let before_bytes = outgoing.pending_bytes();
        let has_room = first == 0
            && before_bytes + group.frame_bytes <= tenant.max_pending_bytes
            && !self.is_behind.load(Ordering::Relaxed);
        let count = group.len();
        let block = || group.block(&self.sub.sid, tenant.peer.headers);
        let (given, taken) = if has_room && self.sub.give_block(&mut outgoing, count, block) {
            group.note_whole();
            let all = Taken { count, payload_bytes: group.payload_bytes, is_finished: false };
            (all, all)
        } else {
            self.give_each(group, first, &mut outgoing, stats, touched)
        };
        touched.is_deep |= outgoing.pending_bytes() > tenant.max_pending_bytes / DEEP_PART;
        if given.count > 0 {
            tenant.backlog().queued(before_bytes, outgoing.pending_bytes(), group.now);
            if outgoing.call_writer() {
                touched.push(&tenant.peer);
            }
        }
        drop(outgoing);
        tenant.messages.fetch_add(given.count as u64, Ordering::Relaxed);
        tenant.bytes.fetch_add(given.payload_bytes as u64, Ordering::Relaxed);
        taken
    }

    /// The same one by one: for who has no room for all, or wants no more than some. Tells what it has, and what it has or will be told of.
    fn give_each(
        &self,
        group: &mut Group<'_>,
        first: usize,
        outgoing: &mut Outgoing,
        stats: &Stats,
        touched: &mut Touched,
    ) -> (Taken, Taken) {
        let (mut given, mut taken) = (Taken::default(), Taken::default());
        for at in first..group.len() {
            let message = group.outbound(at);
            let one = Taken { count: 1, payload_bytes: message.payload.len(), is_finished: false };
            let pending_bytes = outgoing.pending_bytes();
            let is_too_much = pending_bytes + message.frame_bytes() > self.tenant.max_pending_bytes;
            // One that waits for nothing takes anything: nobody would notice when it has room.
            if is_too_much && pending_bytes > 0 || self.is_behind.load(Ordering::Relaxed) {
                if !self.skip(group.inner(at), message.payload, outgoing, stats, touched) {
                    break;
                }
                taken.add(&one);
                continue;
            }
            taken.is_finished = self.sub.give(outgoing, &message);
            group.note_one(at);
            given.add(&one);
            taken.add(&one);
            if taken.is_finished {
                break;
            }
        }
        (given, taken)
    }

    /// Notes a message for a gap record. Where no such record can be made, the client is cut (`false`), and knows by that that something is
    /// missing. The others of a queue group get what comes next; what waited for the one that was cut is nobody's, as with nats-server.
    fn skip(
        &self,
        inner: &[u8],
        payload: &[u8],
        outgoing: &mut Outgoing,
        stats: &Stats,
        touched: &mut Touched,
    ) -> bool {
        let tenant = &*self.tenant;
        let can_note = !self.is_queue && tenant.ranges.load(Ordering::Relaxed) < MAX_RANGES;
        if can_note && self.note(inner, payload) {
            self.is_behind.store(true, Ordering::Relaxed);
            outgoing.owe(tenant.max_pending_bytes / ROOM_PART);
            return true;
        }
        tenant.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert("too slow");
        outgoing.cut();
        touched.push(&tenant.peer);
        stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn note(&self, inner: &[u8], payload: &[u8]) -> bool {
        let mut skipped = self.skipped();
        let before = skipped.ranges();
        let is_noted = skipped.note(&self.tenant.grant.org, inner, payload).is_ok();
        self.tenant.ranges.fetch_add(skipped.ranges() - before, Ordering::Relaxed);
        is_noted
    }

    /// Whether it is too slow to be given all.
    pub(crate) fn is_skipping(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Whether it has a wildcard.
    pub(crate) fn is_wide(&self) -> bool {
        self.interest.is_some()
            && bus::subject::tokens(&self.sub.pattern).any(|token| token == b"*" || token == b">")
    }

    /// Gives the gap records of what it was not given, and messages again from now on. `true` if the subscription ended with them.
    pub(crate) fn tell_skipped(&self) -> bool {
        let tenant = &*self.tenant;
        let mut outgoing = tenant.peer.outgoing();
        if !self.is_behind.load(Ordering::Relaxed) || outgoing.is_closing() || self.sub.has_ended() {
            return false;
        }
        let skipped = std::mem::take(&mut *self.skipped());
        tenant.ranges.fetch_sub(skipped.ranges(), Ordering::Relaxed);
        tenant.skipped_lines.fetch_add(skipped.lines(), Ordering::Relaxed);
        self.is_behind.store(false, Ordering::Relaxed);
        let mut is_last = false;
        for (inner, record) in skipped.records() {
            let subject = inner.get(tenant.prefix.len()..).unwrap_or_default();
            let message = Outbound { subject, reply: None, headers: None, payload: &record };
            is_last = self.sub.give(&mut outgoing, &message);
            if is_last {
                break;
            }
        }
        drop(outgoing);
        tenant.peer.change(|_| ());
        is_last
    }
}
