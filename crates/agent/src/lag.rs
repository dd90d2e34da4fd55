//! How far what goes out is behind what came in.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::unix_ns;
use crate::context::Context;
use crate::live::Source;
use crate::spool::Pos;

/// Watches the age of the oldest line that is not out yet.
#[derive(Debug)]
pub(crate) struct Lag {
    context: Arc<Context>,
    /// The oldest batch not out as it was last seen: where it begins, and when the host took it.
    oldest: Option<(Pos, i64)>,
}

impl Lag {
    /// A watcher that has seen nothing.
    pub(crate) const fn new(context: Arc<Context>) -> Self {
        Self { context, oldest: None }
    }

    /// Looks for the live copy: see [`Lag::age`].
    pub(crate) async fn look(&mut self, source: &Source, out: Pos, taken: Option<i64>) {
        let lag = self.age(source, out, taken).await;
        self.context.health.lags(lag);
        self.context.metrics.lag.set(lag.as_secs_f64());
    }

    /// How long ago the oldest line was taken that is not out yet: everything before `out` is out; `taken` is when the batch
    /// after that was taken, if the caller knows.
    pub(crate) async fn age(&mut self, source: &Source, out: Pos, taken: Option<i64>) -> Duration {
        let taken = match (taken, self.oldest) {
            (Some(taken), _) => Some(taken),
            (None, _) if source.end() <= out => None,
            (None, Some((at, taken))) if at == out => Some(taken),
            (None, _) => self.taken_at(out).await,
        };
        self.oldest = taken.map(|taken| (out, taken));
        let lag = taken.map_or(0, |taken| unix_ns().saturating_sub(taken));
        Duration::from_nanos(u64::try_from(lag).unwrap_or(0))
    }

    async fn taken_at(&self, pos: Pos) -> Option<i64> {
        let reader = self.context.reader.clone();
        let read = tokio::task::spawn_blocking(move || reader.read(pos, 1)).await.ok()?.ok()?;
        read.batches.first().map(|batch| batch.time)
    }
}
