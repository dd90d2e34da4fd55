//! Nobody sees a row of another org, or of an app that the token does not name, whatever the request says.

use access::{Action, Scope};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::support::{Api, Line, get, post, scope};

/// Rows whose every value says whose they are.
fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for org in ["k3f9", "m7x2"] {
        for (app, second) in [("web", 1), ("web-2", 2), ("db", 3)] {
            let time = format!("T10:00:0{second}Z");
            let line = Line::new(org, app, &time, &format!("fail {org} {app}"));
            lines.push(line.with("mark", &format!("{org}/{app}")).with("org", "k3f9"));
        }
    }
    lines
}

/// Queries of all kinds, as text.
fn query() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "*",
            "fail",
            "web",
            "app:web",
            "app:=web",
            "app:in(web,db)",
            "app:in(*)",
            "mark:*m7x2*",
            "!fail",
            "org:*",
            "m7x2",
            "{app=\"web\"}",
            "{app=~\".*\"}",
            "{app!=\"web\"}",
            "_stream:{app=\"db\"}",
            "_time:>2020-01-01Z",
            "!_time:5m",
            "app:~\".*\"",
            "\"\\x00org\":m7x2",
            "\"\\x00org\":*",
            "app:!=\"\"",
            "_stream_id:00000000000000040000000000000000000000000000000000000003",
            "mark:~\"m7x2.*\"",
            "mark:i(M7X2*)",
            "level:>a",
            "mark:>=k",
        ][..],
    );
    let leaf = leaf.prop_map(str::to_owned);
    let tree = leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    });
    let pipe = prop::sample::select(
        &[
            "",
            " | filter m7x2:* or *",
            " | stats by (mark) count() x",
            " | uniq by (mark)",
            " | sort by (_time) desc limit 5",
            " | fields mark, _time",
            " | copy mark as app",
            " | field_values mark",
            " | top 9 by (mark)",
            " | stats uniq_values(mark) x",
            " | stats values(_msg) x, count() if (m7x2 or *) y",
            " | rename app as fly.app.name | filter !nothing",
        ][..],
    );
    let start = prop::sample::select(&["", "options(ignore_global_time_filter=true) "][..]);
    (start, tree, pipe).prop_map(|(start, tree, pipe)| format!("{start}{tree}{pipe}"))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn nobody_sees_the_rows_of_others() {
    let api = Api::start_with(lines(), |config| config.limits.queries.each = 32).await;
    let all = api.world.token("k3f9");
    let some = api.world.token_for("k3f9", &scope(&["web"], &[Action::Read]));
    let none = api.world.token_for(
        "k3f9",
        &Scope { regions: Some([line::Name::new("region", "ams").unwrap()].into()), ..Scope::ALL },
    );
    let mut runner = TestRunner::new(Config::default());
    let mut answered_well = 0;
    for round in 0..300 {
        let text = query().new_tree(&mut runner).unwrap().current();
        let extra = query().new_tree(&mut runner).unwrap().current();
        let path = [
            "query",
            "hits",
            "stats_query",
            "stats_query_range",
            "field_names",
            "field_values",
            "stream_field_values",
            "streams",
            "stream_ids",
        ][round % 9];
        let mut arguments = format!("query={}&field=mark&step=1h", escaped(&text));
        if round % 2 == 0 {
            arguments.push_str(&format!("&extra_filters={}", escaped(&extra)));
        }
        if round % 5 == 0 {
            arguments.push_str("&limit=100&start=0&end=2100-01-01Z");
        }
        let target = format!("/select/logsql/{path}");
        let request =
            if round % 3 == 0 { post(&target, &arguments) } else { get(&format!("{target}?{arguments}")) };
        for (token, foreign) in [
            (&all, &["m7x2/", "m7x2 web", "m7x2 db"][..]),
            (&some, &["m7x2/", "k3f9/db", "k3f9/web-2", "k3f9 db"]),
            (&none, &["m7x2/", "k3f9/"]),
        ] {
            let answered = api.ask_as(token, &request).await;
            answered_well += u32::from(answered.status == 200);
            // What is wrong with a query is shown in the query that was sent: it tells nothing of rows.
            if answered.status != 200 {
                continue;
            }
            for word in foreign {
                assert!(!answered.body.contains(word), "{word} in {} for {text} with {extra}", answered.body);
            }
        }
    }
    assert!(answered_well > 300, "only {answered_well} of 900 could show something");
    api.stop().await;
}

#[tokio::test]
async fn what_listings_say_is_ones_own() {
    let api = Api::start(lines()).await;
    let mine = api.world.token_for("k3f9", &scope(&["web", "db"], &[Action::Read]));
    for (path, wanted) in [
        ("field_values?query=*&field=mark", vec!["k3f9/db", "k3f9/web"]),
        ("field_values?query=*&field=app", vec!["db", "web"]),
        ("stream_field_values?query=*&field=app", vec!["db", "web"]),
    ] {
        let list = api.ask_as(&mine, &get(&format!("/select/logsql/{path}"))).await.json();
        let values: Vec<_> = list["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one: &Value| one["value"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(values, wanted, "{path}");
    }
    api.stop().await;
}
