//! Shards that are given to another store while all of it runs: new lines go there, old ones stay and are found, and hosts
//! without a store of their own deliver to whichever it is.

use line::{Name, OrgId};
use logway_tests::{Up, Web, wait_until};

/// Bus, registry, HTTP and an agent, but no store.
struct World {
    front: Up,
    web: Web,
    /// An app whose shard is in the lower half, and one of the upper half.
    apps: [String; 2],
}

impl World {
    fn start() -> (Self, Up) {
        let front = Up::start(&["--no-store"]);
        let main = front.beside(&["--host", "h1"]);
        let web = front.web();
        let org = OrgId::new(&front.org()).expect("an id");
        let shard = |app: &String| line::shard::of(&org, &Name::new("app", app).expect("a name"));
        let app = |wanted: bool| (0..).map(|n| format!("app{n}")).find(|app| (shard(app) >= 128) == wanted);
        let apps = [false, true].map(|wanted| app(wanted).expect("there is one"));
        let sum = [("query", "* | stats count() n")];
        wait_until("the store to be there", || {
            (web.ask("/select/logsql/stats_query", &sum).status == 200).then_some(())
        });
        (Self { front, web, apps }, main)
    }

    fn store(&self, args: &[&str]) -> (i32, String, String) {
        self.front.output("store", args)
    }

    /// Prints a line in each app, beside `up`, and waits until each is found.
    fn print(&self, up: &Up, word: &str) {
        for app in &self.apps {
            let (code, _, err) = up.output("run", &["--app", app, "--", "echo", word]);
            assert_eq!(code, 0, "{err}");
        }
        self.found(word, 2);
    }

    fn found(&self, word: &str, count: u64) {
        wait_until("the lines", || (self.web.count(&format!("{word} stream:stdout")) == count).then_some(()));
        // The same for who names the apps, whose shards are elsewhere by now.
        let [one, two] = &self.apps;
        assert_eq!(self.web.count(&format!("app:in({one}, {two}) {word} stream:stdout")), count, "{word}");
    }
}

#[test]
fn shards_move_and_what_was_stored_before_is_found_where_it_is() {
    let (world, main) = World::start();
    // The agent of the host without a store delivers to the one that there is.
    world.print(&world.front, "before");
    let (code, list, err) = world.store(&["list"]);
    assert_eq!((code, list.as_str()), (0, "main                 answers  256 shards  0-255\n"), "{err}");

    let (code, out, err) = world.store(&["assign", "second", "--half-of", "main"]);
    assert!(code == 3 && out.is_empty(), "{code} {out}");
    assert!(err.starts_with("error[LR15]: no store second answers") && err.contains("hint: "), "{err}");
    let second = world.front.beside(&["--store", "second", "--host", "h2"]);
    // It is the registry that says it, which is not here.
    let (code, _, err) = second.output("store", &["list"]);
    assert!(code == 5 && err.starts_with("error[LR11]: ") && err.contains("--no-registry"), "{code} {err}");
    let assign = |args: &[&str]| {
        // A moment ago it was not there.
        wait_until("the store to be known", || {
            let (code, out, err) = world.store(&[&["assign", "second"], args].concat());
            assert!([0, 3].contains(&code), "{err}");
            (code == 0).then_some((out, err))
        })
    };
    let (out, err) = assign(&["--half-of", "main"]);
    assert_eq!(out, "main                 128 shards\nsecond               128 shards\n");
    assert!(err.starts_with("128 shards given to second: "), "{err}");
    let (code, out, err) = world.store(&["assign", "second", "--shards", "128-200"]);
    assert!(code == 0 && out.is_empty() && err.starts_with("nothing is moved: "), "{out}{err}");
    world.print(&world.front, "between");
    world.found("before", 2);
    // Each store has its own.
    let (code, list, _) = world.store(&["list", "-j"]);
    let rows: Vec<serde_json::Value> =
        list.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    assert!(code == 0 && rows.len() == 2, "{list}");
    for (row, (name, first)) in rows.iter().zip([("main", 0), ("second", 128)]) {
        let is_so = row["name"] == name && row["shards"][0] == first && row["answers"] == true;
        assert!(is_so && row["shards"].as_array().is_some_and(|shards| shards.len() == 128), "{row}");
    }

    let (_, err) = assign(&["--all-of", "main"]);
    assert!(err.contains("note: main has none now") && err.contains("logway store forget main"), "{err}");
    let (_, list, _) = world.store(&["list"]);
    assert!(list.starts_with("main                 answers  no shards now; asked for"), "{list}");
    world.print(&world.front, "after");
    world.print(&main, "elsewhere");
    // A host on a server that was named, as most are.
    world.print(&world.front.beside(&["--no-store", "--host", "h3"]), "hosted");
    world.found("before", 2);
    world.found("between", 2);
    for app in &world.apps {
        assert_eq!(world.web.count(&format!("app:={app} before stream:stdout")), 1, "{app}");
    }
    forgotten(&world, main, &second);
}

fn forgotten(world: &World, main: Up, second: &Up) {
    let (code, _, err) = world.store(&["forget", "second"]);
    assert!(code == 1 && err.starts_with("error[LR16]: the store is not forgotten: 256 shards"), "{err}");
    let (code, _, err) = world.store(&["forget", "third"]);
    assert!(
        code == 3 && err.starts_with("error[LR15]: the store is not forgotten: there is no store"),
        "{err}"
    );
    drop(main);
    let (code, list, _) = world.store(&["list"]);
    assert!(code == 0 && list.starts_with("main                 silent "), "{list}");
    let (code, _, err) = world.store(&["forget", "main"]);
    assert!(code == 0 && err.contains("not asked any more"), "{err}");
    // What it had alone is gone with it, and nothing is missing any more.
    wait_until("a whole answer", || {
        let reply = world.web.query("before stream:stdout");
        (reply.status == 200 && reply.rows().is_empty()).then_some(())
    });
    world.found("between", 1);
    world.found("after", 2);
    assert_eq!(world.web.at(&second.address("http")).count("elsewhere stream:stdout"), 2);
}

#[test]
fn two_stores_of_one_name_are_told_of_each_other() {
    let first = Up::start(&[]);
    let second = first.beside(&["--host", "h2"]);
    second.running().wait_for_stderr("that there is another one", |line| line.starts_with("warning[LR17]: "));
}

#[test]
fn without_a_running_logway_shards_are_moved_only_if_that_is_meant() {
    let mut up = Up::start(&[]);
    up.process().kill();
    let (code, _, err) = up.output("store", &["assign", "second", "--half-of", "main"]);
    assert!(code == 5 && err.starts_with("error[LA17]: ") && err.contains("--absent"), "{err}");
    let (code, out, err) = up.output("store", &["assign", "second", "--half-of", "main", "--absent"]);
    assert!(code == 0 && out.contains("second               128 shards\n"), "{out}{err}");
    let (code, out, _) = up.output("store", &["list"]);
    assert!(code == 0 && out.contains("main                 -        128 shards  0-127\n"), "{out}");
    let (code, _, err) = up.output("store", &["assign", "main", "--half-of", "none", "--absent"]);
    assert!(code == 3 && err.starts_with("error[LR15]: the store none has no shards"), "{err}");
}
