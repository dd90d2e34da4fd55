//! Answers that are not whole, and those that fail: nobody can take them for whole ones.

use std::time::Duration;

use api::logs::Failure;
use serde_json::json;

use crate::support::{Api, Client, Line, Trouble, get};

fn lines() -> Vec<Line> {
    vec![Line::new("k3f9", "web", "T10:00:00Z", "a"), Line::new("k3f9", "web", "T10:00:01Z", "b")]
}

#[tokio::test]
async fn rows_that_are_not_all_end_in_one_that_says_so() {
    let api = Api::start(lines()).await;
    api.fake.fail(Trouble::Missing(vec!["store s2 did not answer".into()]));
    let answered = api.ask(&get("/select/logsql/query?query=*")).await;
    let rows = answered.rows();
    assert!(answered.is_whole && rows.len() == 3);
    assert_eq!(
        (&rows[2]["logway.partial"], &rows[2]["_stream"]),
        (&json!("store s2 did not answer"), &json!("{}"))
    );
    let answered = api.ask(&get("/select/logsql/query?query=*&allow_partial_response=0")).await;
    assert!(!answered.is_whole && answered.rows().len() == 3);
    // A sum over a part looks like one over all: it is not given, unless one asks for it.
    for path in ["hits?query=*", "stats_query?query=*|stats%20count()", "field_names?query=*"] {
        let answered = api.ask(&get(&format!("/select/logsql/{path}"))).await;
        assert!(answered.status == 503 && answered.body.contains("store s2"), "{answered:?}");
        let answered = api.ask(&get(&format!("/select/logsql/{path}&allow_partial_response=1"))).await;
        assert_eq!(
            (answered.status, answered.header("logway-partial")),
            (200, Some("store s2 did not answer"))
        );
    }
    assert!(api.figures.text().contains("logway_api_partial_answers_total 8"), "{}", api.figures.text());
    api.stop().await;
}

#[tokio::test]
async fn failures_have_a_status() {
    let api = Api::start(lines()).await;
    let memory = query::Error::Memory { pipe: "sort".into(), limit: 5 };
    for (failure, status, word) in [
        (Failure::Query(memory), 400, "LQ05"),
        (Failure::Deadline { after: Duration::from_secs(30) }, 503, "30.0 s"),
        (
            Failure::Busy { retry_after: Duration::from_secs(7), reason: "the store starts".into() },
            503,
            "the store starts",
        ),
        (Failure::Away("s1".into()), 503, "s1"),
    ] {
        api.fake.fail(Trouble::Fails(failure.clone()));
        let answered = api.ask(&get("/select/logsql/query?query=*")).await;
        assert!(answered.status == status && answered.body.contains(word), "{answered:?}");
        let answered = api.ask(&get("/select/logsql/stats_query?query=*|stats%20count()")).await;
        assert_eq!(answered.status, if status == 400 { 422 } else { status });
        assert!(answered.json()["error"].as_str().unwrap().contains(word));
        // One that comes late breaks the answer, so that no client takes it for whole.
        api.fake.fail(Trouble::FailsLate(failure));
        let answered = api.ask(&get("/select/logsql/query?query=*")).await;
        assert!(!answered.is_whole && answered.rows().len() == 3, "{answered:?}");
    }
    let busy = Failure::Busy { retry_after: Duration::from_millis(6500), reason: "x".into() };
    api.fake.fail(Trouble::Fails(busy));
    assert_eq!(api.ask(&get("/select/logsql/hits?query=*")).await.header("retry-after"), Some("7"));
    api.stop().await;
}

#[tokio::test]
async fn a_store_that_says_nothing_is_waited_for_no_longer_than_asked() {
    let api = Api::start(lines()).await;
    api.fake.fail(Trouble::Silent);
    let answered = api.ask(&get("/select/logsql/query?query=*&timeout=50ms")).await;
    assert!(answered.status == 503 && answered.body.contains("50 ms"), "{answered:?}");
    api.stop().await;
}

#[tokio::test]
async fn who_goes_away_costs_nothing_more() {
    let api = Api::start(lines()).await;
    api.fake.fail(Trouble::Silent);
    let mut client = Client::connect(api.address).await;
    let token = api.world.token("k3f9");
    let request =
        get("/select/logsql/query?query=*").replacen("\r\n", &format!("\r\nAuthorization: {token}\r\n"), 1);
    client.send(request.as_bytes()).await;
    let answering = api.fake.begun().await;
    drop(client);
    crate::support::soon(answering.dropped()).await;
    api.stop().await;
}
