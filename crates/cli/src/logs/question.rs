//! A question to all agents for lines that they still have, and the answers, page by page.
//!
//! Nobody knows how many agents there are: the first page of each comes when it comes, and the others are waited for a little
//! after the first. One that is slower than that and holds lines of the same app is not heard this time; what it has is a
//! hole, or a boot that only a heartbeat names, and is asked for again. Further pages are asked of one host at a time, each
//! when the one before has been taken: an answer is never ahead of its reader by more than a page.

use std::collections::VecDeque;
use std::time::Duration;

use bus::client::{Client, Delivery, Subscription};
use bus::sys::{Page, RecentEnd, RecentRequest};
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::item::Item;
use super::neutral;
use super::stored;
use super::tail::Scope;
use crate::http::Server;

/// How long the first word may take, and then each further one.
const SILENCE: Duration = Duration::from_secs(5);
/// How long other agents are waited for when the first has said all: twice what that took, within these bounds.
const LINGER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// What is being asked. Asking goes on in a task of its own: it waits for the bus, and the bus may wait until the lines
/// that came before are taken.
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// The question is on its way.
    Asking(JoinHandle<Result<Question, Answer>>),
    /// It is being answered.
    Open(Box<Question>),
}

impl Asked {
    /// Asks on `subject`.
    pub(crate) fn ask(client: &Client, subject: &'static str, request: RecentRequest) -> Self {
        Self::page(client.clone(), subject, request, Rest::default())
    }

    /// Asks the store for its newest lines.
    pub(crate) fn store(server: Server, scope: Scope, n: usize) -> Self {
        Self::Asking(tokio::spawn(async move { Err(stored::newest(server, scope, n).await) }))
    }

    /// Asks for one page, and goes on with what remains.
    fn page(client: Client, subject: &'static str, request: RecentRequest, rest: Rest) -> Self {
        Self::Asking(tokio::spawn(Question::ask(client, subject, request, rest)))
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
                    Ok(Ok(question)) => *self = Self::Open(Box::new(question)),
                    Ok(Err(answer)) => return answer,
                    Err(_) => return lost(),
                },
                Self::Open(question) => match question.next().await {
                    Some(answer) => return answer,
                    None => *self = question.next_page(),
                },
            }
        }
    }
}

/// A question that is being answered.
pub(crate) struct Question {
    client: Client,
    subject: &'static str,
    request: RecentRequest,
    answers: Subscription,
    asked: Instant,
    until: Instant,
    promised: u64,
    received: u64,
    has_ended: bool,
    rest: Rest,
}

/// What goes over from page to page.
#[derive(Debug, Default)]
struct Rest {
    /// Pages that are still to be asked for.
    pages: VecDeque<Page>,
    /// Why an agent cannot give its lines: the answer is not whole, whatever the others say.
    error: Option<String>,
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
    /// All came but the lines of an agent that says why it cannot give them.
    Unable(String),
    /// The newest lines that the store has.
    Stored(Vec<Item>),
    /// The store gives none, and why, if there is one.
    NoStore(Option<String>),
    /// The bus does not let us ask.
    Denied(String),
}

fn lost() -> Answer {
    Answer::Failed("the connection was lost")
}

impl Question {
    /// Asks. Fails while there is no connection, and when the bus does not take the question.
    async fn ask(
        client: Client,
        subject: &'static str,
        request: RecentRequest,
        rest: Rest,
    ) -> Result<Self, Answer> {
        let payload = serde_json::to_vec(&request).map_err(|_| Answer::Failed("the question is no JSON"))?;
        let refused = client.violations();
        let answers = client.request_many(subject, &payload).await.map_err(|_| lost())?;
        // The bus says so behind all that waited for us: that time is not the agents'.
        client.flush().await.map_err(|_| lost())?;
        // Questions are all that is published here.
        if client.violations() > refused {
            return Err(Answer::Denied(format!("this login may not publish on {subject}")));
        }
        let asked = Instant::now();
        let until = asked + SILENCE;
        let (promised, received, has_ended) = (0, 0, false);
        Ok(Self { client, subject, request, answers, asked, until, promised, received, has_ended, rest })
    }

    /// Asks for the next page.
    fn next_page(&mut self) -> Asked {
        let request = RecentRequest { page: self.rest.pages.pop_front(), ..self.request.clone() };
        Asked::page(self.client.clone(), self.subject, request, std::mem::take(&mut self.rest))
    }

    /// The next part of the answer; `None` when there is a page to be asked for. Nothing is lost when the future is dropped.
    /// After [`Answer::Lines`] and [`Answer::Note`] comes more, after all others nothing.
    async fn next(&mut self) -> Option<Answer> {
        Some(match timeout_at(self.until, self.answers.next()).await {
            Ok(Some(Delivery::Message(message))) => self.read(&message.payload),
            Ok(Some(Delivery::NoResponders)) => Answer::Failed("no agent is on the bus"),
            Ok(Some(Delivery::Interrupted { .. }) | None) => lost(),
            Ok(Some(Delivery::Denied { reason })) => Answer::Denied(reason),
            Err(_) if !self.has_ended => Answer::Failed("no agent answered in 5 seconds"),
            Err(_) if self.received < self.promised => Answer::Failed("not all lines of the answer came"),
            Err(_) if !self.rest.pages.is_empty() => return None,
            Err(_) => self.rest.error.take().map_or(Answer::Done, Answer::Unable),
        })
    }

    fn read(&mut self, payload: &Bytes) -> Answer {
        let now = Instant::now();
        if let Ok(RecentEnd { end }) = serde_json::from_slice(payload) {
            self.promised += end.sent;
            if self.request.page.is_some() {
                // One host was asked, and has said all.
                self.until = now;
            } else if !self.has_ended {
                self.until = now + ((now - self.asked) * 2).clamp(LINGER.0, LINGER.1);
            }
            self.has_ended = true;
            let host = neutral::plain(&end.host);
            if let Some(error) = end.error {
                self.rest.error =
                    Some(format!("host {host} cannot give recent lines: {}", neutral::plain(&error)));
            }
            self.rest.pages.extend(end.more.map(|from| Page { host: end.host, from }));
            return if end.truncated {
                Answer::Note(format!("host {host}: older lines are no longer kept"))
            } else {
                Answer::Lines(Vec::new())
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
