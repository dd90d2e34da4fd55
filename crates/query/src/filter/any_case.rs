//! `i(err)`, `i("a b"*)`: a phrase or prefix whatever the case of its letters. ASCII letters are compared with ASCII
//! letters; a phrase with others by Unicode's simple case folding.

use std::fmt;
use std::sync::OnceLock;

use regex::bytes::Regex;

use super::regexp;

use crate::error::Error;
use crate::predicate::{Matcher, Need};
use crate::quote::Plain;
use crate::token;

/// A phrase, or a prefix of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyCase {
    /// In whatever case.
    pub text: String,
    /// Whether the last token may go on.
    pub is_prefix: bool,
}

impl fmt::Display for AnyCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_prefix, self.text.is_empty()) {
            (true, true) => f.write_str("i(*)"),
            (true, false) => write!(f, "i({}*)", Plain(&self.text)),
            (false, _) => write!(f, "i({})", Plain(&self.text)),
        }
    }
}

impl AnyCase {
    pub(super) fn compile(&self) -> Result<Matcher, Error> {
        if self.text.is_empty() {
            return Ok(if self.is_prefix { Matcher::NotEmpty } else { Matcher::Empty });
        }
        Ok(Matcher::AnyCase(Box::new(AnyCaseSearch::new(&self.text, self.is_prefix)?)))
    }
}

/// Whether `text` can be looked for in any case, and whether that takes an expression. The error says why it cannot.
pub(super) fn needs_expression(text: &str) -> Result<bool, String> {
    if text.is_ascii() { Ok(false) } else { fold(text).map(|_| true) }
}

/// Looks for a text in any case.
#[derive(Debug, Clone)]
pub(crate) struct AnyCaseSearch {
    /// In small letters, when all of them are ASCII.
    text: Box<[u8]>,
    /// The place in `text` whose byte is the rarest, and this byte small and large.
    rare: (usize, u8, u8),
    /// For a text with other letters.
    folded: Option<Regex>,
    bulk: OnceLock<Option<Regex>>,
    left: bool,
    right: bool,
}

/// Bytes as they are more and more rare in log lines; those that are not here are rarer still.
const COMMON: &[u8] = b" e0taoin1srl2d35c4um69p78.:/\"-fg=_,h[]bywkv";

impl AnyCaseSearch {
    /// As [`super::phrase::Search::is_of_words`].
    pub(crate) fn is_of_words(&self) -> bool {
        super::phrase::is_of_words(&self.text, self.left, self.right)
    }

    fn new(text: &str, is_prefix: bool) -> Result<Self, Error> {
        let small: Box<[u8]> = text.to_ascii_lowercase().into_bytes().into();
        let rank = |byte: &u8| COMMON.iter().position(|common| common == byte).unwrap_or(COMMON.len());
        let (at, &byte) = small.iter().enumerate().max_by_key(|(_, byte)| rank(byte)).unwrap_or((0, &0));
        let too_long = |message| Error::TooLarge { offset: 0, len: 0, message };
        let folded = if text.is_ascii() { None } else { Some(fold(text).map_err(too_long)?) };
        Ok(Self {
            rare: (at, byte, byte.to_ascii_uppercase()),
            folded,
            bulk: OnceLock::new(),
            left: token::begins_inside(text.as_bytes()),
            right: !is_prefix && token::ends_inside(text.as_bytes()),
            text: small,
        })
    }

    /// Where the first match at or behind byte `from` ends.
    pub(crate) fn find(&self, value: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let (start, end) = self.candidate(value, at)?;
            if self.fits(value, start, end) {
                return Some(end);
            }
            at = start + 1;
        }
    }

    /// The next place at or behind byte `from` that has the text, whatever lies around it.
    pub(crate) fn candidate(&self, value: &[u8], from: usize) -> Option<(usize, usize)> {
        if let Some(regex) = &self.folded {
            return regex.find_at(value, from.min(value.len())).map(|found| (found.start(), found.end()));
        }
        let (rare_at, small, large) = self.rare;
        let mut at = from.checked_add(rare_at)?;
        loop {
            at += memchr::memchr2(small, large, value.get(at..)?)?;
            let start = at - rare_at;
            let end = start + self.text.len();
            if value.get(start..end)?.eq_ignore_ascii_case(&self.text) {
                return Some((start, end));
            }
            at += 1;
        }
    }

    /// An expression that finds the text in long runs of values quicker than [`AnyCaseSearch::candidate`] does, borders aside;
    /// none for text with letters that are not ASCII. It is made when it is first asked for.
    pub(crate) fn bulk(&self) -> Option<&Regex> {
        let make = || {
            let text = std::str::from_utf8(&self.text).ok()?;
            regexp::build(&format!("(?i-u:{})", regex::escape(text)), false).ok()
        };
        self.bulk.get_or_init(|| if self.folded.is_some() { None } else { make() }).as_ref()
    }

    /// Whether there is a match at or behind byte `at`, where the text was found, perhaps going on behind the value's end.
    pub(crate) fn matches_from(&self, value: &[u8], at: usize) -> bool {
        let end = at + self.text.len();
        end <= value.len() && (self.fits(value, at, end) || self.find(value, at + 1).is_some())
    }

    /// Whether the borders are right for a match from byte `start` to byte `end`.
    pub(crate) fn fits(&self, value: &[u8], start: usize, end: usize) -> bool {
        let before = value.get(..start).unwrap_or_default();
        let behind = value.get(end..).unwrap_or_default();
        !(self.left && token::ends_inside(before) || self.right && token::begins_inside(behind))
    }

    /// Tokens without letters are the same in any case.
    pub(crate) fn need(&self) -> Need {
        let sets = Need::of(&self.text, !self.left, !self.right);
        let caseless = |token: &&[u8]| token.iter().all(|byte| byte.is_ascii_digit() || *byte == b'_');
        Need::all(sets.sets().iter().flatten().map(|token| &**token).filter(caseless))
    }
}

fn fold(text: &str) -> Result<Regex, String> {
    regexp::build(&format!("(?i:{})", regex::escape(text)), false).map_err(|(message, _)| message)
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn phrases_and_prefixes() {
        check("i(err)", &["ERR", "an Err!", "err"], &["", "error", "berr", "ERR_1"]);
        check("i(err*)", &["ERROR", "xx eRr"], &["terr", "er"]);
        check("i(\"Foo Bar\"*)", &["FOO BARS", "foo bar"], &["foobar", "xfoo bar"]);
        check("x:i(\"\")", &[""], &["a"]);
        check("x:i(*)", &["a"], &[""]);
        check("i(ПРИВЕТ)", &["привет", "Привет мир"], &["приветы", "мир"]);
        check("!i(a)", &["", "b"], &["A", "a"]);
        check("i(\"zz a\")", &["ZZ A", "zzz zz a"], &["zz aa"]);
        check("x:i(7-a)", &["7-A"], &["17-a", "7-"]);
    }
}
