//! What an agent asks a store to keep: the body of a request on `sys.append.<shard>`, which the store's log holds as it came.
//!
//! A request is an [`Envelope`] around a body; the body is compressed by whoever sends it, since this crate has no
//! compression. The body is [`Group`]s one after another ([`Writer`], [`Groups`]): entries of one boot as they stand in the
//! agent's spool, or rows that came from elsewhere. All groups of a request are of one [`crate::shard`]. The bytes are
//! specified in `docs/append-format.md`.
//!
//! Each entry and row has an id (org, instance, boot, seq), so that to send a request again is harmless.

mod read;
mod rows;
#[cfg(test)]
mod tests;
mod write;

pub use read::Groups;
pub use rows::{Fields, MAX_FIELD_NAME_BYTES, MAX_FIELDS, Row, RowWriter, Rows};
pub use write::Writer;

use crate::{Address, Boot, Error, entry, shard};

/// Most bytes of a body before compression. An agent sends a quarter of it at once.
pub const MAX_BODY_BYTES: usize = 4 << 20;
/// Bytes of an envelope before its body.
pub const ENVELOPE_BYTES: usize = 13;
/// Most bytes of a host's name.
pub const MAX_HOST_BYTES: usize = 255;
/// Most bytes of a Machine's key, [`Address::key`].
pub const MAX_KEY_BYTES: usize = 1024;

/// The code with which a store rejects a request for an org that has ended: its lines are let go, and nothing is said of them.
pub const ORG_ENDED: &str = "LS10";

const MAGIC: [u8; 4] = *b"LWA1";
const COMPRESSED: u8 = 1;

/// The outside of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The body is one zstd frame, not the groups themselves.
    pub is_compressed: bool,
    /// Bytes of the groups, 1 to [`MAX_BODY_BYTES`].
    pub body_bytes: usize,
    /// CRC-32 (as in gzip) of the groups.
    pub crc: u32,
    /// What was sent of them.
    pub sent: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// The envelope of `body`, of which `sent` is the compressed form; without it the body is sent as it is.
    pub fn of(body: &'a [u8], sent: Option<&'a [u8]>) -> Self {
        Self {
            is_compressed: sent.is_some(),
            body_bytes: body.len(),
            crc: crc32fast::hash(body),
            sent: sent.unwrap_or(body),
        }
    }

    /// Appends the request's bytes to `out`. [`Error::Value`], with nothing written, if the body is empty or longer than
    /// [`MAX_BODY_BYTES`].
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let len = u32::try_from(self.body_bytes).unwrap_or(u32::MAX);
        check_body_len(len)?;
        out.reserve(ENVELOPE_BYTES + self.sent.len());
        out.extend_from_slice(&MAGIC);
        out.push(u8::from(self.is_compressed) * COMPRESSED);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(self.sent);
        Ok(())
    }

    /// Reads a request. What it says of the body is a claim until [`Envelope::check`] has seen the groups; whoever
    /// decompresses gives out no more than `body_bytes`.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let (head, sent) = bytes.split_first_chunk::<ENVELOPE_BYTES>().ok_or(Error::Short("a request"))?;
        let (magic, rest) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(Error::Value { what: "the first byte of a request", value: u64::from(head[0]) });
        }
        let &[flags, l0, l1, l2, l3, c0, c1, c2, c3] = rest else { return Err(Error::Short("a request")) };
        if flags & !COMPRESSED != 0 {
            return Err(Error::Value { what: "the flags of a request", value: u64::from(flags) });
        }
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        check_body_len(len)?;
        let envelope = Self {
            is_compressed: flags & COMPRESSED != 0,
            body_bytes: usize::try_from(len).unwrap_or(usize::MAX),
            crc: u32::from_le_bytes([c0, c1, c2, c3]),
            sent,
        };
        if sent.is_empty() || (!envelope.is_compressed && sent.len() != envelope.body_bytes) {
            return Err(Error::Short("the body of a request"));
        }
        Ok(envelope)
    }

    /// That `body` is what the sender had: its length and its CRC. [`Error::Value`] if not.
    pub fn check(&self, body: &[u8]) -> Result<(), Error> {
        if body.len() != self.body_bytes {
            return Err(Error::Value { what: "the length of a request's body", value: body.len() as u64 });
        }
        let crc = crc32fast::hash(body);
        if crc == self.crc {
            Ok(())
        } else {
            Err(Error::Value { what: "the CRC of a request's body", value: u64::from(crc) })
        }
    }
}

fn check_body_len(len: u32) -> Result<(), Error> {
    if len == 0 || u64::from(len) > MAX_BODY_BYTES as u64 {
        return Err(Error::Value { what: "the length of a request's body", value: u64::from(len) });
    }
    Ok(())
}

/// Whose a group's entries or rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The Machine; for rows from elsewhere, what they were filed under.
    pub address: Address,
    /// The same as [`Address::key`].
    pub key: &'a str,
    /// The host that sent it, as it stands in a line's JSON; at most [`MAX_HOST_BYTES`] bytes.
    pub host: &'a str,
    /// The boot. Rows from elsewhere have one too: that of the process that took them in.
    pub boot: Boot,
    /// All of this is as in the group before.
    pub is_as_before: bool,
}

impl Whose<'_> {
    /// The shard that it belongs to.
    pub fn shard(&self) -> u8 {
        shard::of_address(&self.address)
    }
}

/// Consecutive entries or rows, encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'a> {
    /// Seq of the first, at least 1.
    pub first_seq: u64,
    /// What the time of the first is relative to, Unix nanoseconds; for entries, when the host took them.
    pub base_time: i64,
    /// How many there are, at least 1. A claim: whoever reads them counts.
    pub count: u32,
    /// They themselves.
    pub bytes: &'a [u8],
}

/// Entries of a boot, as they stand in the agent's spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine<'a> {
    /// Whose.
    pub whose: Whose<'a>,
    /// They fill a hole: their seqs are below some that were sent before, and yet new, or lines where gap records stood.
    pub is_fill: bool,
    /// The entries.
    pub run: Run<'a>,
}

impl<'a> Machine<'a> {
    /// The entries, for reading.
    pub const fn entries(&self) -> entry::Reader<'a> {
        entry::Reader::new(self.run.bytes, self.run.first_seq, self.run.base_time)
    }
}

/// Rows from elsewhere, with provider `import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import<'a> {
    /// Whose.
    pub whose: Whose<'a>,
    /// The rows.
    pub run: Run<'a>,
}

impl<'a> Import<'a> {
    /// The rows, for reading.
    pub const fn rows(&self) -> Rows<'a> {
        Rows::new(self.run.bytes, self.run.first_seq, self.run.base_time)
    }
}

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group<'a> {
    /// Entries of a boot.
    Machine(Machine<'a>),
    /// Rows from elsewhere.
    Import(Import<'a>),
}

impl<'a> Group<'a> {
    /// Whose it is.
    pub const fn whose(&self) -> &Whose<'a> {
        match self {
            Self::Machine(Machine { whose, .. }) | Self::Import(Import { whose, .. }) => whose,
        }
    }

    /// Its entries or rows.
    pub const fn run(&self) -> &Run<'a> {
        match self {
            Self::Machine(Machine { run, .. }) | Self::Import(Import { run, .. }) => run,
        }
    }
}

/// What a group's first byte says: which kind it is, and marks.
const KIND_MACHINE: u8 = 1;
const KIND_IMPORT: u8 = 2;
const KIND_MASK: u8 = 3;
const AS_BEFORE: u8 = 4;
const FILL: u8 = 8;
