//! The language from outside: what VictoriaLogs and the Grafana plugin for it mean by a query is what is meant here.

mod conformance;
mod grafana;
mod hostile;
mod limits;
mod printing;

use query::{Predicate, Row};

/// 2026-11-22T10:00:00Z, in Unix nanoseconds.
const NOW: i64 = 1_795_341_600_000_000_000;

/// A row of a test, with its fields by name.
struct Line<'a>(&'a [(&'a str, &'a str)]);

impl Row for Line<'_> {
    fn time(&self) -> i64 {
        NOW - 1
    }

    fn org(&self) -> &str {
        "k"
    }

    fn value<'a>(&'a self, field: &str, _: &'a mut Vec<u8>) -> &'a [u8] {
        self.0.iter().find(|(name, _)| *name == field).map_or(b"", |(_, value)| value.as_bytes())
    }
}

/// Why `text` is no query.
#[track_caller]
fn refusal(text: &str) -> query::Error {
    match query::parse(text, NOW) {
        Err(error) => error,
        Ok(query) => panic!("'{text}' is taken, as '{query}'"),
    }
}

/// What the filter of `text` compiles to.
#[track_caller]
fn predicate(text: &str) -> Predicate {
    let query = query::parse(text, NOW).unwrap_or_else(|why| panic!("{}", why.render(text)));
    query.predicate().unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// Whether `text` matches a row with these fields.
#[track_caller]
fn matches(text: &str, fields: &[(&str, &str)]) -> bool {
    predicate(text).matches(&Line(fields))
}
