//! The usual way to the lines: a tail over HTTP. What the server says is written, how things stand is told on stderr, and the
//! end has a reason.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until, timeout};

use super::exit_wait::ExitWait;
use super::item::Item;
use super::known;
use super::local::Local;
use super::printer::Printer;
use super::stream::{Said, Stream};
use super::surrounding::Surrounding;
use super::word::{End, State, Word};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::{Server, Trouble};
use crate::output::{notice, reader_gone};
use crate::signals::Signals;

/// Words that are taken at once before lines are written.
const BATCH: usize = 512;
/// How long a tail may catch up before it is said.
const QUIET: Duration = Duration::from_secs(1);
/// How long may be looked for what a wrong name may have meant.
const SLIP: Duration = Duration::from_secs(2);

/// What of the lines that come is written.
pub(super) enum Choice {
    /// All: the server has chosen.
    All,
    /// Those that match here: others come too, as the end of an app is to be known.
    Matching(Local),
    /// Those that match, with what stands around them.
    Surrounded(Box<Surrounding>),
}

/// How a tail is read.
pub(super) struct Web {
    pub(super) server: Server,
    pub(super) printer: Printer,
    pub(super) choice: Choice,
    pub(super) exit: Option<ExitWait>,
    /// Whose lines, for notices.
    pub(super) whose: String,
    /// The app, if one was named.
    pub(super) app: Option<String>,
    /// Whether there is a time at which it ends.
    pub(super) has_end: bool,
    /// Whether to say at the end how to go on.
    pub(super) tells_cursor: bool,
    pub(super) progress: Progress,
}

/// Tells what a name may have meant of which there are no lines.
pub(crate) async fn slip(server: &Server, app: &str) {
    let known = timeout(SLIP, known::apps(server)).await;
    if let Some(hint) = known.ok().and_then(Result::ok).and_then(|known| known::slip(app, &known)) {
        notice(&hint);
    }
}

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Behind what was written.
    cursor: Option<String>,
    was_live: bool,
    is_lost: bool,
    /// What was told last, and what is to be told when it has lasted.
    told: String,
    to_tell: Option<(Instant, String)>,
}

impl Progress {
    /// Behind this cursor.
    pub(super) fn at(cursor: Option<String>) -> Self {
        Self { cursor, ..Self::default() }
    }
}

/// How it came to its end.
pub(super) enum Ended {
    /// For the person too.
    With(Exit),
    /// There is no store, and nothing was shown.
    Storeless(String),
}

impl Web {
    /// Reads to the end, which a signal may be.
    pub(super) async fn read(&mut self, mut stream: Stream, signals: &mut Signals) -> Result<Ended> {
        let mut reader_gone = std::pin::pin!(reader_gone());
        loop {
            let due = self.printer.due();
            let told_at = self.progress.to_tell.as_ref().map(|(at, _)| *at);
            tokio::select! {
                said = stream.next() => if let Some(ended) = self.all(said, &mut stream)? {
                    self.printer.finish()?;
                    return Ok(ended);
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.printer.release()?,
                () = sleep_until(told_at.unwrap_or_else(Instant::now)), if told_at.is_some() => self.tell_late(),
                () = &mut reader_gone => return Ok(Ended::With(Exit::Ok)),
                signal = signals.next() => {
                    self.printer.finish()?;
                    self.tell_end(signal);
                    return Ok(Ended::With(Exit::Ok));
                }
            }
            self.printer.flush()?;
        }
    }

    /// Takes what came, and what came with it.
    fn all(&mut self, first: Option<Said>, stream: &mut Stream) -> Result<Option<Ended>> {
        let (mut next, mut taken) = (first, 0);
        loop {
            taken += 1;
            let ended = match next {
                Some(Said::Word(word)) => self.word(word)?,
                Some(Said::Lost(why)) => self.lost(&why),
                Some(Said::Failed(trouble)) => return self.failed(&trouble).map(Some),
                None => return self.failed(&Trouble::Away("the reader has ended".to_owned())).map(Some),
            };
            if ended.is_some() || taken == BATCH {
                return Ok(ended);
            }
            match stream.try_next() {
                Some(said) => next = Some(said),
                None => return Ok(None),
            }
        }
    }

    fn word(&mut self, word: Word) -> Result<Option<Ended>> {
        if let Some(cursor) = word.cursor() {
            self.progress.cursor = Some(cursor.to_owned());
        }
        match word {
            Word::Line(item, _) => return self.line(&item),
            Word::State(state) => {
                // What is said of lines stands behind them.
                self.printer.release()?;
                self.printer.flush()?;
                return Ok(self.state(&state));
            }
            Word::Heartbeat(_) => {}
            Word::End(end) => return self.end(&end).map(Some),
        }
        Ok(None)
    }

    fn line(&mut self, item: &Item) -> Result<Option<Ended>> {
        if !self.exit.as_mut().is_none_or(|exit| exit.concerns(item)) {
            return Ok(None);
        }
        let span = item.message.entry.span;
        match &mut self.choice {
            Choice::All => self.printer.item(item, span)?,
            Choice::Matching(local) if !local.matches(item) => {}
            Choice::Matching(_) => self.printer.item(item, span)?,
            Choice::Surrounded(surrounding) => surrounding.take(item, &mut self.printer)?,
        }
        let Some(outcome) = self.exit.as_ref().and_then(|exit| exit.outcome(item)) else { return Ok(None) };
        self.printer.finish()?;
        outcome.map(|exit| Some(Ended::With(exit)))
    }

    fn state(&mut self, state: &State) -> Option<Ended> {
        let why = state.why.as_deref().map_or(String::new(), |why| format!(" ({why})"));
        match state.name.as_str() {
            "live" => self.live(),
            "catching-up" => self.tell_if_it_lasts(format!(
                "◌ catching up{why}: lines come faster than they are read; none is left out"
            )),
            "store-only" => {
                self.tell_if_it_lasts(format!(
                    "◌ the bus is away{why}: lines come from the store, a little later"
                ));
            }
            "store-away" if !self.progress.was_live && self.printer.lines() == 0 => {
                return Some(Ended::Storeless(state.why.clone().unwrap_or_default()));
            }
            "store-away" => {
                self.tell_if_it_lasts(format!("◌ the store is away{why}: what it has comes when it is back"));
            }
            _ => self.lets_go_of_lost(),
        }
        None
    }

    /// It is live, perhaps again.
    fn live(&mut self) {
        self.progress.to_tell = None;
        let is_again = std::mem::replace(&mut self.progress.was_live, true);
        let was_lost = std::mem::take(&mut self.progress.is_lost);
        let is_told = !std::mem::take(&mut self.progress.told).is_empty();
        if is_again {
            if was_lost || is_told {
                notice("● live again");
            }
        } else if self.printer.lines() == 0 {
            notice(&format!("● live: connected, no logs yet of {}", self.whose));
            self.guess();
        } else {
            notice(&format!("● live: {}", self.whose));
        }
    }

    /// Whether the name of an app is a slip: that is looked up beside the tail.
    fn guess(&self) {
        if let Some(app) = self.app.clone() {
            let server = self.server.clone();
            tokio::spawn(async move { slip(&server, &app).await });
        }
    }

    fn lets_go_of_lost(&mut self) {
        if std::mem::take(&mut self.progress.is_lost) {
            self.progress.told = "◌ connected again".to_owned();
        }
    }

    fn lost(&mut self, why: &str) -> Option<Ended> {
        if !std::mem::replace(&mut self.progress.is_lost, true) {
            notice(&format!("◌ reconnecting: what is missed meanwhile will be fetched ({why})"));
        }
        self.progress.to_tell = None;
        None
    }

    fn tell_if_it_lasts(&mut self, what: String) {
        self.lets_go_of_lost();
        if self.progress.told != what && self.progress.to_tell.is_none() {
            self.progress.to_tell = Some((Instant::now() + QUIET, what));
        }
    }

    fn tell_late(&mut self) {
        if let Some((_, what)) = self.progress.to_tell.take() {
            notice(&what);
            self.progress.told = what;
        }
    }

    /// The server's last word.
    fn end(&mut self, end: &End) -> Result<Ended> {
        self.printer.finish()?;
        if let Some(code) = end.code.as_deref().and_then(line::codes::find) {
            let fail = Fail::new(Exit::Refused, "■ ended").code(code.code).why(&end.why);
            return fail.err();
        }
        self.tell_end(&end.why);
        Ok(Ended::With(if self.has_end { Exit::Ok } else { Exit::Disconnected }))
    }

    fn tell_end(&self, why: &str) {
        let cursor = self.progress.cursor.as_deref().filter(|_| self.tells_cursor);
        let how = cursor.map_or(String::new(), |cursor| format!("; go on with --resume {cursor}"));
        notice(&format!("■ ended: {why}{how}"));
    }

    fn failed(&mut self, trouble: &Trouble) -> Result<Ended> {
        self.printer.finish()?;
        self.tell_end("the server does not let us go on");
        trouble.fail(self.server.address()).err()
    }
}
