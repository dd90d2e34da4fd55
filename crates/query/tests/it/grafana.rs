//! What the VictoriaLogs plugin of Grafana writes, and Fly's dashboard with it.

use crate::{NOW, matches, predicate};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn filters_of_chips() {
    for text in [
        "k:=\"v\"",
        "k:!=\"v\"",
        "k:~\"v\"",
        "k:!~\"v\"",
        "k:<\"v\"",
        "k:>\"v\"",
        "k:in(\"a\",\"b\")",
        "!k:in(\"a\",\"b\")",
        "_stream:{app=\"web\"}",
        "(! _stream: {app=\"web\"})",
        "\"a:b\":=\"v\"",
        "k:=\"v\" AND j:!=\"w\" AND (! _stream: {app=\"web\"})",
    ] {
        predicate(text);
        query::extra_filters(text, NOW).unwrap_or_else(|why| panic!("{why}"));
    }
}

#[test]
fn filters_of_the_stream_bar() {
    let text = "_stream:{app in (\"nginx\",\"x\")} AND _stream:{host not_in (\"h\")}";
    let filter = query::extra_stream_filters(text, NOW).unwrap();
    assert_eq!(filter.to_string(), "{app in (nginx,x)} {host not_in (h)}");
    assert!(matches(text, &[("app", "nginx")]) && !matches(text, &[("app", "nginx"), ("host", "h")]));
}

#[test]
fn level_buttons() {
    let text = "(level:contains_common_case(\"err\",\"error\") OR sev:\"x\")";
    for level in ["err", "ERROR", "error"] {
        assert!(matches(text, &[("level", level)]));
        assert!(!matches(&format!("!{text}"), &[("level", level)]));
    }
    assert!(matches(text, &[("sev", "x")]) && !matches(text, &[("level", "warn")]));
}

#[test]
fn variables_with_many_values() {
    for text in ["field:in(*)", "{app in(*)}", "field:~\".*\""] {
        assert!(matches(text, &[]), "{text}");
    }
    assert!(!matches("field:!~\".*\"", &[]));
}

#[test]
fn lines_around_a_line() {
    for text in [
        format!("_stream_id:\"{ID}\" _time:<=2026-11-22T09:59:59.999999999Z"),
        format!("_stream_id:\"{ID}\" _time:>2026-11-22T09:00:00Z"),
    ] {
        assert!(matches(&text, &[("_stream_id", ID)]) && !matches(&text, &[("_stream_id", "0")]), "{text}");
    }
    let stream = "_stream:{app=\"web\",instance=\"i\",region=\"lhr\"} _time:<=2026-11-22T10:00:00Z";
    assert!(matches(stream, &[("app", "web"), ("instance", "i"), ("region", "lhr")]));
}

#[test]
fn ranges_of_time() {
    predicate("_time:[1700000000, 1700003600] error");
    predicate("options(concurrency=2) _time:[1700000000, 1700003600] error");
}

#[test]
fn fly_dashboard() {
    let web = [("app", "my-app"), ("instance", "i"), ("_msg", "foo bar")];
    for (text, wanted) in [
        ("fly.app.name: * fly.app.instance: * _msg:*", true),
        ("fly.app.name: my-app fly.app.instance: i _msg:*", true),
        ("fly.app.name:my-app fly.app.instance:i _msg:foo bar", true),
        ("fly.app.name:my-app fly.app.instance:i _msg:baz", false),
        ("fly.app.name:other fly.app.instance:i _msg:baz OR bar", true),
    ] {
        assert_eq!(matches(text, &web), wanted, "{text}");
    }
    // A word filter is no limit: this is why limits are never made of text.
    assert!(matches("fly.app.name:my-app", &[("app", "my-app-2")]));
}

/// Each of these reads, and prints as what reads as the same.
#[track_caller]
fn reads(texts: &[&str]) {
    for text in texts {
        let query = query::parse(text, NOW).unwrap_or_else(|why| panic!("{}", why.render(text)));
        let printed = query.to_string();
        assert_eq!(query::parse(&printed, NOW).as_ref(), Ok(&query), "{text} prints as {printed}");
    }
}

#[test]
fn what_is_put_behind_a_query() {
    reads(&[
        "* | sort by (_time) desc",
        "error | sort by (_time) asc",
        "_stream_id:\"0123456789abcdef0123456789abcdef0123456789abcdef\" _time:<=2026-11-22T09:59:59Z | sort by (_time) desc limit 50",
        "_stream:{app=\"web\",instance=\"i\"} _time:>2026-11-22T09:59:59Z | sort by (_time) asc limit 50",
        "k:=\"v\" AND j:!=\"w\" | {app=\"web\"}",
        "k:=\"v\" | j:~\"w\" | {app in(*)}",
        "_time:[1700000000, 1700003600] error | stats by (_time:1m0s, level) count() as hits",
        "* | stats by (_time:1h0m0s) count()",
    ]);
}

#[test]
fn fly_panels() {
    reads(&[
        "fly.app.name: * fly.app.instance: * _msg:*|stats by (fly.app.name) count() as logs",
        "fly.app.name: my-app fly.app.instance: 148e _msg:foo bar|stats by (fly.app.name) count() as logs",
    ]);
    let query = query::parse("fly.app.name: a _msg:*|stats by (fly.app.name) count() as logs", NOW).unwrap();
    assert_eq!(query.filter.to_string(), "fly.app.name:a *");
}

#[test]
fn visual_builder() {
    reads(&[
        "level:=\"error\" | stats by (app) count() as n, sum(size), avg(size), min(size), max(size), median(size)",
        "level:in(\"a\",\"b\") | stats quantile(0.9, size) as p90, rate() as r, histogram(size) as h",
        "size:>10 size:>=5 size:<100 size:<=90 | math size / 2 as half | format \"<app>: <_msg>\" as _msg",
        "* | pack_json fields (a, b) as x | pack_logfmt fields (a) as y",
        "* | unpack_json from _msg | unpack_logfmt from _msg",
        "* | rename a as b | copy c as d | delete e | keep b, d",
        "* | replace (\"a\", \"b\") at _msg | replace_regexp (\"a+\", \"b\") at _msg",
        "* | extract \"ip=<ip> \" from _msg | extract_regexp \"(?P<n>[0-9]+)\" from _msg",
        "* | drop_empty_fields | sort by (a desc, b) limit 10 rank as r | limit 5 | offset 1",
        "* | first 5 by (_time) | last 2 by (_time) | top 5 by (app)",
        "a:i(\"x\") !b:i(\"y\") c:~\"x\" c:!~\"y\" {app in (\"a\")} {app not_in (\"b\")} | filter app:=web",
    ]);
}
