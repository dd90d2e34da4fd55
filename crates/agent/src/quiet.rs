//! A bound on how often the agent's own log says the same thing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often one place of the code may log what a guest or a client can trigger.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lets one message through in ten seconds and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Quiet {
    /// A fresh one, for a `static`.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State { last: None, suppressed: 0 }))
    }

    /// If the message may be logged now: how many were not since the last one.
    pub(crate) fn may(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

/// Logs a warning at a bounded rate per place in the code, with the number of those left out.
macro_rules! quiet_warn {
    ($($rest:tt)*) => {{
        static QUIET: $crate::quiet::Quiet = $crate::quiet::Quiet::new();
        if let Some(suppressed) = QUIET.may() {
            tracing::warn!(suppressed, $($rest)*);
        }
    }};
}
pub(crate) use quiet_warn;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_passes_and_the_rest_is_counted() {
        let (quiet, start) = (Quiet::new(), Instant::now());
        assert_eq!(quiet.at(start), Some(0));
        assert_eq!(quiet.at(start + Duration::from_secs(1)), None);
        assert_eq!(quiet.at(start + Duration::from_secs(9)), None);
        assert_eq!(quiet.at(start + INTERVAL), Some(2));
    }
}
