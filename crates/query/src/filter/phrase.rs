//! `error`, `"a b"`: the value has this text in it, beginning and ending at the border of a token.

use std::fmt;

use memchr::memmem::Finder;

use crate::predicate::{Matcher, Need};
use crate::quote::Plain;
use crate::token;

/// A word or several. The empty one is what empty values match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase(pub String);

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(&self.0).fmt(f)
    }
}

impl Phrase {
    pub(super) fn compile(&self) -> Matcher {
        if self.0.is_empty() {
            return Matcher::Empty;
        }
        Matcher::Search(Search::phrase(&self.0))
    }
}

/// Looks for a text that may have to lie between borders of tokens.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    finder: Box<Finder<'static>>,
    /// Whether no character of a token may stand before it.
    left: bool,
    /// Whether none may stand behind it.
    right: bool,
}

impl Search {
    pub(crate) fn new(needle: &[u8], left: bool, right: bool) -> Self {
        Self { finder: Box::new(Finder::new(needle).into_owned()), left, right }
    }

    /// The bytes that are looked for.
    pub(crate) fn needle(&self) -> &[u8] {
        self.finder.needle()
    }

    /// Where the first match at or behind byte `from` ends.
    pub(crate) fn find(&self, value: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let start = at + self.finder.find(value.get(at..)?)?;
            if self.fits(value, start) {
                return Some(start + self.needle().len());
            }
            at = start + 1;
        }
    }

    /// Whether there is a match at or behind byte `at`, where the text was found, perhaps going on behind the value's end.
    pub(crate) fn matches_from(&self, value: &[u8], at: usize) -> bool {
        let whole = at + self.needle().len() <= value.len();
        whole && (self.fits(value, at) || self.find(value, at + 1).is_some())
    }

    /// The next place at or behind byte `from` that has the text, whatever lies around it.
    pub(crate) fn candidate(&self, value: &[u8], from: usize) -> Option<usize> {
        Some(from + self.finder.find(value.get(from..)?)?)
    }

    /// Looks for `text`, which is not empty, between borders of tokens.
    pub(crate) fn phrase(text: &str) -> Self {
        let text = text.as_bytes();
        Self::new(text, token::begins_inside(text), token::ends_inside(text))
    }

    /// Whether what it looks for is one whole token.
    pub(crate) fn is_word(&self) -> bool {
        self.left && self.right && token::tokens(self.needle()).next() == Some(self.needle())
    }

    /// Whether it is made of whole words without digits, and of what lies between them.
    pub(crate) fn is_of_words(&self) -> bool {
        is_of_words(self.needle(), self.left, self.right)
    }

    /// Whether the borders are right for a match at byte `start`.
    pub(crate) fn fits(&self, value: &[u8], start: usize) -> bool {
        let (before, rest) = value.split_at_checked(start).unwrap_or((value, &[]));
        let behind = rest.get(self.needle().len()..).unwrap_or_default();
        !(self.left && token::ends_inside(before) || self.right && token::begins_inside(behind))
    }

    pub(crate) fn need(&self) -> Need {
        Need::of(self.needle(), !self.left, !self.right)
    }
}

/// Whether a text that is looked for between such borders is made of whole words without digits, and of what lies between them.
pub(crate) fn is_of_words(text: &[u8], left: bool, right: bool) -> bool {
    let is_cut = !left && token::begins_inside(text) || !right && token::ends_inside(text);
    !text.is_empty() && !is_cut && !text.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn borders() {
        check(
            "error",
            &["error", "an error!", "x.error=1"],
            &["", "errors", "terror", "Error", "error_1", "errorä"],
        );
        check("\".foo bar! \"", &["a.foo bar! baz"], &["a.foo bar!baz"]);
        check("\"255.255\"", &["1.255.255", "255.255"], &["1255.255", "255.2551"]);
        check("foo-bar", &["a foo-bar", "foo-bar-2", "x-foo-bar"], &["foo bar", "xfoo-bar", "foo-bars"]);
        check("мир", &["привет мир", "мир!"], &["мира", "имир"]);
        check("\"\"", &[""], &[" ", "a"]);
        check("\"--\"", &["a--b", "---"], &["-"]);
    }
}
