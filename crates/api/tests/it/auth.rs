//! Who is let in, and to what.

use std::time::Duration;

use access::{Action, Scope, inspect};
use query::{Block, Column};
use tokio::time::Instant;

use crate::support::{Api, Client, Line, Trouble, World, get, scope, soon};

const QUERY: &str = "/select/logsql/query?query=*";

fn lines() -> Vec<Line> {
    vec![Line::new("k3f9", "web", "T10:00:00Z", "a"), Line::new("k3f9", "db", "T10:00:01Z", "b")]
}

fn with(header: &str) -> String {
    get(QUERY).replacen("\r\n", &format!("\r\n{header}\r\n"), 1)
}

fn basic(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{user}:{password}");
    let chunk = |chunk: &[u8]| {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digits = (0..4).map(|at| char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
        digits.take(chunk.len() + 1).chain(std::iter::repeat_n('=', 3 - chunk.len())).collect::<String>()
    };
    format!("Authorization: Basic {}", text.as_bytes().chunks(3).map(chunk).collect::<String>())
}

#[tokio::test]
async fn tokens_that_are_good_and_those_that_are_not() {
    let api = Api::start(lines()).await;
    let token = api.world.token("k3f9");
    for header in [
        format!("Authorization: Bearer {token}"),
        format!("Authorization: bearer {token}"),
        format!("Authorization: FlyV1 {token}"),
        format!("Authorization: {token}"),
        basic("acme", &token),
        basic("k3f9", &token),
        basic("", &token),
        basic(&token, ""),
    ] {
        assert_eq!(api.send(with(&header).as_bytes()).await.status, 200, "{header}");
    }
    let stranger = World::new().token("k3f9");
    let over = Scope { not_after_s: Some(1), ..Scope::ALL };
    let mut said = Vec::new();
    for header in [
        "X: y".to_owned(),
        "Authorization: Bearer ".to_owned(),
        format!("Authorization: Bearer {}", &token[..token.len() - 1]),
        format!("Authorization: Bearer {stranger}"),
        format!("Authorization: Bearer {}", api.world.token("x1y2")),
        format!("Authorization: Bearer {}", api.world.token_for("k3f9", &over)),
        format!("Authorization: Bearer lw1_{}", "A".repeat(30_000)),
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}"),
        basic("umbrella", &token),
        basic("nobody", &token),
        "Authorization: Basic !".to_owned(),
    ] {
        let answered = api.send(with(&header).as_bytes()).await;
        assert_eq!(answered.status, 401, "{header}: {answered:?}");
        assert!(
            answered.header("www-authenticate").is_some_and(|value| value.contains("basic realm")),
            "{answered:?}"
        );
        said.push(answered.body);
    }
    // Whatever is wrong, the words are the same.
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    api.stop().await;
}

#[tokio::test]
async fn a_token_allows_what_it_says() {
    let api = Api::start(lines()).await;
    let read = api.world.token_for("k3f9", &scope(&[], &[Action::Read]));
    let write = api.world.token_for("k3f9", &scope(&["web"], &[Action::Write]));
    let insert = "POST /insert/jsonline HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    for (token, request, status) in [
        (&read, get(QUERY), 200),
        (&write, get(QUERY), 403),
        (
            &read,
            get("/select/logsql/tail?query=* | stats count()")
                .replace(' ', "+")
                .replacen("+HTTP", " HTTP", 1)
                .replacen("GET+", "GET ", 1),
            400,
        ),
        (&read, get("/internal/force_flush"), 403),
        (&read, insert.to_owned(), 403),
        (&write, insert.to_owned(), 200),
    ] {
        let answered = api.ask_as(token, &request).await;
        assert_eq!(answered.status, status, "{request}: {answered:?}");
    }
    api.stop().await;
}

#[tokio::test]
async fn the_token_decides_the_tenant() {
    let api = Api::start(lines()).await;
    for (headers, status) in [
        ("AccountID: 0\r\nProjectID: 0", 200),
        ("AccountID: 7", 200),
        ("AccountID: 8", 403),
        ("AccountID: 7\r\nProjectID: 1", 403),
        ("AccountID: x", 400),
    ] {
        let request = get(QUERY).replacen("\r\n", &format!("\r\n{headers}\r\n"), 1);
        let answered = api.ask(&request).await;
        assert_eq!(answered.status, status, "{headers}: {answered:?}");
    }
    api.stop().await;
}

#[tokio::test]
async fn without_the_registry_nobody_is_let_in() {
    let api = Api::start(lines()).await;
    api.world.forget();
    let answered = api.ask(&get(QUERY)).await;
    assert_eq!((answered.status, answered.header("retry-after")), (503, Some("5")));
    assert_eq!(api.send(get("/health").as_bytes()).await.status, 503);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(301));
    if let Some(long_ago) = long_ago {
        api.world.tell(&[], long_ago);
        assert_eq!(api.ask(&get(QUERY)).await.status, 503);
    }
    api.world.tell(&[], Instant::now());
    assert_eq!(api.ask(&get(QUERY)).await.status, 200);
    api.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_good_no_more() {
    let api = Api::start(lines()).await;
    let token = api.world.token("k3f9");
    assert_eq!(api.ask_as(&token, &get(QUERY)).await.status, 200);
    api.world.tell(&inspect(&token).unwrap().revocation_ids, Instant::now());
    assert_eq!(api.ask_as(&token, &get(QUERY)).await.status, 401);
    api.stop().await;
}

#[tokio::test]
async fn what_was_begun_ends_with_its_token() {
    let api = Api::start(Vec::new()).await;
    let (reads, writes) = (api.world.token("k3f9"), api.world.token("k3f9"));
    api.fake.fail(Trouble::Silent);
    let mut reader = Client::connect(api.address).await;
    let with = |token: &str, request: String| {
        request.replacen("\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n"), 1)
    };
    reader.send(with(&reads, get("/select/logsql/query?query=*")).as_bytes()).await;
    let answering = api.fake.begun().await;
    answering.rows(Block::new(1).with("_msg", Column::of("one"))).await;
    assert_eq!(reader.head().await.unwrap().0, 200);
    assert_eq!(reader.chunk().await.unwrap().unwrap(), b"{\"_msg\":\"one\"}\n");

    let mut writer = Client::connect(api.address).await;
    let head = "POST /insert/jsonline HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n".to_owned();
    writer.send(with(&writes, head).as_bytes()).await;
    writer.send(b"{\"_msg\":").await;
    // The request is under way: the token was good at its beginning.
    while !api.figures.text().contains("logway_api_running_inserts 1\n") {
        tokio::task::yield_now().await;
    }
    let ids = [&reads, &writes].map(|token| inspect(token).unwrap().revocation_ids).concat();
    api.world.tell(&ids, Instant::now());
    writer.send(b"\"a\"}\n").await;
    assert_eq!(writer.answer().await.status, 401);
    let last = String::from_utf8(reader.chunk().await.unwrap().unwrap()).unwrap();
    assert!(last.contains("the token is good no more"), "{last}");
    assert_eq!(reader.chunk().await, Err(()));
    drop(reader);
    soon(answering.dropped()).await;
    api.stop().await;
}
