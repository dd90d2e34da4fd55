//! Records that are given together, in their order: each as JSON, and all of them as rows that filters are held against.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use line::json::{Message, decode, write_row};
use line::{Address, Body, Boot, Name, OrgId, Provider};
use query::{Block, Column, Columns, Predicate};
use store::flatten::Flattened;
use store::rows::import_head;
use store::{Rows, Source};

use super::cursor::{BootKey, Place, Sight, Stand};
use super::memory::Lease;
use super::request::Format;
use super::weave::{Id, Origin, Piece};
use super::writer::Text;
use crate::serve::unix_ns;

/// What a record takes in memory beside its JSON, about.
const OVERHEAD_BYTES: usize = 600;

/// A record that is not in a batch yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) address: Address,
    pub(crate) json: Bytes,
    /// In which loss it was, if it was given live and taken for lost since.
    pub(crate) late: Option<u64>,
    message: Message,
}

impl Fresh {
    /// A message of the bus; `None` if it is not a line's.
    pub(crate) fn live(address: Address, json: Bytes) -> Option<Self> {
        let message = decode(&json).ok()?;
        Some(Self { address, json, late: None, message })
    }

    /// A row of a block that has all fields; `None` if it is not a line's.
    pub(crate) fn stored(org: &OrgId, block: &Block, row: usize) -> Option<Self> {
        let values: Vec<(&str, Vec<u8>)> = block
            .columns()
            .iter()
            .map(|(name, column)| (&**name, column.value(row, &mut Vec::new()).to_vec()))
            .collect();
        let mut json = Vec::with_capacity(512);
        write_row(values.iter().map(|(name, value)| (*name, value.as_slice())), &mut json);
        let message = decode(&json).ok()?;
        let address = Address::new(org.clone(), &message.app, &message.region, &message.instance).ok()?;
        Some(Self { address, json: json.into(), late: None, message })
    }

    /// What identifies it; `None` for a message that Logway did not write.
    pub(crate) fn id(&self) -> Option<Id> {
        let entry = &self.message.entry;
        let origin = Origin { instance: self.address.instance.as_str().into(), boot: self.message.boot? };
        let is_gap = matches!(entry.body, Body::Gap(_));
        let Address { app, region, instance, .. } = &self.address;
        let key = BootKey::of(app.as_str(), region.as_str(), instance.as_str(), origin.boot);
        Some(Id { origin, key, seq: entry.seq, end: entry.next_seq(), is_gap })
    }

    /// As what came live.
    pub(crate) fn into_piece(self, id: Id) -> Piece<Self> {
        Piece {
            id,
            place: Arc::new(Place::of(&self.address)),
            bytes: self.json.len() * 3 + OVERHEAD_BYTES,
            time: self.message.entry.time,
            payload: self,
        }
    }
}

/// A record of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) json: Bytes,
    /// Which boot, its first number, and one past its last; `None` for a message that Logway did not write.
    pub(crate) id: Option<(BootKey, u64, u64)>,
    pub(crate) time: i64,
    pub(crate) is_gap: bool,
    /// In which loss it was, if it was given live and taken for lost since: whoever was there before that has it.
    pub(crate) late: Option<u64>,
    pub(crate) app: Name,
    group: u32,
    row: u32,
}

/// Records of one org in their order. `start` and `end` are the cursors before and after them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) start: Arc<Stand>,
    pub(crate) end: Arc<Stand>,
    pub(crate) records: Vec<Record>,
    /// When it was put together, Unix nanoseconds.
    pub(crate) made: i64,
    groups: Vec<Group>,
    /// What was written for clients who ask for the same in the same form.
    texts: Mutex<Texts>,
    /// Its part of what all feeds hold.
    lease: Option<Lease>,
}

/// By form and by [`Sieve::key`].
type Texts = HashMap<(Format, Arc<str>), Arc<Text>>;

/// The rows of one app.
#[derive(Debug)]
struct Group {
    rows: Rows,
    /// What filters have looked at. They are many, and look at the same.
    columns: Mutex<HashMap<String, Arc<Column>>>,
}

/// Puts a batch together.
#[derive(Default)]
pub(crate) struct Batcher {
    records: Vec<Record>,
    groups: Vec<Group>,
    apps: HashMap<Name, u32>,
    scratch: Flattened,
    bytes: usize,
}

impl Batcher {
    /// Adds a record.
    pub(crate) fn push(&mut self, fresh: Fresh) {
        let id = fresh.id();
        let Fresh { address, json, late, message } = fresh;
        let groups = &mut self.groups;
        let group = *self.apps.entry(address.app.clone()).or_insert_with(|| {
            let rows = Rows::new(address.org.clone(), address.app.clone());
            groups.push(Group { rows, columns: Mutex::default() });
            u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(Group { rows, .. }) = self.groups.get_mut(group as usize) else { return };
        let entry = &message.entry;
        let source = rows.source_ref(&Source {
            region: address.region,
            instance: address.instance,
            host: message.host.into(),
            boot: message.boot.unwrap_or(Boot::from_bits(0)),
        });
        let row = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let is_taken = match (&entry.body, message.provider) {
            (Body::Line(text), Provider::Import) => {
                let head = import_head(entry.time, 0, entry.seq, entry.level, None);
                let fields = message.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                rows.push_import(source, &head, &text.bytes, fields, &mut self.scratch)
            }
            _ => rows.push_entry(source, 0, entry, &mut self.scratch),
        };
        if !is_taken {
            return;
        }
        self.bytes += json.len() * 2 + OVERHEAD_BYTES;
        let is_gap = matches!(entry.body, Body::Gap(_));
        let id = id.map(|id| (id.key, id.seq, id.end));
        let app = address.app;
        self.records.push(Record { json, id, time: entry.time, is_gap, late, app, group, row });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What it takes in memory, about.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn finish(self, start: Arc<Stand>, end: Arc<Stand>, lease: Option<Lease>) -> Batch {
        let (records, groups) = (self.records, self.groups);
        Batch { start, end, records, made: unix_ns(), groups, texts: Mutex::default(), lease }
    }
}

/// Which records somebody is given.
#[derive(Debug, Clone)]
pub(crate) struct Sieve {
    /// What may be seen, and whose lines are asked for: nothing passes that does not match it.
    pub(crate) scope: Predicate,
    /// What else is asked for. Gap records pass it always: silence never means loss.
    pub(crate) content: Option<Predicate>,
    /// What may be seen, of what cursors tell.
    pub(crate) sight: Sight,
    /// The same for those that let the same pass.
    pub(crate) key: Arc<str>,
}

impl Batch {
    /// Whether some of it is new only to those who were not there before a loss.
    pub(crate) fn has_late(&self) -> bool {
        self.records.iter().any(|record| record.late.is_some())
    }

    /// What passes, as bytes behind the batch's start: written once for all who get the same.
    pub(crate) fn text(&self, format: Format, sieve: &Sieve) -> Arc<Text> {
        let key = (format, Arc::clone(&sieve.key));
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = texts.get(&key) {
            return Arc::clone(text);
        }
        let mut text = Text::new(format, self.start.seen_by(&sieve.sight));
        let passing = self.records.iter().zip(self.passing(sieve)).filter(|(_, passes)| *passes);
        passing.for_each(|(record, _)| text.line(record, None));
        let text = Arc::new(text);
        // Where there is no room, each writes its own.
        if self.lease.as_ref().is_some_and(|lease| lease.grow(text.bytes())) {
            texts.insert(key, Arc::clone(&text));
        }
        text
    }

    /// For each record whether it passes.
    pub(crate) fn passing(&self, sieve: &Sieve) -> Vec<bool> {
        let rows = |predicate: &Predicate| -> Vec<query::Rows> {
            let one = |group: &Group| {
                let mut matching = query::Rows::all(group.rows.len());
                let Ok(()) = predicate.retain(&mut View(group, self.lease.as_ref()), &mut matching);
                matching
            };
            self.groups.iter().map(one).collect()
        };
        let has = |found: &[query::Rows], record: &Record| {
            found.get(record.group as usize).is_some_and(|rows| rows.has(record.row as usize))
        };
        let scope = rows(&sieve.scope);
        let content = sieve.content.as_ref().map(rows);
        let passes = |record: &Record| {
            has(&scope, record)
                && (record.is_gap || content.as_ref().is_none_or(|content| has(content, record)))
        };
        self.records.iter().map(passes).collect()
    }
}

/// Rows as a predicate looks at them.
struct View<'g>(&'g Group, Option<&'g Lease>);

impl Columns for View<'_> {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.0.rows.len()
    }

    fn org(&self) -> Option<&str> {
        Some(self.0.rows.org().as_str())
    }

    fn column(&mut self, field: &str) -> Result<Option<Arc<Column>>, Infallible> {
        let mut columns = self.0.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(column) = columns.get(field) {
            return Ok(Some(Arc::clone(column)));
        }
        let column = Arc::new(self.0.rows.column(field));
        // Without room for it the next filter makes it anew.
        if self.1.is_none_or(|lease| lease.grow(column.bytes())) {
            columns.insert(field.to_owned(), Arc::clone(&column));
        }
        Ok(Some(column))
    }
}
