//! `f:len_range(5, 10)`: values with so many characters, both bounds included.

use std::fmt;

use crate::predicate::Matcher;

/// Bounds for the number of Unicode characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LenRange {
    /// The fewest characters.
    pub from: u64,
    /// The most characters; `u64::MAX` is any number.
    pub to: u64,
}

impl fmt::Display for LenRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            u64::MAX => write!(f, "len_range({}, inf)", self.from),
            to => write!(f, "len_range({}, {to})", self.from),
        }
    }
}

impl LenRange {
    pub(super) fn compile(&self) -> Matcher {
        Matcher::Length(self.from, self.to)
    }
}

/// How many characters `value` has; each byte that is not UTF-8 counts as one.
pub(crate) fn length(value: &[u8]) -> u64 {
    if value.is_ascii() {
        return value.len() as u64;
    }
    let chunks = value.utf8_chunks();
    chunks.map(|chunk| (chunk.valid().chars().count() + chunk.invalid().len()) as u64).sum()
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn characters() {
        check("x:len_range(2, 3)", &["ab", "äöü"], &["", "a", "abcd"]);
        check("x:len_range(0, 1)", &["", "a"], &["ab"]);
        check("x:len_range(2, inf)", &["ab", "abc"], &["a"]);
    }
}
