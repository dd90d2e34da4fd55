//! When a record was written, by the host's clock.
//!
//! Init stamps records with its `CLOCK_BOOTTIME`, which nobody sets back, and says now and then (HELLO, PING) what that
//! clock shows. The difference to the host's clock at the moment of receipt is the offset plus the time on the way, so the
//! smallest difference of the last minute is the best estimate.

use line::Clock;
use line::time::SECOND;

/// A guest whose wall clock differs by more than this is not believed: its lines are marked to have the host's time.
const MAX_OFF_NS: i64 = 3600 * SECOND;
/// The estimate starts anew when a sample differs from it by more than this: a clock was set, or the Machine slept.
const STEP_NS: i64 = SECOND;
/// Samples after which an old estimate is let go, so that slow drift is followed; a minute of pings.
const WINDOW_SAMPLES: u32 = 12;

/// The clock of one boot.
#[derive(Debug, Clone)]
pub(crate) struct Stamper {
    /// Host time minus boot time: the smallest of this window, and of the one before.
    current: Option<i64>,
    previous: Option<i64>,
    samples: u32,
    clock: Clock,
    last: i64,
}

impl Stamper {
    /// A stamper whose first stamp is later than `last` (Unix nanoseconds; 0 if the boot has no entry yet).
    pub(crate) const fn new(last: i64) -> Self {
        Self { current: None, previous: None, samples: 0, clock: Clock::Guest, last }
    }

    /// Takes in what the guest's clocks showed when a frame was made that arrived at `host` (Unix nanoseconds). Returns
    /// whether the guest's wall clock has just been found to be more than an hour off.
    pub(crate) fn observe(&mut self, host: i64, realtime: i64, boottime: i64) -> bool {
        let sample = host.saturating_sub(boottime);
        if self.offset().is_some_and(|offset| sample.abs_diff(offset) > STEP_NS.unsigned_abs()) {
            (self.current, self.previous, self.samples) = (None, None, 0);
        }
        if self.samples >= WINDOW_SAMPLES {
            (self.previous, self.current, self.samples) = (self.current, None, 0);
        }
        self.current = Some(self.current.map_or(sample, |current| current.min(sample)));
        self.samples += 1;
        let was = self.clock;
        let off = host.abs_diff(realtime) > MAX_OFF_NS.unsigned_abs();
        self.clock = if off { Clock::Host } else { Clock::Guest };
        off && was == Clock::Guest
    }

    fn offset(&self) -> Option<i64> {
        match (self.current, self.previous) {
            (Some(current), Some(previous)) => Some(current.min(previous)),
            (current, previous) => current.or(previous),
        }
    }

    /// The time of a record that the guest read at `boottime` and that is in hand at `host`: never in the host's future,
    /// always later than the one before.
    #[inline]
    pub(crate) fn stamp(&mut self, boottime: i64, host: i64) -> (i64, Clock) {
        let mapped = self.offset().map_or(host, |offset| boottime.saturating_add(offset));
        self.last = mapped.clamp(0, host.max(0)).max(self.last.saturating_add(1));
        (self.last, self.clock)
    }

    /// The guest had written nothing that is not stamped yet when its clock showed `boottime`: what comes is later. Has to
    /// follow an [`Stamper::observe`].
    pub(crate) fn nothing_until(&mut self, boottime: i64, host: i64) {
        let mapped = self.offset().map_or(host, |offset| boottime.saturating_add(offset));
        self.last = self.last.max(mapped.clamp(0, host.max(0)));
    }

    /// The last stamp given.
    pub(crate) const fn last(&self) -> i64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: i64 = 1_700_000_000 * SECOND;

    #[test]
    fn the_smallest_delay_of_the_last_minute_counts() {
        let mut stamper = Stamper::new(0);
        assert!(!stamper.observe(HOST + 300, HOST, 1000));
        stamper.observe(HOST + 5 * SECOND + 20, HOST + 5 * SECOND, 1000 + 5 * SECOND);
        assert_eq!(stamper.stamp(1000, HOST + 6 * SECOND), (HOST + 20, Clock::Guest));
        for i in 0..2 * WINDOW_SAMPLES {
            let elapsed = i64::from(i + 2) * 5 * SECOND;
            stamper.observe(HOST + elapsed + 90, HOST, 1000 + elapsed);
        }
        let later = 500 * SECOND;
        assert_eq!(stamper.stamp(1000 + later, HOST + later + SECOND).0, HOST + later + 90);
    }

    #[test]
    fn a_clock_that_is_set_starts_the_estimate_anew() {
        let mut stamper = Stamper::new(0);
        stamper.observe(HOST, HOST, 0);
        stamper.observe(HOST + 10 * SECOND, HOST, SECOND);
        assert_eq!(stamper.stamp(2 * SECOND, HOST + 20 * SECOND).0, HOST + 11 * SECOND);
    }

    #[test]
    fn a_guest_in_1970_gets_the_host_s_time_and_a_mark_once() {
        let mut stamper = Stamper::new(0);
        assert!(stamper.observe(HOST, 5 * SECOND, 5 * SECOND));
        assert!(!stamper.observe(HOST + SECOND, 6 * SECOND, 6 * SECOND));
        assert_eq!(stamper.stamp(6 * SECOND, HOST + SECOND), (HOST + SECOND, Clock::Host));
        assert!(!stamper.observe(HOST + 2 * SECOND, HOST + 2 * SECOND, 7 * SECOND));
        assert_eq!(stamper.stamp(7 * SECOND, HOST + 2 * SECOND).1, Clock::Guest);
    }

    proptest! {
        #[test]
        fn stamps_rise_and_are_never_in_the_future_save_to_rise(
            steps in proptest::collection::vec((any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>()), 1..40),
        ) {
            let mut stamper = Stamper::new(0);
            let mut last = 0;
            for (host, realtime, boottime, record) in steps {
                let host = host.saturating_abs() / 2;
                stamper.observe(host, realtime, boottime);
                let (time, _) = stamper.stamp(record, host);
                prop_assert!(time > last);
                prop_assert!(time <= host.max(last + 1));
                last = time;
            }
        }
    }
}
