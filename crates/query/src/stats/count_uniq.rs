//! `count_uniq(a, b)` and `count_uniq_hash(a, b)`: how many different combinations of values there are, those left out
//! in which all are empty. The first keeps the values, the second 64 bits of each, and so may be one short in billions.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::{Accumulate, Call, Entry, Rows, Takes, each_distinct, grow};
use crate::names::Names;
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Column, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "count_uniq",
    takes: Takes::FieldsAndLimit,
    about: "different combinations of values; counted up to the limit",
    make: |call, _| Box::new(CountUniq::<Box<[u8]>>::new(call)),
};

pub(super) const HASH: Entry = Entry {
    name: "count_uniq_hash",
    takes: Takes::FieldsAndLimit,
    about: "the same by 64 bits of each: less memory, and one short in billions",
    make: |call, _| Box::new(CountUniq::<u64>::new(call)),
};

/// In what form a combination is kept.
trait Kept: Send + Eq + std::hash::Hash + Ord + Clone {
    fn of(value: &[u8]) -> Self;
    fn bytes(&self) -> usize;
    fn put(&self, out: &mut Vec<u8>);
    fn take(state: &mut Reader<'_>) -> Result<Self, Error>;
}

impl Kept for Box<[u8]> {
    fn of(value: &[u8]) -> Self {
        value.into()
    }

    fn bytes(&self) -> usize {
        self.len() + 32
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self, out);
    }

    fn take(state: &mut Reader<'_>) -> Result<Self, Error> {
        state.bytes().map(Into::into)
    }
}

impl Kept for u64 {
    /// The same on every store: the hasher has fixed keys.
    fn of(value: &[u8]) -> Self {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
    }

    fn bytes(&self) -> usize {
        16
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(state: &mut Reader<'_>) -> Result<Self, Error> {
        state.float().map(f64::to_bits)
    }
}

#[derive(Debug)]
struct CountUniq<K> {
    names: Names,
    limit: usize,
    found: Vec<HashSet<K>>,
}

impl<K: Kept> CountUniq<K> {
    fn new(call: &Call) -> Self {
        let limit = call.limit.filter(|&limit| limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Self { names: call.names.clone(), limit, found: Vec::new() }
    }

    fn insert(&mut self, group: usize, kept: K) -> usize {
        let Some(found) = self.found.get_mut(group).filter(|found| found.len() < self.limit) else {
            return 0;
        };
        let bytes = kept.bytes();
        if found.insert(kept) { bytes } else { 0 }
    }
}

impl<K: Kept> Accumulate for CountUniq<K> {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.found, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let mut more = 0;
        // Names and values together: with a prefix, blocks differ in which fields they have.
        let columns = named(&self.names, block);
        if let [(name, column)] = columns[..] {
            let mut key = Vec::new();
            each_distinct(column, rows, |group, value| {
                if !value.is_empty() {
                    key.clear();
                    put_bytes(name.as_bytes(), &mut key);
                    put_bytes(value, &mut key);
                    more += self.insert(group, K::of(&key));
                }
            });
            return more;
        }
        let (mut key, mut scratch) = (Vec::new(), Vec::new());
        for (row, group) in rows.iter() {
            key.clear();
            for (name, column) in &columns {
                let value = column.value(row, &mut scratch);
                if !value.is_empty() {
                    put_bytes(name.as_bytes(), &mut key);
                    put_bytes(value, &mut key);
                }
            }
            if !key.is_empty() {
                more += self.insert(group, K::of(&key));
            }
        }
        more
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let mut all: Vec<&K> = self.found.get(group).into_iter().flatten().collect();
        all.sort_unstable();
        put(all.len() as u64, out);
        all.iter().for_each(|kept| kept.put(out));
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let mut more = 0;
        for _ in 0..state.number()? {
            more += self.insert(group, K::take(state)?);
        }
        Ok(more)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.found.get(group).map_or(0, HashSet::len).to_string().as_bytes());
    }
}

/// The columns that are meant, in the order of their names.
fn named<'a>(names: &Names, block: &'a Block) -> Vec<(&'a str, &'a Column)> {
    let meant = names.columns(block);
    let is_meant = |column: &Column| meant.iter().any(|other| std::ptr::eq(*other, column));
    let columns = block.columns().iter().filter(|(_, column)| is_meant(column));
    let mut columns: Vec<_> = columns.map(|(name, column)| (&**name, &**column)).collect();
    columns.sort_unstable_by_key(|(name, _)| *name);
    columns
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn combinations() {
        let rows = &[["1", "x"], ["1", "y"], ["", "x"], ["1", "x"], ["", ""]];
        for function in ["count_uniq", "count_uniq_hash"] {
            gives(&format!("{function}(a)"), rows, "1");
            gives(&format!("{function}(b)"), rows, "2");
            gives(&format!("{function}(a, b)"), rows, "3");
            gives(&format!("{function}(a, b) limit 2"), rows, "2");
            gives(&format!("{function}(gone)"), rows, "0");
        }
    }
}
