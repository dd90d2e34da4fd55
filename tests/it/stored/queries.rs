//! Queries that nobody should ask: each has an answer, in time, and the next one has its own.

use std::time::{Duration, Instant};

use logway_tests::{Reply, Up, Web};

/// Longest that an answer to any of them may take.
const PATIENCE: Duration = Duration::from_secs(15);

fn asked(web: &Web, what: &str, args: &[(&str, &str)]) -> Reply {
    let began = Instant::now();
    let reply = web.ask("/select/logsql/query", args);
    assert!(began.elapsed() < PATIENCE, "{what} took {:?}", began.elapsed());
    assert_eq!(web.messages("sentinel"), ["sentinel"], "after {what}");
    reply
}

/// Text, the status of its answer, and a word of the body.
fn queries() -> Vec<(&'static str, String, u16, &'static str)> {
    let many = |count: usize, one: &dyn Fn(usize) -> String, between: &str| {
        (0..count).map(one).collect::<Vec<_>>().join(between)
    };
    let word = |n: usize| format!("w{n}");
    vec![
        ("a query of 1 MB", format!("\"{}\"", "x".repeat(1 << 20)), 400, ""),
        ("a word of 100 KB", "y".repeat(100_000), 200, ""),
        ("an OR of 10,000 words", many(10_000, &word, " or "), 200, ""),
        ("an OR of 10,000 fields", many(10_000, &|n| format!("f{n}:=v{n}"), " or "), 200, ""),
        ("a list of 10,000 values", format!("app:in({})", many(10_000, &word, ",")), 200, ""),
        (
            "the sentinel among 10,000",
            format!("{} or sentinel", many(10_000, &word, " or ")),
            200,
            "sentinel",
        ),
        ("a huge regexp", format!("~\"{}\"", "(a|b)?".repeat(5_000)), 200, ""),
        ("a regexp that multiplies", "~\"((((a{100}){100}){100}){100})\"".to_owned(), 400, "LQ"),
        ("a regexp that is none", "~\"(\"".to_owned(), 400, "LQ"),
        ("10,000 brackets", format!("{}x{}", "(".repeat(10_000), ")".repeat(10_000)), 400, "LQ"),
        ("60 brackets", format!("{}sentinel{}", "(".repeat(60), ")".repeat(60)), 200, "sentinel"),
        ("10,000 times not", format!("{}x", "!".repeat(10_000)), 400, "LQ"),
        ("1,000 pipes", format!("*{}", " | filter *".repeat(1_000)), 400, ""),
        (
            "subqueries in subqueries",
            format!("{}*{}", "app:in(".repeat(500), " | fields app)".repeat(500)),
            400,
            "LQ",
        ),
        ("a huge limit", "sentinel | limit 18446744073709551615".to_owned(), 200, "sentinel"),
        ("a limit beyond", "* | limit 99999999999999999999".to_owned(), 400, "LQ"),
        ("a limit below nothing", "* | limit -1".to_owned(), 400, "LQ"),
        ("a limit that is a word", "* | limit many".to_owned(), 400, "LQ"),
        (
            "a sort of a huge limit",
            "sentinel | sort by (_time) desc limit 1000000000000".to_owned(),
            200,
            "sentinel",
        ),
        ("a range backwards", "_time:[2030-01-01Z, 2020-01-01Z]".to_owned(), 200, ""),
        ("a range of centuries", "_time:[1700-01-01Z, 2250-01-01Z] sentinel".to_owned(), 200, "sentinel"),
        ("a range beyond all time", "_time:[0001-01-01Z, 9999-12-31Z] sentinel".to_owned(), 200, "sentinel"),
        ("millions of years", "_time:1000000y sentinel".to_owned(), 200, "sentinel"),
        ("a year that is none", "_time:20x20".to_owned(), 400, "LQ"),
        ("a field that nobody has", "nosuchfield:x".to_owned(), 200, ""),
        ("the absence of one", "nosuchfield:\"\" sentinel".to_owned(), 200, "sentinel"),
        (
            "its sums",
            "* | stats sum(nosuchfield) s, avg(_msg) a, max(app) m".to_owned(),
            200,
            "\"m\":\"web\"",
        ),
        ("a number where there is text", "_msg:>5".to_owned(), 200, ""),
        ("text where there is a number", "seq:>abc".to_owned(), 200, ""),
        ("a range of an address on text", "_msg:ipv4_range(1.2.3.4)".to_owned(), 200, ""),
        ("arithmetic on text", "sentinel | math _msg * 2 as x | fields x".to_owned(), 200, ""),
        ("a pipe that is none", "* | nosuchpipe".to_owned(), 400, "nosuchpipe"),
        ("a function that is none", "* | stats nosuch() x".to_owned(), 400, "nosuch"),
        ("a quote that is open", "\"abc".to_owned(), 400, "LQ"),
        ("only a pipe", "|".to_owned(), 400, "LQ"),
        ("nothing", String::new(), 400, "query"),
        ("bytes of nothing", "\0\u{1}\u{7f}".to_owned(), 400, ""),
        ("words of everywhere", "жук or 虫 or \"🐞\"".to_owned(), 200, ""),
    ]
}

#[test]
fn each_has_an_answer_and_nobody_else_suffers() {
    let mut up = Up::start(&[]);
    let web = up.web();
    assert_eq!(web.insert("{\"app\":\"web\",\"_msg\":\"sentinel\"}\n").status, 200);
    let mut wrong = Vec::new();
    for (what, query, status, word) in queries() {
        let reply = asked(&web, what, &[("query", &query)]);
        let text = reply.text();
        let shown: String = text.chars().take(300).collect();
        if reply.status != status || !text.contains(word) || text.len() > 64 << 10 {
            wrong.push(format!("{what}: {} instead of {status}, {word:?}: {shown}", reply.status));
        }
    }
    let centuries = "1000000d";
    for (what, args, status) in [
        ("a limit that is a word", [("limit", "many"), ("start", "0")], 400),
        ("a huge limit", [("limit", "9223372036854775807"), ("start", "0")], 200),
        ("a limit beyond", [("limit", "99999999999999999999"), ("start", "0")], 400),
        ("an end before the start", [("start", "2030-01-01Z"), ("end", "2020-01-01Z")], 200),
        ("centuries", [("start", "1700-01-01Z"), ("end", "2250-01-01Z")], 200),
        ("a time that is none", [("start", "yesterday"), ("limit", "1")], 400),
        ("a time of centuries ago", [("start", centuries), ("limit", "1")], 200),
        ("an endless timeout", [("timeout", "1000000h"), ("limit", "1")], 200),
        ("a timeout of nothing", [("timeout", "0s"), ("limit", "1")], 400),
    ] {
        let reply = asked(&web, what, &[&[("query", "sentinel")][..], &args].concat());
        if reply.status != status {
            wrong.push(format!("{what}: {} instead of {status}: {}", reply.status, reply.text()));
        }
    }
    // Steps of a nanosecond over a century are as many as there are rows, not as there are steps.
    for step in ["1ns", "0s", "-1s", "1000000w", "x"] {
        let reply =
            web.ask("/select/logsql/hits", &[("query", "*"), ("step", step), ("start", "1700-01-01Z")]);
        if ![200, 400].contains(&reply.status) || reply.body.len() > 64 << 10 {
            wrong.push(format!("a step of {step}: {} {}", reply.status, reply.body.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(web.messages("sentinel"), ["sentinel"]);
    assert!(!up.process().stderr().text().contains("panic"), "{}", up.process().said());
}
