//! Flushes that are asked for: each concerns the rows of all orgs, so that none may be had as often as one org likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::logs::{Failure, Logs};

/// How long after a flush has begun the next one may.
pub(crate) const BETWEEN: Duration = Duration::from_secs(10);

/// The last flush.
#[derive(Debug)]
struct Last {
    began: Instant,
    /// `None`: whoever asked for it has gone before its end.
    result: Option<Result<(), Failure>>,
}

/// Lets one flush begin in each [`BETWEEN`]; all who have come by then share it.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    /// How many have begun.
    begun: AtomicU64,
    last: Mutex<Option<Last>>,
}

impl Flushes {
    /// Flushes all rows that are in memory now, which may have to wait for a while.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn flush(&self, logs: &Arc<dyn Logs>) -> Result<(), Failure> {
        let before = self.begun.load(Ordering::Relaxed);
        // One after the other, in the order in which they came.
        let mut last = self.last.lock().await;
        if let Some(Last { began, result }) = &*last {
            // It began after this one was asked for: what was in memory then is in parts now.
            if self.begun.load(Ordering::Relaxed) > before
                && let Some(result) = result
            {
                return result.clone();
            }
            sleep_until(*began + BETWEEN).await;
        }
        *last = Some(Last { began: Instant::now(), result: None });
        self.begun.fetch_add(1, Ordering::Relaxed);
        let result = logs.flush().await;
        if let Some(last) = &mut *last {
            last.result = Some(result.clone());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Answer, Ask, Pending};

    /// Counts flushes, each of which takes a second; the second one fails.
    struct Slow(AtomicU64);

    impl Logs for Slow {
        fn query(&self, _: Ask) -> Answer {
            Answer::failed(Failure::Broken)
        }

        fn stores(&self) -> Result<Vec<line::Name>, Failure> {
            Ok(Vec::new())
        }

        fn flush(&self) -> Pending<Result<(), Failure>> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if count == 1 { Err(Failure::Broken) } else { Ok(()) }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_flushes_is_few() {
        let slow = Arc::new(Slow(AtomicU64::new(0)));
        let logs: Arc<dyn Logs> = slow.clone();
        let flushes = Arc::new(Flushes::default());
        let ask = || {
            let (flushes, logs) = (Arc::clone(&flushes), Arc::clone(&logs));
            tokio::spawn(async move { flushes.flush(&logs).await })
        };
        let began = Instant::now();
        let first = ask();
        tokio::time::sleep(Duration::from_millis(100)).await;
        // These come while the first one runs: it may not have what they mean.
        let many: Vec<_> = (0..100).map(|_| ask()).collect();
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        for one in many {
            assert_eq!(one.await.unwrap(), Err(Failure::Broken));
        }
        assert_eq!((began.elapsed(), slow.0.load(Ordering::Relaxed)), (BETWEEN + Duration::from_secs(1), 2));
        // Whoever goes away stops nobody.
        let gone = ask();
        let stays = ask();
        tokio::time::sleep(BETWEEN - Duration::from_millis(500)).await;
        gone.abort();
        assert_eq!(stays.await.unwrap(), Ok(()));
    }
}
