//! How ids, names and bytes stand in JSON: as text. `line` knows no serde.

use std::fmt::{self, Display};

use line::{Name, OrgId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that print as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes that `text` stands for; `None` unless it is pairs of lower-case hexadecimal digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// For `#[serde(with)]`: bytes as hexadecimal digits.
pub(crate) mod hex {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        unhex(&text).ok_or_else(|| D::Error::custom("not pairs of the digits 0-9 and a-f"))
    }
}

/// For `#[serde(with)]`: an org's id.
pub(crate) mod org_id {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(id: &OrgId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OrgId, D::Error> {
        OrgId::new(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// For `#[serde(with)]`: a name.
pub(crate) mod name {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(name: &Name, to: S) -> Result<S::Ok, S::Error> {
        name.as_str().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
        Name::new("registered", &String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_hexadecimal_digits() {
        for bytes in [&b""[..], &[0], &[0xff, 0x0a, 0x90]] {
            assert_eq!(unhex(&Hex(bytes).to_string()).unwrap(), bytes);
        }
        assert_eq!(Hex(&[0xff, 0x0a]).to_string(), "ff0a");
        for bad in ["0", "000", "0g", "FF", " 0", "ä"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
