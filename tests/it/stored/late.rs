//! Lines that wait in a spool because their store is away, and come long after others: whoever reads on from a position that it
//! noted before they came sees each of them, once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bus::roles::Role;
use disk::RealDisk;
use line::OrgId;
use logway_tests::{Up, wait_until};
use query::{Block, Flow, Limits, Side};
use store::stage::{Question, Shards, Store};
use store::{Config, Engine, SystemClock};
use tokio::sync::{oneshot, watch};

/// Lines of each app.
const LINES: usize = 500;

/// Who reads all lines of an org by position, as a shipper would.
struct Cursor<'a> {
    store: &'a Store,
    org: OrgId,
    /// All below it was seen.
    pos: u64,
    seen: BTreeMap<String, u32>,
}

impl Cursor<'_> {
    /// Reads what has come since it last did.
    fn read(&mut self) {
        let to = self.store.engine().stats().pos;
        let text = format!("stream:stdout pos:<{to} | fields _msg");
        let query = query::parse(&text, 0).expect("a good query");
        let question = Question {
            org: &self.org,
            query: &query,
            side: Side::Whole,
            pos: self.pos..u64::MAX,
            limits: Limits::default(),
            threads: 2,
        };
        let seen = Mutex::new(&mut self.seen);
        let note = |block: Block| {
            let mut seen = seen.lock().expect("no test panics with this lock");
            for row in 0..block.rows() {
                let mut scratch = Vec::new();
                let message = String::from_utf8_lossy(block.value("_msg", row, &mut scratch)).into_owned();
                *seen.entry(message).or_default() += 1;
            }
            Flow::More
        };
        let searched = self.store.search(&question, &|| false, &note).expect("it can be searched");
        assert_eq!(searched.partial, None);
        self.pos = to;
    }

    fn has_seen(&self, app: &str) -> usize {
        let prefix = format!("{app} ");
        self.seen.iter().filter(|(message, times)| message.starts_with(&prefix) && **times == 1).count()
    }
}

fn print(up: &Up, app: &str) {
    let script = format!("i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo {app} $i; done");
    let args = ["--app", app, "--policy", "block", "--", "sh", "-c", &script];
    let (code, _, err) = up.output("run", &args);
    assert_eq!(code, 0, "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_that_is_delivered_late_is_seen_once_by_a_cursor_from_before() {
    // Its own store has no shard, so that lines wait for whoever has.
    let up = Up::start(&["--store", "elsewhere"]);
    let org = OrgId::new(&up.org()).expect("an id");
    let shard = |app: &str| line::shard::of(&org, &line::Name::new("app", app).expect("a name"));
    assert_ne!(shard("late"), shard("soon"));
    tokio::task::block_in_place(|| print(&up, "late"));

    let dir = logway_tests::short_dir();
    let clock = Arc::new(SystemClock::new());
    let (engine, _) =
        Engine::open(Arc::new(RealDisk), dir.path(), Config::default(), clock).expect("opening a store");
    let store = Store::start(Arc::new(engine), up.login(Role::Store));
    let (own, owned) = watch::channel(Shards::from([shard("soon")]));
    let (stop, stopped) = oneshot::channel::<()>();
    let stage = tokio::spawn(store::stage::run(
        store::stage::Config::new(store.clone(), "main".to_owned(), owned),
        async {
            let _ = stopped.await;
        },
    ));
    let mut cursor = Cursor { store: &store, org: org.clone(), pos: 0, seen: BTreeMap::new() };
    tokio::task::block_in_place(|| {
        print(&up, "soon");
        wait_until("the lines whose store is there", || {
            cursor.read();
            (cursor.has_seen("soon") == LINES).then_some(())
        });
        assert_eq!(cursor.has_seen("late"), 0);
        store.engine().flush_now().expect("flushing");

        // The cursor stands behind lines that are younger than those that come now.
        own.send_replace((0..=255).collect());
        wait_until("the lines that were late", || {
            cursor.read();
            (cursor.has_seen("late") == LINES).then_some(())
        });
        cursor.read();
    });
    assert!(cursor.seen.values().all(|times| *times == 1), "{:?}", cursor.seen);
    assert_eq!(cursor.seen.len(), 2 * LINES);
    // One that starts at the beginning sees the same.
    let mut all = Cursor { store: &store, org, pos: 0, seen: BTreeMap::new() };
    tokio::task::block_in_place(|| all.read());
    assert_eq!(all.seen, cursor.seen);
    drop(stop);
    stage.await.expect("no panic").expect("the store ends well");
}
