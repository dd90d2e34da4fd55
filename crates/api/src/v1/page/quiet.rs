//! What is known to be empty. A reader with nothing new asks again and again from the same position, while the lines of other apps move
//! the store's end on: it is not to look through those each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Most questions that are remembered, of all orgs together; about 1 MiB. The oldest half goes when there are more, which costs a look.
const MAX: usize = 4096;

/// From a question to the position up to which it has no rows.
#[derive(Debug)]
pub(crate) struct Quiet<K = Asked> {
    generations: Mutex<[HashMap<K, u64>; 2]>,
}

/// A question: whose lines, of where, after which time, from which position of which store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(super) whose: String,
    pub(super) after: i64,
    pub(super) store: String,
    pub(super) from: u64,
}

impl<K> Default for Quiet<K> {
    fn default() -> Self {
        Self { generations: Mutex::default() }
    }
}

impl<K: Hash + Eq> Quiet<K> {
    /// Where to begin to look: nothing is before it.
    pub(super) fn end(&self, asked: &K) -> Option<u64> {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = generations.iter().filter_map(|generation| generation.get(asked));
        ends.copied().max()
    }

    /// Notes that nothing is before `end`. That stays so: what is committed later is behind it.
    pub(super) fn note(&self, asked: K, end: u64) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let [new, old] = &mut *generations;
        if new.len() >= MAX / 2 {
            *old = std::mem::take(new);
        }
        new.insert(asked, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_half_is_remembered() {
        let quiet = Quiet::default();
        assert_eq!(quiet.end(&0), None);
        for asked in 0..10 * MAX {
            quiet.note(asked, 7);
        }
        quiet.note(10 * MAX - 1, 8);
        let known = (0..10 * MAX).filter(|asked| quiet.end(asked).is_some()).count();
        assert!((MAX / 2..=MAX).contains(&known), "{known}");
        assert_eq!(quiet.end(&(10 * MAX - 1)), Some(8));
    }
}
