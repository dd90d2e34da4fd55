//! Whether the agent can do its work, for `/health` and for its own log: said once when it changes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::chain;
use crate::spool;

/// A live copy further behind than this is a fault.
const MAX_LAG: Duration = Duration::from_secs(60);

/// Lines that reach the store later than this are worth a word in the log.
const STORE_LAG: Duration = Duration::from_secs(5);

/// What is wrong at the moment.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    spool: Option<String>,
    refused: bool,
    lag: Duration,
    /// How late lines reach the store, and why, if that is late.
    store: Option<(Duration, String)>,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spool could not write.
    pub(crate) fn spool_fails(&self, why: &spool::Error) {
        let text = chain(why);
        let mut state = self.state();
        if state.spool.is_none() {
            let code = if matches!(why, spool::Error::Full { .. }) { "LA15" } else { "LA14" };
            tracing::error!(code, error = %text, "the spool cannot write, Machines keep their lines meanwhile");
        }
        state.spool = Some(text);
    }

    /// The spool has written.
    pub(crate) fn spool_works(&self) {
        if self.state().spool.take().is_some() {
            tracing::info!("the spool writes again");
        }
    }

    /// Whether the bus refuses lines.
    pub(crate) fn refuses(&self, refused: bool) {
        let before = std::mem::replace(&mut self.state().refused, refused);
        if refused && !before {
            tracing::error!(
                code = "LB02",
                "NATS does not take lines from this credential, they are spooled meanwhile"
            );
        } else if before && !refused {
            tracing::info!("NATS takes lines again");
        }
    }

    /// How long ago the oldest line was taken that is not out yet.
    pub(crate) fn lags(&self, lag: Duration) {
        self.state().lag = lag;
    }

    /// How long ago the oldest line was taken that the store does not have, and what is in the way.
    pub(crate) fn store_lags(&self, lag: Duration, why: &str) {
        let store = (lag > STORE_LAG).then(|| (lag, why.to_owned()));
        let before = std::mem::replace(&mut self.state().store, store);
        if before.is_none() && lag > STORE_LAG {
            tracing::warn!(code = "LA19", %why, "lines do not reach the store, they are spooled meanwhile");
        } else if before.is_some() && lag <= STORE_LAG {
            tracing::info!("the store has all lines again");
        }
    }

    /// The live copy's lag.
    pub(crate) fn lag(&self) -> Duration {
        self.state().lag
    }

    /// What is wrong, for people; `None` if all is well.
    pub(crate) fn fault(&self) -> Option<String> {
        let state = self.state();
        if let Some(spool) = &state.spool {
            return Some(format!("the spool cannot write: {spool}"));
        }
        if state.refused {
            return Some("NATS does not take lines from this credential: is it an agent's?".to_owned());
        }
        if let Some((lag, why)) = state.store.as_ref().filter(|(lag, _)| *lag > MAX_LAG) {
            return Some(format!("lines reach the store {} s late: {why}", lag.as_secs()));
        }
        let lag = state.lag;
        (lag > MAX_LAG).then(|| format!("live lines are {} s behind: is NATS reachable?", lag.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_there_until_it_is_mended() {
        let health = Health::default();
        assert_eq!(health.fault(), None);
        health.lags(Duration::from_secs(61));
        assert!(health.fault().is_some_and(|why| why.contains("61 s behind")));
        health.spool_fails(&spool::Error::Invalid("torn"));
        assert!(health.fault().is_some_and(|why| why.contains("torn")));
        health.spool_works();
        health.refuses(true);
        assert!(health.fault().is_some_and(|why| why.contains("credential")));
        health.refuses(false);
        health.lags(Duration::ZERO);
        health.store_lags(Duration::from_secs(60), "nobody listens");
        assert_eq!(health.fault(), None);
        health.store_lags(Duration::from_secs(61), "nobody listens");
        assert!(health.fault().is_some_and(|why| why.ends_with("61 s late: nobody listens")));
        health.store_lags(Duration::ZERO, "ok");
        assert_eq!(health.fault(), None);
    }
}
