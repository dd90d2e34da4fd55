//! `f:="v"`, `f:exact(v)`, `f:="v"*`: the whole value, or how it begins, byte by byte.

use std::fmt;

use crate::predicate::Matcher;
use crate::quote::Plain;

/// A whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact(pub String);

/// How a value begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactPrefix(pub String);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "={}", Plain(&self.0))
    }
}

impl fmt::Display for ExactPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "={}*", Plain(&self.0))
    }
}

impl Exact {
    pub(super) fn compile(&self) -> Matcher {
        if self.0.is_empty() { Matcher::Empty } else { Matcher::Exact(self.0.as_bytes().into()) }
    }
}

impl ExactPrefix {
    pub(super) fn compile(&self) -> Matcher {
        if self.0.is_empty() { Matcher::Any } else { Matcher::StartsWith(self.0.as_bytes().into()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn whole() {
        check("x:=a-b", &["a-b"], &["", "a-b ", "A-b", "xa-b"]);
        check("x:exact(\"a b\")", &["a b"], &["a b c"]);
        check("x:!=a", &["", "b", "aa"], &["a"]);
        check("x:=\"\"", &[""], &["a"]);
        check("=\"a\"", &["a"], &["a b"]);
    }

    #[test]
    fn beginnings() {
        check("x:=\"a b\"*", &["a b", "a bc"], &["a", "xa b"]);
        check("x:exact(a*)", &["a", "abc"], &["", "ba"]);
    }
}
