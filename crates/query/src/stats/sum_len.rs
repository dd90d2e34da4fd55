//! `sum_len(a, b)`: how many bytes the values have together.

use super::{Accumulate, Entry, Rows, Takes, each_value, grow};
use crate::names::Names;
use crate::wire::{Reader, put};
use crate::{Block, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "sum_len",
    takes: Takes::Fields,
    about: "the bytes of all values together",
    make: |call, _| Box::new(SumLen { names: call.names.clone(), sums: Vec::new() }),
};

#[derive(Debug)]
struct SumLen {
    names: Names,
    sums: Vec<u64>,
}

impl Accumulate for SumLen {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.sums, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        for column in self.names.columns(block) {
            each_value(column, rows, |group, value| {
                if let Some(sum) = self.sums.get_mut(group) {
                    *sum = sum.saturating_add(value.len() as u64);
                }
            });
        }
        0
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        put(self.sums.get(group).copied().unwrap_or(0), out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let more = state.number()?;
        if let Some(sum) = self.sums.get_mut(group) {
            *sum = sum.saturating_add(more);
        }
        Ok(0)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.sums.get(group).copied().unwrap_or(0).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn lengths() {
        gives("sum_len(a)", &[], "0");
        gives("sum_len(a)", &[["abc", "x"], ["é", "x"]], "5");
        gives("sum_len(a, b)", &[["abc", "x"], ["", ""]], "4");
    }
}
