//! Sorting at work.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sort;
use super::heap::{Directed, Heap, Placed};
use crate::budget::Account;
use crate::packed::{Packer, ROWS, Unpacker, check, fields};
use crate::pipe::Gather;
use crate::value::Key;
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Column, Error, Flow, field};

/// The rows so far, each partition for itself.
pub(super) struct State {
    sort: Arc<Sort>,
    parts: BTreeMap<Box<[u8]>, Heap>,
    account: Account,
}

impl State {
    pub(super) fn new(sort: Arc<Sort>, account: Account) -> Self {
        Self { sort, parts: BTreeMap::new(), account }
    }

    /// How many rows have to be kept.
    fn most(&self) -> usize {
        if self.sort.limit == 0 {
            return usize::MAX;
        }
        usize::try_from(self.sort.offset.saturating_add(self.sort.limit)).unwrap_or(usize::MAX)
    }

    /// The values that part rows, end to end.
    fn partition<'a>(&self, value: impl Fn(&str) -> std::borrow::Cow<'a, [u8]>) -> Box<[u8]> {
        let mut key = Vec::new();
        self.sort.partition.iter().for_each(|field| put_bytes(&value(field), &mut key));
        key.into()
    }

    fn desc(&self, at: usize) -> bool {
        self.sort.by.get(at).is_some_and(|key| key.desc) != self.sort.desc
    }

    fn insert(&mut self, partition: Box<[u8]>, placed: Placed) -> Result<(), Error> {
        let most = self.most();
        let new = if self.parts.contains_key(&partition) { 0 } else { partition.len() + 96 };
        let (more, less) = self.parts.entry(partition).or_default().push(placed, most);
        self.account.release(less);
        self.account.charge(new + more)
    }

    /// Puts a row of another store in.
    fn insert_packed(&mut self, row: &[u8]) -> Result<(), Error> {
        check(row)?;
        let value = |name: &str| {
            let name_of = |(other, value): (&str, &[u8])| {
                (other == name || field::resolve(other) == field::resolve(name)).then(|| value.to_vec())
            };
            let exact =
                fields(row).flatten().find(|(other, _)| *other == name).map(|(_, value)| value.to_vec());
            exact.or_else(|| fields(row).flatten().find_map(name_of)).unwrap_or_default()
        };
        let partition = self.partition(|name| value(name).into());
        let keys = self.sort.by.iter().enumerate();
        let keys = keys.map(|(at, key)| Directed::new(Key::of(&value(&key.field)), self.desc(at))).collect();
        self.insert(partition, Placed { keys, row: row.into() })
    }
}

impl Gather for State {
    fn push(&mut self, block: &Block) -> Result<Flow, Error> {
        let (sort, most) = (self.sort.clone(), self.most());
        let columns: Vec<Option<&Column>> =
            sort.by.iter().map(|key| block.column(&key.field).map(|column| &**column)).collect();
        let mut packer = Packer::new(block, |_| true);
        let (mut scratch, mut only) = (Vec::new(), Box::default());
        for row in 0..block.rows() {
            let mut key = |at: usize| {
                let column = columns.get(at).copied().flatten();
                let key = column.map_or(Key::Empty, |column| Key::at(column, row, &mut scratch));
                Directed::new(key, self.desc(at))
            };
            let first = if columns.is_empty() { None } else { Some(key(0)) };
            let partition = if sort.partition.is_empty() {
                std::mem::take(&mut only)
            } else {
                self.partition(|field| block.value(field, row, &mut Vec::new()).to_vec().into())
            };
            // Most rows are behind the last one that is kept, and their first key tells.
            let bar = self.parts.get(&partition).and_then(|part| part.bar(most));
            if let (Some(bar), Some(first)) = (bar, &first)
                && first > bar
            {
                continue;
            }
            let keys = first.into_iter().chain((1..columns.len()).map(key)).collect();
            self.insert(partition, Placed { keys, row: packer.pack(row) })?;
        }
        Ok(Flow::More)
    }

    fn export(&self, out: &mut Vec<u8>) {
        let mut rows: Vec<&Placed> = self.parts.values().flat_map(Heap::rows).collect();
        rows.sort_unstable();
        put(rows.len() as u64, out);
        rows.iter().for_each(|placed| put_bytes(&placed.row, out));
    }

    fn import(&mut self, state: &mut Reader<'_>) -> Result<(), Error> {
        for _ in 0..state.number()? {
            let row = state.bytes()?;
            self.insert_packed(row)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn FnMut(Block) -> Flow) {
        let offset = usize::try_from(self.sort.offset).unwrap_or(usize::MAX);
        let mut rows = Unpacker::default();
        for part in std::mem::take(&mut self.parts).into_values() {
            for (at, placed) in part.into_sorted().into_iter().enumerate().skip(offset) {
                if let Some(rank) = &self.sort.rank {
                    rows.set(rank, (at + 1).to_string().as_bytes());
                }
                rows.push(&placed.row);
                if rows.rows() == ROWS && out(rows.take()) == Flow::Done {
                    return;
                }
            }
        }
        if rows.rows() > 0 {
            out(rows.take());
        }
    }
}
