//! Records of a frame to entries of the spool: duplicates out, holes stated, fragments joined, time corrected, level inferred.
//!
//! Pure, and the heart of the host hop: what a line costs here is paid for each line. Nothing is allocated per line.

use std::borrow::Cow;
use std::time::Instant;

use line::frame::{Batch as FrameBatch, GapFrame, Record};
use line::join::{Joined, Joiner, Limits};
use line::{
    Body, Boot, Clock, Entry, Event, Gap, GapReason, Hop, Level, LevelSource, Provider, Stream, Text, entry,
    level,
};

use crate::rate::RateLimit;
use crate::stamp::Stamper;

/// Consecutive entries, encoded, as they go to the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Seq of the first entry.
    pub(crate) first_seq: u64,
    /// Seq after the last entry.
    pub(crate) next_seq: u64,
    /// Number of entries.
    pub(crate) count: u32,
    /// When the host took them, Unix nanoseconds: what the first entry's time is relative to.
    pub(crate) base_time: i64,
    /// Time of the first entry.
    pub(crate) first_time: i64,
    /// Bytes of text in them.
    pub(crate) text_bytes: u64,
    /// The entries.
    pub(crate) bytes: Vec<u8>,
}

impl Encoded {
    /// The entries, for reading.
    pub(crate) fn entries(&self) -> entry::Reader<'_> {
        entry::Reader::new(&self.bytes, self.first_seq, self.base_time)
    }

    /// One entry alone.
    pub(crate) fn one(entry: &Entry<'_>) -> Self {
        let mut bytes = Vec::with_capacity(64);
        let mut writer = entry::Writer::new(entry.seq, entry.time);
        // The seq is the one that the writer was made with, so only a span of 0 could fail.
        let count = u32::from(writer.push(entry, &mut bytes).is_ok());
        Self {
            first_seq: entry.seq,
            next_seq: writer.next_seq(),
            count,
            base_time: entry.time,
            first_time: entry.time,
            text_bytes: 0,
            bytes,
        }
    }
}

/// A gap record that the agent states.
pub(crate) const fn gap_entry(
    from_seq: u64,
    span: u64,
    time: i64,
    clock: Clock,
    reason: GapReason,
    bytes: u64,
) -> Entry<'static> {
    Entry {
        time,
        seq: from_seq,
        span,
        stream: Stream::Agent,
        level: Level::Warn,
        level_source: LevelSource::Platform,
        clock,
        body: Body::Gap(Gap { reason, hop: Hop::Agent, bytes }),
    }
}

/// What was seen since it was last asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Entries made, gaps included.
    pub(crate) lines: u64,
    /// Bytes of text in them.
    pub(crate) bytes: u64,
    /// Sequence numbers that came again.
    pub(crate) duplicates: u64,
    /// Sequence numbers that never came.
    pub(crate) holes: u64,
    /// Sequence numbers that init says it dropped.
    pub(crate) dropped: u64,
    /// Lines over the rate limit.
    pub(crate) limited: u64,
}

/// Lines over the rate limit, not stated yet.
#[derive(Debug)]
struct Limited {
    from_seq: u64,
    next_seq: u64,
    bytes: u64,
    time: i64,
    clock: Clock,
    since: Instant,
}

/// The moment at which a frame is handled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Unix nanoseconds by the host's clock.
    pub(crate) unix_ns: i64,
    /// For measuring time.
    pub(crate) instant: Instant,
}

/// One boot's records on their way to the spool.
#[derive(Debug)]
pub(crate) struct Assembler {
    joiner: Joiner,
    expected: u64,
    /// Why numbers are missing that nobody states.
    hole_reason: GapReason,
    out: Output,
}

/// The second half, which the joiner's output goes to.
#[derive(Debug)]
struct Output {
    stamper: Stamper,
    open: Option<Open>,
    /// Size of the last entries taken: the next will be about as many.
    size_hint: usize,
    limited: Option<Limited>,
    counts: Counts,
}

/// Entries that are being collected.
#[derive(Debug)]
struct Open {
    writer: entry::Writer,
    first_seq: u64,
    base_time: i64,
    first_time: i64,
    text_bytes: u64,
    bytes: Vec<u8>,
}

/// What the agent itself limits, beside the protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule<'a> {
    /// The app's rate limit.
    pub(crate) rate: Option<&'a RateLimit>,
    /// When the frame was handled.
    pub(crate) now: Now,
}

impl Assembler {
    /// An assembler that wants `expected` next; `ring_bytes` is the size of init's ring, which bounds the records.
    pub(crate) fn new(expected: u64, ring_bytes: u32, stamper: Stamper) -> Self {
        Self {
            joiner: Joiner::new(Limits::for_ring(ring_bytes)),
            expected,
            hole_reason: GapReason::SequenceHole,
            out: Output { stamper, open: None, size_hint: 0, limited: None, counts: Counts::default() },
        }
    }

    /// The boot's beginning is not in the spool although it was acknowledged: if init does not say what became of it, the
    /// first hole is the spool's fault.
    pub(crate) fn begin_unknown(mut self) -> Self {
        self.hole_reason = GapReason::SpoolDamaged;
        self
    }

    /// The seq that is wanted next from the Machine.
    pub(crate) const fn expected(&self) -> u64 {
        self.expected
    }

    /// The clock of this boot.
    pub(crate) fn stamper(&mut self) -> &mut Stamper {
        &mut self.out.stamper
    }

    /// Takes a frame of records.
    pub(crate) fn batch(&mut self, batch: &FrameBatch<'_>, rule: Rule<'_>) {
        for record in batch.records() {
            self.record(record, rule);
        }
    }

    #[inline]
    fn record(&mut self, record: Record<'_>, rule: Rule<'_>) {
        if record.seq != self.expected {
            if record.seq < self.expected {
                self.out.counts.duplicates += 1;
                return;
            }
            self.hole(record.seq, record.time, rule.now);
        }
        self.expected = record.seq + 1;
        self.hole_reason = GapReason::SequenceHole;
        let out = &mut self.out;
        self.joiner.push(record, |joined| out.line(joined, rule));
    }

    /// Takes in what init says it dropped. False, and nothing done, if the numbers are out of all bounds.
    pub(crate) fn gap(&mut self, gap: &GapFrame, now: Now) -> bool {
        let next = gap.from_seq.saturating_add(gap.count);
        if next > u64::MAX >> 1 {
            return false;
        }
        if next <= self.expected {
            self.out.counts.duplicates += gap.count;
            return true;
        }
        if gap.from_seq > self.expected {
            self.hole(gap.from_seq, gap.time, now);
        } else {
            self.cut(Rule { rate: None, now });
        }
        let (time, clock) = self.out.stamper.stamp(gap.time, now.unix_ns);
        let span = next - self.expected;
        let told = Gap { reason: gap.reason, hop: Hop::Init, bytes: gap.bytes };
        let entry = Entry {
            stream: Stream::Init,
            body: Body::Gap(told),
            ..gap_entry(self.expected, span, time, clock, gap.reason, gap.bytes)
        };
        self.out.settle();
        self.out.push(&entry, now.unix_ns);
        self.out.counts.dropped += span;
        self.hole_reason = GapReason::SequenceHole;
        self.expected = next;
        true
    }

    /// States that everything up to `next` is missing, without a word from init.
    fn hole(&mut self, next: u64, boottime: i64, now: Now) {
        self.cut(Rule { rate: None, now });
        let (time, clock) = self.out.stamper.stamp(boottime, now.unix_ns);
        self.missing(next, time, clock, self.hole_reason, now);
    }

    fn missing(&mut self, next: u64, time: i64, clock: Clock, reason: GapReason, now: Now) {
        let Some(span) = next.checked_sub(self.expected).filter(|span| *span > 0) else { return };
        self.out.settle();
        self.out.push(&gap_entry(self.expected, span, time, clock, reason, 0), now.unix_ns);
        self.out.counts.holes += span;
        self.expected = next;
    }

    /// States that everything up to `next` is missing, at the end of a boot.
    pub(crate) fn end(&mut self, next: u64, now: Now) {
        self.cut(Rule { rate: None, now });
        if next > self.expected {
            self.hole(next, i64::MAX, now);
        }
        self.out.settle();
    }

    /// Gives out what is held of a line that goes on.
    pub(crate) fn cut(&mut self, rule: Rule<'_>) {
        let out = &mut self.out;
        self.joiner.cut(|joined| out.line(joined, rule));
    }

    /// States the lines over the rate limit, if the first of them is a second old; `force` does it in any case.
    pub(crate) fn settle(&mut self, now: Now, force: bool) {
        let old = |limited: &Limited| now.instant.saturating_duration_since(limited.since).as_secs() >= 1;
        if self.out.limited.as_ref().is_some_and(|limited| force || old(limited)) {
            self.out.settle();
        }
    }

    /// Whether lines over the rate limit wait to be stated.
    pub(crate) const fn is_unsettled(&self) -> bool {
        self.out.limited.is_some()
    }

    /// Bytes of entries collected so far.
    pub(crate) fn collected_bytes(&self) -> usize {
        self.out.open.as_ref().map_or(0, |open| open.bytes.len())
    }

    /// The entries collected so far. Lines over the limit that are not stated yet stay behind.
    pub(crate) fn take(&mut self) -> Option<Encoded> {
        let open = self.out.open.take()?;
        self.out.size_hint = open.bytes.len() + open.bytes.len() / 8;
        Some(Encoded {
            first_seq: open.first_seq,
            next_seq: open.writer.next_seq(),
            count: open.writer.count(),
            base_time: open.base_time,
            first_time: open.first_time,
            text_bytes: open.text_bytes,
            bytes: open.bytes,
        })
    }

    /// What was seen since the last call.
    pub(crate) fn counts(&mut self) -> Counts {
        std::mem::take(&mut self.out.counts)
    }
}

impl Output {
    #[inline]
    fn line(&mut self, joined: Joined<'_>, rule: Rule<'_>) {
        let (time, clock) = self.stamper.stamp(joined.time, rule.now.unix_ns);
        // Init's own events are few and say how the boot went: no limit takes them.
        let is_app = joined.stream.provider() == Provider::App;
        if let Some(rate) = rule.rate
            && is_app
            && !rate.take(rule.now.instant)
        {
            self.limit(&joined, time, clock, rule.now.instant);
            return;
        }
        if self.limited.is_some() {
            self.settle();
        }
        let entry = if is_app { app_line(&joined, time, clock) } else { init_event(&joined, time, clock) };
        self.counts.bytes += joined.bytes.len() as u64;
        self.push(&entry, rule.now.unix_ns);
        if let Some(open) = &mut self.open {
            open.text_bytes += joined.bytes.len() as u64;
        }
    }

    fn limit(&mut self, joined: &Joined<'_>, time: i64, clock: Clock, now: Instant) {
        let limited = self.limited.get_or_insert(Limited {
            from_seq: joined.seq,
            next_seq: joined.seq,
            bytes: 0,
            time,
            clock,
            since: now,
        });
        limited.next_seq = joined.seq + joined.span;
        limited.bytes += joined.bytes.len() as u64 + joined.truncated_bytes;
        self.counts.limited += joined.span;
    }

    /// States the lines over the rate limit that wait for it.
    fn settle(&mut self) {
        let Some(limited) = self.limited.take() else { return };
        let span = limited.next_seq - limited.from_seq;
        let (time, clock) = (limited.time, limited.clock);
        let entry = gap_entry(limited.from_seq, span, time, clock, GapReason::RateLimited, limited.bytes);
        self.push(&entry, time);
    }

    #[inline]
    fn push(&mut self, entry: &Entry<'_>, unix_ns: i64) {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open {
                writer: entry::Writer::new(entry.seq, unix_ns),
                first_seq: entry.seq,
                base_time: unix_ns,
                first_time: entry.time,
                text_bytes: 0,
                bytes: Vec::with_capacity(self.size_hint),
            }),
        };
        // The assembler hands out consecutive numbers only: the writer has nothing to refuse.
        let pushed = open.writer.push(entry, &mut open.bytes);
        debug_assert!(pushed.is_ok(), "{pushed:?}");
        self.counts.lines += 1;
    }
}

#[inline]
fn app_line<'a>(joined: &Joined<'a>, time: i64, clock: Clock) -> Entry<'a> {
    let (level, level_source) = level::infer(joined.bytes);
    Entry { level, level_source, ..text_line(joined, time, clock) }
}

const fn text_line<'a>(joined: &Joined<'a>, time: i64, clock: Clock) -> Entry<'a> {
    Entry {
        time,
        seq: joined.seq,
        span: joined.span,
        stream: joined.stream,
        level: Level::Info,
        level_source: LevelSource::Platform,
        clock,
        body: Body::Line(Text {
            bytes: Cow::Borrowed(joined.bytes),
            part: joined.part,
            more: joined.more,
            open: joined.open,
            truncated_bytes: joined.truncated_bytes,
        }),
    }
}

/// An event of init. One that this version cannot read stays a line, and nobody in a Machine speaks as the agent.
fn init_event<'a>(joined: &Joined<'a>, time: i64, clock: Clock) -> Entry<'a> {
    let entry = Entry { stream: Stream::Init, ..text_line(joined, time, clock) };
    let whole = !joined.more && joined.part == 0;
    match Event::read(joined.bytes) {
        Ok(event) if whole => Entry { level: event.level, body: Body::Event(event), ..entry },
        _ => entry,
    }
}

/// A notice of the agent about an instance: a boot of its own with one record.
pub(crate) fn notice(event: Event<'_>, now_ns: i64, random: u16) -> (Boot, Encoded) {
    let boot = Boot::new(u64::try_from(now_ns).unwrap_or(0) / 1_000_000, random);
    let entry = Entry {
        time: now_ns.max(1),
        seq: 1,
        span: 1,
        stream: Stream::Agent,
        level: event.level,
        level_source: LevelSource::Platform,
        clock: Clock::Host,
        body: Body::Event(event),
    };
    (boot, Encoded::one(&entry))
}

#[cfg(test)]
mod tests;
