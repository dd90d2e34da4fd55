//! The queries that are timed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::calibrate::percentile;
use super::super::http::Http;

/// How often each is asked; the median counts.
const TIMES: usize = 9;

/// Where a query is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Query,
    /// With the hour as the step.
    Hits,
}

/// A question, and how long its answer may take.
pub(super) struct Question {
    /// What it is, for the table.
    pub(super) what: &'static str,
    to: To,
    /// `APP` stands for the name of an app.
    query: &'static str,
    /// Rows of the answer; all of them when 0.
    limit: usize,
    /// Milliseconds.
    pub(super) budget: Option<f64>,
}

const fn question(what: &'static str, query: &'static str, budget: Option<f64>) -> Question {
    Question { what, to: To::Query, query, limit: 0, budget }
}

const fn newest(what: &'static str, query: &'static str, budget: Option<f64>) -> Question {
    Question { what, to: To::Query, query, limit: 100, budget }
}

/// The words occur in the public log samples, and the most common of them in the rows that the bench makes too.
pub(super) const QUESTIONS: [Question; 16] = [
    question("count all", "* | stats count() n", None),
    question("count a word that is in many lines", "error | stats count() n", Some(50.0)),
    question("count a word that is in few lines", "Accepted | stats count() n", Some(50.0)),
    question("count a phrase", "\"Received block\" | stats count() n", None),
    question("needle: a number that is there", "NEEDLE | stats count() n", None),
    question("needle: one that is not", "\"blk_7777777777777777778\" | stats count() n", None),
    question(
        "count a regexp with a whole word",
        "_msg:~\"session (opened|closed) for user\" | stats count() n",
        Some(130.0),
    ),
    question(
        "count a regexp without a whole word",
        "_msg:~\"port [0-9]+ ssh\" | stats count() n",
        Some(130.0),
    ),
    question("count a word in any case", "i(error) | stats count() n", Some(194.0)),
    newest("newest 100 of a large app, by its field", "app:=APP | sort by (_time) desc", Some(3.0)),
    newest("newest 100 of a large app, by its stream", "{app=\"APP\"} | sort by (_time) desc", Some(3.0)),
    newest("newest 100 of it with a word", "{app=\"APP\"} error | sort by (_time) desc", Some(3.0)),
    newest("newest 100 of all", "* | sort by (_time) desc", None),
    question("count by level", "* | stats by (level) count() n", Some(3.0)),
    Question { what: "counts per hour", to: To::Hits, query: "*", limit: 0, budget: Some(3.0) },
    question("count by app and level", "* | stats by (app, level) count() n", Some(3.0)),
];

/// What is put into the queries, and the rows' times.
pub(super) struct Place {
    pub(super) app: String,
    /// A number in one message.
    pub(super) needle: String,
    pub(super) start: String,
    pub(super) end: String,
}

/// What an answer took.
pub(super) struct Asked {
    pub(super) median: Duration,
    /// The last answer.
    pub(super) body: Vec<u8>,
}

impl Question {
    /// Asks as often as it takes.
    pub(super) fn ask(&self, http: &mut Http, place: &Place) -> Result<Asked> {
        let query = self.query.replace("APP", &place.app).replace("NEEDLE", &format!("\"{}\"", place.needle));
        let query = if self.limit > 0 { format!("{query} limit {}", self.limit) } else { query };
        let (mut times, mut body) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let mut args = vec![("query", query.as_str()), ("start", &place.start), ("end", &place.end)];
            let path = match self.to {
                To::Query => "/select/logsql/query",
                To::Hits => {
                    args.push(("step", "1h"));
                    "/select/logsql/hits"
                }
            };
            let begun = Instant::now();
            body = http.form(path, &args).with_context(|| self.what.to_owned())?;
            times.push(begun.elapsed());
        }
        Ok(Asked { median: percentile(&mut times, 50), body })
    }
}
