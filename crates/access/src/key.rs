//! The keys that tokens are signed and checked with: Ed25519.

use std::fmt;

use biscuit_auth::{Algorithm, KeyPair, PrivateKey};

use crate::Error;
use crate::grant::read_hex;

/// The secret half. It is in one place only, in a file that its owner alone may read.
pub struct SigningKey {
    /// Its number: tokens name it, so that two can be valid while one takes over.
    pub id: u32,
    pub(crate) pair: KeyPair,
}

impl SigningKey {
    /// A new one from the system's random numbers.
    #[must_use]
    pub fn generate(id: u32) -> Self {
        Self { id, pair: KeyPair::new_with_algorithm(Algorithm::Ed25519) }
    }

    /// Reads what [`SigningKey::to_text`] gave.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let (id, bytes) = read(text)?;
        let private = PrivateKey::from_bytes(&bytes, Algorithm::Ed25519);
        let private = private.map_err(|why| Error::Key(why.to_string()))?;
        Ok(Self { id, pair: KeyPair::from(&private) })
    }

    /// Number and secret, for a file: `1:` and 64 hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.id, self.pair.private().to_bytes_hex())
    }

    /// The half that checks.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { id: self.id, key: self.pair.public() }
    }
}

/// The same number and public half: the secret follows from them.
impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.public() == other.public()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The public half, for everybody who checks tokens.
#[derive(Clone, PartialEq)]
pub struct PublicKey {
    /// Its number.
    pub id: u32,
    pub(crate) key: biscuit_auth::PublicKey,
}

impl PublicKey {
    /// Reads what [`PublicKey::to_text`] gave.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let (id, bytes) = read(text)?;
        Self::from_bytes(id, &bytes)
    }

    /// Number and key: `1:` and 64 hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.id, self.key.to_bytes_hex())
    }

    /// Takes the 32 bytes that [`PublicKey::to_bytes`] gave.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else: not every 32 bytes are a key.
    pub fn from_bytes(id: u32, bytes: &[u8]) -> Result<Self, Error> {
        let key = biscuit_auth::PublicKey::from_bytes(bytes, Algorithm::Ed25519);
        Ok(Self { id, key: key.map_err(|why| Error::Key(why.to_string()))? })
    }

    /// The key's 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.key.to_bytes()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_text())
    }
}

fn read(text: &str) -> Result<(u32, [u8; 32]), Error> {
    let bad = || Error::Key("it is not a number, ':' and 64 hexadecimal digits".to_owned());
    let (id, digits) = text.trim().split_once(':').ok_or_else(bad)?;
    Ok((id.parse().map_err(|_| bad())?, read_hex(digits).ok_or_else(bad)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_the_secret_is_not_shown() {
        let key = SigningKey::generate(7);
        let again = SigningKey::from_text(&format!("{}\n", key.to_text())).unwrap();
        assert_eq!((again.id, again.public()), (7, key.public()));
        assert_eq!(PublicKey::from_text(&key.public().to_text()).unwrap(), key.public());
        assert_eq!(PublicKey::from_bytes(7, &key.public().to_bytes()).unwrap(), key.public());
        for bad in [&[][..], &[7; 31], &[7; 33]] {
            assert!(PublicKey::from_bytes(7, bad).is_err(), "{bad:?}");
        }
        assert!((0..=255).any(|byte| PublicKey::from_bytes(7, &[byte; 32]).is_err()));
        let secret = key.to_text().split_once(':').unwrap().1.to_owned();
        assert!(!format!("{key:?}").contains(&secret));
        for bad in ["", "7", "7:", "x:00", &secret, "-1:00", &format!("7:{secret}0")] {
            assert!(SigningKey::from_text(bad).is_err() && PublicKey::from_text(bad).is_err(), "{bad}");
        }
    }
}
