//! Cursors as bytes, and bytes as text.

use line::varint;
use xxhash_rust::xxh3::xxh3_64;

use super::{Ahead, BootKey, Cursor, Last, MAX_BOOTS};

/// A cursor, from its begin.
pub(super) fn write(cursor: &Cursor, bytes: &mut Vec<u8>) {
    varint::put(bytes, cursor.stores.len() as u64);
    for (name, pos) in &cursor.stores {
        varint::put(bytes, name.as_str().len() as u64);
        bytes.extend_from_slice(name.as_str().as_bytes());
        varint::put(bytes, *pos);
    }
    varint::put(bytes, cursor.at);
    match cursor.history {
        None => bytes.push(0),
        Some(last) => {
            bytes.push(1);
            write_last(last, bytes);
        }
    }
    write_given(&cursor.given, bytes);
}

pub(super) fn write_last(last: Last, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&last.time.to_le_bytes());
    bytes.extend_from_slice(&last.boot.0.to_le_bytes());
    varint::put(bytes, last.seq);
}

pub(super) fn write_given(given: &Ahead, bytes: &mut Vec<u8>) {
    varint::put(bytes, given.len().min(MAX_BOOTS) as u64);
    for (boot, given) in given.iter().take(MAX_BOOTS) {
        bytes.extend_from_slice(&boot.0.to_le_bytes());
        for ranges in [&given.lines, &given.gaps] {
            varint::put(bytes, ranges.iter().len() as u64);
            let mut before = 0;
            for (start, end) in ranges.iter() {
                varint::put(bytes, start.wrapping_sub(before));
                varint::put(bytes, end - start);
                before = end;
            }
        }
    }
}

/// Bytes with their checksum, as text.
pub(super) fn sealed(mut bytes: Vec<u8>) -> String {
    let sum = xxh3_64(&bytes).to_le_bytes();
    bytes.extend_from_slice(&sum[..4]);
    encode(&bytes)
}

/// The bytes of a text whose checksum is right.
pub(super) fn opened(text: &str) -> Option<Vec<u8>> {
    let mut bytes = decode(text)?;
    let at = bytes.len().checked_sub(4)?;
    let sum = bytes.split_off(at);
    (xxh3_64(&bytes).to_le_bytes()[..4] == sum).then_some(bytes)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 2);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=three.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    crate::caller::base64(text)
}

/// Takes apart what [`write`] and [`write_given`] have written.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn number(&mut self) -> Option<u64> {
        varint::take(&mut self.0).ok()
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn key(&mut self) -> Option<BootKey> {
        Some(BootKey(u64::from_le_bytes(self.take(8)?.try_into().ok()?)))
    }

    pub(super) fn last(&mut self) -> Option<Last> {
        let time = i64::from_le_bytes(self.take(8)?.try_into().ok()?);
        Some(Last { time, boot: self.key()?, seq: self.number()? })
    }

    pub(super) fn given(&mut self, cursor: &mut Cursor) -> Option<()> {
        for _ in 0..self.number()? {
            let boot = self.key()?;
            for is_gap in [false, true] {
                let mut at = 0_u64;
                for _ in 0..self.number()? {
                    let start = at.checked_add(self.number()?)?;
                    at = start.checked_add(self.number()?)?;
                    cursor.note(boot, start, at, is_gap);
                }
            }
        }
        Some(())
    }
}
