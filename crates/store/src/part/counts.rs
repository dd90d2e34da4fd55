//! How many rows each stream has in each minute at each level: what a histogram is answered from.
//!
//! The cells of an app stand together, as four blocks of numbers, each with its length: minutes (deltas), streams, levels, counts.
//! A cell may come more than once; its counts add up.

use super::error::Bad;
use super::ints;
use super::press::Press;
use super::wire::{put_bytes, take_bytes};

/// Nanoseconds of a minute.
const MINUTE: i64 = 60_000_000_000;

/// Levels that there are.
const LEVELS: usize = 4;

/// Rows of one stream in one minute at one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// When the minute begins, Unix nanoseconds.
    pub minute: i64,
    /// Which of [`super::Part::streams`].
    pub stream: u32,
    /// [`line::Level::code`].
    pub level: u8,
    /// How many rows, at least 1.
    pub rows: u64,
}

/// Counts the rows of an app as they come.
#[derive(Debug, Default)]
pub(super) struct Counter {
    minute: i64,
    /// Rows of the minute, by stream and level.
    open: Vec<u32>,
    /// Places in `open` that are not 0.
    touched: Vec<usize>,
    minutes: Vec<u64>,
    streams: Vec<u64>,
    levels: Vec<u64>,
    counts: Vec<u64>,
}

impl Counter {
    /// Counts a row.
    pub(super) fn add(&mut self, time: i64, stream: u32, level: u8) {
        let minute = time.div_euclid(MINUTE);
        if minute != self.minute {
            self.close();
            self.minute = minute;
        }
        let at = stream as usize * LEVELS + usize::from(level & 3);
        if at >= self.open.len() {
            self.open.resize(at + LEVELS, 0);
        }
        if self.open[at] == 0 {
            self.touched.push(at);
        }
        self.open[at] = self.open[at].saturating_add(1);
    }

    fn close(&mut self) {
        self.touched.sort_unstable();
        for at in self.touched.drain(..) {
            self.minutes.push(ints::from_time(self.minute));
            self.streams.push((at / LEVELS) as u64);
            self.levels.push((at % LEVELS) as u64);
            self.counts.push(u64::from(std::mem::take(&mut self.open[at])));
        }
    }

    /// Appends the cells, whose stream numbers begin at `first_stream`, says how many there are, and begins anew.
    pub(super) fn finish(&mut self, first_stream: u32, press: &mut Press, out: &mut Vec<u8>) -> usize {
        self.close();
        self.streams.iter_mut().for_each(|stream| *stream += u64::from(first_stream));
        let mut block = Vec::new();
        ints::put_deltas(&self.minutes, press, &mut block);
        put_bytes(out, &block);
        for numbers in [&self.streams, &self.levels, &self.counts] {
            block.clear();
            ints::put(numbers, press, &mut block);
            put_bytes(out, &block);
        }
        let cells = self.minutes.len();
        *self = Self::default();
        cells
    }
}

/// The `cells` cells that were written.
pub(super) fn take(mut bytes: &[u8], cells: usize) -> Result<Vec<Count>, Bad> {
    let minutes = ints::take(take_bytes(&mut bytes)?, cells)?;
    let streams = ints::take(take_bytes(&mut bytes)?, cells)?;
    let levels = ints::take(take_bytes(&mut bytes)?, cells)?;
    let counts = ints::take(take_bytes(&mut bytes)?, cells)?;
    let cell = |((minute, stream), (level, rows)): ((u64, u64), (u64, u64))| {
        let minute = ints::to_time(minute).saturating_mul(MINUTE);
        let (stream, level) = (u32::try_from(stream).ok()?, u8::try_from(level).ok()?);
        Some(Count { minute, stream, level, rows })
    };
    let all = minutes.into_iter().zip(streams).zip(levels.into_iter().zip(counts));
    all.map(cell).collect::<Option<_>>().ok_or(Bad("counts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_minute_stream_and_level() {
        let mut counter = Counter::default();
        for (time, stream, level) in
            [(1, 0, 1), (2, 1, 3), (3, 0, 1), (MINUTE, 0, 1), (-1, 2, 0), (MINUTE + 1, 0, 1)]
        {
            counter.add(time, stream, level);
        }
        let (mut press, mut out) = (Press::new(1).unwrap(), Vec::new());
        let cells = counter.finish(10, &mut press, &mut out);
        let found: Vec<_> =
            take(&out, cells).unwrap().iter().map(|c| (c.minute, c.stream, c.level, c.rows)).collect();
        let wanted =
            [(0, 10, 1, 2), (0, 11, 3, 1), (MINUTE, 10, 1, 1), (-MINUTE, 12, 0, 1), (MINUTE, 10, 1, 1)];
        assert_eq!(found, wanted);
        assert!(take(&out, cells + 1).is_err());
    }
}
