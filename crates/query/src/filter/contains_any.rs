//! `f:contains_any(a, "b c")`: the value has at least one of these words or phrases in it.

use std::fmt;

use aho_corasick::AhoCorasick;

use super::one_of::Values;
use super::phrase::{Phrase, Search};
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
        let mut phrases: Vec<&String> = self.0.iter().collect();
        phrases.sort();
        phrases.dedup();
        let empty = phrases.first().is_some_and(|phrase| phrase.is_empty());
        let searches =
            phrases.iter().filter(|phrase| !phrase.is_empty()).map(|phrase| Search::phrase(phrase)).collect();
        Ok(Matcher::Phrases(Phrases::new(searches, empty)?))
    }
}

/// So many texts are looked for one after the other: that is quicker than what many need.
const FEW: usize = 8;

/// Looks for several texts of which one is enough.
#[derive(Debug, Clone)]
pub(crate) struct Phrases {
    searches: Vec<Search>,
    many: Option<Box<Many>>,
    empty: bool,
}

/// For more than a few: whole words are found by taking the value apart, what is more by an automaton.
#[derive(Debug, Clone)]
struct Many {
    words: Values,
    longer: Vec<Search>,
    automaton: Option<AhoCorasick>,
}

impl Phrases {
    /// `empty` says whether the empty value matches too.
    pub(crate) fn new(searches: Vec<Search>, empty: bool) -> Result<Self, Error> {
        let many = if searches.len() > FEW { Some(Box::new(Many::new(&searches)?)) } else { None };
        Ok(Self { searches, many, empty })
    }

    /// The phrases, the empty one not among them.
    pub(crate) fn searches(&self) -> &[Search] {
        &self.searches
    }

    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        if value.is_empty() {
            return self.empty;
        }
        match &self.many {
            Some(many) => many.matches(value),
            None => self.searches.iter().any(|search| search.find(value, 0).is_some()),
        }
    }

    /// The texts, when they are few.
    pub(crate) fn few(&self) -> Option<&[Search]> {
        self.many.is_none().then_some(&self.searches)
    }

    pub(crate) const fn has_empty(&self) -> bool {
        self.empty
    }

    pub(crate) fn need(&self) -> Need {
        if self.empty { Need::nothing() } else { Need::any(self.searches.iter().map(Search::need)) }
    }
}

impl Many {
    fn new(searches: &[Search]) -> Result<Self, Error> {
        let (words, longer): (Vec<_>, Vec<_>) = searches.iter().cloned().partition(Search::is_word);
        let words = Values::new(words.iter().map(|word| word.needle().into()).collect());
        let automaton = if longer.is_empty() { None } else { Some(automaton(&longer)?) };
        Ok(Self { words, longer, automaton })
    }

    fn matches(&self, value: &[u8]) -> bool {
        let has_word = !self.words.is_empty() && token::tokens(value).any(|token| self.words.has(token));
        has_word
            || self.automaton.as_ref().is_some_and(|automaton| {
                automaton.find_overlapping_iter(value).any(|found| {
                    let search = self.longer.get(found.pattern().as_usize());
                    search.is_some_and(|search| search.fits(value, found.start()))
                })
            })
    }
}

fn automaton(searches: &[Search]) -> Result<AhoCorasick, Error> {
    AhoCorasick::new(searches.iter().map(Search::needle)).map_err(|why| Error::TooLarge {
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
        check(
            "x:contains_any(a1,a2,a3,a4,a5,a6,a7,\"b c\",\"b c d\",\"\")",
            &["", "x a7", "b c", "b c d"],
            &["a8", "b cc", "a77"],
        );
        check(
            "x:a1 or x:a2 or x:a3* or x:*a4* or x:a5 or x:a6 or x:\"a 7\" or x:a8 or x:a9",
            &["a33", "xa4x", "a 7"],
            &["a88", "xa33", "a 77"],
        );
        check("x:contains_any()", &[], &["", "a"]);
        check("x:contains_any(*)", &["", "a"], &[]);
    }
}
