//! `min(a, b)` and `max(a, b)`: the first and last value in the order that `sort` has; nothing if no value is there.

use super::{Accumulate, Entry, Rows, Takes, each_distinct, grow};
use crate::names::Names;
use crate::value::Key;
use crate::wire::{Reader, put_bytes};
use crate::{Block, Column, Error};

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

    fn add_numbers(&mut self, numbers: &[u64], rows: &Rows<'_>) -> usize {
        let best = best(numbers, rows, self.largest, self.found.len());
        self.take_all(best.into_iter().map(|best| Some(best?.to_string().into_bytes())))
    }

    fn add_times(&mut self, times: &[i64], rows: &Rows<'_>) -> usize {
        let best = best(times, rows, self.largest, self.found.len());
        self.take_all(best.into_iter().map(|best| Some(line::time::rfc3339(best?).into_bytes())))
    }

    /// Takes a value for each group that has one; says how many bytes more it takes.
    fn take_all(&mut self, values: impl Iterator<Item = Option<Vec<u8>>>) -> usize {
        let pairs = self.found.iter_mut().zip(values);
        pairs.filter_map(|(found, value)| Some(take(found, self.largest, &value?))).sum()
    }
}

/// The smallest or largest of `values` of each group: what is kept as numbers need not become text to be compared.
fn best<T: Ord + Copy>(values: &[T], rows: &Rows<'_>, largest: bool, groups: usize) -> Vec<Option<T>> {
    let mut best: Vec<Option<T>> = vec![None; groups];
    for (row, group) in rows.iter() {
        if let (Some(best), Some(&value)) = (best.get_mut(group), values.get(row)) {
            *best = Some(match *best {
                Some(other) if largest => other.max(value),
                Some(other) => other.min(value),
                None => value,
            });
        }
    }
    best
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
            if let Column::Number(numbers) = column {
                more += self.add_numbers(numbers, rows);
                continue;
            }
            if let Column::Time(times) = column {
                more += self.add_times(times, rows);
                continue;
            }
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
    use super::*;

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
    fn numbers_and_times_as_they_are_kept() {
        let block = Block::new(3)
            .with("n", Column::Number(vec![10, 9, u64::MAX]))
            .with("t", Column::Time(vec![5, 3, 4]));
        for (field, largest, wanted) in [
            ("n", false, ["10", "9"]),
            ("n", true, ["18446744073709551615", "9"]),
            ("t", false, ["1970-01-01T00:00:00.000000004Z", "1970-01-01T00:00:00.000000003Z"]),
            ("t", true, ["1970-01-01T00:00:00.000000005Z", "1970-01-01T00:00:00.000000003Z"]),
        ] {
            let mut state = Extreme::new(&Names::one(field), largest);
            state.grow(2);
            state.add(&block, &Rows::all(&[0, 1, 0]));
            for (group, wanted) in wanted.iter().enumerate() {
                let mut out = Vec::new();
                state.finish(group, &mut out);
                assert_eq!(out, wanted.as_bytes());
            }
        }
    }

    #[test]
    fn times() {
        let rows = &[["2026-01-02T00:00:00Z", ""], ["2026-01-01T23:59:59.5Z", ""]];
        gives("min(a)", rows, "2026-01-01T23:59:59.5Z");
    }
}
