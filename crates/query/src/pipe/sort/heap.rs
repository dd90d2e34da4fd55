//! The first rows in an order, however many come.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::value::Key;

/// What a row sorts as in one field, and in which direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Directed {
    /// The smallest come first.
    Asc(Key),
    /// The largest do.
    Desc(Key),
}

impl Directed {
    /// `key` in its direction.
    pub(super) const fn new(key: Key, desc: bool) -> Self {
        if desc { Self::Desc(key) } else { Self::Asc(key) }
    }

    fn key(&self) -> &Key {
        match self {
            Self::Asc(key) | Self::Desc(key) => key,
        }
    }
}

impl Ord for Directed {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.key().cmp(other.key());
        if matches!(self, Self::Desc(_)) { order.reverse() } else { order }
    }
}

impl PartialOrd for Directed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A row in its place. The row itself comes last, to decide among equals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placed {
    /// What it sorts as.
    pub(super) keys: Box<[Directed]>,
    /// The row, packed.
    pub(super) row: Box<[u8]>,
}

impl Placed {
    /// Roughly how many bytes of memory it takes.
    fn bytes(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| size_of::<Directed>() + key.key().bytes()).sum();
        self.row.len() + keys + 64
    }
}

/// Up to a number of rows, those that come first.
#[derive(Debug, Default)]
pub(super) struct Heap {
    rows: BinaryHeap<Placed>,
}

impl Heap {
    /// The first key of the last row, if there is no place left: rows behind it need not be looked at.
    pub(super) fn bar(&self, most: usize) -> Option<&Directed> {
        if self.rows.len() < most {
            return None;
        }
        self.rows.peek().and_then(|last| last.keys.first())
    }

    /// Puts a row in, and takes the last one out if there are more than `most`. Says how many bytes more, and how many less,
    /// are held.
    pub(super) fn push(&mut self, placed: Placed, most: usize) -> (usize, usize) {
        let more = placed.bytes();
        if self.rows.len() < most {
            self.rows.push(placed);
            return (more, 0);
        }
        let Some(mut last) = self.rows.peek_mut() else { return (0, 0) };
        if placed >= *last {
            return (0, 0);
        }
        let less = last.bytes();
        *last = placed;
        (more, less)
    }

    /// The rows, in no certain order.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Placed> {
        self.rows.iter()
    }

    /// The rows in their order.
    pub(super) fn into_sorted(self) -> Vec<Placed> {
        self.rows.into_sorted_vec()
    }
}
