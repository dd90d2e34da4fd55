//! The lines of a tail over HTTP, through every disconnect: a task reads, and goes on with the cursor of what came last.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::sse::Parser;
use super::word::{End, Word};
use crate::http::{Answer, Form, Server, Trouble};

/// How long a server may be silent, with a heartbeat each 15 s: two may be lost. The client adds some seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(35);
/// Words that wait to be written. When they do not fit, the connection is not read, and the server goes on from its store.
const WAITING: usize = 1024;
/// The wait before the first try to reconnect, and the longest one.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long who wants only what is stored tries to reconnect.
const GIVE_UP: Duration = Duration::from_secs(30);
/// What an end says that is no end for a reader: the server is going and comes back, or had no more time for this connection.
const COMES_BACK: [&str; 6] = ["come again", "going", "shutting", "shut down", "restart", "stopping"];

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) path: String,
    /// All arguments but the cursor.
    pub(super) form: Form,
    pub(super) cursor: Option<String>,
    /// Whether lines are wanted that do not exist yet.
    pub(super) follows: bool,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum Said {
    Word(Word),
    /// The connection is gone, and another one is tried.
    Lost(String),
    /// There is no answer, and there will be none.
    Failed(Trouble),
}

/// A tail that is being read. Dropped, the connection ends.
pub(super) struct Stream {
    said: mpsc::Receiver<Said>,
    task: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream {
    /// Reads on from an answer that has begun.
    pub(super) fn new(server: Server, question: Question, answer: Answer) -> Self {
        let (sender, said) = mpsc::channel(WAITING);
        let reader = Reader { server, question, sender, parser: Parser::default() };
        Self { said, task: tokio::spawn(reader.run(answer)) }
    }

    /// What comes next; `None` behind the end. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }

    /// The same without waiting.
    pub(super) fn try_next(&mut self) -> Option<Said> {
        self.said.try_recv().ok()
    }
}

impl Question {
    /// Asks.
    pub(super) async fn ask(&self, server: &Server) -> Result<Answer, Trouble> {
        let form = self.form.clone().with_some("resume", self.cursor.as_deref());
        server.get(&self.path, &form, "text/event-stream").await
    }
}

struct Reader {
    server: Server,
    question: Question,
    sender: mpsc::Sender<Said>,
    parser: Parser,
}

/// Why an answer came to its end.
enum Over {
    /// That was all.
    Done,
    /// Nobody listens any more.
    Unheard,
    /// There may be more.
    Lost(String),
}

impl Reader {
    async fn run(mut self, mut answer: Answer) {
        loop {
            let begun = Instant::now();
            let why = match self.read(&mut answer).await {
                Over::Done | Over::Unheard => return,
                Over::Lost(why) => why,
            };
            drop(answer);
            if self.sender.send(Said::Lost(why)).await.is_err() {
                return;
            }
            // Who was let in and cut at once is not to come back at once, for ever.
            let tries = u32::from(begun.elapsed() < WAIT.1);
            answer = match self.again(tries).await {
                Ok(answer) => answer,
                Err(trouble) => {
                    // Who listened has gone, which is as well.
                    let _ = self.sender.send(Said::Failed(trouble)).await;
                    return;
                }
            };
        }
    }

    /// Reads an answer to its end.
    async fn read(&mut self, answer: &mut Answer) -> Over {
        self.parser = Parser::default();
        loop {
            let line = match answer.event_line().await {
                Ok(Some(line)) => line,
                Ok(None) => return Over::Lost("the server ended the connection".to_owned()),
                Err(trouble) => return Over::Lost(said(&trouble)),
            };
            let Some(word) = self.parser.line(&line).and_then(Word::read) else { continue };
            if let Some(cursor) = word.cursor() {
                self.question.cursor = Some(cursor.to_owned());
            }
            let over = match &word {
                Word::End(end) if self.comes_back(end) => return Over::Lost(end.why.clone()),
                Word::End(_) => true,
                _ => false,
            };
            if self.sender.send(Said::Word(word)).await.is_err() {
                return Over::Unheard;
            }
            if over {
                return Over::Done;
            }
        }
    }

    fn comes_back(&self, end: &End) -> bool {
        end.code.is_none() && COMES_BACK.iter().any(|word| end.why.contains(word))
    }

    /// Another answer, however long it takes, unless the server says that there is none for us.
    async fn again(&mut self, mut tries: u32) -> Result<Answer, Trouble> {
        let begun = Instant::now();
        loop {
            sleep(wait(tries)).await;
            tries += 1;
            let trouble = match self.question.ask(&self.server).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            if !may_pass(&trouble) || (!self.question.follows && begun.elapsed() > GIVE_UP) {
                return Err(trouble);
            }
            if let Some(wait) = trouble.retry_after() {
                sleep(wait.min(WAIT.1)).await;
            }
        }
    }
}

/// The wait before a try: twice as long each time, and not the same for all who were cut at once.
fn wait(tries: u32) -> Duration {
    let full = WAIT.0.saturating_mul(1 << tries.min(16)).min(WAIT.1);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Whether the same question may be answered later.
fn may_pass(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Away(_) | Trouble::Broken(_) | Trouble::Partial(_) => true,
        Trouble::Tls(_) => false,
        Trouble::Refused { status, .. } => *status == 429 || *status >= 500,
    }
}

fn said(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Away(why) | Trouble::Broken(why) | Trouble::Tls(why) => why.clone(),
        Trouble::Partial(missing) => missing.join("; "),
        Trouble::Refused { status, .. } => format!("it answers {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fake::{Fake, events, refusal};

    fn line(seq: u64) -> String {
        format!(r#"id: c{seq}{}data: {{"message":"{seq}","timestamp":"2026-11-22T10:00:00Z"}}"#, "\n")
    }

    fn question(follows: bool) -> Question {
        let form = Form::new().with("lines", "9");
        Question { path: "/api/v1/apps/web/logs/tail".to_owned(), form, cursor: None, follows }
    }

    /// What is said, in short.
    async fn all(fake: &Fake, follows: bool) -> Vec<String> {
        let (server, question) = (fake.server(), question(follows));
        let answer = question.ask(&server).await.unwrap();
        let mut stream = Stream::new(server, question, answer);
        let mut all = Vec::new();
        while let Some(said) = stream.next().await {
            all.push(match said {
                Said::Word(Word::Line(item, _)) => item.message.message.clone(),
                Said::Word(Word::State(state)) => state.name,
                Said::Word(Word::Heartbeat(_)) => "heartbeat".to_owned(),
                Said::Word(Word::End(end)) => format!("end: {}", end.why),
                Said::Lost(_) => "lost".to_owned(),
                Said::Failed(trouble) => format!("failed: {}", said_status(&trouble)),
            });
        }
        all
    }

    fn said_status(trouble: &Trouble) -> u16 {
        match trouble {
            Trouble::Refused { status, .. } => *status,
            _ => 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_where_it_was_cut() {
        let going = "event: end\ndata: {\"why\":\"the server is going\",\"cursor\":\"c4\"}";
        let replies = [
            events(&[&line(1), &line(2)], false),
            String::new(),
            refusal(503, "Retry-After: 1\r\n", "busy"),
            events(&[&line(3), "event: heartbeat\ndata: {\"cursor\":\"c4\"}", going], true),
            events(&["event: end\ndata: {\"why\":\"until is reached\"}"], true),
        ];
        let fake = Fake::of(&replies).await;
        let wanted = ["1", "2", "lost", "3", "heartbeat", "lost", "end: until is reached"];
        assert_eq!(all(&fake, true).await, wanted);
        let paths: Vec<String> = fake.asked().iter().map(|asked| asked.path().to_owned()).collect();
        let path = "/api/v1/apps/web/logs/tail?lines=9";
        let resumed = |cursor: &str| format!("{path}&resume={cursor}");
        assert_eq!(paths, [path.to_owned(), resumed("c2"), resumed("c2"), resumed("c2"), resumed("c4")]);
        let head = fake.asked()[0].head.to_ascii_lowercase();
        assert!(head.starts_with("get ") && head.contains("\r\naccept: text/event-stream"), "{head}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_has_ended_does_not_come_back() {
        let fake = Fake::of(&[events(&[&line(1)], false), refusal(401, "", "")]).await;
        assert_eq!(all(&fake, true).await, ["1", "lost", "failed: 401"]);
        let ended = "event: end\ndata: {\"why\":\"the token has ended\",\"code\":\"LR13\"}";
        let fake = Fake::of(&[events(&[ended], true)]).await;
        assert_eq!(all(&fake, true).await, ["end: the token has ended"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_what_is_stored_does_not_wait_for_ever() {
        let fake = Fake::of(&[events(&[&line(1)], false)]).await;
        assert_eq!(all(&fake, false).await, ["1", "lost", "failed: 0"]);
    }

    #[test]
    fn waits_grow_and_differ() {
        let waits: Vec<Duration> = (0..20).map(wait).collect();
        assert!(waits[0] <= WAIT.0 && waits[19] <= WAIT.1 && waits[19] >= WAIT.1 / 2);
        assert!((0..20).map(|_| wait(9)).collect::<std::collections::HashSet<_>>().len() > 1);
    }
}
