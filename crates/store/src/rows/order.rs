//! Rows in another order, or some of them.

use super::{Head, Kind, Rows, Source};

impl Rows {
    /// Whether the rows are in order of time, and of pos where times are equal.
    #[must_use]
    pub fn is_sorted(&self) -> bool {
        self.times
            .windows(2)
            .zip(self.pos.windows(2))
            .all(|(time, pos)| (time[0], pos[0]) <= (time[1], pos[1]))
    }

    /// Brings the rows into order of time, and of pos where times are equal.
    pub fn sort(&mut self) {
        if !self.is_sorted() {
            let order = sorted(&[self], i64::MIN, i64::MAX);
            *self = gather(&[self], &order);
        }
    }

    /// Adds all rows of `other`, which must be of the same app, behind these. Says whether all were taken.
    pub fn extend(&mut self, other: &Self) -> bool {
        let mut picker = Picker::new(1);
        (0..other.len()).all(|row| picker.pick(self, 0, other, row))
    }

    /// Those rows for which `keep` is true, in the order they have.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut picked = Self::new(self.org.clone(), self.app.clone());
        let mut picker = Picker::new(1);
        for row in (0..self.len()).filter(|&row| keep(row)) {
            picker.pick(&mut picked, 0, self, row);
        }
        picked
    }
}

/// Places of the rows of all `many` whose time is in `from..to` (of all times if `to` is `i64::MAX`), by time and pos: which of `many`, and
/// which row in it.
pub(crate) fn sorted(many: &[&Rows], from: i64, to: i64) -> Vec<(u32, u32)> {
    let mut order = Vec::with_capacity(many.iter().map(|rows| rows.len()).sum());
    let inside = |time: i64| time >= from && (time < to || to == i64::MAX);
    for (at, rows) in (0u32..).zip(many) {
        order.extend((0u32..).zip(&rows.times).filter(|(_, time)| inside(**time)).map(|(row, _)| (at, row)));
    }
    let key = |&(at, row): &(u32, u32)| {
        let rows = many[at as usize];
        (rows.times[row as usize], rows.pos[row as usize])
    };
    if !order.is_sorted_by_key(key) {
        // Stable, and quick on runs that are sorted already, which these mostly are.
        order.sort_by_key(key);
    }
    order
}

/// The rows at those places as one. `many` must hold at least one, all of the same app.
pub(crate) fn gather(many: &[&Rows], order: &[(u32, u32)]) -> Rows {
    let mut picked = Rows::new(many[0].org.clone(), many[0].app.clone());
    let mut picker = Picker::new(many.len());
    for &(at, row) in order {
        picker.pick(&mut picked, at as usize, many[at as usize], row as usize);
    }
    picked
}

/// Copies rows from several [`Rows`] into one.
#[derive(Debug)]
pub(crate) struct Picker {
    of: Vec<Known>,
}

/// What is known of one of the origins.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Reference in the target by reference in the origin; `u32::MAX` where not yet asked.
    sources: Vec<u32>,
    /// By field, the first of its values that is not before the row picked last.
    cursors: Vec<usize>,
    last_row: usize,
}

impl Picker {
    /// A picker from `count` origins.
    pub(crate) fn new(count: usize) -> Self {
        Self { of: vec![Known::default(); count] }
    }

    /// The target is another one from now on.
    pub(crate) fn forget_sources(&mut self) {
        self.of.iter_mut().for_each(|known| known.sources.clear());
    }

    /// Adds row `row` of `from`, which is origin `at`, to `to`. Says whether it was taken.
    pub(crate) fn pick(&mut self, to: &mut Rows, at: usize, from: &Rows, row: usize) -> bool {
        let known = &mut self.of[at];
        let source = known.source(to, from.source[row] as usize, &from.sources);
        let head = Head {
            time: from.times[row],
            pos: from.pos[row],
            seq: from.seqs[row],
            span: if from.spans.is_empty() { 1 } else { from.span(row) },
            kind: Kind::PLAIN,
        };
        if !to.push_bits(source, &head, from.kinds[row], from.messages.get(row)) {
            return false;
        }
        if row < known.last_row || known.cursors.len() != from.fields.len() {
            // Going back is rare: rows come nearly in order.
            let place = |field: &super::Field| field.rows.partition_point(|&at| (at as usize) < row);
            known.cursors = from.fields.iter().map(place).collect();
        }
        known.last_row = row;
        for (field, cursor) in from.fields.iter().zip(&mut known.cursors) {
            while field.rows.get(*cursor).is_some_and(|&at| (at as usize) < row) {
                *cursor += 1;
            }
            if field.rows.get(*cursor).is_some_and(|&at| at as usize == row) {
                to.add_field(&field.name, field.values.get(*cursor));
            }
        }
        true
    }
}

impl Known {
    fn source(&mut self, to: &mut Rows, index: usize, sources: &[Source]) -> u32 {
        if self.sources.len() <= index {
            self.sources.resize(index + 1, u32::MAX);
        }
        if self.sources[index] == u32::MAX {
            self.sources[index] = to.source_ref(&sources[index]);
        }
        self.sources[index]
    }
}
