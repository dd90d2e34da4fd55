use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use disk::fault::FaultDisk;
use disk::{Disk, File};
use line::{Boot, Level, LevelSource, Name, OrgId, Provider, Stream as From};
use proptest::prelude::*;
use query::token::tokens;

use super::*;
use crate::rows::{Head, Kind, Rows, Source};

/// Small frames, so that few rows make many.
pub(super) const SMALL: Options = Options { level: 1, frame_text_bytes: 400, frame_rows: 16, split: true };

fn file() -> Arc<dyn File> {
    FaultDisk::new().create(Path::new("/part")).unwrap()
}

/// One row, with all that it has, as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    org: String,
    app: String,
    time: i64,
    pos: u64,
    instance: String,
    boot: u64,
    seq: u64,
    span: u64,
    kind: u16,
    message: Vec<u8>,
    fields: BTreeMap<String, Vec<u8>>,
}

fn any_row() -> impl Strategy<Value = Row> {
    let text = prop_oneof![
        4 => "[a-c]{1,3}( [a-z0-9]{1,9}){0,5}",
        1 => "(\u{e9}|\n|\u{0}|x){0,4}",
    ];
    let names = ("[ab]", "[xyz]", "[ij]{1,2}");
    let time = prop_oneof![Just(0i64), -5_000_000_000..100_000_000_000i64, any::<i64>()];
    let seq = prop_oneof![1u64..50, any::<u64>()];
    let span = prop_oneof![5 => Just(1u64), 1 => any::<u64>()];
    let fields = proptest::collection::btree_map("f[a-d]", "[a-z]{1,6}".prop_map(String::into_bytes), 0..3);
    let kind = (0u16..4, 0u16..4).prop_map(|(level, source)| level | source << 7);
    (names, time, any::<u32>(), 0u64..3, seq, span, kind, text, fields).prop_map(
        |((org, app, instance), time, pos, boot, seq, span, kind, message, fields)| Row {
            org,
            app,
            time,
            pos: u64::from(pos),
            instance,
            boot,
            seq,
            span,
            kind,
            message: message.into_bytes(),
            fields,
        },
    )
}

fn rows_of<'a>(rows: impl Iterator<Item = &'a Row>) -> BTreeMap<(OrgId, Name), Rows> {
    let mut apps = BTreeMap::new();
    for row in rows {
        let key = (OrgId::new(&row.org).unwrap(), Name::new("app", &row.app).unwrap());
        let rows: &mut Rows =
            apps.entry(key.clone()).or_insert_with(|| Rows::new(key.0.clone(), key.1.clone()));
        let source = rows.source_ref(&Source {
            region: Name::new("region", "ams").unwrap(),
            instance: Name::new("instance", &row.instance).unwrap(),
            host: "h".into(),
            boot: Boot::from_bits(row.boot),
        });
        let kind = Kind::from_bits(row.kind);
        let head = Head { time: row.time, pos: row.pos, seq: row.seq, span: row.span, kind };
        assert!(rows.push(source, &head, &row.message));
        row.fields.iter().for_each(|(name, value)| rows.add_field(name, value));
    }
    apps
}

fn write(rows: &[Row], options: Options) -> Arc<dyn File> {
    let file = file();
    let mut writer = PartWriter::new(file.clone(), options).unwrap();
    for rows in rows_of(rows.iter()).values() {
        writer.push(&[rows], i64::MIN, i64::MAX).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert_eq!((summary.file_bytes, summary.rows), (file.len().unwrap(), rows.len() as u64));
    file
}

fn listed(rows: &Rows) -> Vec<Row> {
    (0..rows.len())
        .map(|row| {
            let (head, source) = (rows.head(row), &rows.sources()[rows.source_refs()[row] as usize]);
            let fields = rows.fields().iter().filter(|field| !field.get(row).is_empty());
            Row {
                org: rows.org().as_str().to_owned(),
                app: rows.app().to_string(),
                time: head.time,
                pos: head.pos,
                instance: source.instance.to_string(),
                boot: source.boot.bits(),
                seq: head.seq,
                span: head.span,
                kind: rows.kind_bits()[row],
                message: rows.messages().get(row).to_vec(),
                fields: fields.map(|field| (field.name().to_owned(), field.get(row).to_vec())).collect(),
            }
        })
        .collect()
}

fn all(part: &Part) -> Vec<Row> {
    let frames = 0..part.frames().len();
    let mut rows: Vec<_> =
        frames.flat_map(|index| listed(&part.frame(index).unwrap().decode().unwrap())).collect();
    rows.sort();
    rows
}

fn sorted(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows
}

/// The rows of all frames, whatever is damaged left out.
fn readable(part: &Part) -> Vec<Row> {
    let frames = (0..part.frames().len()).filter_map(|index| part.frame(index).ok()?.decode().ok());
    frames.flat_map(|rows| listed(&rows)).collect()
}

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(any_row(), 1..120)
}

/// A row with as many fields as one may have, of one of three kinds.
fn wide(number: usize) -> Row {
    let kind = number % 3;
    let name = |at: usize| format!("kind{kind}.{}.{at}", "n".repeat(110));
    let fields = (0..crate::flatten::MAX_FIELDS).map(|at| (name(at), format!("{number}-{at}").into_bytes()));
    Row {
        org: "a".into(),
        app: "wide".into(),
        time: number as i64,
        pos: number as u64,
        instance: "i".into(),
        boot: 1,
        seq: 1 + number as u64,
        span: 1,
        kind: 0,
        message: Vec::new(),
        fields: fields.collect(),
    }
}

#[test]
fn rows_with_as_many_fields_as_there_may_be_come_back() {
    let rows: Vec<Row> = (0..30).map(wide).collect();
    let part = Part::open(write(&rows, Options::HOT)).unwrap();
    assert!(part.check().is_empty());
    assert_eq!(all(&part), sorted(&rows));
    // Of one kind, a frame takes as many as of any other rows.
    let alike: Vec<Row> = (0..30).map(|number| wide(3 * number)).collect();
    let bytes: usize = alike.iter().flat_map(|row| row.fields.values()).map(Vec::len).sum();
    let part = Part::open(write(&alike, Options::HOT)).unwrap();
    assert_eq!(part.frames().len(), bytes.div_ceil(Options::HOT.frame_text_bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_rows_come_back(rows in some_rows()) {
        let part = Part::open(write(&rows, SMALL)).unwrap();
        prop_assert_eq!(all(&part), sorted(&rows));
        prop_assert!(part.check().is_empty());
        prop_assert_eq!(part.summary().sizes.iter().sum::<u64>(), part.summary().file_bytes);
    }

    #[test]
    fn columns_say_the_same_as_rows(rows in some_rows()) {
        let part = Part::open(write(&rows, SMALL)).unwrap();
        for index in 0..part.frames().len() {
            let frame = part.frame(index).unwrap();
            let rows = frame.decode().unwrap();
            for field in crate::rows::PLATFORM_FIELDS.into_iter().chain(["fa", "fb", "none"]) {
                let (ours, theirs) = (frame.column(field).unwrap(), rows.column(field));
                for row in 0..frame.rows() {
                    let (one, two) = (&mut Vec::new(), &mut Vec::new());
                    prop_assert_eq!(ours.value(row, one), theirs.value(row, two), "{} {}", field, row);
                }
            }
        }
    }

    #[test]
    fn a_merge_holds_the_rows_of_all(sets in proptest::collection::vec(some_rows(), 1..4), coarse: bool, cut in any::<Option<i32>>(), low in 0..40u64) {
        let files: Vec<_> = sets.iter().map(|rows| Part::open(write(rows, SMALL)).unwrap()).collect();
        let parts: Vec<_> = files.iter().collect();
        let options = if coarse { Options { level: 2, frame_text_bytes: 2000, frame_rows: 50, split: false } } else { SMALL };
        let (out, cut) = (file(), cut.map_or(i64::MIN, i64::from));
        let nothing = Floor { time: i64::MAX, ..Floor::NONE };
        // Nothing of app x, and of the others what is neither too old nor deleted.
        let keep = |_: &OrgId, app: &Name| if app.as_str() == "x" { nothing } else { Floor { time: cut, pos: low } };
        let merged = merge(&parts, &keep, options, out.clone(), &|| true).unwrap();
        let wanted: Vec<_> = sets.concat().into_iter().filter(|row| row.app != "x" && row.time >= cut && row.pos >= low).collect();
        prop_assert_eq!(merged.map_or(0, |summary| summary.rows), wanted.len() as u64);
        if merged.is_some() {
            let part = Part::open(out).unwrap();
            prop_assert_eq!(all(&part), sorted(&wanted));
            prop_assert!(part.check().is_empty());
            for word in ["a", "b", "ca"] {
                check_token(&part, "_msg", word.as_bytes());
            }
        }
    }

    #[test]
    fn no_frame_that_matches_is_left_out(rows in some_rows(), at: prop::sample::Index, from: i32, len in 0i64..1 << 40, levels in 0u8..16) {
        let part = Part::open(write(&rows, SMALL)).unwrap();
        let row = at.get(&rows);
        for token in tokens(&row.message) {
            check_token(&part, "_msg", token);
        }
        for (name, value) in &row.fields {
            tokens(value).for_each(|token| check_token(&part, name, token));
        }
        let (from, to) = (i64::from(from), i64::from(from) + len);
        let mask = part.source_mask(&vec![true; part.apps().len()], |org, app, source| {
            org.as_str() == row.org && app.as_str() == row.app && source.instance.as_str() == row.instance
        });
        let lookup = Lookup { sources: Some(mask), from, to, pos_above: Some(row.pos / 2), pos_below: Some(row.pos + 3), levels, ..Lookup::default() };
        let found = part.candidates(&lookup).unwrap();
        for index in 0..part.frames().len() {
            let wanted = listed(&part.frame(index).unwrap().decode().unwrap()).iter().any(|other| {
                other.org == row.org && other.app == row.app && other.instance == row.instance
                    && (from..=to).contains(&other.time) && other.pos > row.pos / 2 && other.pos < row.pos + 3 && levels >> (other.kind & 3) & 1 != 0
            });
            prop_assert!(!wanted || found.contains(&u32::try_from(index).unwrap()));
        }
    }

    #[test]
    fn counts_add_up(rows in some_rows()) {
        let part = Part::open(write(&rows, SMALL)).unwrap();
        let mut wanted = BTreeMap::new();
        for row in &rows {
            let minute = row.time.div_euclid(60_000_000_000);
            *wanted.entry((row.org.clone(), row.app.clone(), row.instance.clone(), minute, row.kind & 3)).or_insert(0) += 1u64;
        }
        let mut found = BTreeMap::new();
        for (number, (org, app)) in part.apps().enumerate() {
            for count in part.counts(number).unwrap() {
                let stream = &part.streams()[count.stream as usize];
                prop_assert_eq!(stream.app as usize, number);
                let minute = count.minute.div_euclid(60_000_000_000);
                let key = (org.to_string(), app.to_string(), stream.instance.to_string(), minute, u16::from(count.level));
                *found.entry(key).or_insert(0) += count.rows;
            }
        }
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_flipped_bit_is_noticed_and_costs_no_more_than_its_frame(rows in some_rows(), at: prop::sample::Index, bit in 0u8..8) {
        let file = write(&rows, SMALL);
        let whole = sorted(&readable(&Part::open(file.clone()).unwrap()));
        let at = at.index(usize::try_from(file.len().unwrap()).unwrap()) as u64;
        let mut byte = [0];
        file.read_at(at, &mut byte).unwrap();
        file.write_at(at, &[byte[0] ^ 1 << bit]).unwrap();
        let Ok(part) = Part::open(file) else { return Ok(()) };
        let damaged = part.frames().iter().filter(|frame| (frame.at..frame.at + frame.len).contains(&at)).count();
        prop_assert_eq!(part.check().len(), 1, "at {}", at);
        let left = readable(&part);
        prop_assert!(left.iter().all(|row| whole.binary_search(row).is_ok()), "a wrong row");
        let lost = damaged * SMALL.frame_rows;
        prop_assert!(left.len() + lost >= whole.len());
    }

    #[test]
    fn a_cut_or_overwritten_file_is_no_part_or_harmless(rows in some_rows(), at: prop::sample::Index, junk: Vec<u8>, cut: bool) {
        let file = write(&rows, SMALL);
        let at = at.index(usize::try_from(file.len().unwrap()).unwrap()) as u64;
        if cut { file.set_len(at).unwrap() } else { file.write_at(at, &junk).unwrap() }
        if let Ok(part) = Part::open(file) {
            let _found = part.check();
            let _rows = readable(&part);
        }
    }
}

/// That no frame with `token` in `field` is left out when it is asked for.
fn check_token(part: &Part, field: &str, token: &[u8]) {
    let needs = tokens::hash(field, token).map(|hash| vec![vec![hash]]).into_iter().collect();
    let found = part.candidates(&Lookup { needs, ..Lookup::default() }).unwrap();
    for index in 0..part.frames().len() {
        let frame = part.frame(index).unwrap();
        let column = frame.column(field).unwrap();
        let scratch = &mut Vec::new();
        let has =
            (0..frame.rows()).any(|row| query::token::tokens(column.value(row, scratch)).any(|t| t == token));
        assert!(!has || found.contains(&u32::try_from(index).unwrap()), "frame {index}");
    }
}

fn row(app: &str, time: i64, message: &str) -> Row {
    Row {
        org: "acme".into(),
        app: app.into(),
        time,
        pos: time.unsigned_abs(),
        instance: "i".into(),
        boot: 1,
        seq: time.unsigned_abs(),
        span: 1,
        kind: Kind::PLAIN.bits(),
        message: message.into(),
        fields: BTreeMap::new(),
    }
}

#[test]
fn a_rare_word_leads_to_few_frames() {
    let rows: Vec<_> =
        (0..4000).map(|i| row("web", i, &format!("request {:016x} took long", i * 0x9e37_79b9))).collect();
    let part = Part::open(write(&rows, SMALL)).unwrap();
    assert!(part.frames().len() > 200);
    let ask = |words: &[&str]| {
        let set = words.iter().filter_map(|word| tokens::hash("_msg", word.as_bytes())).collect();
        part.candidates(&Lookup { needs: vec![vec![set]], ..Lookup::default() }).unwrap().len()
    };
    assert_eq!(ask(&["request"]), part.frames().len());
    assert!(ask(&[&format!("{:016x}", 1234 * 0x9e37_79b9u64)]) < part.frames().len() / 10);
    assert!(ask(&["nothing", "like", "this"]) == 0);
    assert_eq!(tokens::hash("_msg", b"123456"), None);
    assert_ne!(tokens::hash("_msg", b"a"), tokens::hash("user", b"a"));
}

#[test]
fn full_frames_are_copied_and_small_ones_joined() {
    let part = |from: i64, count: i64| {
        let rows: Vec<_> =
            (from..from + count).map(|i| row("web", i, &format!("line {i} of some length"))).collect();
        Part::open(write(&rows, SMALL)).unwrap()
    };
    let (long, one, two) = (part(0, 64), part(1000, 3), part(1003, 4));
    let out = file();
    merge(&[&long, &two, &one], &|_, _| Floor::NONE, SMALL, out.clone(), &|| true).unwrap();
    let merged = Part::open(out.clone()).unwrap();
    let raw = |part: &Part, file: &Arc<dyn File>, index: usize| {
        let info = &part.frames()[index];
        let mut bytes = vec![0; usize::try_from(info.len).unwrap()];
        file.read_at(info.at, &mut bytes).unwrap();
        bytes
    };
    assert_eq!(merged.frames().len(), long.frames().len() + 1);
    let long_file = write(
        &(0..64).map(|i| row("web", i, &format!("line {i} of some length"))).collect::<Vec<_>>(),
        SMALL,
    );
    for index in 0..long.frames().len() {
        assert_eq!(raw(&merged, &out, index), raw(&long, &long_file, index));
    }
    assert_eq!(merged.frames().last().unwrap().rows, 7);
    assert_eq!(all(&merged).len(), 71);
}

#[test]
fn order_is_asked_for() {
    let apps = rows_of([row("web", 1, "x"), row("api", 2, "y")].iter());
    let mut writer = PartWriter::new(file(), SMALL).unwrap();
    let (api, web) = (apps.values().next().unwrap(), apps.values().next_back().unwrap());
    writer.push(&[web], i64::MIN, i64::MAX).unwrap();
    assert!(matches!(writer.push(&[api], i64::MIN, i64::MAX), Err(Error::Order)));
    assert!(matches!(PartWriter::new(file(), SMALL).unwrap().finish(), Err(Error::Order)));
}

#[test]
fn rows_outside_of_the_times_are_left_to_others() {
    let rows = rows_of((0..10).map(|i| row("web", i, "x")).collect::<Vec<_>>().iter());
    let (file, rows) = (file(), rows.values().next().unwrap());
    let mut writer = PartWriter::new(file.clone(), SMALL).unwrap();
    writer.push(&[rows, rows], 3, 6).unwrap();
    assert_eq!(writer.finish().unwrap().time, (3, 5));
    assert_eq!(Part::open(file).unwrap().summary().rows, 6);
}

#[test]
fn a_merge_can_be_called_off_and_says_whose_part_is_damaged() {
    let rows: Vec<_> = (0..40).map(|i| row("web", i, "some text")).collect();
    let (good, bad) = (write(&rows, SMALL), write(&rows, SMALL));
    let at = Part::open(bad.clone()).unwrap().frames()[0].at;
    bad.write_at(at + 20, &[0xff; 4]).unwrap();
    let (good, bad) = (Part::open(good).unwrap(), Part::open(bad).unwrap());
    let keep = |_: &OrgId, _: &Name| Floor::NONE;
    assert!(matches!(merge(&[&good], &keep, SMALL, file(), &|| false), Err(MergeError::Cancelled)));
    assert!(matches!(
        merge(&[&good, &bad], &keep, SMALL, file(), &|| true),
        Err(MergeError::Read { part: 1, .. })
    ));
}

#[test]
fn kinds_are_told_apart() {
    let kind = Kind {
        level: Level::Error,
        stream: Some(From::Stderr),
        provider: Provider::App,
        level_source: LevelSource::Json,
        ..Kind::PLAIN
    };
    let rows = [Row { kind: kind.bits(), ..row("web", 1, "x") }, row("web", 2, "y")];
    let part = Part::open(write(&rows, SMALL)).unwrap();
    assert_eq!(part.frames()[0].levels, 0b1010);
    let frame = part.frame(0).unwrap();
    let value = |field: &str, row| {
        String::from_utf8(frame.column(field).unwrap().value(row, &mut Vec::new()).to_vec()).unwrap()
    };
    assert_eq!((value("level", 0), value("level", 1)), ("error".into(), "info".into()));
    assert_eq!(
        (value("stream", 0), value("logway.level_source", 0), value("logway.level_source", 1)),
        ("stderr".into(), "json".into(), String::new())
    );
    assert_eq!(value("_stream", 0), "{app=\"web\",instance=\"i\",region=\"ams\"}");
    assert_eq!(value("_stream_id", 0).len(), 48);
}
