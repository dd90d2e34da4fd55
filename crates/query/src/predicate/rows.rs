//! A set of rows of a block: a bit for each.

/// Which rows of a block are still meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    bits: Vec<u64>,
    len: usize,
}

impl Rows {
    /// All of `len` rows.
    pub fn all(len: usize) -> Self {
        let mut rows = Self { bits: vec![u64::MAX; len.div_ceil(64)], len };
        if let Some(last) = rows.bits.last_mut().filter(|_| !len.is_multiple_of(64)) {
            *last = (1 << (len % 64)) - 1;
        }
        rows
    }

    /// None of `len` rows.
    pub fn none(len: usize) -> Self {
        Self { bits: vec![0; len.div_ceil(64)], len }
    }

    /// How many rows the block has.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no row is in the set.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|&word| word == 0)
    }

    /// How many rows are in the set.
    pub fn count(&self) -> usize {
        self.bits.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether `row` is in the set.
    pub fn has(&self, row: usize) -> bool {
        self.bits.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Puts `row` into the set; nothing beyond its end.
    pub fn insert(&mut self, row: usize) {
        if let Some(word) = self.bits.get_mut(row / 64).filter(|_| row < self.len) {
            *word |= 1 << (row % 64);
        }
    }

    /// Takes all rows out.
    pub fn clear(&mut self) {
        self.bits.fill(0);
    }

    /// Takes out what is not in `other`.
    pub fn and(&mut self, other: &Self) {
        let others = other.bits.iter().copied().chain(std::iter::repeat(0));
        self.bits.iter_mut().zip(others).for_each(|(word, other)| *word &= other);
    }

    /// Takes out what is in `other`.
    pub fn and_not(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(word, other)| *word &= !other);
    }

    /// Puts in what is in `other`, which is of as many rows.
    pub fn or(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(word, other)| *word |= other);
    }

    /// The rows in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.bits.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// Keeps the rows for which `keep` says yes.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (at, word) in self.bits.iter_mut().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                if !keep(at * 64 + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn as_a_set(len in 0_usize..200, a in any::<u64>(), b in any::<u64>()) {
            let pick = |seed: u64| -> BTreeSet<usize> {
                (0..len).filter(|row| seed >> (row % 61) & 1 == 1).collect()
            };
            let rows = |set: &BTreeSet<usize>| {
                let mut rows = Rows::none(len);
                set.iter().for_each(|&row| rows.insert(row));
                rows
            };
            let (a, b) = (pick(a), pick(b));
            let mut both = rows(&a);
            both.and(&rows(&b));
            prop_assert_eq!(both.iter().collect::<BTreeSet<_>>(), &a & &b);
            let mut left = rows(&a);
            left.and_not(&rows(&b));
            prop_assert_eq!(left.iter().collect::<BTreeSet<_>>(), &a - &b);
            let mut either = rows(&a);
            either.or(&rows(&b));
            prop_assert_eq!(either.count(), (&a | &b).len());
            let mut kept = Rows::all(len);
            prop_assert_eq!(kept.count(), len);
            kept.retain(|row| a.contains(&row));
            prop_assert_eq!(&kept, &rows(&a));
            prop_assert!((0..len + 70).all(|row| kept.has(row) == a.contains(&row)));
            prop_assert_eq!(kept.is_empty(), a.is_empty());
        }
    }
}
