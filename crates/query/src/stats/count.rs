//! `count()`: rows, or rows in which one of the fields has a value.

use super::{Accumulate, Call, Context, Entry, Rows, Takes, grow};
use crate::names::Names;
use crate::wire::{Reader, put};
use crate::{Block, Column, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "count",
    takes: Takes::Fields,
    about: "rows, or rows where one of the fields has a value",
    make: |call, _| Box::new(Count::new(&call.names)),
};

/// How many rows there were. The function that may be given rows that stand for many.
#[derive(Debug)]
pub(super) struct Count {
    names: Names,
    counts: Vec<u64>,
}

impl Count {
    /// Counts rows with a value in one of `names`.
    pub(super) fn new(names: &Names) -> Self {
        Self { names: names.clone(), counts: Vec::new() }
    }

    /// The count of `group`.
    pub(super) fn get(&self, group: usize) -> u64 {
        self.counts.get(group).copied().unwrap_or(0)
    }

    fn add_all(&mut self, block: &Block, rows: &Rows<'_>) {
        match (block.weights(), rows.one()) {
            (None, Some(group)) => {
                if let Some(count) = self.counts.get_mut(group) {
                    *count += rows.len() as u64;
                }
            }
            (None, None) => rows.iter().for_each(|(_, group)| {
                if let Some(count) = self.counts.get_mut(group) {
                    *count += 1;
                }
            }),
            (Some(_), _) => rows.iter().for_each(|(row, group)| {
                if let Some(count) = self.counts.get_mut(group) {
                    *count = count.saturating_add(block.weight(row));
                }
            }),
        }
    }
}

impl Accumulate for Count {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.counts, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        if self.names.is_all() {
            self.add_all(block, rows);
            return 0;
        }
        let columns = self.names.columns(block);
        for (row, group) in rows.iter() {
            if columns.iter().any(|column| has_value(column, row))
                && let Some(count) = self.counts.get_mut(group)
            {
                *count = count.saturating_add(block.weight(row));
            }
        }
        0
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        put(self.get(group), out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let more = state.number()?;
        if let Some(count) = self.counts.get_mut(group) {
            *count = count.saturating_add(more);
        }
        Ok(0)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.get(group).to_string().as_bytes());
    }
}

/// Whether `column` has a value in `row`.
pub(super) fn has_value(column: &Column, row: usize) -> bool {
    match column.bytes_of(row) {
        Some(value) => !value.is_empty(),
        None => column.len().is_some_and(|len| row < len),
    }
}

/// The state of a function that counts as `count` does, whatever it makes of it.
pub(super) fn counting(call: &Call, _: Context) -> Count {
    Count::new(&call.names)
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;
    use super::*;

    #[test]
    fn rows() {
        gives("count()", &[], "0");
        gives("count()", &[["", ""], ["1", ""]], "2");
        gives("count(a)", &[["", "x"], ["1", ""]], "1");
        gives("count(a, b)", &[["", "x"], ["1", ""], ["", ""]], "2");
        gives("count(gone)", &[["1", "2"]], "0");
    }

    #[test]
    fn weighted_rows() {
        let mut block = Block::new(3).with("a", Column::Number(vec![1, 2, 3]));
        block.set_weights(vec![10, 20, 30]);
        let mut count = Count::new(&Names::all());
        count.grow(2);
        count.add(&block, &Rows::all(&[0, 1, 0]));
        assert_eq!((count.get(0), count.get(1)), (40, 20));
    }
}
