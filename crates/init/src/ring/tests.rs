use super::*;
use line::frame::{Frame, Parsed, parse};
use proptest::prelude::*;

const CAPACITY: usize = 256 * 1024;

fn push(ring: &mut Ring, stream: Stream, len: usize) {
    let text = vec![b'x'; len];
    ring.push(1, stream, RecordFlags::WHOLE, &text);
}

fn records(bytes: &[u8]) -> Vec<(u64, Stream)> {
    let Parsed::Frame { frame: Frame::Batch(batch), used } = parse(bytes) else { panic!("no batch") };
    assert_eq!(used, bytes.len());
    batch.records().map(|record| (record.seq, record.stream)).collect()
}

/// Everything that is held must be each number once; gives the records and the lost numbers.
fn contents(ring: &Ring) -> (Vec<(u64, Stream)>, u64) {
    let (mut seq, mut held, mut lost) = (ring.first_seq(), Vec::new(), 0);
    for slot in ring.slots() {
        assert_eq!(slot.seq, seq, "a hole or an overlap");
        assert!(slot.count > 0);
        match &slot.body {
            Body::Frame { bytes, events, .. } => {
                let found = records(bytes);
                assert_eq!((found[0].0, found.len() as u64), (seq, slot.count));
                assert_eq!(found.iter().filter(|r| r.1 == Stream::Init).count(), *events as usize);
                held.extend(found);
            }
            Body::Gap { .. } => lost += slot.count,
        }
        seq = slot.end();
    }
    assert_eq!(seq, ring.first_open_seq());
    (held, lost)
}

fn check_books(ring: &Ring) {
    assert_eq!(ring.held_bytes, ring.slots().map(Slot::cost).sum::<usize>());
    let by_rank =
        |rank| ring.old.iter().filter(|s| s.rank().unwrap_or(Rank::Kept) == rank).map(Slot::cost).sum();
    assert_eq!(ring.old_bytes, [by_rank(Rank::Fresh), by_rank(Rank::Kept), by_rank(Rank::Events)]);
    let in_flight: usize = ring.slots().filter(|slot| slot.seq < ring.sent_seq).map(Slot::frame_bytes).sum();
    assert_eq!(ring.in_flight_bytes, in_flight);
    assert!(ring.held_bytes + FRAME_BYTES <= ring.capacity_bytes, "{} bytes held", ring.held_bytes);
}

/// Sends all that is sealed; gives the numbers of the gaps that were sent.
fn send_all(ring: &mut Ring) -> Vec<std::ops::Range<u64>> {
    let mut gaps = Vec::new();
    while let Some(next) = ring.next() {
        if let Next::Gap(gap) = next {
            gaps.push(gap.from_seq..gap.from_seq + gap.count);
        }
        ring.mark_sent(true);
    }
    gaps
}

#[test]
fn what_is_acknowledged_goes_and_buffers_come_back() {
    let mut ring = Ring::new(CAPACITY);
    for _ in 0..1000 {
        push(&mut ring, Stream::Stdout, 100);
    }
    ring.seal();
    assert_eq!((ring.first_seq(), ring.next_seq(), ring.lines()), (1, 1001, 1000));
    ring.ack(1001);
    assert_eq!(ring.lines(), 1000, "what was not sent cannot be acknowledged");
    send_all(&mut ring);
    assert!(ring.in_flight_bytes() > 100_000);
    ring.ack(u64::MAX);
    assert_eq!((ring.first_seq(), ring.lines(), ring.in_flight_bytes(), ring.held_bytes), (1001, 0, 0, 0));
    assert!(!ring.spare.is_empty());
}

#[test]
fn the_oldest_stdout_goes_first_and_one_gap_says_so() {
    let mut ring = Ring::new(CAPACITY);
    push(&mut ring, Stream::Init, 50);
    push(&mut ring, Stream::Stderr, 100);
    for _ in 0..10_000 {
        push(&mut ring, Stream::Stdout, 100);
    }
    ring.seal();
    check_books(&ring);
    let (held, lost) = contents(&ring);
    assert_eq!(held[..2], [(1, Stream::Init), (2, Stream::Stderr)]);
    assert_eq!(held[2].0, 3 + lost);
    assert_eq!(held.last(), Some(&(10_002, Stream::Stdout)));
    assert_eq!(ring.lines(), 10_001);
    let gaps = send_all(&mut ring);
    assert!(gaps.len() == 1 && gaps[0] == (3..3 + lost), "{gaps:?}");
}

#[test]
fn stderr_keeps_its_floor_and_no_more() {
    let mut ring = Ring::new(CAPACITY);
    for _ in 0..5_000 {
        push(&mut ring, Stream::Stderr, 100);
    }
    for _ in 0..20_000 {
        push(&mut ring, Stream::Stdout, 100);
    }
    ring.seal();
    check_books(&ring);
    let (held, _) = contents(&ring);
    let stderr: Vec<_> = held.iter().filter(|(_, stream)| *stream == Stream::Stderr).collect();
    assert!((300..=1300).contains(&stderr.len()), "{} lines of stderr", stderr.len());
    assert_eq!(stderr.last().unwrap().0, 5_000, "the last of them");
}

#[test]
fn turn_about_costs_time_that_grows_with_the_lines_only() {
    let mut ring = Ring::new(8 << 20);
    for _ in 0..200_000 {
        push(&mut ring, Stream::Stdout, 20);
        push(&mut ring, Stream::Stderr, 20);
    }
    ring.seal();
    check_books(&ring);
    contents(&ring);
}

#[test]
fn the_last_event_stays() {
    let mut ring = Ring::new(CAPACITY);
    for _ in 0..3_000 {
        push(&mut ring, Stream::Init, 100);
    }
    for _ in 0..10_000 {
        push(&mut ring, Stream::Stdout, 100);
    }
    let (held, _) = contents(&ring);
    let events: Vec<_> = held.iter().filter(|(_, stream)| *stream == Stream::Init).collect();
    assert!(events.len() < 3_000 && events.last().unwrap().0 == 3_000, "{}", events.len());
    check_books(&ring);
}

#[test]
fn a_frame_that_is_partly_sent_does_not_change() {
    let mut ring = Ring::new(CAPACITY);
    push(&mut ring, Stream::Stdout, 30_000);
    push(&mut ring, Stream::Stdout, 30_000);
    ring.seal();
    let Some(Next::Frame(bytes)) = ring.next() else { panic!() };
    let before = bytes.to_vec();
    ring.mark_sent(false);
    for _ in 0..10_000 {
        push(&mut ring, Stream::Stdout, 100);
    }
    assert_eq!(ring.next(), Some(Next::Frame(&before)));
    ring.mark_sent(true);
    check_books(&ring);
    assert!(matches!(ring.next(), Some(Next::Gap(gap)) if gap.from_seq == 3));
}

#[test]
fn an_agent_resumes_where_it_says() {
    for (resume, first_sent) in [(0, 1), (1, 1), (4, 4), (5, 4), (7, 7), (99, 1)] {
        let mut ring = Ring::new(CAPACITY);
        for seq in 1..=6 {
            push(&mut ring, Stream::Stdout, 10);
            if seq % 3 == 0 {
                ring.seal();
            }
        }
        send_all(&mut ring);
        ring.resume(resume);
        check_books(&ring);
        let sent = match ring.next() {
            Some(Next::Frame(bytes)) => records(bytes)[0].0,
            _ => ring.next_seq(),
        };
        assert_eq!(sent, first_sent, "resume {resume}");
    }
}

#[test]
fn a_gap_is_sent_from_where_the_agent_is() {
    let mut ring = Ring::new(CAPACITY);
    for _ in 0..10_000 {
        push(&mut ring, Stream::Stdout, 100);
    }
    ring.resume(11);
    let Some(Next::Gap(gap)) = ring.next() else { panic!() };
    assert_eq!(gap.from_seq, 11);
    assert_eq!(gap.bytes, gap.count * 100);
}

#[derive(Debug, Clone)]
enum Step {
    Push(u8, usize, u16),
    Seal,
    Send(u8, bool),
    Ack(u16),
    Resume(u16),
    Disconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..12, 0usize..16_000, 1u16..200).prop_map(|(s, len, n)| Step::Push(s, len, n)),
        2 => Just(Step::Seal),
        3 => (0u8..6, any::<bool>()).prop_map(|(n, whole)| Step::Send(n, whole)),
        2 => any::<u16>().prop_map(Step::Ack),
        1 => any::<u16>().prop_map(Step::Resume),
        1 => Just(Step::Disconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_number_is_held_acknowledged_or_in_one_gap(steps in proptest::collection::vec(step(), 1..60)) {
        let mut ring = Ring::new(CAPACITY);
        let mut acked = 1;
        for step in steps {
            match step {
                Step::Push(stream, len, count) => {
                    let stream = match stream { 0 => Stream::Init, 1..=3 => Stream::Stderr, _ => Stream::Stdout };
                    let len = if stream == Stream::Init { len % 300 } else { len };
                    (0..count).for_each(|_| push(&mut ring, stream, len));
                }
                Step::Seal => ring.seal(),
                Step::Send(count, whole) => {
                    for _ in 0..count {
                        if ring.next().is_some() { ring.mark_sent(true) }
                    }
                    if !whole && matches!(ring.next(), Some(Next::Frame(_))) { ring.mark_sent(false) }
                }
                Step::Ack(seq) => {
                    ring.ack(seq.into());
                    acked = acked.max(u64::from(seq).min(ring.sent_seq));
                }
                Step::Resume(seq) => {
                    if (1..=ring.first_open_seq()).contains(&u64::from(seq)) { acked = acked.max(seq.into()) }
                    ring.resume(seq.into());
                }
                Step::Disconnect => ring.disconnect(),
            }
            check_books(&ring);
            contents(&ring);
            prop_assert!(ring.first_seq() <= acked, "{} was never acknowledged", acked);
        }
    }
}
