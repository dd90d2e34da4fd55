//! What a reader that is too slow was not given: ranges of numbers, so that each can be stated in a gap record. Pure.

use std::collections::HashMap;

use bytes::Bytes;
use line::json::{self, Encoder, Tail};
use line::{Body, Boot, Clock, Entry, Gap, GapReason, Hop, Level, LevelSource, OrgId, Stream};

/// Ranges that are kept for one subscription. A reader with more holes than that is cut: it asks again from where it was.
const MAX_RANGES: usize = 1024;

/// Bytes of a timestamp that are kept: more than any has.
const MAX_TIMESTAMP_BYTES: usize = 40;

/// What a message says of itself that a gap record needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbered {
    boot: Boot,
    seq: u64,
    next_seq: u64,
    time: i64,
    host: String,
    stream: Stream,
}

impl Numbered {
    /// Reads it from a message; `None` if that is no line of Logway, so that nobody could say what is missing.
    fn read(payload: &[u8]) -> Option<Self> {
        let message = json::decode(payload).ok()?;
        let (entry, boot) = (message.entry, message.boot?);
        let (seq, next_seq) = (entry.seq, entry.next_seq());
        let (time, stream) = (entry.time, entry.stream);
        Some(Self { boot, seq, next_seq, time, host: message.host, stream })
    }
}

/// One range of a boot, contiguous.
#[derive(Debug)]
struct Range {
    subject: Bytes,
    first: Numbered,
    next_seq: u64,
    last_time: i64,
    /// A later time than that one, as it is written: read when there is need of it. Empty, there is none.
    last_timestamp: Vec<u8>,
    bytes: u64,
}

/// The ranges that one subscription was not given, in the order in which they begin.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    ranges: Vec<Range>,
    /// The last range of each subject.
    last: HashMap<Bytes, usize>,
    /// The range that was noted last: the next message is mostly of the same.
    latest: usize,
}

/// No gap record can be made: the client has to be cut.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unnoted {
    /// The message is no line of Logway, so that nobody could say what is missing.
    NoLine,
    /// There are too many ranges.
    TooMany,
}

impl Skipped {
    /// Notes a message of `org` that is not given. `subject` is that on the bus.
    ///
    /// # Errors
    /// [`Unnoted`].
    pub(crate) fn note(&mut self, org: &OrgId, subject: &[u8], payload: &[u8]) -> Result<(), Unnoted> {
        let at = self.range_of(subject);
        self.latest = at.unwrap_or(self.latest);
        // Millions may follow one another, and all the work that is done for them is missing for those who read.
        if let Some(Tail { boot, seq, next_seq, timestamp }) = json::tail(payload)
            && let Some(range) = self.go_on(at, boot, seq..next_seq, payload.len())
        {
            range.last_timestamp.clear();
            range.last_timestamp.extend_from_slice(timestamp.get(..MAX_TIMESTAMP_BYTES).unwrap_or(timestamp));
            return Ok(());
        }
        if !is_of_lines(org, subject) {
            return Err(Unnoted::NoLine);
        }
        let line = Numbered::read(payload).ok_or(Unnoted::NoLine)?;
        if let Some(range) = self.go_on(at, line.boot, line.seq..line.next_seq, payload.len()) {
            range.last_time = line.time;
            range.last_timestamp.clear();
            return Ok(());
        }
        if self.ranges.len() >= MAX_RANGES {
            return Err(Unnoted::TooMany);
        }
        let subject = Bytes::copy_from_slice(subject);
        self.latest = self.ranges.len();
        self.last.insert(subject.clone(), self.latest);
        let (next_seq, last_time, bytes) = (line.next_seq, line.time, payload.len() as u64);
        let last_timestamp = Vec::new();
        self.ranges.push(Range { subject, first: line, next_seq, last_time, last_timestamp, bytes });
        Ok(())
    }

    /// How many ranges there are.
    pub(crate) fn ranges(&self) -> u32 {
        u32::try_from(self.ranges.len()).unwrap_or(u32::MAX)
    }

    /// The last range of a subject.
    fn range_of(&self, subject: &[u8]) -> Option<usize> {
        let is_latest = self.ranges.get(self.latest).is_some_and(|range| range.subject == subject);
        if is_latest { Some(self.latest) } else { self.last.get(subject).copied() }
    }

    /// Adds a line of these numbers to that range, if it begins where the range ends.
    fn go_on(
        &mut self,
        range: Option<usize>,
        boot: Boot,
        numbers: std::ops::Range<u64>,
        bytes: usize,
    ) -> Option<&mut Range> {
        let range = self.ranges.get_mut(range?)?;
        if range.first.boot != boot || range.next_seq != numbers.start {
            return None;
        }
        range.next_seq = numbers.end;
        range.bytes += bytes as u64;
        Some(range)
    }

    /// How many sequence numbers it covers.
    pub(crate) fn lines(&self) -> u64 {
        self.ranges.iter().map(|range| range.next_seq - range.first.seq).sum()
    }

    /// Gives one gap record for each range, with the subject that it belongs on: that on the bus.
    pub(crate) fn records(&self) -> impl Iterator<Item = (&Bytes, Vec<u8>)> {
        self.ranges.iter().filter_map(|range| Some((&range.subject, range.record()?)))
    }
}

impl Range {
    /// When the last line was.
    fn time(&self) -> i64 {
        let text = std::str::from_utf8(&self.last_timestamp).ok();
        text.and_then(|text| line::time::parse_rfc3339(text).ok()).unwrap_or(self.last_time)
    }

    fn record(&self) -> Option<Vec<u8>> {
        let address = line::subject::parse_inner(std::str::from_utf8(&self.subject).ok()?).ok()?;
        let entry = Entry {
            time: self.time(),
            seq: self.first.seq,
            span: self.next_seq - self.first.seq,
            stream: self.first.stream,
            level: Level::Warn,
            level_source: LevelSource::Platform,
            clock: Clock::Guest,
            body: Body::Gap(Gap { reason: GapReason::SlowReader, hop: Hop::Proxy, bytes: self.bytes }),
        };
        let mut record = Vec::new();
        Encoder::new(&address, &self.first.host).write(self.first.boot, &entry, &mut record);
        Some(record)
    }
}

/// Whether gap records can be made for what comes on this subject of the bus.
fn is_of_lines(org: &OrgId, subject: &[u8]) -> bool {
    let address =
        std::str::from_utf8(subject).ok().and_then(|subject| line::subject::parse_inner(subject).ok());
    address.is_some_and(|address| address.org == *org)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(instance: &str, boot: u64, seq: u64) -> (String, Vec<u8>) {
        let subject = format!("o.k.logs.web.lhr.{instance}");
        let address = line::subject::parse_inner(&subject).unwrap();
        let entry = Entry {
            time: 1_000 + i64::try_from(seq).unwrap(),
            seq,
            span: 1,
            stream: Stream::Stdout,
            level: Level::Info,
            level_source: LevelSource::Default,
            clock: Clock::Guest,
            body: Body::Line(line::Text::whole(&b"hello"[..])),
        };
        let mut payload = Vec::new();
        Encoder::new(&address, "h1").write(Boot::from_bits(boot), &entry, &mut payload);
        (subject, payload)
    }

    fn note(skipped: &mut Skipped, instance: &str, boot: u64, seq: u64) -> Result<(), Unnoted> {
        let (subject, payload) = line(instance, boot, seq);
        skipped.note(&OrgId::new("k").unwrap(), subject.as_bytes(), &payload)
    }

    #[test]
    fn one_record_for_each_contiguous_range() {
        let mut skipped = Skipped::default();
        for (instance, boot, seq) in
            [("a", 1, 5), ("b", 9, 1), ("a", 1, 6), ("a", 1, 7), ("b", 9, 3), ("a", 2, 1), ("a", 2, 2)]
        {
            note(&mut skipped, instance, boot, seq).unwrap();
        }
        let found: Vec<_> = skipped
            .records()
            .map(|(subject, record)| {
                let message = json::decode(&record).unwrap();
                let Body::Gap(gap) = message.entry.body else { panic!("{message:?}") };
                assert_eq!((gap.reason, gap.hop), (GapReason::SlowReader, Hop::Proxy));
                let last_seq = i64::try_from(message.entry.next_seq()).unwrap() - 1;
                assert_eq!(message.entry.time, 1_000 + last_seq);
                assert!(gap.bytes >= message.entry.span * 100 && message.host == "h1", "{gap:?}");
                let subject = String::from_utf8(subject.to_vec()).unwrap();
                (subject, message.boot.unwrap().bits(), message.entry.seq, message.entry.span)
            })
            .collect();
        let on = |instance: &str| format!("o.k.logs.web.lhr.{instance}");
        assert_eq!(found, [(on("a"), 1, 5, 3), (on("b"), 9, 1, 1), (on("b"), 9, 3, 1), (on("a"), 2, 1, 2)]);
        assert_eq!(skipped.lines(), 7);
    }

    #[test]
    fn too_many_ranges_are_said() {
        let mut skipped = Skipped::default();
        for seq in 0..MAX_RANGES as u64 {
            note(&mut skipped, "a", 1, 1 + 2 * seq).unwrap();
        }
        assert_eq!(note(&mut skipped, "a", 1, 1_000_000), Err(Unnoted::TooMany));
        // What goes on where the last range ends still has room.
        note(&mut skipped, "a", 1, 2 * MAX_RANGES as u64).unwrap();
    }

    #[test]
    fn what_is_no_line_has_no_number() {
        for payload in [&b""[..], b"{}", b"hello", br#"{"message":"m","timestamp":"2026-11-22T10:00:00Z"}"#] {
            assert_eq!(Numbered::read(payload), None, "{payload:?}");
        }
        let org = OrgId::new("k").unwrap();
        for (subject, wanted) in [
            ("o.k.logs.a.b.c", true),
            ("o.other.logs.a.b.c", false),
            ("o.k.metrics.a.b.c", false),
            ("o.k.logs.a.b", false),
        ] {
            assert_eq!(is_of_lines(&org, subject.as_bytes()), wanted, "{subject}");
        }
    }
}
