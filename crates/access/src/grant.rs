//! What a token that was checked stands for.

use std::fmt;
use std::str::FromStr;

use line::OrgId;

use crate::{Error, Scope};

/// A token's worth: an org, and what may be done in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The org. Whoever renames it changes nothing here.
    pub org: OrgId,
    /// What all blocks of the token allow together.
    pub scope: Scope,
    /// One for each block, the first one first. A token is revoked when any of these is: with a block goes all that was made
    /// from it.
    pub revocation_ids: Vec<RevocationId>,
    /// The number of the key that signed it.
    pub key_id: u32,
}

/// By what a token, or what was made from it, is revoked: the first half of a block's signature.
///
/// An Ed25519 signature begins with 32 bytes that nobody can choose without knowing the key, and that differ for every block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationId([u8; 32]);

impl RevocationId {
    /// That of a block with this signature; `None` if it is too short to be one.
    pub(crate) fn of_signature(signature: &[u8]) -> Option<Self> {
        signature.first_chunk().copied().map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for RevocationId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationId({self})")
    }
}

impl FromStr for RevocationId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::Token("a revocation id is 64 hexadecimal digits".to_owned());
        read_hex(text).map(Self).ok_or_else(bad)
    }
}

/// 32 bytes from 64 hexadecimal digits.
pub(crate) fn read_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back() {
        let id = RevocationId::of_signature(&[0xab; 64]).unwrap();
        assert_eq!(id.to_string().parse::<RevocationId>().unwrap(), id);
        assert_eq!(RevocationId::from(*id.as_bytes()), id);
        assert_eq!(RevocationId::of_signature(&[1; 31]), None);
        for bad in ["", "ab", &"g".repeat(64), &"a".repeat(65), &"é".repeat(32)] {
            assert!(bad.parse::<RevocationId>().is_err(), "{bad}");
        }
    }
}
