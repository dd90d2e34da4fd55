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

    /// The rows that may be among those that are kept, with their first key. Of a block that has more rows than are kept,
    /// it is those whose first key is good enough, so that the others are neither packed nor compared any further.
    fn candidates(&self, block: &Block, column: Option<&Column>) -> Vec<(usize, Option<Directed>)> {
        if self.sort.by.is_empty() {
            return (0..block.rows()).map(|row| (row, None)).collect();
        }
        let (mut scratch, desc, most) = (Vec::new(), self.desc(0), self.most());
        let mut key = |row| {
            let key = column.map_or(Key::Empty, |column| Key::at(column, row, &mut scratch));
            Directed::new(key, desc)
        };
        let mut rows: Vec<(Directed, usize)> = (0..block.rows()).map(|row| (key(row), row)).collect();
        if self.sort.partition.is_empty() {
            // Most rows of most blocks are behind what is kept already.
            if let Some(bar) = self.parts.values().next().and_then(|part| part.bar(most)) {
                rows.retain(|(first, _)| first <= bar);
            }
            if most < rows.len() {
                let (_, last, _) = rows.select_nth_unstable(most - 1);
                let bar = last.0.clone();
                rows.retain(|(first, _)| *first <= bar);
            }
        }
        rows.into_iter().map(|(first, row)| (row, Some(first))).collect()
    }

    /// Whether a row with `first` as its first key is behind all that are kept, however good its others are.
    fn is_behind(&self, partition: &[u8], first: Option<&Directed>) -> bool {
        let bar = self.parts.get(partition).and_then(|part| part.bar(self.most()));
        bar.zip(first).is_some_and(|(bar, first)| first > bar)
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
        let sort = self.sort.clone();
        let columns: Vec<Option<&Column>> =
            sort.by.iter().map(|key| block.column(&key.field).map(|column| &**column)).collect();
        let mut packer = Packer::new(block, |_| true);
        let mut scratch = Vec::new();
        for (row, first) in self.candidates(block, columns.first().copied().flatten()) {
            let partition = self.partition(|field| block.value(field, row, &mut Vec::new()).to_vec().into());
            if self.is_behind(&partition, first.as_ref()) {
                continue;
            }
            let others = columns.iter().enumerate().skip(1).map(|(at, column)| {
                let key = column.map_or(Key::Empty, |column| Key::at(column, row, &mut scratch));
                Directed::new(key, self.desc(at))
            });
            let keys = first.into_iter().chain(others).collect();
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
