//! Anybody to query: any text as a query. What is read prints as text that reads back as the same, compiles, and is held
//! against a row; its hints are never wrong; limits put on it only narrow it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::OrgId;
use query::{Confinement, FieldTest, Predicate, Row, token};

const NOW: i64 = 1_795_341_600_000_000_000;

struct Line<'a> {
    org: &'static str,
    value: &'a [u8],
}

impl Row for Line<'_> {
    fn time(&self) -> i64 {
        NOW - 1
    }

    fn org(&self) -> &str {
        self.org
    }

    fn value<'a>(&'a self, _: &str, _: &'a mut Vec<u8>) -> &'a [u8] {
        self.value
    }
}

fn check_hints(predicate: &Predicate, value: &[u8]) {
    match predicate {
        Predicate::And(list) | Predicate::Or(list) => list.iter().for_each(|inner| check_hints(inner, value)),
        Predicate::Not(inner) => check_hints(inner, value),
        Predicate::Field(test) if test.matches(value) => check_hint(test, value),
        _ => {}
    }
}

fn check_hint(test: &FieldTest, value: &[u8]) {
    let has = |token: &[u8]| token::tokens(value).any(|found| found == token);
    assert!(test.tokens().is_met(has), "{test:?}");
    if let Some(literal) = test.literal() {
        assert!(value.windows(literal.len()).any(|part| part == literal), "{test:?}");
    }
}

fuzz_target!(|input: (&str, &[u8])| {
    let (text, value) = input;
    let _ = query::extra_filters(text, NOW);
    let query = match query::parse(text, NOW) {
        Ok(query) => query,
        Err(error) => {
            let _ = error.render(text);
            return;
        }
    };
    let printed = query.to_string();
    match query::parse(&printed, NOW) {
        Ok(again) => assert_eq!(again, query, "{printed}"),
        Err(error) => panic!("{}", error.render(&printed)),
    }
    let Ok(predicate) = query.predicate() else { panic!("does not compile: {printed}") };
    check_hints(&predicate, value);
    let (Ok(org), line) = (OrgId::new("k"), |org| Line { org, value }) else { return };
    let mut confined = query;
    confined.confine(&Confinement::org(org));
    let Ok(confined) = confined.predicate() else { panic!("does not compile with limits: {printed}") };
    assert_eq!(confined.matches(&line("k")), predicate.matches(&line("k")));
    assert!(!confined.matches(&line("l")));
});
