//! How partial results are written for another store: numbers and byte strings, one after the other.

use line::varint;

use crate::Error;

/// Appends `bytes` with their length before them.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends `number`.
pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    varint::put(out, number);
}

/// Appends the bits of `number`.
pub(crate) fn put_float(number: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_bits().to_le_bytes());
}

/// Reads what was written, from the front. Whatever it gives was there: nothing is allocated for a number that claims
/// more than the bytes that follow.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next number.
    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        varint::take(&mut self.0).map_err(|_| Error::Partial("a number"))
    }

    /// The next byte string.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = usize::try_from(self.number()?).map_err(|_| Error::Partial("a length"))?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Error::Partial("it is cut off"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The next number with a fraction.
    pub(crate) fn float(&mut self) -> Result<f64, Error> {
        let (bits, rest) = self.0.split_first_chunk().ok_or(Error::Partial("it is cut off"))?;
        self.0 = rest;
        Ok(f64::from_bits(u64::from_le_bytes(*bits)))
    }

    /// Whether all has been read.
    pub(crate) const fn is_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_and_forth() {
        let mut out = Vec::new();
        put(300, &mut out);
        put_bytes(b"abc", &mut out);
        put_float(-0.5, &mut out);
        let mut reader = Reader(&out);
        assert_eq!(reader.number().unwrap(), 300);
        assert_eq!(reader.bytes().unwrap(), b"abc");
        assert!((reader.float().unwrap() + 0.5).abs() < f64::EPSILON && reader.is_end());
        for cut in 0..out.len() {
            let mut reader = Reader(&out[..cut]);
            let all = reader.number().and_then(|_| reader.bytes().map(drop)).and_then(|()| reader.float());
            assert!(all.is_err(), "{cut}");
        }
    }
}
