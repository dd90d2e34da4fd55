//! Adds up the counts that a query does not tell apart: of one stream and level, and of one step of time.

use crate::part::Count;

/// Levels that there are.
const LEVELS: usize = 4;

/// Counts of one part on their way to the pipes. A day has a hundred thousand cells and a query asks for a hundred sums: what a pipe does for
/// each row would be most of the work.
pub(super) struct Tally {
    /// Nanoseconds; `None` if time is not asked for.
    step: Option<i64>,
    offset: i64,
    /// Which step is being added up.
    open: i64,
    /// The first minute of it.
    minute: i64,
    /// Rows of that step, by stream and level.
    sums: Vec<u64>,
    /// Places in `sums` that are not 0.
    touched: Vec<usize>,
    done: Vec<Count>,
}

impl Tally {
    /// For a part of so many streams, in steps of `step` nanoseconds that begin at `offset`.
    pub(super) fn new(streams: usize, step: Option<i64>, offset: i64) -> Self {
        let step = step.filter(|&step| step > 0);
        let sums = vec![0; streams * LEVELS];
        Self { step, offset, open: 0, minute: 0, sums, touched: Vec::new(), done: Vec::new() }
    }

    /// Adds a cell. They come in order of time, mostly: each change of the step ends a sum.
    pub(super) fn add(&mut self, count: &Count) {
        let open = self.step.map_or(0, |step| count.minute.saturating_sub(self.offset).div_euclid(step));
        if open != self.open {
            self.close();
            self.open = open;
        }
        if self.touched.is_empty() {
            self.minute = count.minute;
        }
        let at = count.stream as usize * LEVELS + usize::from(count.level & 3);
        let Some(sum) = self.sums.get_mut(at) else { return };
        if *sum == 0 {
            self.touched.push(at);
        }
        *sum = sum.saturating_add(count.rows);
    }

    fn close(&mut self) {
        for at in self.touched.drain(..) {
            let (stream, level) = (u32::try_from(at / LEVELS), u8::try_from(at % LEVELS));
            let (Ok(stream), Ok(level)) = (stream, level) else { continue };
            let rows = std::mem::take(&mut self.sums[at]);
            self.done.push(Count { minute: self.minute, stream, level, rows });
        }
    }

    /// The sums that are made, if there are at least so many of them.
    pub(super) fn take(&mut self, at_least: usize) -> Option<Vec<Count>> {
        (self.done.len() >= at_least.max(1)).then(|| std::mem::take(&mut self.done))
    }

    /// The last sums.
    pub(super) fn finish(mut self) -> Vec<Count> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MINUTE: i64 = 60_000_000_000;

    proptest! {
        #[test]
        fn sums_are_those_of_the_cells(
            cells in proptest::collection::vec((-300i64..300, 0u32..3, 0u8..4, 1u64..9), 0..80),
            step in proptest::option::of(1i64..70),
            offset in -90i64..90,
        ) {
            let by = |minute: i64| step.map(|step| (minute - offset).div_euclid(step));
            let (mut wanted, mut found) = (BTreeMap::new(), BTreeMap::new());
            let mut tally = Tally::new(3, step.map(|step| step * MINUTE), offset * MINUTE);
            let mut sums = Vec::new();
            for &(minute, stream, level, rows) in &cells {
                *wanted.entry((by(minute), stream, level)).or_insert(0) += rows;
                tally.add(&Count { minute: minute * MINUTE, stream, level, rows });
                sums.extend(tally.take(5).unwrap_or_default());
            }
            sums.extend(tally.finish());
            for Count { minute, stream, level, rows } in sums {
                *found.entry((by(minute / MINUTE), stream, level)).or_insert(0) += rows;
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
