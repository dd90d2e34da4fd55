use std::borrow::Cow;

use super::*;
use crate::{
    Address, Body, Boot, Clock, Entry, Event, Gap, GapReason, Hop, Level, LevelSource, OrgId, Provider,
    Stream, Text,
};
use proptest::prelude::*;

fn address() -> Address {
    Address::new(OrgId::new("k3f9").unwrap(), "web", "lhr", "148e").unwrap()
}

fn entry(body: Body<'static>) -> Entry<'static> {
    Entry {
        time: 1_795_341_600_123_456_789,
        seq: 42,
        span: 1,
        stream: Stream::Stdout,
        level: Level::Info,
        level_source: LevelSource::Default,
        clock: Clock::Guest,
        body,
    }
}

fn encode(entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    Encoder::new(&address(), "h1").write(Boot::from_bits(0x019a_0c3f_2b7c_0001), entry, &mut out);
    String::from_utf8(out).unwrap()
}

fn time_of(tail: &Tail<'_>) -> Option<i64> {
    crate::time::parse_rfc3339(std::str::from_utf8(tail.timestamp).ok()?).ok()
}

#[test]
fn a_line_has_fly_s_shape() {
    let text = encode(&entry(Body::Line(Text::whole(&b"hello \"world\"\t\x01"[..]))));
    assert_eq!(
        text,
        concat!(
            r#"{"event":{"provider":"app"},"fly":{"app":{"instance":"148e","name":"web"},"region":"lhr"},"host":"h1","#,
            r#""log":{"level":"info"},"message":"hello \"world\"\t\u0001","timestamp":"2026-11-22T10:00:00.123456789Z","#,
            r#""logway":{"boot":"019a0c3f2b7c0001","seq":42,"span":1,"stream":"stdout"}}"#
        )
    );
    let decoded = decode(text.as_bytes()).unwrap();
    assert_eq!(
        (decoded.app.as_str(), decoded.region.as_str(), decoded.instance.as_str()),
        ("web", "lhr", "148e")
    );
    assert_eq!(decoded.entry, entry(Body::Line(Text::whole(&b"hello \"world\"\t\x01"[..]))));
}

#[test]
fn a_line_with_a_code_says_it_by_itself() {
    let said = &b"[PU02] could not complete HTTP request to instance"[..];
    let text = encode(&entry(Body::Line(Text::whole(said))));
    assert!(text.starts_with(r#"{"event":{"provider":"app"},"code":"PU02","fly":"#), "{text}");
    assert_eq!(decode(text.as_bytes()).unwrap().code.as_deref(), Some("PU02"));
    let rest = Text { part: 1, ..Text::whole(said) };
    assert!(!encode(&entry(Body::Line(rest))).contains("\"code\""));
}

#[test]
fn a_gap_says_how_many_why_and_where() {
    let gap = Gap { reason: GapReason::RingFull, hop: Hop::Init, bytes: 900 };
    let lost =
        Entry { span: 7, level: Level::Warn, level_source: LevelSource::Platform, ..entry(Body::Gap(gap)) };
    let text = encode(&lost);
    assert!(text.starts_with(r#"{"event":{"provider":"runner"},"code":"LI04","#), "{text}");
    assert!(text.contains(r#""gap":{"reason":"ring_full","hop":"init","bytes":900}"#), "{text}");
    assert!(text.contains("\"message\":\"7 lines lost: "), "{text}");
    let decoded = decode(text.as_bytes()).unwrap();
    assert_eq!((decoded.entry, decoded.code.as_deref()), (lost, Some("LI04")));
}

#[test]
fn an_event_keeps_its_fields() {
    let event = Event::new("exited", Level::Warn, "Main child exited normally with code: 3")
        .int("code", -3)
        .flag("oom_killed", true)
        .text("path", "a\"b");
    let exited = Entry {
        stream: Stream::Init,
        level: Level::Warn,
        level_source: LevelSource::Platform,
        ..entry(Body::Event(event))
    };
    let text = encode(&exited);
    assert!(
        text.contains(r#""event":{"kind":"exited","code":-3,"oom_killed":true,"path":"a\"b"}"#),
        "{text}"
    );
    assert_eq!(decode(text.as_bytes()).unwrap().entry, exited);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_marked() {
    let text = encode(&entry(Body::Line(Text::whole(&b"a\xff\xfeb\xe2\x82"[..]))));
    let decoded = decode(text.as_bytes()).unwrap();
    assert_eq!((decoded.message.as_str(), decoded.replaced), ("a\u{fffd}\u{fffd}b\u{fffd}", true));
    assert!(!decode(encode(&entry(Body::Line(Text::whole(&b"a"[..])))).as_bytes()).unwrap().replaced);
}

#[test]
fn the_org_is_there_when_asked_for() {
    let mut out = Vec::new();
    let encoder = Encoder::new(&address(), "h1").with_org(&address());
    encoder.write(Boot::from_bits(1), &entry(Body::Line(Text::whole(&b"x"[..]))), &mut out);
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["logway"]["org"], "k3f9");
}

#[test]
fn a_message_of_fly_s_own_is_read() {
    let text = r#"{"event":{"provider":"proxy"},"fly":{"app":{"instance":"i","name":"a"},"region":"ams"},"host":"4a",
        "log":{"level":"warning"},"message":"x","timestamp":"2023-01-05T12:00:00.5Z","http":{"a":[1,2]}}"#;
    let decoded = decode(text.as_bytes()).unwrap();
    assert_eq!((decoded.boot, decoded.provider, decoded.entry.level), (None, Provider::Proxy, Level::Warn));
}

#[test]
fn what_has_a_tail() {
    let event = Event {
        kind: "exit".into(),
        level: Level::Info,
        message: "gone".into(),
        fields: vec![("code".into(), crate::event::Value::Int(3))],
    };
    let gap = Gap { reason: GapReason::RingFull, hop: Hop::Init, bytes: 900 };
    for (body, has) in
        [(Body::Line(Text::whole(&b"x"[..])), true), (Body::Event(event), true), (Body::Gap(gap), false)]
    {
        let wanted = Entry { span: 3, ..entry(body) };
        let text = encode(&wanted);
        let found = tail(text.as_bytes()).map(|tail| (tail.seq, tail.next_seq, time_of(&tail).unwrap()));
        assert_eq!(found, has.then_some((42, 45, wanted.time)), "{text}");
    }
    for without in [
        r#"{"message":"x","timestamp":"2023-01-05T12:00:00Z"}"#,
        r#"{"message":"x","timestamp":"2023-01-05T12:00:00Z","logway":{"seq":1}}"#,
    ] {
        assert_eq!(tail(without.as_bytes()), None);
    }
}

#[test]
fn what_is_no_line_is_refused() {
    for bad in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"message":"x"}"#,
        r#"{"timestamp":"2023-01-05T12:00:00Z"}"#,
        r#"{"message":1,"timestamp":"2023-01-05T12:00:00Z"}"#,
        r#"{"message":"x","timestamp":"now"}"#,
        r#"{"message":"x","timestamp":"2023-01-05T12:00:00Z"} x"#,
        r#"{"message":"x","timestamp":"2023-01-05T12:00:00Z","logway":{"seq":18446744073709551615}}"#,
    ] {
        assert!(decode(bad.as_bytes()).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_line_comes_back_as_text_and_is_json_to_others(
        bytes: Vec<u8>, part: u32, more: bool, open: bool, truncated_bytes: u64, seq in 1u64..1 << 50, time in 0..i64::MAX,
    ) {
        let line = Text { bytes: bytes.clone().into(), part, more, open, truncated_bytes };
        let wanted = Entry { seq, time, ..entry(Body::Line(line)) };
        let text = encode(&wanted);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let lossy = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(value["message"].as_str(), Some(&*lossy));
        let decoded = decode(text.as_bytes()).unwrap();
        prop_assert_eq!(decoded.replaced, matches!(lossy, Cow::Owned(_)));
        let Body::Line(wanted_text) = wanted.body.clone() else { unreachable!() };
        let wanted_text = Text { bytes: lossy.into_owned().into_bytes().into(), ..wanted_text };
        prop_assert_eq!(decoded.entry, Entry { body: Body::Line(wanted_text), ..wanted });
        let tail = tail(text.as_bytes()).unwrap();
        prop_assert_eq!((Some(tail.boot), tail.seq, tail.next_seq), (decoded.boot, seq, seq + 1));
        prop_assert_eq!(time_of(&tail), Some(time));
    }

    #[test]
    fn the_escaped_length_is_never_less_than_what_is_written(bytes: Vec<u8>) {
        let line = entry(Body::Line(Text::whole(bytes.clone())));
        let empty = entry(Body::Line(Text::whole(Vec::new())));
        let mark = r#","utf8":"replaced""#.len();
        let replaced = std::str::from_utf8(&bytes).is_err();
        let written = encode(&line).len() - encode(&empty).len() - if replaced { mark } else { 0 };
        prop_assert!(escaped_bytes(&bytes) >= written);
        prop_assert!(replaced || escaped_bytes(&bytes) == written);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
        let _ = decode(&bytes);
        let _ = tail(&bytes);
    }

    #[test]
    fn the_tail_of_what_was_cut_or_changed_is_that_of_the_message_or_none(at: prop::sample::Index, byte: u8) {
        let whole = encode(&entry(Body::Line(Text::whole(&br#"{"a":1},"logway":{"boot":"0000000000000000","#[..])))).into_bytes();
        let at = at.index(whole.len());
        let wanted = tail(&whole).unwrap();
        prop_assert_eq!((wanted.seq, wanted.next_seq, time_of(&wanted)), (42, 43, Some(1_795_341_600_123_456_789)));
        let _ = tail(&whole[..at]);
        let mut changed = whole;
        changed[at] = byte;
        // Where both can read it, they read the same.
        if let (Some(tail), Ok(message)) = (tail(&changed), decode(&changed)) {
            prop_assert_eq!(
                (Some(tail.boot), tail.seq, tail.next_seq, time_of(&tail)),
                (message.boot, message.entry.seq, message.entry.next_seq(), Some(message.entry.time)),
            );
        }
    }
}

#[test]
fn rows_from_elsewhere_come_back_with_their_fields() {
    use crate::append::{RowWriter, Rows};
    let mut bytes = Vec::new();
    let mut writer = RowWriter::new(0);
    let fields = [("user.id", &b"7"[..]), ("q\"", b"a\\\xff")];
    let level = (Level::Warn, LevelSource::Json);
    writer.push(5, level, b"hello \"you\"", fields.into_iter(), &mut bytes).unwrap();
    let fields = [("error.code", &b"PR01"[..])];
    writer.push(6, (Level::Info, LevelSource::Default), b"", fields.into_iter(), &mut bytes).unwrap();
    let address = Address::new(OrgId::new("k").unwrap(), "web", "lhr", "i1").unwrap();
    let encoder = Encoder::new(&address, "h1");
    let messages: Vec<_> = Rows::new(&bytes, 3, 0)
        .map(|row| {
            let mut json = Vec::new();
            encoder.write_import(Boot::from_bits(9), &row.unwrap(), &mut json);
            serde_json::from_slice::<serde_json::Value>(&json).unwrap();
            decode(&json).unwrap()
        })
        .collect();
    let first = &messages[0];
    assert_eq!(
        (first.provider, first.boot, first.entry.seq),
        (Provider::Import, Some(Boot::from_bits(9)), 3)
    );
    assert_eq!((first.message.as_str(), first.entry.level), ("hello \"you\"", Level::Warn));
    let wanted = [("user.id".to_owned(), "7".to_owned()), ("q\"".to_owned(), "a\\\u{fffd}".to_owned())];
    assert_eq!(first.fields, wanted);
    assert_eq!((messages[1].fields.len(), messages[1].entry.seq), (1, 4));
    assert_eq!((first.code.as_deref(), messages[1].code.as_deref()), (None, Some("PR01")));
}
