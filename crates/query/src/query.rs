//! A query: options, a filter, and pipes behind it.

use std::fmt;

use crate::error::Error;
use crate::filter::time::TimeRange;
use crate::filter::{self, Filter};
use crate::lexer::{Kind, Lexer, NAME};
use crate::options::{self, Options};
use crate::pipe::{self, Pipe};
use crate::predicate::Predicate;
use crate::reserved;

/// A query. It prints as text that reads back as the same query, with times that were relative made absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// How it is to be run.
    pub options: Options,
    /// Which rows it is about.
    pub filter: Filter,
    /// What is done with them, one after the other.
    pub pipes: Vec<Pipe>,
}

/// Reads a query. `now` (Unix nanoseconds) is what relative times mean: the end of the request's range of time, or the time
/// at which it came.
///
/// # Errors
/// [`Error::Syntax`], [`Error::NotSupported`] and [`Error::TooLarge`], each with its place in the text.
pub fn parse(text: &str, now: i64) -> Result<Query, Error> {
    let mut lexer = Lexer::new(text, now)?;
    let options = options::parse(&mut lexer)?;
    check_start(&lexer)?;
    let filter = filter::parse::filter(&mut lexer)?;
    let mut pipes = Vec::new();
    while lexer.eat("|") {
        pipes.push(pipe::parse(&mut lexer)?);
        if pipes.len() > MAX_PIPES {
            let message = format!("more than {MAX_PIPES} pipes: take some out");
            return Err(Error::TooLarge { offset: lexer.offset(), len: 0, message });
        }
    }
    lexer.eat(";");
    if lexer.is_end() {
        return Ok(Query { options, filter, pipes });
    }
    Err(lexer.error(match lexer.is(")") {
        true => "this ')' closes nothing: take it out, or quote it".into(),
        false => format!("nothing may follow the query, there is {}", lexer.here()),
    }))
}

/// Most pipes of a query.
pub const MAX_PIPES: usize = 256;

/// A query that begins with a pipe's name is one without its filter, so it has to be quoted where the word is meant.
fn check_start(lexer: &Lexer<'_>) -> Result<(), Error> {
    if lexer.token().kind != Kind::Word {
        return Ok(());
    }
    let mut ahead = lexer.clone();
    let Ok(word) = ahead.compound(NAME, "word") else { return Ok(()) };
    if !reserved::is_pipe(&word) || ahead.is(":") {
        return Ok(());
    }
    let message = format!(
        "'{word}' is a pipe, and the filter before it is missing: write '* | {word} …', or quote the word"
    );
    Err(lexer.error(message))
}

impl Query {
    /// What rows are held against before they come to the pipes.
    ///
    /// # Errors
    /// As [`Filter::compile`].
    pub fn predicate(&self) -> Result<Predicate, Error> {
        self.filter.compile()
    }

    /// A range of time outside of which no row can be in the answer.
    pub fn time_range(&self) -> TimeRange {
        self.filter.time_range()
    }

    /// Puts the time of a request on the query and on every query inside of it that does not say
    /// `options(ignore_global_time_filter=true)`. Both are Unix nanoseconds, `to` is not in it; `i64::MIN` and `i64::MAX` are
    /// no bounds.
    pub fn add_time(&mut self, from: i64, to: i64) {
        let range = TimeRange { from, to };
        self.each_query(&mut |query| {
            if range != TimeRange::ALL && query.options.ignore_global_time_filter != Some(true) {
                query.narrow(Filter::Time(range));
            }
        });
    }

    /// Takes away the rows that `filter` does not match.
    pub fn narrow(&mut self, filter: Filter) {
        let old = std::mem::replace(&mut self.filter, Filter::All);
        self.filter = match (filter, old) {
            (filter, Filter::All) => filter,
            (Filter::All, old) => old,
            (filter, old) => Filter::And(vec![filter, old]),
        };
    }

    /// Calls `visit` with this query and with every query inside of it: what has to hold for all of them goes through here, and
    /// nothing else walks over queries.
    ///
    /// There is no query inside of another as long as `in(query)`, `union` and `join` are not supported. Whoever adds one
    /// adds it here: the matches have no arm for the rest, so a new kind of filter does not compile without being looked at.
    pub fn each_query(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        visit(self);
        let in_pipes = self.pipes.iter_mut().flat_map(Pipe::filters_mut);
        for filter in std::iter::once(&mut self.filter).chain(in_pipes) {
            queries_inside(filter).into_iter().for_each(|query| query.each_query(visit));
        }
    }
}

/// The queries inside of a filter.
fn queries_inside(filter: &mut Filter) -> Vec<&mut Query> {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter_mut().flat_map(queries_inside).collect(),
        Filter::Not(filter) => queries_inside(filter),
        Filter::All
        | Filter::Time(_)
        | Filter::DayRange(_)
        | Filter::WeekRange(_)
        | Filter::Stream(_)
        | Filter::StreamIds(_)
        | Filter::Field { .. }
        | Filter::Orgs(_) => Vec::new(),
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.options, self.filter)?;
        self.pipes.iter().try_for_each(|pipe| write!(f, " | {pipe}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_341_600_000_000_000;

    #[test]
    fn whole_queries() {
        for (text, wanted) in [
            ("error", "error"),
            (" error ; ", "error"),
            ("options(concurrency=1) a b # why\n or c", "options(concurrency=1) a b or c"),
            ("'stats' x", "\"stats\" x"),
            ("len:5 sort-of", "\"len\":5 \"sort-of\""),
        ] {
            let query = parse(text, NOW).unwrap_or_else(|why| panic!("{}", why.render(text)));
            assert_eq!(query.to_string(), wanted);
            assert_eq!(parse(wanted, 0).as_ref(), Ok(&query));
        }
    }

    #[test]
    fn refused() {
        for (text, at) in [
            ("", 0),
            ("  ", 2),
            ("| x", 0),
            ("stats count()", 0),
            ("Head 5", 0),
            ("a )", 2),
            ("a ; b", 4),
            ("(a", 2),
            ("a \"b", 2),
        ] {
            let error = parse(text, NOW).unwrap_err();
            assert_eq!(error.range().unwrap().start, at, "{text}: {error}");
        }
        let long = "a ".repeat(300_000);
        assert!(matches!(parse(&long, NOW), Err(Error::TooLarge { .. })));
        for open in ["(", "!", "not ", "x:(", "(a or ("] {
            let deep = open.repeat(100_000);
            assert!(parse(&deep, NOW).is_err(), "{open}");
        }
        let many = "a or ".repeat(30_000) + "a";
        assert!(matches!(parse(&many, NOW), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn time_of_the_request() {
        let mut query = parse("_time:1h error", NOW).unwrap();
        query.add_time(NOW - 60, i64::MAX);
        assert_eq!(query.time_range(), TimeRange { from: NOW - 60, to: NOW });
        let mut query = parse("options(ignore_global_time_filter=true) *", NOW).unwrap();
        query.add_time(0, 1);
        assert_eq!(query.time_range(), TimeRange::ALL);
        let mut query = parse("a or b", NOW).unwrap();
        query.add_time(0, 1);
        assert_eq!(
            query.filter.to_string(),
            "_time:[1970-01-01T00:00:00.000000000Z, 1970-01-01T00:00:00.000000001Z) (a or b)"
        );
    }
}
