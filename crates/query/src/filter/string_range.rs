//! `f:string_range(a, m)`: text from the first bound on, and before the second, byte by byte.

use std::fmt;

use crate::predicate::Matcher;
use crate::quote::Plain;

/// Bounds for text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringRange {
    /// The first text that matches.
    pub from: String,
    /// The first text that does not any more.
    pub to: String,
}

impl fmt::Display for StringRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "string_range({}, {})", Plain(&self.from), Plain(&self.to))
    }
}

impl StringRange {
    pub(super) fn compile(&self) -> Matcher {
        Matcher::TextRange(self.from.as_bytes().into(), self.to.as_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn bounds() {
        check("x:string_range(a, m)", &["a", "lz"], &["", "m", "A"]);
    }
}
