//! The requests of Grafana's plugin, byte for byte where it matters, and what it reads of the answers.
//!
//! It sends its arguments in the URL even when it posts, with an empty body.

use serde_json::json;

use crate::support::{Api, Line, get, post};

/// An hour of two apps, and another org's line of an app with the same name.
fn lines() -> Vec<Line> {
    vec![
        Line::new("k3f9", "my-app", "T10:00:00Z", "GET /a 200"),
        Line::new("k3f9", "my-app", "T10:00:30Z", "fail to read"),
        Line::new("k3f9", "my-app", "T10:01:10.5Z", "GET /b 200").with("status", "200"),
        Line::new("k3f9", "my-app-2", "T10:01:20Z", "GET /c 200"),
        Line::new("m7x2", "my-app", "T10:01:00Z", "fail of somebody else"),
    ]
}

/// Milliseconds of the hour.
const START: &str = "1767261600000";
const END: &str = "1767265200000";

fn plugin(path: &str, arguments: &str) -> String {
    format!(
        "POST /select/logsql/{path}?{arguments} HTTP/1.1\r\nHost: x\r\nUser-Agent: Grafana/11\r\nAccountID: 0\r\nProjectID: 0\r\n\
         Content-Length: 0\r\nAccept-Encoding: gzip\r\n\r\n"
    )
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn the_health_check() {
    let api = Api::start(lines()).await;
    let answered = api.ask(&plugin("query", "query=*&limit=1&start=-5m")).await;
    // Nothing came in the last five minutes: an empty answer is a good one.
    assert_eq!((answered.status, answered.body.as_str()), (200, ""));
    api.stop().await;
}

#[tokio::test]
async fn logs_are_the_newest_ones_with_what_the_plugin_reads() {
    let api = Api::start(lines()).await;
    let query = escaped("fly.app.name:my-app fly.app.instance:* _msg:* | sort by (_time) desc");
    let answered =
        api.ask(&plugin("query", &format!("query={query}&limit=2&start=1767261600&end=1767265200"))).await;
    assert_eq!(answered.header("content-type"), Some("application/stream+json"));
    assert!(answered.header("vl-request-duration-seconds").is_some(), "{answered:?}");
    // `my-app` is a phrase: it is found in `my-app-2` too.
    assert_eq!(answered.messages(), ["GET /c 200", "GET /b 200"]);
    let row = &answered.rows()[1];
    assert_eq!(row["_time"], "2026-01-01T10:01:10.500000000Z");
    assert_eq!(row["_stream"], r#"{app="my-app",instance="i1",region="lhr"}"#);
    assert_eq!((&row["_stream_id"].as_str().unwrap().len(), &row["status"]), (&48, &json!("200")));
    api.stop().await;
}

#[tokio::test]
async fn a_limit_means_the_newest_rows_oldest_first() {
    let api = Api::start(lines()).await;
    for (arguments, wanted) in [
        ("query=*&limit=2", vec!["GET /b 200", "GET /c 200"]),
        ("query=*&limit=2&offset=1", vec!["fail to read", "GET /b 200"]),
        ("query=*&limit=2&start=0&end=1767261670", vec!["GET /a 200", "fail to read"]),
        ("query=*%20|%20sort%20by%20(_time)&limit=1", vec!["GET /a 200"]),
        ("query=*%20|%20sort%20by%20(_time)&limit=1&offset=1", vec!["fail to read"]),
        ("query=status:200", vec!["GET /b 200"]),
    ] {
        let answered = api.ask(&get(&format!("/select/logsql/query?{arguments}"))).await;
        assert_eq!(answered.messages(), wanted, "{arguments}");
    }
    // The end is not in it.
    let answered = api
        .ask(&get("/select/logsql/query?query=*&start=2026-01-01T10:00:00Z&end=2026-01-01T10:00:30Z"))
        .await;
    assert_eq!(answered.messages(), ["GET /a 200"]);
    api.stop().await;
}

#[tokio::test]
async fn the_rows_around_a_row() {
    let api = Api::start(lines()).await;
    let id = format!("{:0>16}{:0>32}", 4, 6);
    for (rest, wanted) in [
        ("_time:<=2026-01-01T10:00:30Z | sort by (_time) desc limit 50", vec!["fail to read", "GET /a 200"]),
        ("_time:>2026-01-01T10:00:30Z | sort by (_time) asc limit 50", vec!["GET /b 200"]),
    ] {
        let query = escaped(&format!("_stream_id:\"{id}\" {rest}"));
        let answered = api.ask(&plugin("query", &format!("query={query}&start={START}&end={END}"))).await;
        assert_eq!(answered.messages(), wanted, "{rest}");
    }
    api.stop().await;
}

#[tokio::test]
async fn bars_of_the_explorer() {
    let api = Api::start(lines()).await;
    let arguments = format!("query=*&start={START}&end={END}&step=60s&field=level");
    let answered = api.ask(&plugin("hits", &arguments)).await;
    let wanted = json!({"hits": [
        {"fields": {"level": "error"}, "timestamps": ["2026-01-01T10:00:00Z"], "values": [1], "total": 1},
        {"fields": {"level": "info"}, "timestamps": ["2026-01-01T10:00:00Z", "2026-01-01T10:01:00Z"], "values": [1, 2], "total": 3},
    ]});
    assert_eq!(answered.json(), wanted);
    // Pipes do not matter to them, filters right behind the filter do.
    for (query, total) in [("* | fields _msg | limit 1", 4), ("* | filter level:error", 1), ("nothing", 0)] {
        let arguments = format!("query={}&start={START}&end={END}&step=1h", escaped(query));
        let hits = api.ask(&plugin("hits", &arguments)).await.json();
        let found =
            hits["hits"].as_array().unwrap().iter().map(|one| one["total"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(found, total, "{query}: {hits}");
    }
    // What is beyond the limit is one series without a name.
    let arguments = format!("query=*&start={START}&end={END}&step=1h&field=level&fields_limit=1&offset=30m");
    let hits = api.ask(&plugin("hits", &arguments)).await.json();
    assert_eq!(hits["hits"][0]["fields"], json!({"level": "info"}));
    assert_eq!((&hits["hits"][1]["fields"], &hits["hits"][1]["total"]), (&json!({}), &json!(1)));
    assert_eq!(hits["hits"][0]["timestamps"], json!(["2026-01-01T09:30:00Z"]));
    api.stop().await;
}

#[tokio::test]
async fn panels_of_the_dashboard() {
    let api = Api::start(lines()).await;
    let query = escaped(
        "_time:[1767261600, 1767265200] fly.app.name: my-app fly.app.instance: * _msg:*|stats by (fly.app.name) count() as logs",
    );
    let answered = api.ask(&plugin("stats_query", &format!("query={query}&time={END}"))).await;
    let wanted = json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"__name__": "logs", "fly.app.name": "my-app"}, "value": [1_767_265_200, "3"]},
        {"metric": {"__name__": "logs", "fly.app.name": "my-app-2"}, "value": [1_767_265_200, "1"]},
    ]}});
    let mut found = answered.json();
    let list = found["data"]["result"].as_array_mut().unwrap();
    list.sort_by_key(|one| one["metric"]["fly.app.name"].to_string());
    assert_eq!(found, wanted);

    let arguments = format!("query={query}&start={START}&end={END}&step=1m0s");
    let answered = api.ask(&plugin("stats_query_range", &arguments)).await;
    let wanted = json!({"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"__name__": "logs", "fly.app.name": "my-app"}, "values": [[1_767_261_600, "2"], [1_767_261_660, "1"]]},
        {"metric": {"__name__": "logs", "fly.app.name": "my-app-2"}, "values": [[1_767_261_660, "1"]]},
    ]}});
    assert_eq!(answered.json(), wanted);
    let two = escaped("* | stats count() a, count_uniq(app) b | math a * 10 as c");
    let answered = api.ask(&plugin("stats_query", &format!("query={two}"))).await.json();
    let names: Vec<_> = answered["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["metric"]["__name__"].to_string(), one["value"][1].to_string()))
        .collect();
    assert_eq!(names.len(), 3, "{answered}");
    assert!(names.contains(&("\"c\"".into(), "\"40\"".into())), "{names:?}");
    api.stop().await;
}

#[tokio::test]
async fn errors_of_panels_have_the_form_of_prometheus() {
    let api = Api::start(lines()).await;
    for (path, query) in
        [("stats_query", "* | stats count("), ("stats_query", "*"), ("stats_query_range", "* | fields a")]
    {
        let answered = api.ask(&plugin(path, &format!("query={}", escaped(query)))).await;
        assert_eq!((answered.status, answered.header("content-type")), (422, Some("application/json")));
        let said = answered.json();
        assert_eq!((&said["status"], &said["errorType"]), (&json!("error"), &json!("422")));
        assert!(said["error"].as_str().unwrap().starts_with("LQ01"), "{said}");
    }
    api.stop().await;
}

#[tokio::test]
async fn chips_buttons_and_the_bar_of_streams() {
    let api = Api::start(lines()).await;
    for (name, filter, wanted) in [
        ("extra_filters", r#"level:="error""#, 1),
        ("extra_filters", r#"level:!="error" AND app:="my-app""#, 2),
        ("extra_filters", r#"level:~"err.*""#, 1),
        ("extra_filters", r#"level:!~"err.*""#, 3),
        ("extra_filters", r#"app:in("my-app","x")"#, 3),
        ("extra_filters", r#"!app:in("my-app","x")"#, 1),
        ("extra_filters", r#"status:>"100""#, 1),
        ("extra_filters", r#"_stream:{app="my-app-2"}"#, 1),
        ("extra_filters", r#"(! _stream: {app="my-app-2"})"#, 3),
        ("extra_filters", r#"{"app":"my-app"}"#, 3),
        ("extra_filters", r#"{"app":["my-app","my-app-2"],"level":"error"}"#, 1),
        ("extra_filters", r#"(level:contains_common_case("err","error") OR sev:"x")"#, 1),
        ("extra_stream_filters", r#"_stream:{app in ("my-app","x")} AND _stream:{region not_in ("ams")}"#, 3),
        ("extra_stream_filters", r#"{"app":"my-app-2"}"#, 1),
        ("extra_filters", "app:in(*) AND level:in(*)", 4),
        ("extra_filters", r#"_msg:~".*""#, 4),
        ("hidden_fields_filters", "level", 4),
    ] {
        let answered = api.ask(&plugin("query", &format!("query=*&{name}={}", escaped(filter)))).await;
        assert_eq!(answered.rows().len(), wanted, "{name}={filter}");
        // The same in a form.
        let form = format!("query=*&{name}={}", escaped(filter));
        assert_eq!(api.ask(&post("/select/logsql/query", &form)).await.rows().len(), wanted, "{filter}");
    }
    let answered = api.ask(&plugin("query", "query=level:error&hidden_fields_filters=lev*")).await;
    assert_eq!(answered.rows().len(), 0);
    let answered = api.ask(&plugin("query", "query=*&hidden_fields_filters=level,app")).await;
    assert!(answered.rows().iter().all(|row| row.get("level").is_none() && row.get("_stream").is_none()));
    for bad in [r#"{"app":[]}"#, "{}", "* | fields a", "level:(", r#"{"app":1}"#] {
        let answered = api.ask(&plugin("query", &format!("query=*&extra_filters={}", escaped(bad)))).await;
        assert_eq!(answered.status, 400, "{bad}: {answered:?}");
    }
    api.stop().await;
}

#[tokio::test]
async fn names_and_values() {
    let api = Api::start(lines()).await;
    let values = |path: &'static str, more: &'static str| {
        let request = plugin(path, &format!("query=*&start={START}&end={END}{more}"));
        let api = &api;
        async move {
            let list = api.ask(&request).await.json()["values"].as_array().unwrap().clone();
            let pair =
                |one: &serde_json::Value| format!("{}:{}", one["value"].as_str().unwrap(), one["hits"]);
            list.iter().map(pair).collect::<Vec<_>>()
        }
    };
    let names = values("field_names", "").await;
    for wanted in ["_time:4", "_msg:4", "_stream:4", "_stream_id:4", "app:4", "level:4", "status:1"] {
        assert!(names.contains(&wanted.to_owned()), "{wanted} in {names:?}");
    }
    assert_eq!(values("field_names", "&filter=stat").await, ["status:1"]);
    assert_eq!(values("field_values", "&field=app").await, ["my-app:3", "my-app-2:1"]);
    assert_eq!(values("field_values", "&field=fly.app.name&limit=1").await, ["my-app:3"]);
    assert_eq!(values("field_values", "&field=status").await, ["200:1"]);
    assert_eq!(values("field_values", "&field=a%20%22b").await, Vec::<String>::new());
    assert_eq!(values("field_values", "&field=level&filter=err").await, ["error:1"]);
    assert_eq!(values("stream_field_names", "&ignore_pipes=1").await, ["app:4", "instance:4", "region:4"]);
    assert_eq!(values("stream_field_values", "&field=app").await, ["my-app:3", "my-app-2:1"]);
    assert_eq!(values("stream_field_values", "&field=level").await, Vec::<String>::new());
    assert_eq!(values("streams", "").await.len(), 2);
    assert_eq!(values("stream_ids", "").await.len(), 2);
    api.stop().await;
}

#[tokio::test]
async fn tenants_paths_and_what_is_not_there() {
    let api = Api::start(lines()).await;
    let answered = api.ask(&get("/select/tenant_ids?start=-5m")).await;
    assert_eq!(answered.json(), json!([{"account_id": 7, "project_id": 0}]));
    assert_eq!(api.ask(&plugin("../tenant_ids", "")).await.status, 400);
    let named = get("/select/tenant_ids").replace("\r\n\r\n", "\r\nAccountID: 7\r\n\r\n");
    assert_eq!(api.ask(&named).await.status, 400);
    assert_eq!(api.ask(&get("//select//logsql///query?query=*")).await.rows().len(), 4);
    let answered = api.ask(&get("/select/nothing")).await;
    assert_eq!(
        (answered.status, answered.body.as_str()),
        (400, "unsupported path requested: \"/select/nothing\"\n")
    );
    assert_eq!(api.ask(&get("/select/logsql/facets?query=*")).await.status, 400);
    assert_eq!(api.ask(&get("/select/logsql/query?query=*&format=csv")).await.status, 400);
    assert_eq!(api.ask(&get("/select/logsql/query?query=*").replacen("GET", "DELETE", 1)).await.status, 405);
    assert_eq!(api.ask(&get("/internal/force_flush")).await.status, 200);
    assert_eq!(*api.fake.flushes.lock().unwrap(), 1);
    assert_eq!(api.send(get("/health").as_bytes()).await.body, "OK");
    assert_eq!(api.send(get("/insert/ready").as_bytes()).await.json(), json!({"status": "ok"}));
    assert_eq!(api.send(get("/metrics").as_bytes()).await.status, 404);
    assert!(api.figures.text().contains("logway_api_requests_total"), "{}", api.figures.text());
    api.stop().await;
}

#[tokio::test]
async fn damage_is_told_and_no_reason_to_send_nobody() {
    let change = |config: &mut api::Config| {
        config.warnings = Some(Box::new(|| vec!["store: 1 parts".to_owned(), "store: 2 files".to_owned()]));
    };
    let api = Api::start_with(lines(), change).await;
    let health = api.send(get("/health").as_bytes()).await;
    let wanted = "OK\nwarning: store: 1 parts\nwarning: store: 2 files";
    assert_eq!((health.status, health.body.as_str()), (200, wanted));
    api.stop().await;
}

#[tokio::test]
async fn a_wrong_query_is_pointed_at() {
    let api = Api::start(lines()).await;
    let answered = api.ask(&get("/select/logsql/query?query=a%20(b")).await;
    assert_eq!((answered.status, answered.header("content-type")), (400, Some("text/plain; charset=utf-8")));
    assert!(
        answered.body.starts_with("LQ01: ")
            && answered.body.contains("\n  a (b\n")
            && answered.body.contains('^'),
        "{}",
        answered.body
    );
    for (arguments, word) in [
        ("", "query"),
        ("query=*&start=x", "start"),
        ("query=*&timeout=x", "timeout"),
        ("query=*&limit=x", "limit"),
        ("query=%zz", "escaped"),
    ] {
        let answered = api.ask(&get(&format!("/select/logsql/query?{arguments}"))).await;
        assert!(answered.status == 400 && answered.body.contains(word), "{arguments}: {answered:?}");
    }
    api.stop().await;
}
