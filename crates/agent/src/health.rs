//! Whether the agent can do its work, for `/health` and for its own log: said once when it changes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::chain;
use crate::spool;

/// A live copy further behind than this is a fault.
const MAX_LAG: Duration = Duration::from_secs(60);

/// What is wrong at the moment.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    spool: Option<String>,
    refused: bool,
    lag: Duration,
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
        assert_eq!(health.fault(), None);
    }
}
