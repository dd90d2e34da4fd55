//! One request to a store, and what becomes of it.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use bus::client::{Client, Delivery};
use bus::sys::{AppendAnswer, append_subject};
use bytes::Bytes;
use tokio::task::{Id, JoinSet};
use tokio::time::timeout;

/// A message for the store of a shard.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// The shard.
    pub(super) shard: u8,
    /// The message.
    pub(super) message: Bytes,
    /// The bus is known not to take it.
    pub(super) is_too_long: bool,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The store has answered.
    Answer(AppendAnswer),
    /// Nobody listens on the subject.
    NobodyListens,
    /// No answer came in time.
    Silence,
    /// What came is no answer that this version reads.
    Nonsense,
    /// The connection was lost before the answer.
    Lost,
    /// The bus takes at most so many bytes.
    TooLong(usize),
}

impl Outcome {
    /// The outcome's name in the metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Answer(AppendAnswer::Acked { .. }) => "acked",
            Self::Answer(AppendAnswer::Busy { .. }) => "busy",
            Self::Answer(AppendAnswer::Rejected { .. }) => "rejected",
            Self::NobodyListens => "nobody",
            Self::Silence => "silence",
            Self::Nonsense => "nonsense",
            Self::Lost => "lost",
            Self::TooLong(_) => "too_long",
        }
    }

    /// What stands in the way of that shard's lines, for people; `None` if it is not the store that does.
    pub(super) fn sentence(&self, shard: u8) -> Option<String> {
        match self {
            Self::Answer(AppendAnswer::Busy { reason, .. }) => Some(format!("the store is busy: {reason}")),
            Self::NobodyListens => Some(format!("no store listens for shard {shard}")),
            Self::Silence => Some(format!("the store of shard {shard} does not answer")),
            Self::Nonsense => {
                Some(format!("the store of shard {shard} answers what this version does not read"))
            }
            Self::Answer(_) | Self::Lost | Self::TooLong(_) => None,
        }
    }
}

/// Requests that are on their way.
#[derive(Debug, Default)]
pub(super) struct Asks {
    tasks: JoinSet<Outcome>,
    /// Whose they are: a task that panics cannot say so itself.
    shards: HashMap<Id, u8>,
}

impl Asks {
    /// Starts one.
    pub(super) fn start(&mut self, shard: u8, asked: impl Future<Output = Outcome> + Send + 'static) {
        let id = self.tasks.spawn(asked).id();
        self.shards.insert(id, shard);
    }

    /// The next that has ended; `None` if none is on its way. It loses nothing when it is dropped.
    pub(super) async fn next(&mut self) -> Option<(u8, Outcome)> {
        let (id, outcome) = match self.tasks.join_next_with_id().await? {
            Ok(ended) => ended,
            Err(panicked) => (panicked.id(), Outcome::Lost),
        };
        self.shards.remove(&id).map(|shard| (shard, outcome))
    }
}

/// Asks, and waits for the answer for at most `within`.
pub(super) async fn ask(client: Client, ask: Ask, within: Duration) -> Outcome {
    if ask.is_too_long {
        let bytes = ask.message.len();
        let reason = format!("{bytes} bytes are more than the bus takes; raise its max_payload to 1 MiB");
        return Outcome::Answer(AppendAnswer::Rejected { code: "LA16".to_owned(), reason });
    }
    timeout(within, exchange(&client, &ask)).await.unwrap_or(Outcome::Silence)
}

async fn exchange(client: &Client, ask: &Ask) -> Outcome {
    let mut answers = match client.request_many(&append_subject(ask.shard), &ask.message).await {
        Ok(answers) => answers,
        Err(bus::Error::TooLong { max_bytes, .. }) => return Outcome::TooLong(max_bytes),
        Err(_) => return Outcome::Lost,
    };
    match answers.next().await {
        Some(Delivery::Message(message)) => {
            serde_json::from_slice(&message.payload).map_or(Outcome::Nonsense, Outcome::Answer)
        }
        Some(Delivery::NoResponders) => Outcome::NobodyListens,
        Some(Delivery::Interrupted { .. } | Delivery::Denied { .. }) | None => Outcome::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_whose_task_panics_is_answered_for_its_shard() {
        let mut asks = Asks::default();
        asks.start(7, async { panic!("a fault of the program") });
        assert_eq!(asks.next().await, Some((7, Outcome::Lost)));
        asks.start(8, async { Outcome::Silence });
        assert_eq!(asks.next().await, Some((8, Outcome::Silence)));
        assert_eq!(asks.next().await, None);
    }
}
