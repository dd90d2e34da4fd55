//! `f:>10KiB`, `f:>=1.5s`, `f:<"m"`: numbers with numbers, IPv4 addresses and times among them, else text byte by byte.

use std::fmt;

use crate::number;
use crate::predicate::Matcher;
use crate::quote::Quoted;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

impl Op {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }
}

/// A bound for values. It compares as a number when it is one in any of the notations of [`number::parse`]; then values that
/// are no numbers do not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// On which side of the bound.
    pub op: Op,
    /// The bound, as it is written.
    pub bound: String,
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.op.as_str(), Quoted(&self.bound))
    }
}

impl Compare {
    pub(super) fn compile(&self) -> Matcher {
        match number::parse(&self.bound) {
            Some(bound) => Matcher::Numbers(match self.op {
                Op::Greater => Numbers { over: bound, or_equal: false, ..Numbers::ALL },
                Op::GreaterOrEqual => Numbers { over: bound, ..Numbers::ALL },
                Op::Less => Numbers { under: bound, or_equal_under: false, ..Numbers::ALL },
                Op::LessOrEqual => Numbers { under: bound, ..Numbers::ALL },
            }),
            None => Matcher::Compare(self.op, self.bound.as_bytes().into()),
        }
    }
}

/// Whether `value` is on the side of `bound` that `op` says.
pub(crate) fn text_matches(op: Op, value: &[u8], bound: &[u8]) -> bool {
    match op {
        Op::Greater => value > bound,
        Op::GreaterOrEqual => value >= bound,
        Op::Less => value < bound,
        Op::LessOrEqual => value <= bound,
    }
}

/// Numbers between two bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) over: f64,
    pub(crate) or_equal: bool,
    pub(crate) under: f64,
    pub(crate) or_equal_under: bool,
}

impl Numbers {
    pub(crate) const ALL: Self =
        Self { over: f64::NEG_INFINITY, or_equal: true, under: f64::INFINITY, or_equal_under: true };

    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        number::of_value(value).is_some_and(|number| self.has(number))
    }

    fn has(&self, number: f64) -> bool {
        let over = if self.or_equal { number >= self.over } else { number > self.over };
        over && if self.or_equal_under { number <= self.under } else { number < self.under }
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn numbers() {
        check("x:>10", &["11", "10.5", "1e3", "20KiB", "10.0.0.1"], &["", "10", "9", "abc", "-11"]);
        check("x:>=10KiB", &["10240", "10KiB", "1MB"], &["10239", "10KB"]);
        check("x:<1.5s", &["1s", "1499ms", "0"], &["1.5s", "2s", "x"]);
        check("x:<= 5", &["5", "-7"], &["6", ""]);
        check("x:>\"5\"", &["6"], &["5", "x"]);
        check("x:>10.0.0.5", &["10.0.0.6", "11.0.0.0"], &["10.0.0.5", "9.9.9.9"]);
        check("x:>2026-01-02T03:04:05Z", &["2026-01-02T03:04:05.1Z"], &["2026-01-02T03:04:05Z"]);
        check("x:>-5", &["-4", "0"], &["-5"]);
        check("!x:>5", &["", "a", "5"], &["6"]);
    }

    #[test]
    fn text() {
        check("x:>b", &["ba", "c"], &["", "b", "a"]);
        check("x:<=b", &["", "b", "a"], &["ba"]);
    }
}
