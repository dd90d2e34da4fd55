//! `err*`, `"a b"*`, `f:*`: the value has a token that begins so, or has anything in it at all.

use std::fmt;

use super::phrase::Search;
use crate::predicate::Matcher;
use crate::quote::Plain;
use crate::token;

/// The beginning of a word or of several. The empty one is what all values match that are not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(pub String);

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("*") } else { write!(f, "{}*", Plain(&self.0)) }
    }
}

impl Prefix {
    pub(super) fn compile(&self) -> Matcher {
        if self.0.is_empty() {
            return Matcher::NotEmpty;
        }
        let text = self.0.as_bytes();
        Matcher::Search(Search::new(text, token::begins_inside(text), false))
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn the_start_lies_at_a_border() {
        check("err*", &["err", "an error", "x.errs"], &["", "terror", "er"]);
        check("\"a b\"*", &["a bc", "x a b"], &["xa b", "a  b"]);
        check("x:*", &["a", " "], &[""]);
        check("x:foo-*", &["foo-", "a foo-bar"], &["foo", "xfoo-"]);
    }
}
