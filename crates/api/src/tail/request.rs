//! What a tail is asked for.

use std::collections::BTreeSet;

use hyper::HeaderMap;
use line::{Level, Name};
use query::time::{End as TimeEnd, parse_arg};
use query::{Confinement, Filter, Query};

use super::batch::Sieve;
use super::cursor::{Cursor, Sight};
use crate::args::{Args, must_have_begun, short};
use crate::reply::{Refused, query_error};
use crate::select::open_end;

/// Lines of history unless it is said.
pub(super) const LINES: usize = 100;
/// Most that may be asked for.
const MAX_LINES: usize = 10_000;

/// In which form lines are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`.
    Ndjson,
}

impl Format {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// What the argument `format` says, or else the header Accept.
    fn read(args: &Args, headers: &HeaderMap) -> Result<Self, Refused> {
        match args.get("format") {
            Some("sse") => Ok(Self::Sse),
            Some("ndjson" | "json") => Ok(Self::Ndjson),
            Some(other) => Err(Refused::bad(format!("format={} is none: give sse or ndjson", short(other)))),
            None => {
                let accept =
                    headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or_default();
                Ok(if accept.contains("text/event-stream") { Self::Sse } else { Self::Ndjson })
            }
        }
    }
}

/// Whose lines a path names. `None`: of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) app: Option<Name>,
    pub(crate) region: Option<Name>,
    pub(crate) instance: Option<Name>,
}

impl Whose {
    /// What a pattern of NATS means: `logs.>`, or four tokens of which the last ones may be `>`.
    pub(crate) fn of_subject(subject: &str) -> Result<Self, Refused> {
        let bad = || {
            Refused::bad(format!(
                "subject={} is none of logs.<app>.<region>.<instance>, with * for any one and > for the rest: give logs.> for all lines",
                short(subject)
            ))
        };
        let mut tokens = subject.split('.');
        if tokens.next() != Some("logs") {
            return Err(bad());
        }
        let mut names = [None, None, None];
        for (what, slot) in ["app", "region", "instance"].into_iter().zip(&mut names) {
            match tokens.next().ok_or_else(bad)? {
                ">" if tokens.clone().next().is_none() => break,
                "*" => {}
                token if token.is_empty() || token.contains(['*', '>']) => return Err(bad()),
                token => *slot = Some(Name::new(what, token).map_err(|_| bad())?),
            }
        }
        let [app, region, instance] = names;
        if tokens.next().is_some() { Err(bad()) } else { Ok(Self { app, region, instance }) }
    }
}

/// A request, read and checked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) format: Format,
    /// Newest lines of history; `None`: all since [`Request::since`].
    pub(crate) lines: Option<usize>,
    /// Unix nanoseconds.
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    /// Whether to go on with what comes.
    pub(crate) follows: bool,
    pub(crate) cursor: Option<Cursor>,
    /// For stores: confined, with gap records beside what is asked for.
    pub(crate) query: Query,
    /// For what comes.
    pub(crate) sieve: Sieve,
}

impl Request {
    /// Reads arguments and headers. `limits` is what the token allows, and `now` when it was asked, Unix nanoseconds.
    pub(crate) fn read(
        args: &Args,
        headers: &HeaderMap,
        limits: &Confinement,
        whose: &Whose,
        now: i64,
    ) -> Result<Self, Refused> {
        let format = Format::read(args, headers)?;
        let since = moment(args, "since", now, TimeEnd::Start)?;
        if let Some(since) = since {
            must_have_begun(args.get("since").unwrap_or_default(), since, now)?;
        }
        let until = moment(args, "until", now, TimeEnd::End)?;
        let is_past = until.is_some_and(|until| until <= now);
        let (content, scope) = (content(args, now)?, scope(args, limits, whose)?);
        let mut open = content.clone();
        if let Some(filter) = &mut open {
            open_end(filter, now);
        }
        let said =
            |error: query::Error| Refused::bad(query_error(&error, args.get("query").unwrap_or_default()));
        let asked = |filter: Option<Filter>| -> Result<Query, Refused> {
            let mut query = query::parse("*", now).map_err(said)?;
            query.filter = filter.unwrap_or(Filter::All);
            Ok(query)
        };
        let mut query = asked(match content.clone() {
            None => None,
            Some(content) => {
                let gaps = query::parse("gap.reason:*", now).map_err(said)?.filter;
                Some(Filter::Or(vec![content, gaps]))
            }
        })?;
        if since.is_some() || until.is_some() {
            query.add_time(since.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX));
        }
        query.confine(&scope);
        let mut live = asked(None)?;
        if let Some(until) = until {
            live.add_time(i64::MIN, until);
        }
        live.confine(&scope);
        let sight = Sight::of(limits, whose.app.is_some());
        let sieve = Sieve {
            key: format!("{scope:?} {sight:?} {open:?} {until:?}").into(),
            sight,
            scope: live.predicate().map_err(said)?,
            content: open.map(|filter| asked(Some(filter))?.predicate().map_err(said)).transpose()?,
        };
        let follows = !is_past && args.get("follow").is_none_or(|_| args.is_on("follow"));
        let cursor = cursor(args, headers)?;
        let lines = lines(args, since.is_some())?;
        Ok(Self { format, lines, since, until, follows, cursor, query, sieve })
    }
}

fn moment(args: &Args, name: &'static str, now: i64, end: TimeEnd) -> Result<Option<i64>, Refused> {
    let Some(text) = args.get(name) else { return Ok(None) };
    parse_arg(text, now, end).map(Some).ok_or_else(|| {
        Refused::bad(format!(
            "the argument {name}={} is no time, as 2026-11-22T10:00:00Z, 1795341600 or -5m are",
            short(text)
        ))
    })
}

fn lines(args: &Args, has_since: bool) -> Result<Option<usize>, Refused> {
    match args.get("lines") {
        None if has_since => Ok(None),
        None => Ok(Some(LINES)),
        Some(text) => match text.parse().ok().filter(|&lines| lines <= MAX_LINES) {
            Some(lines) => Ok(Some(lines)),
            None => Err(Refused::bad(format!(
                "lines={} is no number of at most {MAX_LINES}: for more give since, without lines",
                short(text)
            ))),
        },
    }
}

/// What the header `Last-Event-ID` says, which browsers send when they come again, or else the argument.
fn cursor(args: &Args, headers: &HeaderMap) -> Result<Option<Cursor>, Refused> {
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.filter(|text| !text.is_empty()).or_else(|| args.get("resume")) else {
        return Ok(None);
    };
    Cursor::read(text).map(Some).ok_or_else(|| {
        Refused::bad(format!(
            "the cursor {} is none that a tail has given, or only a part of one: begin anew with since",
            short(text)
        ))
    })
}

/// What lines have to say: the arguments query, level, provider and stream.
fn content(args: &Args, now: i64) -> Result<Option<Filter>, Refused> {
    let mut filters = Vec::new();
    if let Some(text) = args.get("query") {
        let query = query::parse(text, now).map_err(|error| Refused::bad(query_error(&error, text)))?;
        if !query.pipes.is_empty() {
            let text =
                "LQ01: a tail takes a filter: leave out the pipes, or ask /select/logsql/query with them";
            return Err(Refused::bad(text));
        }
        filters.push(query.filter);
    }
    if let Some(text) = args.get("level") {
        filters.push(Filter::one_of("level", levels(text)?));
    }
    for (field, known) in [
        ("provider", &["app", "runner", "proxy", "import"][..]),
        ("stream", &["stdout", "stderr", "init", "agent"]),
    ] {
        let Some(text) = args.get(field) else { continue };
        let values: Vec<_> = text.split(',').map(str::to_owned).collect();
        if let Some(other) = values.iter().find(|value| !known.contains(&value.as_str())) {
            let text = format!("{field}={} is none: give of {}", short(other), known.join(", "));
            return Err(Refused::bad(text));
        }
        filters.push(Filter::one_of(field, values));
    }
    filters.retain(|filter| *filter != Filter::All);
    Ok((!filters.is_empty()).then(|| Filter::all(filters)))
}

/// `warn`, `>=warn`, or a list of levels.
fn levels(text: &str) -> Result<Vec<String>, Refused> {
    let bad = || {
        Refused::bad(format!(
            "level={} is none: give debug, info, warn or error, some of them with commas between, or '>=warn'",
            short(text)
        ))
    };
    let word = text.trim_start_matches(['<', '>', '=']);
    let sign = &text[..text.len() - word.len()];
    let mut levels = Vec::new();
    for word in word.split(',') {
        levels.push(Level::from_word(word.trim()).ok_or_else(bad)?);
    }
    let keep = |level: &Level| match (sign, levels.as_slice()) {
        ("" | "=", some) => Ok(some.contains(level)),
        (">=", [one]) => Ok(level >= one),
        (">", [one]) => Ok(level > one),
        ("<=", [one]) => Ok(level <= one),
        ("<", [one]) => Ok(level < one),
        _ => Err(bad()),
    };
    let mut names = Vec::new();
    for level in Level::ALL {
        if keep(&level)? {
            names.push(level.as_str().to_owned());
        }
    }
    if names.is_empty() { Err(bad()) } else { Ok(names) }
}

/// What may be seen, and of that whose lines are asked for.
fn scope(args: &Args, limits: &Confinement, whose: &Whose) -> Result<Confinement, Refused> {
    let mut scope = limits.clone();
    let named = |name: &Option<Name>| name.clone().map(|name| BTreeSet::from([name]));
    let listed = |what: &'static str| -> Result<Option<BTreeSet<Name>>, Refused> {
        let Some(text) = args.get(what) else { return Ok(None) };
        let name = |text: &str| Name::new(what, text).map_err(|error| Refused::bad(error.to_string()));
        text.split(',').map(name).collect::<Result<_, _>>().map(Some)
    };
    let sets = [
        (&mut scope.apps, named(&whose.app), None),
        (&mut scope.regions, named(&whose.region), listed("region")?),
        (&mut scope.instances, named(&whose.instance), listed("instance")?),
    ];
    for (limit, by_path, by_argument) in sets {
        for asked in [by_path, by_argument].into_iter().flatten() {
            *limit = Some(match limit.take() {
                Some(allowed) => &allowed & &asked,
                None => asked,
            });
        }
    }
    Ok(scope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use line::OrgId;

    fn read(url: &str) -> Result<Request, String> {
        let args = Args::read(url, b"").unwrap();
        let limits = Confinement::org(OrgId::new("k3f9").unwrap());
        let now = 1_795_341_600_000_000_000;
        Request::read(&args, &HeaderMap::new(), &limits, &Whose::default(), now)
            .map_err(|refused| refused.text)
    }

    #[test]
    fn subjects() {
        let name = |text: &str| Some(Name::new("x", text).unwrap());
        for (text, wanted) in [
            ("logs.>", Some((None, None, None))),
            ("logs.web.>", Some((name("web"), None, None))),
            ("logs.web.*.i1", Some((name("web"), None, name("i1")))),
            ("logs.*.lhr.>", Some((None, name("lhr"), None))),
            ("logs.a.b.c", Some((name("a"), name("b"), name("c")))),
            ("logs", None),
            ("logs.", None),
            ("logs.a", None),
            ("logs.a.b.c.d", None),
            ("logs.a.b.c.>", None),
            ("logs.>.a", None),
            ("logs.a*.b.c", None),
            ("o.k3f9.logs.a.b.c", None),
            (">", None),
            ("", None),
        ] {
            let found = Whose::of_subject(text).ok().map(|whose| (whose.app, whose.region, whose.instance));
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn lines_and_times() {
        let of = |url| read(url).map(|request| (request.lines, request.follows)).unwrap();
        assert_eq!(of(""), (Some(100), true));
        assert_eq!(of("lines=0"), (Some(0), true));
        assert_eq!(of("since=-1h"), (None, true));
        assert_eq!(of("since=-1h&lines=5&follow=0"), (Some(5), false));
        // Clocks differ.
        assert_eq!(of("since=now%2B60s"), (None, true));
        assert_eq!(of("until=-1h"), (Some(100), false));
        assert_eq!(of("until=2099-01-01Z&follow=1"), (Some(100), true));
        for (url, wanted) in [
            ("lines=x", "is no number"),
            ("lines=10001", "give since"),
            ("since=yesterday", "is no time"),
            ("since=2099-01-01Z", "is yet to come: give a time that was"),
            ("since=now%2B61s&follow=0", "is yet to come"),
            ("format=xml", "sse or ndjson"),
            ("resume=1AAAA", "begin anew"),
            ("query=*|limit+1", "leave out the pipes"),
            ("query=app:(", "LQ01"),
            ("level=loud", "give debug"),
            ("level=>error", "give debug"),
            ("level=>=warn,error", "give debug"),
            ("provider=me", "give of app"),
            ("stream=x", "give of stdout"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(wanted), "{url}: {error}");
        }
    }

    #[test]
    fn levels_alone_in_lists_and_in_ranges() {
        for (text, wanted) in [
            ("warn", "warn"),
            (">=warn", "warn error"),
            (">warn", "error"),
            ("<=info", "debug info"),
            ("<info", "debug"),
            ("info,error", "info error"),
        ] {
            assert_eq!(levels(text).unwrap().join(" "), wanted, "{text}");
        }
    }

    #[test]
    fn what_a_token_allows_is_never_more() {
        let limits = Confinement {
            apps: Some(BTreeSet::from([Name::new("app", "web").unwrap()])),
            ..Confinement::org(OrgId::new("k3f9").unwrap())
        };
        let whose = Whose { app: Some(Name::new("app", "db").unwrap()), ..Whose::default() };
        let args = Args::read("region=lhr", b"").unwrap();
        let found = scope(&args, &limits, &whose).unwrap();
        assert_eq!(found.apps, Some(BTreeSet::new()));
        assert_eq!(found.regions, Some(BTreeSet::from([Name::new("region", "lhr").unwrap()])));
    }
}
