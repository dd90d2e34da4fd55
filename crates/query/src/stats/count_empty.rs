//! `count_empty(a, b)`: rows in which none of the fields has a value.

use super::count::has_value;
use super::{Accumulate, Entry, Rows, Takes, grow};
use crate::names::Names;
use crate::wire::{Reader, put};
use crate::{Block, Error};

pub(super) const ENTRY: Entry = Entry {
    name: "count_empty",
    takes: Takes::Fields,
    about: "rows where none of the fields has a value",
    make: |call, _| Box::new(CountEmpty { names: call.names.clone(), counts: Vec::new() }),
};

#[derive(Debug)]
struct CountEmpty {
    names: Names,
    counts: Vec<u64>,
}

impl Accumulate for CountEmpty {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.counts, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let columns = self.names.columns(block);
        for (row, group) in rows.iter() {
            if !columns.iter().any(|column| has_value(column, row))
                && let Some(count) = self.counts.get_mut(group)
            {
                *count = count.saturating_add(block.weight(row));
            }
        }
        0
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        put(self.counts.get(group).copied().unwrap_or(0), out);
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        let more = state.number()?;
        if let Some(count) = self.counts.get_mut(group) {
            *count = count.saturating_add(more);
        }
        Ok(0)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.counts.get(group).copied().unwrap_or(0).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn rows_without_values() {
        gives("count_empty(a)", &[], "0");
        gives("count_empty(a)", &[["", "1"], ["2", ""]], "1");
        gives("count_empty(a, b)", &[["", "1"], ["", ""]], "1");
        gives("count_empty(gone)", &[["1", "1"], ["", ""]], "2");
    }
}
