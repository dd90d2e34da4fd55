//! `avg(a, b)`: the mean of all numbers; `NaN` if there is none.

use super::sum::Sum;
use super::{Accumulate, Entry, Rows, Takes};
use crate::value::write_number;
use crate::wire::Reader;
use crate::{Block, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "avg",
    takes: Takes::Fields,
    about: "the mean of the numbers; NaN if there is none",
    make: |call, _| Box::new(Average(Sum::new(&call.names))),
};

#[derive(Debug)]
struct Average(Sum);

impl Accumulate for Average {
    fn grow(&mut self, groups: usize) -> usize {
        self.0.grow(groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        self.0.add(block, rows)
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        self.0.export(group, out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        self.0.import(group, state)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        let (sum, count) = self.0.get(group);
        write_number(sum / count as f64, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn means() {
        gives("avg(a)", &[], "NaN");
        gives("avg(a)", &[["1", "9"], ["", "9"], ["2", "9"]], "1.5");
        gives("avg(a, b)", &[["1", "2"], ["3", ""]], "2");
    }
}
