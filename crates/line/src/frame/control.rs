//! The frames that carry no lines: greeting, heartbeat, gap, goodbye.

use crate::{Boot, Error, GapReason};

/// What init does when its ring is full of unacknowledged lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Drop the oldest lines and say so in a gap record. The app is never blocked.
    DropOldest,
    /// Stop reading the app's pipes: the app blocks in `write`, no line is lost.
    Block,
}

/// The greeting of init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Oldest and newest version of the protocol that init speaks.
    pub versions: (u8, u8),
    /// This start of the instance.
    pub boot: Boot,
    /// The first seq that init still holds; `next_seq` if it holds none.
    pub first_seq: u64,
    /// The seq that the next record will get; 1 at the start.
    pub next_seq: u64,
    /// Init's `CLOCK_REALTIME` in Unix nanoseconds, when the frame was made.
    pub realtime: i64,
    /// Init's `CLOCK_BOOTTIME` in nanoseconds at the same moment. Record times are of this clock: it is never set back.
    pub boottime: i64,
    /// Size of the ring in bytes, so that the agent never waits for more than fits in it.
    pub ring_bytes: u32,
    /// What init does when the ring is full.
    pub policy: Policy,
    /// What init was told of its instance; for messages only, the socket decides.
    pub instance: &'a str,
}

/// The agent's answer to [`Hello`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The version to speak.
    pub version: u8,
    /// The seq that the agent wants next of this boot. 0: it knows nothing of the boot, send all that is held.
    pub resume_seq: u64,
    /// The most unacknowledged bytes that init should have on the way.
    pub window_bytes: u32,
    /// How often init should ping, in milliseconds; three missed pongs mean that the agent is gone.
    pub heartbeat_ms: u32,
}

/// Sequence numbers that init dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapFrame {
    /// The first lost seq.
    pub from_seq: u64,
    /// How many, at least 1.
    pub count: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Why.
    pub reason: GapReason,
    /// Init's `CLOCK_BOOTTIME` of the first lost record, in nanoseconds.
    pub time: i64,
}

/// Init's heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// The seq that the next record will get: everything below exists, here or already with the agent.
    pub next_seq: u64,
    /// Init's `CLOCK_REALTIME` in Unix nanoseconds.
    pub realtime: i64,
    /// Init's `CLOCK_BOOTTIME` in nanoseconds at the same moment.
    pub boottime: i64,
}

/// Init's goodbye. The exit itself was an event among the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bye {
    /// One past the last seq of the boot.
    pub next_seq: u64,
}

/// The agent sends init away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The catalogue's code.
    pub code: &'a str,
    /// The sentence for people.
    pub reason: &'a str,
}

impl<'a> Hello<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.versions.0, self.versions.1]);
        for word in [self.boot.bits(), self.first_seq, self.next_seq] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.realtime.to_le_bytes());
        out.extend_from_slice(&self.boottime.to_le_bytes());
        out.extend_from_slice(&self.ring_bytes.to_le_bytes());
        out.push(u8::from(self.policy == Policy::Block));
        put_text(out, self.instance);
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            versions: (reader.u8()?, reader.u8()?),
            boot: Boot::from_bits(reader.u64()?),
            first_seq: reader.seq()?,
            next_seq: reader.seq()?,
            realtime: reader.i64()?,
            boottime: reader.i64()?,
            ring_bytes: reader.u32()?,
            policy: if reader.u8()? == 1 { Policy::Block } else { Policy::DropOldest },
            instance: reader.text()?,
        })
    }
}

impl Welcome {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.push(self.version);
        out.extend_from_slice(&self.resume_seq.to_le_bytes());
        out.extend_from_slice(&self.window_bytes.to_le_bytes());
        out.extend_from_slice(&self.heartbeat_ms.to_le_bytes());
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            version: reader.u8()?,
            resume_seq: reader.u64()?,
            window_bytes: reader.u32()?,
            heartbeat_ms: reader.u32()?,
        })
    }
}

impl GapFrame {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        for word in [self.from_seq, self.count, self.bytes] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.push(self.reason.code());
        out.extend_from_slice(&self.time.to_le_bytes());
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        let gap = Self {
            from_seq: reader.seq()?,
            count: reader.u64()?,
            bytes: reader.u64()?,
            reason: GapReason::from_code(reader.u8()?),
            time: reader.i64()?,
        };
        match gap.from_seq.checked_add(gap.count) {
            Some(_) if gap.count > 0 => Ok(gap),
            _ => Err(Error::Value { what: "a gap's count", value: gap.count }),
        }
    }
}

impl Ping {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.next_seq.to_le_bytes());
        out.extend_from_slice(&self.realtime.to_le_bytes());
        out.extend_from_slice(&self.boottime.to_le_bytes());
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        Ok(Self { next_seq: reader.seq()?, realtime: reader.i64()?, boottime: reader.i64()? })
    }
}

impl Bye {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.next_seq.to_le_bytes());
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        Ok(Self { next_seq: reader.seq()? })
    }
}

impl<'a> Refused<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_text(out, self.code);
        put_text(out, self.reason);
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, Error> {
        Ok(Self { code: reader.text()?, reason: reader.text()? })
    }
}

/// A text of at most 64 KiB with its length before it; longer text is cut at a character.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Takes fixed-width values from the front of a body.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Error::Short("a frame"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_le_bytes)
    }

    /// A sequence number: from 1, and far enough from the end of 64 bits that nothing wraps.
    pub(super) fn seq(&mut self) -> Result<u64, Error> {
        let value = self.u64()?;
        if value == 0 || value > u64::MAX >> 1 {
            return Err(Error::Value { what: "a sequence number", value });
        }
        Ok(value)
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        let (text, rest) = self.0.split_at_checked(len).ok_or(Error::Short("a frame's text"))?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Error::Utf8("a frame's text"))
    }
}
