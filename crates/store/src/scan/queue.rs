//! What the threads of a scan take their frames from.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Newest, Unit};

/// Frames in the order in which they are looked at.
pub(super) struct Queue<'a> {
    units: Vec<Unit>,
    /// Rows that are older than what it has are not wanted.
    newest: Option<&'a Newest>,
    at: AtomicUsize,
    stopped: AtomicBool,
}

impl<'a> Queue<'a> {
    pub(super) fn new(mut units: Vec<Unit>, newest: Option<&'a Newest>) -> Self {
        if newest.is_some() {
            units.sort_by_key(|unit| std::cmp::Reverse(unit.time_range().1));
        }
        Self { units, newest, at: AtomicUsize::new(0), stopped: AtomicBool::new(false) }
    }

    /// How many frames there are.
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    /// The next frame; `None` when the rest need not be looked at.
    pub(super) fn next(&self) -> Option<&Unit> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let unit = self.units.get(self.at.fetch_add(1, Ordering::Relaxed))?;
        // Those behind it end no later: none of them can have a row that counts.
        let is_too_old = self.newest.is_some_and(|newest| unit.time_range().1 < newest.floor());
        (!is_too_old).then_some(unit)
    }

    /// Nothing further is wanted.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
