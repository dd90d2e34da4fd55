//! The columns of one unit, read when they are first asked for.

use std::sync::Arc;

use query::{Block, Column, Columns, FieldTest, Fields, Rows as RowSet};

use super::Unit;
use crate::part::{Error, Frame, Templates};
use crate::rows::Rows;

const MESSAGE: &str = "_msg";

/// The field that is there for cursors, and in no answer that does not name it.
const POS: &str = "pos";

/// Where columns come from.
enum Origin<'a> {
    Memory(&'a Rows),
    Frame(Box<Frame>),
}

/// The columns that were read of a unit.
pub(super) struct UnitColumns<'a> {
    origin: Origin<'a>,
    org: &'a str,
    read: Vec<(Box<str>, Option<Arc<Column>>)>,
    /// What does not vary in the messages, once it was asked for; `None` in it: they are not written so.
    templates: Option<Option<Templates>>,
    read_bytes: u64,
}

impl<'a> UnitColumns<'a> {
    /// Opens `unit` for who may see the rows of `org`.
    pub(super) fn open(unit: &'a Unit, org: &'a str) -> Result<Self, Error> {
        let origin = match unit {
            Unit::Memory(rows) => Origin::Memory(rows),
            Unit::Frame(part, index) => Origin::Frame(Box::new(part.frame(*index as usize)?)),
        };
        Ok(Self { origin, org, read: Vec::new(), templates: None, read_bytes: 0 })
    }

    /// How many rows there are. Rows of another org are none, whatever was put before us.
    pub(super) fn count(&self) -> usize {
        let (owner, count) = match &self.origin {
            Origin::Memory(rows) => (rows.org(), rows.len()),
            Origin::Frame(frame) => (frame.org(), frame.rows()),
        };
        if owner.as_str() == self.org { count } else { 0 }
    }

    /// Bytes of the columns that were read.
    pub(super) const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Commit order of the rows.
    pub(super) fn positions(&self) -> Result<Vec<u64>, Error> {
        match &self.origin {
            Origin::Memory(rows) => Ok(rows.positions().to_vec()),
            Origin::Frame(frame) => frame.positions(),
        }
    }

    /// The fields of `rows` that `fields` wants.
    pub(super) fn block(&mut self, rows: &RowSet, fields: &Fields) -> Result<Block, Error> {
        let names: Vec<Box<str>> = match fields {
            Fields::Only { names, prefixes } if prefixes.is_empty() => {
                names.iter().map(|name| name.as_str().into()).collect()
            }
            _ => {
                let wanted = |name: &String| fields.has(name) && name != POS;
                self.field_names().into_iter().filter(wanted).map(String::into_boxed_str).collect()
            }
        };
        let is_all = rows.count() == rows.len();
        let picked: Vec<u32> = match is_all {
            true => Vec::new(),
            false => rows.iter().filter_map(|row| u32::try_from(row).ok()).collect(),
        };
        let mut block = Block::new(if is_all { rows.len() } else { picked.len() });
        for name in names {
            let Some(column) = Columns::column(self, &name)? else { continue };
            let column = if is_all { column } else { Arc::new(column.select(&picked)) };
            block.set(&*name, column);
        }
        Ok(block)
    }

    fn field_names(&self) -> Vec<String> {
        match &self.origin {
            Origin::Memory(rows) => rows.field_names(),
            Origin::Frame(frame) => frame.field_names(),
        }
    }
}

impl Columns for UnitColumns<'_> {
    type Error = Error;

    fn rows(&self) -> usize {
        self.count()
    }

    fn org(&self) -> Option<&str> {
        Some(self.org)
    }

    fn column(&mut self, field: &str) -> Result<Option<Arc<Column>>, Error> {
        if let Some((_, column)) = self.read.iter().find(|(name, _)| **name == *field) {
            return Ok(column.clone());
        }
        let column = match &self.origin {
            Origin::Memory(rows) => rows.column(field),
            Origin::Frame(frame) => frame.column(field)?,
        };
        self.read_bytes += column.bytes() as u64;
        let column = (!column.is_empty()).then(|| Arc::new(column));
        self.read.push((field.into(), column.clone()));
        Ok(column)
    }

    /// Words without digits are looked for in the templates of messages, which are few.
    fn retain(&mut self, test: &FieldTest, rows: &mut RowSet) -> Result<bool, Error> {
        let is_read = self.read.iter().any(|(name, _)| **name == *MESSAGE);
        if test.field() != MESSAGE || is_read || !test.is_of_words() {
            return Ok(false);
        }
        let Origin::Frame(frame) = &self.origin else { return Ok(false) };
        if self.templates.is_none() {
            let templates = frame.templates()?;
            self.read_bytes += templates.as_ref().map_or(0, |found| {
                (found.texts.bytes().len() + found.whole.bytes().len() + found.refs.len() * 4) as u64
            });
            self.templates = Some(templates);
        }
        let Some(Some(templates)) = &self.templates else { return Ok(false) };
        let matching: Vec<bool> = templates.texts.iter().map(|text| test.matches(text)).collect();
        let mut whole = 0;
        let matching: Vec<bool> = templates
            .refs
            .iter()
            .map(|&at| {
                matching.get(at as usize).copied().unwrap_or_else(|| {
                    whole += 1;
                    test.matches(templates.whole.get(whole - 1))
                })
            })
            .collect();
        rows.retain(|row| matching.get(row).copied().unwrap_or(false));
        Ok(true)
    }
}
