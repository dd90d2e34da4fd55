//! Queries that are meant to hurt: refused, or read and matched in a time that nobody notices. Nothing is
//! measured here: what is wrong takes so long that the tests do not end.

use query::{Error, MAX_QUERY_BYTES, Predicate};

use crate::{Line, NOW, predicate};

fn words(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|at| format!("w{at}"))
}

fn joined(count: usize, between: &str) -> String {
    words(count).collect::<Vec<_>>().join(between)
}

#[test]
fn ten_thousand_alternatives_are_one_test() {
    for (before, between, after) in
        [("", " or ", ""), ("x:(", " or ", ")"), ("x:in(", ",", ")"), ("x:contains_any(", ",", ")")]
    {
        let text = format!("{before}{}{after}", joined(10_000, between));
        let predicate = predicate(&text);
        assert!(matches!(predicate, Predicate::Field(_)), "{before}");
        for _ in 0..1000 {
            assert!(
                !predicate
                    .matches(&Line(&[("_msg", "no such word in w here"), ("x", "no such word in w here")]))
            );
        }
        assert!(predicate.matches(&Line(&[("_msg", "w9999"), ("x", "w9999")])));
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let regexps = |count: usize| (0..count).map(|at| format!("x:~\"a{at}\"")).collect::<Vec<_>>().join(" ");
    for text in [
        "a ".repeat(MAX_QUERY_BYTES / 2 + 1),
        "(".repeat(1000),
        "!".repeat(1000),
        joined(20_001, " "),
        regexps(200),
        format!("x:~\"{}\"", "(a{100}){100}".repeat(9)),
        r#"x:~"\\w{500}""#.to_owned(),
        format!("x:i(\"{}\")", "é".repeat(100_000)),
        format!("x:contains_common_case({})", joined(101, ",")),
    ] {
        let shown: String = text.chars().take(40).collect();
        match query::parse(&text, NOW) {
            Err(Error::TooLarge { message, .. }) => assert!(message.len() < 200, "{message}"),
            other => panic!("{shown}: {}", other.map_or_else(|why| why.to_string(), |_| "taken".into())),
        }
    }
}

#[test]
fn deep_ones_within_the_bound_are_taken() {
    let deep =
        |open: &str, close: &str, times: usize| format!("{}a{}", open.repeat(times), close.repeat(times));
    for text in [deep("(", ")", 60), deep("!", "", 60), deep("f:(b or ", ")", 30)] {
        let query = query::parse(&text, NOW).unwrap_or_else(|why| panic!("{}", why.render(&text)));
        assert_eq!(query::parse(&query.to_string(), NOW).as_ref(), Ok(&query));
    }
}

#[test]
fn large_ones_within_the_bound_are_quick() {
    let long = "a ".repeat(50_000);
    for text in [
        format!("x:seq({})", joined(50_000, ",")),
        format!("x:contains_all({})", joined(50_000, ",")),
        format!("\"{}\"", joined(50_000, " ")),
        format!("x:~\"{}\"", "(a|b)?".repeat(500)),
        format!("x:~\"{}\"", "( a1 | b1 ) c1 .*".repeat(300)),
        joined(19_000, " !"),
        (1..500).map(|n| format!("\"{}\"", "a ".repeat(n))).collect::<Vec<_>>().join(" or "),
    ] {
        predicate(&text).matches(&Line(&[("_msg", &long), ("x", &long)]));
    }
}
