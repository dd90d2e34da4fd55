//! Text to the tree of filters.

use super::call::function;
use super::compare::{Compare, Op};
use super::exact::{Exact, ExactPrefix};
use super::phrase::Phrase;
use super::prefix::Prefix;
use super::regexp::Regexp;
use super::substring::Substring;
use super::{Filter, MAX_TERMS, Test, day_range, stream, stream_id, time, week_range};
use crate::error::Error;
use crate::field;
use crate::lexer::{Kind, Lexer, NAME, VALUE};

/// In which field filters look that name none.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    field: Option<&'a str>,
    /// Whether parentheses lie between the field's name and here: then another name may stand before a filter.
    is_group: bool,
}

impl Scope<'_> {
    pub(super) fn with(self, test: Test) -> Filter {
        Filter::Field { field: self.name().to_owned(), test }
    }

    fn name(&self) -> &str {
        self.field.filter(|name| !name.is_empty()).unwrap_or(field::MSG)
    }
}

/// Reads a filter up to `|`, `)`, `;` or the end.
pub(crate) fn filter(lexer: &mut Lexer<'_>) -> Result<Filter, Error> {
    if lexer.is_done() {
        return Err(lexer.error(format!("missing a filter, there is {}; '*' is all rows", lexer.here())));
    }
    any_of(lexer, Scope { field: None, is_group: false })
}

/// Reads `(filter)`; `after` says in messages what it follows.
#[allow(dead_code, reason = "its callers, the pipes, follow")]
pub(crate) fn in_parens(lexer: &mut Lexer<'_>, after: &str) -> Result<Filter, Error> {
    lexer.expect("(", after)?;
    let filter = lexer.nested(filter)?;
    lexer.expect(")", "the filter in parentheses")?;
    Ok(filter)
}

fn any_of(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    let mut filters = vec![all_of(lexer, scope)?];
    while lexer.eat("or") {
        filters.push(all_of(lexer, scope)?);
    }
    Ok(Filter::any(filters))
}

fn all_of(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    let mut filters = vec![one(lexer, scope)?];
    while lexer.eat("and") || !(lexer.is_done() || lexer.is("or")) {
        filters.push(one(lexer, scope)?);
    }
    Ok(Filter::all(filters))
}

fn one(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    check_space(lexer)?;
    if lexer.is_any(&["not", "!", "-"]) {
        lexer.advance();
        return Ok(Filter::Not(Box::new(lexer.nested(|lexer| one(lexer, scope))?)));
    }
    if lexer.is("(") {
        return group(lexer, scope);
    }
    lexer.count_term(1, MAX_TERMS)?;
    if lexer.is("{") {
        return match scope.field {
            None => stream::parse(lexer).map(Filter::Stream),
            Some(name) => {
                Err(lexer
                    .error(format!("a stream filter has no field before it, or '_stream', not '{name}'")))
            }
        };
    }
    if lexer.eat(":") {
        return one(lexer, Scope { field: Some(scope.name()), ..scope });
    }
    if lexer.token().kind == Kind::Sign {
        return sign(lexer, scope);
    }
    if lexer.token().kind == Kind::Word
        && let Some(filter) = function(lexer, scope)?
    {
        return Ok(filter);
    }
    text(lexer, scope)
}

/// Two filters need space between them: what is written without is mostly meant as one value.
fn check_space(lexer: &Lexer<'_>) -> Result<(), Error> {
    let before = lexer.last();
    let may_touch = before.is_empty()
        || ["|", ":", "(", "!", "-"].contains(&before)
        || lexer.is("(") && ["not", "and", "or"].iter().any(|word| before.eq_ignore_ascii_case(word));
    if lexer.is_end() || lexer.token().spaced || may_touch {
        return Ok(());
    }
    let message = format!(
        "missing space between '{}' and {}: if both are one value, quote it",
        short(before),
        lexer.here()
    );
    Err(lexer.error(message))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn group(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    lexer.advance();
    let scope = Scope { is_group: scope.field.is_some(), ..scope };
    let filter = lexer.nested(|lexer| any_of(lexer, scope))?;
    lexer.expect(")", "the filters in parentheses")?;
    Ok(filter)
}

/// Filters that begin with a sign.
fn sign(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    let not = |filter| Filter::Not(Box::new(filter));
    if lexer.is("*") {
        return star(lexer, scope);
    }
    let sign = lexer.token().raw;
    if !["=", "!=", "~", "!~", "=~", ">", "<"].contains(&sign) {
        return text(lexer, scope);
    }
    lexer.advance();
    let or_equal = ["<", ">"].contains(&sign) && !lexer.token().spaced && lexer.eat("=");
    if lexer.token().spaced && scope.field.is_none() {
        return Err(lexer.error_from(
            lexer.end_of_last() - 1,
            format!("'{sign}' needs a field and ':' before it: write field:{sign}value"),
        ));
    }
    match sign {
        "=" => exact(lexer, scope),
        "!=" => exact(lexer, scope).map(not),
        "~" | "=~" => regexp_of(lexer, scope),
        "!~" => regexp_of(lexer, scope).map(not),
        _ => {
            let op = match (sign, or_equal) {
                (">", false) => Op::Greater,
                (">", true) => Op::GreaterOrEqual,
                (_, false) => Op::Less,
                (_, true) => Op::LessOrEqual,
            };
            let bound = lexer.compound(VALUE, "value to compare with")?.into_owned();
            Ok(scope.with(Test::Compare(Compare { op, bound })))
        }
    }
}

/// `*`, `*text*`.
fn star(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    let start = lexer.offset();
    lexer.advance();
    if scope.field.is_none() && lexer.eat(":") {
        return Err(lexer.not_supported(start, "a filter for all fields"));
    }
    if lexer.token().spaced || lexer.is_done() {
        return Ok(prefix(scope, String::new()));
    }
    let inner = lexer.compound(VALUE, "text between '*' and '*'")?.into_owned();
    if lexer.token().spaced || !lexer.eat("*") {
        return Err(lexer.error_from(
            start,
            format!("missing '*' after '*{inner}': text inside of values is written *{inner}*"),
        ));
    }
    Ok(if inner.is_empty() { Filter::All } else { scope.with(Test::Substring(Substring(inner))) })
}

/// The empty prefix of the message is all rows, as VictoriaLogs has it.
fn prefix(scope: Scope<'_>, text: String) -> Filter {
    match text.is_empty() && scope.name() == field::MSG {
        true => Filter::All,
        false => scope.with(Test::Prefix(Prefix(text))),
    }
}

fn exact(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    let value = lexer.compound(VALUE, "value")?.into_owned();
    let is_prefix = !lexer.token().spaced && lexer.eat("*");
    Ok(scope.with(if is_prefix { Test::ExactPrefix(ExactPrefix(value)) } else { Test::Exact(Exact(value)) }))
}

fn regexp_of(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    let start = lexer.offset();
    let pattern = lexer.compound(VALUE, "regular expression")?;
    Ok(scope.with(Test::Regexp(regexp(lexer, start, &pattern)?)))
}

/// The expression `pattern`, which stands at byte `start`.
pub(super) fn regexp(lexer: &mut Lexer<'_>, start: usize, pattern: &str) -> Result<Regexp, Error> {
    lexer.count_regexp()?;
    Regexp::new(pattern).map_err(|(message, is_size)| match lexer.error_from(start, message) {
        Error::Syntax { offset, len, message } if is_size => Error::TooLarge { offset, len, message },
        error => error,
    })
}

/// A word, a phrase, a prefix, or the name of a field with its filter.
fn text(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Filter, Error> {
    let start = lexer.offset();
    if scope.field.is_none() && lexer.is_any(&["and", "or"]) {
        return Err(
            lexer.error(format!("missing a filter before {}; quote it if the word is meant", lexer.here()))
        );
    }
    if let Some(name) = field_before(lexer, scope)? {
        return field_filter(lexer, &name, start);
    }
    let glue = if scope.field.is_some() { VALUE } else { NAME };
    let text = lexer.compound(glue, "word, phrase or other filter")?.into_owned();
    if !lexer.token().spaced && lexer.eat("*") {
        if scope.field.is_none() && lexer.eat(":") {
            return Err(lexer.not_supported(start, "a filter for all fields whose names begin so"));
        }
        return Ok(prefix(scope, text));
    }
    Ok(scope.with(Test::Phrase(Phrase(text))))
}

/// Takes the name of a field and its colon when they stand here. Inside of the parentheses of another field a number behind
/// the colon makes both a value: `addr:(a:80)`.
fn field_before(lexer: &mut Lexer<'_>, scope: Scope<'_>) -> Result<Option<String>, Error> {
    if scope.field.is_some() && !scope.is_group {
        return Ok(None);
    }
    let mut ahead = lexer.clone();
    let Ok(name) = ahead.compound(NAME, "field") else { return Ok(None) };
    if !ahead.is(":") {
        return Ok(None);
    }
    ahead.advance();
    let is_number = ahead.token().raw.starts_with(|letter: char| letter.is_ascii_digit());
    if scope.field.is_some() && (is_number || ahead.token().spaced || ahead.is_done()) {
        return Ok(None);
    }
    *lexer = ahead;
    Ok(Some(name.into_owned()))
}

/// The filter behind `name:`, whose name begins at byte `start`.
fn field_filter(lexer: &mut Lexer<'_>, name: &str, start: usize) -> Result<Filter, Error> {
    if lexer.is_done() {
        return Err(lexer.error_from(
            start,
            format!("missing a value after '{}:': {}:\"\" is for rows without it", short(name), short(name)),
        ));
    }
    match name {
        field::TIME if lexer.eat("day_range") => day_range::parse(lexer).map(Filter::DayRange),
        field::TIME if lexer.eat("week_range") => week_range::parse(lexer).map(Filter::WeekRange),
        field::TIME => time::parse(lexer).map(|range| match range {
            time::TimeRange::ALL => Filter::All,
            range => Filter::Time(range),
        }),
        field::STREAM_ID if !lexer.is("*") => {
            Ok(stream_id::parse(lexer)?.map_or(Filter::All, Filter::StreamIds))
        }
        field::STREAM if lexer.is("{") => stream::parse(lexer).map(Filter::Stream),
        name => lexer.nested(|lexer| one(lexer, Scope { field: Some(name), is_group: false })),
    }
}
