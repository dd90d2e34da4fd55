//! Filters that are written as a name with values behind it: `in(a,b)`, `range[1, 10)`.

use super::any_case::{self, AnyCase};
use super::contains_all::ContainsAll;
use super::contains_any::ContainsAny;
use super::contains_common_case::ContainsCommonCase;
use super::equals_common_case::EqualsCommonCase;
use super::exact::{Exact, ExactPrefix};
use super::ipv4_range::Ipv4Range;
use super::len_range::LenRange;
use super::one_of::OneOf;
use super::parse::{Scope, regexp};
use super::range::Range;
use super::seq::Seq;
use super::string_range::StringRange;
use super::{Filter, Test, day_range};
use crate::error::Error;
use crate::lexer::{Kind, Lexer, VALUE};
use crate::number;

/// Most phrases in `contains_common_case` and `equals_common_case`, each of which becomes many.
const MAX_COMMON_CASES: usize = 100;

/// Filters that are written as a name with values in parentheses.
const FUNCTIONS: [(&str, Function); 13] = [
    ("contains_all", Function::ContainsAll),
    ("contains_any", Function::ContainsAny),
    ("contains_common_case", Function::ContainsCommonCase),
    ("equals_common_case", Function::EqualsCommonCase),
    ("exact", Function::Exact),
    ("i", Function::AnyCase),
    ("in", Function::OneOf),
    ("ipv4_range", Function::Ipv4Range),
    ("len_range", Function::LenRange),
    ("range", Function::Range),
    ("re", Function::Regexp),
    ("seq", Function::Seq),
    ("string_range", Function::StringRange),
];

/// Those of VictoriaLogs that are not there yet.
pub(super) const FUNCTIONS_MISSING: [&str; 10] = [
    "eq_field",
    "ipv6_range",
    "json_array_contains_any",
    "le_field",
    "lt_field",
    "pattern_match",
    "pattern_match_full",
    "pattern_match_prefix",
    "pattern_match_suffix",
    "value_type",
];

/// What a filter's name calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    AnyCase,
    ContainsAll,
    ContainsAny,
    ContainsCommonCase,
    EqualsCommonCase,
    Exact,
    Ipv4Range,
    LenRange,
    OneOf,
    Range,
    Regexp,
    Seq,
    StringRange,
}

/// A filter that is written `name(…)`, or `range[…]`. None when the word is not such a name, or is text.
pub(super) fn function(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Option<Filter>, Error> {
    let start = lexer.offset();
    let name = lexer.token().raw.to_ascii_lowercase();
    let kind = FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    if kind.is_none() && !FUNCTIONS_MISSING.contains(&&*name) {
        return Ok(None);
    }
    let mut ahead = lexer.clone();
    ahead.advance();
    if !(ahead.is("(") || kind == Some(Function::Range) && ahead.is("[")) {
        return Ok(None);
    }
    *lexer = ahead;
    match kind {
        Some(kind) => call(lexer, scope, &name, kind, start).map(Some),
        None => Err(lexer.not_supported(start, format!("the filter '{name}'"))),
    }
}

fn call(
    lexer: &mut Lexer<'_>,
    scope: Scope<'_>,
    name: &str,
    kind: Function,
    start: usize,
) -> Result<Filter, Error> {
    let test = match kind {
        Function::OneOf | Function::ContainsAny | Function::ContainsAll => {
            let Some(values) = values(lexer, name)? else { return Ok(Filter::All) };
            match kind {
                Function::OneOf => Test::OneOf(OneOf(values)),
                Function::ContainsAny => Test::ContainsAny(ContainsAny(values)),
                _ => Test::ContainsAll(ContainsAll(values)),
            }
        }
        Function::ContainsCommonCase => {
            Test::ContainsCommonCase(ContainsCommonCase(common_cases(lexer, name, start)?))
        }
        Function::EqualsCommonCase => {
            Test::EqualsCommonCase(EqualsCommonCase(common_cases(lexer, name, start)?))
        }
        Function::Seq => Test::Seq(Seq(arguments(lexer, name)?)),
        Function::Exact => match one_argument(lexer, name)? {
            (text, true) => Test::ExactPrefix(ExactPrefix(text)),
            (text, false) => Test::Exact(Exact(text)),
        },
        Function::AnyCase => {
            let (text, is_prefix) = one_argument(lexer, name)?;
            match any_case::needs_expression(&text) {
                Ok(true) => lexer.count_regexp()?,
                Ok(false) => {}
                Err(message) => {
                    return Err(Error::TooLarge { offset: start, len: lexer.end_of_last() - start, message });
                }
            }
            Test::AnyCase(AnyCase { text, is_prefix })
        }
        Function::Regexp => {
            let inner = lexer.offset();
            let [pattern] = exactly(lexer, name, inner)?;
            Test::Regexp(regexp(lexer, inner, &pattern)?)
        }
        Function::Range => Test::Range(range(lexer)?),
        Function::StringRange => {
            let [from, to] = exactly(lexer, name, start)?;
            Test::StringRange(StringRange { from, to })
        }
        Function::LenRange => Test::LenRange(len_range(lexer, start)?),
        Function::Ipv4Range => Test::Ipv4Range(ipv4_range(lexer, start)?),
    };
    Ok(scope.with(test))
}

fn argument(lexer: &mut Lexer<'_>) -> Result<String, Error> {
    Ok(lexer.compound(VALUE, "value")?.into_owned())
}

fn arguments(lexer: &mut Lexer<'_>, name: &str) -> Result<Vec<String>, Error> {
    lexer.list(&format!("'{name}'"), argument)
}

/// The values of a list; none when a `*` is among them, which means all. A query in place of values is told apart by what
/// stands behind its first words.
fn values(lexer: &mut Lexer<'_>, name: &str) -> Result<Option<Vec<String>>, Error> {
    let start = lexer.offset();
    let mut all = false;
    let mut ahead = lexer.clone();
    let read = ahead.list(&format!("'{name}'"), |lexer| {
        if lexer.is("*") {
            lexer.advance();
            all = true;
            return Ok(String::new());
        }
        argument(lexer)
    });
    match read {
        Ok(values) => {
            *lexer = ahead;
            Ok((!all).then_some(values))
        }
        Err(_) if is_query(lexer.clone()) => {
            lexer.advance();
            Err(lexer.not_supported(start, format!("a query inside of '{name}'")))
        }
        Err(error) => Err(error),
    }
}

/// Whether a pipe comes before the parenthesis at hand is closed.
fn is_query(mut lexer: Lexer<'_>) -> bool {
    let mut depth = 0_usize;
    while !lexer.is_end() {
        match lexer.token() {
            token if token.kind != Kind::Sign => {}
            token if token.raw == "(" => depth += 1,
            token if token.raw == ")" && depth <= 1 => return false,
            token if token.raw == ")" => depth -= 1,
            token if token.raw == "|" => return true,
            _ => {}
        }
        lexer.advance();
    }
    false
}

fn common_cases(lexer: &mut Lexer<'_>, name: &str, start: usize) -> Result<Vec<String>, Error> {
    let phrases = arguments(lexer, name)?;
    if phrases.len() > MAX_COMMON_CASES {
        let message =
            format!("'{name}' takes at most {MAX_COMMON_CASES} phrases, these are {}", phrases.len());
        return Err(Error::TooLarge { offset: start, len: lexer.end_of_last() - start, message });
    }
    Ok(phrases)
}

/// `(text)`, `(text*)` or `(*)`: the text, and whether it is a prefix.
fn one_argument(lexer: &mut Lexer<'_>, name: &str) -> Result<(String, bool), Error> {
    lexer.expect("(", name)?;
    let text = if lexer.is("*") { String::new() } else { argument(lexer)? };
    let is_prefix = lexer.eat("*");
    lexer.expect(")", &format!("the text in '{name}'"))?;
    Ok((text, is_prefix))
}

fn exactly<const N: usize>(lexer: &mut Lexer<'_>, name: &str, start: usize) -> Result<[String; N], Error> {
    let found = arguments(lexer, name)?;
    found.try_into().map_err(|found: Vec<String>| {
        lexer.error_from(start, format!("'{name}' takes {N} values, these are {}", found.len()))
    })
}

fn range(lexer: &mut Lexer<'_>) -> Result<Range, Error> {
    let bound = |lexer: &mut Lexer<'_>| {
        let start = lexer.offset();
        let text = lexer.compound(VALUE, "number")?.into_owned();
        match number::parse(&text) {
            Some(_) => Ok(text),
            None => Err(lexer.error_from(
                start,
                format!("'{text}' is no number: give one such as 10, 1.5, 10KiB, 5m or inf"),
            )),
        }
    };
    let (from, with_from, to, with_to) = day_range::bounds(lexer, "range", bound)?;
    Ok(Range { from, with_from, to, with_to })
}

fn len_range(lexer: &mut Lexer<'_>, start: usize) -> Result<LenRange, Error> {
    let bounds: [String; 2] = exactly(lexer, "len_range", start)?;
    let length = |text: &String| match number::parse(text) {
        Some(f64::INFINITY) => Some(u64::MAX),
        Some(number) => number::to_i64(number).and_then(|number| u64::try_from(number).ok()),
        None => None,
    };
    let [Some(from), Some(to)] = bounds.each_ref().map(length) else {
        return Err(
            lexer.error_from(start, "'len_range' takes two numbers of characters, or a number and inf")
        );
    };
    Ok(LenRange { from, to })
}

fn ipv4_range(lexer: &mut Lexer<'_>, start: usize) -> Result<Ipv4Range, Error> {
    let found = arguments(lexer, "ipv4_range")?;
    let range = match found.as_slice() {
        [network] => Ipv4Range::network(network),
        [from, to] => from.parse().ok().zip(to.parse().ok()).map(|(from, to)| Ipv4Range { from, to }),
        _ => None,
    };
    range.ok_or_else(|| {
        lexer.error_from(
            start,
            "'ipv4_range' takes an address, a network such as 10.0.0.0/8, or two addresses",
        )
    })
}
