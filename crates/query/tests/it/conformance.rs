//! The quirks of LogsQL, one table for each: text, and what it means written plainly, or rows that match and rows that do not.

use crate::{NOW, matches, refusal};

/// `text` reads as what `plain` reads as, and `plain` is how it prints.
#[track_caller]
fn means(cases: &[(&str, &str)]) {
    for (text, plain) in cases {
        let query = query::parse(text, NOW).unwrap_or_else(|why| panic!("{}", why.render(text)));
        assert_eq!(query.to_string(), *plain, "{text}");
        assert_eq!(query::parse(plain, NOW).as_ref(), Ok(&query), "{plain}");
    }
}

/// Text that is no query, and the byte at which it stops being one.
#[track_caller]
fn refuses(cases: &[(&str, usize)]) {
    for (text, at) in cases {
        let error = refusal(text);
        assert_eq!(error.range().map(|range| range.start), Some(*at), "{text}: {error}");
        assert!(error.render(text).contains('^'), "{text}");
    }
}

/// Messages that match `text`, and messages that do not.
#[track_caller]
fn finds(text: &str, good: &[&str], bad: &[&str]) {
    for (messages, wanted) in [(good, true), (bad, false)] {
        for message in messages {
            assert_eq!(matches(text, &[("_msg", message)]), wanted, "{text} in '{message}'");
        }
    }
}

#[test]
fn tokens() {
    finds(
        "error",
        &["error", "an error.", "error-1", "/error/"],
        &["errors", "Error", "error_1", "error1", "terror"],
    );
    finds("größe", &["die größe!"], &["größer"]);
    finds("東京", &["(東京)"], &["東京都"]);
}

#[test]
fn phrases_lie_between_borders_of_tokens() {
    finds("\".foo bar! \"", &["a.foo bar! baz"], &["a.foo bar!"]);
    finds("\"255.255\"", &["255.255", "1.255.255.1"], &["1255.255", "255.2550"]);
    finds("\"\"", &[""], &["a"]);
    finds("\"foo  bar\"", &["foo  bar"], &["foo bar"]);
}

#[test]
fn values_without_quotes() {
    means(&[
        ("foo-bar", "\"foo-bar\""),
        ("a/b/c", "\"a/b/c\""),
        ("foo.bar", "foo.bar"),
        ("addr:1.2.3.4:80", "addr:\"1.2.3.4:80\""),
        ("fly.app.name:my-app", "fly.app.name:\"my-app\""),
        ("a:2026-01-02T03:04:05+01:00", "a:\"2026-01-02T03:04:05+01:00\""),
        ("$app", "\"$app\""),
        ("foo*", "foo*"),
        ("foo-bar*", "\"foo-bar\"*"),
        ("a *", "a *"),
        ("x:in(foo-bar/baz, 1.2.3.4)", "x:in(\"foo-bar/baz\",1.2.3.4)"),
        ("foo-bar.baz:x", "\"foo-bar.baz\":x"),
        (":foo", "foo"),
        ("\"\":foo", "foo"),
        ("_msg:foo", "foo"),
        ("\"a b\":c", "\"a b\":c"),
    ]);
    refuses(&[
        ("foo=bar", 3),
        ("a\"b\"", 1),
        ("a(b)", 1),
        ("\"a\"b", 3),
        ("a{b=c}", 1),
        ("a*b", 2),
        ("(a)(b)", 3),
        ("a,b", 1),
    ]);
}

#[test]
fn negation() {
    means(&[
        ("-x", "!x"),
        ("!x", "!x"),
        ("NOT x", "!x"),
        ("- x", "!x"),
        ("not(x)", "!x"),
        ("a-b", "\"a-b\""),
        ("a -b", "a !b"),
        ("!(a b)", "!(a b)"),
        ("!a:b", "!a:b"),
        ("a:!b", "!a:b"),
        ("a:-b", "!a:b"),
        ("a:!=b", "!a:=b"),
        ("a:!~b", "!a:~\"b\""),
        ("!{a=b}", "!{a=\"b\"}"),
    ]);
}

#[test]
fn not_binds_tighter_than_and_and_than_or() {
    means(&[
        ("error -a OR b", "error !a or b"),
        ("(error AND NOT a) OR b", "error !a or b"),
        ("a or b c or d", "a or b c or d"),
        ("a (b or c)", "a (b or c)"),
        ("a and (b and c)", "a (b c)"),
        ("NOT foo AND bar OR baz", "!foo bar or baz"),
        ("NOT (foo AND bar) OR baz", "!(foo bar) or baz"),
    ]);
    finds("error -a OR b", &["error", "b", "a b"], &["error a", "a"]);
}

#[test]
fn reserved_words() {
    means(&[
        ("'stats' foo", "\"stats\" foo"),
        ("\"and\"", "\"and\""),
        ("foo sort", "foo \"sort\""),
        ("foo:and", "foo:\"and\""),
        ("i", "\"i\""),
        ("re:x", "\"re\":x"),
        ("exact-foo", "\"exact-foo\""),
        ("range", "\"range\""),
        ("a:now", "a:\"now\""),
        ("offset:5", "\"offset\":5"),
        ("x AND y Or z", "x y or z"),
        ("x:IN(a)", "x:in(a)"),
        ("Seq(a)", "seq(a)"),
    ]);
    refuses(&[
        ("stats count()", 0),
        ("sort", 0),
        ("HEAD 5", 0),
        ("and a", 0),
        ("a or", 4),
        ("a and", 5),
        ("a or or b", 5),
        ("not", 3),
    ]);
}

#[test]
fn stars() {
    means(&[
        ("*", "*"),
        ("_msg:*", "*"),
        ("\"\"*", "*"),
        ("f:*", "f:*"),
        ("x:in(*)", "*"),
        ("x:contains_any(*)", "*"),
        ("x:contains_all(a, *)", "*"),
        ("_stream_id:in(*)", "*"),
        ("*foo*", "*foo*"),
    ]);
    assert!(matches("*", &[]) && matches("_msg:*", &[]));
    assert!(matches("f:*", &[("f", "a")]) && !matches("f:*", &[("_msg", "a")]));
    assert!(matches("{app in (*)}", &[]));
    assert!(matches("f:~\".*\"", &[]) && matches("f:~\"\"", &[]) && !matches("f:~\".+\"", &[]));
}

#[test]
fn missing_is_empty() {
    assert!(matches("f:\"\"", &[]) && !matches("f:\"\"", &[("f", "a")]));
    assert!(matches("f:!=x", &[]) && matches("!f:x", &[]));
    assert!(matches("f:=\"\"", &[]) && matches("f:in(a,\"\")", &[]));
    assert!(!matches("f:>\"a\"", &[]) && matches("f:<\"a\"", &[]));
    assert!(matches("{host=\"\"}", &[]) && matches("{host!=\"a\"}", &[]));
}

#[test]
fn space_behind_a_colon() {
    means(&[
        ("f: x", "f:x"),
        ("f:> 10", "f:>\"10\""),
        ("f: >= 10", "f:>=\"10\""),
        ("f: ! = x", "!f:=x"),
        ("f: (a or b)", "f:a or f:b"),
        ("_time: 5m", "_time:[2026-11-22T09:55:00.000000000Z, 2026-11-22T10:00:00.000000000Z)"),
    ]);
    refuses(&[("> 10", 0), ("a = b", 2), ("~ x", 0)]);
}

#[test]
fn times() {
    means(&[
        ("_time:5m", "_time:[2026-11-22T09:55:00.000000000Z, 2026-11-22T10:00:00.000000000Z)"),
        ("_time:>5m", "_time:<2026-11-22T09:55:00.000000000Z"),
        ("_time:<5m", "_time:[2026-11-22T09:55:00.000000001Z, 2026-11-22T10:00:00.000000000Z)"),
        ("_time:2023-04Z", "_time:[2023-04-01T00:00:00.000000000Z, 2023-05-01T00:00:00.000000000Z)"),
        (
            "_time:[2023-04, 2023-05]",
            "_time:[2023-04-01T00:00:00.000000000Z, 2023-06-01T00:00:00.000000000Z)",
        ),
        (
            "_time:[2023-04, 2023-05)",
            "_time:[2023-04-01T00:00:00.000000000Z, 2023-05-01T00:00:00.000000000Z)",
        ),
        ("_time:1h offset 1d", "_time:[2026-11-21T09:00:00.000000000Z, 2026-11-21T10:00:00.000000000Z)"),
        ("_time:1m0s", "_time:[2026-11-22T09:59:00.000000000Z, 2026-11-22T10:00:00.000000000Z)"),
        (
            "_time:[1700000000, 1700003600)",
            "_time:[2023-11-14T22:13:20.000000000Z, 2023-11-14T23:13:20.000000000Z)",
        ),
        (
            "_time:[1700000000000, 1700003600000)",
            "_time:[2023-11-14T22:13:20.000000000Z, 2023-11-14T23:13:20.000000000Z)",
        ),
        (
            "_time:2024-01-02T10+03:30",
            "_time:[2024-01-02T06:30:00.000000000Z, 2024-01-02T07:30:00.000000000Z)",
        ),
        ("_time:day_range[08:00, 18:00) offset 1h", "_time:day_range[08:00, 18:00) offset 1h"),
        ("_time:week_range[monday, fri]", "_time:week_range[mon, fri]"),
    ]);
    refuses(&[
        ("_time:", 0),
        ("_time:x", 6),
        ("_time:[5m", 9),
        ("_time:5m offset", 15),
        ("_time:day_range[8, 9]", 16),
    ]);
}

#[test]
fn quotes() {
    finds("\"a\\\"b\"", &["a\"b"], &["ab"]);
    finds("'a\"b'", &["a\"b"], &[]);
    finds("`a\\d`", &["a\\d"], &["a1"]);
    finds("\"\\u00e9\\x41\\n\"", &["éA\n"], &[]);
    means(&[("a # and so on\n b", "a b"), ("a ;", "a"), ("\"a\\nb\"", "\"a\\nb\"")]);
    refuses(&[("\"a", 0), ("a 'b", 2), ("\"\\q\"", 1), ("x:`a", 2)]);
}

#[test]
fn groups_of_a_field() {
    means(&[
        ("f:(a b)", "f:a f:b"),
        ("f:(a or !b)", "f:a or !f:b"),
        ("f:(a g:x)", "f:a g:x"),
        ("f:(a:80 or b)", "f:\"a:80\" or f:b"),
        ("f:(>10 !<=20)", "f:>\"10\" !f:<=\"20\""),
        (
            "level: ( ((error or warn*) and re(foo))) (not (bar))",
            "((level:error or level:warn*) level:~\"foo\") !bar",
        ),
        ("foo:(bar baz or not :xxx)", "foo:bar foo:baz or !foo:xxx"),
    ]);
    assert!(matches("f:(a b)", &[("f", "a b")]) && !matches("f:(a b)", &[("_msg", "a b")]));
}

#[test]
fn numbers() {
    for (text, good, bad) in [
        ("f:>1_000", "1001", "1000"),
        ("f:>=10KiB", "10240", "10KB"),
        ("f:<1.5h", "5399s", "5400s"),
        ("f:>0xff", "256", "255"),
        ("f:>1.2.3.4", "1.2.3.5", "1.2.3.4"),
        ("f:<2026-01-01T00:00:00Z", "2025-12-31T23:59:59.9Z", "2026-01-01T00:00:00Z"),
        ("f:range(1, 5]", "5", "1"),
    ] {
        assert!(matches(text, &[("f", good)]) && !matches(text, &[("f", bad)]), "{text}");
    }
}

#[test]
fn other_names_of_fields() {
    let row = [("app", "web"), ("instance", "i"), ("region", "lhr"), ("level", "error"), ("provider", "app")];
    for text in [
        "fly.app.name:web",
        "fly.app.instance:=i",
        "fly.region:lhr",
        "log.level:error",
        "event.provider:=app",
    ] {
        assert!(matches(text, &row), "{text}");
    }
    assert!(matches("{fly.app.name=\"web\"}", &row));
}

#[test]
fn not_supported_yet() {
    for (text, name) in [
        ("a:eq_field(b)", "eq_field"),
        ("a:le_field(b)", "le_field"),
        ("a:lt_field(b)", "lt_field"),
        ("a:value_type(dict)", "value_type"),
        ("a:ipv6_range(\"::1\")", "ipv6_range"),
        ("pattern_match(\"<N>\")", "pattern_match"),
        ("a:json_array_contains_any(x)", "json_array_contains_any"),
        ("a:in(b | fields x)", "a query inside of 'in'"),
        ("a:contains_any(_time:5m b:in(c) | fields x)", "a query inside of 'contains_any'"),
        ("a*:b", "begin so"),
        ("*:b", "all fields"),
        ("options(time_offset=1h) a", "time_offset"),
    ] {
        let error = refusal(text);
        assert_eq!(error.code(), "LQ02", "{text}: {error}");
        assert!(error.to_string().contains(name), "{text}: {error}");
    }
}

#[test]
fn filters_behind_a_bar() {
    means(&[
        ("a | filter b", "a | filter b"),
        ("a | where b:c", "a | filter b:c"),
        ("a | b:c", "a | filter b:c"),
    ]);
    let error = refusal("* | error");
    assert!(error.to_string().contains("filter"), "{error}");
    assert!(refusal("* | sotr").to_string().contains("sort"));
}

#[test]
fn words_that_are_pipes_elsewhere() {
    means(&[
        ("len:5 | len:6", "\"len\":5 | filter \"len\":6"),
        ("a | head 5", "a | limit 5"),
        ("a | skip 5 ;", "a | offset 5"),
    ]);
    refuses(&[("a |", 3), ("a | | b", 4), ("a | head x", 9), ("a | )", 4)]);
    for name in ["union (a)", "join by (a) (b)", "facets", "sample 5", "stream_context before 5"] {
        assert_eq!(refusal(&format!("a | {name}")).code(), "LQ02", "{name}");
    }
}
