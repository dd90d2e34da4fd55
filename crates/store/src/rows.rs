//! Rows of one app, column by column: what the memtable holds, the log is replayed into and parts are written from.

mod column;
mod kind;
mod order;

use std::collections::HashMap;
use std::sync::Arc;

use line::{Body, Boot, Entry, Level, Name, OrgId, Provider, Stream};

use query::Text;

pub use column::{PLATFORM_FIELDS, is_of_kind, is_of_source, source_value, stream_id, stream_text};
pub(crate) use column::{by_ref, dense_ends, of_kinds, of_spans};
pub use kind::Kind;
pub(crate) use order::{Picker, sorted};

use crate::flatten::{self, Flattened};

/// Rows with many fields are cut where all fields as columns would have so many cells: each takes 4 bytes, also an empty one.
const MAX_CELLS: usize = 4 << 20;

/// Where rows come from: a Machine, the host it ran on, and one start of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// The region of the Machine.
    pub region: Name,
    /// Its id.
    pub instance: Name,
    /// The host it ran on; empty if nobody said.
    pub host: Arc<str>,
    /// Which start of the Machine.
    pub boot: Boot,
}

/// What a row has beside its text and its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Unix nanoseconds.
    pub time: i64,
    /// The store's commit order.
    pub pos: u64,
    /// Sequence number in its boot.
    pub seq: u64,
    /// How many sequence numbers it covers, at least 1.
    pub span: u64,
    /// Level, stream, provider and kin.
    pub kind: Kind,
}

/// One further field: the rows that have it, rising, and their values, none of them empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) rows: Vec<u32>,
    pub(crate) values: Text,
}

impl Field {
    /// The field's name as queries write it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rows that have it, rising.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().map(|&row| row as usize)
    }

    /// The value in `row`; empty if the row does not have the field.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u8] {
        let found = u32::try_from(row).ok().and_then(|row| self.rows.binary_search(&row).ok());
        found.map_or(&[], |at| self.values.get(at))
    }
}

/// Rows of one app of one org. They are in the order in which they were pushed; see [`Rows::sort`].
#[derive(Clone, Debug)]
pub struct Rows {
    org: OrgId,
    app: Name,
    sources: Vec<Source>,
    pub(crate) times: Vec<i64>,
    pub(crate) pos: Vec<u64>,
    pub(crate) source: Vec<u32>,
    pub(crate) seqs: Vec<u64>,
    /// Rows whose span is not 1, rising.
    pub(crate) spans: Vec<(u32, u64)>,
    pub(crate) kinds: Vec<u16>,
    pub(crate) messages: Text,
    fields: Vec<Field>,
    /// Index of each field by name.
    by_name: HashMap<Arc<str>, usize>,
    /// Where the next field of a row is likely to be: rows of one app mostly have the same ones in the same order.
    next_field: usize,
    field_bytes: usize,
    time_range: (i64, i64),
    pos_range: (u64, u64),
}

impl Rows {
    /// Most rows that are taken; [`Rows::push`] refuses further ones. Far above what anybody seals at.
    pub const MAX_ROWS: usize = 1 << 20;

    /// No rows yet, of `app` of `org`.
    #[must_use]
    pub fn new(org: OrgId, app: Name) -> Self {
        Self {
            org,
            app,
            sources: Vec::new(),
            times: Vec::new(),
            pos: Vec::new(),
            source: Vec::new(),
            seqs: Vec::new(),
            spans: Vec::new(),
            kinds: Vec::new(),
            messages: Text::default(),
            fields: Vec::new(),
            by_name: HashMap::new(),
            next_field: 0,
            field_bytes: 0,
            time_range: (i64::MAX, i64::MIN),
            pos_range: (u64::MAX, 0),
        }
    }

    /// The org that they belong to.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The app that they belong to.
    #[must_use]
    pub fn app(&self) -> &Name {
        &self.app
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Bytes of text: messages and values of fields. What sealing goes by.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.messages.bytes().len() + self.field_bytes
    }

    /// Bytes of heap, nearly: what the memtable's bound goes by.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let a_row = 2 * size_of::<u64>() + size_of::<i64>() + size_of::<u32>() + size_of::<u16>();
        let fields: usize =
            self.fields.iter().map(|f| 128 + f.rows.capacity() * 4 + heap_bytes(&f.values)).sum();
        self.times.capacity() * a_row
            + heap_bytes(&self.messages)
            + fields
            + self.sources.capacity() * size_of::<Source>()
            + self.spans.capacity() * size_of::<(u32, u64)>()
    }

    /// Whether all of its fields as columns, a cell for each row, would take much more than what is in them.
    pub(crate) fn is_wide(&self) -> bool {
        self.fields.len().saturating_mul(self.len()) >= MAX_CELLS
    }

    /// The earliest and the latest time, both inclusive; `None` without rows.
    #[must_use]
    pub fn time_range(&self) -> Option<(i64, i64)> {
        (!self.is_empty()).then_some(self.time_range)
    }

    /// The lowest and the highest pos, both inclusive; `None` without rows.
    #[must_use]
    pub fn pos_range(&self) -> Option<(u64, u64)> {
        (!self.is_empty()).then_some(self.pos_range)
    }

    /// Times of the rows, Unix nanoseconds.
    #[must_use]
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The store's commit order of the rows.
    #[must_use]
    pub fn positions(&self) -> &[u64] {
        &self.pos
    }

    /// Sequence numbers of the rows in their boots.
    #[must_use]
    pub fn seqs(&self) -> &[u64] {
        &self.seqs
    }

    /// The messages, raw.
    #[must_use]
    pub fn messages(&self) -> &Text {
        &self.messages
    }

    /// Where the rows come from; [`Rows::source_refs`] points into it.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Of each row, which of [`Rows::sources`] it comes from.
    #[must_use]
    pub fn source_refs(&self) -> &[u32] {
        &self.source
    }

    /// Of each row, [`Kind::bits`].
    #[must_use]
    pub fn kind_bits(&self) -> &[u16] {
        &self.kinds
    }

    /// The further fields, each with the rows that have it, in the order in which they first came.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The further field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|&index| &self.fields[index])
    }

    /// How many sequence numbers `row` covers.
    #[must_use]
    pub fn span(&self, row: usize) -> u64 {
        let found = self.spans.binary_search_by_key(&row, |&(at, _)| at as usize);
        found.map_or(1, |at| self.spans[at].1)
    }

    /// What `row`, which must exist, has beside text and fields.
    #[must_use]
    pub fn head(&self, row: usize) -> Head {
        Head {
            time: self.times[row],
            pos: self.pos[row],
            seq: self.seqs[row],
            span: self.span(row),
            kind: Kind::from_bits(self.kinds[row]),
        }
    }

    /// The reference that rows from `source` carry: found, or added.
    pub fn source_ref(&mut self, source: &Source) -> u32 {
        // The newest ones are the likely ones: one that restarts has left its old boots behind.
        let found = self.sources.iter().rposition(|known| known == source);
        let index = found.unwrap_or_else(|| {
            self.sources.push(source.clone());
            self.sources.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Adds a row without further fields; [`Rows::add_field`] adds them. `source` is from [`Rows::source_ref`]. Says
    /// whether it was taken: not beyond [`Rows::MAX_ROWS`] or 2 GiB of messages, and not from a source that is unknown.
    pub fn push(&mut self, source: u32, head: &Head, message: &[u8]) -> bool {
        self.push_bits(source, head, head.kind.bits(), message)
    }

    /// The same with a kind that is packed already; the one of `head` does not count.
    fn push_bits(&mut self, source: u32, head: &Head, kind: u16, message: &[u8]) -> bool {
        let too_long = self.messages.bytes().len() + message.len() > i32::MAX as usize;
        if self.len() >= Self::MAX_ROWS || too_long || source as usize >= self.sources.len() {
            return false;
        }
        if head.span != 1 {
            self.spans.push((self.next_row(), head.span));
        }
        self.times.push(head.time);
        self.pos.push(head.pos);
        self.source.push(source);
        self.seqs.push(head.seq);
        self.kinds.push(kind);
        self.messages.push(message);
        self.time_range = (self.time_range.0.min(head.time), self.time_range.1.max(head.time));
        self.pos_range = (self.pos_range.0.min(head.pos), self.pos_range.1.max(head.pos));
        self.next_field = 0;
        true
    }

    /// Gives the row that was pushed last a further field, unless it has it already or the value is empty (which is the
    /// same as not having it).
    pub fn add_field(&mut self, name: &str, value: &[u8]) {
        let Some(row) = self.next_row().checked_sub(1) else { return };
        if value.is_empty() {
            return;
        }
        let index = match self.fields.get(self.next_field) {
            Some(field) if &*field.name == name => self.next_field,
            _ => self.field_index(name),
        };
        self.next_field = index + 1;
        let field = &mut self.fields[index];
        if field.rows.last() != Some(&row) {
            field.rows.push(row);
            field.values.push(value);
            self.field_bytes += value.len();
        }
    }

    fn field_index(&mut self, name: &str) -> usize {
        if let Some(&index) = self.by_name.get(name) {
            return index;
        }
        let name: Arc<str> = name.into();
        self.by_name.insert(Arc::clone(&name), self.fields.len());
        self.fields.push(Field { name, rows: Vec::new(), values: Text::default() });
        self.fields.len() - 1
    }

    fn next_row(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    /// Adds the row that `entry` is, with all fields that it or its message has. Says whether it was taken, as
    /// [`Rows::push`]. `scratch` is memory that is used again from row to row.
    pub fn push_entry(&mut self, source: u32, pos: u64, entry: &Entry<'_>, scratch: &mut Flattened) -> bool {
        let mut kind = Kind {
            level: entry.level,
            stream: Some(entry.stream),
            provider: entry.provider(),
            level_source: entry.level_source,
            clock: entry.clock,
            more: false,
            open: false,
        };
        let head = |kind| Head { time: entry.time, pos, seq: entry.seq, span: entry.span, kind };
        match &entry.body {
            Body::Line(text) => {
                (kind.more, kind.open) = (text.more, text.open);
                let taken = self.push(source, &head(kind), &text.bytes);
                if let Some(code) = entry.code().filter(|_| taken) {
                    self.add_field("code", code.as_bytes());
                }
                if taken && text.part > 0 {
                    self.add_field("logway.part", text.part.to_string().as_bytes());
                }
                if taken && text.truncated_bytes > 0 {
                    self.add_field("logway.truncated_bytes", text.truncated_bytes.to_string().as_bytes());
                }
                // A piece of a line is no object by itself.
                taken && (text.more || text.part > 0 || self.add_flattened(&text.bytes, scratch))
            }
            Body::Event(event) => {
                let taken = self.push(source, &head(kind), event.message.as_bytes());
                if taken {
                    self.add_event(event);
                }
                taken
            }
            Body::Gap(gap) => {
                let taken = self.push(source, &head(kind), gap.message(entry.span).as_bytes());
                if taken {
                    self.add_field("code", gap.reason.code_name().as_bytes());
                    self.add_field("gap.reason", gap.reason.as_str().as_bytes());
                    self.add_field("gap.hop", gap.hop.as_str().as_bytes());
                    self.add_field("gap.bytes", gap.bytes.to_string().as_bytes());
                }
                taken
            }
        }
    }

    fn add_event(&mut self, event: &line::Event<'_>) {
        self.add_field("logway.event.kind", event.kind.as_bytes());
        if let Some(code) = event.get_text("code_name") {
            self.add_field("code", code.as_bytes());
        }
        for (name, value) in &event.fields {
            let name = format!("logway.event.{name}");
            match value {
                line::event::Value::Int(number) => self.add_field(&name, number.to_string().as_bytes()),
                line::event::Value::Text(text) => self.add_field(&name, text.as_bytes()),
                line::event::Value::Flag(flag) => self.add_field(&name, flag.to_string().as_bytes()),
            }
        }
    }

    /// Gives the last row the fields that its message says, if it is JSON or logfmt. Always true.
    fn add_flattened(&mut self, message: &[u8], scratch: &mut Flattened) -> bool {
        self.add_some_flattened(message, flatten::MAX_FIELDS, scratch)
    }

    /// The same with at most `most` of them.
    fn add_some_flattened(&mut self, message: &[u8], most: usize, scratch: &mut Flattened) -> bool {
        if flatten::flatten(message, scratch) {
            for (name, value) in scratch.iter().take(most) {
                self.add_field(name, value);
            }
        }
        true
    }

    /// Adds a row that came over HTTP: `fields` under names that the app chose, then those that its message says, as far as there is room:
    /// the others stay in the message. Says whether it was taken, as [`Rows::push`].
    pub fn push_import<'a>(
        &mut self,
        source: u32,
        head: &Head,
        message: &[u8],
        fields: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
        scratch: &mut Flattened,
    ) -> bool {
        if !self.push(source, head, message) {
            return false;
        }
        if let Some(code) = line::codes::of_import(message, fields.clone()) {
            self.add_field("code", code.code.as_bytes());
        }
        let mut left = flatten::MAX_FIELDS;
        for (name, value) in fields.take(flatten::MAX_FIELDS) {
            scratch.with_safe_name(name, |name| self.add_field(name, value));
            left -= 1;
        }
        self.add_some_flattened(message, left, scratch)
    }
}

/// Bytes that texts take, nearly: what was reserved beyond is not counted.
fn heap_bytes(text: &Text) -> usize {
    text.bytes().len() + text.len() * size_of::<u32>()
}

/// A head for a row that came over HTTP.
#[must_use]
pub fn import_head(time: i64, pos: u64, seq: u64, level: Level, stream: Option<Stream>) -> Head {
    let kind = Kind { level, stream, provider: Provider::Import, ..Kind::PLAIN };
    Head { time, pos, seq, span: 1, kind }
}

#[cfg(test)]
mod tests;
