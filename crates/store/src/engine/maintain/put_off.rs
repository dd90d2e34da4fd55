//! Parts that a merge failed with are left alone for a while, so that what is wrong with them holds up no others.

use crate::clock::{HOUR, SECOND};
use std::collections::BTreeMap;

/// The first wait; it doubles with each failure.
pub(super) const SHORT: i64 = 60 * SECOND;
/// The first wait when there was no room: a merge of that size takes long, and room does not come back soon.
pub(super) const LONG: i64 = HOUR;
/// The longest wait.
const LONGEST: i64 = 24 * HOUR;

/// Parts, by id, that are not to be touched before some moment by time elapsed, and how long that wait was.
#[derive(Debug, Default)]
pub(super) struct PutOff(BTreeMap<u64, (i64, i64)>);

impl PutOff {
    /// Leaves a part alone for `first` nanoseconds, or twice as long as the last time.
    pub(super) fn add(&mut self, id: u64, first: i64, elapsed: i64) {
        let twice = |(_, wait): &(i64, i64)| wait.saturating_mul(2).clamp(first, LONGEST);
        let wait = self.0.get(&id).map_or(first, twice);
        self.0.insert(id, (elapsed.saturating_add(wait), wait));
    }

    /// Those that are to be left alone.
    pub(super) fn at(&self, elapsed: i64) -> impl Iterator<Item = u64> {
        self.0.iter().filter(move |(_, (until, _))| *until > elapsed).map(|(id, _)| *id)
    }

    /// Parts that are no more.
    pub(super) fn forget(&mut self, ids: &[u64]) {
        ids.iter().for_each(|id| {
            self.0.remove(id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_day_and_end_with_the_part() {
        let (mut put_off, mut elapsed, mut waits) = (PutOff::default(), 0, Vec::new());
        for _ in 0..7 {
            put_off.add(1, LONG, elapsed);
            let from = elapsed;
            while put_off.at(elapsed).next().is_some() {
                elapsed += HOUR;
            }
            waits.push((elapsed - from) / HOUR);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 24, 24]);
        put_off.forget(&[1]);
        put_off.add(1, SHORT, elapsed);
        assert_eq!((put_off.at(elapsed + SHORT - 1).count(), put_off.at(elapsed + SHORT).count()), (1, 0));
    }
}
