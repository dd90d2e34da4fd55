use super::*;
use line::{Clock, Event, Gap, GapReason, Hop, LevelSource, Text as LineText};
use std::borrow::Cow;

fn rows() -> Rows {
    Rows::new(OrgId::new("acme").unwrap(), Name::new("app", "web").unwrap())
}

fn source(instance: &str, boot: u64) -> Source {
    Source {
        region: Name::new("region", "ams").unwrap(),
        instance: Name::new("instance", instance).unwrap(),
        host: "h1".into(),
        boot: Boot::from_bits(boot),
    }
}

fn entry(body: Body<'_>) -> Entry<'_> {
    Entry {
        time: 5,
        seq: 7,
        span: 1,
        stream: Stream::Stderr,
        level: Level::Warn,
        level_source: LevelSource::Json,
        clock: Clock::Guest,
        body,
    }
}

fn listed(rows: &Rows, row: usize) -> Vec<String> {
    let fields = rows.fields().iter().filter(|field| !field.get(row).is_empty());
    fields.map(|field| format!("{}={}", field.name(), String::from_utf8_lossy(field.get(row)))).collect()
}

#[test]
fn entries_become_rows_with_fields() {
    let (mut rows, mut scratch) = (rows(), Flattened::new());
    let from = rows.source_ref(&source("i1", 1));
    let json: Cow<'_, [u8]> = Cow::Borrowed(b"{\"user\":\"a\",\"seq\":1}");
    assert!(rows.push_entry(from, 1, &entry(Body::Line(LineText::whole(json.clone()))), &mut scratch));
    let part = LineText { bytes: json, part: 2, more: true, open: false, truncated_bytes: 9 };
    assert!(rows.push_entry(from, 2, &entry(Body::Line(part)), &mut scratch));
    let event =
        Event::new("exited", Level::Warn, "gone").int("code", 3).text("code_name", "LI01").flag("oom", false);
    assert!(rows.push_entry(from, 3, &entry(Body::Event(event)), &mut scratch));
    let gap =
        Entry { span: 4, ..entry(Body::Gap(Gap { reason: GapReason::RingFull, hop: Hop::Init, bytes: 8 })) };
    assert!(rows.push_entry(from, 4, &gap, &mut scratch));

    assert_eq!(listed(&rows, 0), ["user=a", "app.seq=1"]);
    assert_eq!(listed(&rows, 1), ["logway.part=2", "logway.truncated_bytes=9"]);
    assert_eq!(
        listed(&rows, 2),
        [
            "logway.event.kind=exited",
            "code=LI01",
            "logway.event.code=3",
            "logway.event.code_name=LI01",
            "logway.event.oom=false"
        ]
    );
    assert_eq!(listed(&rows, 3), ["code=LI04", "gap.reason=ring_full", "gap.hop=init", "gap.bytes=8"]);
    assert_eq!((rows.span(0), rows.span(3), rows.head(3).kind.provider), (1, 4, Provider::Runner));
    assert!(rows.messages().get(3).starts_with(b"4 lines lost: "));
    assert!(rows.head(1).kind.more);
}

#[test]
fn codes_in_lines_become_a_field() {
    let (mut rows, mut scratch) = (rows(), Flattened::new());
    let from = rows.source_ref(&source("i1", 1));
    let line = |text: &'static str| entry(Body::Line(LineText::whole(text.as_bytes())));
    assert!(rows.push_entry(from, 1, &line("[PC01] instance refused connection"), &mut scratch));
    assert!(rows.push_entry(from, 2, &line(r#"{"error":{"code":"PR01"},"code":"x"}"#), &mut scratch));
    assert!(rows.push_entry(from, 3, &line("code=PC01 a=b"), &mut scratch));
    let head = import_head(1, 4, 1, Level::Info, None);
    let fields = [("error.code", &b"PU02"[..])];
    assert!(rows.push_import(from, &head, b"refused", fields.into_iter(), &mut scratch));
    assert_eq!(listed(&rows, 0), ["code=PC01"]);
    assert_eq!(listed(&rows, 1), ["code=PR01", "error.code=PR01", "app.code=x"]);
    assert_eq!(listed(&rows, 2), ["app.code=PC01", "a=b"]);
    assert_eq!(listed(&rows, 3), ["code=PU02", "error.code=PU02"]);
}

#[test]
fn imports_cannot_take_names_of_the_platform() {
    let (mut rows, mut scratch) = (rows(), Flattened::new());
    let from = rows.source_ref(&source("i1", 1));
    let fields = [("app", &b"evil"[..]), ("user", b"a"), ("", b"x"), ("logway.org", b"b"), ("e", b"")];
    let head = import_head(1, 1, 1, Level::Info, None);
    assert!(rows.push_import(from, &head, b"user=z app=y", fields.into_iter(), &mut scratch));
    assert_eq!(listed(&rows, 0), ["app.app=evil", "user=a", "app.logway.org=b"]);
}

#[test]
fn rows_are_put_in_order_with_all_they_have() {
    let mut rows = rows();
    let (one, two) = (rows.source_ref(&source("i1", 1)), rows.source_ref(&source("i2", 2)));
    for (time, pos, from, span) in [(5, 1, one, 1), (3, 2, two, 4), (5, 0, two, 1), (1, 9, one, 1)] {
        let head = Head { time, pos, seq: pos + 10, span, kind: Kind::PLAIN };
        assert!(rows.push(from, &head, format!("m{pos}").as_bytes()));
        if pos != 1 {
            rows.add_field("f", format!("v{pos}").as_bytes());
        }
    }
    assert!(!rows.is_sorted());
    rows.sort();
    assert!(rows.is_sorted());
    assert_eq!((rows.times(), rows.positions()), (&[1, 3, 5, 5][..], &[9, 2, 0, 1][..]));
    let from = |row: usize| rows.sources()[rows.source_refs()[row] as usize].instance.as_str();
    assert_eq!((0..4).map(from).collect::<Vec<_>>(), ["i1", "i2", "i2", "i1"]);
    assert_eq!((0..4).map(|row| rows.span(row)).collect::<Vec<_>>(), [1, 4, 1, 1]);
    assert_eq!(
        (0..4).map(|row| rows.field("f").unwrap().get(row)).collect::<Vec<_>>(),
        [&b"v9"[..], b"v2", b"v0", b""]
    );
    assert_eq!(rows.messages().iter().collect::<Vec<_>>(), [b"m9", b"m2", b"m0", b"m1"]);
    assert_eq!((rows.time_range(), rows.pos_range()), (Some((1, 5)), Some((0, 9))));

    let kept = rows.filter(|row| row % 2 == 1);
    assert_eq!((kept.len(), kept.field("f").unwrap().get(0)), (2, &b"v2"[..]));
    let mut both = kept.clone();
    assert!(both.extend(&rows));
    assert_eq!(both.len(), 6);
    assert_eq!(both.messages().get(5), b"m1");
}

#[test]
fn an_unknown_source_is_refused() {
    let mut rows = rows();
    assert!(!rows.push(0, &import_head(1, 1, 1, Level::Info, None), b"x"));
    assert!(rows.is_empty() && rows.time_range().is_none() && rows.pos_range().is_none());
}

#[test]
fn a_row_has_so_many_fields_and_the_rest_of_its_message_stays_there() {
    let (mut rows, mut scratch) = (rows(), Flattened::new());
    let from = rows.source_ref(&source("i1", 1));
    let head = import_head(1, 1, 1, Level::Info, None);
    let names: Vec<String> = (0..flatten::MAX_FIELDS - 1).map(|at| format!("f{at}")).collect();
    let fields = names.iter().map(|name| (name.as_str(), &b"v"[..]));
    assert!(rows.push_import(from, &head, b"{\"a\":1,\"b\":2}", fields, &mut scratch));
    let found = listed(&rows, 0);
    assert_eq!((found.len(), found.last().unwrap().as_str()), (flatten::MAX_FIELDS, "a=1"));
    assert_eq!(rows.messages().get(0), b"{\"a\":1,\"b\":2}");
}

#[test]
fn rows_that_would_be_mostly_empty_cells_are_cut() {
    let (mut rows, mut scratch) = (rows(), Flattened::new());
    let from = rows.source_ref(&source("i1", 1));
    while !rows.is_wide() {
        let number = rows.len();
        let head = import_head(1, 1, 1, Level::Info, None);
        let name = format!("f{number}");
        assert!(rows.push_import(from, &head, b"", [(name.as_str(), &b"v"[..])].into_iter(), &mut scratch));
        assert!(number < 2048);
    }
    assert_eq!(rows.len(), 2048);
}
