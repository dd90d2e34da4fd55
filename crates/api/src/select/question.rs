//! The arguments that all questions have in common, and the way to the store.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use line::{Name, OrgId};
use query::time::{End as TimeEnd, parse_arg};
use query::{Block, Confinement, Filter, Query, extra_filters, extra_stream_filters};

use tokio::time::{Sleep, sleep};

use super::aside;
use super::hidden::Hidden;
use crate::args::{Args, short};
use crate::limits::{Kind, Place};
use crate::logs::{ALL_POSITIONS, Answer, Ask, End, Failure, Piece};
use crate::reply::{Refused, Reply, query_error, refusal_of, set_header};
use crate::serve::{Api, Asked};

/// The header of an answer that is not whole, with what is missing.
pub(crate) const PARTIAL: &str = "logway-partial";
/// How much later than the store we ourselves give up: it knows better what to say.
const GRACE: Duration = Duration::from_secs(2);
/// Most bytes of what is gathered before it is written.
const MAX_GATHERED_BYTES: usize = 64 << 20;

/// A question that is read and not asked yet.
#[derive(Debug)]
pub(crate) struct Question {
    /// What is asked. Whatever is done to it, [`Question::begin`] confines it at last.
    pub(crate) query: Query,
    /// The text, to point into when something is wrong with it.
    pub(crate) text: String,
    /// What relative times mean, Unix nanoseconds.
    pub(crate) now: i64,
    /// Whether an answer that is not whole is better than none; `None`: the request does not say.
    pub(crate) allows_partial: Option<bool>,
    limits: Confinement,
    hidden: Hidden,
    timeout: Duration,
    /// Where it stands among the queries until it is asked.
    place: Option<Place>,
}

/// All rows of an answer.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) blocks: Vec<Block>,
    pub(crate) missing: Vec<String>,
    /// Until the answer is written, which for a long one is work too.
    pub(crate) place: Place,
}

/// Most extra filters.
const MAX_EXTRA: usize = 8;
/// Most regular expressions in all of them together, as many as a query may have.
const MAX_EXTRA_REGEXPS: usize = 32;

/// That filters have no more regular expressions than may be.
fn must_be_few(filters: &[Filter]) -> Result<(), Refused> {
    if filters.iter().map(Filter::regexps).sum::<usize>() <= MAX_EXTRA_REGEXPS {
        return Ok(());
    }
    Err(Refused::bad(format!(
        "LQ04: the extra filters have more than {MAX_EXTRA_REGEXPS} regular expressions: join them into fewer"
    )))
}

impl Question {
    /// Reads what all questions have. To prepare a long query takes long: that is done aside, while the request keeps its place.
    pub(crate) async fn read(api: &Api, asked: &mut Asked) -> Result<Self, Refused> {
        let (args, now, most) = (Arc::clone(&asked.args), asked.now, api.limits.query_time);
        let (limits, place) = (own_limits(asked), asked.place.take());
        aside(move || Self::of(&args, now, most, limits, place)).await
    }

    /// One of our own, which no argument changes. `text` has in quotes what clients said. What is found is given though it may not be
    /// all: whoever asks has to look at what is missing.
    pub(crate) fn own(api: &Api, asked: &mut Asked, text: String) -> Result<Self, Refused> {
        let query =
            query::parse(&text, asked.now).map_err(|error| Refused::bad(query_error(&error, &text)))?;
        Ok(Self {
            query,
            text,
            now: asked.now,
            allows_partial: Some(true),
            limits: own_limits(asked),
            hidden: Hidden::default(),
            timeout: api.limits.query_time,
            place: asked.place.take(),
        })
    }

    fn of(
        args: &Args,
        came: i64,
        most: Duration,
        mut limits: Confinement,
        place: Option<Place>,
    ) -> Result<Self, Refused> {
        let text = args.get("query").ok_or_else(|| {
            Refused::bad("LQ01: the argument 'query' is missing: give it in the URL or in a form")
        })?;
        let moment = |name: &'static str, end| match args.get(name) {
            None => Ok(None),
            Some(text) => match parse_arg(text, came, end) {
                Some(time) => Ok(Some(time)),
                None => Err(Refused::bad(format!(
                    "the argument {name}={} is no time, as 2026-11-22T10:00:00Z, 1795341600 or -5m are",
                    short(text)
                ))),
            },
        };
        let (start, end) = (moment("start", TimeEnd::Start)?, moment("end", TimeEnd::End)?);
        let now = moment("time", TimeEnd::End)?.or(end).unwrap_or(came);
        let mut query = query::parse(text, now).map_err(|error| Refused::bad(query_error(&error, text)))?;
        if args.is_on("ignore_pipes") {
            query.pipes.clear();
        }
        if start.is_some() || end.is_some() {
            query.add_time(start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
        }
        let count = args.all("extra_filters").chain(args.all("extra_stream_filters")).count();
        if count > MAX_EXTRA {
            let text =
                format!("LQ04: {count} extra filters, at most {MAX_EXTRA} are taken: join them with AND");
            return Err(Refused::bad(text));
        }
        let said = |error: query::Error| Refused::bad(format!("{}: {error}", error.code()));
        for text in args.all("extra_filters").filter(|text| !text.trim().is_empty()) {
            limits.filters.push(extra_filters(text, now).map_err(said)?);
            must_be_few(&limits.filters)?;
        }
        for text in args.all("extra_stream_filters").filter(|text| !text.trim().is_empty()) {
            limits.filters.push(extra_stream_filters(text, now).map_err(said)?);
            must_be_few(&limits.filters)?;
        }
        let allows_partial = args.get("allow_partial_response").map(|_| args.is_on("allow_partial_response"));
        let allows_partial = allows_partial.or(query.options.allow_partial_response);
        let hidden = Hidden::read(args)?;
        let timeout = timeout(args.get("timeout"), most)?;
        Ok(Self { query, text: text.to_owned(), now, allows_partial, limits, hidden, timeout, place })
    }

    /// Puts pipes behind those that there are. `text` is our own, with what clients said in quotes.
    pub(crate) fn push_pipes(&mut self, text: &str) -> Result<(), Refused> {
        let whole = format!("* | {text}");
        let parsed = query::parse(&whole, self.now);
        let parsed = parsed.map_err(|error| Refused::bad(query_error(&error, &whole)))?;
        self.query.pipes.extend(parsed.pipes);
        Ok(())
    }

    /// Whose rows are asked for.
    pub(crate) const fn org(&self) -> &OrgId {
        &self.limits.org
    }

    /// The query as it may be run: fields that are hidden are not there, and rows that may not be seen are not either. This
    /// comes last, so that nothing else can take it away.
    pub(crate) async fn confined(&self) -> Result<Query, Refused> {
        let (mut query, hidden, limits) = (self.query.clone(), self.hidden.clone(), self.limits.clone());
        let confine = move || {
            hidden.hide(&mut query)?;
            query.confine(&limits);
            query.hoist();
            Ok(query)
        };
        // To hide fields may take to prepare filters once more.
        if self.hidden.is_empty() { confine() } else { aside(confine).await }
    }

    /// Asks the store. The place goes with the answer.
    pub(crate) async fn begin(&mut self, api: &Api) -> Result<Asking, Refused> {
        let query = self.confined().await?;
        let place = match self.place.take() {
            Some(place) => place,
            None => api.gate.enter(Kind::Query, self.org()).await?,
        };
        let deadline = Instant::now() + self.timeout;
        let ask = Ask {
            org: self.org().clone(),
            query,
            now: self.now,
            deadline,
            state_bytes: api.limits.state_bytes,
            store: None,
            pos: ALL_POSITIONS,
        };
        let answer = api.logs.query(ask);
        let late = Box::pin(sleep(self.timeout + GRACE));
        Ok(Asking { answer, late, timeout: self.timeout, place })
    }

    /// Asks the store, and waits for the whole answer.
    pub(crate) async fn gather(&mut self, api: &Api) -> Result<Gathered, Refused> {
        let mut asking = self.begin(api).await?;
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        loop {
            match asking.next().await {
                Ok(Piece::Rows(block)) => {
                    bytes += block.bytes();
                    must_fit(bytes)?;
                    blocks.push(block);
                }
                Ok(Piece::End(end)) => {
                    note_end(api, &end);
                    return self.judge(blocks, end.missing, asking.place);
                }
                Err(failure) => return Err(refusal_of(&failure, &self.text)),
            }
        }
    }

    /// A sum over a part of the rows looks like one over all: it is given only to those who say that they want it.
    fn judge(&self, blocks: Vec<Block>, missing: Vec<String>, place: Place) -> Result<Gathered, Refused> {
        if missing.is_empty() || self.allows_partial == Some(true) {
            return Ok(Gathered { blocks, missing, place });
        }
        let text = format!(
            "the answer would not be whole: {}; with allow_partial_response=1 it is given nevertheless",
            missing.join("; ")
        );
        Err(Refused::later(hyper::StatusCode::SERVICE_UNAVAILABLE, text, Duration::from_secs(1)))
    }
}

impl Gathered {
    /// Marks a reply that is made of it.
    pub(crate) fn mark(&self, reply: Reply) -> Reply {
        mark(reply, &self.missing)
    }
}

/// Marks a reply that lacks something.
pub(crate) fn mark(mut reply: Reply, missing: &[String]) -> Reply {
    if !missing.is_empty() {
        let words: String =
            missing.join("; ").chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
        set_header(&mut reply, PARTIAL, &words);
    }
    reply
}

/// A question that was asked.
#[derive(Debug)]
pub(crate) struct Asking {
    answer: Answer,
    /// When to wait no longer.
    late: Pin<Box<Sleep>>,
    timeout: Duration,
    place: Place,
}

impl Asking {
    /// The next piece, in time.
    pub(crate) async fn next(&mut self) -> Result<Piece, Failure> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, for those who poll.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        if let Poll::Ready(piece) = self.answer.poll_next(cx) {
            return Poll::Ready(piece.unwrap_or(Err(Failure::Broken)));
        }
        let late = self.late.as_mut().poll(cx);
        late.map(|()| Err(Failure::Deadline { after: self.timeout }))
    }
}

/// What an entry of a map takes beside its bytes, nearly.
pub(crate) const ENTRY_BYTES: usize = 64;

/// That an answer of so many bytes is not too long to be put together.
pub(crate) fn must_fit(bytes: usize) -> Result<(), Refused> {
    if bytes > MAX_GATHERED_BYTES { Err(too_many_groups()) } else { Ok(()) }
}

/// The refusal of an answer that is too long to be put together.
fn too_many_groups() -> Refused {
    Refused::bad(
        "LQ05: the answer has more groups than are given at once: narrow the filter or the time, take a longer step, or group by \
         fewer fields",
    )
}

/// Counts what an answer cost.
pub(crate) fn note_end(api: &Api, end: &End) {
    api.counts.scanned_rows.fetch_add(end.scanned_rows, Ordering::Relaxed);
    api.counts.scanned_bytes.fetch_add(end.scanned_bytes, Ordering::Relaxed);
    if !end.missing.is_empty() {
        api.counts.partial_answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the token allows to see.
pub(crate) fn own_limits(asked: &Asked) -> Confinement {
    let grant = &asked.caller.grant;
    let names = |names: &Option<BTreeSet<Name>>| names.clone();
    let scope = &grant.scope;
    Confinement {
        org: grant.org.clone(),
        apps: names(&scope.apps),
        regions: names(&scope.regions),
        instances: names(&scope.instances),
        filters: Vec::<Filter>::new(),
    }
}

/// How long a query may take: what was said, and no more than `most`.
fn timeout(text: Option<&str>, most: Duration) -> Result<Duration, Refused> {
    let Some(text) = text else { return Ok(most) };
    let nanos = query::number::duration(text).or_else(|| seconds(text)).filter(|nanos| *nanos > 0);
    let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok());
    let nanos = nanos.ok_or_else(|| {
        Refused::bad(format!("the argument timeout={} is no time span, as 4.2s is", short(text)))
    })?;
    Ok(Duration::from_nanos(nanos).min(most))
}

/// A number of seconds without a unit, in nanoseconds.
#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let seconds: f64 = text.parse().ok()?;
    seconds.is_finite().then_some((seconds * 1e9) as i64)
}
