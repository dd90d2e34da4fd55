//! Whole rows that are kept beyond their block: names and values end to end, in one allocation.

use std::collections::HashMap;
use std::sync::Arc;

use crate::wire::{Reader, put_bytes};
use crate::{Block, Column, Error, Text};

/// Rows of a block that pipes make anew.
pub(crate) const ROWS: usize = 1024;

/// Packs rows of one block. The fields are in the order of their names, so that equal rows are equal bytes.
pub(crate) struct Packer<'a> {
    columns: Vec<(&'a str, &'a Column)>,
    scratch: Vec<u8>,
}

impl<'a> Packer<'a> {
    /// For the rows of `block`, with the fields that `keep` likes.
    pub(crate) fn new(block: &'a Block, keep: impl Fn(&str) -> bool) -> Self {
        let columns = block.columns().iter().filter(|(name, column)| !column.is_empty() && keep(name));
        let mut columns: Vec<(&str, &Column)> = columns.map(|(name, column)| (&**name, &**column)).collect();
        columns.sort_unstable_by_key(|(name, _)| *name);
        Self { columns, scratch: Vec::new() }
    }

    /// The fields of `row` that have a value.
    pub(crate) fn pack(&mut self, row: usize) -> Box<[u8]> {
        let mut out = Vec::with_capacity(256);
        for (name, column) in &self.columns {
            let value = column.value(row, &mut self.scratch);
            if !value.is_empty() {
                put_bytes(name.as_bytes(), &mut out);
                put_bytes(value, &mut out);
            }
        }
        out.into_boxed_slice()
    }
}

/// Names and values of a packed row; an error if it is none, which for our own rows does not happen.
pub(crate) fn fields(mut row: &[u8]) -> impl Iterator<Item = Result<(&str, &[u8]), Error>> {
    std::iter::from_fn(move || {
        if row.is_empty() {
            return None;
        }
        let mut reader = Reader(row);
        let pair = reader.bytes().and_then(|name| {
            let name = std::str::from_utf8(name).map_err(|_| Error::Partial("the name of a field"))?;
            Ok((name, reader.bytes()?))
        });
        row = if pair.is_ok() { reader.0 } else { &[] };
        Some(pair)
    })
}

/// Whether `row` is a packed row.
pub(crate) fn check(row: &[u8]) -> Result<(), Error> {
    fields(row).try_for_each(|pair| pair.map(drop))
}

/// Makes a block of packed rows.
#[derive(Debug, Default)]
pub(crate) struct Unpacker {
    rows: usize,
    columns: Vec<(Arc<str>, Text)>,
    places: HashMap<Arc<str>, usize>,
}

impl Unpacker {
    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[u8]) {
        for (name, value) in fields(row).filter_map(Result::ok) {
            self.set(name, value);
        }
        self.rows += 1;
    }

    /// Gives `field` a value in the row that the next [`Unpacker::push`] completes.
    pub(crate) fn set(&mut self, field: &str, value: &[u8]) {
        let place = match self.places.get(field) {
            Some(&place) => place,
            None => {
                let name: Arc<str> = field.into();
                self.places.insert(name.clone(), self.columns.len());
                self.columns.push((name, Text::default()));
                self.columns.len() - 1
            }
        };
        let Some((_, text)) = self.columns.get_mut(place) else { return };
        if text.len() > self.rows {
            return;
        }
        while text.len() < self.rows {
            text.push(b"");
        }
        text.push(value);
    }

    /// How many rows there are.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// The rows so far; it is empty again afterwards.
    pub(crate) fn take(&mut self) -> Block {
        let mut block = Block::new(std::mem::take(&mut self.rows));
        for (name, text) in self.columns.drain(..) {
            block.set(name, Column::Text(text));
        }
        self.places.clear();
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::tests::table;

    #[test]
    fn rows_come_back() {
        let block = table(&["b", "a", "c"], &[&["1", "2", ""], &["", "3", ""], &["4", "", "5"]]);
        let mut packer = Packer::new(&block, |name| name != "c");
        let mut unpacker = Unpacker::default();
        for row in 0..3 {
            let packed = packer.pack(row);
            check(&packed).unwrap();
            unpacker.push(&packed);
        }
        let again = unpacker.take();
        let wanted = table(&["a", "b"], &[&["2", "1"], &["3", ""], &["", "4"]]);
        for row in 0..3 {
            for name in ["a", "b", "c"] {
                assert_eq!(again.value(name, row, &mut Vec::new()), wanted.value(name, row, &mut Vec::new()));
            }
        }
        assert_eq!(unpacker.rows(), 0);
    }

    #[test]
    fn a_value_given_first_stays() {
        let mut unpacker = Unpacker::default();
        unpacker.set("rank", b"1");
        unpacker.push(&Packer::new(&table(&["rank"], &[&["x"]]), |_| true).pack(0));
        assert_eq!(unpacker.take().value("rank", 0, &mut Vec::new()), b"1");
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for bad in [&b"\x05ab"[..], b"\x01a", b"\x01\xff\x00", b"\x01a\x02b"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
