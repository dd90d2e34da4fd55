//! Lines that are brought over HTTP: heard by tails, found at once, there after `kill -9`; and lines that nobody should bring.

use std::time::{SystemTime, UNIX_EPOCH};

use logway_tests::Up;
use serde_json::{Value, json};

#[test]
fn what_is_brought_is_heard_and_found_and_survives() {
    let mut up = Up::start(&[]);
    let web = up.web();
    let mut tail = web.tail("app:shop");
    let mut lines = String::new();
    for number in 0..200 {
        lines.push_str(&format!(
            "{{\"app\":\"shop\",\"_msg\":\"order {number}\",\"user\":{{\"id\":{number}}}}}\n"
        ));
    }
    assert_eq!(web.insert(&lines).status, 200);
    // 200 was said: it is on disk, and nobody finishes anything.
    up.restart();
    let web = up.web();
    let rows = web.rows("app:shop | stats count() n, count_uniq(user.id) u");
    assert_eq!((&rows[0]["n"], &rows[0]["u"]), (&json!("200"), &json!("200")), "{rows:?}");
    drop(tail);

    tail = web.tail("app:shop user.id:>500");
    let line = r#"{"app":"shop","_msg":"live","user":{"id":501}}"#;
    assert_eq!(web.insert(&format!("{lines}{line}\n")).status, 200);
    let heard = tail.next_row();
    let mut found = web.rows("user.id:=501").remove(0);
    found.as_object_mut().expect("a row is an object").remove("pos");
    assert_eq!(heard, found, "a tail shows what a query does");
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_secs()).expect("it is not so late")
}

/// Names and values of fields.
type Fields = Vec<(&'static str, Value)>;

/// A line, the status of the answer, and fields that are then found by `id:=NAME`; none: nothing is.
fn lines() -> Vec<(&'static str, String, u16, Fields)> {
    // With the id.
    let many = |count: usize| (1..count).map(|n| format!(",\"f{n}\":\"{n}\"")).collect::<String>();
    let (most, too_many) = (many(2_000), many(2_001));
    let recent = now() - 3_600;
    vec![
        ("no-time", r#""_msg":"x""#.into(), 200, vec![("_msg", json!("x"))]),
        ("recent", format!(r#""_time":{recent},"_msg":"x""#), 200, vec![("_msg", json!("x"))]),
        // No clock is so wrong; it is taken, with the time at which it came.
        ("2100", r#""_time":"2100-01-01T00:00:00Z","_msg":"x""#.into(), 200, vec![("_msg", json!("x"))]),
        ("no-such-time", r#""_time":"soon","_msg":"x""#.into(), 400, vec![]),
        ("too-many-fields", format!(r#""_msg":"x"{too_many}"#), 400, vec![]),
        (
            "many-fields",
            format!(r#""_msg":"x"{most}"#),
            200,
            vec![("f1", json!("1")), ("f999", json!("999")), ("f1999", json!("1999"))],
        ),
        ("long", format!(r#""_msg":"{}""#, "x".repeat(2 << 20)), 400, vec![]),
        (
            "nearly-long",
            format!(r#""_msg":"{} end""#, "x ".repeat(500_000)),
            200,
            vec![("app", json!("strange"))],
        ),
        ("twice", r#""_msg":"x","k":"1","k":"2""#.into(), 200, vec![("k", json!("2"))]),
        (
            "nested",
            r#""_msg":"x","a":{"b":{"c":1}},"l":[1,{"x":2}]"#.into(),
            200,
            vec![("a.b.c", json!("1")), ("l", json!("[1,{\"x\":2}]"))],
        ),
        ("empty-message", r#""_msg":"","k":"v""#.into(), 200, vec![("k", json!("v")), ("_msg", Value::Null)]),
        ("no-message", r#""k":"v""#.into(), 200, vec![("k", json!("v"))]),
        (
            "platform",
            r#""_msg":"x","seq":"7","boot":"b","gap.reason":"g""#.into(),
            200,
            vec![("app.seq", json!("7")), ("app.boot", json!("b")), ("app.gap.reason", json!("g"))],
        ),
        (
            "controls",
            r#""_msg":"a\u0000b\u001b[31m""#.into(),
            200,
            vec![("_msg", json!("a\u{0}b\u{1b}[31m"))],
        ),
        ("half-a-pair", r#""_msg":"\ud800""#.into(), 200, vec![]),
        ("empty-name", r#""_msg":"x","":"y""#.into(), 200, vec![("_msg", json!("x"))]),
        ("long-name", format!(r#""_msg":"x","{}":"y""#, "n".repeat(129)), 400, vec![]),
    ]
}

#[test]
fn strange_lines_are_kept_or_refused_and_cost_no_other() {
    let up = Up::start(&[]);
    let web = up.web();
    let mut wrong = Vec::new();
    for (name, fields, status, wanted) in lines() {
        let line = format!("{{\"app\":\"strange\",\"id\":\"{name}\",{fields}}}\n");
        let good = format!("{{\"app\":\"good\",\"_msg\":\"beside {name}\"}}\n");
        let reply = web.insert(&format!("{good}{line}"));
        if reply.status != status {
            wrong.push(format!("{name}: {} instead of {status}: {}", reply.status, reply.text()));
        }
        assert_eq!(web.count(&format!("app:good \"beside {name}\"")), 1, "beside {name}");
        let rows = web.rows(&format!("id:={name}"));
        if rows.len() != usize::from(status == 200) {
            wrong.push(format!("{name}: {} rows", rows.len()));
        }
        for (field, value) in wanted {
            if rows.first().is_some_and(|row| row[field] != value) {
                wrong.push(format!("{name}: {field} is {:.80}", rows[0][field].to_string()));
            }
        }
    }
    // Older than all that is kept: it is counted, said, and not taken.
    let old = r#"{"app":"strange","id":"old","_time":"1970-01-01T00:00:01Z","_msg":"x"}"#;
    assert_eq!((web.insert(old).status, web.count("id:=old")), (400, 0));
    let figure = "logway_store_expired_lines_total 1\n";
    assert!(up.metrics().contains(figure), "{}", up.metrics());
    for (what, body, status) in [
        ("nothing", "", 200),
        ("empty lines", "\n\r\n\n", 200),
        ("no JSON", "hello\n", 400),
        ("a list", "[1,2]\n", 400),
        ("half a line", "{\"_msg\":\"x\"", 400),
    ] {
        let reply = web.insert(body);
        if reply.status != status {
            wrong.push(format!("{what}: {} instead of {status}: {}", reply.status, reply.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
