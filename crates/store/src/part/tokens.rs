//! Which tokens a frame contains: a Bloom filter for each frame, laid out so that one token is asked of all frames at once.
//!
//! The filters of up to a few thousand frames make a group. In it, the frames whose filters have the same number of bits make a
//! class: a matrix with a row for each bit and a column for each frame, rows one behind the other without padding. A
//! question reads [`PROBES`] rows of each class and nothing else. The matrix is written in pages of [`PAGE`] bytes (the last one of a class
//! may be shorter), each followed by its CRC32. Bit `i` of a matrix is bit `i % 8` of byte `i / 8`.
//!
//! A token of a message goes in by its XXH3 hash (64 bits), one of a further field by the hash with the hash of the field's
//! name as the seed. Numbers of up to six digits do not go in: they are in every frame. Probe `i` of hash `h` is bit
//! `((low + i * high) mod 2^32) * bits / 2^32`, with the low and the high half of `h`, the high one made odd.

mod group;
mod set;

pub(super) use group::{ClassCache, Group, GroupWriter};
pub use set::hash;
pub(super) use set::{FrameFilter, TokenSet};

/// Bits that a hash is asked for.
const PROBES: u32 = 8;

/// Bits of a filter for each different token: one question in 300 says yes without reason.
const BITS_A_TOKEN: u64 = 12;

/// Bytes of a page without its checksum.
const PAGE: usize = 4096;

/// Bit `probe` of a filter of `bits` bits that `hash` is found by.
fn place(hash: u64, probe: u32, bits: u32) -> u32 {
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]) | 1);
    let spread = u64::from(low.wrapping_add(high.wrapping_mul(probe)));
    u32::try_from((spread * u64::from(bits)) >> 32).unwrap_or(0)
}
