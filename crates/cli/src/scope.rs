//! Whose lines of what time: the options that search and export share.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use line::Name;
use query::time::{End, parse_arg};

use crate::exit::Exit;
use crate::fail::Fail;

/// The options that say whose lines.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ScopeArgs {
    /// Lines of this app
    #[arg(short, long)]
    pub(crate) app: Option<String>,
    /// Lines of this region only
    #[arg(short, long)]
    pub(crate) region: Option<String>,
    /// Lines of this Machine only
    #[arg(short, long, visible_alias = "machine", visible_short_alias = 'm', value_name = "INSTANCE")]
    pub(crate) instance: Option<String>,
}

impl ScopeArgs {
    fn named(&self) -> [(&'static str, Option<&String>); 3] {
        [("app", self.app.as_ref()), ("region", self.region.as_ref()), ("instance", self.instance.as_ref())]
    }

    /// As the server takes a filter on streams: a JSON object, which it reads as such, so that no value is a part of a query.
    ///
    /// # Errors
    /// When a name is none.
    pub(crate) fn filter(&self) -> Result<Option<String>> {
        let mut filter = serde_json::Map::new();
        for (what, raw) in self.named() {
            let Some(raw) = raw else { continue };
            match Name::new(what, raw) {
                Ok(name) => drop(filter.insert(what.to_owned(), name.as_str().into())),
                Err(error) => {
                    let fail = Fail::new(Exit::Usage, format!("--{what} cannot be used"));
                    return fail.code("LA12").why(error).err();
                }
            }
        }
        Ok((!filter.is_empty()).then(|| serde_json::Value::Object(filter).to_string()))
    }

    /// In words, with a blank before them: ` of app web, region lhr`.
    pub(crate) fn describe(&self) -> String {
        let named = self.named();
        let parts = named.iter().filter_map(|(what, name)| Some(format!("{what} {}", (*name)?)));
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() { String::new() } else { format!(" of {}", parts.join(", ")) }
    }
}

/// How far ahead of this clock that of who wrote a time may be, in nanoseconds.
const AHEAD: i64 = 60_000_000_000;

/// A range of time, Unix nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: i64,
    /// Not in it.
    pub(crate) to: i64,
}

impl Range {
    /// What `--since` and `--until` mean at the time `now`.
    ///
    /// # Errors
    /// When one is no time, the beginning is yet to come, or the end is not behind it.
    pub(crate) fn new(since: &str, until: Option<&str>, now: i64) -> Result<Self> {
        let from = moment("--since", since, now, End::Start)?;
        has_begun(from, now)?;
        let to = until.map_or(Ok(now), |until| moment("--until", until, now, End::End))?;
        Self { from, to }.checked()
    }

    /// The same if there is any time in it.
    ///
    /// # Errors
    /// When the end is not behind the beginning.
    pub(crate) fn checked(self) -> Result<Self> {
        if self.from < self.to {
            return Ok(self);
        }
        let (from, to) = (line::time::rfc3339(self.from), line::time::rfc3339(self.to));
        Fail::new(Exit::Usage, format!("--since ({from}) is not before --until ({to})"))
            .hint("give --since a time before --until; one without a zone is UTC, and 1h is an hour ago")
            .err()
    }

    /// How long it is, in nanoseconds.
    pub(crate) const fn nanos(self) -> i64 {
        self.to.saturating_sub(self.from)
    }
}

/// Whether there can be lines of the time from `since` on.
///
/// # Errors
/// When it is yet to come.
pub(crate) fn has_begun(since: i64, now: i64) -> Result<()> {
    if since <= now.saturating_add(AHEAD) {
        return Ok(());
    }
    let since = line::time::rfc3339(since);
    Fail::new(Exit::Usage, format!("--since ({since}) is yet to come"))
        .hint("a time without a zone is UTC, and 1h is an hour ago")
        .err()
}

/// What an option that is a time means.
///
/// # Errors
/// When it is none.
pub(crate) fn moment(option: &str, text: &str, now: i64, end: End) -> Result<i64> {
    match parse_arg(text.trim(), now, end) {
        Some(moment) => Ok(moment),
        None => Fail::new(Exit::Usage, format!("{option} {text:?} is no time"))
            .hint("give it as 15m, 3h or 7d (ago), 2026-11-22, 2026-11-22T10:00:00Z, or Unix seconds")
            .err(),
    }
}

/// The time, Unix nanoseconds.
pub(crate) fn now() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    i64::try_from(now.as_nanos()).context("the clock is beyond 2262")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::describe;

    #[test]
    fn times() {
        const SECOND: i64 = 1_000_000_000;
        let now = 1_700_000_000 * SECOND;
        let range = |since: &str, until: Option<&str>| Range::new(since, until, now);
        assert_eq!(range("1h", None).unwrap(), Range { from: now - 3600 * SECOND, to: now });
        assert_eq!(range("2h", Some("1h")).unwrap().nanos(), 3600 * SECOND);
        // An end that is a day is that whole day.
        let day = range("2023-11-01", Some("2023-11-01")).unwrap();
        assert_eq!(day.nanos(), 86_400 * SECOND);
        for (since, until, wanted) in [
            ("soon", None, "is no time"),
            ("1h", Some("2h"), "is not before --until"),
            ("1h", Some("never"), "is no time"),
            ("", None, "is no time"),
            ("2099-01-01", None, "is yet to come"),
            ("2099-01-01", Some("2099-01-02"), "is yet to come"),
        ] {
            let (text, exit) = describe(&range(since, until).unwrap_err());
            assert!(exit == Exit::Usage && text.contains(wanted) && text.contains("hint: "), "{text}");
        }
        assert!(has_begun(now + AHEAD, now).is_ok() && has_begun(now + AHEAD + 1, now).is_err());
    }

    #[test]
    fn names_are_values_and_never_a_part_of_a_query() {
        let scope = |app: &str| ScopeArgs { app: Some(app.to_owned()), ..ScopeArgs::default() };
        assert_eq!(ScopeArgs::default().filter().unwrap(), None);
        assert_eq!(scope("web").filter().unwrap().unwrap(), r#"{"app":"web"}"#);
        let odd = scope("a\" or *").filter().unwrap().unwrap();
        let object: serde_json::Value = serde_json::from_str(&odd).unwrap();
        assert!(object.as_object().is_some_and(|object| object.len() == 1), "{odd}");
        assert_eq!(scope("web").describe(), " of app web");
    }
}
