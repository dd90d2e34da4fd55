//! A line as it rests on disk and travels to stores: binary, with the raw bytes of its text.
//!
//! Entries are written one after another, each relative to the one before it, so a run of them needs the time and the
//! seq of its first. Layout of one entry: a byte of kind and marks, a byte of stream, level and source, the time since the
//! entry before (zigzag varint), then if marked the span (varint), the part and the truncated bytes (varints), and at
//! last the body: text with its length before it; an event with its length before it; or a gap's reason, hop and bytes.

use std::borrow::Cow;

use crate::{Error, Event, Gap, GapReason, Hop, Level, LevelSource, Provider, Stream, codes, varint};

/// Whose clock a line's time is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Init's, corrected by its offset from the host's.
    Guest,
    /// The host's, because init's was more than an hour off.
    Host,
}

/// One record of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Unix nanoseconds, strictly rising within a boot.
    pub time: i64,
    /// Its sequence number; for a gap, the first lost one.
    pub seq: u64,
    /// How many sequence numbers it covers, at least 1; the next entry has seq + span.
    pub span: u64,
    /// Where it was read, or who of Logway wrote it.
    pub stream: Stream,
    /// How grave it is.
    pub level: Level,
    /// What told the level.
    pub level_source: LevelSource,
    /// Whose clock the time is from.
    pub clock: Clock,
    /// What it says.
    pub body: Body<'a>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// A line of the app.
    Line(Text<'a>),
    /// An event of init or the agent.
    Event(Event<'a>),
    /// Lines that are missing.
    Gap(Gap),
}

/// A line's text, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The raw bytes, without the newline.
    pub bytes: Cow<'a, [u8]>,
    /// 0 for a line's first (and mostly only) record, then 1, 2, ...
    pub part: u32,
    /// The line goes on in a further record.
    pub more: bool,
    /// No newline ended it.
    pub open: bool,
    /// Bytes of text left out here because the line was too long.
    pub truncated_bytes: u64,
}

impl<'a> Text<'a> {
    /// A whole line.
    pub fn whole(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { bytes: bytes.into(), part: 0, more: false, open: false, truncated_bytes: 0 }
    }
}

impl Entry<'_> {
    /// Who wrote it.
    pub const fn provider(&self) -> Provider {
        match self.body {
            Body::Line(_) => self.stream.provider(),
            Body::Event(_) | Body::Gap(_) => Provider::Runner,
        }
    }

    /// The seq of the next entry.
    pub const fn next_seq(&self) -> u64 {
        self.seq + self.span
    }

    /// The catalogue's code that it carries: that of a gap's reason, of an event's `code_name` field, or one that the text of a line
    /// says ([`codes::recognise`]), if it is the first record of the line.
    pub fn code(&self) -> Option<&str> {
        match &self.body {
            Body::Gap(gap) => Some(gap.reason.code_name()),
            Body::Event(event) => event.get_text("code_name"),
            Body::Line(text) if text.part > 0 => None,
            Body::Line(text) => codes::recognise(self.provider(), &text.bytes).map(|code| code.code),
        }
    }

    /// The same entry, owning its text.
    pub fn into_owned(self) -> Entry<'static> {
        let body = match self.body {
            Body::Line(text) => Body::Line(Text { bytes: Cow::Owned(text.bytes.into_owned()), ..text }),
            Body::Event(event) => Body::Event(event.into_owned()),
            Body::Gap(gap) => Body::Gap(gap),
        };
        Entry { body, ..self }
    }
}

const KIND_LINE: u8 = 0;
const KIND_EVENT: u8 = 1;
const KIND_GAP: u8 = 2;
const KIND_MASK: u8 = 3;
const HAS_SPAN: u8 = 4;
const HAS_PART: u8 = 8;
const HOST_CLOCK: u8 = 16;
const MORE: u8 = 32;
const OPEN: u8 = 64;

/// Appends entries to a buffer.
#[derive(Debug)]
pub struct Writer {
    next_seq: u64,
    last_time: i64,
    count: u32,
}

impl Writer {
    /// A writer whose first entry will have `first_seq`; `base_time` must be given to the reader too.
    pub const fn new(first_seq: u64, base_time: i64) -> Self {
        Self { next_seq: first_seq, last_time: base_time, count: 0 }
    }

    /// The seq that the next entry must have.
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Entries so far.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Appends `entry`; [`Error::Value`], with nothing written, if its seq is not the one that follows or its span is 0:
    /// a hole must be stated as a gap.
    #[inline]
    pub fn push(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        if entry.seq != self.next_seq || entry.span == 0 {
            return Err(Error::Value { what: "an entry's seq", value: entry.seq });
        }
        let mut marks = if entry.clock == Clock::Host { HOST_CLOCK } else { 0 };
        let mut part = None;
        marks |= match &entry.body {
            Body::Line(text) => {
                part =
                    (text.part > 0 || text.truncated_bytes > 0).then_some((text.part, text.truncated_bytes));
                KIND_LINE | if text.more { MORE } else { 0 } | if text.open { OPEN } else { 0 }
            }
            Body::Event(_) => KIND_EVENT,
            Body::Gap(_) => KIND_GAP,
        };
        marks |= if entry.span > 1 { HAS_SPAN } else { 0 } | if part.is_some() { HAS_PART } else { 0 };
        out.extend_from_slice(&[
            marks,
            entry.stream.code() | entry.level.code() << 2 | entry.level_source.code() << 4,
        ]);
        varint::put(out, varint::zigzag(entry.time.wrapping_sub(self.last_time)));
        if entry.span > 1 {
            varint::put(out, entry.span);
        }
        if let Some((part, truncated)) = part {
            varint::put(out, u64::from(part));
            varint::put(out, truncated);
        }
        put_body(&entry.body, out);
        self.last_time = entry.time;
        self.next_seq = entry.next_seq();
        self.count += 1;
        Ok(())
    }
}

fn put_body(body: &Body<'_>, out: &mut Vec<u8>) {
    match body {
        Body::Line(text) => {
            varint::put(out, text.bytes.len() as u64);
            out.extend_from_slice(&text.bytes);
        }
        Body::Event(event) => {
            let mut bytes = Vec::with_capacity(128);
            event.write(&mut bytes);
            varint::put(out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
        }
        Body::Gap(gap) => {
            out.extend_from_slice(&[gap.reason.code(), gap.hop.code()]);
            varint::put(out, gap.bytes);
        }
    }
}

/// Reads entries one after another. After an error it ends.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    next_seq: u64,
    last_time: i64,
}

impl<'a> Reader<'a> {
    /// A reader of what a [`Writer`] with the same two values wrote.
    pub const fn new(bytes: &'a [u8], first_seq: u64, base_time: i64) -> Self {
        Self { bytes, next_seq: first_seq, last_time: base_time }
    }

    fn take(&mut self) -> Result<Entry<'a>, Error> {
        let bytes = &mut self.bytes;
        let (&[marks, kinds], rest) = bytes.split_first_chunk::<2>().ok_or(Error::Short("an entry"))?;
        *bytes = rest;
        let time = self.last_time.wrapping_add(varint::unzigzag(varint::take(bytes)?));
        let span = if marks & HAS_SPAN == 0 { 1 } else { varint::take(bytes)? };
        if span == 0 || self.next_seq.checked_add(span).is_none() {
            return Err(Error::Value { what: "an entry's span", value: span });
        }
        let (part, truncated_bytes) =
            if marks & HAS_PART == 0 { (0, 0) } else { (varint::take(bytes)?, varint::take(bytes)?) };
        let part = u32::try_from(part).map_err(|_| Error::Value { what: "an entry's part", value: part })?;
        let body = match marks & KIND_MASK {
            KIND_LINE => Body::Line(Text {
                bytes: Cow::Borrowed(take_bytes(bytes)?),
                part,
                more: marks & MORE != 0,
                open: marks & OPEN != 0,
                truncated_bytes,
            }),
            KIND_EVENT => Body::Event(Event::read(take_bytes(bytes)?)?),
            KIND_GAP => Body::Gap(take_gap(bytes)?),
            kind => return Err(Error::Value { what: "an entry's kind", value: u64::from(kind) }),
        };
        let entry = Entry {
            time,
            seq: self.next_seq,
            span,
            stream: Stream::from_code(kinds & 3)?,
            level: Level::from_code(kinds >> 2 & 3)?,
            level_source: LevelSource::from_code(kinds >> 4)?,
            clock: if marks & HOST_CLOCK == 0 { Clock::Guest } else { Clock::Host },
            body,
        };
        self.last_time = time;
        self.next_seq = entry.next_seq();
        Ok(entry)
    }
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let len = usize::try_from(varint::take(bytes)?).unwrap_or(usize::MAX);
    let (head, rest) = bytes.split_at_checked(len).ok_or(Error::Short("an entry's text"))?;
    *bytes = rest;
    Ok(head)
}

fn take_gap(bytes: &mut &[u8]) -> Result<Gap, Error> {
    let (&[reason, hop], rest) = bytes.split_first_chunk::<2>().ok_or(Error::Short("a gap"))?;
    *bytes = rest;
    Ok(Gap { reason: GapReason::from_code(reason), hop: Hop::from_code(hop), bytes: varint::take(bytes)? })
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Entry<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let entry = self.take();
        if entry.is_err() {
            self.bytes = &[];
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
