//! `quantile(0.9, a, b)` and `median(a, b)`: the value below which that share of the values lies, as it was written.
//!
//! Up to [`EXACT`] different values of a group it is exact. Beyond that, values that are within 0.2 % of each other are
//! counted together and the smallest of them stands for all. Which of both holds depends only on the values, not on
//! who scanned what in which order, so runs agree.

use std::collections::{BTreeMap, HashMap};

use super::{Accumulate, Call, Entry, Rows, Takes, each_value, grow};
use crate::names::Names;
use crate::value::{Key, compare};
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Error};

/// How many different values a group may have before near ones are counted together.
const EXACT: usize = 65_536;

pub(super) const ENTRY: Entry = Entry {
    name: "quantile",
    takes: Takes::Phi,
    about: "the value below which this share of the values lies; within 0.2 % beyond 65,536 different ones",
    make: |call, _| Box::new(Quantile::new(call)),
};

pub(super) const MEDIAN: Entry = Entry {
    name: "median",
    takes: Takes::Fields,
    about: "the same as quantile(0.5, …)",
    make: |call, _| Box::new(Quantile::new(call)),
};

/// What is counted together: numbers by sign, exponent and nine bits of fraction; texts by their first eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    Number(i64),
    Text(u64),
}

impl Near {
    fn of(value: &[u8]) -> Self {
        // Bits below the first nine of the fraction, and what is left of a sign-and-magnitude number in the order of its value.
        const DROPPED: u32 = 52 - 9;
        match Key::of(value) {
            Key::Number(number, _) => Self::Number(ordered(number) >> DROPPED),
            Key::Time(time) => Self::Number(ordered(time as f64) >> DROPPED),
            Key::Empty | Key::Text(_) => {
                let mut first = [0; 8];
                first.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
                Self::Text(u64::from_be_bytes(first))
            }
        }
    }
}

/// The bits of `number` as a whole number that is larger where `number` is.
const fn ordered(number: f64) -> i64 {
    let bits = number.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The values of a group with how often they came.
#[derive(Debug)]
enum Found {
    Exact(HashMap<Box<[u8]>, u64>),
    Near(BTreeMap<Near, (Box<[u8]>, u64)>),
}

impl Default for Found {
    fn default() -> Self {
        Self::Exact(HashMap::new())
    }
}

impl Found {
    fn add(&mut self, value: &[u8], times: u64) -> usize {
        match self {
            Self::Exact(values) => {
                if let Some(count) = values.get_mut(value) {
                    *count = count.saturating_add(times);
                    return 0;
                }
                if values.len() < EXACT {
                    values.insert(value.into(), times);
                    return value.len() + 48;
                }
                let all = std::mem::take(values);
                *self = Self::Near(BTreeMap::new());
                for (value, times) in &all {
                    self.add(value, *times);
                }
                self.add(value, times)
            }
            Self::Near(values) => {
                let mut more = 0;
                let (smallest, count) = values.entry(Near::of(value)).or_insert_with(|| {
                    more = value.len() + 64;
                    (value.into(), 0)
                });
                *count = count.saturating_add(times);
                if compare(value, smallest).is_lt() {
                    *smallest = value.into();
                }
                more
            }
        }
    }

    /// Values in no certain order.
    fn counts(&self) -> Box<dyn Iterator<Item = (&[u8], u64)> + '_> {
        match self {
            Self::Exact(values) => Box::new(values.iter().map(|(value, times)| (&**value, *times))),
            Self::Near(values) => Box::new(values.values().map(|(value, times)| (&**value, *times))),
        }
    }

    fn quantile(&self, phi: f64) -> Option<&[u8]> {
        let mut sorted: Vec<(Key, &[u8], u64)> =
            self.counts().map(|(value, times)| (Key::of(value), value, times)).collect();
        sorted.sort_unstable_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        let total: u64 = sorted.iter().fold(0, |sum, (_, _, times)| sum.saturating_add(*times));
        let rank = rank(phi, total);
        let mut before = 0u64;
        let found = sorted.iter().find(|(_, _, times)| {
            before = before.saturating_add(*times);
            before > rank
        });
        found.or(sorted.last()).map(|(_, value, _)| *value)
    }
}

/// Which of `total` sorted values it is, from 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of total, from 0 to total"
)]
fn rank(phi: f64, total: u64) -> u64 {
    ((phi * total as f64) as u64).min(total.saturating_sub(1))
}

#[derive(Debug)]
struct Quantile {
    names: Names,
    phi: f64,
    found: Vec<Found>,
}

impl Quantile {
    fn new(call: &Call) -> Self {
        Self { names: call.names.clone(), phi: call.phi(), found: Vec::new() }
    }
}

impl Accumulate for Quantile {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.found, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let mut more = 0;
        for column in self.names.columns(block) {
            each_value(column, rows, |group, value| {
                if let Some(found) = self.found.get_mut(group).filter(|_| !value.is_empty()) {
                    more += found.add(value, 1);
                }
            });
        }
        more
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let mut all: Vec<_> = self.found.get(group).into_iter().flat_map(Found::counts).collect();
        all.sort_unstable();
        let is_near = matches!(self.found.get(group), Some(Found::Near(_)));
        put(u64::from(is_near), out);
        put(all.len() as u64, out);
        for (value, times) in all {
            put_bytes(value, out);
            put(times, out);
        }
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let Some(found) = self.found.get_mut(group) else { return Ok(0) };
        let (is_near, mut more) = (state.number()? == 1, 0);
        if is_near && let Found::Exact(values) = found {
            let all = std::mem::take(values);
            *found = Found::Near(BTreeMap::new());
            for (value, times) in &all {
                found.add(value, *times);
            }
        }
        for _ in 0..state.number()? {
            let value = state.bytes()?;
            more += found.add(value, state.number()?);
        }
        Ok(more)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        let value = self.found.get(group).and_then(|found| found.quantile(self.phi));
        out.extend_from_slice(value.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;
    use super::*;

    #[test]
    fn of_few() {
        let rows = &[["10", "5ms"], ["9", "1s"], ["1", ""], ["2", "20us"]];
        gives("median(a)", rows, "9");
        gives("quantile(0.5, a)", rows, "9");
        gives("quantile(0, a)", rows, "1");
        gives("quantile(1, a)", rows, "10");
        gives("quantile(0.9, b)", rows, "1s");
        gives("median(a, b)", rows, "10");
        gives("median(a)", &[["", ""]], "");
    }

    #[test]
    fn of_many() {
        let all: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
        let (mut one, mut two) = (Found::default(), Found::default());
        for value in &all {
            one.add(value.as_bytes(), 1);
        }
        for value in all.iter().rev() {
            two.add(value.as_bytes(), 1);
        }
        for phi in [0.0, 0.1, 0.5, 0.99, 1.0] {
            let value = one.quantile(phi).unwrap();
            assert_eq!(two.quantile(phi).unwrap(), value);
            let number: f64 = std::str::from_utf8(value).unwrap().parse().unwrap();
            let wanted = (phi * 200_000.0).min(199_999.0);
            assert!((number - wanted).abs() <= wanted * 0.002, "{phi}: {number}");
        }
    }

    #[test]
    fn near_numbers_are_in_order() {
        let near = |text: &str| Near::of(text.as_bytes());
        assert!(near("-2") < near("-1") && near("-1") < near("0") && near("0") < near("0.5"));
        assert!(near("1") < near("1.01") && near("1") == near("1.001") && near("9") < near("a"));
    }
}
