//! `min(a, b)` and `max(a, b)`: the first and last value in the order that `sort` has; nothing if no value is there.

use super::{Accumulate, Entry, Rows, Takes, each_distinct, grow};
use crate::names::Names;
use crate::value::Key;
use crate::wire::{Reader, put_bytes};
use crate::{Block, Error};

pub(super) const MIN: Entry = Entry {
    name: "min",
    takes: Takes::Fields,
    about: "the first value in the order of sort",
    make: |call, _| Box::new(Extreme::new(&call.names, false)),
};

pub(super) const MAX: Entry = Entry {
    name: "max",
    takes: Takes::Fields,
    about: "the last value in the order of sort",
    make: |call, _| Box::new(Extreme::new(&call.names, true)),
};

/// The smallest or largest value of each group, with what it sorts as.
#[derive(Debug)]
struct Extreme {
    names: Names,
    largest: bool,
    found: Vec<Option<(Key, Box<[u8]>)>>,
}

impl Extreme {
    fn new(names: &Names, largest: bool) -> Self {
        Self { names: names.clone(), largest, found: Vec::new() }
    }
}

/// Takes `value` if it is beyond what was `found`; says how many bytes more it takes.
fn take(found: &mut Option<(Key, Box<[u8]>)>, largest: bool, value: &[u8]) -> usize {
    if value.is_empty() {
        return 0;
    }
    let key = Key::of(value);
    let before = match found {
        Some((old, text)) => {
            let order = key.cmp(old).then_with(|| value.cmp(text));
            let is_beyond = if largest { order.is_gt() } else { order.is_lt() };
            if !is_beyond {
                return 0;
            }
            text.len() + old.bytes()
        }
        None => 0,
    };
    let after = value.len() + key.bytes();
    *found = Some((key, value.into()));
    after.saturating_sub(before)
}

impl Accumulate for Extreme {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.found, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let mut more = 0;
        for column in self.names.columns(block) {
            each_distinct(column, rows, |group, value| {
                if let Some(found) = self.found.get_mut(group) {
                    more += take(found, self.largest, value);
                }
            });
        }
        more
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let found = self.found.get(group).and_then(Option::as_ref);
        put_bytes(found.map_or(&[], |(_, value)| value), out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let value = state.bytes()?;
        Ok(self.found.get_mut(group).map_or(0, |found| take(found, self.largest, value)))
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        if let Some(Some((_, value))) = self.found.get(group) {
            out.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn both_ends() {
        let rows = &[["10", "z"], ["", "y"], ["9", "x"], ["1KiB", "w"]];
        gives("min(a)", rows, "9");
        gives("max(a)", rows, "1KiB");
        gives("min(b)", rows, "w");
        gives("max(a, b)", rows, "z");
        gives("min(a)", &[["", ""]], "");
        gives("max(a)", &[["1.0", ""], ["1", ""]], "1.0");
    }

    #[test]
    fn times() {
        let rows = &[["2026-01-02T00:00:00Z", ""], ["2026-01-01T23:59:59.5Z", ""]];
        gives("min(a)", rows, "2026-01-01T23:59:59.5Z");
    }
}
