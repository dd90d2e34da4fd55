//! Messages of the bus to the rows of an answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use line::{Body, Boot, Name, OrgId, Provider, json, subject};
use query::{Block, Column, Columns, Fields, Limits, Pipeline, Predicate, Side, Worker};
use store::flatten::Flattened;
use store::rows::import_head;
use store::{Rows, Source};

use crate::logs::{Failure, Listen};

/// Most bytes that row-local pipes may remember: they remember nothing of rows.
const STATE_BYTES: usize = 16 << 20;

/// What was heard and not given yet, and the query.
pub(crate) struct Hearing {
    org: OrgId,
    predicate: Predicate,
    needed: Fields,
    worker: Worker,
    heard: HashMap<Name, Rows>,
    scratch: Flattened,
}

impl Hearing {
    /// Ready to hear.
    pub(crate) fn new(listen: &Listen) -> Result<Self, Failure> {
        let predicate = listen.query.predicate()?;
        let pipeline = Pipeline::new(&listen.query, Limits { bytes: STATE_BYTES }, Side::Whole)?;
        Ok(Self {
            org: listen.org.clone(),
            predicate,
            needed: listen.query.fields_needed(),
            worker: pipeline.worker(),
            heard: HashMap::new(),
            scratch: Flattened::new(),
        })
    }

    pub(crate) const fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// Takes a message. What is no line of this org is passed over.
    pub(crate) fn take(&mut self, subject: &[u8], payload: &[u8]) {
        let address =
            std::str::from_utf8(subject).ok().and_then(|subject| subject::parse_inner(subject).ok());
        let Some(address) = address.filter(|address| address.org == self.org) else { return };
        let Ok(message) = json::decode(payload) else { return };
        let new = || Rows::new(self.org.clone(), address.app.clone());
        let rows = self.heard.entry(address.app.clone()).or_insert_with(new);
        let source = Source {
            region: address.region,
            instance: address.instance,
            host: message.host.into(),
            // Lines that are not of Logway have none.
            boot: message.boot.unwrap_or(Boot::from_bits(0)),
        };
        let source = rows.source_ref(&source);
        let entry = &message.entry;
        match (&entry.body, message.provider) {
            (Body::Line(text), Provider::Import) => {
                let head = import_head(entry.time, 0, entry.seq, entry.level, None);
                let fields = message.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                rows.push_import(source, &head, &text.bytes, fields, &mut self.scratch);
            }
            _ => {
                rows.push_entry(source, 0, entry, &mut self.scratch);
            }
        }
    }

    /// What matches of what was heard, behind the pipes.
    pub(crate) fn rows(&mut self) -> Result<Vec<Block>, Failure> {
        let mut out = Vec::new();
        for rows in std::mem::take(&mut self.heard).into_values() {
            let mut view = View { rows: &rows, columns: HashMap::new() };
            let mut matching = query::Rows::all(rows.len());
            let Ok(()) = self.predicate.retain(&mut view, &mut matching);
            let at: Vec<u32> = matching.iter().filter_map(|row| u32::try_from(row).ok()).collect();
            if at.is_empty() {
                continue;
            }
            let mut block = Block::new(at.len());
            for name in rows.field_names() {
                // What is only heard has no place in the store yet.
                if name == "pos" || !self.needed.has(&name) {
                    continue;
                }
                let Ok(column) = view.column(&name);
                if let Some(column) = column {
                    block.set(name.as_str(), column.select(&at));
                }
            }
            self.worker.push(block, &mut |block| out.push(block))?;
        }
        out.retain(|block| !block.is_empty());
        Ok(out)
    }
}

/// Rows as a predicate looks at them.
struct View<'r> {
    rows: &'r Rows,
    columns: HashMap<String, Arc<Column>>,
}

impl Columns for View<'_> {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn org(&self) -> Option<&str> {
        Some(self.rows.org().as_str())
    }

    fn column(&mut self, field: &str) -> Result<Option<Arc<Column>>, Infallible> {
        if let Some(column) = self.columns.get(field) {
            return Ok(Some(Arc::clone(column)));
        }
        let column = Arc::new(self.rows.column(field));
        self.columns.insert(field.to_owned(), Arc::clone(&column));
        Ok(Some(column))
    }
}
