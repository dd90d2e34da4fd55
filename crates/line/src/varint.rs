//! Variable-length integers as in protocol buffers: seven bits a byte, low bits first, at most ten bytes.

use crate::Error;

/// Appends `value` to `out`, in 1 to 10 bytes.
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// The lowest eight bits.
#[inline]
const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// Takes a value from the front of `bytes`; [`Error::Short`] if they end inside it, [`Error::Value`] if it is longer
/// than ten bytes or does not fit 64 bits.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        if i == 9 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *bytes = bytes.get(i + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    if bytes.len() < 10 {
        Err(Error::Short("a number"))
    } else {
        Err(Error::Value { what: "a number", value })
    }
}

/// Maps a signed value so that small magnitudes of either sign are short.
#[inline]
pub const fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[inline]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_value_comes_back(value: u64, signed: i64, rest: Vec<u8>) {
            let mut out = Vec::new();
            put(&mut out, value);
            out.extend_from_slice(&rest);
            let mut bytes = &out[..];
            prop_assert_eq!(take(&mut bytes), Ok(value));
            prop_assert_eq!(bytes, &rest[..]);
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            let before = rest.len();
            if take(&mut rest).is_ok() { prop_assert!(rest.len() < before) } else { prop_assert_eq!(rest.len(), before) }
        }
    }

    #[test]
    fn eleven_bytes_or_sixty_five_bits_are_refused() {
        for bad in [&[0xff; 11][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..]] {
            assert!(matches!(take(&mut &bad[..]), Err(Error::Value { .. })));
        }
        assert_eq!(take(&mut &[0x80][..]), Err(Error::Short("a number")));
    }
}
