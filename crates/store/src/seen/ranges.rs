//! A set of numbers as few ranges.

/// Most ranges of one set: the window behind the highest number. Beyond, the lowest range is forgotten, for what comes
/// again is nearly always what came last. What lies below the window counts as never stored: if it comes once more it is
/// stored twice, but a late fill is never taken for what was stored.
const MAX_RANGES: usize = 256;

/// Numbers as ranges that rise and do not touch, the highest of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// The ranges, each with its end.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// The range that holds `number`.
    fn find(&self, number: u64) -> Option<(u64, u64)> {
        let at = self.0.partition_point(|&(_, end)| end <= number);
        self.0.get(at).copied().filter(|&(start, _)| start <= number)
    }

    /// The end of the range that holds `number`.
    #[must_use]
    pub fn end_of(&self, number: u64) -> Option<u64> {
        self.find(number).map(|(_, end)| end)
    }

    /// The start of the first range that begins at `number` or later.
    pub fn next_from(&self, number: u64) -> Option<u64> {
        self.0.get(self.0.partition_point(|&(start, _)| start < number)).map(|&(start, _)| start)
    }

    /// Whether all of `start..end` is in it.
    pub fn covers(&self, start: u64, end: u64) -> bool {
        self.end_of(start).is_some_and(|last| end <= last)
    }

    /// Adds `start..end`.
    pub fn add(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        // Nearly always it goes on where the last one ends.
        if let Some(last) = self.0.last_mut()
            && last.1 == start
        {
            last.1 = end;
            return;
        }
        let from = self.0.partition_point(|&(_, known)| known < start);
        let to = self.0.partition_point(|&(known, _)| known <= end);
        if from < to {
            let joined = (self.0[from].0.min(start), self.0[to - 1].1.max(end));
            self.0.splice(from..to, [joined]);
        } else {
            self.0.insert(from, (start, end));
            self.bound();
        }
    }

    fn bound(&mut self) {
        let beyond = self.0.len().saturating_sub(MAX_RANGES);
        self.0.drain(..beyond);
    }

    /// Takes `start..end` out.
    pub fn remove(&mut self, start: u64, end: u64) {
        if self.0.is_empty() || start >= end {
            return;
        }
        let from = self.0.partition_point(|&(_, known)| known <= start);
        let to = self.0.partition_point(|&(known, _)| known < end);
        if from >= to {
            return;
        }
        let (first, last) = (self.0[from].0, self.0[to - 1].1);
        let rest = [(first, start), (end, last)].into_iter().filter(|(start, end)| start < end);
        self.0.splice(from..to, rest);
        self.bound();
    }
}
