//! What was given ahead of the stores' order: how much of it there may be, how old it is, and what of it is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::cursor::{self, Ahead, BootKey, Place};
use super::ages::Ages;
use super::losses::Losses;
use super::{Id, Limits};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Lead {
    given: Ahead,
    ages: Ages,
    losses: Losses,
    /// Boots, and ranges of numbers.
    most: (usize, usize),
    /// There is a store that will have it.
    has_store: bool,
}

impl Lead {
    pub(super) fn new(limits: &Limits) -> Self {
        let (ages, losses) = (Ages::new(limits.lost_after), Losses::default());
        Self { given: Ahead::new(), ages, losses, most: limits.ahead, has_store: true }
    }

    pub(super) const fn given(&self) -> &Ahead {
        &self.given
    }

    pub(super) const fn ages(&self) -> &Ages {
        &self.ages
    }

    pub(super) const fn losses(&self) -> u64 {
        self.losses.count()
    }

    pub(super) fn has(&self, id: &Id) -> bool {
        cursor::has(&self.given, id.key, id.seq, id.end, id.is_gap)
    }

    /// Whether one more may be given ahead. Where there is no store that would have it soon, what was given first is forgotten for it.
    pub(super) fn has_room(&mut self, id: &Id) -> bool {
        while !self.is_room(id) {
            if self.has_store || self.given.is_empty() {
                return false;
            }
            let oldest = self.ages.pop_oldest();
            self.forget(&oldest);
            self.losses.note(oldest);
        }
        true
    }

    fn is_room(&self, id: &Id) -> bool {
        let ranges = || self.given.values().map(|given| given.ranges()).sum::<usize>() < self.most.1;
        match self.given.get(&id.key) {
            Some(given) => given.goes_on(id.seq, id.is_gap) || ranges(),
            None => self.given.len() < self.most.0 && ranges(),
        }
    }

    /// It is given now.
    pub(super) fn add(&mut self, id: &Id, place: &Arc<Place>) {
        let given = Arc::make_mut(self.given.entry(id.key).or_default());
        given.add(id.seq, id.end, id.is_gap);
        given.place.get_or_insert_with(|| Arc::clone(place));
        self.ages.heard(id.key, id.seq, id.end, id.is_gap);
    }

    /// The stores' order has reached it. Says in which loss it was, if it was lost.
    pub(super) fn reached(&mut self, id: &Id) -> Option<u64> {
        if cursor::remove(&mut self.given, id.key, id.seq, id.end, id.is_gap) {
            self.ages.stored(id.key, id.seq, id.end, id.is_gap);
        }
        self.losses.take(id)
    }

    /// It has passed all below `next`.
    pub(super) fn settle(&mut self, boot: BootKey, next: u64) {
        for is_gap in [false, true] {
            cursor::remove(&mut self.given, boot, 0, next, is_gap);
        }
        self.ages.settle(boot, next);
    }

    /// See [`super::Weave::lose`].
    pub(super) fn lose(&mut self, by: Duration, has_store: bool) -> bool {
        self.has_store = has_store;
        self.ages.tick(by);
        let lost = self.ages.lost(has_store);
        self.forget(&lost);
        let is_any = !lost.is_empty();
        // Also where there is no store: one may be there later, and have it from the agents.
        self.losses.note(lost);
        is_any
    }

    fn forget(&mut self, lost: &BTreeMap<BootKey, cursor::Given>) {
        for (boot, lost) in lost {
            if let Some(given) = self.given.get_mut(boot) {
                Arc::make_mut(given).retain_not(lost);
                if given.is_empty() {
                    self.given.remove(boot);
                }
            }
        }
    }
}
