//! The steps of `logway logs`: subscribe, ask for recent lines, show them, then go on live and fill every hole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bus::client::{Client, Delivery, Status, Subscription};
use bus::sys::{self, Heartbeat, Mark, RecentRequest};
use line::{Boot, Name, OrgId, subject};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::door::Way;
use super::history::History;
use super::item::Item;
use super::printer::Printer;
use super::question::{Answer, Asked};
use super::stitch::{Ask, Limits, Show, Source, Stitch};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::http::Server;
use crate::login;
use crate::output::{notice, reader_gone};
use crate::signals::Signals;

/// How long to wait before the agents are asked for the first time again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How often holes are looked at while there are any.
const TICK: Duration = Duration::from_millis(50);
/// How long the first answer is tried for.
const FIRST_ANSWER: Duration = Duration::from_secs(3);
/// Lines that are taken at once before they are written.
const BATCH: usize = 512;
/// Of how many recent lines the newest that pass a filter are chosen.
const FILTERED_LINES: usize = 20_000;

/// Whose lines.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) org: OrgId,
    pub(crate) way: Way,
    pub(crate) app: Option<Name>,
    pub(crate) region: Option<Name>,
    pub(crate) instance: Option<Name>,
}

impl Scope {
    fn pattern(&self) -> String {
        let (app, region, instance) = (self.app.as_ref(), self.region.as_ref(), self.instance.as_ref());
        match self.way {
            Way::Bus => subject::inner_pattern(&self.org, app, region, instance),
            Way::Door => subject::client_pattern(app, region, instance),
        }
    }

    fn request(&self) -> RecentRequest {
        let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
        RecentRequest {
            org: self.org.to_string(),
            app: text(&self.app),
            region: text(&self.region),
            instance: text(&self.instance),
            ..RecentRequest::default()
        }
    }

    fn has(&self, mark: &sys::HeartbeatMark) -> bool {
        let is = |name: &Option<Name>, text: &str| name.as_ref().is_none_or(|name| name.as_str() == text);
        mark.org == self.org.as_str()
            && is(&self.app, &mark.app)
            && is(&self.region, &mark.region)
            && is(&self.instance, &mark.mark.instance)
    }

    /// As the store takes a filter on streams; `None`: all of the org.
    pub(super) fn filter(&self) -> Option<String> {
        let parts = [("app", &self.app), ("region", &self.region), ("instance", &self.instance)];
        let named = parts.into_iter().filter_map(|(what, name)| Some((what.to_owned(), name.as_ref()?)));
        let filter: serde_json::Map<_, _> = named.map(|(what, name)| (what, name.as_str().into())).collect();
        (!filter.is_empty()).then(|| serde_json::Value::Object(filter).to_string())
    }

    /// In words, for a notice.
    pub(crate) fn describe(&self) -> String {
        let parts = [("app", &self.app), ("region", &self.region), ("instance", &self.instance)];
        let named: Vec<_> =
            parts.iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?))).collect();
        if named.is_empty() { "all apps".to_owned() } else { named.join(", ") }
    }
}

/// A tail at work.
pub(crate) struct Tail {
    client: Client,
    scope: Scope,
    /// How many recent lines.
    lines: usize,
    printer: Printer,
    stitch: Stitch<Item>,
    show: Vec<Show<Item>>,
    begun: Instant,
    /// Who is asked for recent lines first, until it was.
    store: Option<Server>,
    /// The store has given its lines: the agents have only the newest ones to add.
    has_stored: bool,
    /// Recent lines that are being collected; `None` once they are shown.
    history: Option<History>,
    question: Asked,
    ask_at: Instant,
    /// When a recent line came last, and why none did since.
    progress_at: Instant,
    last_failure: &'static str,
    /// Since when an agent is unable to give its recent lines, and why.
    unable: Option<(Instant, String)>,
    /// What agents said that the person knows by now.
    notes: HashSet<String>,
    is_connected: bool,
    is_live: bool,
}

impl Tail {
    /// A tail over a client that is connected. `now` is the time of the wall, Unix nanoseconds.
    pub(crate) fn new(client: Client, scope: Scope, lines: usize, printer: Printer, now: i64) -> Self {
        let begun = Instant::now();
        Self {
            client,
            scope,
            lines,
            printer,
            stitch: Stitch::new(now, Limits::TAIL),
            show: Vec::new(),
            begun,
            store: None,
            has_stored: false,
            history: Some(History::new(lines)),
            question: Asked::Nothing,
            ask_at: begun,
            progress_at: begun,
            last_failure: "no agent answered",
            unable: None,
            notes: HashSet::new(),
            is_connected: true,
            is_live: false,
        }
    }

    /// The same with a store to be asked first.
    pub(crate) fn with_store(self, store: Option<Server>) -> Self {
        Self { store, ..self }
    }

    /// Shows recent lines and ends.
    pub(crate) async fn recent(mut self, mut signals: Signals) -> Result<Exit> {
        while self.history.is_some() {
            self.ask();
            tokio::select! {
                answer = self.question.next() => self.answer(answer)?,
                () = sleep(TICK), if self.question.is_nothing() => {}
                _ = signals.next() => return Ok(Exit::Interrupted),
            }
            if self.history.is_some() && self.question.is_nothing() && self.waited_enough() {
                self.show_history()?;
                if self.has_stored {
                    notice("note: no agent answered; lines of the last second may be missing");
                    break;
                }
                return match self.unable {
                    Some((_, why)) => unable(&why).err(),
                    None => no_agent(self.last_failure).err(),
                };
            }
        }
        self.flush()?;
        self.client.close().await;
        Ok(Exit::Ok)
    }

    /// Shows recent lines, then live ones until a signal comes.
    pub(crate) async fn follow(mut self, mut signals: Signals) -> Result<Exit> {
        self.is_live = true;
        let (mut beats, mut lines) = tokio::select! {
            subscriptions = self.subscribe() => subscriptions?,
            _ = signals.next() => return Ok(Exit::Interrupted),
        };
        let mut status = self.client.status();
        status.mark_unchanged();
        // One clock for all turns: traffic must not put off what is due.
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reader_gone = std::pin::pin!(reader_gone());
        let why = loop {
            self.ask();
            tokio::select! {
                delivery = lines.next() => match delivery {
                    Some(delivery) => self.deliveries(delivery, &mut lines)?,
                    None => break "the bus closed the subscription".to_owned(),
                },
                Some(delivery) = beats.next() => self.heartbeat(&delivery),
                answer = self.question.next() => self.answer(answer)?,
                _ = ticks.tick(), if self.is_waiting() => self.stitch.tick(self.begun.elapsed(), &mut self.show),
                Ok(()) = status.changed() => self.status(&mut status)?,
                () = &mut reader_gone => return Ok(Exit::Ok),
                signal = signals.next() => {
                    self.stitch.finish(self.begun.elapsed(), &mut self.show);
                    self.flush()?;
                    notice(&format!("■ ended: {signal}"));
                    return Ok(Exit::Ok);
                }
            }
            self.flush()?;
        };
        notice(&format!("■ ended: {why}"));
        Ok(Exit::Disconnected)
    }

    /// Heartbeats and lines.
    async fn subscribe(&self) -> Result<(Subscription, Subscription)> {
        // The lines come last: from then on they must be taken, or nothing else would get through.
        let beats = self.client.subscribe(&self.scope.way.marks(), None).await?;
        let lines = self.client.subscribe(&self.scope.pattern(), None).await?;
        Ok((beats, lines))
    }

    /// Whether recent lines were tried for long enough: since the last one came, or since an agent became unable to give
    /// its own, as those of the others may come for ever.
    fn waited_enough(&self) -> bool {
        let since = self.unable.as_ref().map_or(self.progress_at, |(since, _)| *since);
        since.elapsed() > if self.has_stored { FIRST_ANSWER / 3 } else { FIRST_ANSWER }
    }

    /// Whether something is to be done soon even if nothing comes.
    fn is_waiting(&self) -> bool {
        self.stitch.is_waiting() || (self.history.is_some() && self.question.is_nothing())
    }

    fn flush(&mut self) -> Result<()> {
        self.printer.show(&self.show)?;
        self.show.clear();
        self.printer.finish()
    }

    /// Takes a delivery and those that wait behind it.
    fn deliveries(&mut self, first: Delivery, lines: &mut Subscription) -> Result<()> {
        let mut next = Some(first);
        for _ in 0..BATCH {
            match next {
                Some(Delivery::Message(message)) => {
                    if let Some(item) = Item::read(message.payload) {
                        self.item(item)?;
                    }
                }
                Some(Delivery::Interrupted { .. }) => self.interrupted(),
                Some(Delivery::Denied { reason }) => return self.scope.way.denied(&reason).err(),
                Some(Delivery::NoResponders) => {}
                None => break,
            }
            next = lines.try_next();
        }
        Ok(())
    }

    /// A line that came, live or in answer to a question about a hole.
    fn item(&mut self, item: Item) -> Result<()> {
        match item.source() {
            // We were too slow, and agents still have these: they are a hole like any other.
            Some(source) if item.is_for_slow_reader() => {
                let next_seq = item.message.entry.next_seq();
                self.stitch.mark(self.begun.elapsed(), &source, next_seq, &mut self.show);
            }
            Some(source) => {
                self.stitch.record(self.begun.elapsed(), item.into_record(source), &mut self.show);
            }
            // Of a message without an id nobody can say whether it was shown.
            None => self.printer.item(&item, 1)?,
        }
        Ok(())
    }

    fn interrupted(&mut self) {
        self.question = Asked::Nothing;
        self.stitch.interrupted(self.begun.elapsed());
    }

    fn heartbeat(&mut self, delivery: &Delivery) {
        let Delivery::Message(message) = delivery else { return };
        let Ok(beat) = serde_json::from_slice::<Heartbeat>(&message.payload) else { return };
        for mark in beat.marks.iter().filter(|mark| self.scope.has(mark)) {
            let Ok(boot) = Boot::parse(&mark.mark.boot) else { continue };
            let [instance, app, region] =
                [&mark.mark.instance, &mark.app, &mark.region].map(|text| Arc::from(text.as_str()));
            let source = Source { instance, boot, app, region };
            self.stitch.mark(self.begun.elapsed(), &source, mark.mark.next_seq, &mut self.show);
        }
    }

    /// Asks what there is to ask, one question at a time.
    fn ask(&mut self) {
        if !self.question.is_nothing() || !self.is_connected || Instant::now() < self.ask_at {
            return;
        }
        let mut request = self.scope.request();
        let mark = |(source, next_seq): (Source, u64)| Mark {
            instance: source.instance.to_string(),
            boot: source.boot.to_string(),
            next_seq,
        };
        if let Some(history) = &self.history {
            let n = match self.lines {
                0 => 0,
                lines if self.printer.filter().is_open() => lines,
                _ => FILTERED_LINES,
            };
            if let Some(server) = self.store.clone().filter(|_| n > 0) {
                self.question = Asked::store(server, self.scope.clone(), n);
                return;
            }
            request.after = history.marks().into_iter().map(mark).collect();
            request.n = Some(u32::try_from(n).unwrap_or(u32::MAX));
        } else {
            let Some(Ask { after, since }) = self.stitch.ask(self.begun.elapsed()) else { return };
            (request.after, request.since) = (after.into_iter().map(mark).collect(), Some(since));
        }
        self.question = Asked::ask(&self.client, self.scope.way.recent(), request);
    }

    fn answer(&mut self, answer: Answer) -> Result<()> {
        let now = self.begun.elapsed();
        match (answer, &mut self.history) {
            (Answer::Lines(items), Some(history)) => {
                if !items.is_empty() {
                    self.progress_at = Instant::now();
                }
                items.into_iter().for_each(|item| history.add(item, self.printer.filter()));
            }
            (Answer::Lines(items), None) => {
                for item in items {
                    self.item(item)?;
                }
            }
            (Answer::Stored(items), history) => {
                (self.store, self.has_stored, self.progress_at) = (None, true, Instant::now());
                self.question = Asked::Nothing;
                if let Some(history) = history {
                    items.into_iter().for_each(|item| history.add(item, self.printer.filter()));
                }
            }
            (Answer::NoStore(why), _) => {
                (self.store, self.progress_at, self.question) = (None, Instant::now(), Asked::Nothing);
                if let Some(why) = why {
                    self.note(format!("note: recent lines come from the agents alone: {why}"));
                }
            }
            // That an agent has no older lines is no news where the store has them.
            (Answer::Note(_), Some(_)) if self.has_stored => {}
            (Answer::Note(note), _) => self.note(note),
            (Answer::Denied(reason), _) => return self.scope.way.denied(&reason).err(),
            (Answer::Done, Some(_)) => self.begin()?,
            (Answer::Done, None) => {
                self.question = Asked::Nothing;
                self.stitch.answered(now, &mut self.show);
            }
            (Answer::Failed(why), Some(_)) => {
                self.last_failure = why;
                self.failed(why)?;
            }
            (Answer::Unable(why), Some(_)) => {
                let since = self.unable.take().map_or_else(Instant::now, |(since, _)| since);
                self.unable = Some((since, why.clone()));
                self.failed(&why)?;
            }
            (Answer::Failed(_), None) => {
                self.question = Asked::Nothing;
                self.stitch.unanswered(now, &mut self.show);
            }
            (Answer::Unable(why), None) => {
                self.note(why);
                self.question = Asked::Nothing;
                self.stitch.unanswered(now, &mut self.show);
            }
        }
        Ok(())
    }

    /// Recent lines did not come, or not all: they are asked for again, but a tail does not wait for them for ever.
    fn failed(&mut self, why: &str) -> Result<()> {
        self.question = Asked::Nothing;
        self.ask_at = Instant::now() + ASK_AGAIN;
        if self.waited_enough() && self.is_live {
            notice(&format!("◌ no recent lines yet: {why}"));
            // As after an interruption: what comes meanwhile is fetched when an agent answers.
            self.stitch.interrupted(self.begun.elapsed());
            self.begin()?;
        }
        Ok(())
    }

    /// Tells what an agent says, once. Of an agent that says ever new things no more than this is told.
    fn note(&mut self, note: String) {
        const MAX_NOTES: usize = 64;
        if self.notes.len() < MAX_NOTES && self.notes.insert(note.clone()) {
            notice(&note);
        }
    }

    /// The recent lines are there: shows them, and then whatever came live meanwhile.
    fn begin(&mut self) -> Result<()> {
        self.question = Asked::Nothing;
        let is_empty = self.show_history()?;
        let whose = self.scope.describe();
        match (self.is_live, is_empty) {
            (true, true) => notice(&format!("● live: connected, no logs yet of {whose}")),
            (true, false) => notice(&format!("● live: {whose}")),
            (false, true) => {
                notice(&format!("no lines yet of {whose} (if that is a surprise, check the name)"))
            }
            (false, false) => {}
        }
        if self.is_live {
            self.stitch.begin(self.begun.elapsed(), &mut self.show);
        }
        Ok(())
    }

    /// Shows the recent lines that came, and says whether there were none.
    fn show_history(&mut self) -> Result<bool> {
        let items = self.history.take().map_or_else(Vec::new, |history| history.finish(&mut self.stitch));
        for item in &items {
            self.printer.item(item, item.message.entry.span)?;
        }
        self.printer.finish()?;
        Ok(items.is_empty())
    }

    fn status(&mut self, status: &mut watch::Receiver<Status>) -> Result<()> {
        let is_connected = match &*status.borrow_and_update() {
            Status::Connected { .. } => true,
            Status::Connecting { .. } | Status::Closed => false,
            // A token that has ended does not come back.
            Status::Refused { reason }
                if self.scope.way == Way::Door && login::tls_code(reason).is_none() =>
            {
                return token_ended().err();
            }
            Status::Refused { reason } => {
                notice(&format!("◌ {} ({reason}); trying again", self.scope.way.refuses()));
                false
            }
        };
        match (self.is_connected, is_connected) {
            (true, false) => notice("◌ reconnecting: what is missed meanwhile will be fetched"),
            (false, true) => notice("● live again"),
            _ => {}
        }
        self.is_connected = is_connected;
        Ok(())
    }
}

fn no_agent(why: &str) -> Fail {
    Fail::new(Exit::Disconnected, "no agent gave recent lines")
        .code("LA17")
        .why(why)
        .hint("start an agent with 'logway up', or wait until it has started")
}

fn token_ended() -> Fail {
    Fail::new(Exit::Refused, "the front door does not let this token in any more").code("LR13")
}

fn unable(why: &str) -> Fail {
    Fail::new(Exit::Disconnected, "not all recent lines came")
        .why(why)
        .hint("look at what 'logway up' says on that host, then ask again")
}
