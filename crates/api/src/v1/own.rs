//! Questions of our own to the store, within the limits of whoever asks.

use query::Block;

use crate::reply::{self, Refused, Reply};
use crate::select::json::{count, text, time, write_value};
use crate::select::question::{Question, mark};
use crate::serve::{Api, Asked};

/// Asks, and gathers all rows. The request keeps its place among its org's queries.
pub(super) async fn ask(api: &Api, asked: &mut Asked, text: String) -> Result<Table, Refused> {
    let gathered = Question::own(api, asked, text)?.gather(api).await?;
    asked.place = Some(gathered.place);
    Ok(Table { blocks: gathered.blocks, missing: gathered.missing })
}

/// The rows of an answer.
#[derive(Debug, Default)]
pub(super) struct Table {
    blocks: Vec<Block>,
    /// Why rows may be missing.
    pub(super) missing: Vec<String>,
}

impl Table {
    /// Each row, in the order in which the answer has them.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.blocks.iter().flat_map(|block| (0..block.rows()).map(move |row| Row { block, row }))
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'t> {
    block: &'t Block,
    row: usize,
}

impl Row<'_> {
    /// A value; empty if the row has none.
    pub(super) fn text(self, field: &str) -> String {
        text(self.block, field, self.row, &mut Vec::new())
    }

    /// A number; 0 if it is none.
    pub(super) fn count(self, field: &str) -> u64 {
        count(self.block, field, self.row, &mut Vec::new())
    }

    /// A number that may be negative; `None` if it is none.
    pub(super) fn number(self, field: &str) -> Option<i64> {
        self.text(field).parse().ok()
    }

    /// Its time, Unix nanoseconds; 0 if it has none.
    pub(super) fn time(self) -> i64 {
        time(self.block, self.row, &mut Vec::new()).unwrap_or(0)
    }
}

/// A value in quotes, as it may stand in a query.
pub(super) fn quoted(value: &str) -> String {
    let mut out = Vec::new();
    write_value(value.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The time from `from` on, `to` not in it, as a filter. Unix nanoseconds.
pub(super) fn between(from: i64, to: i64) -> String {
    format!("_time:[{}, {})", line::time::rfc3339(from), line::time::rfc3339(to))
}

/// One document of JSON, marked if something is missing in it, which `missing` says in the document too.
pub(super) fn document(mut body: serde_json::Value, mut missing: Vec<String>) -> Reply {
    missing.sort();
    missing.dedup();
    if !missing.is_empty()
        && let Some(object) = body.as_object_mut()
    {
        object.insert("missing".to_owned(), missing.clone().into());
    }
    mark(reply::ok(reply::JSON, body.to_string()), &missing)
}
