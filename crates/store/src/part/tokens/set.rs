//! The different tokens of one frame.

use query::token::tokens;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::super::split::Found;
use super::super::texts::Values;
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

    /// The filter of the tokens of `rows`, whose messages may have templates. What was in the set before is forgotten.
    pub(in crate::part) fn filter(&mut self, rows: &Rows, found: Option<&Found>) -> FrameFilter {
        self.table.fill(0);
        self.len = 0;
        match found {
            Some(found) => found.each_text(Values::of(&rows.messages), |text, is_token| match is_token {
                true => self.add_token(0, text),
                false => self.add_all(0, text),
            }),
            None => rows.messages.iter().for_each(|message| self.add_all(0, message)),
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
        tokens(value).for_each(|token| self.add_token(seed, token));
    }

    fn add_token(&mut self, seed: u64, token: &[u8]) {
        if let Some(hash) = hash_with(seed, token) {
            self.add(hash);
        }
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

#[cfg(test)]
mod tests {
    use super::super::super::texts::Care;
    use super::*;
    use crate::rows::{Head, Kind, Source};
    use line::{Boot, Name, OrgId};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn templates_have_the_tokens_of_their_messages(messages in proptest::collection::vec("[ab1é \u{11}]{0,12}", 1..60)) {
            let mut rows = Rows::new(OrgId::new("o").unwrap(), Name::new("app", "a").unwrap());
            let name = |text: &str| Name::new("instance", text).unwrap();
            let source = Source { region: name("r"), instance: name("i"), host: "h".into(), boot: Boot::from_bits(1) };
            let source = rows.source_ref(&source);
            for message in &messages {
                let head = Head { time: 0, pos: 0, seq: 0, span: 1, kind: Kind::PLAIN };
                rows.push(source, &head, message.as_bytes());
            }
            let found = Care::Split.split(Values::of(rows.messages()));
            let mut set = TokenSet::new();
            prop_assert_eq!(set.filter(&rows, found.as_ref()), set.filter(&rows, None));
        }
    }
}
