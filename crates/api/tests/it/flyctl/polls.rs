//! Polling while lines arrive: each comes once.

use std::sync::Arc;

use crate::real::{api_now, insert, local};
use crate::support::{Api, Fake, get, soon};

use super::client::Fly;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;

fn line(time: i64, message: &str) -> String {
    format!("{{\"_time\":\"{}\",\"app\":\"web\",\"_msg\":\"{message}\"}}\n", line::time::rfc3339(time))
}

/// Lines in bodies of different sizes: 10,000, of which 500 that follow each other have one time, and of each hundred one that comes
/// an hour late.
fn bodies(now: i64) -> Vec<String> {
    let time_of = |number: i64| match number {
        _ if number % 100 == 99 => now - HOUR + number,
        3000..3500 => now + 3000,
        _ => now + number,
    };
    let mut bodies = vec![String::new()];
    for number in 0..10_000 {
        if number % (1 + number % 170) == 0 {
            bodies.push(String::new());
        }
        let last = bodies.len() - 1;
        bodies[last].push_str(&line(time_of(number), &format!("line {number}")));
    }
    bodies.retain(|body| !body.is_empty());
    bodies
}

fn sorted(mut messages: Vec<String>) -> Vec<String> {
    messages.sort();
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, _engine, stop) = local(dir.path()).await;
    let api = Arc::new(Api::start_on(logs, Arc::new(Fake::new(Vec::new())), |_| {}).await);
    let (token, now) = (api.world.token("k3f9"), api_now() - 60 * SECOND);
    assert_eq!(insert(&api, &token, &line(now - SECOND, "the first")).await.status, 200);
    // Others are in the store as well.
    assert_eq!(insert(&api, &api.world.token("m7x2"), &line(now, "of others")).await.status, 200);

    let mut fly = Fly::new(&api, &token, "web").await;
    assert_eq!(fly.drain().await, ["the first"]);
    let inserting = tokio::spawn({
        let (api, token) = (Arc::clone(&api), token.clone());
        async move {
            for (at, body) in bodies(now).into_iter().enumerate() {
                assert_eq!(insert(&api, &token, &body).await.status, 200);
                if at == 20 {
                    assert_eq!(api.ask(&get("/internal/force_flush")).await.status, 200);
                }
            }
        }
    });
    let mut wanted: Vec<String> = (0..10_000).map(|number| format!("line {number}")).collect();
    let mut read = Vec::new();
    let all = async {
        while read.len() < wanted.len() {
            read.extend(fly.poll().await.into_iter().map(|entry| entry.message));
        }
        read.extend(fly.drain().await);
    };
    soon(all).await;
    soon(inserting).await.unwrap();
    assert_eq!(sorted(read), sorted(wanted.clone()));
    assert!(fly.asked > 100, "{} polls", fly.asked);

    // Once more, from a time before all of them.
    wanted.push("the first".to_owned());
    let wanted = sorted(wanted);
    for is_flushed in [false, true] {
        if is_flushed {
            assert_eq!(api.ask(&get("/internal/force_flush")).await.status, 200);
        }
        let mut again = Fly::new(&api, &token, "web").await.at(now - 2 * HOUR);
        assert_eq!(sorted(again.drain().await), wanted, "flushed: {is_flushed}");
    }
    // A time is exclusive: those of that nanosecond are before it, and what is late is not after it.
    let mut later = Fly::new(&api, &token, "web").await.at(now + 3000);
    let later = later.drain().await;
    assert!(
        later.len() == 6435 && later[0] == "line 3500" && !later.contains(&"line 3099".to_owned()),
        "{}",
        later.len()
    );
    Arc::into_inner(api).unwrap().stop().await;
    stop.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_one_nanosecond_are_paged() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, _engine, stop) = local(dir.path()).await;
    let api = Api::start_on(logs, Arc::new(Fake::new(Vec::new())), |_| {}).await;
    let (token, now) = (api.world.token("k3f9"), api_now() - 60 * SECOND);
    let body: String = (0..500).map(|number| line(now, &format!("line {number:03}"))).collect();
    assert_eq!(insert(&api, &token, &body).await.status, 200);
    let wanted: Vec<String> = (0..500).map(|number| format!("line {number:03}")).collect();

    let mut fly = Fly::new(&api, &token, "web").await.at(now - 1);
    assert_eq!(fly.drain().await, wanted);
    assert_eq!(fly.asked, 6);
    assert_eq!(Fly::new(&api, &token, "web").await.at(now).drain().await, [""; 0]);
    // The newest hundred, and nothing of them again.
    let mut newest = Fly::new(&api, &token, "web").await;
    assert_eq!(newest.drain().await, wanted[400..]);
    // One that is a week late comes to whoever asked from before that on, and to nobody who wants a day.
    let late = line(now - 7 * 24 * HOUR, "late");
    assert_eq!(insert(&api, &token, &(late + &line(now - HOUR, "an hour late"))).await.status, 200);
    assert_eq!(newest.drain().await, ["an hour late"]);
    assert_eq!(fly.drain().await, [""; 0]);
    assert_eq!(Fly::new(&api, &token, "web").await.at(0).drain().await.len(), 502);
    api.stop().await;
    stop.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_new_costs_no_search() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, _engine, stop) = local(dir.path()).await;
    let api = Api::start_on(logs, Arc::new(Fake::new(Vec::new())), |_| {}).await;
    let (token, now) = (api.world.token("k3f9"), api_now() - 60 * SECOND);
    assert_eq!(insert(&api, &token, &line(now, "one")).await.status, 200);
    let mut fly = Fly::new(&api, &token, "web").await;
    assert_eq!(fly.drain().await, ["one"]);
    // Another app fills the store.
    let body: String = (0..20_000).map(|at| line(now + at, "x").replace("web", "other")).collect();
    assert_eq!(insert(&api, &token, &body).await.status, 200);
    let scanned = || {
        let figures = api.figures.text();
        figures.lines().find(|line| line.starts_with("logway_api_scanned_rows")).map(str::to_owned)
    };
    let before = scanned();
    let token_before = fly.next.clone();
    for _ in 0..50 {
        let (entries, next) = fly.get().await;
        // Some clients take an unchanged token for the sign to sleep.
        assert_eq!((entries.len(), &next), (0, &token_before));
    }
    assert_eq!(scanned(), before);
    assert!(before.is_some());
    assert_eq!(insert(&api, &token, &line(now - HOUR, "two")).await.status, 200);
    assert_eq!(fly.drain().await, ["two"]);
    api.stop().await;
    stop.send(()).unwrap();
}
