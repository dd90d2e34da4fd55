//! `*foo*`: the value has this text in it, wherever.

use std::fmt;

use super::phrase::Search;
use crate::predicate::Matcher;
use crate::quote::Plain;

/// Text inside a value; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substring(pub String);

impl fmt::Display for Substring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*{}*", Plain(&self.0))
    }
}

impl Substring {
    pub(super) fn compile(&self) -> Matcher {
        if self.0.is_empty() {
            Matcher::Any
        } else {
            Matcher::Search(Search::new(self.0.as_bytes(), false, false))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn wherever() {
        check("*rro*", &["error", "rro"], &["", "rr"]);
        check("x:*\"o b\"*", &["foo bar"], &["foob"]);
    }
}
