//! How often a Machine may say hello: each greeting may write to disk what no quota refuses.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Greetings at once that need not wait: more than a Machine has reason for, even when agent and init are both restarted.
const BURST: u32 = 16;
/// After that, one in this time.
const EVERY: Duration = Duration::from_secs(1);

/// When the next greeting may be answered.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When all greetings so far would have come, had each kept its distance; `None` before the first.
    settled_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// Takes the next place; gives the moment until which whoever greets at `now` has to wait.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let mut settled_at = self.settled_at.lock().unwrap_or_else(PoisonError::into_inner);
        let at = settled_at.unwrap_or(now).max(now);
        *settled_at = Some(at + EVERY);
        at.checked_sub(EVERY * (BURST - 1)).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_go_at_once_and_the_others_one_by_one() {
        let (pace, start) = (Pace::default(), Instant::now() + 60 * EVERY);
        assert!((0..BURST).all(|_| pace.next(start) == start));
        assert_eq!([1, 2, 3].map(|_| pace.next(start)), [1, 2, 3].map(|at| start + at * EVERY));
        let later = start + 100 * EVERY;
        assert!((0..BURST).all(|_| pace.next(later) == later));
        assert_eq!(pace.next(later), later + EVERY);
    }
}
