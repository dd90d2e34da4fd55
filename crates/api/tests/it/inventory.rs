//! Apps and Machines: what there is, how it does, and that nobody sees those of others.

use access::{Action, Scope};
use bus::broker::{self, User};
use bus::client::Client as Bus;
use bus::roles::Role;
use bus::sys::{Heartbeat, HeartbeatMark, Mark};
use line::Boot;
use line::time::{SECOND, rfc3339};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::live::{credentials, login};
use crate::support::{Api, Line, get, scope, soon};

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_nanos() as i64
}

/// A line of so many seconds ago.
fn line(org: &str, app: &str, ago_s: i64, message: &str) -> Line {
    at(org, app, "i1", now() - ago_s * SECOND, message)
}

fn at(org: &str, app: &str, instance: &str, time: i64, message: &str) -> Line {
    let mut line = Line::new(org, app, "T00:00:00Z", message);
    line.set("_time", &rfc3339(time));
    line.set("instance", instance);
    line.with("host", "h1")
}

fn boot(seconds: u64) -> String {
    Boot::new(seconds * 1000, 7).to_string()
}

/// An event of a Machine's init.
fn event(line: Line, boot: &str, kind: &str) -> Line {
    line.with("boot", boot)
        .with("logway.event.kind", kind)
        .with("provider", "runner")
        .with("seq", "9")
        .with("span", "1")
}

fn names(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn apps_and_how_they_do() {
    let mut lines = vec![
        line("k3f9", "web", 3000, "long ago"),
        line("k3f9", "web", 90, "fail"),
        line("k3f9", "web", 80, "fine"),
        line("k3f9", "db", 90_000, "yesterday"),
        line("m7x2", "web", 10, "of others"),
        line("m7x2", "other", 10, "of others"),
    ];
    lines.push(at("k3f9", "web", "i2", now() - 60 * SECOND, &"x".repeat(5000)));
    let api = Api::start(lines).await;
    let found = api.ask(&get("/api/v1/apps")).await;
    assert_eq!(found.status, 200, "{found:?}");
    let found = found.json();
    assert_eq!(names(&found["apps"], "name"), ["db", "web"]);
    let (db, web) = (&found["apps"][0], &found["apps"][1]);
    assert_eq!((&db["lines_1h"], &db["instances"], &db["regions"]), (&json!(0), &json!(0), &json!([])));
    assert_eq!(db["last_line"]["message"], "yesterday");
    assert_eq!((&web["lines_1h"], &web["errors_1h"], &web["instances"]), (&json!(4), &json!(1), &json!(2)));
    assert_eq!(web["regions"], json!(["lhr"]));
    let minutes: Vec<u64> =
        web["per_minute"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!((minutes.len(), minutes.iter().sum::<u64>()), (60, 4));
    assert!(minutes[55..].iter().sum::<u64>() == 3, "{minutes:?}");
    let last = &web["last_line"];
    assert_eq!((last["message"].as_str().unwrap().len(), &last["instance"]), (1024, &json!("i2")));
    api.stop().await;
}

#[tokio::test]
async fn nobody_sees_apps_and_machines_of_others() {
    let mut lines = Vec::new();
    for org in ["k3f9", "m7x2"] {
        for app in ["web", "db"] {
            lines.push(line(org, app, 100, &format!("{org}/{app}")));
            let instance = format!("{org}-{app}");
            let started = at(org, app, &instance, now() - 200 * SECOND, &format!("{org}/{app}"));
            lines.push(event(started, &boot(1), "started"));
        }
    }
    let api = Api::start(lines).await;
    let web = api.world.token_for("k3f9", &scope(&["web"], &[Action::Read]));
    let one =
        Scope { instances: Some([line::Name::new("instance", "k3f9-db").unwrap()].into()), ..Scope::ALL };
    let one = api.world.token_for("k3f9", &one);
    let nowhere = Scope { regions: Some([line::Name::new("region", "ams").unwrap()].into()), ..Scope::ALL };
    let nowhere = api.world.token_for("k3f9", &nowhere);
    for (token, path, apps, foreign) in [
        (&api.world.token("k3f9"), "apps", vec!["db", "web"], &["m7x2"][..]),
        (&web, "apps", vec!["web"], &["m7x2", "k3f9/db", "\"db\""]),
        (&one, "apps", vec!["db"], &["m7x2", "k3f9/web", "\"web\""]),
        (&nowhere, "apps", vec![], &["m7x2", "k3f9"]),
        (&api.world.token("k3f9"), "machines", vec!["db", "db", "web", "web"], &["m7x2"]),
        (&web, "machines", vec!["web", "web"], &["m7x2", "k3f9-db"]),
        (&one, "machines", vec!["db"], &["m7x2", "k3f9-web"]),
        (&nowhere, "machines", vec![], &["m7x2", "k3f9"]),
        (&web, "machines?app=web", vec!["web", "web"], &["m7x2"]),
        (&web, "machines?app=nothing", vec![], &[]),
        (&api.world.token("k3f9"), "machines?app=nothing", vec![], &["m7x2"]),
    ] {
        let answered = api.ask_as(token, &get(&format!("/api/v1/{path}"))).await;
        if path.ends_with("nothing") && token == &web {
            assert_eq!(answered.status, 403, "{answered:?}");
            continue;
        }
        assert_eq!(answered.status, 200, "{path}: {answered:?}");
        for word in foreign {
            assert!(!answered.body.contains(word), "{word} in {} for {path}", answered.body);
        }
        let found = answered.json();
        let mut found = match path {
            "apps" => names(&found["apps"], "name"),
            _ => names(&found["machines"], "app"),
        };
        found.sort();
        assert_eq!(found, apps, "{path}");
    }
    api.stop().await;
}

#[tokio::test]
async fn machines_and_how_they_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let users = Role::ALL.map(|role| User { role, credentials: credentials(role) });
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(broker::run(broker::Config::new(users.into()), listener, async {
        let _ = stopped.await;
    }));
    let machine = |instance: &str, ago: i64| at("k3f9", "web", instance, now() - ago * SECOND, "said");
    let exited = |line: Line, code: &str| {
        let line = line.with("logway.event.code", code).with("logway.event.signal", "9");
        line.with("logway.event.oom_killed", "true")
    };
    let lines = vec![
        event(machine("ended", 900), &boot(1000), "started"),
        exited(event(machine("ended", 800), &boot(1000), "exited"), "137"),
        event(machine("ended", 700), &boot(2000), "started"),
        exited(event(machine("ended", 600), &boot(2000), "exited"), "1"),
        event(machine("runs", 500), &boot(3000), "started"),
        event(machine("lost", 400), &boot(4000), "started"),
        machine("lost", 300)
            .with("boot", &boot(4000))
            .with("gap.reason", "vanished")
            .with("seq", "5")
            .with("span", "2"),
        machine("imported", 200),
    ];
    let client = Bus::start(login(address, Role::Api));
    soon(client.connected()).await.unwrap();
    let api = Api::start_with(lines, |config| config.heartbeats = Some(client)).await;
    let agent = Bus::start(login(address, Role::Agent));
    soon(agent.connected()).await.unwrap();
    let mark = |org: &str, app: &str, instance: &str, seconds| HeartbeatMark {
        org: org.to_owned(),
        app: app.to_owned(),
        region: "lhr".to_owned(),
        mark: Mark { instance: instance.to_owned(), boot: boot(seconds), next_seq: 9 },
    };
    let marks = vec![mark("k3f9", "web", "quick", 5000), mark("m7x2", "web", "of-others", 5000)];
    let beat = Heartbeat { host: "h1".to_owned(), region: "lhr".to_owned(), time: now(), marks };
    let beat = serde_json::to_vec(&beat).unwrap();
    let found = loop {
        agent.publish("sys.hb.lhr.h1", None, &beat).await.unwrap();
        let found = api.ask(&get("/api/v1/machines?app=web")).await;
        assert_eq!(found.status, 200, "{found:?}");
        if found.body.contains("quick") {
            break found;
        }
        tokio::task::yield_now().await;
    };
    assert!(!found.body.contains("of-others"), "{found:?}");
    let found = found.json();
    let of = |instance: &str| {
        let mut all = found["machines"].as_array().unwrap().iter();
        all.find(|machine| machine["instance"] == instance).unwrap_or_else(|| panic!("{instance} in {found}"))
    };
    for (instance, state, host) in [
        ("ended", "exited", "h1"),
        ("runs", "running", "h1"),
        ("lost", "vanished", "h1"),
        ("imported", "unknown", ""),
        ("quick", "running", "h1"),
    ] {
        assert_eq!(
            (of(instance)["state"].as_str(), of(instance)["host"].as_str()),
            (Some(state), Some(host)),
            "{instance}"
        );
    }
    let ended = of("ended");
    assert_eq!(ended["boot"], json!(boot(2000)));
    let exit = &ended["exit"];
    assert_eq!((&exit["code"], &exit["signal"], &exit["oom"]), (&json!(1), &json!(9), &json!(true)));
    assert_eq!(ended["boots"].as_array().map(Vec::len), Some(2));
    assert_eq!(ended["boots"][1]["exit"]["code"], 137);
    assert_eq!((&of("imported")["boot"], &of("imported")["lines_1h"]), (&Value::Null, &json!(1)));
    assert_eq!(of("quick")["started"], "1970-01-01T01:23:20.000000000Z");
    api.stop().await;
    let _ = stop.send(());
}

#[tokio::test]
async fn whether_all_is_stored() {
    let numbered = |org: &str, app: &str, instance: &str, seq: u64, span: u64| {
        let line = at(org, app, instance, now() - (1000 - seq as i64) * SECOND, "said");
        line.with("boot", &boot(1)).with("seq", &seq.to_string()).with("span", &span.to_string())
    };
    let gap = |app: &str, seq, span, reason: &str| {
        numbered("k3f9", app, "i1", seq, span).with("gap.reason", reason).with("provider", "runner")
    };
    let mut lines: Vec<_> = (1..=20).map(|seq| numbered("k3f9", "whole", "i1", seq, 1)).collect();
    // The last one stands for many numbers.
    lines.push(numbered("k3f9", "whole", "i1", 21, 5));
    // 3 and 4 are one line, 6 and 7 are lost and said so, 8 and 9 are neither; 11 was said to be lost and came later.
    lines.extend(
        [(1, 1), (2, 1), (3, 2), (5, 1), (10, 1), (11, 1), (12, 1)]
            .map(|(seq, span)| numbered("k3f9", "holes", "i1", seq, span)),
    );
    lines.extend([gap("holes", 6, 2, "ring_full"), gap("holes", 11, 1, "vanished")]);
    lines.push(numbered("k3f9", "imported", "none", 90, 1).with("provider", "import"));
    lines.push(numbered("m7x2", "of-others", "i1", 5, 1));
    let api = Api::start(lines).await;
    let found = api.ask(&get("/api/v1/doctor")).await;
    assert_eq!(found.status, 200, "{found:?}");
    assert!(!found.body.contains("of-others"), "{found:?}");
    let found = found.json();
    assert_eq!(names(&found["apps"], "app"), ["holes", "whole"]);
    let (holes, whole) = (&found["apps"][0], &found["apps"][1]);
    let figures = |app: &Value| {
        ["produced", "stored", "late", "missing", "behind"].map(|name| app[name].as_u64().unwrap())
    };
    assert_eq!(
        (figures(whole), &whole["proved"], &whole["gaps"]),
        ([25, 25, 0, 0, 0], &json!(true), &json!({}))
    );
    assert_eq!((figures(holes), &holes["proved"]), ([12, 8, 1, 2, 0], &json!(false)));
    assert_eq!(holes["gaps"], json!({ "ring_full": 2, "vanished": 1 }));
    let one = &holes["boots"][0];
    assert_eq!(
        (&one["boot"], &one["first_seq"], &one["next_seq"], &one["host"]),
        (&json!(boot(1)), &json!(1), &json!(13), &json!("h1"))
    );
    assert_eq!(found["hosts"], json!([{ "host": "h1", "region": "lhr", "age_s": null, "alive": false }]));
    let web = api.world.token_for("k3f9", &scope(&["whole"], &[Action::Read]));
    let found = api.ask_as(&web, &get("/api/v1/doctor?since=-2h")).await.json();
    assert_eq!(names(&found["apps"], "app"), ["whole"]);
    assert_eq!(api.ask_as(&web, &get("/api/v1/doctor?app=holes")).await.status, 403);
    assert_eq!(api.ask(&get("/api/v1/doctor?since=soon")).await.status, 400);
    // Of what is yet to come nothing is missing, which a script would take for proof.
    assert_eq!(api.ask(&get("/api/v1/doctor?since=2099-01-01")).await.status, 400);
    let found = api.ask(&get("/api/v1/doctor?app=nothing")).await.json();
    assert_eq!((&found["apps"], &found["hosts"]), (&json!([]), &json!([])));
    api.stop().await;
}

/// Any limits of apps, regions and Machines, out of a few names.
fn any_scope() -> impl Strategy<Value = Scope> {
    let names = |all: &'static [&'static str]| {
        let some = prop::sample::subsequence(all, 0..=all.len());
        let set =
            some.prop_map(|some| some.iter().map(|name| line::Name::new("name", name).unwrap()).collect());
        prop::option::of(set)
    };
    (names(&["web", "db"]), names(&["lhr", "ams"]), names(&["i1", "i2"]))
        .prop_map(|(apps, regions, instances)| Scope { apps, regions, instances, ..Scope::ALL })
}

#[tokio::test]
async fn whatever_a_token_is_limited_to_it_sees_that_and_no_more() {
    let all: Vec<[&str; 4]> = ["k3f9", "m7x2"]
        .into_iter()
        .flat_map(|org| ["web", "db"].map(|app| (org, app)))
        .flat_map(|(org, app)| ["lhr", "ams"].map(|region| (org, app, region)))
        .flat_map(|(org, app, region)| ["i1", "i2"].map(|instance| [org, app, region, instance]))
        .collect();
    let lines = all.iter().flat_map(|[org, app, region, instance]| {
        [1_u64, 2].map(|seq| {
            let mut line = at(org, app, instance, now() - 100 * SECOND + seq as i64, &format!("{org} {app}"));
            line.set("region", region);
            let line = event(line, &boot(1), "started");
            if seq == 1 { line.with("mark", org) } else { line.with("gap.reason", "vanished") }
        })
    });
    let api = Api::start_with(lines.collect(), |config| config.limits.queries.each = 32).await;
    let mut runner = TestRunner::default();
    for _ in 0..40 {
        let scope = any_scope().new_tree(&mut runner).unwrap().current();
        // A token that allows nothing is none.
        let Some(token) = api.world.try_token_for("k3f9", &scope) else { continue };
        let is_in = |names: &Option<std::collections::BTreeSet<line::Name>>, name: &str| {
            names.as_ref().is_none_or(|names| names.iter().any(|one| one.as_str() == name))
        };
        let wanted: std::collections::BTreeSet<_> = all
            .iter()
            .filter(|[org, app, region, instance]| {
                *org == "k3f9"
                    && is_in(&scope.apps, app)
                    && is_in(&scope.regions, region)
                    && is_in(&scope.instances, instance)
            })
            .map(|[_, app, region, instance]| format!("{app} {region} {instance}"))
            .collect();
        let found = |list: &Value| -> std::collections::BTreeSet<_> {
            let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
            let list = list.as_array().unwrap().iter();
            list.map(|one| format!("{} {} {}", text(one, "app"), text(one, "region"), text(one, "instance")))
                .collect()
        };
        let machines = api.ask_as(&token, &get("/api/v1/machines")).await;
        assert!(!machines.body.contains("m7x2"), "{machines:?}");
        assert_eq!(found(&machines.json()["machines"]), wanted, "{scope:?}");
        let doctor = api.ask_as(&token, &get("/api/v1/doctor")).await.json();
        let boots = doctor["apps"].as_array().unwrap().iter().flat_map(|app| {
            app["boots"].as_array().unwrap().iter().map(|boot| {
                let mut boot = boot.clone();
                boot["app"] = app["app"].clone();
                boot
            })
        });
        assert_eq!(found(&boots.collect()), wanted, "{scope:?}");
        let apps = api.ask_as(&token, &get("/api/v1/apps")).await;
        assert!(!apps.body.contains("m7x2"), "{apps:?}");
        let apps: std::collections::BTreeSet<_> = names(&apps.json()["apps"], "name").into_iter().collect();
        let of_wanted = wanted.iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(apps, of_wanted, "{scope:?}");
    }
    api.stop().await;
}
