//! The rate limit of an app, off by default.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long the lines of one filling last.
const PERIOD: Duration = Duration::from_secs(1);

/// So many lines a second for all Machines of an app together that were registered with the same. The bucket is filled once a
/// second, not drop by drop: what is over the limit is then one run of lines, and one gap record, a second.
#[derive(Debug)]
pub(crate) struct RateLimit {
    lines_per_second: u64,
    bucket: Mutex<Bucket>,
}

/// The limits in use: one bucket for all Machines of an app that were registered with the same, whatever others of it have.
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<(String, u64), Weak<RateLimit>>);

impl Rates {
    /// The limit for the Machines of `app` that were registered with so many lines a second.
    pub(crate) fn limit(&mut self, app: String, lines_per_second: u64, now: Instant) -> Arc<RateLimit> {
        self.0.retain(|_, rate| rate.strong_count() > 0);
        let kept = self.0.entry((app, lines_per_second)).or_default();
        kept.upgrade().unwrap_or_else(|| {
            let rate = Arc::new(RateLimit::new(lines_per_second, now));
            *kept = Arc::downgrade(&rate);
            rate
        })
    }
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
    fn machines_of_an_app_with_the_same_rate_share_a_bucket_whoever_comes_between() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let mut limit = |app: &str, lines_per_second| rates.limit(app.to_owned(), lines_per_second, now);
        let first = limit("k.web", 2);
        let between = limit("k.web", 1000);
        assert!(Arc::ptr_eq(&first, &limit("k.web", 2)) && Arc::ptr_eq(&between, &limit("k.web", 1000)));
        assert!(!Arc::ptr_eq(&first, &limit("k.api", 2)));
        assert!(first.take(now) && first.take(now) && !first.take(now) && between.take(now));
        drop(first);
        assert!(limit("k.web", 2).take(now), "nobody has used it since");
    }

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
