//! Lines that are brought over HTTP.

use std::time::Duration;

use access::Action;
use api::logs::Failure;

use crate::support::{Answered, Api, Client, Trouble, scope};

fn insert(arguments: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /insert/jsonline?{arguments} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n",
        body.len()
    );
    [head.as_bytes(), b"\r\n", body].concat()
}

async fn bring(api: &Api, token: &str, arguments: &str, headers: &str, body: &[u8]) -> Answered {
    let headers = format!("Authorization: Bearer {token}\r\n{headers}");
    api.send(&insert(arguments, &headers, body)).await
}

fn kept(api: &Api) -> Vec<String> {
    let lines = api.fake.lines.lock().unwrap();
    let show = |line: &crate::support::Line| {
        let further: Vec<_> =
            line.fields[8..].iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "{}/{} {} {} {}",
            line.org,
            line.get("app"),
            line.get("level"),
            line.get("_msg"),
            further.join(" ")
        )
    };
    lines.iter().map(show).collect()
}

#[tokio::test]
async fn lines_are_kept_with_all_that_they_say() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    let body = b"{\"_msg\":\"hi\",\"_time\":\"2026-01-01T10:00:00Z\",\"app\":\"web\",\"user\":{\"id\":7}}\n\n{\"_msg\":\"[ERROR] no\",\"app\":\"web\"}\r\n{\"_msg\":\"x\"}";
    let answered = bring(&api, &token, "", "", body).await;
    assert_eq!((answered.status, answered.body.as_str()), (200, ""));
    let mut found = kept(&api);
    found.sort();
    let wanted =
        ["k3f9/import info x seq=1", "k3f9/web error [ERROR] no seq=3", "k3f9/web info hi seq=2 user.id=7"];
    assert_eq!(found, wanted);
    api.stop().await;
}

#[tokio::test]
async fn bad_lines_cost_themselves_alone() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    let mut body =
        b"{\"_msg\":\"a\"}\nnot json\n{\"_msg\":\"b\",\"_time\":\"yesterday\"}\n{\"_msg\":\"c\"}\n".to_vec();
    for _ in 0..12 {
        body.extend_from_slice(b"{]\n");
    }
    body.extend_from_slice(
        format!("{{\"_msg\":\"{}\"}}\n{{\"_msg\":\"d\"}}\n", "x".repeat(2 << 20)).as_bytes(),
    );
    let answered = bring(&api, &token, "", "", &body).await;
    assert_eq!(answered.status, 400);
    let lines: Vec<_> = answered.body.lines().collect();
    assert_eq!(lines[0], "15 lines were refused, and the 3 others are kept: do not send those again");
    assert!(
        lines[1].starts_with("line 2: it is no JSON object")
            && lines[2].starts_with("line 3: its time \"yesterday\""),
        "{lines:?}"
    );
    assert_eq!((lines.len(), lines[11]), (12, "and 5 more"));
    assert_eq!(kept(&api).len(), 3);
    for (body, wanted) in [
        (&b"no\n"[..], "1 line was refused, and none is kept\nline 1: it is no JSON object"),
        (b"no\n{\"_msg\":\"e\"}\n", "1 line was refused, and the other one is kept: do not send it again\n"),
    ] {
        let answered = bring(&api, &token, "", "", body).await;
        assert!(answered.status == 400 && answered.body.starts_with(wanted), "{}", answered.body);
    }
    assert!(api.figures.text().contains("logway_api_refused_lines_total 17"));
    api.stop().await;
}

#[tokio::test]
async fn a_token_writes_where_it_may() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token_for("k3f9", &scope(&["web"], &[Action::Write]));
    let body = b"{\"_msg\":\"a\",\"app\":\"web\"}\n{\"_msg\":\"b\",\"app\":\"db\"}\n{\"_msg\":\"c\"}\n{\"_msg\":\"d\",\"org\":\"m7x2\",\"app\":\"web\"}\n";
    let answered = bring(&api, &token, "", "", body).await;
    assert!(
        answered.status == 400
            && answered.body.contains("line 2: the token does not allow to write to app db"),
        "{answered:?}"
    );
    let found = kept(&api);
    assert!(found.len() == 2 && found.iter().all(|line| line.starts_with("k3f9/web")), "{found:?}");
    api.stop().await;
}

#[tokio::test]
async fn fields_by_arguments_and_by_headers() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    let body = b"{\"message\":\"m\",\"svc\":\"web\",\"secret\":\"s\",\"ts\":\"2026-01-01T10:00:00Z\"}\n";
    let arguments =
        "_msg_field=message&_time_field=ts&_stream_fields=svc&ignore_fields=secret&extra_fields=env=prod";
    assert_eq!(bring(&api, &token, arguments, "", body).await.status, 200);
    let headers = "VL-Msg-Field: message\r\nVL-Time-Field: ts\r\nVL-Stream-Fields: svc\r\nVL-Ignore-Fields: secret\r\nVL-Extra-Fields: env=prod\r\n";
    assert_eq!(bring(&api, &token, "", headers, body).await.status, 200);
    assert_eq!(kept(&api), ["k3f9/web info m seq=1 env=prod", "k3f9/web info m seq=2 env=prod"]);
    let answered = bring(&api, &token, &format!("{arguments}&debug=1"), "", body).await;
    assert!(answered.body.contains("app=web") && answered.body.contains("none was kept"), "{answered:?}");
    assert_eq!(kept(&api).len(), 2);
    api.stop().await;
}

#[tokio::test]
async fn compressed_bodies() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    let body = "{\"_msg\":\"line\"}\n".repeat(20_000);
    let packed = zstd::bulk::compress(body.as_bytes(), 1).unwrap();
    let answered = bring(&api, &token, "", "Content-Encoding: zstd\r\n", &packed).await;
    assert_eq!((answered.status, kept(&api).len()), (200, 20_000));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, body.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let answered = bring(&api, &token, "", "Content-Encoding: gzip\r\n", &gzip).await;
    assert_eq!((answered.status, kept(&api).len()), (200, 40_000));
    for (encoding, body, status) in [
        ("gzip", &gzip[..gzip.len() - 1], 400),
        ("br", b"x", 415),
        ("zstd", &packed[..packed.len() - 1], 400),
        ("zstd", &b"nonsense"[..], 400),
        ("gzip", b"x", 400),
        ("deflate", b"x", 400),
        ("identity", b"", 200),
    ] {
        let answered = bring(&api, &token, "", &format!("Content-Encoding: {encoding}\r\n"), body).await;
        assert_eq!(answered.status, status, "{encoding}: {answered:?}");
    }
    api.stop().await;
}

#[tokio::test]
async fn what_the_store_does_not_take_is_handed_over_again() {
    let api = Api::start_with(Vec::new(), |config| config.limits.insert_time = Duration::from_secs(2)).await;
    let token = api.world.token("k3f9");
    let busy = Failure::Busy { retry_after: Duration::from_millis(1), reason: "it writes".into() };
    api.fake.fail(Trouble::AppendFails(busy.clone(), 3));
    assert_eq!(bring(&api, &token, "", "", b"{\"_msg\":\"a\"}\n").await.status, 200);
    assert_eq!(kept(&api).len(), 1);
    for (failure, word) in [
        (Failure::Busy { retry_after: Duration::from_secs(9), reason: "it writes".into() }, "it writes"),
        (Failure::Rejected { code: "LS01".into(), reason: "no".into() }, "LS01"),
    ] {
        api.fake.fail(Trouble::AppendFails(failure, 1000));
        let answered = bring(&api, &token, "", "", b"{\"_msg\":\"b\"}\n").await;
        // Whoever sent it keeps it and comes again.
        assert!(answered.status == 503 && answered.body.contains(word), "{answered:?}");
    }
    assert_eq!(kept(&api).len(), 1);
    api.stop().await;
}

#[tokio::test]
async fn many_lines_of_many_machines() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    let body: String = (0..30_000)
        .map(|at| {
            format!("{{\"_msg\":\"line {at}\",\"app\":\"a{}\",\"instance\":\"i{}\"}}\n", at % 7, at % 1000)
        })
        .collect();
    assert_eq!(bring(&api, &token, "", "", body.as_bytes()).await.status, 200);
    let lines = api.fake.lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 30_000);
    let ids: std::collections::HashSet<_> =
        lines.iter().map(|line| (line.get("instance"), line.get("seq"))).collect();
    assert_eq!(ids.len(), 30_000);
    api.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_insert() {
    let api = Api::start(Vec::new()).await;
    let token = api.world.token("k3f9");
    let request =
        insert("", &format!("Authorization: Bearer {token}\r\n"), b"{\"_msg\":\"a\"}\n{\"_msg\":\"b\"}\n");
    let mut client = Client::connect(api.address).await;
    client.send(&request[..request.len() - 8]).await;
    drop(client);
    // The next one is taken after the first was given up, or before: either way it is the only one.
    assert_eq!(bring(&api, &token, "", "", b"{\"_msg\":\"c\"}\n").await.status, 200);
    api.stop().await;
}

#[tokio::test]
async fn an_org_brings_so_many_streams_on_a_day() {
    let api = Api::start_with(Vec::new(), |config| {
        (config.limits.apps_per_day, config.limits.streams_per_day) = (2, 3);
    })
    .await;
    let (token, other) = (api.world.token("k3f9"), api.world.token("m7x2"));
    let line = |app: &str, instance: &str| {
        format!("{{\"_msg\":\"a\",\"app\":\"{app}\",\"instance\":\"{instance}\"}}\n")
    };
    let body =
        [line("a", "1"), line("b", "1"), line("c", "1"), line("a", "2"), line("a", "3"), line("a", "1")]
            .concat();
    let answered = bring(&api, &token, "", "", body.as_bytes()).await;
    assert_eq!(answered.status, 400, "{answered:?}");
    let lines: Vec<_> = answered.body.lines().collect();
    assert_eq!(lines[0], "2 lines were refused, and the 4 others are kept: do not send those again");
    assert!(lines[1].starts_with("line 3: LQ07: the org has sent lines of 2 apps today"), "{lines:?}");
    assert!(lines[2].starts_with("line 5: LQ07: the org has sent lines of 3 streams today"), "{lines:?}");
    // Those that were there go on, and others have their own.
    assert_eq!(bring(&api, &token, "", "", line("a", "2").as_bytes()).await.status, 200);
    assert_eq!(bring(&api, &other, "", "", line("c", "1").as_bytes()).await.status, 200);
    api.stop().await;
}
