//! Making a predicate smaller and quicker without changing what it matches: what is constant goes, nested lists become one,
//! alternatives for one field become one test, and what is quick comes first.

use std::collections::BTreeMap;

use super::{FieldTest, Matcher, Predicate};
use crate::field;
use crate::filter::contains_any::Phrases;
use crate::filter::one_of::Values;
use crate::filter::time::TimeRange;

/// From so many alternatives on one test for all is quicker than one after the other.
const MANY: usize = 2;

impl Predicate {
    /// The same, folded; see [`Predicate`].
    pub(crate) fn fold(self) -> Self {
        match self {
            Self::And(all) => fold_and(all),
            Self::Or(any) => fold_or(any),
            Self::Not(inner) => match inner.fold() {
                Self::All => Self::None,
                Self::None => Self::All,
                Self::Not(twice) => *twice,
                other => Self::Not(Box::new(other)),
            },
            Self::Time { from, to } => match (TimeRange { from, to }) {
                TimeRange::ALL => Self::All,
                range if range.is_empty() => Self::None,
                range => Self::Time { from: range.from, to: range.to },
            },
            Self::Orgs(orgs) if orgs.is_empty() => Self::None,
            Self::Field(test) => match test.matcher() {
                Matcher::Any => Self::All,
                Matcher::OneOf(values) if values.is_empty() => Self::None,
                _ => Self::Field(test),
            },
            other => other,
        }
    }

    /// How long it takes to decide a row, roughly.
    fn cost(&self) -> u32 {
        match self {
            Self::All | Self::None | Self::Time { .. } | Self::Orgs(_) => 0,
            Self::DayRange(_) | Self::WeekRange(_) => 1,
            Self::Not(inner) => inner.cost(),
            Self::And(list) | Self::Or(list) => list.iter().map(Self::cost).fold(0, u32::saturating_add),
            // What a stream is made of is the same in many rows, so a store decides it once for all of them.
            Self::Field(test)
                if field::STREAM_FIELDS.contains(&test.field()) || test.field() == field::STREAM_ID =>
            {
                1
            }
            Self::Field(test) => 2 + test.matcher().cost(),
        }
    }
}

fn fold_and(all: Vec<Predicate>) -> Predicate {
    let mut list = Vec::new();
    let mut time = TimeRange::ALL;
    for predicate in all {
        match predicate.fold() {
            Predicate::All => {}
            Predicate::None => return Predicate::None,
            Predicate::Time { from, to } => time = time.and(TimeRange { from, to }),
            Predicate::And(inner) => {
                for predicate in inner {
                    match predicate {
                        Predicate::Time { from, to } => time = time.and(TimeRange { from, to }),
                        other => list.push(other),
                    }
                }
            }
            other => list.push(other),
        }
    }
    match time {
        TimeRange::ALL => {}
        range if range.is_empty() => return Predicate::None,
        TimeRange { from, to } => list.push(Predicate::Time { from, to }),
    }
    list.sort_by_key(Predicate::cost);
    match list.len() {
        0 => Predicate::All,
        1 => list.remove(0),
        _ => Predicate::And(list),
    }
}

fn fold_or(any: Vec<Predicate>) -> Predicate {
    let mut list = Vec::new();
    for predicate in any {
        match predicate.fold() {
            Predicate::All => return Predicate::All,
            Predicate::None => {}
            Predicate::Or(inner) => list.extend(inner),
            other => list.push(other),
        }
    }
    let mut list = join_tests(list);
    list.sort_by_key(Predicate::cost);
    match list.len() {
        0 => Predicate::None,
        1 => list.remove(0),
        _ => Predicate::Or(list),
    }
}

/// Tests of one field that can be joined.
#[derive(Default)]
struct Joinable {
    values: Vec<FieldTest>,
    phrases: Vec<FieldTest>,
}

/// Alternatives for whole values become one set, alternatives for phrases one search. Ten thousand of them then cost what one
/// costs.
fn join_tests(list: Vec<Predicate>) -> Vec<Predicate> {
    let mut fields: BTreeMap<Box<str>, Joinable> = BTreeMap::new();
    let mut out = Vec::new();
    for predicate in list {
        match predicate {
            Predicate::Field(test) => {
                let entry = match test.matcher() {
                    Matcher::Exact(_) | Matcher::OneOf(_) => {
                        Some(&mut fields.entry(test.field.clone()).or_default().values)
                    }
                    Matcher::Search(_) => Some(&mut fields.entry(test.field.clone()).or_default().phrases),
                    _ => None,
                };
                match entry {
                    Some(entry) => entry.push(test),
                    None => out.push(Predicate::Field(test)),
                }
            }
            other => out.push(other),
        }
    }
    for (field, Joinable { values, phrases }) in fields {
        join(values, &mut out, |tests| join_values(&field, tests));
        join(phrases, &mut out, |tests| join_phrases(&field, tests));
    }
    out
}

fn join(tests: Vec<FieldTest>, out: &mut Vec<Predicate>, make: impl Fn(&[FieldTest]) -> Option<FieldTest>) {
    match if tests.len() < MANY { None } else { make(&tests) } {
        Some(test) => out.push(Predicate::Field(test)),
        None => out.extend(tests.into_iter().map(Predicate::Field)),
    }
}

fn join_values(field: &str, tests: &[FieldTest]) -> Option<FieldTest> {
    let all = tests.iter().filter_map(FieldTest::values).flatten().map(Into::into).collect();
    Some(FieldTest::new(field, Matcher::OneOf(Values::new(all))))
}

/// None when the phrases are too many for one search.
fn join_phrases(field: &str, tests: &[FieldTest]) -> Option<FieldTest> {
    let searches = tests.iter().filter_map(|test| match test.matcher() {
        Matcher::Search(search) => Some(search.clone()),
        _ => None,
    });
    Phrases::new(searches.collect(), false)
        .ok()
        .map(|phrases| FieldTest::new(field, Matcher::Phrases(phrases)))
}
