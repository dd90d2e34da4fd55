//! `f:contains_all(a, "b c")`: the value has all of these words and phrases in it.

use std::fmt;

use super::phrase::Phrase;
use super::write_list;
use crate::predicate::Matcher;

/// Phrases of which none may be missing. None at all match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainsAll(pub Vec<String>);

impl fmt::Display for ContainsAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "contains_all", &self.0)
    }
}

impl ContainsAll {
    pub(super) fn compile(&self) -> Matcher {
        Matcher::AllOf(self.0.iter().map(|phrase| Phrase(phrase.clone()).compile()).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn none_may_be_missing() {
        check("x:contains_all(a, \"b c\")", &["a b c", "b c; a"], &["", "a", "a b", "aa b c"]);
        check("x:contains_all(a, \"\")", &[], &["", "a"]);
        check("x:contains_all()", &["", "a"], &[]);
        check("x:contains_all(*)", &["", "a"], &[]);
    }
}
