//! How much of the time is asked for at once: as much as gives answers of a good size.

use crate::scope::Range;

/// The size that answers should have.
pub(super) const LINES: u64 = 20_000;
pub(super) const BYTES: usize = 8 << 20;
/// How much the length changes at once.
const FACTOR: i64 = 4;
/// The first length, if the range is not shorter: nothing is known of it yet.
const FIRST_NANOS: i64 = 60_000_000_000;
/// The greatest length: over a hundred years.
const MAX_NANOS: i64 = 1 << 62;

/// The length of the next window.
#[derive(Debug)]
pub(super) struct Pace {
    nanos: i64,
}

impl Pace {
    pub(super) fn new(range: Range) -> Self {
        Self { nanos: FIRST_NANOS.min(range.nanos()).max(1) }
    }

    /// Where the window that begins at `from` ends, which is `to` at the latest.
    pub(super) fn end(&self, from: i64, to: i64) -> i64 {
        let end = from.saturating_add(self.nanos).min(to);
        // What is left is not worth a window of its own.
        if to.saturating_sub(end) < self.nanos / FACTOR { to } else { end }
    }

    /// Whether windows cannot be shorter.
    pub(super) const fn is_least(&self) -> bool {
        self.nanos <= 1
    }

    /// A window had so many lines and bytes: the next one is to come nearer to the size that is wanted.
    pub(super) fn done(&mut self, lines: u64, bytes: usize) {
        // In thousandths of the size that is wanted.
        let share = (lines.saturating_mul(1000) / LINES).max(bytes as u64 * 1000 / BYTES as u64);
        let wanted = i128::from(self.nanos) * 1000 / i128::from(share.max(1));
        let factor = i128::from(FACTOR);
        let (least, most) = (i128::from(self.nanos) / factor, i128::from(self.nanos) * factor);
        let nanos = i64::try_from(wanted.clamp(least, most)).unwrap_or(i64::MAX);
        self.nanos = nanos.clamp(1, MAX_NANOS);
    }

    /// A window had too much, and this much of it was enough, if that is known.
    pub(super) fn shrink(&mut self, enough: Option<i64>) {
        let shorter = enough.filter(|nanos| *nanos < self.nanos);
        self.nanos = shorter.unwrap_or(self.nanos / FACTOR / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_finds_the_right_length() {
        let range = Range { from: 0, to: i64::MAX };
        let mut pace = Pace::new(range);
        for _ in 0..20 {
            pace.done(0, 0);
        }
        assert_eq!(pace.end(0, range.to), 1 << 62);
        for _ in 0..60 {
            pace.shrink(None);
        }
        assert!(pace.is_least() && pace.end(7, 100) == 8);
        // 10 lines a nanosecond.
        for _ in 0..20 {
            let lines = u64::try_from(pace.nanos).unwrap() * 10;
            pace.done(lines, 0);
        }
        assert_eq!(pace.nanos, 2000);
        pace.done(1, 10 * BYTES);
        assert_eq!(pace.nanos, 500);
        pace.shrink(Some(70));
        assert_eq!(pace.nanos, 70);
        // What says nothing new is not obeyed.
        pace.shrink(Some(70));
        assert_eq!(pace.nanos, 8);
        pace.shrink(Some(0));
        assert!(pace.is_least());
    }

    proptest! {
        #[test]
        fn windows_cover_all_of_the_time(
            from in 0_i64..1_000_000, length in 1_i64..1_000_000,
            sizes in proptest::collection::vec((0_u64..100_000, any::<bool>()), 1..50),
        ) {
            let range = Range { from, to: from + length };
            let mut pace = Pace::new(range);
            let mut at = from;
            for (lines, is_too_large) in sizes.into_iter().cycle().take(10_000) {
                if at >= range.to {
                    break;
                }
                let end = pace.end(at, range.to);
                prop_assert!(at < end && end <= range.to);
                if is_too_large && !pace.is_least() {
                    pace.shrink((lines % 2 == 0).then_some(i64::try_from(lines).unwrap()));
                } else {
                    pace.done(lines, 0);
                    at = end;
                }
            }
        }
    }
}
