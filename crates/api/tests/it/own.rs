//! Logway's own paths, `/api/v1`: which there are, what they say, and to whom.

use access::{Action, Scope};
use serde_json::json;

use crate::support::{Api, get, scope};

#[tokio::test]
async fn what_is_wrong_is_said_in_json() {
    let api = Api::start(Vec::new()).await;
    for (method, path, status) in [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/", 404),
        ("DELETE", "/api/v1/apps", 405),
        ("POST", "/api/v1/apps/web/logs/tail", 405),
        ("GET", "/api/v1/tokens/attenuate", 405),
        ("GET", "/api/v1/apps/%zz/logs", 400),
        ("GET", "/api/v1/codes/ZZ99", 404),
    ] {
        let request = get(path).replacen("GET", method, 1);
        let answered = api.ask(&request).await;
        assert_eq!(answered.status, status, "{method} {path}: {answered:?}");
        assert_eq!(answered.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(answered.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answered.header("allow").is_some(), status == 405, "{path}");
        assert!(answered.json()["error"].is_string(), "{path}: {answered:?}");
    }
    let answered = api.send(get("/api/v1/apps").as_bytes()).await;
    assert_eq!((answered.status, answered.json()["code"].as_str()), (401, Some("LR13")));
    assert!(answered.header("www-authenticate").is_some());
    api.stop().await;
}

#[tokio::test]
async fn who_one_is() {
    let api = Api::start(Vec::new()).await;
    let wide = api.ask(&get("/api/v1/whoami")).await.json();
    let all = json!(["read", "write", "ship", "admin"]);
    let wanted = json!({
        "org": { "slug": "acme" }, "actions": all, "apps": null, "regions": null, "instances": null, "expires": null,
    });
    assert_eq!(wide, wanted);
    let narrow = Scope { not_after_s: Some(4_102_444_800), ..scope(&["web", "My.App"], &[Action::Write]) };
    let narrow = api.world.token_for("m7x2", &narrow);
    let wanted = json!({
        "org": { "slug": "umbrella" }, "actions": ["write"], "apps": ["%4Dy%2E%41pp", "web"], "regions": null,
        "instances": null, "expires": "2100-01-01T00:00:00.000000000Z",
    });
    assert_eq!(api.ask_as(&narrow, &get("/api/v1/whoami")).await.json(), wanted);
    api.stop().await;
}

#[tokio::test]
async fn codes_need_no_token() {
    let api = Api::start(Vec::new()).await;
    let all = api.send(get("/api/v1/codes").as_bytes()).await.json();
    assert_eq!(all["codes"].as_array().map(Vec::len), Some(line::codes::ALL.len()));
    let one = api.send(get("/api/v1/codes/la02").as_bytes()).await.json();
    assert_eq!(
        (&one["code"], &one["title"], &one["family"]),
        (&json!("LA02"), &json!("Machine vanished"), &json!("agent"))
    );
    assert!(one["cause"].is_string() && one["remedy"].is_string());
    api.stop().await;
}

#[tokio::test]
async fn what_a_token_has_to_allow() {
    let api = Api::start(Vec::new()).await;
    let read = api.world.token_for("k3f9", &scope(&["web"], &[Action::Read]));
    let write = api.world.token_for("k3f9", &scope(&[], &[Action::Write]));
    let admin = api.world.token_for("k3f9", &scope(&[], &[Action::Admin]));
    for (token, path, is_refused) in [
        (&read, "/api/v1/apps", false),
        (&read, "/api/v1/machines", false),
        (&read, "/api/v1/doctor", false),
        (&read, "/api/v1/apps/web/logs", false),
        (&read, "/api/v1/apps/db/logs", true),
        (&read, "/api/v1/tokens", true),
        (&write, "/api/v1/apps", true),
        (&write, "/api/v1/apps/web/logs", true),
        (&write, "/api/v1/whoami", false),
        (&admin, "/api/v1/tokens", false),
        (&admin, "/api/v1/machines", true),
    ] {
        let answered = api.ask_as(token, &get(path)).await;
        assert_eq!(answered.status == 403, is_refused, "{path}: {answered:?}");
    }
    api.stop().await;
}
