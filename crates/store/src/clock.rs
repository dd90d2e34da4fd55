//! The time, as the store believes it.

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

/// The time that decides what is too old to be kept. A host's clock that jumps ahead (a wrong date after a start without
/// network, a typing error) would have it all thrown away at once; so a jump is believed only after a day. Meanwhile
/// time goes on from what was known before. A clock that is set back is believed at once: nothing is lost by that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trusted {
    /// What was believed at `at`.
    time: i64,
    at: i64,
    /// A jump ahead that is on probation: how far the clock is from time elapsed, and since when.
    doubted: Option<(i64, i64)>,
}

impl Trusted {
    /// `known` is the time that was believed last, from the manifest; 0 if nothing was kept yet.
    pub(crate) fn new(known: i64, clock: &dyn Clock) -> Self {
        let (unix, elapsed) = (clock.unix_ns(), clock.elapsed_ns());
        // Where nothing is kept, nothing can be thrown away.
        Self { time: if known == 0 { unix } else { known }, at: elapsed, doubted: None }
    }

    /// The time that is believed now.
    pub(crate) fn now(&mut self, clock: &dyn Clock) -> i64 {
        let (unix, elapsed) = (clock.unix_ns(), clock.elapsed_ns());
        let expected = self.time.saturating_add(elapsed.saturating_sub(self.at));
        let offset = unix.saturating_sub(elapsed);
        let believed = if unix <= expected.saturating_add(SLACK) {
            self.doubted = None;
            unix
        } else {
            match self.doubted {
                Some((known, since)) if offset.abs_diff(known) <= SLACK.unsigned_abs() => {
                    if elapsed.saturating_sub(since) >= PROBATION { unix } else { expected }
                }
                _ => {
                    self.doubted = Some((offset, elapsed));
                    expected
                }
            }
        };
        (self.time, self.at) = (believed, elapsed);
        believed
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
        let mut trusted = Trusted::new(0, &clock);
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
        let mut trusted = Trusted::new(1000 * DAY, &clock);
        assert_eq!(trusted.now(&clock), 1000 * DAY);
        clock.pass(DAY);
        assert_eq!(trusted.now(&clock), 1011 * DAY);
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
