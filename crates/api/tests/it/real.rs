//! The whole of it: lines come over HTTP, rest in a store on disk, and are asked for as Grafana asks.

use std::path::Path;
use std::sync::Arc;

use api::logs::Local;
use bus::broker::{self, User};
use bus::client::Client as Bus;
use bus::roles::Role;
use disk::RealDisk;
use serde_json::{Value, json};
use store::{Config, Engine, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::live::{credentials, login};
use crate::support::{Answered, Api, Client, Fake, get, soon};

pub(crate) async fn local(dir: &Path) -> (Arc<dyn api::Logs>, Arc<Engine>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let users = Role::ALL.map(|role| User { role, credentials: credentials(role) });
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(broker::run(broker::Config::new(users.into()), listener, async {
        let _ = stopped.await;
    }));
    let clock = Arc::new(SystemClock::new());
    let (engine, _) = Engine::open(Arc::new(RealDisk), dir, Config::default(), clock).unwrap();
    let engine = Arc::new(engine);
    let store = store::stage::Store::start(Arc::clone(&engine), login(address, Role::Store));
    let ears = Bus::start(login(address, Role::Api));
    soon(ears.connected()).await.unwrap();
    (
        Arc::new(Local::new(store, line::Name::new("store", "main").unwrap(), api::Live::new(ears))),
        engine,
        stop,
    )
}

pub(crate) async fn insert(api: &Api, token: &str, body: &str) -> Answered {
    let head = format!(
        "POST /insert/jsonline HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    api.send(head.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_brought_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, engine, stop) = local(dir.path()).await;
    let api = Api::start_on(logs, Arc::new(Fake::new(Vec::new())), |_| {}).await;
    let (mine, other) = (api.world.token("k3f9"), api.world.token("m7x2"));

    let mut tail = Client::connect(api.address).await;
    let request = get("/select/logsql/tail?query=finish").replacen(
        "\r\n",
        &format!("\r\nAuthorization: {mine}\r\n"),
        1,
    );
    tail.send(request.as_bytes()).await;
    assert_eq!(tail.head().await.unwrap().0, 200);

    // Minutes of now, so that no retention matters.
    let start = api_now() / 60_000_000_000 * 60 - 600;
    let line = |at: i64, app: &str, message: &str, more: &str| {
        format!("{{\"_time\":{},\"app\":\"{app}\",\"_msg\":\"{message}\"{more}}}\n", start + at)
    };
    let mut body = String::new();
    for at in 0..300 {
        let level = if at % 10 == 0 { ",\"level\":\"error\"" } else { "" };
        body.push_str(&line(at, if at % 3 == 0 { "db" } else { "my-app" }, &format!("line {at}"), level));
    }
    body.push_str(&line(300, "my-app", "finish", ",\"user\":{\"id\":7}"));
    let answered = insert(&api, &mine, &body).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert_eq!(insert(&api, &other, &line(1, "my-app", "of somebody else", "")).await.status, 200);

    // What is older than anything that is kept is not taken in silence.
    let answered = insert(&api, &mine, &line(-40 * 86_400, "my-app", "of long ago", "")).await;
    assert_eq!(answered.status, 400, "{answered:?}");
    assert!(
        answered.body.contains("1 line was refused") && answered.body.contains("older than"),
        "{answered:?}"
    );

    let heard: Value = serde_json::from_slice(&tail.chunk().await.unwrap().unwrap()).unwrap();
    let range = format!("start={}&end={}", start, start + 600);
    // The same before and after the rows have gone from memory to a part.
    for _ in 0..2 {
        let id = rows_are_found(&api, &mine, &range, &heard).await;
        let request = get(&format!("/select/logsql/query?query=_stream_id:{id}&{range}"));
        assert_eq!(api.ask_as(&other, &request).await.body, "");
        sums_are_right(&api, &mine, &range, start).await;
        assert_eq!(api.ask_as(&mine, &get("/internal/force_flush")).await.status, 200);
    }
    api.stop().await;
    drop(engine);
    stop.send(()).unwrap();
}

pub(crate) fn api_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

/// Rows come as they should; gives the id of a stream.
async fn rows_are_found(api: &Api, mine: &str, range: &str, heard: &Value) -> String {
    let answered = api.ask_as(mine, &get(&format!("/select/logsql/query?query=*&limit=3&{range}"))).await;
    assert_eq!(answered.messages(), ["line 298", "line 299", "finish"]);
    let mut row = answered.rows()[2].clone();
    assert_eq!(
        (&row["provider"], &row["user.id"], &row["app"]),
        (&json!("import"), &json!("7"), &json!("my-app"))
    );
    // A tail shows the same, but for the place in the store.
    row.as_object_mut().unwrap().remove("pos");
    assert_eq!(&row, heard);
    let query = "fly.app.name:my-app%20line%20|%20sort%20by%20(_time)%20desc&limit=2";
    let answered = api.ask_as(mine, &get(&format!("/select/logsql/query?query={query}&{range}"))).await;
    assert_eq!(answered.messages(), ["line 299", "line 298"]);
    let all = api.ask_as(mine, &get(&format!("/select/logsql/query?query=*&{range}"))).await;
    assert!(all.rows().len() == 301 && !all.body.contains("somebody"));
    answered.rows()[0]["_stream_id"].as_str().unwrap().to_owned()
}

async fn sums_are_right(api: &Api, mine: &str, range: &str, start: i64) {
    let hits = api
        .ask_as(mine, &get(&format!("/select/logsql/hits?query=*&step=1m&field=level&{range}")))
        .await
        .json();
    let totals: Vec<_> = hits["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["fields"]["level"].clone(), one["total"].clone()))
        .collect();
    assert_eq!(totals, [(json!("error"), json!(30)), (json!("info"), json!(271))]);
    assert_eq!(hits["hits"][0]["values"], json!([6, 6, 6, 6, 6]));

    let query = "*|stats%20by%20(fly.app.name)%20count()%20as%20logs";
    let panel = api
        .ask_as(mine, &get(&format!("/select/logsql/stats_query_range?query={query}&step=1m0s&{range}")))
        .await
        .json();
    let result = panel["data"]["result"].as_array().unwrap();
    assert_eq!((result.len(), &result[0]["values"][0]), (2, &json!([start, "20"])), "{panel}");
    let names = api.ask_as(mine, &get(&format!("/select/logsql/field_names?query=*&{range}"))).await.json();
    assert!(
        names["values"].as_array().unwrap().iter().any(|one| one["value"] == "user.id" && one["hits"] == 1),
        "{names}"
    );
    let apps = api
        .ask_as(mine, &get(&format!("/select/logsql/stream_field_values?query=*&field=app&{range}")))
        .await
        .json();
    assert_eq!(apps["values"], json!([{"value": "my-app", "hits": 201}, {"value": "db", "hits": 100}]));
}
