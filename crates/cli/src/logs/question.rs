//! A question to all agents for lines that they still have, and the answers.

use std::time::Duration;

use bus::client::{Client, Delivery, Subscription};
use bus::sys::{self, RecentEnd, RecentRequest};
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::item::Item;

/// How long the first word may take, and then each further one.
const SILENCE: Duration = Duration::from_secs(5);
/// How long other agents are waited for when the first has said all: twice what that took, within these bounds. Nobody
/// knows how many agents there are.
const LINGER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// What is being asked. Asking goes on in a task of its own: it waits for the bus, and the bus may wait until the lines
/// that came before are taken.
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// The question is on its way.
    Asking(JoinHandle<Option<Question>>),
    /// It is being answered.
    Open(Question),
}

impl Asked {
    /// Asks.
    pub(crate) fn ask(client: &Client, request: RecentRequest) -> Self {
        let client = client.clone();
        Self::Asking(tokio::spawn(async move { Question::ask(&client, &request).await }))
    }

    /// Whether nothing is being asked.
    pub(crate) const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// The next part of the answer; never, while nothing is asked. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Answer {
        loop {
            match self {
                Self::Nothing => std::future::pending().await,
                Self::Asking(asking) => match asking.await {
                    Ok(Some(question)) => *self = Self::Open(question),
                    _ => return Answer::Failed("the connection was lost"),
                },
                Self::Open(question) => return question.next().await,
            }
        }
    }
}

/// A question that is being answered.
pub(crate) struct Question {
    answers: Subscription,
    asked: Instant,
    until: Instant,
    promised: u64,
    received: u64,
    has_ended: bool,
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Some lines.
    Lines(Vec<Item>),
    /// An agent says something that the person should know.
    Note(String),
    /// That was all.
    Done,
    /// Nobody answered, or not all of it came.
    Failed(&'static str),
}

impl Question {
    /// Asks. `None` while there is no connection.
    async fn ask(client: &Client, request: &RecentRequest) -> Option<Self> {
        let payload = serde_json::to_vec(request).ok()?;
        let answers = client.request_many(sys::RECENT, &payload).await.ok()?;
        let asked = Instant::now();
        let until = asked + SILENCE;
        Some(Self { answers, asked, until, promised: 0, received: 0, has_ended: false })
    }

    /// The next part of the answer. Nothing is lost when the future is dropped. After `Done` and `Failed` comes nothing.
    async fn next(&mut self) -> Answer {
        match timeout_at(self.until, self.answers.next()).await {
            Ok(Some(Delivery::Message(message))) => self.read(&message.payload),
            Ok(Some(Delivery::NoResponders)) => Answer::Failed("no agent is on the bus"),
            Ok(Some(Delivery::Interrupted { .. })) => Answer::Failed("the connection was lost"),
            Ok(Some(Delivery::Denied { .. }) | None) => {
                Answer::Failed("the bus does not allow to ask for recent lines")
            }
            Err(_) if self.has_ended && self.received >= self.promised => Answer::Done,
            Err(_) if self.has_ended => Answer::Failed("not all lines of the answer came"),
            Err(_) => Answer::Failed("no agent answered"),
        }
    }

    fn read(&mut self, payload: &Bytes) -> Answer {
        let now = Instant::now();
        if let Ok(RecentEnd { end }) = serde_json::from_slice(payload) {
            self.promised += end.sent;
            if !self.has_ended {
                self.until = now + ((now - self.asked) * 2).clamp(LINGER.0, LINGER.1);
            }
            self.has_ended = true;
            return match end.error {
                Some(error) => Answer::Note(format!("host {} cannot give recent lines: {error}", end.host)),
                None => Answer::Lines(Vec::new()),
            };
        }
        if !self.has_ended {
            self.until = now + SILENCE;
        }
        let rows = payload.split(|byte| *byte == b'\n').filter(|row| !row.is_empty());
        let rows: Vec<_> = rows.map(|row| payload.slice_ref(row)).collect();
        self.received += rows.len() as u64;
        Answer::Lines(rows.into_iter().filter_map(Item::read).collect())
    }
}
