//! `f:contains_any(a, "b c")`: the value has at least one of these words or phrases in it.

use std::collections::HashSet;
use std::fmt;

use aho_corasick::AhoCorasick;

use super::one_of::Values;
use super::phrase::Phrase;
use super::write_list;
use crate::error::Error;
use crate::predicate::{Matcher, Need};
use crate::token;

/// Phrases of which one is enough. None at all match nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainsAny(pub Vec<String>);

impl fmt::Display for ContainsAny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "contains_any", &self.0)
    }
}

impl ContainsAny {
    pub(super) fn compile(&self) -> Result<Matcher, Error> {
        if let [phrase] = self.0.as_slice() {
            return Ok(Phrase(phrase.clone()).compile());
        }
        Ok(Matcher::Phrases(Phrases::new(self.0.iter().map(String::as_str))?))
    }
}

/// Looks for many phrases at once: single words by taking the value apart, what is more by an automaton.
#[derive(Debug, Clone)]
pub(crate) struct Phrases {
    words: Values,
    longer: Option<AhoCorasick>,
    texts: Vec<Box<[u8]>>,
    empty: bool,
}

impl Phrases {
    pub(crate) fn new<'a>(phrases: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let (mut words, mut texts, mut empty) = (HashSet::new(), HashSet::new(), false);
        for phrase in phrases {
            if phrase.is_empty() {
                empty = true;
            } else if phrase.chars().all(token::is_token_char) {
                words.insert(Box::from(phrase.as_bytes()));
            } else {
                texts.insert(Box::from(phrase.as_bytes()));
            }
        }
        let texts: Vec<Box<[u8]>> = texts.into_iter().collect();
        let longer = if texts.is_empty() { None } else { Some(automaton(&texts)?) };
        Ok(Self { words: Values::new(words), longer, texts, empty })
    }

    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        if value.is_empty() {
            return self.empty;
        }
        let has_word =
            self.words.iter().next().is_some() && token::tokens(value).any(|token| self.words.has(token));
        has_word || self.longer.as_ref().is_some_and(|longer| self.has_longer(longer, value))
    }

    fn has_longer(&self, longer: &AhoCorasick, value: &[u8]) -> bool {
        longer.find_overlapping_iter(value).any(|found| {
            let text = self.texts.get(found.pattern().as_usize()).map_or(&[][..], |text| text);
            let before = value.get(..found.start()).unwrap_or_default();
            let behind = value.get(found.end()..).unwrap_or_default();
            let cut_left = token::begins_inside(text) && token::ends_inside(before);
            !(cut_left || token::ends_inside(text) && token::begins_inside(behind))
        })
    }

    pub(crate) fn need(&self) -> Need {
        if self.empty {
            return Need::nothing();
        }
        let all = self.words.iter().chain(self.texts.iter().map(|text| &**text));
        Need::any(all.map(|text| Need::of(text, false, false)))
    }
}

fn automaton(texts: &[Box<[u8]>]) -> Result<AhoCorasick, Error> {
    AhoCorasick::new(texts).map_err(|why| Error::TooLarge {
        offset: 0,
        len: 0,
        message: format!("these are too many phrases to look for at once ({why}): split the query"),
    })
}

#[cfg(test)]
mod tests {
    use crate::filter::check;

    #[test]
    fn one_is_enough() {
        check(
            "x:contains_any(a, \"b c\", \"\")",
            &["", "a", "x a!", "b c", "-b c-"],
            &["b", "b cd", "ab c", "aa"],
        );
        check("x:contains_any(a-b, b-c, a)", &["a-b", "xa-b b-c", "a-bc"], &["xa-bc", "c"]);
        check("x:contains_any(\"a b\", \"a b c\")", &["a b", "a b c"], &["a bc", "xa b"]);
        check("x:contains_any()", &[], &["", "a"]);
        check("x:contains_any(*)", &["", "a"], &[]);
    }
}
