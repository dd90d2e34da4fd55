//! `f:in(a,b)`: the whole value is one of these.

use std::collections::HashSet;
use std::fmt;

use super::write_list;
use crate::predicate::Matcher;

/// Whole values. None at all match nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOf(pub Vec<String>);

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "in", &self.0)
    }
}

impl OneOf {
    pub(super) fn compile(&self) -> Matcher {
        Matcher::OneOf(Values::new(self.0.iter().map(|value| value.as_bytes().into()).collect()))
    }
}

/// Values to be found quickly: most are ruled out by their length or their first byte.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    set: HashSet<Box<[u8]>>,
    /// A bit for each first byte that there is.
    firsts: [u64; 4],
    shortest: usize,
    longest: usize,
}

impl Values {
    pub(crate) fn new(set: HashSet<Box<[u8]>>) -> Self {
        let lengths = || set.iter().map(|value| value.len());
        let (shortest, longest) = (lengths().min().unwrap_or(1), lengths().max().unwrap_or(0));
        let mut firsts = [0; 4];
        for &first in set.iter().filter_map(|value| value.first()) {
            firsts[usize::from(first >> 6)] |= 1_u64 << (first & 63);
        }
        Self { set, firsts, shortest, longest }
    }

    pub(crate) fn has(&self, value: &[u8]) -> bool {
        let begins_so = |&first: &u8| self.firsts[usize::from(first >> 6)] >> (first & 63) & 1 == 1;
        (self.shortest..=self.longest).contains(&value.len())
            && value.first().is_none_or(begins_so)
            && self.set.contains(value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.set.iter().map(|value| &**value)
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn whole_values() {
        check("x:in(a, \"b c\", d-e,)", &["a", "b c", "d-e"], &["", "b", "A", "a "]);
        check("x:in(a, \"\")", &["a", ""], &["b"]);
        check("x:in()", &[], &["", "a"]);
        check("x:in(*)", &["", "a"], &[]);
        check("!x:in(a)", &["", "b"], &["a"]);
    }
}
