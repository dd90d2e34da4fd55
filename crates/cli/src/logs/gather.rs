//! What is stored up to now, and what is on its way there: a tail is read until it has been quiet for a moment.
//!
//! A line is heard of, or is in the store, some milliseconds after its app wrote it. Whoever asks right behind an app that has
//! ended means its last words too.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use line::Boot;
use tokio::time::{Instant, sleep_until};

use super::item::Item;
use super::stream::{Said, Stream};
use super::word::Word;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::Server;
use crate::output::notice;

/// How long nothing must have come; how long if nothing came at all; and after which time it is over all the same.
const QUIET: Duration = Duration::from_millis(250);
const NOTHING: Duration = Duration::from_millis(400);
const MOST: Duration = Duration::from_secs(2);
/// How long a store that is away is waited for.
const STORE_AWAY: Duration = Duration::from_secs(10);

/// What was gathered beside the lines.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Behind them.
    pub(super) cursor: Option<String>,
    /// Why some may be missing.
    pub(super) away: Option<String>,
    pub(super) lines: u64,
}

impl Gathered {
    /// Whether there is no store to be had.
    pub(super) fn storeless(&self) -> Option<&str> {
        self.away.as_deref().filter(|_| self.lines == 0)
    }

    /// The error of an answer in which lines may be missing.
    pub(super) fn check(&self) -> Result<()> {
        let Some(why) = &self.away else { return Ok(()) };
        Fail::new(Exit::Partial, "not all recent lines came")
            .why(why)
            .hint("ask again in a while; what 'logway up' says there may help")
            .err()
    }
}

/// When it is over.
struct Watch {
    live: Option<Instant>,
    /// When the last line came.
    last: Option<Instant>,
    away: Option<Instant>,
}

impl Watch {
    fn end(&self) -> Option<Instant> {
        let quiet = self.live.map(|live| match self.last {
            Some(last) => (last.max(live) + QUIET).min(live + MOST),
            None => live + NOTHING,
        });
        let away = self.away.map(|away| away + STORE_AWAY);
        quiet.into_iter().chain(away).min()
    }
}

/// Reads `stream` until nothing more is to be expected, and gives each line to `sink`.
pub(super) async fn gather(
    stream: &mut Stream,
    server: &Server,
    mut sink: impl FnMut(Item) -> Result<()> + Send,
) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let mut watch = Watch { live: None, last: None, away: None };
    loop {
        let end = watch.end();
        let said = tokio::select! {
            said = stream.next() => said,
            () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(gathered),
        };
        let word = match said {
            Some(Said::Word(word)) => word,
            Some(Said::Lost(why)) => {
                notice(&format!("◌ reconnecting: what is missed meanwhile will be fetched ({why})"));
                watch = Watch { live: None, last: None, away: None };
                continue;
            }
            Some(Said::Failed(trouble)) => return trouble.fail(server.address()).err(),
            None => return Ok(gathered),
        };
        if let Some(cursor) = word.cursor() {
            gathered.cursor = Some(cursor.to_owned());
        }
        match word {
            Word::Line(item, _) => {
                (gathered.lines, watch.last) = (gathered.lines + 1, Some(Instant::now()));
                sink(*item)?;
            }
            Word::State(state) => {
                watch.state(&state.name);
                if state.name == "store-away" {
                    gathered.away = Some(state.why.unwrap_or_else(|| "the store is away".to_owned()));
                    if gathered.lines == 0 {
                        return Ok(gathered);
                    }
                }
            }
            Word::End(end) => match end.code.as_deref().and_then(line::codes::find) {
                Some(code) => return Fail::new(Exit::Refused, end.why).code(code.code).err(),
                None => return Ok(gathered),
            },
            Word::Heartbeat(_) => {}
        }
    }
}

impl Watch {
    fn state(&mut self, name: &str) {
        let now = Instant::now();
        match name {
            "live" | "store-only" => (self.live, self.away) = (self.live.or(Some(now)), None),
            "store-away" => self.away = self.away.or(Some(now)),
            _ => self.live = None,
        }
    }
}

/// What lines are sorted by, and known by.
type Place = (i64, String, Option<Boot>, u64);

/// The newest lines of those that come in whatever order, each once.
#[derive(Debug)]
pub(super) struct Newest {
    n: usize,
    lines: BTreeMap<Place, Item>,
}

impl Newest {
    /// At most `n`.
    pub(super) const fn new(n: usize) -> Self {
        Self { n, lines: BTreeMap::new() }
    }

    /// Takes a line.
    pub(super) fn add(&mut self, item: Item) {
        let (message, entry) = (&item.message, &item.message.entry);
        let place = (entry.time, message.instance.clone(), message.boot, entry.seq);
        self.lines.insert(place, item);
        if self.lines.len() > self.n {
            self.lines.pop_first();
        }
    }

    /// All of them, oldest first.
    pub(super) fn into_lines(self) -> Vec<Item> {
        self.lines.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Form;
    use crate::http::fake::{Fake, events};
    use crate::logs::stream::Question;

    fn line(seq: u64, second: u64) -> String {
        format!(
            "id: c{seq}\ndata: {{\"message\":\"{seq}\",\"timestamp\":\"2026-11-22T10:00:{second:02}Z\",\"logway\":{{\"boot\":\"019a0c3f2b7c0001\",\"seq\":{seq}}}}}"
        )
    }

    async fn gathered(events: String) -> Result<(Vec<String>, Gathered)> {
        let fake = Fake::of(&[events]).await;
        let form = Form::new();
        let question = Question { path: "/x".to_owned(), form, cursor: None, follows: false };
        let answer = question.ask(&fake.server()).await.unwrap();
        let mut stream = Stream::new(fake.server(), question, answer);
        let (mut newest, server) = (Newest::new(2), fake.server());
        let add = |item| {
            newest.add(item);
            Ok(())
        };
        let gathered = gather(&mut stream, &server, add).await?;
        let texts = newest.into_lines().into_iter().map(|item| item.message.message);
        Ok((texts.collect(), gathered))
    }

    #[tokio::test]
    async fn the_newest_of_what_is_stored_and_of_what_came_late() {
        let live = "event: state\ndata: {\"state\":\"live\",\"cursor\":\"c8\"}";
        let end = "event: end\ndata: {\"why\":\"all\",\"cursor\":\"c9\"}";
        let (texts, gathered) =
            gathered(events(&[&line(1, 1), &line(2, 5), live, &line(3, 4), end], true)).await.unwrap();
        assert_eq!((texts, gathered.cursor.as_deref()), (vec!["3".to_owned(), "2".to_owned()], Some("c9")));
        assert!(gathered.check().is_ok() && gathered.storeless().is_none());
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_named() {
        let away = "event: state\ndata: {\"state\":\"store-away\",\"why\":\"s2\"}";
        let (_, none) = gathered(events(&[away], true)).await.unwrap();
        assert_eq!(none.storeless(), Some("s2"));
        let end = "event: end\ndata: {\"why\":\"all\"}";
        let (_, some) = gathered(events(&[&line(1, 1), away, end], true)).await.unwrap();
        assert!(some.storeless().is_none());
        let (text, exit) = crate::fail::describe(&some.check().unwrap_err());
        assert!(exit == Exit::Partial && text.contains("s2"), "{text}");
        let ended = "event: end\ndata: {\"why\":\"ended\",\"code\":\"LR13\"}";
        assert!(gathered_code(ended).await.contains("LR13"));
    }

    async fn gathered_code(end: &str) -> String {
        crate::fail::describe(&gathered(events(&[end], true)).await.unwrap_err()).0
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_it_has_been_quiet() {
        let mut watch = Watch { live: None, last: None, away: None };
        assert_eq!(watch.end(), None);
        watch.state("live");
        let live = watch.live.unwrap();
        assert_eq!(watch.end(), Some(live + NOTHING));
        watch.last = Some(live);
        assert_eq!(watch.end(), Some(live + QUIET));
        watch.last = Some(live + MOST);
        assert_eq!(watch.end(), Some(live + MOST));
        watch.state("catching-up");
        assert_eq!(watch.end(), None);
        watch.state("store-away");
        assert_eq!(watch.end(), Some(live + STORE_AWAY));
    }
}
