//! What rows are held against: the tree of filters with everything prepared, the same for what is stored and what comes in.

use std::sync::Arc;

use crate::field;
use crate::filter::day_range::DayRange;
use crate::filter::time::TimeRange;
use crate::filter::week_range::WeekRange;

mod columns;
mod fold;
mod matcher;
mod need;
mod rows;

pub use columns::Columns;
pub(crate) use matcher::Matcher;
pub use need::Need;
pub use rows::Rows;

/// Which rows match. Made by [`crate::filter::Filter::compile`], folded: [`Predicate::All`] and [`Predicate::None`] stand
/// alone or not at all, lists have at least two members.
///
/// A copy is cheap. Threads do better with one each: what regular expressions remember is then not shared.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// Every row.
    All,
    /// No row.
    None,
    /// What all of these match, the cheapest first.
    And(Vec<Self>),
    /// What at least one of these matches, the cheapest first.
    Or(Vec<Self>),
    /// What this does not match.
    Not(Box<Self>),
    /// Rows of a range of time, Unix nanoseconds.
    Time {
        /// The first moment; `i64::MIN` for no bound.
        from: i64,
        /// The first moment that is not in it; `i64::MAX` for no bound.
        to: i64,
    },
    /// Rows of a part of each day.
    DayRange(DayRange),
    /// Rows of some days of each week.
    WeekRange(WeekRange),
    /// Rows of these orgs.
    Orgs(Arc<[Box<str>]>),
    /// Rows with such a value in a field.
    Field(FieldTest),
}

/// A row that a predicate can be held against by itself.
pub trait Row {
    /// Its time, Unix nanoseconds.
    fn time(&self) -> i64;
    /// Whose it is: the org's id.
    fn org(&self) -> &str;
    /// The value of `field`, a name without aliases; empty when the row does not have it. `scratch` may be used to make it.
    fn value<'a>(&'a self, field: &str, scratch: &'a mut Vec<u8>) -> &'a [u8];
}

impl Predicate {
    /// Whether `row` matches.
    pub fn matches(&self, row: &dyn Row) -> bool {
        self.holds(row, &mut Vec::new())
    }

    fn holds(&self, row: &dyn Row, scratch: &mut Vec<u8>) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::And(all) => all.iter().all(|predicate| predicate.holds(row, scratch)),
            Self::Or(any) => any.iter().any(|predicate| predicate.holds(row, scratch)),
            Self::Not(predicate) => !predicate.holds(row, scratch),
            Self::Time { from, to } => TimeRange { from: *from, to: *to }.has(row.time()),
            Self::DayRange(range) => range.has(row.time()),
            Self::WeekRange(range) => range.has(row.time()),
            Self::Orgs(_) => self.has_org(row.org()),
            Self::Field(test) => test.matches(row.value(test.field(), scratch)),
        }
    }

    /// Whether rows of `org` can match, as far as that can be told from the org alone.
    pub fn has_org(&self, org: &str) -> bool {
        match self {
            Self::Orgs(orgs) => orgs.iter().any(|one| &**one == org),
            Self::None => false,
            Self::And(all) => all.iter().all(|predicate| predicate.has_org(org)),
            Self::Or(any) => any.iter().any(|predicate| predicate.has_org(org)),
            _ => true,
        }
    }

    /// A range of time outside of which no row matches.
    pub fn time_range(&self) -> TimeRange {
        match self {
            Self::Time { from, to } => TimeRange { from: *from, to: *to },
            Self::None => TimeRange { from: 0, to: 0 },
            Self::And(all) => all.iter().map(Self::time_range).fold(TimeRange::ALL, TimeRange::and),
            Self::Or(any) => {
                any.iter().map(Self::time_range).reduce(TimeRange::around).unwrap_or(TimeRange::ALL)
            }
            _ => TimeRange::ALL,
        }
    }

    /// Calls `each` with every field that has to be there to decide, `_time` aside; some of them more than once.
    pub fn each_field(&self, each: &mut dyn FnMut(&str)) {
        match self {
            Self::And(list) | Self::Or(list) => list.iter().for_each(|predicate| predicate.each_field(each)),
            Self::Not(predicate) => predicate.each_field(each),
            Self::Field(test) => each(test.field()),
            _ => {}
        }
    }
}

/// What the value of one field has to be.
#[derive(Debug, Clone)]
pub struct FieldTest {
    field: Box<str>,
    matcher: Arc<Matcher>,
    need: Arc<Need>,
    literal: Option<Box<[u8]>>,
    matches_empty: bool,
}

impl FieldTest {
    /// `name` may be an alias.
    pub(crate) fn new(name: &str, matcher: Matcher) -> Self {
        Self {
            field: field::resolve(name).into(),
            need: Arc::new(matcher.need()),
            literal: matcher.literal().map(Into::into),
            matches_empty: matcher.matches(b""),
            matcher: Arc::new(matcher),
        }
    }

    /// The name of the field, never an alias.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Whether `value` is as it has to be.
    pub fn matches(&self, value: &[u8]) -> bool {
        self.matcher.matches(value)
    }

    /// Whether rows without the field match: a missing value is an empty one.
    pub const fn matches_empty(&self) -> bool {
        self.matches_empty
    }

    /// Which tokens every value has that matches.
    pub fn tokens(&self) -> &Need {
        &self.need
    }

    /// Bytes that every value contains that matches, when there are such: for a search over values that lie end to end. What
    /// is found has still to be held against the test.
    pub fn literal(&self) -> Option<&[u8]> {
        self.literal.as_deref()
    }

    /// All texts that are known to be in every value that matches: for whoever can tell cheaply that one of them is not there. What has them
    /// has still to be held against the test.
    pub fn texts(&self) -> Vec<Box<[u8]>> {
        self.matcher.texts()
    }

    /// Whether it looks for whole words without digits, and what lies between them. It then says of a value what it says of the
    /// same with any other ASCII sign that is in no word in place of each word that has a digit.
    pub fn is_of_words(&self) -> bool {
        self.matcher.is_of_words()
    }

    /// The whole values of which one has to be there, when the test is of that kind: for looking them up.
    pub fn values(&self) -> Option<Vec<&[u8]>> {
        match &*self.matcher {
            Matcher::Exact(value) => Some(vec![value]),
            Matcher::OneOf(values) => Some(values.iter().collect()),
            _ => None,
        }
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        &self.matcher
    }
}

#[cfg(test)]
mod tests;
