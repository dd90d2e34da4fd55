//! What the value of a field must be: one variant for each filter that looks at one value.

use std::fmt;

use super::any_case::AnyCase;
use super::compare::Compare;
use super::contains_all::ContainsAll;
use super::contains_any::ContainsAny;
use super::contains_common_case::ContainsCommonCase;
use super::equals_common_case::EqualsCommonCase;
use super::exact::{Exact, ExactPrefix};
use super::ipv4_range::Ipv4Range;
use super::len_range::LenRange;
use super::one_of::OneOf;
use super::phrase::Phrase;
use super::prefix::Prefix;
use super::range::Range;
use super::regexp::Regexp;
use super::seq::Seq;
use super::string_range::StringRange;
use super::substring::Substring;
use crate::error::Error;
use crate::predicate::Matcher;

/// See the file of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `error`, `"a b"`.
    Phrase(Phrase),
    /// `err*`.
    Prefix(Prefix),
    /// `*rro*`.
    Substring(Substring),
    /// `="a"`.
    Exact(Exact),
    /// `="a"*`.
    ExactPrefix(ExactPrefix),
    /// `in(a,b)`.
    OneOf(OneOf),
    /// `contains_any(a,b)`.
    ContainsAny(ContainsAny),
    /// `contains_all(a,b)`.
    ContainsAll(ContainsAll),
    /// `contains_common_case(a,b)`.
    ContainsCommonCase(ContainsCommonCase),
    /// `equals_common_case(a,b)`.
    EqualsCommonCase(EqualsCommonCase),
    /// `~"a.*b"`.
    Regexp(Regexp),
    /// `i(err)`.
    AnyCase(AnyCase),
    /// `>10`.
    Compare(Compare),
    /// `range[1, 10)`.
    Range(Range),
    /// `string_range(a, b)`.
    StringRange(StringRange),
    /// `len_range(1, 5)`.
    LenRange(LenRange),
    /// `ipv4_range(10.0.0.0/8)`.
    Ipv4Range(Ipv4Range),
    /// `seq(a, b)`.
    Seq(Seq),
}

impl Test {
    /// What values are held against. [`Error::TooLarge`] or [`Error::Syntax`] for what the parser would have refused.
    pub(crate) fn compile(&self) -> Result<Matcher, Error> {
        Ok(match self {
            Self::Phrase(test) => test.compile(),
            Self::Prefix(test) => test.compile(),
            Self::Substring(test) => test.compile(),
            Self::Exact(test) => test.compile(),
            Self::ExactPrefix(test) => test.compile(),
            Self::OneOf(test) => test.compile(),
            Self::ContainsAny(test) => test.compile()?,
            Self::ContainsAll(test) => test.compile(),
            Self::ContainsCommonCase(test) => test.compile()?,
            Self::EqualsCommonCase(test) => test.compile(),
            Self::Regexp(test) => test.compile()?,
            Self::AnyCase(test) => test.compile()?,
            Self::Compare(test) => test.compile(),
            Self::Range(test) => test.compile(),
            Self::StringRange(test) => test.compile(),
            Self::LenRange(test) => test.compile(),
            Self::Ipv4Range(test) => test.compile(),
            Self::Seq(test) => test.compile(),
        })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phrase(test) => test.fmt(f),
            Self::Prefix(test) => test.fmt(f),
            Self::Substring(test) => test.fmt(f),
            Self::Exact(test) => test.fmt(f),
            Self::ExactPrefix(test) => test.fmt(f),
            Self::OneOf(test) => test.fmt(f),
            Self::ContainsAny(test) => test.fmt(f),
            Self::ContainsAll(test) => test.fmt(f),
            Self::ContainsCommonCase(test) => test.fmt(f),
            Self::EqualsCommonCase(test) => test.fmt(f),
            Self::Regexp(test) => test.fmt(f),
            Self::AnyCase(test) => test.fmt(f),
            Self::Compare(test) => test.fmt(f),
            Self::Range(test) => test.fmt(f),
            Self::StringRange(test) => test.fmt(f),
            Self::LenRange(test) => test.fmt(f),
            Self::Ipv4Range(test) => test.fmt(f),
            Self::Seq(test) => test.fmt(f),
        }
    }
}
