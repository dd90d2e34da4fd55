//! The columns of one unit, read when they are first asked for.

use std::sync::Arc;

use query::{Block, Column, Columns, FieldTest, Fields, Rows as RowSet, Text};

use super::Unit;
use crate::part::{Error, Frame, Known, Slots, Templates};
use crate::rows::Rows;

const MESSAGE: &str = "_msg";

/// The field that is there for cursors, and in no answer that neither names it nor asks for a stretch of positions.
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
    /// What varies in them, once it was asked for.
    slots: Option<Slots>,
    read_bytes: u64,
}

impl<'a> UnitColumns<'a> {
    /// Opens `unit` for who may see the rows of `org`.
    pub(super) fn open(unit: &'a Unit, org: &'a str) -> Result<Self, Error> {
        let origin = match unit {
            Unit::Memory(rows) => Origin::Memory(rows),
            Unit::Frame(part, index) => Origin::Frame(Box::new(part.frame(*index as usize)?)),
        };
        Ok(Self { origin, org, read: Vec::new(), templates: None, slots: None, read_bytes: 0 })
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
    pub(super) fn block(&mut self, rows: &RowSet, fields: &Fields, by_pos: bool) -> Result<Block, Error> {
        let names: Vec<Box<str>> = match fields {
            Fields::Only { names, prefixes } if prefixes.is_empty() => {
                names.iter().map(|name| name.as_str().into()).collect()
            }
            _ => {
                let wanted = |name: &String| fields.has(name) && (by_pos || name != POS);
                self.field_names().into_iter().filter(wanted).map(String::into_boxed_str).collect()
            }
        };
        let is_all = rows.count() == rows.len();
        let picked: Vec<u32> = match is_all {
            true => Vec::new(),
            false => rows.iter().filter_map(|row| u32::try_from(row).ok()).collect(),
        };
        let mut block = Block::new(if is_all { rows.len() } else { picked.len() });
        // Of a few rows' messages only those are put together.
        if picked.len() * 2 < rows.len()
            && names.iter().any(|name| **name == *MESSAGE)
            && let Some(messages) = self.messages(|row| rows.has(row))?
        {
            self.read_bytes += messages.bytes().len() as u64;
            self.read.push((MESSAGE.into(), Some(Arc::new(Column::Text(messages)))));
        }
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

    /// Messages are written as templates, which are few, and what varies in them. Words without digits are looked for in the templates alone;
    /// for other texts those say which messages cannot have them, and only the others are put together.
    fn retain(&mut self, test: &FieldTest, rows: &mut RowSet) -> Result<bool, Error> {
        if test.field() != MESSAGE || self.is_read(MESSAGE) {
            return Ok(false);
        }
        if test.is_of_words() {
            return self.retain_by_words(test, rows);
        }
        let texts = test.texts();
        if texts.is_empty() { Ok(false) } else { self.retain_by_texts(test, &texts, rows) }
    }
}

impl UnitColumns<'_> {
    fn is_read(&self, field: &str) -> bool {
        self.read.iter().any(|(name, _)| **name == *field)
    }

    fn retain_by_words(&mut self, test: &FieldTest, rows: &mut RowSet) -> Result<bool, Error> {
        let Some((_, templates)) = self.templates()? else { return Ok(false) };
        let matching: Vec<bool> = templates.texts.iter().map(|text| test.matches(text)).collect();
        let mut wholes = templates.whole.iter();
        let matching: Vec<bool> = templates
            .refs
            .iter()
            .map(|&at| {
                let of_template = matching.get(at as usize).copied();
                of_template.unwrap_or_else(|| wholes.next().is_some_and(|whole| test.matches(whole)))
            })
            .collect();
        rows.retain(|row| matching.get(row).copied().unwrap_or(false));
        Ok(true)
    }

    fn retain_by_texts(
        &mut self,
        test: &FieldTest,
        texts: &[Box<[u8]>],
        rows: &mut RowSet,
    ) -> Result<bool, Error> {
        let Some((frame, templates)) = self.templates()? else { return Ok(false) };
        let mut may = templates.may_have(Known::Nothing, texts);
        if may.contains(&true) {
            let values = frame.values(templates)?;
            may = templates.may_have(Known::Values(&values), texts);
        }
        let mut wholes = templates.whole.iter();
        let (mut found, mut maybe) = (RowSet::none(rows.len()), RowSet::none(rows.len()));
        for (row, &at) in templates.refs.iter().enumerate() {
            match may.get(at as usize) {
                Some(true) => maybe.insert(row),
                Some(false) => {}
                None if wholes.next().is_some_and(|whole| test.matches(whole)) => found.insert(row),
                None => {}
            }
        }
        drop(wholes);
        maybe.and(rows);
        self.retain_templated(test, texts, &mut maybe)?;
        found.or(&maybe);
        rows.and(&found);
        Ok(true)
    }

    /// The same for rows that have templates which do not exclude it.
    fn retain_templated(
        &mut self,
        test: &FieldTest,
        texts: &[Box<[u8]>],
        rows: &mut RowSet,
    ) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let Some((templates, slots)) = self.slots()? else { return Ok(()) };
        let may = templates.may_have(Known::All(slots), texts);
        let refs = &templates.refs;
        rows.retain(|row| refs.get(row).and_then(|&at| may.get(at as usize)).copied().unwrap_or(false));
        if rows.is_empty() {
            return Ok(());
        }
        // All messages at once are as quick, and of use to the next test.
        let is_few = rows.count() * 2 < rows.len();
        let Some(messages) = self.messages(|row| !is_few || rows.has(row))? else { return Ok(()) };
        self.read_bytes += messages.bytes().len() as u64;
        let column = Column::Text(messages);
        test.retain(&column, rows);
        if !is_few {
            self.read.push((MESSAGE.into(), Some(Arc::new(column))));
        }
        Ok(())
    }

    /// The messages of the rows that are `wanted`, if they are written as templates and were not read otherwise; those of others are empty.
    fn messages(&mut self, wanted: impl Fn(usize) -> bool) -> Result<Option<Text>, Error> {
        if self.is_read(MESSAGE) || self.slots()?.is_none() {
            return Ok(None);
        }
        match (&self.origin, &self.templates, &self.slots) {
            (Origin::Frame(frame), Some(Some(templates)), Some(slots)) => {
                frame.join(templates, slots, wanted).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The frame and its templates; `None` if messages are not written so.
    fn templates(&mut self) -> Result<Option<(&Frame, &Templates)>, Error> {
        let Origin::Frame(frame) = &self.origin else { return Ok(None) };
        if self.templates.is_none() {
            let templates = frame.templates()?;
            self.read_bytes += templates.as_ref().map_or(0, |found| {
                (found.texts.bytes().len() + found.whole.bytes().len() + found.refs.len() * 4) as u64
            });
            self.templates = Some(templates);
        }
        Ok(self.templates.as_ref().and_then(Option::as_ref).map(|templates| (&**frame, templates)))
    }

    /// The templates, and what varies in them.
    fn slots(&mut self) -> Result<Option<(&Templates, &Slots)>, Error> {
        if self.slots.is_none() {
            let Some((frame, templates)) = self.templates()? else { return Ok(None) };
            self.slots = Some(frame.slots(templates)?);
        }
        let templates = self.templates.as_ref().and_then(Option::as_ref);
        Ok(templates.zip(self.slots.as_ref()))
    }
}
