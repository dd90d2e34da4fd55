//! What there is, on a real `logway up`: Machines that run, have ended and were killed, whether all of it is stored, and tokens that come
//! and go.

use logway_tests::{Process, Up, Web, wait_until};
use serde_json::{Value, json};

fn document(web: &Web, path: &str) -> Value {
    let reply = web.request("GET", path, b"");
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    serde_json::from_slice(&reply.body).unwrap_or_else(|why| panic!("{why}: {}", reply.text()))
}

/// Starts a Machine under this instance id.
fn machine(up: &Up, instance: &str, script: &str) -> Process {
    up.run("run", &["--app", "web", "--instance", instance, "--", "sh", "-c", script])
}

#[test]
fn machines_and_whether_all_they_said_is_stored() {
    let up = Up::start(&[]);
    let web = up.web();
    let (mut ended, mut killed) =
        (machine(&up, "ended", "echo one; echo two; exit 3"), machine(&up, "killed", "echo up; sleep 600"));
    let _runs = machine(
        &up,
        "runs",
        "echo up; echo '[PU02] could not complete HTTP request to instance: closed'; sleep 600",
    );
    ended.wait();
    wait_until("the Machine has said something", || (web.count("instance:=killed up") > 0).then_some(()));
    killed.kill();
    let state = |instance: &str| {
        let found = document(&web, "/api/v1/machines?app=web");
        let list = found["machines"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|machine| machine["instance"] == instance)
    };
    for (instance, wanted) in [("ended", "exited"), ("runs", "running"), ("killed", "vanished")] {
        let machine = wait_until(&format!("{instance} is {wanted}"), || {
            state(instance).filter(|machine| machine["state"] == wanted)
        });
        assert_eq!(machine["boots"].as_array().map(Vec::len), Some(1), "{machine}");
        let code = if instance == "ended" { json!(3) } else { Value::Null };
        assert_eq!(machine["exit"]["code"], code, "{machine}");
    }
    // What the killed one held is stated, so nothing is missing; and what is on the host's disk is stored.
    let doctor = wait_until("all is stored", || {
        let found = document(&web, "/api/v1/doctor?app=web");
        (found["apps"][0]["behind"] == 0 && found["hosts"][0]["alive"] == true).then_some(found)
    });
    let app = &doctor["apps"][0];
    assert_eq!((&app["missing"], &app["boots"].as_array().map(Vec::len)), (&json!(0), &Some(3)), "{doctor}");
    assert!(app["gaps"]["vanished"].as_u64() >= Some(1) && app["stored"].as_u64() >= Some(8), "{doctor}");
    assert_eq!(app["proved"], true, "{doctor}");
    let apps = document(&web, "/api/v1/apps");
    let app = &apps["apps"][0];
    assert_eq!((&app["name"], &app["instances"]), (&json!("web"), &json!(3)), "{apps}");
    assert!(app["last_line"]["message"].is_string() && app["lines_1h"].as_u64() >= Some(8), "{apps}");
    // A code in a line's text is a field of it.
    assert_eq!(web.count("code:=PU02"), 1);
}

#[test]
fn a_token_comes_and_goes() {
    let up = Up::start(&[]);
    let web = up.web();
    let body = json!({ "name": "ci", "actions": ["read"], "apps": ["web"], "expires": "1h" }).to_string();
    let made = web.request("POST", "/api/v1/tokens", body.as_bytes());
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = serde_json::from_slice(&made.body).expect("a document");
    let (token, id) = (made["token"].as_str().expect("a token"), made["id"].as_str().expect("an id"));
    let ci = web.with_token(token);
    assert_eq!(document(&ci, "/api/v1/whoami")["apps"], json!(["web"]));
    let listed = document(&web, "/api/v1/tokens");
    assert!(listed["tokens"].as_array().expect("a list").iter().any(|token| token["id"] == id), "{listed}");
    assert_eq!(web.request("DELETE", &format!("/api/v1/tokens/{id}"), b"").status, 200);
    wait_until("the token is good no more", || {
        (ci.request("GET", "/api/v1/whoami", b"").status == 401).then_some(())
    });
    let listed = document(&web, "/api/v1/tokens");
    let of_ci = listed["tokens"].as_array().expect("a list").iter().find(|token| token["id"] == id).cloned();
    assert_eq!(of_ci.expect("it is listed")["standing"], "revoked");
}
