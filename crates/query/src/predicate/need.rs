//! What a value must have in it to match, as far as that is known before looking: what skip data is asked.

use crate::token;

/// Sets of tokens: a value that matches has each token of at least one set, as a whole token. An empty set means that
/// nothing is known; no sets at all mean that nothing can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need(Vec<Vec<Box<[u8]>>>);

/// With more sets than this it is cheaper to look.
const MAX_SETS: usize = 256;
/// So many tokens of a set say enough: the longest ones, which are the rarest.
const MAX_TOKENS: usize = 16;

impl Need {
    /// Nothing is known.
    pub fn nothing() -> Self {
        Self(vec![Vec::new()])
    }

    /// All of these tokens.
    pub(crate) fn all<'a>(tokens: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut set: Vec<Box<[u8]>> = tokens.into_iter().map(Into::into).collect();
        set.sort();
        set.dedup();
        if set.len() > MAX_TOKENS {
            set.sort_by_key(|token| std::cmp::Reverse(token.len()));
            set.truncate(MAX_TOKENS);
            set.sort();
        }
        Self(vec![set])
    }

    /// The tokens of `text`, of which the first one or the last one is not whole when it reaches a border that is `open`.
    pub(crate) fn of(text: &[u8], open_start: bool, open_end: bool) -> Self {
        let cut_first = open_start && token::begins_inside(text);
        let cut_last = open_end && token::ends_inside(text);
        let count = token::tokens(text).count();
        let whole = token::tokens(text)
            .enumerate()
            .filter(|&(at, _)| !(cut_first && at == 0 || cut_last && at + 1 == count))
            .map(|(_, token)| token);
        Self::all(whole)
    }

    /// What one or the other has.
    pub(crate) fn any(needs: impl IntoIterator<Item = Self>) -> Self {
        let mut sets: Vec<_> = needs.into_iter().flat_map(|need| need.0).collect();
        sets.sort();
        sets.dedup();
        if sets.len() > MAX_SETS || sets.iter().any(Vec::is_empty) { Self::nothing() } else { Self(sets) }
    }

    /// What is in both: the sets of the one that says more, with those of the other when it has one only.
    pub(crate) fn both(self, other: Self) -> Self {
        match (self.0.as_slice(), other.0.as_slice()) {
            (_, [one]) => {
                Self::any(self.0.iter().map(|set| Self::all(set.iter().chain(one).map(|token| &**token))))
            }
            ([one], _) => {
                Self::any(other.0.iter().map(|set| Self::all(set.iter().chain(one).map(|token| &**token))))
            }
            (mine, others) if mine.len() <= others.len() => self,
            _ => other,
        }
    }

    /// Whether nothing is known.
    pub fn is_nothing(&self) -> bool {
        self.0.iter().any(Vec::is_empty)
    }

    /// The sets: one of them is there whole in every value that matches.
    pub fn sets(&self) -> &[Vec<Box<[u8]>>] {
        &self.0
    }

    /// Whether a value can match that has the tokens for which `has` says yes.
    pub fn is_met(&self, mut has: impl FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().any(|set| set.iter().all(|token| has(token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(need: &Need) -> Vec<Vec<&str>> {
        need.sets().iter().map(|set| set.iter().map(|t| std::str::from_utf8(t).unwrap()).collect()).collect()
    }

    #[test]
    fn open_borders_cut_tokens() {
        assert_eq!(sets(&Need::of(b"a b c", false, false)), [["a", "b", "c"]]);
        assert_eq!(sets(&Need::of(b"a b c", true, true)), [["b"]]);
        assert_eq!(sets(&Need::of(b"-a b-", true, true)), [["a", "b"]]);
        assert!(Need::of(b"ab", true, false).is_nothing() && Need::of(b"--", false, false).is_nothing());
    }

    #[test]
    fn together() {
        let (a, b) = (Need::of(b"a", false, false), Need::of(b"b", false, false));
        let either = Need::any([a.clone(), b.clone()]);
        assert_eq!(sets(&either), [["a"], ["b"]]);
        assert_eq!(sets(&a.clone().both(b)), [["a", "b"]]);
        assert_eq!(sets(&either.clone().both(Need::of(b"c", false, false))), [["a", "c"], ["b", "c"]]);
        assert!(Need::any([a, Need::nothing()]).is_nothing());
        assert!(!Need::any([]).is_nothing() && !Need::any([]).is_met(|_| true));
        assert!(either.is_met(|token| token == b"b") && !either.is_met(|token| token == b"c"));
    }
}
