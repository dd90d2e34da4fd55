//! Bytes made smaller by zstd, where that is smaller: a byte of method, the length before (varint), the bytes.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use super::error::Bad;
use super::wire::{put_count, take_count, take_u8};

/// Most bytes that one piece may have before it was made smaller: bounds what damaged bytes can make a reader reserve.
pub(super) const MAX_BYTES: usize = 64 << 20;

const STORED: u8 = 0;
const ZSTD: u8 = 1;

/// Shorter pieces do not get smaller: zstd's own header is as long.
const MIN_BYTES: usize = 32;

/// Makes bytes smaller, with a context that is used again.
pub(crate) struct Press {
    compressor: Compressor<'static>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Press {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Press").finish_non_exhaustive()
    }
}

impl Press {
    /// A press of zstd level `level`.
    ///
    /// # Errors
    /// When zstd has no memory for its context.
    pub(crate) fn new(level: i32) -> io::Result<Self> {
        Ok(Self { compressor: Compressor::new(level)?, buffer: Vec::new() })
    }

    /// Appends `bytes` to `out`, smaller if they get smaller.
    pub(super) fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if bytes.len() >= MIN_BYTES {
            self.buffer.clear();
            // With less room than the bytes have, zstd gives up where it would not get smaller.
            self.buffer.reserve(bytes.len());
            let pressed = self.compressor.compress_to_buffer(bytes, &mut self.buffer);
            if pressed.is_ok_and(|len| len < bytes.len()) {
                out.push(ZSTD);
                put_count(out, bytes.len());
                out.extend_from_slice(&self.buffer);
                return;
            }
        }
        out.push(STORED);
        put_count(out, bytes.len());
        out.extend_from_slice(bytes);
    }
}

thread_local! {
    /// zstd's context for reading, one a thread: making one costs more than reading a small piece.
    static READER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// What [`Press::put`] was given. It takes all of `bytes`, and gives at most `max` (and never above [`MAX_BYTES`]).
pub(super) fn unpress(mut bytes: &[u8], max: usize) -> Result<Vec<u8>, Bad> {
    let method = take_u8(&mut bytes)?;
    let len = take_count(&mut bytes, max.min(MAX_BYTES))?;
    match method {
        STORED if bytes.len() == len => Ok(bytes.to_vec()),
        ZSTD => READER.with_borrow_mut(|reader| {
            let reader = match reader {
                Some(reader) => reader,
                None => reader.insert(Decompressor::new().map_err(|_| Bad("zstd's memory"))?),
            };
            let mut out = Vec::with_capacity(len);
            let written = reader.decompress_to_buffer(bytes, &mut out);
            if written.is_ok_and(|written| written == len) { Ok(out) } else { Err(Bad("compressed bytes")) }
        }),
        _ => Err(Bad("a piece's method")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(0u8..4, 0..300), level in 1i32..10) {
            let mut out = Vec::new();
            Press::new(level).unwrap().put(&bytes, &mut out);
            prop_assert_eq!(unpress(&out, bytes.len()), Ok(bytes.clone()));
            if !bytes.is_empty() {
                prop_assert!(unpress(&out, bytes.len() - 1).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _read = unpress(&bytes, 1000);
        }
    }
}
