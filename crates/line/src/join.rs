//! Fragments to whole lines, in the agent.
//!
//! A line of up to 256 KiB, and 960 KiB when written as JSON, becomes one record that covers the sequence numbers of all
//! its fragments. A longer one goes on in further records up to 2 MiB; what comes after that is counted and left out.
//! Fragments of other streams in between end a record early, because a record covers consecutive numbers.

use crate::frame::{BATCH_BYTES, Record, RecordFlags};
use crate::split::MAX_FRAGMENT_BYTES;
use crate::{Stream, json};

/// The largest window, whatever the ring, in bytes.
const MAX_WINDOW_BYTES: u32 = 4 << 20;

/// Where lines are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest record in bytes of text.
    pub record_bytes: usize,
    /// Longest record in bytes of escaped JSON text; below the 1 MiB that NATS carries.
    pub encoded_bytes: usize,
    /// Longest line in bytes of text, over all its records. The rest is counted and left out.
    pub line_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 256 * 1024, encoded_bytes: 960 * 1024, line_bytes: 2 * 1024 * 1024 }
    }
}

impl Limits {
    /// The limits for an init that announced a ring of `ring_bytes`: a record is at most half of it (at least one fragment), so
    /// that the agent, which acknowledges no part of a record, never waits for more than init can hold.
    pub fn for_ring(ring_bytes: u32) -> Self {
        let default = Self::default();
        let half = usize::try_from(ring_bytes / 2).unwrap_or(usize::MAX).max(MAX_FRAGMENT_BYTES);
        Self { record_bytes: default.record_bytes.min(half), ..default }
    }

    /// The most unacknowledged bytes that such an init should have on the way: half of its ring, up to 4 MiB, but always as
    /// many as it takes to fill the longest record. Init frees whole frames, so the one in which the record begins may count
    /// in full, and the one that fills it may be as long again.
    pub fn window_bytes(&self, ring_bytes: u32) -> u32 {
        let least = u32::try_from(self.record_bytes + 2 * BATCH_BYTES).unwrap_or(MAX_WINDOW_BYTES);
        (ring_bytes / 2).min(MAX_WINDOW_BYTES).max(least)
    }
}

/// A line, or the part of one that a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined<'a> {
    /// Seq of its first fragment.
    pub seq: u64,
    /// How many sequence numbers it covers, at least 1.
    pub span: u64,
    /// When its first fragment was read: init's `CLOCK_BOOTTIME` in nanoseconds.
    pub time: i64,
    /// Where it was read.
    pub stream: Stream,
    /// The text.
    pub bytes: &'a [u8],
    /// 0 for a line's first (and mostly only) record, then 1, 2, ... At least 1 for what continues a line whose beginning came
    /// over an earlier connection or is missing; the count begins anew there.
    pub part: u32,
    /// The line goes on in a further record.
    pub more: bool,
    /// No newline ended it.
    pub open: bool,
    /// Bytes of text left out of this record because the line was too long.
    pub truncated_bytes: u64,
}

/// The fragments of one record that is not complete yet.
#[derive(Debug)]
struct Pending {
    seq: u64,
    span: u64,
    time: i64,
    stream: Stream,
    encoded_bytes: usize,
    truncated_bytes: u64,
}

/// What is known of the line in hand of one stream.
#[derive(Debug, Default, Clone, Copy)]
struct Line {
    part: u32,
    bytes: u64,
}

/// Joins the records of one boot.
#[derive(Debug)]
pub struct Joiner {
    limits: Limits,
    pending: Option<Pending>,
    text: Vec<u8>,
    lines: [Line; Stream::ALL.len()],
}

impl Joiner {
    /// A joiner at the start of a boot.
    pub fn new(limits: Limits) -> Self {
        Self { limits, pending: None, text: Vec::new(), lines: [Line::default(); Stream::ALL.len()] }
    }

    /// Takes the next record and gives `emit` each line that is complete.
    #[inline]
    pub fn push(&mut self, record: Record<'_>, mut emit: impl FnMut(Joined<'_>)) {
        if self.pending.is_none() && record.flags == RecordFlags::WHOLE {
            self.lines[usize::from(record.stream.code())] = Line::default();
            emit(Joined {
                seq: record.seq,
                span: 1,
                time: record.time,
                stream: record.stream,
                bytes: record.bytes,
                part: 0,
                more: false,
                open: false,
                truncated_bytes: 0,
            });
            return;
        }
        self.push_fragment(record, &mut emit);
    }

    fn push_fragment(&mut self, record: Record<'_>, emit: &mut impl FnMut(Joined<'_>)) {
        let continued = record.flags.has(RecordFlags::CONTINUED);
        if self.pending.as_ref().is_some_and(|p| p.stream != record.stream || !continued) {
            self.emit_pending(true, false, emit);
        }
        let line = usize::from(record.stream.code());
        if !continued {
            self.lines[line] = Line::default();
        } else if self.pending.is_none() && self.lines[line].part == 0 {
            // What its line began with is not known here: it is in an earlier record, before a lost connection, or in a gap.
            self.lines[line].part = 1;
        }
        let encoded = json::escaped_bytes(record.bytes);
        if self.is_full(record.bytes.len(), encoded) {
            self.emit_pending(true, false, emit);
        }
        let pending = self.pending.get_or_insert(Pending {
            seq: record.seq,
            span: 0,
            time: record.time,
            stream: record.stream,
            encoded_bytes: 0,
            truncated_bytes: 0,
        });
        pending.span += 1;
        let room = self.limits.line_bytes.saturating_sub(self.lines[line].bytes);
        let kept = record.bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.text.extend_from_slice(&record.bytes[..kept]);
        pending.encoded_bytes += encoded;
        pending.truncated_bytes += (record.bytes.len() - kept) as u64;
        self.lines[line].bytes += kept as u64;
        if !record.flags.has(RecordFlags::MORE) {
            self.emit_pending(false, record.flags.has(RecordFlags::OPEN), emit);
            self.lines[line] = Line::default();
        }
    }

    /// Whether the record in hand has no room for another fragment. What is left out counts too: a line without end must
    /// not keep its sequence numbers waiting for ever.
    fn is_full(&self, bytes: usize, encoded: usize) -> bool {
        let Some(pending) = &self.pending else { return false };
        let held = self.text.len() + usize::try_from(pending.truncated_bytes).unwrap_or(usize::MAX);
        held.saturating_add(bytes) > self.limits.record_bytes
            || pending.encoded_bytes.saturating_add(encoded) > self.limits.encoded_bytes
    }

    fn emit_pending(&mut self, more: bool, open: bool, emit: &mut impl FnMut(Joined<'_>)) {
        let Some(pending) = self.pending.take() else { return };
        let line = &mut self.lines[usize::from(pending.stream.code())];
        emit(Joined {
            seq: pending.seq,
            span: pending.span,
            time: pending.time,
            stream: pending.stream,
            bytes: &self.text,
            part: line.part,
            more,
            open,
            truncated_bytes: pending.truncated_bytes,
        });
        line.part += 1;
        self.text.clear();
        self.text.shrink_to(64 * 1024);
    }

    /// Gives out what is held although its line goes on: before a gap, whose numbers follow at once.
    pub fn cut(&mut self, mut emit: impl FnMut(Joined<'_>)) {
        self.emit_pending(true, false, &mut emit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Splitter;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Owned {
        seq: u64,
        span: u64,
        stream: Stream,
        bytes: Vec<u8>,
        part: u32,
        more: bool,
        open: bool,
        truncated: u64,
    }

    fn join(limits: Limits, chunks: &[(Stream, &[u8])]) -> (Vec<Owned>, u64) {
        let mut splitters = [Splitter::new(), Splitter::new()];
        let (mut joiner, mut out, mut seq) = (Joiner::new(limits), Vec::new(), 0);
        let mut feed = |stream, flags, bytes: &[u8]| {
            seq += 1;
            joiner.push(Record { seq, time: 0, stream, flags, bytes }, |j| {
                out.push(Owned {
                    seq: j.seq,
                    span: j.span,
                    stream: j.stream,
                    bytes: j.bytes.to_vec(),
                    part: j.part,
                    more: j.more,
                    open: j.open,
                    truncated: j.truncated_bytes,
                });
            });
        };
        for &(stream, bytes) in chunks {
            splitters[usize::from(stream.code())].push(bytes, |flags, bytes| feed(stream, flags, bytes));
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            splitters[usize::from(stream.code())].flush(|flags, bytes| feed(stream, flags, bytes));
        }
        joiner.cut(|held| panic!("{held:?} is held"));
        (out, seq)
    }

    fn text_of(lines: &[Owned], stream: Stream) -> (Vec<u8>, u64) {
        let (mut out, mut truncated) = (Vec::new(), 0);
        for line in lines.iter().filter(|l| l.stream == stream) {
            out.extend_from_slice(&line.bytes);
            truncated += line.truncated;
            if !line.more && !line.open {
                out.push(b'\n');
            }
        }
        (out, truncated)
    }

    #[test]
    fn a_window_always_fills_the_longest_record() {
        for (ring_bytes, record, window) in [
            (0, 16 << 10, 144 << 10),
            (56 << 10, 28 << 10, 156 << 10),
            (512 << 10, 256 << 10, 384 << 10),
            (4 << 20, 256 << 10, 2 << 20),
            (u32::MAX, 256 << 10, 4 << 20),
        ] {
            let limits = Limits::for_ring(ring_bytes);
            assert_eq!(
                (limits.record_bytes, limits.window_bytes(ring_bytes)),
                (record, window),
                "{ring_bytes}"
            );
        }
    }

    #[test]
    fn a_line_of_256_kib_stays_whole_and_a_byte_more_does_not() {
        for (len, last_part) in [(256 * 1024, 0), (256 * 1024 + 1, 1)] {
            let mut line = vec![b'x'; len];
            line.push(b'\n');
            let (lines, _) = join(Limits::default(), &[(Stream::Stdout, &line)]);
            assert_eq!(lines.len(), last_part as usize + 1, "{len}");
            assert_eq!(lines[0].span, 16);
            assert_eq!(lines.last().map(|l| (l.more, l.part)), Some((false, last_part)));
        }
    }

    #[test]
    fn a_line_that_json_blows_up_is_cut_earlier() {
        let mut line = vec![1u8; 256 * 1024];
        line.push(b'\n');
        let (lines, _) = join(Limits::default(), &[(Stream::Stdout, &line)]);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| json::escaped_bytes(&l.bytes) <= 960 * 1024));
    }

    #[test]
    fn ten_mebibytes_are_cut_at_two_with_the_rest_counted() {
        let mut line = vec![b'x'; 10 << 20];
        line.push(b'\n');
        let (lines, last_seq) = join(Limits::default(), &[(Stream::Stdout, &line)]);
        let (text, truncated) = text_of(&lines, Stream::Stdout);
        assert_eq!((text.len(), truncated), ((2 << 20) + 1, 8 << 20));
        assert_eq!(lines.iter().map(|l| l.span).sum::<u64>(), last_seq);
        assert!(lines.iter().all(|l| l.span <= 16));
    }

    #[test]
    fn another_stream_in_between_ends_a_record_not_the_line() {
        let long = vec![b'o'; 40_000];
        let (lines, _) = join(
            Limits::default(),
            &[(Stream::Stdout, &long), (Stream::Stderr, b"e\n"), (Stream::Stdout, b"rest\n")],
        );
        let shape: Vec<_> = lines.iter().map(|l| (l.stream, l.seq, l.span, l.part, l.more)).collect();
        assert_eq!(
            shape,
            [
                (Stream::Stdout, 1, 2, 0, true),
                (Stream::Stderr, 3, 1, 0, false),
                (Stream::Stdout, 4, 1, 1, false)
            ]
        );
    }

    #[test]
    fn what_continues_an_unknown_line_is_not_its_first_part() {
        let (more, continued) = (RecordFlags::MORE, RecordFlags::CONTINUED);
        let mut joiner = Joiner::new(Limits { record_bytes: 3, ..Limits::default() });
        let mut parts = Vec::new();
        // After a lost connection, then after a gap within another line.
        for (seq, flags, cut) in [
            (7, more.with(continued), false),
            (8, more.with(continued), false),
            (9, continued, false),
            (10, more, true),
            (12, continued, false),
            (13, RecordFlags::WHOLE, false),
            (15, continued, false),
        ] {
            let record = Record { seq, time: 0, stream: Stream::Stdout, flags, bytes: b"ab" };
            joiner.push(record, |joined| parts.push((joined.seq, joined.part)));
            if cut {
                joiner.cut(|joined| parts.push((joined.seq, joined.part)));
            }
        }
        assert_eq!(parts, [(7, 1), (8, 2), (9, 3), (10, 0), (12, 1), (13, 0), (15, 1)]);
    }

    proptest! {
        #[test]
        fn lines_joined_are_the_bytes_in_save_counted_truncation(
            chunks in proptest::collection::vec((any::<bool>(), 0usize..50_000, 0u8..4, any::<bool>()), 0..12),
        ) {
            let limits = Limits { record_bytes: 40_000, encoded_bytes: 100_000, line_bytes: 70_000 };
            let pieces: Vec<(Stream, Vec<u8>)> = chunks.iter().map(|&(err, len, byte, newline)| {
                let mut bytes = vec![byte; len];
                if newline { bytes.push(b'\n') }
                (if err { Stream::Stderr } else { Stream::Stdout }, bytes)
            }).collect();
            let slices: Vec<_> = pieces.iter().map(|(s, b)| (*s, b.as_slice())).collect();
            let (lines, last_seq) = join(limits, &slices);
            let mut next = 1;
            for line in &lines {
                prop_assert_eq!(line.seq, next);
                next += line.span;
            }
            prop_assert_eq!(next, last_seq + 1);
            for stream in [Stream::Stdout, Stream::Stderr] {
                let wanted: Vec<u8> = pieces.iter().filter(|(s, _)| *s == stream).flat_map(|(_, b)| b.clone()).collect();
                let (text, truncated) = text_of(&lines, stream);
                prop_assert_eq!(text.len() as u64 + truncated, wanted.len() as u64);
                if truncated == 0 { prop_assert_eq!(text, wanted) }
            }
        }
    }
}
