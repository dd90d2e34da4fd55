use super::*;
use line::frame::{BatchWriter, Frame, Parsed, RecordFlags, parse};
use line::time::SECOND;
use std::time::Duration;

const HOST: i64 = 1_700_000_000 * SECOND;

fn now() -> Now {
    Now { unix_ns: HOST, instant: Instant::now() }
}

fn assembler() -> Assembler {
    let mut stamper = Stamper::new(0);
    stamper.observe(HOST - SECOND, HOST - SECOND, 0);
    Assembler::new(1, 1 << 20, stamper)
}

fn feed(assembler: &mut Assembler, from: u64, records: &[(Stream, RecordFlags, &[u8])], rule: Rule<'_>) {
    let mut writer = BatchWriter::new(Vec::new(), from, 0);
    for (stream, flags, text) in records {
        writer.push(0, *stream, *flags, text);
    }
    let frame = writer.finish().unwrap();
    let Parsed::Frame { frame: Frame::Batch(batch), .. } = parse(&frame) else { panic!("no batch") };
    assembler.batch(&batch, rule);
}

fn lines(assembler: &mut Assembler, from: u64, count: u64) {
    let texts: Vec<String> = (from..from + count).map(|seq| format!("line {seq}")).collect();
    let records: Vec<_> =
        texts.iter().map(|text| (Stream::Stdout, RecordFlags::WHOLE, text.as_bytes())).collect();
    feed(assembler, from, &records, Rule { rate: None, now: now() });
}

fn shape(assembler: &mut Assembler) -> Vec<(u64, u64, String)> {
    let Some(encoded) = assembler.take() else { return Vec::new() };
    let entries: Vec<_> = encoded.entries().collect::<Result<_, _>>().unwrap();
    assert_eq!(entries.len(), encoded.count as usize);
    let mut next = encoded.first_seq;
    let mut last = 0;
    for entry in &entries {
        assert_eq!(entry.seq, next);
        assert!(entry.time > last);
        (next, last) = (entry.next_seq(), entry.time);
    }
    assert_eq!((next, entries[0].time), (encoded.next_seq, encoded.first_time));
    let name = |entry: &Entry<'_>| match &entry.body {
        Body::Line(text) => String::from_utf8_lossy(&text.bytes).into_owned(),
        Body::Event(event) => format!("event {}", event.kind),
        Body::Gap(gap) => format!("gap {} {} {}", gap.reason.as_str(), gap.hop.as_str(), gap.bytes),
    };
    entries.iter().map(|entry| (entry.seq, entry.span, name(entry))).collect()
}

#[test]
fn what_comes_twice_is_dropped_and_what_is_missing_is_stated() {
    let mut assembler = assembler();
    lines(&mut assembler, 1, 2);
    lines(&mut assembler, 1, 3);
    lines(&mut assembler, 6, 1);
    let wanted = [
        (1, 1, "line 1"),
        (2, 1, "line 2"),
        (3, 1, "line 3"),
        (4, 2, "gap sequence_hole agent 0"),
        (6, 1, "line 6"),
    ];
    assert_eq!(shape(&mut assembler), wanted.map(|(seq, span, text)| (seq, span, text.to_owned())));
    let counts = assembler.counts();
    assert_eq!((counts.duplicates, counts.holes, counts.lines), (2, 2, 5));
    assert_eq!(assembler.expected(), 7);
}

#[test]
fn a_gap_of_init_takes_its_place_and_overlaps_count_once() {
    let mut assembler = assembler();
    lines(&mut assembler, 1, 3);
    let gap = |from_seq, count| GapFrame { from_seq, count, bytes: 70, reason: GapReason::RingFull, time: 0 };
    assert!(assembler.gap(&gap(2, 4), now()));
    assert!(assembler.gap(&gap(1, 3), now()));
    assert!(assembler.gap(&gap(8, 1), now()));
    assert!(!assembler.gap(&gap(9, u64::MAX - 9), now()));
    let tail: Vec<_> = shape(&mut assembler).split_off(3);
    let wanted = [
        (4, 2, "gap ring_full init 70"),
        (6, 2, "gap sequence_hole agent 0"),
        (8, 1, "gap ring_full init 70"),
    ];
    assert_eq!(tail, wanted.map(|(seq, span, text)| (seq, span, text.to_owned())));
}

#[test]
fn fragments_are_held_and_cut_when_asked() {
    let mut assembler = assembler();
    let rule = Rule { rate: None, now: now() };
    feed(&mut assembler, 1, &[(Stream::Stdout, RecordFlags::MORE, b"half ")], rule);
    assert!(assembler.take().is_none());
    assert_eq!(assembler.expected(), 2);
    let end = RecordFlags::CONTINUED;
    feed(&mut assembler, 2, &[(Stream::Stdout, end, b"whole")], rule);
    assert_eq!(shape(&mut assembler), [(1, 2, "half whole".to_owned())]);
    feed(&mut assembler, 3, &[(Stream::Stdout, RecordFlags::MORE, b"open")], rule);
    assembler.cut(rule);
    assert_eq!(shape(&mut assembler), [(3, 1, "open".to_owned())]);
}

#[test]
fn events_are_read_and_nobody_speaks_as_the_agent() {
    let mut assembler = assembler();
    let mut event = Vec::new();
    Event::new("exited", Level::Error, "over").write(&mut event);
    let whole = RecordFlags::WHOLE;
    let rule = Rule { rate: None, now: now() };
    feed(
        &mut assembler,
        1,
        &[(Stream::Init, whole, &event), (Stream::Init, whole, b"\xff"), (Stream::Agent, whole, b"hi")],
        rule,
    );
    let encoded = assembler.take().unwrap();
    let entries: Vec<_> = encoded.entries().map(Result::unwrap).collect();
    assert_eq!(
        (entries[0].level, &entries[0].body),
        (Level::Error, &Body::Event(Event::read(&event).unwrap()))
    );
    assert!(entries.iter().all(|entry| entry.stream == Stream::Init));
}

#[test]
fn lines_over_the_limit_are_one_gap_and_events_pass() {
    let mut assembler = assembler();
    let start = now();
    let limit = RateLimit::new(2, start.instant);
    let mut event = Vec::new();
    Event::new("started", Level::Info, "up").write(&mut event);
    let line = |text: &'static [u8]| (Stream::Stderr, RecordFlags::WHOLE, text);
    let all = [line(b"1"), line(b"2"), line(b"33"), line(b"44")];
    feed(&mut assembler, 1, &all, Rule { rate: Some(&limit), now: start });
    assert_eq!(shape(&mut assembler).len(), 2);
    assert!(assembler.is_unsettled());
    assembler.settle(start, false);
    assert!(assembler.take().is_none());
    let later = Now { instant: start.instant + Duration::from_secs(1), ..start };
    feed(&mut assembler, 5, &[line(b"5")], Rule { rate: Some(&limit), now: later });
    assert_eq!(
        shape(&mut assembler),
        [(3, 2, "gap rate_limited agent 4".to_owned()), (5, 1, "5".to_owned())]
    );
    assert_eq!(assembler.counts().limited, 2);
    let empty = RateLimit::new(0, start.instant);
    feed(&mut assembler, 6, &[line(b"6")], Rule { rate: Some(&empty), now: start });
    feed(
        &mut assembler,
        7,
        &[(Stream::Init, RecordFlags::WHOLE, &event)],
        Rule { rate: Some(&empty), now: start },
    );
    let wanted = [(6, 1, "gap rate_limited agent 1".to_owned()), (7, 1, "event started".to_owned())];
    assert_eq!(shape(&mut assembler), wanted);
}

#[test]
fn a_boot_whose_start_is_gone_begins_with_a_gap() {
    let mut assembler = assembler().begin_unknown();
    lines(&mut assembler, 5, 1);
    assembler.end(8, now());
    let wanted = [(1, 4, "gap spool_damaged agent 0"), (5, 1, "line 5"), (6, 2, "gap sequence_hole agent 0")];
    assert_eq!(shape(&mut assembler), wanted.map(|(seq, span, text)| (seq, span, text.to_owned())));
}
