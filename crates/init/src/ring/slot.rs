//! A run of sequence numbers in the ring: a frame, or the gap that a frame left.

use line::frame::{BatchWriter, Frame, GapFrame, Parsed, Record, parse};
use line::{GapReason, Stream};

/// What a slot takes besides its bytes: the slot, its share of the queue's growth, the allocator's own.
const SLOT_BYTES: usize = 128;

/// What a frame still holds, and so what it gives up next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Everything: gives up stdout.
    Fresh,
    /// What was kept from a full ring, stderr and events: gives up stderr.
    Kept,
    /// Only events: gives up those.
    Events,
}

/// Consecutive sequence numbers.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) seq: u64,
    pub(super) count: u64,
    /// Boot time of the first record, in nanoseconds.
    pub(super) time: i64,
    pub(super) body: Body,
}

/// What stands for them.
#[derive(Debug)]
pub(super) enum Body {
    /// Their records, as a whole frame. `events` is how many are of init.
    Frame { bytes: Vec<u8>, rank: Rank, events: u32 },
    /// Nothing: they were dropped.
    Gap { text_bytes: u64 },
}

impl Slot {
    /// One past the last number.
    pub(super) const fn end(&self) -> u64 {
        self.seq + self.count
    }

    /// What it takes of the ring, in bytes.
    pub(super) fn cost(&self) -> usize {
        match &self.body {
            Body::Frame { bytes, .. } => SLOT_BYTES + bytes.capacity(),
            Body::Gap { .. } => SLOT_BYTES,
        }
    }

    /// Bytes of its frame; 0 for a gap.
    pub(super) fn frame_bytes(&self) -> usize {
        match &self.body {
            Body::Frame { bytes, .. } => bytes.len(),
            Body::Gap { .. } => 0,
        }
    }

    /// What it gives up next; `None` for a gap.
    pub(super) const fn rank(&self) -> Option<Rank> {
        match self.body {
            Body::Frame { rank, .. } => Some(rank),
            Body::Gap { .. } => None,
        }
    }

    /// Takes in the slot behind it, if both are gaps and either both were sent or none. The cost stays that of one gap.
    pub(super) fn try_merge(&mut self, next: &Self, sent_seq: u64) -> bool {
        let same_side = (self.seq < sent_seq) == (next.seq < sent_seq);
        match (&mut self.body, &next.body) {
            (Body::Gap { text_bytes }, Body::Gap { text_bytes: more }) if same_side => {
                *text_bytes += more;
                self.count += next.count;
                true
            }
            _ => false,
        }
    }

    /// How many records of the app it stands for.
    pub(super) fn lines(&self) -> u64 {
        match self.body {
            Body::Frame { events, .. } => self.count - u64::from(events),
            Body::Gap { .. } => self.count,
        }
    }

    /// The frame that says that the numbers from `from` on are missing. Of a gap that the agent knows in part, the bytes
    /// are shared out by count.
    pub(super) fn gap_from(&self, from: u64, text_bytes: u64) -> GapFrame {
        let from_seq = from.max(self.seq);
        let count = self.end() - from_seq;
        let share = u128::from(text_bytes) * u128::from(count) / u128::from(self.count.max(1));
        let bytes = u64::try_from(share).unwrap_or(text_bytes);
        GapFrame { from_seq, count, bytes, reason: GapReason::RingFull, time: self.time }
    }

    /// The same numbers without the records that the rank gives up: gaps, and frames of the next rank.
    pub(super) fn thinned(&self) -> Vec<Self> {
        let Body::Frame { bytes, rank, .. } = &self.body else { return Vec::new() };
        let mut thinner = Thinner { out: Vec::new(), run: None };
        let (next, keeps): (Rank, fn(Stream) -> bool) = match rank {
            Rank::Fresh => (Rank::Kept, |stream| stream != Stream::Stdout),
            Rank::Kept => (Rank::Events, |stream| stream == Stream::Init),
            Rank::Events => (Rank::Events, |_| false),
        };
        match parse(bytes) {
            Parsed::Frame { frame: Frame::Batch(batch), .. } => {
                batch.records().for_each(|record| thinner.take(&record, next, keeps(record.stream)));
            }
            // What this program wrote, it reads.
            _ => thinner.gap(self.seq, self.count, self.time, 0),
        }
        thinner.finish_run(next);
        thinner.out
    }
}

/// Sorts records into runs of kept ones and runs of dropped ones.
struct Thinner {
    out: Vec<Slot>,
    run: Option<Run>,
}

struct Run {
    writer: BatchWriter,
    seq: u64,
    time: i64,
    events: u32,
    only_events: bool,
}

impl Thinner {
    fn take(&mut self, record: &Record<'_>, next: Rank, keep: bool) {
        let Record { seq, time, stream, flags, bytes } = *record;
        if !keep {
            self.finish_run(next);
            return self.gap(seq, 1, time, bytes.len() as u64);
        }
        let run = self.run.get_or_insert_with(|| {
            let writer = BatchWriter::new(Vec::new(), seq, time);
            Run { writer, seq, time, events: 0, only_events: true }
        });
        run.writer.push(time, stream, flags, bytes);
        run.events += u32::from(stream == Stream::Init);
        run.only_events &= stream == Stream::Init;
    }

    fn gap(&mut self, seq: u64, count: u64, time: i64, bytes: u64) {
        if let Some(last) = self.out.last_mut()
            && let Body::Gap { text_bytes } = &mut last.body
        {
            last.count += count;
            *text_bytes += bytes;
        } else {
            self.out.push(Slot { seq, count, time, body: Body::Gap { text_bytes: bytes } });
        }
    }

    fn finish_run(&mut self, next: Rank) {
        let Some(Run { writer, seq, time, events, only_events }) = self.run.take() else { return };
        let (count, text_bytes) = (u64::from(writer.count()), writer.text_bytes());
        match writer.finish() {
            Ok(mut bytes) => {
                bytes.shrink_to_fit();
                let rank = if only_events { Rank::Events } else { next };
                self.out.push(Slot { seq, count, time, body: Body::Frame { bytes, rank, events } });
            }
            // Cannot be: a part of a frame is shorter than the frame.
            Err(_) => self.gap(seq, count, time, text_bytes),
        }
    }
}
