//! `options(concurrency=2, ignore_global_time_filter=true)` at the start of a query.

use std::fmt;

use crate::error::Error;
use crate::lexer::{Lexer, NAME};

/// How a query is to be run, apart from what it asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// On how many threads, at most; the store has its own bound.
    pub concurrency: Option<u64>,
    /// By how many threads that read, at most; the store has its own bound.
    pub parallel_readers: Option<u64>,
    /// Whether the time of the request is not put on the query.
    pub ignore_global_time_filter: Option<bool>,
    /// Whether an answer without what some stores have is an answer.
    pub allow_partial_response: Option<bool>,
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [
            self.concurrency.map(|number| format!("concurrency={number}")),
            self.parallel_readers.map(|number| format!("parallel_readers={number}")),
            self.ignore_global_time_filter.map(|yes| format!("ignore_global_time_filter={yes}")),
            self.allow_partial_response.map(|yes| format!("allow_partial_response={yes}")),
        ];
        let set: Vec<String> = set.into_iter().flatten().collect();
        if set.is_empty() { Ok(()) } else { write!(f, "options({}) ", set.join(",")) }
    }
}

/// Reads the options when they stand here.
pub(crate) fn parse(lexer: &mut Lexer<'_>) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut ahead = lexer.clone();
    if !(ahead.eat("options") && ahead.is("(")) {
        return Ok(options);
    }
    *lexer = ahead;
    lexer.list("'options'", |lexer| one(lexer, &mut options))?;
    Ok(options)
}

fn one(lexer: &mut Lexer<'_>, options: &mut Options) -> Result<(), Error> {
    let start = lexer.offset();
    let name = lexer.compound(NAME, "name of an option")?;
    if ["time_offset", "global_filter"].contains(&&*name) {
        return Err(lexer.not_supported(start, format!("the option '{name}'")));
    }
    let known = ["concurrency", "parallel_readers", "ignore_global_time_filter", "allow_partial_response"];
    if !known.contains(&&*name) {
        return Err(
            lexer.error_from(start, format!("there is no option '{name}': there are {}", known.join(", ")))
        );
    }
    lexer.expect("=", "the name of the option")?;
    match &*name {
        "concurrency" => options.concurrency = Some(lexer.unsigned("number of threads")?),
        "parallel_readers" => options.parallel_readers = Some(lexer.unsigned("number of threads")?),
        "ignore_global_time_filter" => options.ignore_global_time_filter = Some(boolean(lexer)?),
        _ => options.allow_partial_response = Some(boolean(lexer)?),
    }
    Ok(())
}

fn boolean(lexer: &mut Lexer<'_>) -> Result<bool, Error> {
    let start = lexer.offset();
    let text = lexer.compound(NAME, "true or false")?;
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(lexer.error_from(start, format!("'{text}' is neither true nor false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_printed() {
        let read = |text: &str| parse(&mut Lexer::new(text, 0).unwrap());
        let all = "options(concurrency=2,parallel_readers=3,ignore_global_time_filter=true,allow_partial_response=false) ";
        assert_eq!(read(all).unwrap().to_string(), all);
        assert_eq!(read("OPTIONS ( concurrency = 2, )").unwrap().to_string(), "options(concurrency=2) ");
        assert_eq!(read("options foo"), Ok(Options::default()));
        assert_eq!(read("options()").unwrap().to_string(), "");
        for (text, at) in [
            ("options(x=1)", 8),
            ("options(time_offset=1h)", 8),
            ("options(concurrency=x)", 20),
            ("options(", 8),
        ] {
            assert_eq!(read(text).unwrap_err().range().unwrap().start, at, "{text}");
        }
    }
}
