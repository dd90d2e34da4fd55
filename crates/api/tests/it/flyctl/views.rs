//! What of a line is on a page.

use std::sync::Arc;

use crate::real::{api_now, insert, local};
use crate::support::{Api, Fake};

use super::client::Fly;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_app_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, _engine, stop) = local(dir.path()).await;
    let api = Api::start_on(logs, Arc::new(Fake::new(Vec::new())), |_| {}).await;
    let (token, now) = (api.world.token("k3f9"), api_now() - 60_000_000_000);
    let mut body = String::new();
    for (at, more) in [
        r#""_msg":"plain \u0000\u001b[31m <b>\u202e","region":"lhr","instance":"148e","level":"fatal""#,
        r#""_msg":"request","http":{"request":{"id":"r1","method":"GET","version":"HTTP/2"},"response":{"status_code":502}},"url":{"full":"https://x/y?z"}"#,
        r#""_msg":"codes are words here","error":{"code":"PU02","message":"boom"}"#,
        r#""_msg":"and a number there","error":{"code":13}"#,
    ]
    .into_iter()
    .enumerate()
    {
        body.push_str(&format!("{{\"_time\":{},\"app\":\"web\",{more}}}\n", now / 1_000_000 + at as i64));
    }
    assert_eq!(insert(&api, &token, &body).await.status, 200);
    let mut fly = Fly::new(&api, &token, "web").await;
    let entries = fly.poll().await;
    let [plain, request, word, number] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(
        (plain.message.as_str(), plain.level.as_str()),
        ("plain \u{0}\u{1b}[31m <b>\u{202e}", "error")
    );
    assert_eq!((plain.instance.as_str(), plain.region.as_str()), ("148e", "lhr"));
    assert_eq!((&plain.meta.instance, &plain.meta.region), (&plain.instance, &plain.region));
    assert_eq!(plain.meta.provider, "import");
    assert_eq!(request.meta.request, ["r1", "GET", "HTTP/2"]);
    assert_eq!((request.meta.status_code, request.meta.url.as_str()), (502, "https://x/y?z"));
    // flyctl would show the error's text in place of the line's.
    assert_eq!((word.meta.error_code, word.meta.error_message.as_str()), (0, ""));
    assert_eq!(number.meta.error_code, 13);

    // What is narrowed is narrow from its first page on.
    for (around, wanted) in [
        (("instance=148e&", ""), 1),
        (("", "&region=lhr"), 1),
        (("instance=148e&", "&region=ams"), 0),
        (("instance=none&", "&region=none"), 3),
    ] {
        let mut fly = Fly::new(&api, &token, "web").await;
        fly.around = around;
        assert_eq!(fly.poll().await.len(), wanted, "{around:?}");
    }
    api.stop().await;
    stop.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lines_make_short_pages() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, _engine, stop) = local(dir.path()).await;
    let api = Api::start_on(logs, Arc::new(Fake::new(Vec::new())), |_| {}).await;
    let (token, now) = (api.world.token("k3f9"), api_now() - 60_000_000_000);
    for at in 0..12 {
        let message = format!("{at} {}", "x".repeat(1_900_000));
        let body = format!(
            "{{\"_time\":\"{}\",\"app\":\"web\",\"_msg\":\"{message}\"}}\n",
            line::time::rfc3339(now + at)
        );
        assert_eq!(insert(&api, &token, &body).await.status, 200);
    }
    let number = |message: &str| message.split_once(' ').unwrap().0.to_owned();
    let mut newest = Fly::new(&api, &token, "web").await;
    let page: Vec<_> = newest.poll().await.iter().map(|entry| number(&entry.message)).collect();
    assert_eq!(page, ["8", "9", "10", "11"]);
    assert_eq!(newest.poll().await.len(), 0);
    let mut all = Fly::new(&api, &token, "web").await.at(0);
    let read: Vec<_> = all.drain().await.iter().map(|message| number(message)).collect();
    assert_eq!(read, (0..12).map(|at| at.to_string()).collect::<Vec<_>>());
    assert_eq!(all.asked, 4);
    api.stop().await;
    stop.send(()).unwrap();
}
