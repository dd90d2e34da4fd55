//! Searches against what a list of rows would give.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use disk::Disk;
use disk::fault::FaultDisk;
use line::{Boot, Level, Name, OrgId, Stream};
use proptest::prelude::*;
use query::{Block, Flow, Limits, Row, Side, parse};

use super::{Ask, Searched, Stored, search};
use crate::flatten::Flattened;
use crate::part::{Options, Part, PartWriter};
use crate::rows::{Head, Kind, Rows, Source};

const MINUTE: i64 = 60_000_000_000;
const NOW: i64 = 100 * MINUTE;

/// A row as it is made up.
#[derive(Debug, Clone)]
struct Made {
    org: usize,
    app: usize,
    instance: usize,
    time: i64,
    level: usize,
    message: String,
}

const ORGS: [&str; 2] = ["k1", "k2"];
const APPS: [&str; 3] = ["web", "web-2", "db"];
const WORDS: [&str; 6] = ["error", "errors", "GET /a", "x=1234567", "user=ann code=500", "Übung 42"];

fn any_row() -> impl Strategy<Value = Made> {
    let message = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..4);
    (0_usize..2, 0_usize..3, 0_usize..2, 0_i64..10, 0_i64..3, 0_usize..4, message).prop_map(
        |(org, app, instance, minute, part, level, words)| Made {
            org,
            app,
            instance,
            time: minute * MINUTE + part * (MINUTE / 3),
            level,
            message: words.join(" "),
        },
    )
}

/// Rows by org and app, each row with its place as pos.
fn gather(made: &[(usize, Made)]) -> Vec<Rows> {
    let mut all: BTreeMap<(usize, usize), Rows> = BTreeMap::new();
    for (pos, row) in made {
        let (org, app) = (OrgId::new(ORGS[row.org]).unwrap(), Name::new("app", APPS[row.app]).unwrap());
        let rows = all.entry((row.org, row.app)).or_insert_with(|| Rows::new(org, app));
        let name = |what, text: String| Name::new(what, &text).unwrap();
        let source = rows.source_ref(&Source {
            region: name("region", "lhr".into()),
            instance: name("instance", format!("i{}", row.instance)),
            host: "h1".into(),
            boot: Boot::from_bits(7),
        });
        let kind = Kind { level: Level::ALL[row.level], stream: Some(Stream::Stdout), ..Kind::PLAIN };
        let head = Head { time: row.time, pos: *pos as u64, seq: *pos as u64 + 1, span: 1, kind };
        let scratch = &mut Flattened::default();
        assert!(rows.push_import(source, &head, row.message.as_bytes(), std::iter::empty(), scratch));
    }
    let mut rows: Vec<Rows> = all.into_values().collect();
    rows.sort_by(|a, b| (a.org(), a.app()).cmp(&(b.org(), b.app())));
    rows
}

fn part(rows: Vec<Rows>, frame_rows: usize) -> Arc<Part> {
    let disk = FaultDisk::new();
    let file = disk.create(Path::new("/p")).unwrap();
    let options = Options { frame_rows, ..Options::HOT };
    let mut writer = PartWriter::new(Arc::clone(&file), options).unwrap();
    for mut rows in rows {
        rows.sort();
        writer.push(&[&rows], i64::MIN, i64::MAX).unwrap();
    }
    writer.finish().unwrap();
    Arc::new(Part::open(file).unwrap())
}

/// What is stored: each row in memory or in one of two parts.
struct World {
    rows: Vec<Arc<Rows>>,
    parts: Vec<Arc<Part>>,
    /// All of them, for the list.
    all: Vec<Rows>,
}

fn world(made: &[(Made, usize)], frame_rows: usize) -> World {
    let numbered: Vec<(usize, Made)> = made.iter().map(|(row, _)| row.clone()).enumerate().collect();
    let of = |place: usize| {
        let some: Vec<_> = numbered
            .iter()
            .zip(made)
            .filter(|(_, (_, at))| *at == place)
            .map(|(row, _)| row.clone())
            .collect();
        gather(&some)
    };
    let parts = [1, 2].into_iter().map(of).filter(|rows| !rows.is_empty());
    World {
        rows: of(0).into_iter().map(Arc::new).collect(),
        parts: parts.map(|rows| part(rows, frame_rows)).collect(),
        all: gather(&numbered),
    }
}

/// One row of a list.
struct Listed<'a>(&'a Rows, usize);

impl Row for Listed<'_> {
    fn time(&self) -> i64 {
        self.0.times()[self.1]
    }

    fn org(&self) -> &str {
        self.0.org().as_str()
    }

    fn value<'a>(&'a self, field: &str, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        scratch.clear();
        self.0.column(field).write(self.1, scratch);
        scratch
    }
}

impl World {
    /// Rows that a filter means: time, pos, app, level.
    fn listed(&self, org: usize, filter: &str) -> Vec<(i64, u64, String, &'static str)> {
        let predicate = parse(filter, NOW).unwrap().predicate().unwrap();
        let mut found = Vec::new();
        for rows in self.all.iter().filter(|rows| rows.org().as_str() == ORGS[org]) {
            for row in 0..rows.len() {
                if predicate.matches(&Listed(rows, row)) {
                    let head = rows.head(row);
                    found.push((head.time, head.pos, rows.app().to_string(), head.kind.level.as_str()));
                }
            }
        }
        found.sort();
        found
    }

    fn ask(
        &self,
        org: usize,
        query: &str,
        threads: usize,
        change: impl FnOnce(&mut Ask<'_>),
    ) -> (Vec<Block>, Searched) {
        let query = parse(query, NOW).unwrap();
        let org = OrgId::new(ORGS[org]).unwrap();
        let mut ask = Ask {
            org: &org,
            query: &query,
            side: Side::Whole,
            from: i64::MIN,
            pos: 0..u64::MAX,
            limits: Limits::default(),
            share: &query::Share::default(),
            threads,
        };
        change(&mut ask);
        let blocks = Mutex::new(Vec::new());
        let out = |block: Block| {
            blocks.lock().unwrap().push(block);
            Flow::More
        };
        let stored = Stored { rows: &self.rows, parts: &self.parts };
        let searched = search(stored, &ask, &|| false, &out).unwrap();
        (blocks.into_inner().unwrap(), searched)
    }

    /// Positions that a query gives, in the order in which they come.
    fn positions(&self, org: usize, query: &str, threads: usize) -> Vec<u64> {
        let (blocks, searched) = self.ask(org, query, threads, |_| {});
        assert_eq!(searched.partial, None);
        column(&blocks, "pos").iter().map(|pos| pos.parse().unwrap()).collect()
    }
}

fn column(blocks: &[Block], field: &str) -> Vec<String> {
    let text =
        |block: &Block, row| String::from_utf8(block.value(field, row, &mut Vec::new()).to_vec()).unwrap();
    blocks.iter().flat_map(|block| (0..block.rows()).map(move |row| text(block, row))).collect()
}

fn any_filter() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "error",
            "errors",
            "err*",
            "\"GET /a\"",
            "~\"e.*r\"",
            "i(ERROR)",
            "1234567",
            "42",
            "Übung",
            "user:ann",
            "user:*",
            "code:>400",
            "user:\"\"",
            "app:web",
            "app:=web",
            "fly.app.name:db",
            "{app=\"web\"}",
            "{instance=\"i1\"}",
            "level:error",
            "level:in(info,warn)",
            "_time:<95m",
            "_time:>93m",
            "*",
            "seq:>3",
            "_stream:{app=~\"w.*\"}",
            "x:1234567",
            "code:500",
            "_msg:=\"\"",
            "boot:0000000000000007",
            "nothing",
            "_time:[1970-01-01T00:02:00Z, 1970-01-01T00:07:20Z)",
        ][..],
    );
    leaf.prop_map(str::to_owned).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn as_a_list_would_answer(
        made in prop::collection::vec((any_row(), 0_usize..3), 0..40),
        (frame_rows, threads) in (1_usize..6, 1_usize..3),
        (org, filter, most) in (0_usize..2, any_filter(), 0_usize..8),
    ) {
        let world = world(&made, frame_rows);
        let listed = world.listed(org, &filter);
        // All that match, once.
        let mut found = world.positions(org, &format!("{filter} | fields pos"), threads);
        found.sort_unstable();
        let mut wanted: Vec<u64> = listed.iter().map(|row| row.1).collect();
        wanted.sort_unstable();
        prop_assert_eq!(&found, &wanted, "{}", filter);
        // The newest, by time and then by pos.
        if most > 0 {
            let found = world.positions(org, &format!("{filter} | sort by (_time desc, seq desc) limit {most} | fields pos"), threads);
            let wanted: Vec<u64> = listed.iter().rev().take(most).map(|row| row.1).collect();
            prop_assert_eq!(&found, &wanted, "{}", filter);
        }
        // Counted, also where counts answer it.
        let (blocks, _) = world.ask(org, &format!("{filter} | stats by (app, level) count() n"), threads, |_| {});
        let mut counted: BTreeMap<(String, String), String> = BTreeMap::new();
        for ((app, level), n) in column(&blocks, "app").into_iter().zip(column(&blocks, "level")).zip(column(&blocks, "n")) {
            counted.insert((app, level), n);
        }
        let mut wanted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (_, _, app, level) in &listed {
            *wanted.entry((app.clone(), (*level).to_owned())).or_default() += 1;
        }
        let wanted: BTreeMap<_, _> = wanted.into_iter().map(|(key, n)| (key, n.to_string())).collect();
        prop_assert_eq!(counted, wanted, "{}", filter);
        // By minute.
        let (blocks, _) = world.ask(org, &format!("{filter} | stats by (_time:2m) count() n | sort by (_time)"), threads, |_| {});
        let mut wanted: BTreeMap<i64, u64> = BTreeMap::new();
        for (time, ..) in &listed {
            *wanted.entry(time.div_euclid(2 * MINUTE)).or_default() += 1;
        }
        let wanted: Vec<String> = wanted.values().map(u64::to_string).collect();
        prop_assert_eq!(column(&blocks, "n"), wanted, "{}", filter);
    }

    #[test]
    fn a_cursor_sees_what_came_behind_it(
        made in prop::collection::vec((any_row(), 0_usize..3), 0..40),
        (org, pos_from, pos_to, from) in (0_usize..2, 0_u64..40, 0_u64..60, 0_i64..600),
    ) {
        let world = world(&made, 3);
        let from = from * (MINUTE / 60);
        let (blocks, _) = world.ask(org, "* | fields pos", 2, |ask| (ask.pos, ask.from) = (pos_from..pos_to, from));
        let mut found = column(&blocks, "pos");
        found.sort();
        let mut wanted: Vec<String> = world.listed(org, "*").iter()
            .filter(|row| (pos_from..pos_to).contains(&row.1) && row.0 >= from).map(|row| row.1.to_string()).collect();
        wanted.sort();
        prop_assert_eq!(found, wanted);
        let (blocks, _) = world.ask(org, "* | stats count() n", 2, |ask| (ask.pos, ask.from) = (pos_from..pos_to, from));
        let wanted = world.listed(org, "*").iter().filter(|row| (pos_from..pos_to).contains(&row.1) && row.0 >= from).count();
        prop_assert_eq!(column(&blocks, "n"), [wanted.to_string()]);
    }
}

fn many(rows: usize) -> World {
    let row = |at: usize| Made {
        org: 0,
        app: at % 2,
        instance: 0,
        time: at as i64 * 1000,
        level: 1,
        message: if at == 777 { "needle 99999999".into() } else { format!("line {at}") },
    };
    world(&(0..rows).map(|at| (row(at), 1)).collect::<Vec<_>>(), 50)
}

#[test]
fn skip_data_leaves_most_alone() {
    let world = many(5000);
    for (query, most_rows) in [
        ("needle", 50),
        ("99999999", 50),
        ("app:=web needle", 0),
        ("* | sort by (_time) desc limit 10", 200),
        ("app:=web | sort by (_time) desc limit 10", 100),
        ("* | stats by (app, level) count()", 0),
        ("{app=\"db\"}", 0),
        ("level:error", 0),
        ("_time:<1970-01-01T00:00:00.0001Z", 150),
    ] {
        let (_, searched) = world.ask(0, query, 1, |_| {});
        assert!(searched.rows <= most_rows, "{query} looked at {} rows", searched.rows);
    }
    let (_, searched) = world.ask(1, "*", 1, |_| {});
    assert_eq!((searched.rows, searched.frames), (0, 0), "another org's rows are not even opened");
}

#[test]
fn a_search_that_is_ended_says_so() {
    let world = many(5000);
    let query = parse("*", NOW).unwrap();
    let org = OrgId::new(ORGS[0]).unwrap();
    let ask = Ask {
        org: &org,
        query: &query,
        side: Side::Whole,
        from: i64::MIN,
        pos: 0..u64::MAX,
        limits: Limits::default(),
        share: &query::Share::default(),
        threads: 2,
    };
    let stored = Stored { rows: &world.rows, parts: &world.parts };
    let searched = search(stored, &ask, &|| true, &|_| Flow::More).unwrap();
    assert_eq!(searched.partial, Some(super::Partial::Ended));
    // Who wants no more gets no more, and nothing is missing for that.
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let enough = |_| {
        seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Flow::Done
    };
    let searched = search(stored, &ask, &|| false, &enough).unwrap();
    assert!(searched.partial.is_none() && seen.into_inner() <= 2);
}

#[test]
fn a_stretch_of_the_commit_order_has_positions() {
    let world = many(300);
    for (pos, wanted) in
        [(0..u64::MAX, vec![String::new(); 2]), (100..u64::MAX, vec!["100".into(), "101".into()])]
    {
        let (blocks, _) = world.ask(0, "* | sort by (pos) limit 2", 2, |ask| ask.pos = pos.clone());
        assert_eq!(column(&blocks, "pos"), wanted, "{pos:?}");
    }
}

#[test]
fn parts_of_an_answer_join() {
    let world = many(300);
    let text = "* | stats by (app) count() n, count_uniq(_msg) u | sort by (app)";
    let (_, searched) = world.ask(0, text, 2, |ask| ask.side = Side::Part);
    let query = parse(text, NOW).unwrap();
    let pipeline = query::Pipeline::new(&query, Limits::default(), Side::Rest).unwrap();
    let mut worker = pipeline.worker();
    worker.import(&searched.state).unwrap();
    worker.import(&searched.state).unwrap();
    let mut blocks = Vec::new();
    let out = &mut |block| {
        blocks.push(block);
        Flow::More
    };
    pipeline.finish(vec![worker], out).unwrap();
    assert_eq!((column(&blocks, "n"), column(&blocks, "u")), (vec!["300".into(); 2], vec!["150".into(); 2]));
}

#[test]
fn damaged_counts_are_made_good_by_rows_and_only_once() {
    let row =
        |at: i64| Made { org: 0, app: 0, instance: 0, time: at * MINUTE / 4, level: 1, message: "x".into() };
    let made: Vec<(usize, Made)> = (0..40).map(|at| (at, row(at as i64))).collect();
    let disk = FaultDisk::new();
    let file = disk.create(Path::new("/p")).unwrap();
    let mut writer = PartWriter::new(Arc::clone(&file), Options { frame_rows: 7, ..Options::HOT }).unwrap();
    for rows in gather(&made) {
        writer.push(&[&rows], i64::MIN, i64::MAX).unwrap();
    }
    writer.finish().unwrap();
    let last = Part::open(Arc::clone(&file)).unwrap().frames().last().cloned().unwrap();
    file.write_at(last.at + last.len + 20, &[0xff; 4]).unwrap();
    let part = Arc::new(Part::open(file).unwrap());
    assert!(part.counts(0).is_err());
    let world = World { rows: Vec::new(), parts: vec![part], all: gather(&made) };
    // From within a minute to within another.
    for query in ["_time:[30, 450)", "_time:[75, 76)", "*"] {
        let wanted = world.listed(0, query).len().to_string();
        let (blocks, _) = world.ask(0, &format!("{query} | stats count() n"), 2, |_| {});
        assert_eq!(column(&blocks, "n"), [wanted], "{query}");
    }
}
