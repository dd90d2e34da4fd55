//! The frame that carries lines.
//!
//! Body: `base_seq` u64, `base_time` i64 (init's `CLOCK_BOOTTIME`, nanoseconds), `count` u32, then `count` records of
//! {time since the record before, varint; stream u8; flags u8; length varint; bytes}. Record i has seq `base_seq + i`.

use super::control::Reader;
use super::{BATCH, HEADER_BYTES, MAX_BODY_BYTES, begin, finish};
use crate::{Error, Stream, varint};

/// Bytes of a batch's body before its records.
const FIXED_BYTES: usize = 20;

/// How a record hangs together with its neighbours of the same stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordFlags(u8);

impl RecordFlags {
    /// A whole line that ended in a newline (which is not part of the bytes).
    pub const WHOLE: Self = Self(0);
    /// The line was cut because of its length and goes on in the next record of its stream.
    pub const MORE: Self = Self(1);
    /// No newline ended it: it was sent after an idle time (a prompt) or at the end of the stream.
    pub const OPEN: Self = Self(2);
    /// It continues the record before it of its stream, which had [`RecordFlags::MORE`].
    pub const CONTINUED: Self = Self(4);

    /// Both sets of flags.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other`'s flags are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The byte on the wire.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Flags of a byte of the wire; bits of later versions are passed over.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }
}

/// One record: a line, a fragment of a long one, or an event of init (stream `init`, see [`crate::Event`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its sequence number.
    pub seq: u64,
    /// When init read it: `CLOCK_BOOTTIME` in nanoseconds.
    pub time: i64,
    /// Where it was read.
    pub stream: Stream,
    /// How it hangs together with its neighbours.
    pub flags: RecordFlags,
    /// What was read, untouched, without the newline.
    pub bytes: &'a [u8],
}

/// Consecutive records, checked when they were read: iterating cannot fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<'a> {
    base_seq: u64,
    base_time: i64,
    count: u32,
    records: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Seq of the first record.
    pub const fn base_seq(&self) -> u64 {
        self.base_seq
    }

    /// Seq after the last record.
    pub const fn next_seq(&self) -> u64 {
        self.base_seq + self.count as u64
    }

    /// How many records.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let (mut rest, mut time) = (self.records, self.base_time);
        (self.base_seq..self.next_seq()).map_while(move |seq| {
            let record = take_record(&mut rest, seq, time).ok()?;
            time = record.time;
            Some(record)
        })
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader(body);
        let (base_seq, base_time, count) = (reader.seq()?, reader.i64()?, reader.u32()?);
        let records = reader.0;
        let batch = Self { base_seq, base_time, count, records };
        let (mut rest, mut time) = (records, base_time);
        for seq in base_seq..batch.next_seq() {
            time = take_record(&mut rest, seq, time)?.time;
        }
        if !rest.is_empty() {
            return Err(Error::Value { what: "the bytes after a batch's records", value: rest.len() as u64 });
        }
        Ok(batch)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.base_seq.to_le_bytes());
        out.extend_from_slice(&self.base_time.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(self.records);
    }
}

fn take_record<'a>(bytes: &mut &'a [u8], seq: u64, before: i64) -> Result<Record<'a>, Error> {
    let elapsed = varint::take(bytes)?;
    let time = before
        .checked_add_unsigned(elapsed)
        .ok_or(Error::Value { what: "a record's time", value: elapsed })?;
    let (&[stream, flags], rest) = bytes.split_first_chunk::<2>().ok_or(Error::Short("a record"))?;
    *bytes = rest;
    let len = usize::try_from(varint::take(bytes)?).unwrap_or(usize::MAX);
    let (text, rest) = bytes.split_at_checked(len).ok_or(Error::Short("a record"))?;
    *bytes = rest;
    Ok(Record {
        seq,
        time,
        stream: Stream::from_code(stream)?,
        flags: RecordFlags::from_bits(flags),
        bytes: text,
    })
}

/// Builds one batch frame in place, record by record, so that each byte of a line is copied once.
#[derive(Debug)]
pub struct BatchWriter {
    frame: Vec<u8>,
    base_seq: u64,
    last_time: i64,
    count: u32,
    text_bytes: u64,
}

impl BatchWriter {
    /// The most bytes that a record takes besides its text.
    pub const RECORD_OVERHEAD_BYTES: usize = 10 + 2 + 10;

    /// An empty batch in `buffer`, which is cleared and may be reused from an earlier frame.
    pub fn new(mut buffer: Vec<u8>, base_seq: u64, base_time: i64) -> Self {
        buffer.clear();
        begin(&mut buffer, BATCH);
        buffer.extend_from_slice(&base_seq.to_le_bytes());
        buffer.extend_from_slice(&base_time.to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        Self { frame: buffer, base_seq, last_time: base_time, count: 0, text_bytes: 0 }
    }

    /// Whether a record with `text_bytes` of text still fits the frame.
    pub fn fits(&self, text_bytes: usize) -> bool {
        self.frame.len() + Self::RECORD_OVERHEAD_BYTES + text_bytes <= HEADER_BYTES + MAX_BODY_BYTES
    }

    /// Appends a record. `time` (boot time, nanoseconds) before that of the last record counts as the same time. A frame that
    /// grows too long, which [`BatchWriter::fits`] tells beforehand, fails in [`BatchWriter::finish`].
    #[inline]
    pub fn push(&mut self, time: i64, stream: Stream, flags: RecordFlags, text: &[u8]) {
        let elapsed = u64::try_from(time.saturating_sub(self.last_time)).unwrap_or(0);
        self.last_time = self.last_time.max(time);
        varint::put(&mut self.frame, elapsed);
        self.frame.extend_from_slice(&[stream.code(), flags.bits()]);
        varint::put(&mut self.frame, text.len() as u64);
        self.frame.extend_from_slice(text);
        self.count += 1;
        self.text_bytes += text.len() as u64;
    }

    /// Records so far.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Seq that the next record gets.
    pub const fn next_seq(&self) -> u64 {
        self.base_seq + self.count as u64
    }

    /// Bytes of text so far.
    pub const fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Size of the frame so far, in bytes.
    pub fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    /// The complete frame; [`Error::Value`] if it grew past [`MAX_BODY_BYTES`].
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let at = HEADER_BYTES + FIXED_BYTES - 4;
        self.frame[at..at + 4].copy_from_slice(&self.count.to_le_bytes());
        finish(&mut self.frame, 0)?;
        Ok(self.frame)
    }
}
