//! One prepared test of a value, for each way in which filters test one.

use core::net::Ipv4Addr;

use super::Need;
use crate::filter::any_case::AnyCaseSearch;
use crate::filter::compare::{self, Numbers, Op};
use crate::filter::contains_any::Phrases;
use crate::filter::ipv4_range;
use crate::filter::len_range;
use crate::filter::one_of::Values;
use crate::filter::phrase::Search;
use crate::filter::regexp::Expression;
use crate::filter::seq;

/// See [`super::FieldTest`].
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    Any,
    Empty,
    NotEmpty,
    Search(Search),
    AnyCase(Box<AnyCaseSearch>),
    Exact(Box<[u8]>),
    StartsWith(Box<[u8]>),
    OneOf(Values),
    Phrases(Phrases),
    AllOf(Vec<Self>),
    Seq(Vec<Search>),
    Regex(Box<Expression>),
    Numbers(Numbers),
    Compare(Op, Box<[u8]>),
    TextRange(Box<[u8]>, Box<[u8]>),
    Length(u64, u64),
    Ipv4(Ipv4Addr, Ipv4Addr),
}

impl Matcher {
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Empty => value.is_empty(),
            Self::NotEmpty => !value.is_empty(),
            Self::Search(search) => search.find(value, 0).is_some(),
            Self::AnyCase(search) => search.find(value, 0).is_some(),
            Self::Exact(wanted) => value == &**wanted,
            Self::StartsWith(start) => value.starts_with(start),
            Self::OneOf(values) => values.has(value),
            Self::Phrases(phrases) => phrases.matches(value),
            Self::AllOf(all) => all.iter().all(|matcher| matcher.matches(value)),
            Self::Seq(searches) => seq::matches(searches, value),
            Self::Regex(expression) => expression.matches(value),
            Self::Numbers(numbers) => numbers.matches(value),
            Self::Compare(op, bound) => compare::text_matches(*op, value, bound),
            Self::TextRange(from, to) => value >= &**from && value < &**to,
            Self::Length(from, to) => (*from..=*to).contains(&len_range::length(value)),
            Self::Ipv4(from, to) => ipv4_range::is_between(value, *from, *to),
        }
    }

    /// Whether it looks for whole words without digits, and what lies between them: then it makes no difference to it which words with
    /// digits there are beside.
    pub(super) fn is_of_words(&self) -> bool {
        match self {
            Self::Search(search) => search.is_of_words(),
            Self::AnyCase(search) => search.is_of_words(),
            Self::AllOf(all) => all.iter().all(Self::is_of_words),
            _ => false,
        }
    }

    /// Tokens that every value has that matches.
    pub(super) fn need(&self) -> Need {
        match self {
            Self::Search(search) => search.need(),
            Self::AnyCase(search) => search.need(),
            Self::Exact(value) => Need::of(value, false, false),
            Self::StartsWith(start) => Need::of(start, false, true),
            Self::OneOf(values) => Need::any(values.iter().map(|value| Need::of(value, false, false))),
            Self::Phrases(phrases) => phrases.need(),
            Self::AllOf(all) => all.iter().map(Self::need).fold(Need::nothing(), Need::both),
            Self::Seq(searches) => searches.iter().map(Search::need).fold(Need::nothing(), Need::both),
            Self::Regex(expression) => expression.need(),
            Self::Any
            | Self::Empty
            | Self::NotEmpty
            | Self::Numbers(_)
            | Self::Compare(..)
            | Self::TextRange(..)
            | Self::Length(..)
            | Self::Ipv4(..) => Need::nothing(),
        }
    }

    /// Bytes that every value contains that matches; the longest that are known.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        let literal = match self {
            Self::Search(search) => search.needle(),
            Self::Exact(text) | Self::StartsWith(text) => text,
            Self::AllOf(all) => all.iter().filter_map(Self::literal).max_by_key(|text| text.len())?,
            Self::Seq(searches) => searches.iter().map(Search::needle).max_by_key(|text| text.len())?,
            Self::Regex(expression) => expression.literal()?.needle(),
            _ => return None,
        };
        (!literal.is_empty()).then_some(literal)
    }

    /// Texts that every value contains that matches.
    pub(super) fn texts(&self) -> Vec<Box<[u8]>> {
        match self {
            Self::Seq(searches) => searches.iter().map(|search| search.needle().into()).collect(),
            Self::AllOf(all) => all.iter().flat_map(Self::texts).collect(),
            Self::Regex(expression) => expression.texts().to_vec(),
            _ => self.literal().map(Into::into).into_iter().collect(),
        }
    }

    /// How long it takes to test a value, roughly: for the order in which tests are tried.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Self::Any | Self::Empty | Self::NotEmpty | Self::Exact(_) | Self::StartsWith(_) => 1,
            Self::OneOf(_) | Self::Compare(..) | Self::TextRange(..) => 2,
            Self::Numbers(_) | Self::Ipv4(..) => 3,
            Self::Search(_) => 10,
            Self::Seq(_) | Self::AllOf(_) => 15,
            Self::AnyCase(_) | Self::Length(..) => 20,
            Self::Phrases(_) => 30,
            Self::Regex(expression) => {
                if expression.literal().is_some() {
                    25
                } else {
                    60
                }
            }
        }
    }
}
