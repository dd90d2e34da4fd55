//! The bytes of a segment; `docs/spool-format.md` says the same in prose. All numbers are little-endian.

use super::Pos;

/// Begins each copy of a segment's header; the last character is the version.
const SEGMENT_MAGIC: [u8; 8] = *b"LWSPOOL1";
/// Distance of the two copies of the header: one sector, so that one bad sector does not take both.
const COPY_BYTES: usize = 512;
/// Bytes before the first record.
pub(super) const HEADER_BYTES: usize = 2 * COPY_BYTES;
const HEADER_USED_BYTES: usize = 68;
/// `prev_base` of the first segment ever.
pub(super) const NO_SEGMENT: u64 = u64::MAX;
/// Bytes of a record before its key.
pub(super) const RECORD_HEADER_BYTES: usize = 72;
/// Records begin at multiples of this.
pub(super) const ALIGN_BYTES: usize = 8;
/// Most bytes of a record's body: a checkpoint of the largest segment, or a batch.
const MAX_RECORD_BODY_BYTES: usize = 16 << 20;

/// What a segment says of itself and of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Position of the file's first byte.
    pub(super) base: u64,
    /// Positions that the segment takes up, from `base`.
    pub(super) capacity: u64,
    /// Base of the segment written before, or [`NO_SEGMENT`].
    pub(super) prev_base: u64,
    /// Nothing valid stands from here to `base`; equal to `base` when that is not known.
    pub(super) prev_end: u64,
    /// What was before it had been released when this segment was made: all cursors had passed it.
    pub(super) floor: u64,
    /// Begins every record of this segment. Random, so that bytes chosen by a tenant cannot pass for a record.
    pub(super) nonce: u64,
    /// When it was made, ns since 1970; for people.
    pub(super) time: i64,
}

impl SegmentHeader {
    /// Both copies.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = SEGMENT_MAGIC.to_vec();
        for number in [self.base, self.capacity, self.prev_base, self.prev_end, self.floor, self.nonce] {
            copy.extend_from_slice(&number.to_le_bytes());
        }
        copy.extend_from_slice(&self.time.to_le_bytes());
        copy.extend_from_slice(&crc32fast::hash(&copy).to_le_bytes());
        copy.resize(COPY_BYTES, 0);
        copy.repeat(2)
    }

    /// The first copy that is valid.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.chunks(COPY_BYTES).take(2).find_map(Self::decode_copy)
    }

    fn decode_copy(copy: &[u8]) -> Option<Self> {
        let mut fields = Fields(copy.get(..HEADER_USED_BYTES)?);
        let crc = crc32fast::hash(&copy[..HEADER_USED_BYTES - 4]);
        if fields.take::<8>()? != SEGMENT_MAGIC {
            return None;
        }
        let header = Self {
            base: fields.u64()?,
            capacity: fields.u64()?,
            prev_base: fields.u64()?,
            prev_end: fields.u64()?,
            floor: fields.u64()?,
            nonce: fields.u64()?,
            time: fields.u64()?.cast_signed(),
        };
        let sane = header.base.checked_add(header.capacity).is_some() && header.prev_end <= header.base;
        (fields.u32()? == crc && sane).then_some(header)
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Entries.
    Batch,
    /// Entries that fill a hole.
    Fill,
    /// The end of a boot; no body.
    End,
    /// The boots known at this point; no key.
    Checkpoint,
    /// Entries that state others as missing which may still come: then a fill takes their place.
    Vanished,
    /// A boot has given out the numbers below `first_seq`, which the spool may have or not; no body.
    Told,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Batch => 1,
            Self::Fill => 2,
            Self::End => 3,
            Self::Checkpoint => 4,
            Self::Vanished => 5,
            Self::Told => 6,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        let all = [Self::Batch, Self::Fill, Self::End, Self::Checkpoint, Self::Vanished, Self::Told];
        all.into_iter().find(|kind| kind.code() == code)
    }
}

/// A record, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) pos: Pos,
    pub(super) group_len: usize,
    pub(super) boot: u64,
    pub(super) first_seq: u64,
    pub(super) next_seq: u64,
    pub(super) count: u32,
    pub(super) time: i64,
    pub(super) key: &'a [u8],
    pub(super) body: &'a [u8],
}

/// Bytes of a record on disk, with its padding.
pub(super) fn record_len(key_len: usize, body_len: usize) -> usize {
    (RECORD_HEADER_BYTES + key_len + body_len).next_multiple_of(ALIGN_BYTES)
}

/// What stands at a place where a record may begin.
#[derive(Debug)]
pub(super) enum Decoded<'a> {
    /// A valid record of so many bytes.
    Record(Record<'a>, usize),
    /// The beginning of a record of so many bytes, more than were given.
    Short(usize),
    /// No valid record.
    Bad,
}

impl<'a> Record<'a> {
    /// Bytes on disk, with padding.
    pub(super) fn len(&self) -> usize {
        record_len(self.key.len(), self.body.len())
    }

    /// Position after it.
    pub(super) fn next(&self) -> Pos {
        Pos(self.pos.0 + self.len() as u64)
    }

    /// Appends the record's bytes to `out`. Key and body are within the bounds that the caller has checked.
    pub(super) fn encode(&self, nonce: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&nonce.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&[self.kind.code(), 0]);
        out.extend_from_slice(&u16::try_from(self.key.len()).unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&self.pos.0.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.body.len()).unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.group_len).unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        for number in [self.boot, self.first_seq, self.next_seq] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.time.to_le_bytes());
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.body);
        let crc = crc32fast::hash(&out[start + 12..]);
        out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
        out.resize(start + self.len(), 0);
    }

    /// Reads the record that begins with `bytes` and should stand at `pos`.
    pub(super) fn decode(bytes: &'a [u8], nonce: u64, pos: Pos) -> Decoded<'a> {
        Self::parse(bytes, nonce, pos).unwrap_or(Decoded::Bad)
    }

    fn parse(bytes: &'a [u8], nonce: u64, pos: Pos) -> Option<Decoded<'a>> {
        if bytes.get(..8)? != nonce.to_le_bytes() {
            return None;
        }
        if bytes.len() < RECORD_HEADER_BYTES {
            return Some(Decoded::Short(RECORD_HEADER_BYTES));
        }
        let mut fields = Fields(&bytes[8..RECORD_HEADER_BYTES]);
        let crc = fields.u32()?;
        let [kind, _] = fields.take()?;
        let key_len = usize::from(fields.u16()?);
        let at = Pos(fields.u64()?);
        let body_len = usize::try_from(fields.u32()?).ok()?;
        let group_len = usize::from(fields.u16()?);
        let _reserved = fields.u16()?;
        let (boot, first_seq, next_seq) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let count = fields.u32()?;
        let _reserved = fields.u32()?;
        let time = fields.u64()?.cast_signed();
        if at != pos || body_len > MAX_RECORD_BODY_BYTES || group_len > key_len {
            return None;
        }
        let body_at = RECORD_HEADER_BYTES + key_len;
        let len = record_len(key_len, body_len);
        let Some(body) = bytes.get(body_at..body_at + body_len) else { return Some(Decoded::Short(len)) };
        if crc32fast::hash(&bytes[12..body_at + body_len]) != crc {
            return None;
        }
        let kind = Kind::from_code(kind)?;
        let key = &bytes[RECORD_HEADER_BYTES..body_at];
        let record = Self { kind, pos, group_len, boot, first_seq, next_seq, count, time, key, body };
        Some(Decoded::Record(record, len))
    }
}

/// What a walk over a piece of a segment meets.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A valid record.
    Record(Record<'a>),
    /// Bytes from the first position to the second that are no valid record, with a valid one after them.
    Bad(Pos, Pos),
}

/// Walks the records in `bytes`, which stand at `pos`, and returns the position after the last valid one, and whether
/// anything but zeros follows it. After bytes that are no record it goes on at the next one that is.
pub(super) fn scan<'a>(
    bytes: &'a [u8],
    nonce: u64,
    pos: Pos,
    mut found: impl FnMut(Found<'a>),
) -> (Pos, bool) {
    let mut at = 0;
    loop {
        let here = Pos(pos.0 + at as u64);
        // The padding of the last record may have been cut off: its end is beyond that of the bytes.
        let rest = bytes.get(at..).unwrap_or_default();
        if let Decoded::Record(record, len) = Record::decode(rest, nonce, here) {
            found(Found::Record(record));
            at += len;
            continue;
        }
        match resync(bytes, nonce, pos, at + ALIGN_BYTES) {
            Some(next) => {
                found(Found::Bad(here, Pos(pos.0 + next as u64)));
                at = next;
            }
            None => return (here, rest.iter().any(|&byte| byte != 0)),
        }
    }
}

/// Offset of the first valid record at or after `from`.
pub(super) fn resync(bytes: &[u8], nonce: u64, pos: Pos, from: usize) -> Option<usize> {
    let mark = nonce.to_le_bytes();
    (from.next_multiple_of(ALIGN_BYTES)..bytes.len()).step_by(ALIGN_BYTES).find(|&at| {
        bytes[at..].starts_with(&mark)
            && matches!(Record::decode(&bytes[at..], nonce, Pos(pos.0 + at as u64)), Decoded::Record(..))
    })
}

/// Takes numbers off the front of a slice.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
