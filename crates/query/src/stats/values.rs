//! `values(a, b) limit 10`: all values as a JSON array, sorted, so that the answer does not depend on who scanned what
//! first. With a limit, the first ones in that order.

use std::collections::BTreeMap;

use super::uniq_values::{limit, write_array};
use super::{Accumulate, Entry, Rows, Takes, each_value, grow};
use crate::names::Names;
use crate::value::Key;
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "values",
    takes: Takes::FieldsAndLimit,
    about: "all values as a JSON array, sorted; the first ones if there is a limit",
    make: |call, _| Box::new(Values { names: call.names.clone(), limit: limit(call), found: Vec::new() }),
};

/// Values with how often they came, and how many there are in all.
#[derive(Debug, Default)]
struct Found {
    values: BTreeMap<(Key, Box<[u8]>), usize>,
    len: usize,
    /// Bytes that it takes when it is written out, nearly, and the most that it ever took.
    bytes: usize,
    charged: usize,
}

#[derive(Debug)]
struct Values {
    names: Names,
    limit: usize,
    found: Vec<Found>,
}

impl Found {
    fn insert(&mut self, limit: usize, value: &[u8], times: usize) -> usize {
        let key = Key::of(value);
        let count = self.values.entry((key, value.into())).or_insert_with(|| {
            self.bytes = self.bytes.saturating_add(value.len() + 64);
            0
        });
        *count = count.saturating_add(times);
        self.bytes = self.bytes.saturating_add(times.saturating_mul(value.len() + 3));
        self.len = self.len.saturating_add(times);
        while self.len > limit {
            let Some(mut last) = self.values.last_entry() else { break };
            let surplus = (*last.get()).min(self.len - limit);
            *last.get_mut() -= surplus;
            self.len -= surplus;
            let len = last.key().1.len();
            self.bytes = self.bytes.saturating_sub(surplus.saturating_mul(len + 3));
            if *last.get() == 0 {
                last.remove();
                self.bytes = self.bytes.saturating_sub(len + 64);
            }
        }
        // What the limit drops makes room for what comes.
        let more = self.bytes.saturating_sub(self.charged);
        self.charged = self.charged.max(self.bytes);
        more
    }
}

impl Accumulate for Values {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.found, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let mut more = 0;
        for column in self.names.columns(block) {
            each_value(column, rows, |group, value| {
                if let Some(found) = self.found.get_mut(group).filter(|_| !value.is_empty()) {
                    more += found.insert(self.limit, value, 1);
                }
            });
        }
        more
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let found = self.found.get(group);
        put(found.map_or(0, |found| found.values.len()) as u64, out);
        for ((_, value), times) in found.into_iter().flat_map(|found| &found.values) {
            put_bytes(value, out);
            put(*times as u64, out);
        }
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let mut more = 0;
        for _ in 0..state.number()? {
            let (value, times) = (state.bytes()?, state.number()?);
            let times = usize::try_from(times).map_err(|_| Error::Partial("how often a value came"))?;
            more += self.found.get_mut(group).map_or(0, |found| found.insert(self.limit, value, times));
        }
        Ok(more)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        let found = self.found.get(group).into_iter().flat_map(|found| &found.values);
        write_array(found.flat_map(|((_, value), times)| std::iter::repeat_n(&**value, *times)), out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn what_it_holds_is_charged_and_what_the_limit_drops_is_not() {
        use super::Found;
        let (mut all, mut few) = (Found::default(), Found::default());
        let charge =
            |found: &mut Found, limit| (0..1000).map(|_| found.insert(limit, &[b'x'; 100], 1)).sum::<usize>();
        assert!(charge(&mut all, 1_000_000) >= 100_000);
        assert!(charge(&mut few, 10) < 2000);
    }

    #[test]
    fn arrays() {
        let rows = &[["10", "x"], ["9", "y"], ["", "x"], ["10", ""]];
        gives("values(a)", rows, r#"["9","10","10"]"#);
        gives("values(a, b)", rows, r#"["9","10","10","x","x","y"]"#);
        gives("values(a) limit 2", rows, r#"["9","10"]"#);
        gives("values(a)", &[], "[]");
    }
}
