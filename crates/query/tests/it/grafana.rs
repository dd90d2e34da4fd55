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
