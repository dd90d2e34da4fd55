//! What the store has seen, as a file: `LWSEEN01`, the lsn up to which it holds (u64), the boots, and the CRC32 of all that.
//!
//! Of each instance: its key with the length before it and how many boots it has; of each boot its number (u64), when it was
//! heard of (zigzag), and twice a count and that many ranges, each as the distance from the end of the one before and the
//! length. All counts and lengths are varints.

use super::{BootSeen, Ranges, Seen};
use line::{Boot, varint};

const MAGIC: &[u8; 8] = b"LWSEEN01";
/// Longest key: an org id, a slash and an escaped name.
const MAX_KEY_BYTES: u64 = 256;

/// Why bytes are no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not what was written ({0})")]
pub(crate) struct SeenError(&'static str);

/// The file's content.
pub(crate) fn encode(seen: &Seen, lsn: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&lsn.to_le_bytes());
    varint::put(&mut out, seen.keys.len() as u64);
    for (key, boots) in &seen.keys {
        varint::put(&mut out, key.len() as u64);
        out.extend_from_slice(key.as_bytes());
        varint::put(&mut out, boots.len() as u64);
        for (boot, seen) in boots {
            out.extend_from_slice(&boot.bits().to_le_bytes());
            varint::put(&mut out, varint::zigzag(seen.heard));
            put_ranges(&seen.lines, &mut out);
            put_ranges(&seen.gaps, &mut out);
        }
    }
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    out
}

fn put_ranges(ranges: &Ranges, out: &mut Vec<u8>) {
    varint::put(out, ranges.iter().len() as u64);
    let mut last = 0;
    for (start, end) in ranges.iter() {
        varint::put(out, start - last);
        varint::put(out, end - start);
        last = end;
    }
}

/// Reads what [`encode`] made, with its lsn.
///
/// # Errors
/// When the bytes are not that.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Seen, u64), SeenError> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(SeenError("short"))?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err(SeenError("checksum"));
    }
    let rest = body.strip_prefix(MAGIC).ok_or(SeenError("magic"))?;
    let (lsn, mut rest) = rest.split_first_chunk::<8>().ok_or(SeenError("short"))?;
    let rest = &mut rest;
    let mut seen = Seen::default();
    for _ in 0..number(rest)? {
        let len = number(rest)?;
        let key = take(rest, len.min(MAX_KEY_BYTES + 1))
            .filter(|_| len <= MAX_KEY_BYTES)
            .ok_or(SeenError("key"))?;
        let key = std::str::from_utf8(key).map_err(|_| SeenError("key"))?;
        for _ in 0..number(rest)? {
            let (bits, tail) = rest.split_first_chunk::<8>().ok_or(SeenError("boot"))?;
            *rest = tail;
            let heard = varint::unzigzag(number(rest)?);
            let boot = BootSeen { heard, lines: ranges(rest)?, gaps: ranges(rest)? };
            *seen.boot(key, Boot::from_bits(u64::from_le_bytes(*bits)), i64::MIN) = boot;
        }
    }
    if rest.is_empty() { Ok((seen, u64::from_le_bytes(*lsn))) } else { Err(SeenError("long")) }
}

fn number(rest: &mut &[u8]) -> Result<u64, SeenError> {
    varint::take(rest).map_err(|_| SeenError("number"))
}

fn take<'a>(rest: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = tail;
    Some(head)
}

fn ranges(rest: &mut &[u8]) -> Result<Ranges, SeenError> {
    let mut ranges = Ranges::default();
    let mut last = 0u64;
    for _ in 0..number(rest)? {
        let start = last.checked_add(number(rest)?).ok_or(SeenError("range"))?;
        let end = start.checked_add(number(rest)?).ok_or(SeenError("range"))?;
        ranges.add(start, end);
        last = end;
    }
    Ok(ranges)
}
