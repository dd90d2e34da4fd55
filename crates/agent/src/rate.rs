//! The rate limit of an app, off by default.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the lines of one filling last.
const PERIOD: Duration = Duration::from_secs(1);

/// So many lines a second for all Machines of an app together. The bucket is filled once a second, not drop by drop: what
/// is over the limit is then one run of lines, and one gap record, a second.
#[derive(Debug)]
pub(crate) struct RateLimit {
    lines_per_second: u64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: u64,
    filled: Instant,
}

impl RateLimit {
    /// A limit whose first second begins at `now`.
    pub(crate) fn new(lines_per_second: u64, now: Instant) -> Self {
        Self { lines_per_second, bucket: Mutex::new(Bucket { left: lines_per_second, filled: now }) }
    }

    /// The limit.
    pub(crate) const fn lines_per_second(&self) -> u64 {
        self.lines_per_second
    }

    /// Takes one line out of the bucket; false if it is empty.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(bucket.filled) >= PERIOD {
            *bucket = Bucket { left: self.lines_per_second, filled: now };
        }
        let Some(left) = bucket.left.checked_sub(1) else { return false };
        bucket.left = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_as_many_lines_as_the_limit_says() {
        let start = Instant::now();
        let limit = RateLimit::new(3, start);
        let taken = |at_ms| limit.take(start + Duration::from_millis(at_ms));
        assert_eq!([taken(0), taken(1), taken(500), taken(999)], [true, true, true, false]);
        assert_eq!([taken(1000), taken(1001), taken(1002), taken(1999)], [true, true, true, false]);
        assert!(taken(60_000));
        assert!(!RateLimit::new(0, start).take(start));
    }
}
