//! `sum(a, b)`: all numbers together; `NaN` if there is none.

use super::{Accumulate, Entry, Rows, Takes, each_number, grow};
use crate::names::Names;
use crate::value::write_number;
use crate::wire::{Reader, put, put_float};
use crate::{Block, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "sum",
    takes: Takes::Fields,
    about: "the sum of the numbers; NaN if there is none",
    make: |call, _| Box::new(Sum::new(&call.names)),
};

/// Sums and how many numbers went into them.
#[derive(Debug)]
pub(super) struct Sum {
    names: Names,
    sums: Vec<(f64, u64)>,
}

impl Sum {
    /// The sum of the numbers in `names`.
    pub(super) fn new(names: &Names) -> Self {
        Self { names: names.clone(), sums: Vec::new() }
    }

    /// The sum of `group` and how many numbers there were.
    pub(super) fn get(&self, group: usize) -> (f64, u64) {
        self.sums.get(group).copied().unwrap_or_default()
    }
}

impl Accumulate for Sum {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.sums, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        for column in self.names.columns(block) {
            each_number(column, rows, |group, number| {
                if let Some((sum, count)) = self.sums.get_mut(group) {
                    *sum += number;
                    *count += 1;
                }
            });
        }
        0
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let (sum, count) = self.get(group);
        put_float(sum, out);
        put(count, out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let (more, many) = (state.float()?, state.number()?);
        if let Some((sum, count)) = self.sums.get_mut(group) {
            *sum += more;
            *count = count.saturating_add(many);
        }
        Ok(0)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        let (sum, count) = self.get(group);
        write_number(if count == 0 { f64::NAN } else { sum }, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn sums() {
        gives("sum(a)", &[], "NaN");
        gives("sum(a)", &[["x", "1"], ["", "2"]], "NaN");
        gives("sum(a)", &[["1", ""], ["x", ""], ["2.5", ""], ["-1", ""]], "2.5");
        gives("sum(a, b)", &[["1", "2"], ["3", ""]], "6");
        gives("sum(*)", &[["1", "2"], ["3", "x"]], "6");
        gives("sum(a)", &[["1KiB", ""], ["1ms", ""]], "1001024");
    }
}
