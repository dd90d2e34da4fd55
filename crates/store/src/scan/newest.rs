//! The newest rows are enough: how old a row may be to be among them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use query::Rows;

/// Times of the newest rows so far, of all threads of a scan.
pub(crate) struct Newest {
    wanted: usize,
    /// The oldest of them on top; never more than are wanted.
    times: Mutex<BinaryHeap<Reverse<i64>>>,
    floor: AtomicI64,
}

impl Newest {
    /// For so many rows, none yet. 0 lets none through.
    pub(crate) fn new(wanted: usize) -> Self {
        let floor = if wanted == 0 { i64::MAX } else { i64::MIN };
        Self { wanted, times: Mutex::default(), floor: AtomicI64::new(floor) }
    }

    /// Rows before this time cannot be among the newest any more.
    pub(crate) fn floor(&self) -> i64 {
        self.floor.load(Ordering::Relaxed)
    }

    /// Takes in the times of `rows`, and takes out of them what cannot be among the newest. Of rows that are as old as the oldest
    /// of them all stay: other fields decide between those.
    pub(crate) fn keep(&self, times: &[i64], rows: &mut Rows) {
        let floor = self.floor();
        rows.retain(|row| times.get(row).is_some_and(|&time| time >= floor));
        let mut newest = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for &time in rows.iter().filter_map(|row| times.get(row)) {
            if newest.len() < self.wanted {
                newest.push(Reverse(time));
            } else if newest.peek().is_some_and(|oldest| time > oldest.0) {
                newest.pop();
                newest.push(Reverse(time));
            }
        }
        if newest.len() == self.wanted
            && let Some(&Reverse(oldest)) = newest.peek()
        {
            self.floor.fetch_max(oldest, Ordering::Relaxed);
        }
        drop(newest);
        let floor = self.floor();
        rows.retain(|row| times.get(row).is_some_and(|&time| time >= floor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_newest_of_all_are_kept(blocks in prop::collection::vec(prop::collection::vec(0_i64..50, 0..20), 0..6), wanted in 0_usize..12) {
            let newest = Newest::new(wanted);
            let mut kept = Vec::new();
            for times in &blocks {
                let mut rows = Rows::all(times.len());
                newest.keep(times, &mut rows);
                kept.extend(rows.iter().map(|row| times[row]));
            }
            let mut all: Vec<i64> = blocks.concat();
            all.sort_unstable_by_key(|&time| Reverse(time));
            kept.sort_unstable_by_key(|&time| Reverse(time));
            all.truncate(wanted);
            kept.truncate(wanted);
            prop_assert_eq!(&kept, &all);
            prop_assert!(all.len() < wanted || all.last().is_none_or(|&oldest| newest.floor() == oldest));
        }
    }
}
