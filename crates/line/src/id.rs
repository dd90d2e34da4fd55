//! The parts of a line's id that are not names: the org's id and the boot.

use std::fmt;
use std::sync::Arc;

use crate::Error;

/// An organisation's immutable id: 1 to 32 of `[a-z0-9]`, so that it is one literal token of a subject.
///
/// It is not the slug that people type: a slug can be renamed and used again, and whoever gets it must not see the
/// lines of its former owner. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrgId(Arc<str>);

impl OrgId {
    /// Longest id in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Takes `text` as an org id; [`Error::OrgId`] if it is not 1 to 32 of `[a-z0-9]`.
    pub fn new(text: &str) -> Result<Self, Error> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(legal) {
            return Err(Error::OrgId(text.to_owned()));
        }
        Ok(Self(Arc::from(text)))
    }

    /// A fresh id of 13 characters from 64 random bits (base 32), for an org that is being made.
    pub fn mint(random: u64) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let digit = |i: u32| char::from(DIGITS[usize::from(((random >> (5 * i)) & 31) as u8)]);
        Self(Arc::from((0..13).map(digit).collect::<String>()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrgId({})", self.0)
    }
}

/// One start of an instance: 48 bits of start time in Unix milliseconds, then 16 random bits.
///
/// It sorts by start time as a number and as its text of 16 hexadecimal digits. The random bits keep two starts within
/// one millisecond, or under a stopped clock, apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Boot(u64);

impl Boot {
    /// The boot that began at `start_ms` (Unix milliseconds; 48 bits are kept).
    pub const fn new(start_ms: u64, random: u16) -> Self {
        Self(((start_ms & 0xffff_ffff_ffff) << 16) | random as u64)
    }

    /// The boot whose bits are `bits`, as [`Boot::bits`] gave them.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits, for binary formats.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// When the boot began, in Unix milliseconds by the guest's clock.
    pub const fn start_ms(self) -> u64 {
        self.0 >> 16
    }

    /// Reads the text form; [`Error::Boot`] unless it is 16 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let legal = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(bits) if legal => Ok(Self(bits)),
            _ => Err(Error::Boot(text.to_owned())),
        }
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boot({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn org_ids_are_one_literal_token() {
        for good in ["a", "k3f9", "0123456789abcdefghjkmnpqrstvwxyz"] {
            assert_eq!(OrgId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a.b", "a-b", "*", ">", "a b", "ä", "0123456789abcdefghjkmnpqrstvwxyz0"] {
            assert_eq!(OrgId::new(bad), Err(Error::OrgId(bad.to_owned())));
        }
    }

    #[test]
    fn minted_org_ids_are_legal_and_differ() {
        let (a, b) = (OrgId::mint(0), OrgId::mint(u64::MAX));
        assert_ne!(a, b);
        assert_eq!(OrgId::new(a.as_str()), Ok(a));
        assert_eq!(OrgId::new(b.as_str()), Ok(b));
    }

    #[test]
    fn boots_sort_by_start_as_number_and_as_text() {
        let (early, late) = (Boot::new(1_000, 0xffff), Boot::new(1_001, 0));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(late.start_ms(), 1_001);
        assert_eq!(Boot::parse(&early.to_string()), Ok(early));
        for bad in ["", "1", "00000000000003e8ff", "+0000000003e8fff", "00000000003e8ffg"] {
            assert_eq!(Boot::parse(bad), Err(Error::Boot(bad.to_owned())));
        }
    }
}
