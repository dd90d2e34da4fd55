//! `_stream_id:hex`, `_stream_id:in(hex, hex)`: rows of these streams.

use std::fmt;

use super::write_list;
use crate::error::Error;
use crate::lexer::{Lexer, VALUE};

/// Ids of streams, each of 48 small hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIds(pub Vec<String>);

/// Digits of an id.
const DIGITS: usize = 48;

impl fmt::Display for StreamIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [id] => write!(f, "_stream_id:{id}"),
            ids => {
                f.write_str("_stream_id:")?;
                write_list(f, "in", ids)
            }
        }
    }
}

/// Reads the ids that follow `_stream_id:`; none for `in(*)`, which means all.
pub(super) fn parse(lexer: &mut Lexer<'_>) -> Result<Option<StreamIds>, Error> {
    lexer.eat("=");
    if !lexer.eat("in") {
        return Ok(Some(StreamIds(vec![id(lexer)?])));
    }
    let mut all = false;
    let ids = lexer.list("'_stream_id:in'", |lexer| {
        if lexer.eat("*") {
            all = true;
            return Ok(String::new());
        }
        id(lexer)
    })?;
    Ok((!all).then_some(StreamIds(ids)))
}

fn id(lexer: &mut Lexer<'_>) -> Result<String, Error> {
    let start = lexer.offset();
    let text = lexer.compound(VALUE, "id of a stream")?;
    if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(lexer.error_from(start, format!("'{text}' is no id of a stream: those have {DIGITS} hex digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let (a, b) = ("0a".repeat(24), "F0".repeat(24));
        let read = |text: &str| parse(&mut Lexer::new(text, 0).unwrap());
        assert_eq!(read(&a), Ok(Some(StreamIds(vec![a.clone()]))));
        assert_eq!(read(&format!("\"{b}\"")), Ok(Some(StreamIds(vec!["f0".repeat(24)]))));
        let both = read(&format!("in({a}, \"{b}\")")).unwrap().unwrap();
        assert_eq!(both.to_string(), format!("_stream_id:in(\"{a}\",{})", b.to_lowercase()).replace('"', ""));
        assert_eq!(read("in(*)"), Ok(None));
        assert!(read("abc").is_err() && read("in(abc)").is_err() && read(&"x".repeat(48)).is_err());
    }
}
