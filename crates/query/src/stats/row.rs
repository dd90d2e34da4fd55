//! `row_any(a, b)`, `row_max(by, a, b)` and `row_min(by, a, b)`: the fields of one row as a JSON object: of any row, or of
//! that with the largest or smallest value. Among equals it is the row that is smallest as bytes, so that runs agree.

use super::{Accumulate, Entry, Rows, Takes, grow};
use crate::block::write_value;
use crate::names::Names;
use crate::packed::{Packer, check, fields};
use crate::value::Key;
use crate::wire::{Reader, put_bytes};
use crate::{Block, Error};

pub(super) const ANY: Entry = Entry {
    name: "row_any",
    takes: Takes::Fields,
    about: "the fields of one row as a JSON object",
    make: |call, _| {
        Box::new(Row { names: call.names.clone(), source: None, largest: false, found: Vec::new() })
    },
};

pub(super) const MAX: Entry = Entry {
    name: "row_max",
    takes: Takes::Source,
    about: "the fields of the row with the largest value of the first field",
    make: |call, _| Box::new(Row::new(&call.names, call.source(), true)),
};

pub(super) const MIN: Entry = Entry {
    name: "row_min",
    takes: Takes::Source,
    about: "the fields of the row with the smallest value of the first field",
    make: |call, _| Box::new(Row::new(&call.names, call.source(), false)),
};

#[derive(Debug)]
struct Found {
    value: Box<[u8]>,
    key: Key,
    row: Box<[u8]>,
}

#[derive(Debug)]
struct Row {
    names: Names,
    source: Option<String>,
    largest: bool,
    found: Vec<Option<Found>>,
}

impl Row {
    fn new(names: &Names, source: &str, largest: bool) -> Self {
        Self { names: names.clone(), source: Some(source.to_owned()), largest, found: Vec::new() }
    }
}

/// Whether a row with `key` goes before, with or behind the one that was `found`.
fn order(found: &Option<Found>, key: &Key, value: &[u8], largest: bool) -> std::cmp::Ordering {
    let Some(found) = found else { return std::cmp::Ordering::Less };
    let order = key.cmp(&found.key).then_with(|| value.cmp(&found.value));
    if largest { order.reverse() } else { order }
}

/// Takes the row if it goes before the one that was `found`; says how many bytes more it takes.
fn take(found: &mut Option<Found>, new: Found, largest: bool) -> usize {
    let order = order(found, &new.key, &new.value, largest);
    let is_before = order.then_with(|| found.as_ref().map_or(order, |found| new.row.cmp(&found.row))).is_lt();
    if !is_before {
        return 0;
    }
    let before = found.as_ref().map_or(0, |found| found.row.len());
    let after = new.row.len();
    *found = Some(new);
    after.saturating_sub(before)
}

impl Accumulate for Row {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.found, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let mut packer = Packer::new(block, |name| self.names.matches(name));
        let source = self.source.as_deref();
        let column = source.and_then(|source| block.column(source));
        if source.is_some() && column.is_none() {
            return 0;
        }
        let (mut more, mut scratch) = (0, Vec::new());
        // Of rows that are as good as each other, one of a block is enough: any will do.
        let mut looked_at = vec![false; if column.is_none() { self.found.len() } else { 0 }];
        for (row, group) in rows.iter() {
            let Some(found) = self.found.get_mut(group) else { continue };
            if looked_at.get_mut(group).is_some_and(|looked_at| std::mem::replace(looked_at, true)) {
                continue;
            }
            let value = column.map_or(&b""[..], |column| column.value(row, &mut scratch));
            if column.is_some() && value.is_empty() {
                continue;
            }
            let key = Key::of(value);
            if order(found, &key, value, self.largest).is_le() {
                more += take(found, Found { value: value.into(), key, row: packer.pack(row) }, self.largest);
            }
        }
        more
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let found = self.found.get(group).and_then(Option::as_ref);
        out.push(u8::from(found.is_some()));
        if let Some(found) = found {
            put_bytes(&found.value, out);
            put_bytes(&found.row, out);
        }
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        if state.number()? == 0 {
            return Ok(0);
        }
        let (value, row) = (state.bytes()?, state.bytes()?);
        check(row)?;
        let Some(found) = self.found.get_mut(group) else { return Ok(0) };
        let new = Found { value: value.into(), key: Key::of(value), row: row.into() };
        Ok(take(found, new, self.largest))
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        if let Some(Some(found)) = self.found.get(group) {
            write_object(&found.row, out);
        }
    }
}

/// Appends the packed `row` as a JSON object.
fn write_object(row: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, value)) in fields(row).filter_map(Result::ok).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_value(name.as_bytes(), out);
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn rows() {
        let rows = &[["9", "x"], ["10", "y"], ["", "z"], ["10", "w"]];
        gives("row_max(a)", rows, r#"{"a":"10","b":"w"}"#);
        gives("row_max(a, b)", rows, r#"{"b":"w"}"#);
        gives("row_min(a)", rows, r#"{"a":"9","b":"x"}"#);
        gives("row_min(gone)", rows, "");
        gives("row_any(b)", &[["1", "x"], ["2", "x"]], r#"{"b":"x"}"#);
        gives("row_any()", &[], "");
    }
}
