//! `rate()` and `rate_sum(a)`: how many rows, or how much of a sum, there is in a second: of the step of `_time` that
//! rows are grouped by, or of the time that the query looks at. A query over all time gives the count or sum itself.

use super::count::Count;
use super::sum::Sum;
use super::{Accumulate, Entry, Rows, Takes};
use crate::value::write_number;
use crate::wire::Reader;
use crate::{Block, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "rate",
    takes: Takes::Nothing,
    about: "rows in a second of the step of _time, or of the time that the query looks at",
    make: |call, context| {
        let count = super::count::counting(call, context);
        Box::new(Rate { count, seconds: context.seconds.unwrap_or(1.0) })
    },
};

pub(super) const SUM: Entry = Entry {
    name: "rate_sum",
    takes: Takes::Fields,
    about: "the sum of the numbers in a second",
    make: |call, context| {
        Box::new(RateSum { sum: Sum::new(&call.names), seconds: context.seconds.unwrap_or(1.0) })
    },
};

#[derive(Debug)]
struct Rate {
    count: Count,
    seconds: f64,
}

impl Accumulate for Rate {
    fn grow(&mut self, groups: usize) -> usize {
        self.count.grow(groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        self.count.add(block, rows)
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        self.count.export(group, out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        self.count.import(group, state)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        write_number(self.count.get(group) as f64 / self.seconds, out);
    }
}

#[derive(Debug)]
struct RateSum {
    sum: Sum,
    seconds: f64,
}

impl Accumulate for RateSum {
    fn grow(&mut self, groups: usize) -> usize {
        self.sum.grow(groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        self.sum.add(block, rows)
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        self.sum.export(group, out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        self.sum.import(group, state)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        let (sum, count) = self.sum.get(group);
        write_number(if count == 0 { f64::NAN } else { sum / self.seconds }, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn in_two_seconds() {
        gives("rate()", &[], "0");
        gives("rate()", &[["", ""], ["", ""], ["", ""]], "1.5");
        gives("rate_sum(a)", &[["1", ""], ["4", ""]], "2.5");
        gives("rate_sum(a)", &[["x", ""]], "NaN");
    }
}
