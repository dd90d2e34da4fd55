//! Live tails.

use access::inspect;
use query::{Block, Column};
use tokio::time::Instant;

use crate::support::{Api, Client, get, soon};

fn row(message: &str) -> Block {
    Block::new(1)
        .with("_time", Column::of("2026-01-01T10:00:00.000000000Z"))
        .with("_msg", Column::of(message))
        .with("_stream", Column::of("{}"))
}

async fn tail(api: &Api, token: &str, query: &str) -> Client {
    let mut client = Client::connect(api.address).await;
    let request = get(&format!("/select/logsql/tail?query={query}"));
    let request = request.replacen("\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n"), 1);
    client.send(request.as_bytes()).await;
    client
}

#[tokio::test]
async fn rows_come_when_they_are_there() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    let mut client = tail(&api, &token, "_time:5m%20error%20|%20fields%20_time,_msg").await;
    let (status, head) = client.head().await.unwrap();
    assert_eq!(status, 200);
    for wanted in ["content-type: application/x-ndjson", "access-control-allow-origin: *"] {
        assert!(head.contains(wanted), "{head}");
    }
    let answering = api.fake.begun().await;
    for message in ["a", "b"] {
        answering.rows(row(message)).await;
        let chunk = client.chunk().await.unwrap().unwrap();
        let wanted = format!(
            "{{\"_time\":\"2026-01-01T10:00:00.000000000Z\",\"_msg\":\"{message}\",\"_stream\":\"{{}}\"}}\n"
        );
        assert_eq!(String::from_utf8(chunk).unwrap(), wanted);
    }
    // The time that ended when it began is open, and the org is in it.
    let asked = api.fake.asked.lock().unwrap().pop().unwrap();
    assert!(asked.contains("k3f9") && !asked.contains("_time:["), "{asked}");
    drop(client);
    soon(answering.dropped()).await;
    api.stop().await;
}

#[tokio::test]
async fn a_tail_looks_at_one_row_at_a_time() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    for query in [
        "*|stats%20count()",
        "*|sort%20by%20(_time)",
        "*|limit%205",
        "*|fields%20_msg",
        "*|uniq%20by%20(a)",
        "",
    ] {
        let answered = tail(&api, &token, query).await.answer().await;
        assert_eq!(answered.status, 400, "{query}: {answered:?}");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_tail_ends_with_its_token_and_with_the_server() {
    let api = Api::start(Vec::new()).await;
    let (token, other) = (api.world.token("k3f9"), api.world.token("k3f9"));
    let mut ends = tail(&api, &token, "*").await;
    let mut stays = tail(&api, &other, "*").await;
    for client in [&mut ends, &mut stays] {
        assert_eq!(client.head().await.unwrap().0, 200);
    }
    api.world.tell(&inspect(&token).unwrap().revocation_ids, Instant::now());
    assert_eq!(ends.chunk().await, Ok(None));
    let stopping = tokio::spawn(api.stop());
    assert_eq!(stays.chunk().await, Ok(None));
    soon(stopping).await.unwrap();
}

#[tokio::test]
async fn a_tail_that_may_have_missed_something_breaks() {
    let api = Api::start(Vec::new()).await;
    let mut client = tail(&api, &api.world.token("k3f9"), "*").await;
    client.head().await.unwrap();
    let answering = api.fake.begun().await;
    let away = api::logs::Failure::Away("the connection to the bus was lost".into());
    answering.as_ref().clone().end(Err(away)).await;
    let chunk = String::from_utf8(client.chunk().await.unwrap().unwrap()).unwrap();
    assert!(chunk.contains("lines may be missing from here on"), "{chunk}");
    assert_eq!(client.chunk().await, Err(()));
    api.stop().await;
}

#[tokio::test]
async fn an_org_has_so_many_tails() {
    let api = Api::start_with(Vec::new(), |config| config.limits.tails.each = 1).await;
    let mut first = tail(&api, &api.world.token("k3f9"), "*").await;
    first.head().await.unwrap();
    assert_eq!(tail(&api, &api.world.token("k3f9"), "*").await.answer().await.status, 429);
    let mut other = tail(&api, &api.world.token("m7x2"), "*").await;
    assert_eq!(other.head().await.unwrap().0, 200);
    api.stop().await;
}
