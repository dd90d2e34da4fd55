use super::*;
use crate::{Clock, Entry, Gap, GapReason, Hop, Level, LevelSource, OrgId, Stream};
use proptest::prelude::*;

const KEYS: [&str; 3] = ["k3f9.web.lhr.i1", "k3f9.web.lhr.i2", "a.my%2Eapp.ams.x"];

/// A group as it goes in.
#[derive(Debug, Clone)]
enum Given {
    Machine { key: usize, boot: u64, first_seq: u64, base_time: i64, is_fill: bool, spans: Vec<u64> },
    Import { key: usize, boot: u64, first_seq: u64, base_time: i64, rows: Vec<GivenRow> },
}

type GivenRow = (i64, u8, Vec<u8>, Vec<(String, Vec<u8>)>);

fn any_given() -> impl Strategy<Value = Given> {
    let start = || (0..KEYS.len(), 0_u64..3, 1..u64::MAX >> 8, any::<i64>());
    let row = (
        any::<i64>(),
        0_u8..4,
        any::<Vec<u8>>(),
        proptest::collection::vec(("[a-zü.]{1,20}", any::<Vec<u8>>()), 0..4),
    );
    prop_oneof![
        (start(), any::<bool>(), proptest::collection::vec(1_u64..9, 1..5)).prop_map(
            |((key, boot, first_seq, base_time), is_fill, spans)| {
                Given::Machine { key, boot, first_seq, base_time, is_fill, spans }
            }
        ),
        (start(), proptest::collection::vec(row, 1..4)).prop_map(
            |((key, boot, first_seq, base_time), rows)| Given::Import {
                key,
                boot,
                first_seq,
                base_time,
                rows
            }
        ),
    ]
}

fn gap(seq: u64, span: u64, time: i64) -> Entry<'static> {
    Entry {
        time,
        seq,
        span,
        stream: Stream::Agent,
        level: Level::Warn,
        level_source: LevelSource::Platform,
        clock: Clock::Host,
        body: crate::Body::Gap(Gap { reason: GapReason::Unknown, hop: Hop::Agent, bytes: span }),
    }
}

fn put(given: &Given, writer: &mut Writer) {
    let mut bytes = Vec::new();
    match given {
        Given::Machine { key, boot, first_seq, base_time, is_fill, spans } => {
            let mut entries = entry::Writer::new(*first_seq, *base_time);
            for span in spans {
                entries.push(&gap(entries.next_seq(), *span, *base_time), &mut bytes).unwrap();
            }
            let run =
                Run { first_seq: *first_seq, base_time: *base_time, count: entries.count(), bytes: &bytes };
            writer.machine(KEYS[*key], "h1", Boot::from_bits(*boot), *is_fill, run).unwrap();
        }
        Given::Import { key, boot, first_seq, base_time, rows } => {
            let mut out = RowWriter::new(*base_time);
            for (time, level, message, fields) in rows {
                let level = (Level::from_code(*level).unwrap(), LevelSource::Json);
                let fields = fields.iter().map(|(name, value)| (name.as_str(), &value[..]));
                out.push(*time, level, message, fields, &mut bytes).unwrap();
            }
            let run = Run { first_seq: *first_seq, base_time: *base_time, count: out.count(), bytes: &bytes };
            writer.import(KEYS[*key], "h1", Boot::from_bits(*boot), run).unwrap();
        }
    }
}

fn assert_same(group: &Group<'_>, given: &Given) {
    let (whose, run) = (group.whose(), *group.run());
    assert_eq!((whose.host, whose.address.key().as_str()), ("h1", whose.key));
    let (wanted, count) = match (group, given) {
        (Group::Machine(machine), Given::Machine { key, boot, first_seq, base_time, is_fill, spans }) => {
            let found: Vec<_> = machine.entries().map(|entry| entry.unwrap().span).collect();
            assert_eq!((&found, machine.is_fill), (spans, *is_fill));
            ((*key, *boot, *first_seq, *base_time), spans.len())
        }
        (Group::Import(import), Given::Import { key, boot, first_seq, base_time, rows }) => {
            for ((row, (time, level, message, fields)), seq) in import.rows().zip(rows).zip(*first_seq..) {
                let row = row.unwrap();
                assert_eq!(
                    (row.time, row.seq, row.level.code(), row.message),
                    (*time, seq, *level, &message[..])
                );
                assert!(row.fields.eq(fields.iter().map(|(name, value)| (name.as_str(), &value[..]))));
            }
            assert_eq!(import.rows().count(), rows.len());
            ((*key, *boot, *first_seq, *base_time), rows.len())
        }
        _ => panic!("{group:?} is not {given:?}"),
    };
    let found = (whose.key, whose.boot.bits(), run.first_seq, run.base_time);
    assert_eq!(found, (KEYS[wanted.0], wanted.1, wanted.2, wanted.3));
    assert_eq!(run.count as usize, count);
}

/// Whatever the bytes are, reading ends, and what was read says the same when it is written again.
fn read_and_write_again(body: &[u8]) {
    let groups: Vec<_> = Groups::new(body).map_while(Result::ok).collect();
    let mut writer = Writer::default();
    for group in &groups {
        let Whose { key, host, boot, .. } = *group.whose();
        match group {
            Group::Machine(machine) => {
                let _read = machine.entries().count();
                writer.machine(key, host, boot, machine.is_fill, machine.run).unwrap();
            }
            Group::Import(import) => {
                let _read = import.rows().map_while(Result::ok).map(|row| row.fields.count()).sum::<usize>();
                writer.import(key, host, boot, import.run).unwrap();
            }
        }
    }
    let again = writer.finish();
    let says =
        |group: &Group<'_>| (group.whose().key.to_owned(), group.whose().boot, format!("{:?}", group.run()));
    let found: Vec<_> = Groups::new(&again).map(|group| says(&group.unwrap())).collect();
    assert_eq!(found, groups.iter().map(says).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn groups_come_back(given in proptest::collection::vec(any_given(), 1..6)) {
        let mut writer = Writer::default();
        for group in &given {
            put(group, &mut writer);
        }
        let body = writer.finish();
        let groups: Vec<_> = Groups::new(&body).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(groups.len(), given.len());
        for (group, given) in groups.iter().zip(&given) {
            assert_same(group, given);
        }
        // A body that was cut anywhere but between groups is found out.
        for len in 0..body.len() {
            let whole = Groups::new(&body[..len]).collect::<Result<Vec<_>, _>>();
            prop_assert!(whole.is_err() || whole.unwrap().len() < given.len());
        }
    }

    #[test]
    fn any_bytes_are_groups_or_an_error(body: Vec<u8>) {
        read_and_write_again(&body);
    }

    #[test]
    fn bytes_that_were_changed_are_groups_or_an_error(
        given in proptest::collection::vec(any_given(), 1..4), at: prop::sample::Index, to: u8,
    ) {
        let mut writer = Writer::default();
        for group in &given {
            put(group, &mut writer);
        }
        let mut body = writer.finish();
        let at = at.index(body.len());
        body[at] = to;
        read_and_write_again(&body);
    }

    #[test]
    fn an_envelope_comes_back_and_notices_another_body(body in proptest::collection::vec(any::<u8>(), 1..50), sent: Option<[u8; 3]>) {
        let envelope = Envelope::of(&body, sent.as_ref().map(|sent| &sent[..]));
        let mut bytes = Vec::new();
        envelope.write(&mut bytes).unwrap();
        let read = Envelope::read(&bytes).unwrap();
        prop_assert_eq!(read, envelope);
        prop_assert_eq!(read.check(&body), Ok(()));
        let mut other = body.clone();
        other[0] ^= 1;
        prop_assert!(read.check(&other).is_err() && read.check(&body[1..]).is_err());
    }

    #[test]
    fn any_bytes_are_an_envelope_or_an_error(bytes: Vec<u8>, magic: bool) {
        let bytes = if magic { [&MAGIC[..], &bytes].concat() } else { bytes };
        if let Ok(envelope) = Envelope::read(&bytes) {
            let mut again = Vec::new();
            envelope.write(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn envelopes_that_no_sender_makes_are_refused() {
    let mut good = Vec::new();
    Envelope::of(b"body", Some(b"zst")).write(&mut good).unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        Envelope::read(&bytes).is_err()
    };
    assert!(changed(0, b'X') && changed(3, b'2') && changed(4, 2) && changed(5, 0) && changed(8, 1));
    assert!(changed(4, 0), "not compressed, and shorter than it says");
    assert!(Envelope::read(&good[..ENVELOPE_BYTES]).is_err(), "no body");
    assert!(Envelope::of(b"", None).write(&mut Vec::new()).is_err());
    assert!(Envelope::of(&vec![0; MAX_BODY_BYTES + 1], None).write(&mut Vec::new()).is_err());
}

#[test]
fn what_follows_of_one_boot_says_whose_it_is_once() {
    let run = Run { first_seq: 1, base_time: 5, count: 1, bytes: b"x" };
    let mut writer = Writer::default();
    writer.machine(KEYS[0], "h1", Boot::from_bits(1), false, run).unwrap();
    let first = writer.len();
    writer.machine(KEYS[0], "h1", Boot::from_bits(1), true, Run { first_seq: 2, ..run }).unwrap();
    assert!(writer.len() - first < 8);
    writer.machine(KEYS[0], "h2", Boot::from_bits(1), false, run).unwrap();
    writer.machine(KEYS[0], "h2", Boot::from_bits(2), false, run).unwrap();
    let body = writer.finish();
    let found: Vec<_> = Groups::new(&body).map(|group| group.unwrap().whose().is_as_before).collect();
    assert_eq!(found, [false, true, false, false]);
    assert_eq!(
        Groups::new(&body[first..]).next().unwrap().unwrap_err(),
        Error::Value { what: "a group's kind", value: 13 }
    );
}

#[test]
fn bounds_are_kept_by_whoever_writes() {
    let run = Run { first_seq: 1, base_time: 5, count: 1, bytes: b"x" };
    let mut writer = Writer::default();
    let mut put =
        |key: &str, host: &str, run| writer.machine(key, host, Boot::from_bits(1), false, run).is_err();
    assert!(put(&"k".repeat(MAX_KEY_BYTES + 1), "h1", run) && put(KEYS[0], &"h".repeat(256), run));
    assert!(put(KEYS[0], "h1", Run { first_seq: 0, ..run }) && put(KEYS[0], "h1", Run { count: 0, ..run }));
    assert!(put(KEYS[0], "h1", Run { bytes: &vec![0; MAX_BODY_BYTES], ..run }));
    assert!(writer.is_empty() && writer.fits(MAX_BODY_BYTES / 2) && !writer.fits(MAX_BODY_BYTES));
    let (mut rows, mut out) = (RowWriter::new(0), Vec::new());
    let level = (Level::Info, LevelSource::Default);
    let long = "n".repeat(MAX_FIELD_NAME_BYTES + 1);
    for fields in
        [vec![("n", &b""[..]); MAX_FIELDS + 1], vec![("", &b""[..])], vec![("a", b"x"), (&long, b"")]]
    {
        assert!(rows.push(1, level, b"m", fields.into_iter(), &mut out).is_err());
    }
    assert!(out.is_empty() && rows.count() == 0);
}

#[test]
fn the_shard_of_a_group_is_that_of_its_app() {
    let mut writer = Writer::default();
    let run = Run { first_seq: 1, base_time: 5, count: 1, bytes: b"x" };
    writer.import(KEYS[2], "h1", Boot::from_bits(1), run).unwrap();
    let body = writer.finish();
    let group = Groups::new(&body).next().unwrap().unwrap();
    let app = crate::Name::new("app", "my.app").unwrap();
    assert_eq!(group.whose().shard(), shard::of(&OrgId::new("a").unwrap(), &app));
}
