//! The fixed bytes of a part: its beginning, the heads of pieces, the footer.

use super::VERSION;
use super::error::{Bad, Error};
use super::wire::{len_u32, take_array, take_u32, take_u64};

/// Begins and ends a part.
const MAGIC: [u8; 8] = *b"LWPART\r\n";

/// Bytes at the beginning: the magic, the version (u32), four zeros.
pub(super) const FILE_BYTES: usize = 16;

/// Magic of a frame's head.
pub(super) const FRAME: [u8; 4] = *b"LWfr";
/// Magic of the head of an app's counts.
pub(super) const COUNTS: [u8; 4] = *b"LWct";
/// Magic of the head of token filters.
pub(super) const TOKENS: [u8; 4] = *b"LWtf";
/// Magic of the tables' head.
pub(super) const TABLES: [u8; 4] = *b"LWtb";

/// Bytes of a piece's head: magic, length of the piece (u64), CRC32 of both.
pub(super) const HEAD_BYTES: usize = 16;

/// Bytes of the footer: place (u64), length (u64) and CRC32 of the tables, version (u32), CRC32 of all before it, four zeros, the magic.
pub(super) const FOOTER_BYTES: usize = 40;

/// The first bytes of a part.
pub(super) fn file() -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes(), &[0; 4]].concat()
}

/// The head of a piece of `len` bytes.
pub(super) fn piece(magic: [u8; 4], len: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&magic);
    head[4..12].copy_from_slice(&len.to_le_bytes());
    let crc = crc32fast::hash(&head[..12]);
    head[12..].copy_from_slice(&crc.to_le_bytes());
    head
}

/// The magic and the length that a head says; `None` if it is none.
pub(super) fn read_piece(head: &[u8; HEAD_BYTES]) -> Option<([u8; 4], u64)> {
    let (before, crc) = head.split_at(12);
    if crc32fast::hash(before).to_le_bytes() != crc {
        return None;
    }
    let mut rest = before;
    Some((take_array(&mut rest).ok()?, take_u64(&mut rest).ok()?))
}

/// The footer for tables that stand at `at`.
pub(super) fn footer(at: u64, tables: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FOOTER_BYTES);
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&u64::from(len_u32(tables.len())).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(tables).to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&MAGIC);
    out
}

/// Place, length and CRC32 of the tables that a footer at `at` says.
pub(super) fn read_footer(footer: &[u8], at: u64) -> Result<(u64, u64, u32), Error> {
    let bad = |what: &'static str| Bad(what).at(at);
    let footer: &[u8; FOOTER_BYTES] = footer.try_into().map_err(|_| bad("a footer"))?;
    let mut rest = &footer[..];
    let mut take = || -> Result<_, Bad> {
        let (at, len, crc) = (take_u64(&mut rest)?, take_u64(&mut rest)?, take_u32(&mut rest)?);
        Ok((at, len, crc, take_u32(&mut rest)?, take_u32(&mut rest)?))
    };
    let (tables_at, len, tables_crc, version, crc) = take().map_err(|bad| bad.at(at))?;
    if footer[32..] != MAGIC || crc32fast::hash(&footer[..24]) != crc || footer[28..32] != [0; 4] {
        return Err(bad("the footer"));
    }
    if version > VERSION {
        return Err(Error::Version(version));
    }
    Ok((tables_at, len, tables_crc))
}

/// Whether these are the first bytes of a part, of a version that is read.
pub(super) fn is_file(bytes: &[u8]) -> bool {
    bytes == file()
}
