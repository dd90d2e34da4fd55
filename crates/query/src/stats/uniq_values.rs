//! `uniq_values(a, b) limit 10`: the different values as a JSON array, sorted. With a limit, the first ones in that order.

use std::collections::BTreeSet;

use super::{Accumulate, Call, Entry, Rows, Takes, each_distinct, grow};
use crate::block::write_value;
use crate::names::Names;
use crate::value::Key;
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "uniq_values",
    takes: Takes::FieldsAndLimit,
    about: "the different values as a JSON array, sorted; the first ones if there is a limit",
    make: |call, _| Box::new(UniqValues::new(call)),
};

#[derive(Debug)]
struct UniqValues {
    names: Names,
    limit: usize,
    found: Vec<BTreeSet<(Key, Box<[u8]>)>>,
}

impl UniqValues {
    fn new(call: &Call) -> Self {
        Self { names: call.names.clone(), limit: limit(call), found: Vec::new() }
    }
}

/// The limit of `call`, where 0 stands for none.
pub(super) fn limit(call: &Call) -> usize {
    let limit = call.limit.filter(|&limit| limit > 0);
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// Adds a value, and drops the last one if there are too many; says how many bytes more it takes.
fn insert(found: &mut BTreeSet<(Key, Box<[u8]>)>, limit: usize, value: &[u8]) -> usize {
    if value.is_empty() {
        return 0;
    }
    let key = Key::of(value);
    let bytes = value.len() + key.bytes() + 64;
    if !found.insert((key, value.into())) {
        return 0;
    }
    if found.len() > limit {
        found.pop_last();
        return 0;
    }
    bytes
}

impl Accumulate for UniqValues {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.found, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let mut more = 0;
        for column in self.names.columns(block) {
            each_distinct(column, rows, |group, value| {
                if let Some(found) = self.found.get_mut(group) {
                    more += insert(found, self.limit, value);
                }
            });
        }
        more
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let found = self.found.get(group);
        put(found.map_or(0, BTreeSet::len) as u64, out);
        found.into_iter().flatten().for_each(|(_, value)| put_bytes(value, out));
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let mut more = 0;
        for _ in 0..state.number()? {
            let value = state.bytes()?;
            more += self.found.get_mut(group).map_or(0, |found| insert(found, self.limit, value));
        }
        Ok(more)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        write_array(self.found.get(group).into_iter().flatten().map(|(_, value)| &**value), out);
    }
}

/// Appends `["a","b"]`.
pub(super) fn write_array<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_value(value, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn arrays() {
        let rows = &[["10", "x"], ["9", "y"], ["", "x"], ["10", "\""]];
        gives("uniq_values(a)", rows, r#"["9","10"]"#);
        gives("uniq_values(a, b)", rows, r#"["9","10","\"","x","y"]"#);
        gives("uniq_values(a) limit 1", rows, r#"["9"]"#);
        gives("uniq_values(a)", &[], "[]");
    }
}
