//! Two stores with half of the shards each, and a front that keeps nothing: what is brought goes where it belongs, answers are put
//! together from both, and while one is away an answer names it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use disk::RealDisk;
use line::{Name, OrgId};
use logway_tests::{Reply, Up, Web, soak, wait_until};
use registry::Registry;
use rustix::process::Signal;
use serde_json::json;

/// Lines that are brought for each app: more than a page of an answer, or two, of each store.
const LINES: usize = 4_000;

struct World {
    /// Bus, registry, HTTP, and an agent.
    front: Up,
    /// The store of the upper half of the shards; that of the lower half.
    stores: [Up; 2],
    web: Web,
    /// An app of each store's.
    apps: [String; 2],
}

impl World {
    fn start() -> Self {
        let mut front = Up::start(&["--no-store"]);
        front.restart_after(|data| {
            let path = data.join("registry").join(registry::JOURNAL);
            let mut registry = Registry::open(Arc::new(RealDisk), &path, 0).expect("opening the registry");
            registry.assign_shards(128..=255, "second").expect("giving shards away");
        });
        let stores = [("main", "h1"), ("second", "h2")]
            .map(|(name, host)| front.beside(&["--store", name, "--host", host]));
        let web = front.web();
        let org = OrgId::new(&front.org()).expect("an id");
        let shard = |app: &String| line::shard::of(&org, &Name::new("app", app).expect("a name"));
        let app = |wanted: bool| (0..).map(|n| format!("app{n}")).find(|app| (shard(app) >= 128) == wanted);
        let apps = [false, true].map(|wanted| app(wanted).expect("there is one"));
        wait_until("both stores to be there", || is_whole(&web).then_some(()));
        Self { front, stores, web, apps }
    }

    fn body(&self, from: usize, count: usize) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let start = now.as_secs() - 20_000;
        let line = |n: usize, app: &str| {
            let pad = "x".repeat(200);
            format!(
                "{{\"_time\":{},\"app\":\"{app}\",\"n\":\"{n}\",\"_msg\":\"line {n} {pad}\"}}\n",
                start + n as u64
            )
        };
        (from..from + count).flat_map(|n| [line(n, &self.apps[0]), line(n, &self.apps[1])]).collect()
    }
}

/// Whether a sum over all stores is given.
fn is_whole(web: &Web) -> bool {
    web.ask("/select/logsql/stats_query", &[("query", "* | stats count() n")]).status == 200
}

fn sums(web: &Web) -> BTreeMap<String, u64> {
    let rows = web.rows("n:* | stats by (app) count() c");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| (text(&row["app"]), text(&row["c"]).parse().expect("a number"))).collect()
}

#[test]
fn two_stores_are_as_one() {
    let mut world = World::start();
    let reply = world.web.insert(&world.body(0, LINES));
    assert_eq!(reply.status, 200, "{}", reply.text());
    answers_are_joined(&world);
    agents_find_the_store_of_each_line(&world);
    one_that_leaves_costs_nothing(&world);
    one_that_is_away_is_named(&mut world);
    one_that_hangs_is_named(&world);
}

fn answers_are_joined(world: &World) {
    let World { web, apps, .. } = world;
    let count = LINES as u64;
    assert_eq!(sums(web), BTreeMap::from([(apps[0].clone(), count), (apps[1].clone(), count)]));
    let rows = web.rows("n:* | fields n, app");
    assert_eq!(rows.len(), 2 * LINES);
    // Each line whole: what comes is more than one page of each store.
    let reply = web.query("n:*");
    assert!(reply.rows().len() == 2 * LINES && reply.body.len() > 2 << 20);
    let newest = web.ask("/select/logsql/query", &[("query", "n:*"), ("limit", "10")]).rows();
    let numbers: Vec<_> = newest.iter().map(|row| row["n"].as_str().unwrap_or_default()).collect();
    let wanted: Vec<String> = (LINES - 5..LINES).flat_map(|n| [n.to_string(), n.to_string()]).collect();
    assert_eq!(numbers, wanted);
    for (query, wanted) in [
        (
            "n:* | stats count() c, count_uniq(n) u, min(n) a, max(n) b",
            json!({"c": (2 * count).to_string(), "u": count.to_string(), "a": "0", "b": (count - 1).to_string()}),
        ),
        ("n:=17 | stats uniq_values(n) v, quantile(0.5, n) q", json!({"v": "[\"17\"]", "q": "17"})),
        ("n:* | uniq by (app) | stats count() c", json!({"c": "2"})),
        ("n:* | sort by (n) limit 1 | fields n", json!({"n": "0"})),
        ("n:* | top 1 by (n) | fields hits", json!({"hits": "2"})),
        ("n:* | sort by (_time) desc limit 3 | stats count() c", json!({"c": "3"})),
        ("n:* | limit 7 | stats count() c", json!({"c": "7"})),
    ] {
        assert_eq!(web.rows(query), [wanted], "{query}");
    }
    let hits = web.ask("/select/logsql/hits", &[("query", "n:*"), ("step", "1d"), ("field", "app")]);
    let hits: serde_json::Value = serde_json::from_slice(&hits.body).expect("hits are JSON");
    let totals = hits["hits"].as_array().expect("series").iter().map(|series| series["total"].clone());
    assert_eq!(totals.collect::<Vec<_>>(), [json!(count), json!(count)]);
    let values = web.ask("/select/logsql/field_values", &[("query", "n:*"), ("field", "app")]).text();
    assert!(apps.iter().all(|app| values.contains(app.as_str())), "{values}");
    // Each store's own HTTP face knows of the other.
    for store in &world.stores {
        let own = web.at(&store.address("http"));
        wait_until("it to let in", || (own.query("*").status == 200).then_some(()));
        assert_eq!(sums(&own).len(), 2, "half an answer looks like a whole one");
        assert_eq!(
            own.insert(&format!(
                "{{\"app\":\"{}\",\"_msg\":\"at a store\"}}\n{{\"app\":\"{}\",\"_msg\":\"at a store\"}}\n",
                apps[0], apps[1]
            ))
            .status,
            200
        );
    }
    assert_eq!(web.count("\"at a store\""), 4);
}

fn agents_find_the_store_of_each_line(world: &World) {
    // Where no store is beside it too.
    for (number, up) in world.stores.iter().chain([&world.front]).enumerate() {
        for app in &world.apps {
            let (code, _, err) =
                up.output("run", &["--app", app, "--", "echo", &format!("printed at {number}")]);
            assert_eq!(code, 0, "{err}");
        }
    }
}

fn one_that_leaves_costs_nothing(world: &World) {
    // A store answers 64 questions at once: if it did not hear that the others are of no use, it would refuse these.
    for _ in 0..80 {
        world.web.leave("n:*", 2_000);
    }
    assert_eq!(sums(&world.web).len(), 2);
}

fn partial(reply: &Reply) -> String {
    let rows = reply.rows();
    let last = rows.last().expect("a row");
    last["logway.partial"].as_str().unwrap_or_default().to_owned()
}

fn one_that_is_away_is_named(world: &mut World) {
    let (web, count) = (world.web.clone(), LINES as u64);
    world.stores[1].process().kill();
    let reply = web.query("n:*");
    assert!(partial(&reply).contains("second"), "{}", partial(&reply));
    assert_eq!(reply.rows().len(), LINES + 1, "the other one's lines are there");
    // Sums look whole when they are not: they come if somebody asks for half of them, or with the words beside them.
    let (path, query) = ("/select/logsql/stats_query", ("query", "n:* | stats count() c"));
    let refused = web.ask(path, &[query]);
    assert!([422, 503].contains(&refused.status) && refused.text().contains("second"), "{}", refused.text());
    let half = web.ask(path, &[query, ("allow_partial_response", "1")]);
    assert!(half.status == 200 && half.text().contains(&format!("\"{count}\"")), "{}", half.text());
    assert!(partial(&web.query("n:* | stats count() c")).contains("second"));
    let hits = web.ask("/select/logsql/hits", &[("query", "n:*"), ("allow_partial_response", "1")]);
    assert!(
        hits.status == 200 && hits.head.to_ascii_lowercase().contains("logway-partial: "),
        "{}",
        hits.head
    );
    // Nobody knows that the one that is away never had this app's shard: its lines of before may be there.
    let reply = web.query(&format!("app:={} n:*", world.apps[0]));
    assert!(partial(&reply).contains("second") && reply.rows().len() == LINES + 1, "{}", partial(&reply));
    assert_eq!(
        web.insert(&format!("{{\"app\":\"{}\",\"_msg\":\"meanwhile\"}}\n", world.apps[0])).status,
        200
    );
    let line = format!("{{\"app\":\"{}\",\"_msg\":\"meanwhile\"}}\n", world.apps[1]);
    if soak() {
        let refused = web.insert(&line);
        assert!(refused.status == 503 && refused.text().contains("shard"), "{}", refused.text());
    }
    // An insert waits for a store that comes back soon.
    let waits = {
        let web = web.clone();
        thread::spawn(move || web.insert(&line))
    };
    world.stores[1].restart();
    let reply = waits.join().expect("no panic");
    assert_eq!(reply.status, 200, "{}", reply.text());
    wait_until("both stores to be there", || is_whole(&web).then_some(()));
    assert_eq!(sums(&web).values().sum::<u64>(), 2 * count);
    assert_eq!(web.count("meanwhile"), 2);
    // What agents had for it while it was away comes too.
    wait_until("the lines of agents", || (web.count("\"printed at\" stream:stdout") == 6).then_some(()));
}

fn one_that_hangs_is_named(world: &World) {
    let store = world.stores[1].running();
    store.signal(Signal::STOP);
    let began = Instant::now();
    let reply = world.web.query("n:*");
    let took = began.elapsed();
    store.signal(Signal::CONT);
    assert!(partial(&reply).contains("second"), "{took:?}: {}", partial(&reply));
    wait_until("it to answer again", || is_whole(&world.web).then_some(()));
    assert_eq!(sums(&world.web).values().sum::<u64>(), 2 * LINES as u64);
}
