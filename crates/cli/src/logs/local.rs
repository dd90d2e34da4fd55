//! A filter held against lines by this program itself, as the store holds it against rows: for what must be known here, which
//! lines match and which only stand around them.

use anyhow::{Result, anyhow};
use line::json::Message;
use line::{Name, OrgId};
use query::{Predicate, Row};
use store::Rows;
use store::flatten::Flattened;

use super::item::Item;

/// A filter ready to be used.
pub(super) struct Local {
    predicate: Predicate,
    org: OrgId,
}

impl Local {
    /// The filter of `text`, which has no pipes.
    pub(super) fn new(text: &str, now: i64) -> Result<Self> {
        let failed = |error: query::Error| anyhow!("this is no filter in LogsQL: {error}");
        let predicate = query::parse(text, now).and_then(|query| query.predicate()).map_err(failed)?;
        // Whose lines they are is not asked here: they came with a token.
        Ok(Self { predicate, org: OrgId::mint(0) })
    }

    /// Whether `item` matches.
    pub(super) fn matches(&self, item: &Item) -> bool {
        let Some(rows) = self.rows(&item.message) else { return false };
        self.predicate.matches(&One { rows: &rows, message: &item.message, org: self.org.as_str() })
    }

    /// The line as the store has it.
    fn rows(&self, message: &Message) -> Option<Rows> {
        let name = |what, text: &str| Name::new(what, text).ok();
        let mut rows = Rows::new(self.org.clone(), name("app", &message.app)?);
        let source = store::Source {
            region: name("region", &message.region)?,
            instance: name("instance", &message.instance)?,
            host: message.host.clone().into(),
            boot: message.boot.unwrap_or(line::Boot::from_bits(0)),
        };
        let source = rows.source_ref(&source);
        let mut scratch = Flattened::new();
        rows.push_entry(source, 0, &message.entry, &mut scratch);
        for (name, value) in &message.fields {
            rows.add_field(name, value.as_bytes());
        }
        (!rows.is_empty()).then_some(rows)
    }
}

struct One<'r> {
    rows: &'r Rows,
    message: &'r Message,
    org: &'r str,
}

impl Row for One<'_> {
    fn time(&self) -> i64 {
        self.message.entry.time
    }

    fn org(&self) -> &str {
        self.org
    }

    fn value<'a>(&'a self, field: &str, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let column = self.rows.column(field);
        let mut made = Vec::new();
        let value = column.value(0, &mut made);
        scratch.clear();
        scratch.extend_from_slice(value);
        scratch
    }
}
