//! Bytes of the log. All numbers are little-endian.
//!
//! A segment begins with two copies of its header, 512 bytes apart: the magic `LWWAL001`, the segment's number, a random
//! number (nonce), the lsn of its first record, the lsn from which on records before that one are void, and the CRC32 of
//! all these. Records follow from byte 1024: the nonce (u64), the payload's length (u32), the CRC32 (u32) of that length, the rest of
//! the header and the payload; then the rest of the header and the payload.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// Most bytes of a record's payload.
pub const MAX_PAYLOAD_BYTES: usize = 32 << 20;

const MAGIC: [u8; 8] = *b"LWWAL001";
/// Distance of the header's two copies.
const COPY_BYTES: usize = 512;
/// Where records begin.
pub(super) const HEADER_BYTES: usize = 2 * COPY_BYTES;
/// Bytes of a record before its payload.
pub(super) const RECORD_HEADER_BYTES: usize = 64;

/// The kind of payload: a request as [`line::append::Envelope`] has it. There is no other yet.
const KIND_REQUEST: u8 = 1;

/// One record: a batch, and all that decides what becomes of its rows, so that a replay decides alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number; they rise by one.
    pub lsn: u64,
    /// Everything up to this lsn was durable when it was written.
    pub durable_lsn: u64,
    /// The pos of its first row.
    pub base: u64,
    /// How many positions it takes.
    pub count: u32,
    /// The latest time that a row may have, Unix nanoseconds.
    pub latest: i64,
    /// The earliest time that a row may have, Unix nanoseconds.
    pub earliest: i64,
    /// The request, as it came.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Appends it to `out`.
    pub(super) fn encode(&self, nonce: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let len = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&nonce.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for number in [self.lsn, self.durable_lsn, self.base] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&[KIND_REQUEST, 0, 0, 0]);
        for time in [self.latest, self.earliest] {
            out.extend_from_slice(&time.to_le_bytes());
        }
        let crc = record_crc(len.to_le_bytes(), &out[start + 16..], self.payload);
        out[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(self.payload);
    }

    /// Reads one from the front of `bytes`; `None` if there is none of that nonce. One that is whole but for its nonce is
    /// taken too if it has the lsn that must come here: no older content of the file has that.
    pub(super) fn decode(bytes: &'a [u8], nonce: u64, due_lsn: u64) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        let mut fields = Fields(header);
        let marked = fields.u64()? == nonce;
        let len = fields.take::<4>()?;
        let crc = fields.u32()?;
        let len_bytes = usize::try_from(u32::from_le_bytes(len)).ok()?;
        let payload = rest.get(..len_bytes).filter(|payload| payload.len() <= MAX_PAYLOAD_BYTES)?;
        if record_crc(len, &header[16..], payload) != crc {
            return None;
        }
        let (lsn, durable_lsn, base, count) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u32()?);
        let [kind, ..] = fields.take::<4>()?;
        let (latest, earliest) = (fields.u64()?.cast_signed(), fields.u64()?.cast_signed());
        let wanted = kind == KIND_REQUEST && (marked || lsn == due_lsn);
        wanted.then_some(Self { lsn, durable_lsn, base, count, latest, earliest, payload })
    }

    /// Bytes that it takes in a segment.
    pub(super) const fn len(&self) -> usize {
        RECORD_HEADER_BYTES + self.payload.len()
    }
}

fn record_crc(len: [u8; 4], header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len);
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) nonce: u64,
    pub(super) first_lsn: u64,
    /// Records of former segments from this lsn on were refused, and nobody was told that they are stored.
    pub(super) void_from: u64,
}

impl SegmentHeader {
    /// Both copies.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = MAGIC.to_vec();
        for number in [self.number, self.nonce, self.first_lsn, self.void_from] {
            copy.extend_from_slice(&number.to_le_bytes());
        }
        copy.extend_from_slice(&crc32fast::hash(&copy).to_le_bytes());
        copy.resize(COPY_BYTES, 0);
        copy.repeat(2)
    }

    /// Reads the first copy that is whole.
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        content.get(..HEADER_BYTES)?.chunks(COPY_BYTES).find_map(|copy| {
            let (head, crc) = copy.get(..44)?.split_last_chunk()?;
            let mut fields = Fields(head.strip_prefix(&MAGIC)?);
            let header = Self {
                number: fields.u64()?,
                nonce: fields.u64()?,
                first_lsn: fields.u64()?,
                void_from: fields.u64()?,
            };
            (crc32fast::hash(head) == u32::from_le_bytes(*crc)).then_some(header)
        })
    }

    /// The lsns that it declares void.
    pub(super) const fn void(&self) -> Range<u64> {
        self.void_from..self.first_lsn
    }
}

/// Takes numbers from the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// Random from the system: the standard library's hash keys are. A tenant who cannot guess it cannot forge a record.
pub(crate) fn fresh_nonce() -> u64 {
    // Zero would look like unused space.
    RandomState::new().hash_one(MAGIC).max(1)
}

/// Ending of a segment's name; before it stands its number as 16 hex digits.
const SUFFIX: &str = ".wal";

/// The name of the segment of that number.
pub(super) fn segment_name(number: u64) -> String {
    format!("{number:016x}{SUFFIX}")
}

/// The number in a segment's name.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.strip_suffix(SUFFIX)?, 16).ok()?;
    (segment_name(number) == name).then_some(number)
}
