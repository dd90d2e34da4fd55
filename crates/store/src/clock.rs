//! The time, as the store believes it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What tells the time. Tests have one that stands still.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The host's time, Unix nanoseconds. It may be set, forward and back.
    fn unix_ns(&self) -> i64;
    /// Nanoseconds since some moment before the store was opened. Nobody sets it.
    fn elapsed_ns(&self) -> i64;
}

/// The host's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// The host's clocks; time elapsed counts from now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_ns(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    fn elapsed_ns(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}

/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// Nanoseconds of an hour.
pub(crate) const HOUR: i64 = 3600 * SECOND;
/// Nanoseconds of a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// A clock may run ahead of what was expected by so much without being doubted.
const SLACK: i64 = HOUR;
/// A clock that jumped ahead is believed when it has gone on from there for so long.
const PROBATION: i64 = DAY;

/// A clock that was set back is taken to be right when it has gone on from there for so long: until then, what comes is measured by the former
/// one as well.
const PROBATION_BACK: i64 = 7 * DAY;

/// The time that decides what is too old to be kept. A host's clock that jumps ahead (a wrong date after a start without
/// network, a typing error) would have it all thrown away at once; so a jump is believed only after a day. Meanwhile
/// time goes on from what was known before. A clock that is set back is believed at once: nothing is lost by that. But rows that come with the
/// time that was believed before are not from the future, for a week.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trusted {
    /// What was believed at `at`.
    time: i64,
    at: i64,
    /// A jump ahead that is on probation.
    ahead: Option<Jump>,
    /// The clock as it was before it was set back.
    back: Option<Jump>,
}

/// A clock that is not the one believed.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// How far it is from time elapsed.
    offset: i64,
    /// Since when there are two, by time elapsed.
    since: i64,
}

impl Jump {
    fn kept(self, elapsed: i64) -> Kept {
        Kept { clock: self.offset.saturating_add(elapsed), age: elapsed.saturating_sub(self.since) }
    }
}

/// What is doubted about the clock, as it is kept over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doubt {
    /// A clock that has jumped ahead and is not believed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ahead: Option<Kept>,
    /// The clock as it was before it was set back, going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) back: Option<Kept>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// What it said, Unix nanoseconds.
    pub(crate) clock: i64,
    /// For how long there had been two, nanoseconds.
    pub(crate) age: i64,
}

impl Trusted {
    /// `known` is the time that was believed last, and what was doubted then, from the manifest; 0 if nothing was kept yet.
    pub(crate) fn new((known, doubt): (i64, Doubt), clock: &dyn Clock) -> Self {
        let (unix, elapsed) = (clock.unix_ns(), clock.elapsed_ns());
        // How long the store was stopped, only the doubted clock itself can say. If that was not long, it has gone on.
        let went_on = |kept: &Kept| (-SLACK..=PROBATION).contains(&unix.saturating_sub(kept.clock));
        let jump = |clock: i64, age: i64| Jump {
            offset: clock.saturating_sub(elapsed),
            since: elapsed.saturating_sub(age),
        };
        let ahead = doubt.ahead.filter(went_on).map(|kept| jump(unix, kept.age));
        let back = doubt.back.map(|kept| jump(kept.clock, kept.age));
        // Where nothing is kept, nothing can be thrown away.
        Self { time: if known == 0 { unix } else { known }, at: elapsed, ahead, back }
    }

    /// The time that is believed now.
    pub(crate) fn now(&mut self, clock: &dyn Clock) -> i64 {
        let (unix, elapsed) = (clock.unix_ns(), clock.elapsed_ns());
        let expected = self.time.saturating_add(elapsed.saturating_sub(self.at));
        let offset = unix.saturating_sub(elapsed);
        // A clock that was set back, and is where it was before, was only away.
        let is_former = |jump: Jump| jump.offset.abs_diff(offset) <= SLACK.unsigned_abs();
        let believed = if unix <= expected.saturating_add(SLACK) || self.back.is_some_and(is_former) {
            self.ahead = None;
            unix
        } else {
            match self.ahead {
                Some(known) if offset.abs_diff(known.offset) <= SLACK.unsigned_abs() => {
                    if elapsed.saturating_sub(known.since) >= PROBATION { unix } else { expected }
                }
                _ => {
                    self.ahead = Some(Jump { offset, since: elapsed });
                    expected
                }
            }
        };
        self.look_back(believed, expected, elapsed);
        (self.time, self.at) = (believed, elapsed);
        believed
    }

    /// Remembers the clock that was set back, if it was, until it is where it was or has proved itself.
    fn look_back(&mut self, believed: i64, expected: i64, elapsed: i64) {
        let former = |jump: &Jump| jump.offset.saturating_add(elapsed);
        self.back = self.back.filter(|jump| {
            elapsed.saturating_sub(jump.since) < PROBATION_BACK
                && former(jump) > believed.saturating_add(SLACK)
        });
        if believed < expected.saturating_sub(SLACK) {
            let highest = self.back.as_ref().map_or(expected, |jump| former(jump).max(expected));
            self.back = Some(Jump { offset: highest.saturating_sub(elapsed), since: elapsed });
        }
    }

    /// The earliest and the latest of the times that it may be now: a clock that is doubted may be right, and rows of its time are as good
    /// as those of the time believed.
    pub(crate) fn range(&mut self, clock: &dyn Clock) -> (i64, i64) {
        let (believed, host) = (self.now(clock), clock.unix_ns());
        let former = self.back.map_or(believed, |jump| jump.offset.saturating_add(self.at));
        (believed.min(host), believed.max(host).max(former))
    }

    /// What is doubted, to be kept.
    pub(crate) fn doubt(&self) -> Doubt {
        Doubt {
            ahead: self.ahead.map(|jump| jump.kept(self.at)),
            back: self.back.map(|jump| jump.kept(self.at)),
        }
    }
}

/// The UTC day of a time: days since 1970.
pub(crate) fn day_of(time: i64) -> i32 {
    i32::try_from(time.div_euclid(DAY)).unwrap_or_default()
}

/// The times of a day: its first, and the one after its last.
pub(crate) fn day_range(day: i32) -> (i64, i64) {
    let from = i64::from(day).saturating_mul(DAY);
    (from, from.saturating_add(DAY))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// A clock that stands still until it is moved. Clones are the same clock.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Paused(Arc<(AtomicI64, AtomicI64)>);

    impl Paused {
        pub(crate) fn at(unix: i64) -> Self {
            let clock = Self::default();
            clock.0.0.store(unix, Ordering::SeqCst);
            clock
        }

        /// Lets time pass.
        pub(crate) fn pass(&self, ns: i64) {
            self.0.0.fetch_add(ns, Ordering::SeqCst);
            self.0.1.fetch_add(ns, Ordering::SeqCst);
        }

        /// Sets the host's clock, without time passing.
        pub(crate) fn set(&self, unix: i64) {
            self.0.0.store(unix, Ordering::SeqCst);
        }
    }

    impl Clock for Paused {
        fn unix_ns(&self) -> i64 {
            self.0.0.load(Ordering::SeqCst)
        }

        fn elapsed_ns(&self) -> i64 {
            self.0.1.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn a_jump_ahead_is_believed_after_a_day_and_a_jump_back_at_once() {
        let start = 1000 * DAY;
        let clock = Paused::at(start);
        let mut trusted = Trusted::new((0, Doubt::default()), &clock);
        assert_eq!(trusted.now(&clock), start);
        clock.set(start + 3000 * DAY);
        assert_eq!(trusted.now(&clock), start);
        clock.pass(23 * HOUR);
        assert_eq!(trusted.now(&clock), start + 23 * HOUR);
        // It jumps again, so probation begins anew.
        clock.set(start + 5000 * DAY);
        assert_eq!(trusted.now(&clock), start + 23 * HOUR);
        clock.pass(2 * HOUR);
        assert_eq!(trusted.now(&clock), start + 25 * HOUR);
        clock.pass(DAY);
        assert_eq!(trusted.now(&clock), start + 5001 * DAY + 2 * HOUR);
        clock.set(start + 2 * DAY);
        assert_eq!(trusted.now(&clock), start + 2 * DAY);
    }

    #[test]
    fn after_a_long_stop_time_goes_on_from_what_was_known() {
        let clock = Paused::at(1010 * DAY);
        let mut trusted = Trusted::new((1000 * DAY, Doubt::default()), &clock);
        assert_eq!(trusted.now(&clock), 1000 * DAY);
        clock.pass(DAY);
        assert_eq!(trusted.now(&clock), 1011 * DAY);
    }

    #[test]
    fn doubt_goes_on_over_restarts() {
        let clock = Paused::at(1000 * DAY);
        let mut trusted = Trusted::new((0, Doubt::default()), &clock);
        trusted.now(&clock);
        clock.set(1300 * DAY);
        for hours in 0..23 {
            assert_eq!(trusted.now(&clock), 1000 * DAY + hours * HOUR);
            let kept = (trusted.now(&clock), trusted.doubt());
            trusted = Trusted::new(kept, &clock);
            clock.pass(HOUR);
        }
        clock.pass(HOUR);
        let kept = (trusted.time, trusted.doubt());
        assert_eq!(trusted.now(&clock), 1301 * DAY);
        // Another jump while it was stopped begins anew.
        clock.set(2000 * DAY);
        assert!(Trusted::new(kept, &clock).now(&clock) < 1002 * DAY);
    }

    #[test]
    fn rows_of_the_time_before_a_clock_was_set_back_are_not_from_the_future() {
        let clock = Paused::at(1000 * DAY);
        let mut trusted = Trusted::new((0, Doubt::default()), &clock);
        assert_eq!(trusted.range(&clock), (1000 * DAY, 1000 * DAY));
        clock.set(10 * DAY);
        assert_eq!(trusted.range(&clock), (10 * DAY, 1000 * DAY));
        clock.pass(HOUR);
        assert_eq!(trusted.range(&clock), (10 * DAY + HOUR, 1000 * DAY + HOUR));
        // Set back further, and started anew.
        clock.set(5 * DAY);
        trusted.now(&clock);
        let kept = (trusted.now(&clock), trusted.doubt());
        trusted = Trusted::new(kept, &clock);
        assert_eq!(trusted.range(&clock), (5 * DAY, 1000 * DAY + HOUR));
        // Put right: there is nothing left to remember.
        clock.set(1000 * DAY + HOUR);
        assert_eq!(trusted.range(&clock), (1000 * DAY + HOUR, 1000 * DAY + HOUR));
        clock.set(2 * DAY);
        trusted.now(&clock);
        clock.pass(8 * DAY);
        assert_eq!(trusted.range(&clock), (10 * DAY, 10 * DAY), "after a week it is believed in all");
        // It was set back while the store was stopped.
        let mut trusted = Trusted::new((900 * DAY, Doubt::default()), &clock);
        assert_eq!(trusted.range(&clock), (10 * DAY, 900 * DAY));
    }

    #[test]
    fn days() {
        for (time, day) in [(0, 0), (-1, -1), (DAY - 1, 0), (DAY, 1)] {
            assert_eq!(day_of(time), day);
            let (from, to) = day_range(day);
            assert!((from..to).contains(&time));
        }
    }
}
