//! The different tokens of one frame.

use query::token::tokens;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{BITS_A_TOKEN, PROBES, place};
use crate::Rows;

/// Longest number that is not taken.
const MAX_COMMON_DIGITS: usize = 6;

/// The hash by which `token` of `field` is asked for; `None` if the filters do not know such tokens, so that
/// they exclude nothing.
#[must_use]
pub fn hash(field: &str, token: &[u8]) -> Option<u64> {
    hash_with(seed(field), token)
}

fn seed(field: &str) -> u64 {
    if field == "_msg" { 0 } else { xxh3_64(field.as_bytes()) }
}

fn hash_with(seed: u64, token: &[u8]) -> Option<u64> {
    if token.len() <= MAX_COMMON_DIGITS && token.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Zero marks a free place in the set.
    Some(xxh3_64_with_seed(token, seed).max(1))
}

/// Different hashes, gathered in an open table that is used again from frame to frame.
#[derive(Debug)]
pub(in crate::part) struct TokenSet {
    /// A power of two of places, at least half of them free, which are 0.
    table: Vec<u64>,
    len: usize,
}

impl TokenSet {
    /// An empty set.
    pub(in crate::part) fn new() -> Self {
        Self { table: vec![0; 1 << 12], len: 0 }
    }

    /// The filter of the tokens of `rows`. What was in the set before is forgotten.
    pub(in crate::part) fn filter(&mut self, rows: &Rows) -> FrameFilter {
        self.table.fill(0);
        self.len = 0;
        for message in rows.messages.iter() {
            self.add_all(0, message);
        }
        for field in rows.fields() {
            let seed = seed(field.name());
            field.values.iter().for_each(|value| self.add_all(seed, value));
        }
        let mut filter = FrameFilter::for_tokens(self.len);
        for &hash in self.table.iter().filter(|&&hash| hash != 0) {
            filter.add(hash);
        }
        filter
    }

    fn add_all(&mut self, seed: u64, value: &[u8]) {
        tokens(value).filter_map(|token| hash_with(seed, token)).for_each(|hash| self.add(hash));
    }

    fn add(&mut self, hash: u64) {
        if insert(&mut self.table, hash) {
            self.len += 1;
            if self.len * 2 > self.table.len() {
                let mut table = vec![0; self.table.len() * 2];
                self.table.iter().filter(|&&hash| hash != 0).for_each(|&hash| {
                    insert(&mut table, hash);
                });
                self.table = table;
            }
        }
    }
}

/// Whether `hash` was not yet in the table, which has room for it.
fn insert(table: &mut [u64], hash: u64) -> bool {
    let mask = table.len() - 1;
    let mut at = usize::try_from(hash >> 20).unwrap_or(0) & mask;
    while table[at] != 0 {
        if table[at] == hash {
            return false;
        }
        at = (at + 1) & mask;
    }
    table[at] = hash;
    true
}

/// The filter of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::part) struct FrameFilter {
    /// How many bits it has; 0 without tokens.
    pub(in crate::part) bits: u32,
    pub(in crate::part) words: Vec<u64>,
}

impl FrameFilter {
    /// An empty filter of `bits` bits.
    pub(in crate::part) fn empty(bits: u32) -> Self {
        Self { bits, words: vec![0; (bits as usize).div_ceil(64)] }
    }

    /// An empty filter with room for `tokens` different ones. There are eight sizes from one power of two to the next, so that
    /// frames share them.
    fn for_tokens(tokens: usize) -> Self {
        let wanted = (tokens as u64 * BITS_A_TOKEN).min(1 << 30);
        let step = 1 << wanted.checked_ilog2().unwrap_or(0).saturating_sub(3);
        Self::empty(u32::try_from(wanted.next_multiple_of(step)).unwrap_or(0))
    }

    fn add(&mut self, hash: u64) {
        for probe in 0..PROBES {
            let bit = place(hash, probe, self.bits) as usize;
            self.words[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// The bits that are set, rising.
    pub(super) fn set_bits(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }
}
