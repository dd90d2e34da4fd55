use super::*;
use crate::http::fake::{Fake, chunked, refusal};
use crate::scope::Range;

fn plan(text: &str) -> Plan {
    let scope = ScopeArgs { app: Some("web".to_owned()), ..ScopeArgs::default() };
    Plan::new(text, &scope, Range { from: 0, to: 60_000_000_000 }).unwrap()
}

#[tokio::test]
async fn limits_are_arguments_and_no_text() {
    let fake = Fake::of(&[chunked(&[r#"{"matched":"12345"}"#])]).await;
    let server = fake.server();
    let plan = plan("a or b # here");
    assert_eq!(count::within(&server, &plan, Duration::from_secs(5)).await, Some(12_345));
    let asked = fake.asked().remove(0);
    assert_eq!(asked.path(), QUERY);
    // A comment at the end does not swallow the pipe.
    assert_eq!(asked.arg("query").unwrap(), "a or b # here\n| stats count() matched");
    assert_eq!(asked.arg("extra_stream_filters").unwrap(), r#"{"app":"web"}"#);
    assert_eq!(asked.arg("start").unwrap(), "1970-01-01T00:00:00.000000000Z");
    assert_eq!(asked.arg("end").unwrap(), "1970-01-01T00:01:00.000000000Z");
    assert_eq!(asked.arg("timeout").unwrap(), "5s");
}

#[tokio::test]
async fn a_histogram_is_asked_for_in_steps() {
    let body = r#"{"hits":[{"fields":{},"timestamps":["1970-01-01T00:00:01Z"],"values":[2],"total":2}]}"#;
    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let fake = Fake::of(&[reply, refusal(400, "", "no")]).await;
    let server = fake.server();
    let histogram = Histogram::ask(&server, &plan("a"), Duration::from_secs(5)).await;
    histogram.unwrap().show(2);
    assert_eq!(fake.asked()[0].arg("step").unwrap(), "1s");
    assert!(Histogram::ask(&server, &plan("a"), Duration::from_secs(5)).await.is_err());
}

#[tokio::test]
async fn what_is_no_count_is_none() {
    for (rows, wanted) in [(&["{}"][..], None), (&[r#"{"matched":"x"}"#], None), (&[], Some(0))] {
        let fake = Fake::of(&[chunked(rows)]).await;
        let form = crate::http::Form::new();
        assert_eq!(count::ask(&fake.server(), &form).await, Ok(wanted), "{rows:?}");
    }
}

#[test]
fn kinds() {
    for (text, wanted) in [
        ("a", Kind::Lines),
        ("", Kind::Lines),
        ("a | nonsense-of-tomorrow", Kind::Piped),
        ("a | fields x", Kind::Piped),
        ("a | stats count()", Kind::Table),
        ("a | limit 5", Kind::Table),
    ] {
        assert!(plan(text).kind() == wanted, "{text}");
    }
    assert!(!plan("a b").marks().is_empty() && plan("level:error").marks().is_empty());
}

#[test]
fn how_long_it_may_take() {
    assert_eq!(patience("90s"), Ok(Duration::from_secs(90)));
    for bad in ["", "0s", "x", "2d", "-1s", "10ms"] {
        assert!(patience(bad).is_err(), "{bad}");
    }
}
