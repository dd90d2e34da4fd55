//! What a tail over HTTP is asked for: whose lines, which, of what time.

use anyhow::Result;
use line::subject;
use query::time::End;

use super::args::Args;
use super::stream::Question;
use super::tail::Scope;
use crate::http::Form;
use crate::scope::{Range, has_begun, moment};

/// Most recent lines that a tail may begin with.
pub(super) const MAX_LINES: u32 = 10_000;

/// From when until when, Unix nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
}

impl Times {
    /// What `--since` and `--until` mean at the time `now`.
    ///
    /// # Errors
    /// When one is no time, the beginning is yet to come, or the end is not behind it.
    pub(super) fn new(since: Option<&str>, until: Option<&str>, now: i64) -> Result<Self> {
        let since = since.map(|text| moment("--since", text, now, End::Start)).transpose()?;
        let until = until.map(|text| moment("--until", text, now, End::End)).transpose()?;
        if let (Some(since), Some(until)) = (since, until) {
            Range { from: since, to: until }.checked()?;
        }
        since.map_or(Ok(()), |since| has_begun(since, now))?;
        Ok(Self { since, until })
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_over(self, now: i64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The question for the lines of `scope` that pass `query`.
pub(super) fn question(
    args: &Args,
    scope: &Scope,
    times: Times,
    query: Option<&str>,
    follows: bool,
) -> Question {
    let text = |name: &Option<line::Name>| name.as_ref().map(|name| name.as_str().to_owned());
    let path = match &scope.app {
        Some(app) => format!("/api/v1/apps/{}/logs/tail", app.as_str()),
        None => "/api/v1/logs/tail".to_owned(),
    };
    let time = |time: Option<i64>| time.map(line::time::rfc3339);
    let lines = args.lines().map(|lines| lines.min(MAX_LINES).to_string());
    let form = match &scope.app {
        Some(_) => Form::new()
            .with_some("region", text(&scope.region).as_deref())
            .with_some("instance", text(&scope.instance).as_deref()),
        None => {
            let pattern = subject::client_pattern(None, scope.region.as_ref(), scope.instance.as_ref());
            Form::new().with("subject", &pattern)
        }
    };
    let form = form
        .with_some("query", query)
        .with_some("lines", lines.as_deref())
        .with_some("since", time(times.since).as_deref())
        .with_some("until", time(times.until).as_deref())
        .with("follow", if follows { "1" } else { "0" });
    Question { path, form, cursor: args.resume.clone(), follows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use line::{Name, OrgId};

    use crate::logs::door::Way;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn asked(line: &str) -> (String, String) {
        let args =
            Command::try_parse_from(std::iter::once("logs").chain(line.split_whitespace())).unwrap().args;
        let name = |what, text: &Option<String>| text.as_ref().map(|text| Name::new(what, text).unwrap());
        let scope = Scope {
            org: OrgId::mint(7),
            way: Way::Door,
            app: name("app", &args.app),
            region: name("region", &args.region),
            instance: name("instance", &args.machine),
        };
        let times = Times::new(args.since.as_deref(), args.until.as_deref(), 3_600_000_000_000).unwrap();
        let question = question(&args, &scope, times, args.query.as_deref(), !args.no_tail);
        (question.path, question.form.text().to_owned())
    }

    #[test]
    fn what_is_asked() {
        for (line, path, form) in [
            ("", "/api/v1/logs/tail", "subject=logs.%3E&lines=100&follow=1"),
            ("-r lhr -n", "/api/v1/logs/tail", "subject=logs.*.lhr.*&lines=100&follow=0"),
            ("-a web -i i1 --lines 5", "/api/v1/apps/web/logs/tail", "instance=i1&lines=5&follow=1"),
            ("-a web --query x", "/api/v1/apps/web/logs/tail", "query=x&lines=100&follow=1"),
            (
                "-a web --since 1h --until 30m",
                "/api/v1/apps/web/logs/tail",
                "since=1970-01-01T00%3A00%3A00.000000000Z&until=1970-01-01T00%3A30%3A00.000000000Z&follow=1",
            ),
            ("-a web --resume c.1", "/api/v1/apps/web/logs/tail", "follow=1"),
        ] {
            assert_eq!(asked(line), (path.to_owned(), form.to_owned()), "{line}");
        }
    }

    #[test]
    fn times() {
        let now = 10_000_000_000_000;
        let times = |since, until| Times::new(since, until, now);
        assert!(!times(Some("1h"), None).unwrap().is_over(now));
        assert!(times(None, Some("1s")).unwrap().is_over(now));
        assert!(!times(None, Some("2026-11-22")).unwrap().is_over(now));
        for (since, until) in [
            (Some("soon"), None),
            (None, Some("never")),
            (Some("1h"), Some("2h")),
            // Nothing is of a time that is yet to come, and what is live is not of it.
            (Some("2099-01-01"), None),
            (Some("2099-01-01"), Some("2099-01-02")),
        ] {
            assert!(times(since, until).is_err(), "{since:?} {until:?}");
        }
    }
}
