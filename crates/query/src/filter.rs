//! Filters: which rows are meant. One file for each; this one has the tree that they make up.
//!
//! A tree is made by [`parse::filter`], printed by `Display` so that it reads back as the same tree, and turned into what
//! rows are held against by [`Filter::compile`].

use std::fmt;

use crate::error::Error;
use crate::field;
use crate::lexer::Lexer;
use crate::predicate::{FieldTest, Predicate};
use crate::quote::Plain;

pub mod any_case;
mod call;
pub mod compare;
pub mod contains_all;
pub mod contains_any;
pub mod contains_common_case;
pub mod day_range;
pub mod equals_common_case;
pub mod exact;
pub mod ipv4_range;
pub mod len_range;
pub mod one_of;
pub(crate) mod parse;
pub mod phrase;
pub mod prefix;
pub mod range;
pub mod regexp;
pub mod registry;
pub mod seq;
pub mod stream;
pub mod stream_id;
pub mod string_range;
pub mod substring;
pub mod test;
pub mod time;
pub mod week_range;

use call::FUNCTIONS_MISSING;
use day_range::DayRange;
use stream::Stream;
use stream_id::StreamIds;
pub use test::Test;
use time::TimeRange;
use week_range::WeekRange;

/// Most filters in a query, tags of streams included.
pub const MAX_TERMS: usize = 20_000;

/// Which rows are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// `*`: all.
    All,
    /// `a b`: all of these, at least two.
    And(Vec<Self>),
    /// `a or b`: at least one of these, of at least two.
    Or(Vec<Self>),
    /// `!a`: the others.
    Not(Box<Self>),
    /// `_time:5m`.
    Time(TimeRange),
    /// `_time:day_range[08:00, 18:00)`.
    DayRange(DayRange),
    /// `_time:week_range[Mon, Fri]`.
    WeekRange(WeekRange),
    /// `{app="web"}`.
    Stream(Stream),
    /// `_stream_id:…`.
    StreamIds(StreamIds),
    /// Any other filter, which looks at the value of one field.
    Field {
        /// The field's name as it is written.
        field: String,
        /// What its value must be.
        test: Test,
    },
    /// Rows of these orgs. No text makes one: only [`crate::Query::confine`] does. What it prints matches no row, so
    /// that limits that went through text by mistake let nothing through.
    Orgs(Vec<String>),
}

impl Filter {
    /// All of `filters`.
    pub fn all(mut filters: Vec<Self>) -> Self {
        match filters.len() {
            0 => Self::All,
            1 => filters.remove(0),
            _ => Self::And(filters),
        }
    }

    /// At least one of `filters`; none at all are met by no row.
    pub fn any(mut filters: Vec<Self>) -> Self {
        match filters.len() {
            0 => Self::Not(Box::new(Self::All)),
            1 => filters.remove(0),
            _ => Self::Or(filters),
        }
    }

    /// Reads a filter without pipes. `now` (Unix nanoseconds) is what relative times mean. Errors as those of
    /// [`crate::Error`] that are about text.
    pub fn parse(text: &str, now: i64) -> Result<Self, Error> {
        let mut lexer = Lexer::new(text, now)?;
        let filter = parse::filter(&mut lexer)?;
        lexer.eat(";");
        match lexer.is_end() {
            true => Ok(filter),
            false if lexer.is("|") => Err(lexer.error("only a filter may stand here, without pipes")),
            false => Err(lexer.error(format!("nothing may follow the filter, there is {}", lexer.here()))),
        }
    }

    /// Rows in whose `field` one of `values` stands.
    pub fn one_of(field: &str, values: impl IntoIterator<Item = String>) -> Self {
        let values = one_of::OneOf(values.into_iter().collect());
        Self::Field { field: field.to_owned(), test: Test::OneOf(values) }
    }

    /// What rows are held against. [`Error::TooLarge`] or [`Error::Syntax`] when a filter was made by hand that the parser
    /// would have refused.
    pub fn compile(&self) -> Result<Predicate, Error> {
        Ok(self.translate()?.fold())
    }

    fn translate(&self) -> Result<Predicate, Error> {
        let each = |filters: &[Self]| filters.iter().map(Self::translate).collect::<Result<Vec<_>, _>>();
        Ok(match self {
            Self::All => Predicate::All,
            Self::And(filters) => Predicate::And(each(filters)?),
            Self::Or(filters) => Predicate::Or(each(filters)?),
            Self::Not(filter) => Predicate::Not(Box::new(filter.translate()?)),
            Self::Time(range) => Predicate::Time { from: range.from, to: range.to },
            Self::DayRange(range) => Predicate::DayRange(*range),
            Self::WeekRange(range) => Predicate::WeekRange(*range),
            Self::Stream(stream) => stream.compile()?,
            Self::StreamIds(ids) => {
                Predicate::Field(FieldTest::new(field::STREAM_ID, one_of::OneOf(ids.0.clone()).compile()))
            }
            Self::Field { field, test } => Predicate::Field(FieldTest::new(field, test.compile()?)),
            Self::Orgs(orgs) => Predicate::Orgs(orgs.iter().map(|org| org.as_str().into()).collect()),
        })
    }

    /// A range of time outside of which nothing matches.
    pub fn time_range(&self) -> TimeRange {
        match self {
            Self::Time(range) => *range,
            Self::And(filters) => filters.iter().map(Self::time_range).fold(TimeRange::ALL, TimeRange::and),
            Self::Or(filters) => {
                filters.iter().map(Self::time_range).reduce(TimeRange::around).unwrap_or(TimeRange::ALL)
            }
            _ => TimeRange::ALL,
        }
    }

    /// Calls `each` with the name of every field that is looked at, resolved, some of them more than once.
    pub fn each_field(&self, each: &mut dyn FnMut(&str)) {
        match self {
            Self::All | Self::Orgs(_) => {}
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().for_each(|filter| filter.each_field(each))
            }
            Self::Not(filter) => filter.each_field(each),
            Self::Time(_) | Self::DayRange(_) | Self::WeekRange(_) => each(field::TIME),
            Self::Stream(stream) => stream.0.iter().flatten().for_each(|tag| each(field::resolve(&tag.name))),
            Self::StreamIds(_) => each(field::STREAM_ID),
            Self::Field { field, .. } => each(field::resolve(field)),
        }
    }

    /// How many regular expressions are in it, each of which takes long to prepare.
    pub fn regexps(&self) -> usize {
        match self {
            Self::And(filters) | Self::Or(filters) => filters.iter().map(Self::regexps).sum(),
            Self::Not(filter) => filter.regexps(),
            Self::Stream(stream) => stream.regexps(),
            Self::Field { test: Test::Regexp(_), .. } => 1,
            Self::Field { test: Test::AnyCase(any), .. } => usize::from(!any.text.is_ascii()),
            _ => 0,
        }
    }

    /// How tightly it binds when it is printed: what binds less than its surroundings goes into parentheses.
    const fn strength(&self) -> u8 {
        match self {
            Self::Or(_) => 0,
            Self::And(_) => 1,
            _ => 2,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, strength: u8) -> fmt::Result {
        if self.strength() < strength { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::And(filters) => write_all(f, filters, " ", 2),
            Self::Or(filters) => write_all(f, filters, " or ", 1),
            Self::Not(filter) => {
                f.write_str("!")?;
                filter.write(f, 2)
            }
            Self::Time(range) => range.fmt(f),
            Self::DayRange(range) => range.fmt(f),
            Self::WeekRange(range) => range.fmt(f),
            Self::Stream(stream) => stream.fmt(f),
            Self::StreamIds(ids) => ids.fmt(f),
            Self::Field { field, test } if field == field::MSG => test.fmt(f),
            Self::Field { field, test } => write!(f, "{}:{test}", Plain(field)),
            Self::Orgs(orgs) => {
                f.write_str("(_org:")?;
                write_list(f, "in", orgs)?;
                f.write_str(" !*)")
            }
        }
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, filters: &[Filter], between: &str, strength: u8) -> fmt::Result {
    for (at, filter) in filters.iter().enumerate() {
        f.write_str(if at > 0 { between } else { "" })?;
        filter.write(f, strength)?;
    }
    Ok(())
}

/// `name(value,value)`.
pub(crate) fn write_list(f: &mut fmt::Formatter<'_>, name: &str, values: &[String]) -> fmt::Result {
    write!(f, "{name}(")?;
    for (at, value) in values.iter().enumerate() {
        write!(f, "{}{}", if at > 0 { "," } else { "" }, Plain(value))?;
    }
    f.write_str(")")
}

#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) use tests::check;
