//! Where in a value a query found what it looks for: to show it to people.

use std::ops::Range;

use crate::field;
use crate::filter::any_case::AnyCaseSearch;
use crate::filter::phrase::{Phrase, Search};
use crate::filter::regexp::Expression;
use crate::filter::{Filter, Test};
use crate::predicate::Matcher;

/// Most texts and expressions that are looked for. Of a query with more, the first ones are.
const MAX_MARKS: usize = 200;
/// Most places in one value.
const MAX_PLACES: usize = 1000;

/// What to look for in the values of one field.
#[derive(Debug, Clone, Default)]
pub struct Marks(Vec<Mark>);

#[derive(Debug, Clone)]
enum Mark {
    Text(Search),
    AnyCase(Box<AnyCaseSearch>),
    Regex(Box<Expression>),
    Start(Box<[u8]>),
}

impl Marks {
    /// What `filter` wants to find in `field`, which may be an alias: words, phrases, prefixes and expressions, those aside that
    /// must not be there. A filter that cannot be compiled has nothing to show.
    pub fn new(filter: &Filter, field: &str) -> Self {
        let mut marks = Self::default();
        marks.collect(filter, field::resolve(field), true);
        marks.0.truncate(MAX_MARKS);
        marks
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn collect(&mut self, filter: &Filter, field: &str, is_wanted: bool) {
        match filter {
            Filter::And(filters) | Filter::Or(filters) => {
                filters.iter().for_each(|filter| self.collect(filter, field, is_wanted));
            }
            Filter::Not(filter) => self.collect(filter, field, !is_wanted),
            Filter::Field { field: name, test } if is_wanted && field::resolve(name) == field => {
                self.take(test);
            }
            _ => {}
        }
    }

    fn take(&mut self, test: &Test) {
        match test {
            Test::ContainsAny(any) => {
                any.0.iter().for_each(|phrase| self.take(&Test::Phrase(Phrase(phrase.clone()))));
            }
            _ => {
                if let Ok(matcher) = test.compile() {
                    self.prepare(matcher);
                }
            }
        }
    }

    fn prepare(&mut self, matcher: Matcher) {
        match matcher {
            Matcher::Search(search) => self.0.push(Mark::Text(search)),
            Matcher::AnyCase(search) => self.0.push(Mark::AnyCase(search)),
            Matcher::Regex(expression) => self.0.push(Mark::Regex(expression)),
            Matcher::StartsWith(start) | Matcher::Exact(start) => self.0.push(Mark::Start(start)),
            Matcher::AllOf(all) => all.into_iter().for_each(|matcher| self.prepare(matcher)),
            Matcher::Seq(searches) => self.0.extend(searches.into_iter().map(Mark::Text)),
            Matcher::Phrases(phrases) => {
                self.0.extend(phrases.searches().iter().take(MAX_MARKS).cloned().map(Mark::Text));
            }
            _ => {}
        }
    }

    /// The places in `value`, in order, none of them empty, none touching another; at most about 1,000.
    pub fn find(&self, value: &[u8]) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        for mark in &self.0 {
            let mut from = 0;
            while let Some(place) = mark.next(value, from).filter(|_| places.len() < MAX_PLACES) {
                // Behind an empty match the next one is looked for a byte further.
                from = place.end.max(from + 1).max(place.start + 1);
                if !place.is_empty() {
                    places.push(place);
                }
            }
        }
        places.sort_unstable_by_key(|place| (place.start, place.end));
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(places.len());
        for place in places {
            match joined.last_mut() {
                Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
                _ => joined.push(place),
            }
        }
        joined
    }
}

impl Mark {
    /// The first place at or behind byte `from`.
    fn next(&self, value: &[u8], from: usize) -> Option<Range<usize>> {
        match self {
            Self::Text(search) => {
                // An empty text is a match of its own kind, and no place.
                let end = search.find(value, from).filter(|_| !search.needle().is_empty())?;
                Some(end - search.needle().len()..end)
            }
            Self::AnyCase(search) => {
                let mut at = from;
                loop {
                    let (start, end) = search.candidate(value, at).filter(|(start, end)| start < end)?;
                    if search.fits(value, start, end) {
                        return Some(start..end);
                    }
                    at = start + 1;
                }
            }
            Self::Regex(expression) => expression.find_at(value, from),
            Self::Start(start) => (from == 0 && value.starts_with(start)).then_some(0..start.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(query: &str, value: &str) -> String {
        let marks = Marks::new(&crate::parse(query, 0).unwrap().filter, field::MSG);
        let mut out = String::new();
        let mut at = 0;
        for place in marks.find(value.as_bytes()) {
            out.push_str(&format!("{}<{}>", &value[at..place.start], &value[place.clone()]));
            at = place.end;
        }
        out + &value[at..]
    }

    #[test]
    fn what_was_looked_for_is_marked() {
        for (query, value, wanted) in [
            ("error", "an error, errors, error", "an <error>, errors, <error>"),
            ("\"a b\" c", "c a b cc", "<c> <a b> cc"),
            ("err*", "xerr err error", "xerr <err> <err>or"),
            ("*rr*", "error", "e<rr>or"),
            ("i(ERROR)", "Error eRRors", "<Error> eRRors"),
            ("i(é)", "É e", "<É> e"),
            ("~\"o+\"", "foo o", "f<oo> <o>"),
            ("~\"x*\"", "axa", "a<x>a"),
            ("ab or bc or abc", "abc ab", "<abc> <ab>"),
            ("~ab ~bc", "abcd", "<abc>d"),
            ("contains_any(a, \"b c\")", "a b c", "<a> <b c>"),
            ("contains_all(a, b)", "a b c", "<a> <b> c"),
            ("seq(a, c)", "a b c", "<a> b <c>"),
            ("=\"a b\"", "a b", "<a b>"),
            ("=\"a\"*", "a b", "<a> b"),
            // What must not be there, and what other fields are to have, is not marked.
            ("!error a", "a error", "<a> error"),
            ("!(!a b)", "a b", "<a> b"),
            ("app:a level:error {app=\"a\"}", "a error", "a error"),
            ("*", "a", "a"),
            ("\"\"", "", ""),
        ] {
            assert_eq!(shown(query, value), wanted, "{query}");
        }
    }

    #[test]
    fn many_places_and_many_texts_have_a_bound() {
        let marks = Marks::new(&crate::parse("a", 0).unwrap().filter, "");
        assert_eq!(marks.find("a ".repeat(5000).as_bytes()).len(), MAX_PLACES);
        let query: Vec<String> = (0..2000).map(|number| format!("w{number}")).collect();
        let marks = Marks::new(&crate::parse(&query.join(" or "), 0).unwrap().filter, "");
        assert_eq!(marks.0.len(), MAX_MARKS);
    }

    proptest! {
        #[test]
        fn places_are_in_order_and_apart(
            query in "(a|b|~\"a*\"|~\"[ab]+\"|i\\(A\\)|a\\*|\"a b\"|\\*b\\*)( or (b|~\"\"|i\\(B\\)|é))?",
            value in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b' '), any::<u8>()], 0..20),
        ) {
            let marks = Marks::new(&crate::parse(&query, 0).unwrap().filter, "");
            let mut at = None;
            for place in marks.find(&value) {
                prop_assert!(place.start < place.end && place.end <= value.len());
                prop_assert!(at.is_none_or(|at| at < place.start));
                at = Some(place.end);
            }
        }
    }
}
