//! Numbers and strings in the tables of a part: little-endian, or varints as in `line::varint`.

use line::varint;

use super::error::Bad;

/// Takes `N` bytes.
pub(super) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Bad> {
    let (&array, rest) = bytes.split_first_chunk::<N>().ok_or(Bad("a table that ends early"))?;
    *bytes = rest;
    Ok(array)
}

/// Takes a u32.
pub(super) fn take_u32(bytes: &mut &[u8]) -> Result<u32, Bad> {
    take_array(bytes).map(u32::from_le_bytes)
}

/// Takes a u64.
pub(super) fn take_u64(bytes: &mut &[u8]) -> Result<u64, Bad> {
    take_array(bytes).map(u64::from_le_bytes)
}

/// Takes a byte.
pub(super) fn take_u8(bytes: &mut &[u8]) -> Result<u8, Bad> {
    take_array::<1>(bytes).map(|[byte]| byte)
}

/// Takes a varint that must not be above `max`.
pub(super) fn take_count(bytes: &mut &[u8], max: usize) -> Result<usize, Bad> {
    let count = usize::try_from(varint::take(bytes)?).unwrap_or(usize::MAX);
    if count > max { Err(Bad("a count that is too high")) } else { Ok(count) }
}

/// Takes bytes with their length before them.
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Bad> {
    let len = take_count(bytes, bytes.len())?;
    let (head, rest) = bytes.split_at_checked(len).ok_or(Bad("a table that ends early"))?;
    *bytes = rest;
    Ok(head)
}

/// Takes a string with its length before it.
pub(super) fn take_str<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Bad> {
    std::str::from_utf8(take_bytes(bytes)?).map_err(|_| Bad("a name that is not UTF-8"))
}

/// Appends a count.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    varint::put(out, count as u64);
}

/// Appends bytes with their length before them.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The length as a u32; a piece of a part is far shorter than 4 GiB.
pub(super) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
