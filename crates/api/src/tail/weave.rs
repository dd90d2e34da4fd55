//! Makes one order of what is heard live and of what the store took, in which each record stands once and the records of a boot stand
//! as they were numbered.
//!
//! Pure: records and times come as arguments, and what is to be given comes back. The store's commit order is what counts, live records
//! only come sooner: one that is the next of its boot is given at once and remembered until the store's order has reached it. One that is
//! ahead of a hole waits for the store, which has what is missing or will say that it is lost.

mod ages;
mod lead;
mod losses;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use line::Boot;
use store::Ranges;

use super::cursor::{Ahead, BootKey, Given, MAX_AHEAD, Place};
use lead::Lead;

/// Which start of which instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) instance: Arc<str>,
    pub(crate) boot: Boot,
}

/// What identifies a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) origin: Origin,
    /// The same and whose it is, as cursors say it.
    pub(crate) key: BootKey,
    /// Its first sequence number.
    pub(crate) seq: u64,
    /// One past its last one.
    pub(crate) end: u64,
    /// It says that they are lost.
    pub(crate) is_gap: bool,
}

/// A record that came live.
#[derive(Debug)]
pub(crate) struct Piece<T> {
    pub(crate) id: Id,
    pub(crate) place: Arc<Place>,
    /// What it takes in memory while it waits, about.
    pub(crate) bytes: usize,
    /// Unix nanoseconds.
    pub(crate) time: i64,
    pub(crate) payload: T,
}

/// How much is kept at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Records that wait. One more is let go: the store has it, too.
    pub(crate) held: usize,
    /// Their bytes.
    pub(crate) held_bytes: usize,
    /// Boots that are followed. For one more the one that was quiet for longest is forgotten.
    pub(crate) boots: usize,
    /// Boots of which something is given ahead of the stores, and ranges of numbers. What is more waits for the stores: a cursor tells of all
    /// that is ahead.
    pub(crate) ahead: (usize, usize),
    /// How long what was given ahead is waited for when the stores have passed it: then it is lost.
    pub(crate) lost_after: Duration,
}

impl Limits {
    /// The usual ones.
    pub(crate) const USUAL: Self = Self {
        held: 20_000,
        held_bytes: 16 << 20,
        boots: 16_384,
        ahead: MAX_AHEAD,
        lost_after: Duration::from_secs(600),
    };
}

/// What is to be done with a row of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It was given live.
    Given,
    /// It is to be given.
    New,
    /// It was given live, and taken for lost since, in this of all losses: who was there before has it.
    Late(u64),
}

/// What is known of one boot.
#[derive(Debug)]
struct Known<T> {
    /// One past the highest number that was given; `None` while it is not known whether the store has earlier ones.
    next: Option<u64>,
    /// As cursors say it: several, if an instance has lines of several apps.
    keys: Vec<BootKey>,
    /// What the stores' order has passed: agents deliver to two stores what was on its way when shards moved.
    passed: Given,
    /// Below `next`, and not given: a live record of those is given yet.
    missing: Ranges,
    held: BTreeMap<u64, Piece<T>>,
    /// Since when something waits.
    since: Duration,
    last_active: Duration,
}

impl<T> Known<T> {
    fn new() -> Self {
        let (missing, held) = (Ranges::default(), BTreeMap::new());
        let (since, last_active) = (Duration::ZERO, Duration::ZERO);
        Self { next: None, keys: Vec::new(), passed: Given::default(), missing, held, since, last_active }
    }

    /// Takes note that a record is given now.
    fn pass(&mut self, id: &Id) {
        let next = self.next.unwrap_or(id.seq);
        self.missing.remove(id.seq, id.end);
        self.missing.add(next, id.seq);
        self.next = Some(next.max(id.end));
    }

    /// Whether a live record was given already, live or from the store.
    fn is_old(&self, id: &Id, lead: &Lead) -> bool {
        let is_below = self.next.is_some_and(|next| id.end <= next);
        lead.has(id) || (is_below && !self.misses(id))
    }

    /// Takes note that a live one is given now.
    fn lead<P>(&mut self, piece: &Piece<P>, lead: &mut Lead) {
        self.pass(&piece.id);
        lead.add(&piece.id, &piece.place);
        if !self.keys.contains(&piece.id.key) {
            self.keys.push(piece.id.key);
        }
    }

    fn misses(&self, id: &Id) -> bool {
        self.missing.end_of(id.seq).is_some() || self.missing.next_from(id.seq).is_some_and(|at| at < id.end)
    }
}

/// See the module's text. All times are since one moment of the caller's choice.
#[derive(Debug)]
pub(crate) struct Weave<T> {
    boots: HashMap<Origin, Known<T>>,
    lead: Lead,
    limits: Limits,
    /// Bytes that may wait now.
    room: usize,
    held: usize,
    held_bytes: usize,
}

impl<T> Weave<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            boots: HashMap::new(),
            lead: Lead::new(&limits),
            limits,
            room: limits.held_bytes,
            held: 0,
            held_bytes: 0,
        }
    }

    /// The store's rows that were given already have numbers of this boot up to `next`, exclusive; 1: it has none of them.
    pub(crate) fn learn(&mut self, origin: &Origin, next: u64, out: &mut Vec<Piece<T>>) {
        let known = self.boots.entry(origin.clone()).or_insert_with(Known::new);
        if known.next.is_some() {
            return;
        }
        known.next = Some(next);
        self.release(origin, out);
    }

    /// The same of rows that were not followed: what was given ahead of them need not be remembered any more.
    pub(crate) fn settle(&mut self, origin: &Origin, next: u64, out: &mut Vec<Piece<T>>) {
        let Some(known) = self.boots.get_mut(origin) else { return };
        for key in &known.keys {
            self.lead.settle(*key, next);
        }
        known.missing.remove(0, next);
        known.next = Some(known.next.map_or(next, |known| known.max(next)));
        self.release(origin, out);
    }

    /// A record that came live.
    pub(crate) fn live(&mut self, now: Duration, piece: Piece<T>, out: &mut Vec<Piece<T>>) {
        self.make_room(&piece.id.origin);
        let origin = &piece.id.origin;
        let known = self.boots.entry(origin.clone()).or_insert_with(Known::new);
        known.last_active = now;
        if known.is_old(&piece.id, &self.lead) || known.held.contains_key(&piece.id.seq) {
            return;
        }
        // Even the first one of a boot may have been given, with the history.
        let is_next = known.next.is_some_and(|next| piece.id.seq <= next);
        if is_next && self.lead.has_room(&piece.id) {
            let origin = piece.id.origin.clone();
            known.lead(&piece, &mut self.lead);
            out.push(piece);
            self.release(&origin, out);
            self.wait_anew(&origin, now);
        } else if self.held < self.limits.held && self.held_bytes + piece.bytes <= self.room {
            if known.held.is_empty() {
                known.since = now;
            }
            (self.held, self.held_bytes) = (self.held + 1, self.held_bytes + piece.bytes);
            known.held.insert(piece.id.seq, piece);
        }
    }

    /// Whether a row of the store's order, the next one, is to be given.
    pub(crate) fn is_wanted(&self, id: &Id) -> bool {
        let passed =
            self.boots.get(&id.origin).is_some_and(|known| known.passed.has(id.seq, id.end, id.is_gap));
        !passed && !self.lead.has(id)
    }

    /// The next row of the store's order. What is to be given of it is so before what is put into `out`.
    pub(crate) fn stored(&mut self, now: Duration, id: &Id, out: &mut Vec<Piece<T>>) -> Due {
        self.make_room(&id.origin);
        let known = self.boots.entry(id.origin.clone()).or_insert_with(Known::new);
        known.last_active = now;
        if known.passed.has(id.seq, id.end, id.is_gap) {
            return Due::Given;
        }
        known.passed.add(id.seq, id.end, id.is_gap);
        let is_wanted = !self.lead.has(id);
        let late = self.lead.reached(id);
        if is_wanted {
            known.pass(id);
            // It need not be waited for any more.
            let same: Vec<u64> = known.held.range(id.seq..id.end).map(|(&seq, _)| seq).collect();
            for seq in same {
                let is_same =
                    known.held.get(&seq).is_some_and(|held| held.id.is_gap == id.is_gap || !id.is_gap);
                if let Some(piece) = is_same.then(|| known.held.remove(&seq)).flatten() {
                    (self.held, self.held_bytes) = (self.held - 1, self.held_bytes - piece.bytes);
                }
            }
        }
        self.release(&id.origin, out);
        self.wait_anew(&id.origin, now);
        match (is_wanted, late) {
            (false, _) => Due::Given,
            (true, None) => Due::New,
            (true, Some(loss)) => Due::Late(loss),
        }
    }

    /// All stores have answered for so long since the last time, and were read to their ends; or there is none (`has_store`). Forgets what
    /// was given ahead and is lost, and says whether there was any.
    pub(crate) fn lose(&mut self, by: Duration, has_store: bool) -> bool {
        self.lead.lose(by, has_store)
    }

    /// How often something was lost.
    pub(crate) const fn losses(&self) -> u64 {
        self.lead.losses()
    }

    /// How long the stores have answered.
    pub(crate) const fn clock(&self) -> Duration {
        self.lead.ages().clock()
    }

    /// Whether what was known to be ahead at that time is lost by now, if it did not come.
    pub(crate) fn is_over(&self, at: Duration) -> bool {
        self.lead.ages().is_over(at)
    }

    /// What still waits does so behind another hole than before.
    fn wait_anew(&mut self, origin: &Origin, now: Duration) {
        if let Some(known) = self.boots.get_mut(origin) {
            known.since = now;
        }
    }

    /// Gives what waits behind a hole no longer, as far as there is room for it.
    fn release(&mut self, origin: &Origin, out: &mut Vec<Piece<T>>) {
        let Some(known) = self.boots.get_mut(origin) else { return };
        while let (Some(next), Some(first)) = (known.next, known.held.first_entry())
            && *first.key() <= next
        {
            let is_old = {
                let id = first.get().id.clone();
                let is_old = known.is_old(&id, &self.lead);
                if !is_old && !self.lead.has_room(&id) {
                    return;
                }
                is_old
            };
            let Some((_, piece)) = known.held.pop_first() else { return };
            (self.held, self.held_bytes) = (self.held - 1, self.held_bytes - piece.bytes);
            if !is_old {
                known.lead(&piece, &mut self.lead);
                out.push(piece);
            }
        }
    }

    /// Gives what has waited for `patience`: the store does not come. What it says later of the holes is given then. Records from before
    /// `since` of a boot of which nothing is known may have been given long ago, and were only said again: they are left to the store.
    pub(crate) fn give_up(&mut self, now: Duration, patience: Duration, since: i64, out: &mut Vec<Piece<T>>) {
        let is_due = |known: &Known<T>| !known.held.is_empty() && known.since + patience <= now;
        let mut due: Vec<_> =
            self.boots.iter().filter(|(_, known)| is_due(known)).map(|(origin, _)| origin.clone()).collect();
        due.sort_unstable();
        for origin in due {
            while let Some(known) = self.boots.get_mut(&origin)
                && let Some((&seq, piece)) = known.held.first_key_value()
            {
                let (bytes, is_there) = (piece.bytes, known.next.is_some_and(|next| seq <= next));
                if known.next.is_none() && piece.time < since {
                    known.held.remove(&seq);
                    (self.held, self.held_bytes) = (self.held - 1, self.held_bytes - bytes);
                    continue;
                }
                let count = known.held.len();
                if !is_there {
                    let next = known.next.unwrap_or(seq);
                    known.missing.add(next, seq);
                    known.next = Some(next.max(seq));
                }
                self.release(&origin, out);
                // There is no room for it: it waits for the store.
                if self.boots.get(&origin).is_none_or(|known| known.held.len() >= count) {
                    break;
                }
            }
        }
    }

    /// All boots that are followed.
    pub(crate) fn origins(&self) -> Vec<Origin> {
        let mut origins: Vec<_> = self.boots.keys().cloned().collect();
        origins.sort_unstable();
        origins
    }

    /// Boots of which something waits, and of which it is not known how far the store's rows go that were given.
    pub(crate) fn unknown(&self) -> Vec<Origin> {
        let is_unknown = |known: &Known<T>| known.next.is_none() && !known.held.is_empty();
        let unknown = self.boots.iter().filter(|(_, known)| is_unknown(known));
        let mut unknown: Vec<_> = unknown.map(|(origin, _)| origin.clone()).collect();
        unknown.sort_unstable();
        unknown
    }

    /// Whether something waits for the store.
    pub(crate) fn is_waiting(&self) -> bool {
        self.held > 0
    }

    /// Bytes of what waits.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// From now on no more may wait than this, beside what does, or what the limits say.
    pub(crate) fn bound_held(&mut self, free: usize) {
        self.room = self.held_bytes.saturating_add(free).min(self.limits.held_bytes);
    }

    /// What was given ahead of the store's order.
    pub(crate) const fn ahead(&self) -> &Ahead {
        self.lead.given()
    }

    fn make_room(&mut self, origin: &Origin) {
        if self.boots.len() < self.limits.boots || self.boots.contains_key(origin) {
            return;
        }
        let is_idle = |known: &Known<T>| {
            known.held.is_empty() && !known.keys.iter().any(|key| self.lead.given().contains_key(key))
        };
        let idle = self.boots.iter().filter(|(_, known)| is_idle(known));
        let quietest = idle.min_by_key(|(_, known)| known.last_active).map(|(origin, _)| origin.clone());
        // Nobody that is not idle is forgotten: its lines would come twice.
        if let Some(quietest) = quietest {
            self.boots.remove(&quietest);
        }
    }
}

#[cfg(test)]
mod tests;
