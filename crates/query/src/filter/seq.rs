//! `f:seq("a", "b c")`: these phrases one after the other, with whatever between them.

use std::fmt;

use super::phrase::{Phrase, Search};
use super::write_list;
use crate::predicate::Matcher;

/// Phrases in order. None at all, or only empty ones, match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seq(pub Vec<String>);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "seq", &self.0)
    }
}

impl Seq {
    pub(super) fn compile(&self) -> Matcher {
        let searches: Vec<Search> = self
            .0
            .iter()
            .filter_map(|phrase| match Phrase(phrase.clone()).compile() {
                Matcher::Search(search) => Some(search),
                _ => None,
            })
            .collect();
        if searches.is_empty() { Matcher::Any } else { Matcher::Seq(searches) }
    }
}

/// Whether each is found behind the one before it.
pub(crate) fn matches(searches: &[Search], value: &[u8]) -> bool {
    searches.iter().try_fold(0, |from, search| search.find(value, from)).is_some()
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn in_order() {
        check("seq(a, \"b c\")", &["a b c", "x a, then b c!"], &["b c a", "a b", "ab c"]);
        check("x:seq(a, a)", &["a a"], &["a", "aa"]);
        check("x:seq()", &["", "a"], &[]);
        check("x:seq(\"\", a)", &["a"], &[""]);
    }
}
