//! `f:range[1, 10)`: numbers between two bounds, each with or without the bound itself.

use std::fmt;

use super::compare::Numbers;
use crate::number;
use crate::predicate::Matcher;
use crate::quote::Quoted;

/// Bounds for numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The lower bound, as it is written: a number of [`number::parse`].
    pub from: String,
    /// Whether the lower bound itself matches.
    pub with_from: bool,
    /// The upper bound, as it is written: a number of [`number::parse`].
    pub to: String,
    /// Whether the upper bound itself matches.
    pub with_to: bool,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = (if self.with_from { '[' } else { '(' }, if self.with_to { ']' } else { ')' });
        write!(f, "range{open}{}, {}{close}", Quoted(&self.from), Quoted(&self.to))
    }
}

impl Range {
    pub(super) fn compile(&self) -> Matcher {
        let (Some(over), Some(under)) = (number::parse(&self.from), number::parse(&self.to)) else {
            return Matcher::OneOf(super::one_of::Values::new(std::collections::HashSet::new()));
        };
        Matcher::Numbers(Numbers { over, or_equal: self.with_from, under, or_equal_under: self.with_to })
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn bounds() {
        check("x:range[1, 10)", &["1", "9.9", "5B"], &["", "0.9", "10", "a"]);
        check("x:range(1, 1KiB]", &["1.1", "1024"], &["1", "1025"]);
        check("x:range[-inf, 0)", &["-1"], &["0"]);
        check("x:range(5, 1)", &[], &["3"]);
    }
}
