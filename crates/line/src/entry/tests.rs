use super::*;
use proptest::prelude::*;

fn any_body() -> impl Strategy<Value = Body<'static>> {
    let text = (any::<Vec<u8>>(), any::<u32>(), any::<bool>(), any::<bool>(), any::<u64>());
    prop_oneof![
        text.prop_map(|(bytes, part, more, open, truncated_bytes)| {
            Body::Line(Text { bytes: bytes.into(), part, more, open, truncated_bytes })
        }),
        ("[a-z]{1,8}", ".{0,40}", any::<i64>()).prop_map(|(kind, message, code)| {
            Body::Event(
                Event::new("", Level::Info, message).int("code", code).text("kind", kind).into_owned(),
            )
        }),
        (0u8..12, 0u8..8, any::<u64>()).prop_map(|(reason, hop, bytes)| {
            Body::Gap(Gap { reason: GapReason::from_code(reason), hop: Hop::from_code(hop), bytes })
        }),
    ]
}

fn any_entry() -> impl Strategy<Value = Entry<'static>> {
    (any::<i64>(), 1u64..1000, 0u8..4, 0u8..4, 0u8..6, any::<bool>(), any_body()).prop_map(
        |(time, span, stream, level, source, host, body)| Entry {
            time,
            seq: 0,
            span,
            stream: Stream::from_code(stream).unwrap(),
            level: Level::from_code(level).unwrap(),
            level_source: LevelSource::from_code(source).unwrap(),
            clock: if host { Clock::Host } else { Clock::Guest },
            body,
        },
    )
}

proptest! {
    #[test]
    fn entries_come_back(mut entries in proptest::collection::vec(any_entry(), 0..6), first in 1u64..1 << 40, base: i64) {
        let (mut writer, mut out) = (Writer::new(first, base), Vec::new());
        for entry in &mut entries {
            entry.seq = writer.next_seq();
            writer.push(entry, &mut out).unwrap();
        }
        let read: Result<Vec<_>, _> = Reader::new(&out, first, base).collect();
        prop_assert_eq!(read, Ok(entries.clone()));
        prop_assert_eq!(writer.count() as usize, entries.len());
    }

    #[test]
    fn any_bytes_are_entries_or_an_error(bytes: Vec<u8>, first: u64) {
        let read: Vec<_> = Reader::new(&bytes, first, 0).collect();
        prop_assert!(read.len() <= bytes.len());
    }
}

#[test]
fn a_hole_must_be_stated() {
    let mut entry = Entry {
        time: 0,
        seq: 2,
        span: 1,
        stream: Stream::Stdout,
        level: Level::Info,
        level_source: LevelSource::Default,
        clock: Clock::Guest,
        body: Body::Line(Text::whole(&b"x"[..])),
    };
    let mut out = Vec::new();
    assert!(Writer::new(1, 0).push(&entry, &mut out).is_err());
    entry.span = 0;
    assert!(Writer::new(2, 0).push(&entry, &mut out).is_err());
    assert!(out.is_empty());
}
