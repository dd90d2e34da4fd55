//! Requests of those who mean harm, or know no better.

use std::time::Duration;

use api::PerOrg;

use crate::support::{Api, Client, Line, get, post};

#[tokio::test]
async fn heads_that_are_none() {
    let api =
        Api::start_with(Vec::new(), |config| config.limits.head_time = Duration::from_millis(500)).await;
    let long = "x".repeat(200_000);
    for request in [
        "\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "NATS / HTTP/1.1\r\n\r\n\0".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200)),
        "POST /insert/jsonline HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST /insert/jsonline HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
            .to_owned(),
        "\u{16}\u{3}\u{1}".to_owned() + &"\0".repeat(100),
    ] {
        let mut client = Client::connect(api.address).await;
        client.try_send(request.as_bytes()).await;
        if let Some((status, _)) = client.head().await {
            assert!((400..500).contains(&status), "{status}");
        }
    }
    // It goes on.
    assert_eq!(api.send(get("/health").as_bytes()).await.status, 200);
    api.stop().await;
}

#[tokio::test]
async fn wrong_arguments_are_named_and_what_is_right_is_said() {
    let api = Api::start(vec![Line::new("k3f9", "web", "T10:00:00Z", "a")]).await;
    for (path, form, wanted) in [
        ("query", "", "the argument 'query' is missing: give it in the URL or in a form"),
        ("query", "query=*&limit=many", "the argument limit=\"many\" is no whole number of at most 92"),
        (
            "query",
            "query=*&start=later",
            "the argument start=\"later\" is no time, as 2026-11-22T10:00:00Z, ",
        ),
        ("query", "query=*&timeout=soon", "the argument timeout=\"soon\" is no time span, as 4.2s is"),
        ("field_values", "query=*", "the argument 'field' is missing: give it in the URL or in a form"),
    ] {
        let answered = api.ask(&post(&format!("/select/logsql/{path}"), form)).await;
        assert!(answered.status == 400 && answered.body.contains(wanted), "{form}: {}", answered.body);
    }
    api.stop().await;
}

#[tokio::test]
async fn arguments_that_are_too_much() {
    let api = Api::start(vec![Line::new("k3f9", "web", "T10:00:00Z", "a")]).await;
    let deep = "(".repeat(10_000);
    let long = "a%20or%20".repeat(60_000) + "a";
    let many = "x=1&".repeat(2000) + "query=*";
    let fields = "field=a&".repeat(100) + "query=*";
    for (path, form, status) in [
        ("query", format!("query={deep}"), 400),
        ("query", format!("query={long}"), 400),
        ("query", many, 400),
        ("hits", fields, 400),
        ("query", "query=*&limit=99999999999999999999".to_owned(), 400),
        ("query", "query=*&timeout=-5s".to_owned(), 400),
        ("query", "query=*&timeout=99999999h".to_owned(), 200),
        ("query", "query=*&start=99999999999999999999".to_owned(), 400),
        ("hits", "query=*&step=0".to_owned(), 400),
        ("hits", "query=*&step=-1m".to_owned(), 400),
        ("hits", "query=*&step=1ns".to_owned(), 200),
        ("hits", "query=*&step=NaN".to_owned(), 400),
        ("stats_query_range", "query=*|stats count()&step=month".to_owned(), 422),
        ("field_values", "query=*".to_owned(), 400),
        ("query", format!("query=*&x={}", "y".repeat(3 << 20)), 413),
        ("query", "query=\u{0}".to_owned(), 400),
        ("query", format!("query=*{}", format!("&extra_filters={}", "x:~a ".repeat(17)).repeat(2)), 400),
        ("query", format!("query=*{}", format!("&extra_filters={}", "x:~a ".repeat(16)).repeat(2)), 200),
        ("query", format!("query=*{}", "|replace_regexp (a, b)".repeat(33)), 400),
    ] {
        let answered = api.ask(&post(&format!("/select/logsql/{path}"), &form)).await;
        let shown: String = form.chars().take(60).collect();
        assert_eq!(answered.status, status, "{path} {shown}: {answered:?}");
        assert!(answered.body.len() < 1000, "{path} {shown}");
    }
    let parts = "POST /select/logsql/query HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(api.ask(parts).await.status, 415);
    api.stop().await;
}

#[tokio::test]
async fn connections_have_a_bound() {
    let api = Api::start_with(Vec::new(), |config| config.limits.connections = 3).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(api.address).await;
        client.send(get("/health").as_bytes()).await;
        assert_eq!(client.answer().await.status, 200);
        clients.push(client);
    }
    // A third one would leave fewer for others than the address has.
    let mut more = Client::connect(api.address).await;
    assert_eq!(more.head().await.map(|(status, _)| status), Some(503));
    let mut other = Client::connect_from("127.0.0.2", api.address).await;
    other.send(get("/health").as_bytes()).await;
    assert_eq!(other.answer().await.status, 200);
    let mut last = Client::connect_from("127.0.0.3", api.address).await;
    assert_eq!(last.head().await.map(|(status, _)| status), Some(503));
    // A connection takes one request after the other.
    clients[0].send(get("/health").as_bytes()).await;
    assert_eq!(clients[0].answer().await.status, 200);
    api.stop().await;
}

#[tokio::test]
async fn who_says_nothing_is_closed() {
    let api = Api::start_with(Vec::new(), |config| config.limits.head_time = Duration::from_millis(50)).await;
    let mut client = Client::connect(api.address).await;
    client.send(b"GET /hea").await;
    assert!(client.is_closed().await);
    // So is one that begins a body and does not go on.
    let mut client = Client::connect(api.address).await;
    let token = api.world.token("k3f9");
    let head = format!(
        "POST /insert/jsonline HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n"
    );
    client.send(head.as_bytes()).await;
    assert_eq!(client.answer().await.status, 408);
    api.stop().await;
}

fn with_token(api: &Api, org: &str, request: &str) -> Vec<u8> {
    let token = api.world.token(org);
    request.replacen("\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n"), 1).into_bytes()
}

#[tokio::test]
async fn a_form_that_comes_slowly_takes_a_place_of_its_own_org_and_ends() {
    let api = Api::start_with(vec![Line::new("m7x2", "web", "T10:00:00Z", "a")], |config| {
        config.limits.queries = PerOrg { all: 4, each: 4 };
        config.limits.waiting_per_org = 0;
        config.limits.form_time = Duration::from_secs(1);
    })
    .await;
    let form = post("/select/logsql/query", "query=*");
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(api.address).await;
        client.send(&with_token(&api, "k3f9", &form[..form.len() - 1])).await;
        slow.push(client);
    }
    while !api.figures.text().contains("logway_api_running_queries 2\n") {
        tokio::task::yield_now().await;
    }
    // Two have a place, and the third one none. Others are served.
    assert_eq!(api.ask_as(&api.world.token("m7x2"), &form).await.messages(), ["a"]);
    let mut found = Vec::new();
    for client in &mut slow {
        // What trickles in does not help.
        client.try_send(b"").await;
        found.push(client.answer().await.status);
    }
    found.sort_unstable();
    assert_eq!(found, [408, 408, 429]);
    assert!(api.figures.text().contains("logway_api_running_queries 0\n"));
    api.stop().await;
}

#[tokio::test]
async fn a_query_that_is_long_to_prepare_holds_nobody_up() {
    let api = Api::start(vec![Line::new("k3f9", "web", "T10:00:00Z", "a")]).await;
    // Each of these takes a while, and the last one is wrong.
    let long = "x:~%22%5Cw%7B20%7Da%22+".repeat(31);
    let mut client = Client::connect(api.address).await;
    client.send(&with_token(&api, "k3f9", &get(&format!("/select/logsql/query?query={long}(")))).await;
    while !api.figures.text().contains("logway_api_running_queries 1\n") {
        tokio::task::yield_now().await;
    }
    let prepared = tokio::spawn(async move { client.answer().await });
    assert_eq!(api.send(get("/health").as_bytes()).await.status, 200);
    assert!(!prepared.is_finished(), "the other one has waited");
    assert_eq!(prepared.await.unwrap().status, 400);
    api.stop().await;
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut() {
    let message = "x".repeat(1000);
    let line = |at: u32| Line::new("k3f9", "web", "T10:00:00Z", &format!("{at} {message}"));
    let api = Api::start_with((0..20_000).map(line).collect(), |config| {
        config.limits.stall = Duration::from_millis(200);
    })
    .await;
    let token = api.world.token("k3f9");
    let mut client = Client::connect(api.address).await;
    let request =
        get("/select/logsql/query?query=*").replacen("\r\n", &format!("\r\nAuthorization: {token}\r\n"), 1);
    client.send(request.as_bytes()).await;
    // The gate has its place back when the connection is gone.
    while !api.figures.text().contains("logway_api_running_queries 1") {
        tokio::task::yield_now().await;
    }
    crate::support::soon(async {
        while !api.figures.text().contains("logway_api_running_queries 0") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let answered = client.answer().await;
    assert!(!answered.is_whole);
    api.stop().await;
}
