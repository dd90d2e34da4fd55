//! LWP/1, the protocol between init and the host agent: the same bytes over a unix socket, vsock or a serial port.
//!
//! A frame is a header of 12 bytes and a body of at most 256 KiB, little endian:
//!
//! | bytes | field |
//! |---|---|
//! | 2 | magic `LW` |
//! | 1 | type |
//! | 1 | flags, 0 in this version |
//! | 4 | length of the body |
//! | 4 | CRC-32 (IEEE) of the eight bytes before it and of the body |
//!
//! Magic and CRC let a reader find its place again on a serial port, where a restarted agent sees the middle of a
//! stream. A body may be longer than this version reads: later versions append fields. Only a batch is its records to the last byte.

mod batch;
mod control;

pub use batch::{Batch, BatchWriter, Record, RecordFlags};
pub use control::{Bye, GapFrame, Hello, Ping, Policy, Refused, Welcome};

use crate::Error;

/// First two bytes of every frame.
pub const MAGIC: [u8; 2] = *b"LW";
/// Bytes before a body.
pub const HEADER_BYTES: usize = 12;
/// Longest body in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Size in bytes, header included, up to which init fills a batch. Larger writes to a socket gain nothing; smaller ones cost up
/// to six times the CPU.
pub const BATCH_BYTES: usize = 64 * 1024;
/// The version of the protocol that this code speaks, the only one so far.
pub const VERSION: u8 = 1;

/// One message between init and agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Init to agent, first of all: who I am and what I hold.
    Hello(Hello<'a>),
    /// Agent to init: where to go on.
    Welcome(Welcome),
    /// Init to agent: consecutive records.
    Batch(Batch<'a>),
    /// Agent to init: every seq below this one is on the host's disk.
    Ack {
        /// The next seq that is not yet safe.
        next_seq: u64,
    },
    /// Init to agent: these sequence numbers were dropped.
    Gap(GapFrame),
    /// Init to agent, every heartbeat: I live, and this is my clock.
    Ping(Ping),
    /// Agent to init: the answer to a ping, echoing its boot time clock.
    Pong {
        /// [`Ping::boottime`] of the ping that is answered.
        boottime: i64,
    },
    /// Init to agent: tell me when everything below this seq is safe.
    Flush {
        /// The barrier.
        next_seq: u64,
    },
    /// Agent to init: everything below the barrier is on disk.
    Flushed {
        /// The barrier that was asked for.
        next_seq: u64,
    },
    /// Init to agent: the boot is over; the end of the connection is no fault.
    Bye(Bye),
    /// Agent to init: go away, and why. The agent closes after it.
    Refused(Refused<'a>),
}

impl Frame<'_> {
    /// Appends the frame to `out`. [`Error::Value`] if its body is longer than [`MAX_BODY_BYTES`]; `out` is then as before.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = begin(out, self.kind());
        match self {
            Self::Hello(hello) => hello.write(out),
            Self::Welcome(welcome) => welcome.write(out),
            Self::Batch(batch) => batch.write(out),
            Self::Ack { next_seq } | Self::Flush { next_seq } | Self::Flushed { next_seq } => {
                out.extend_from_slice(&next_seq.to_le_bytes());
            }
            Self::Gap(gap) => gap.write(out),
            Self::Ping(ping) => ping.write(out),
            Self::Pong { boottime } => out.extend_from_slice(&boottime.to_le_bytes()),
            Self::Bye(bye) => bye.write(out),
            Self::Refused(refused) => refused.write(out),
        }
        finish(out, start)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Welcome(_) => 2,
            Self::Batch(_) => BATCH,
            Self::Ack { .. } => 4,
            Self::Gap(_) => 5,
            Self::Ping(_) => 6,
            Self::Pong { .. } => 7,
            Self::Flush { .. } => 8,
            Self::Flushed { .. } => 9,
            Self::Bye(_) => 10,
            Self::Refused(_) => 11,
        }
    }
}

const BATCH: u8 = 3;

/// Appends the header of a frame whose body follows; [`finish`] completes it.
fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&[0; 8]);
    start
}

/// Writes length and CRC into the header at `start`, once the body is complete.
fn finish(out: &mut Vec<u8>, start: usize) -> Result<(), Error> {
    let body = out.len().saturating_sub(start + HEADER_BYTES);
    let Some(len) = u32::try_from(body).ok().filter(|_| body <= MAX_BODY_BYTES) else {
        out.truncate(start);
        return Err(Error::Value { what: "the length of a frame's body", value: body as u64 });
    };
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    let crc = checksum(&out[start..start + 8], &out[start + HEADER_BYTES..]);
    out[start + 8..start + HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// What stands at the front of received bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Not a whole frame yet: at least this many more bytes are needed.
    Incomplete {
        /// Bytes still missing, at least 1.
        need: usize,
    },
    /// A frame that took `used` bytes.
    Frame {
        /// The frame, borrowing from the input.
        frame: Frame<'a>,
        /// Bytes it took.
        used: usize,
    },
    /// A frame of a type that a later version knows: pass over it.
    Unknown {
        /// Its type.
        kind: u8,
        /// Bytes it took.
        used: usize,
    },
    /// Bytes that are no frame: pass over `used` of them and try again.
    Garbage {
        /// Bytes up to the next place where a frame may begin, at least 1.
        used: usize,
        /// Bytes that had to be looked at to see it, at least `used`: a wrong CRC costs the length that its header claims, and the
        /// next header may stand 8 bytes on. A reader's patience should end by this number.
        looked_at: usize,
        /// What is wrong.
        why: Error,
    },
}

/// Looks at the front of `bytes`. Never fails for good: what is no frame is passed over up to the next magic.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        let plausible = bytes.iter().zip(MAGIC).all(|(&a, b)| a == b);
        return if plausible {
            Parsed::Incomplete { need: HEADER_BYTES - bytes.len() }
        } else {
            garbage(bytes, 0, Error::Value { what: "a frame's magic", value: 0 })
        };
    };
    if header[..2] != MAGIC {
        return garbage(bytes, 0, Error::Value { what: "a frame's magic", value: u64::from(header[0]) });
    }
    let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    if len > MAX_BODY_BYTES {
        return garbage(bytes, 0, Error::Value { what: "the length of a frame's body", value: len as u64 });
    }
    let used = HEADER_BYTES + len;
    let Some(body) = bytes.get(HEADER_BYTES..used) else {
        return Parsed::Incomplete { need: used - bytes.len() };
    };
    let crc = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if crc != checksum(&header[..8], body) {
        return garbage(bytes, used, Error::Value { what: "a frame's CRC", value: u64::from(crc) });
    }
    match read_body(header[2], body) {
        Ok(Some(frame)) => Parsed::Frame { frame, used },
        Ok(None) => Parsed::Unknown { kind: header[2], used },
        Err(why) => Parsed::Garbage { used, looked_at: used, why },
    }
}

/// Garbage up to the next byte that may begin a frame, after `checked` bytes of it were looked at in vain. The very first byte is
/// always part of it.
fn garbage(bytes: &[u8], checked: usize, why: Error) -> Parsed<'_> {
    let rest = bytes.get(1..).unwrap_or_default();
    let next = memchr::memmem::find(rest, &MAGIC);
    let tail = usize::from(rest.last() == Some(&MAGIC[0]));
    let used = 1 + next.unwrap_or(rest.len() - tail);
    Parsed::Garbage { used, looked_at: checked + used, why }
}

fn read_body(kind: u8, body: &[u8]) -> Result<Option<Frame<'_>>, Error> {
    let mut reader = control::Reader(body);
    Ok(Some(match kind {
        1 => Frame::Hello(Hello::read(reader)?),
        2 => Frame::Welcome(Welcome::read(reader)?),
        BATCH => Frame::Batch(Batch::read(body)?),
        4 => Frame::Ack { next_seq: reader.u64()? },
        5 => Frame::Gap(GapFrame::read(reader)?),
        6 => Frame::Ping(Ping::read(reader)?),
        7 => Frame::Pong { boottime: reader.i64()? },
        8 => Frame::Flush { next_seq: reader.u64()? },
        9 => Frame::Flushed { next_seq: reader.u64()? },
        10 => Frame::Bye(Bye::read(reader)?),
        11 => Frame::Refused(Refused::read(reader)?),
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests;
