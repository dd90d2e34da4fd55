use super::*;
use crate::{Boot, GapReason, Stream};
use proptest::prelude::*;

fn bytes_of(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.write(&mut out).unwrap();
    out
}

fn one_batch(texts: &[&[u8]]) -> Vec<u8> {
    let mut writer = BatchWriter::new(Vec::new(), 7, 1_000);
    for (i, text) in (0u8..).zip(texts) {
        let stream = Stream::ALL[usize::from(i) % 3];
        writer.push(1_000 + i64::from(i), stream, RecordFlags::from_bits(i), text);
    }
    writer.finish().unwrap()
}

fn samples() -> Vec<Vec<u8>> {
    let hello = Hello {
        versions: (1, 1),
        boot: Boot::new(1_795_341_600_000, 7),
        first_seq: 1,
        next_seq: 9,
        realtime: 5,
        boottime: 6,
        ring_bytes: 1 << 20,
        policy: Policy::Block,
        instance: "i1",
    };
    let gap = GapFrame { from_seq: 3, count: 2, bytes: 200, reason: GapReason::RingFull, time: 8 };
    [
        Frame::Hello(hello),
        Frame::Welcome(Welcome { version: 1, resume_seq: 0, window_bytes: 1 << 20, heartbeat_ms: 5000 }),
        Frame::Ack { next_seq: 9 },
        Frame::Gap(gap),
        Frame::Ping(Ping { next_seq: 9, realtime: 1, boottime: 2 }),
        Frame::Pong { boottime: 2 },
        Frame::Flush { next_seq: 9 },
        Frame::Flushed { next_seq: 9 },
        Frame::Bye(Bye { next_seq: 9 }),
        Frame::Refused(Refused { code: "LA06", reason: "another client is connected" }),
    ]
    .iter()
    .map(bytes_of)
    .chain([one_batch(&[b"a", b"", b"long\0line"]), one_batch(&[])])
    .collect()
}

#[test]
fn every_frame_comes_back_and_is_incomplete_at_every_shorter_length() {
    for bytes in samples() {
        let Parsed::Frame { frame, used } = parse(&bytes) else { panic!("{:?}", parse(&bytes)) };
        assert_eq!((used, bytes_of(&frame)), (bytes.len(), bytes.clone()));
        for cut in 0..bytes.len() {
            assert!(
                matches!(parse(&bytes[..cut]), Parsed::Incomplete { need } if need > 0),
                "{cut} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    for bytes in samples() {
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&bad), Parsed::Frame { .. }), "bit {bit}");
        }
    }
}

#[test]
fn records_come_back_in_order() {
    let bytes = one_batch(&[b"a", b"", b"c"]);
    let Parsed::Frame { frame: Frame::Batch(batch), .. } = parse(&bytes) else { panic!() };
    assert_eq!((batch.base_seq(), batch.next_seq()), (7, 10));
    let records: Vec<_> =
        batch.records().map(|r| (r.seq, r.time, r.stream, r.flags.bits(), r.bytes)).collect();
    assert_eq!(
        records,
        [
            (7, 1_000, Stream::Stdout, 0, &b"a"[..]),
            (8, 1_001, Stream::Stderr, 1, b""),
            (9, 1_002, Stream::Init, 2, b"c"),
        ]
    );
}

#[test]
fn a_count_that_the_bytes_do_not_hold_is_garbage() {
    for (count, texts) in [(2u32, &[&b"a"[..]][..]), (0, &[b"a"]), (u32::MAX, &[])] {
        let mut bytes = one_batch(texts);
        bytes[HEADER_BYTES + 16..HEADER_BYTES + 20].copy_from_slice(&count.to_le_bytes());
        finish(&mut bytes, 0).unwrap();
        assert!(matches!(parse(&bytes), Parsed::Garbage { .. }), "{count}");
    }
}

#[test]
fn a_wrong_crc_costs_what_its_header_claims() {
    // Headers of the longest frame, each of which begins within the one before.
    let headers = b"LW\x63\0\0\0\x04\0".repeat(1 + MAX_BODY_BYTES / 8 + 1);
    let (mut used_bytes, mut looked_at_bytes) = (0, 0);
    while let Parsed::Garbage { used, looked_at, .. } = parse(&headers[used_bytes..]) {
        (used_bytes, looked_at_bytes) = (used_bytes + used, looked_at_bytes + looked_at);
        assert!(looked_at >= used);
    }
    assert_eq!(used_bytes, 8, "the next one is incomplete");
    assert_eq!(looked_at_bytes, used_bytes + HEADER_BYTES + MAX_BODY_BYTES);
}

#[test]
fn a_frame_of_a_later_version_is_passed_over() {
    let mut bytes = bytes_of(&Frame::Ack { next_seq: 1 });
    bytes[2] = 99;
    finish(&mut bytes, 0).unwrap();
    assert_eq!(parse(&bytes), Parsed::Unknown { kind: 99, used: bytes.len() });
}

#[test]
fn sequence_numbers_start_at_one_and_never_wrap() {
    for seq in [0, u64::MAX, u64::MAX >> 1] {
        let mut bytes = bytes_of(&Frame::Bye(Bye { next_seq: 1 }));
        bytes[HEADER_BYTES..].copy_from_slice(&seq.to_le_bytes());
        finish(&mut bytes, 0).unwrap();
        assert_eq!(matches!(parse(&bytes), Parsed::Garbage { .. }), seq != u64::MAX >> 1, "{seq}");
    }
}

/// Reads everything that `bytes` holds, as the agent does; returns the frames' bytes and how many were garbage.
fn read_all(mut bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let (mut frames, mut skipped) = (Vec::new(), 0);
    loop {
        let used = match parse(bytes) {
            Parsed::Frame { frame, used } => {
                frames.push(bytes_of(&frame));
                used
            }
            Parsed::Unknown { used, .. } => used,
            Parsed::Garbage { used, .. } => {
                skipped += used;
                used
            }
            Parsed::Incomplete { .. } => return (frames, skipped),
        };
        assert!(used > 0);
        bytes = &bytes[used..];
    }
}

proptest! {
    #[test]
    fn frames_are_found_again_after_garbage(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        // Noise that happens to hold the magic could claim the length of a frame that follows.
        prop_assume!(memchr::memmem::find(&noise, &MAGIC).is_none() && noise.last() != Some(&MAGIC[0]));
        let mut bytes = noise.clone();
        let wanted = samples();
        wanted.iter().for_each(|frame| bytes.extend_from_slice(frame));
        let (frames, skipped) = read_all(&bytes);
        prop_assert_eq!(frames, wanted);
        prop_assert_eq!(skipped, noise.len());
    }

    #[test]
    fn any_bytes_are_read_to_their_end(bytes: Vec<u8>) {
        read_all(&bytes);
    }

    #[test]
    fn any_body_with_a_good_crc_is_a_frame_or_garbage(kind: u8, body: Vec<u8>) {
        let mut bytes = Vec::new();
        let start = begin(&mut bytes, kind);
        bytes.extend_from_slice(&body);
        finish(&mut bytes, start).unwrap();
        read_all(&bytes);
    }
}
