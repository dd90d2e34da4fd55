//! When what was given ahead of the stores was heard. What no store has taken long after it should have is taken for lost: the agent died
//! that had it, and its spool with it.
//!
//! The clock runs only while all stores answer and were read to their ends. What was heard in one step of it has been passed when a
//! store took something that was heard in a later step, or when nothing was heard later: so a store that answers and takes nothing (its
//! disk is full) loses nobody's lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::cursor::{BootKey, Given};

/// Into so many steps the time is divided after which something is lost.
const STEPS: u32 = 10;
/// Most steps that are told apart. Of more, the oldest two become one.
const MAX_STEPS: usize = 64;

/// What was heard in one step.
#[derive(Debug)]
struct Step {
    begun: Duration,
    /// When something was stored that was heard later.
    passed: Option<Duration>,
    given: BTreeMap<BootKey, Given>,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Ages {
    clock: Duration,
    patience: Duration,
    steps: VecDeque<Step>,
}

impl Ages {
    /// What is passed is lost after `patience`.
    pub(super) const fn new(patience: Duration) -> Self {
        Self { clock: Duration::ZERO, patience, steps: VecDeque::new() }
    }

    /// How long the stores have answered.
    pub(super) const fn clock(&self) -> Duration {
        self.clock
    }

    /// Whether what was known at that time is lost by now, if it did not come.
    pub(super) fn is_over(&self, at: Duration) -> bool {
        self.clock >= at + self.patience + self.step()
    }

    fn step(&self) -> Duration {
        self.patience / STEPS
    }

    /// The stores have answered for so long since the last time.
    pub(super) fn tick(&mut self, by: Duration) {
        self.clock += by;
    }

    /// A record was given ahead.
    pub(super) fn heard(&mut self, boot: BootKey, seq: u64, end: u64, is_gap: bool) {
        let is_new = self.steps.back().is_none_or(|last| last.begun + self.step() <= self.clock);
        if is_new {
            if self.steps.len() >= MAX_STEPS {
                self.join_oldest();
            }
            self.steps.push_back(Step { begun: self.clock, passed: None, given: BTreeMap::new() });
        }
        if let Some(step) = self.steps.back_mut() {
            step.given.entry(boot).or_default().add(seq, end, is_gap);
        }
    }

    fn join_oldest(&mut self) {
        let Some(oldest) = self.steps.pop_front() else { return };
        let Some(next) = self.steps.front_mut() else { return };
        for (boot, given) in oldest.given {
            next.given.entry(boot).or_default().extend(&given);
        }
    }

    /// A store has it.
    pub(super) fn stored(&mut self, boot: BootKey, seq: u64, end: u64, is_gap: bool) {
        let mut newest = 0;
        for (at, step) in self.steps.iter_mut().enumerate() {
            let Some(given) = step.given.get_mut(&boot) else { continue };
            if given.touches(seq, end, is_gap) {
                newest = at;
                given.remove(seq, end, is_gap);
                if given.is_empty() {
                    step.given.remove(&boot);
                }
            }
        }
        let clock = self.clock;
        self.steps.iter_mut().take(newest).for_each(|step| _ = step.passed.get_or_insert(clock));
        self.tidy();
    }

    /// What is lost: it is forgotten here. Without a store nothing is waited for but the time.
    pub(super) fn lost(&mut self, has_store: bool) -> BTreeMap<BootKey, Given> {
        let (clock, patience, step) = (self.clock, self.patience, self.step());
        let mut lost = BTreeMap::<BootKey, Given>::new();
        let mut is_last = true;
        for one in self.steps.iter_mut().rev() {
            let is_old = one.begun + step + patience <= clock;
            let is_passed = one.passed.is_some_and(|passed| passed + patience <= clock);
            if is_passed || (is_old && (is_last || !has_store)) {
                for (boot, given) in std::mem::take(&mut one.given) {
                    lost.entry(boot).or_default().extend(&given);
                }
            }
            is_last &= one.given.is_empty();
        }
        self.tidy();
        lost
    }

    /// Forgets what was heard first, and says what it was.
    pub(super) fn pop_oldest(&mut self) -> BTreeMap<BootKey, Given> {
        self.steps.pop_front().map(|step| step.given).unwrap_or_default()
    }

    /// Forgets this boot's numbers below `end`.
    pub(super) fn settle(&mut self, boot: BootKey, end: u64) {
        for step in &mut self.steps {
            if let Some(given) = step.given.get_mut(&boot) {
                given.lines.remove(0, end);
                given.gaps.remove(0, end);
                if given.is_empty() {
                    step.given.remove(&boot);
                }
            }
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        while self.steps.front().is_some_and(|step| step.given.is_empty()) {
            self.steps.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn boot(number: u64) -> BootKey {
        BootKey::of("web", "lhr", "i1", line::Boot::from_bits(number))
    }

    /// The numbers of boots that are lost after so many minutes more.
    fn after(ages: &mut Ages, minutes: u32) -> Vec<u64> {
        ages.tick(MINUTE * minutes);
        let lost = ages.lost(true);
        (0..9).filter(|number| lost.contains_key(&boot(*number))).collect()
    }

    fn heard(ages: &mut Ages, number: u64) {
        ages.heard(boot(number), 1, 2, false);
    }

    #[test]
    fn what_nobody_stores_is_lost_where_others_are_stored_or_nothing_more_comes() {
        let mut ages = Ages::new(10 * MINUTE);
        heard(&mut ages, 1);
        assert_eq!(after(&mut ages, 10), [0; 0]);
        assert_eq!(after(&mut ages, 1), [1]);
        assert_eq!(after(&mut ages, 99), [0; 0]);
        heard(&mut ages, 2);
        assert_eq!(after(&mut ages, 10), [0; 0]);
        heard(&mut ages, 3);
        assert_eq!(after(&mut ages, 2), [0; 0]);
        heard(&mut ages, 4);
        ages.stored(boot(3), 1, 2, false);
        // Since it was passed, as long as others wait.
        assert_eq!(after(&mut ages, 9), [0; 0]);
        assert_eq!(after(&mut ages, 1), [2]);
    }

    #[test]
    fn a_store_that_takes_nothing_loses_nothing() {
        let mut ages = Ages::new(10 * MINUTE);
        for minute in 0..200 {
            ages.heard(boot(1), minute, minute + 1, false);
            assert_eq!(after(&mut ages, 1), [0; 0]);
        }
        // It has room again, and what it takes comes in its order.
        for minute in 0..190 {
            ages.stored(boot(1), minute, minute + 1, false);
            assert_eq!(after(&mut ages, 0), [0; 0]);
        }
        assert_eq!(after(&mut ages, 9), [0; 0]);
        assert_eq!(after(&mut ages, 1), [1]);
        assert!(ages.steps.is_empty());
    }

    #[test]
    fn without_a_store_it_is_time_alone() {
        let mut ages = Ages::new(10 * MINUTE);
        heard(&mut ages, 1);
        ages.tick(6 * MINUTE);
        heard(&mut ages, 2);
        ages.tick(5 * MINUTE);
        assert_eq!(ages.lost(false).into_keys().collect::<Vec<_>>(), [boot(1)]);
    }
}
