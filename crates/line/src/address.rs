//! Where a line belongs: org, app, region and instance, and how names are made safe for subjects.

use std::fmt;
use std::sync::Arc;

use crate::{Error, OrgId};

/// A name of an app, region or instance in its escaped form: `[a-z0-9-]`, and `%XX` (upper-case hex) for every other
/// byte. It is always one literal token of a subject: no dot, blank, wildcard or control byte is left. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Longest name in bytes before escaping: a DNS label, as Fly's app names are.
    pub const MAX_BYTES: usize = 63;

    /// Escapes `raw` into a name. Text that already is an escaped name is taken as it is, so that what a person copies
    /// from a terminal works. `what` (`app`, `region`, `instance`) is for the error: [`Error::NameEmpty`] or
    /// [`Error::NameTooLong`].
    pub fn new(what: &'static str, raw: &str) -> Result<Self, Error> {
        if raw.is_empty() {
            return Err(Error::NameEmpty { what, max_bytes: Self::MAX_BYTES });
        }
        let len = decoded_len(raw).unwrap_or(raw.len());
        if len > Self::MAX_BYTES {
            return Err(Error::NameTooLong { what, len, max_bytes: Self::MAX_BYTES });
        }
        if decoded_len(raw).is_some() {
            return Ok(Self(Arc::from(raw)));
        }
        let mut escaped = String::with_capacity(raw.len() + 8);
        for byte in raw.bytes() {
            if is_plain(byte) {
                escaped.push(char::from(byte));
            } else {
                escaped.push_str(&format!("%{byte:02X}"));
            }
        }
        Ok(Self(Arc::from(escaped)))
    }

    /// The escaped form, which stands in subjects and in JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether some byte had to be escaped: worth a notice to whoever chose the name.
    pub fn is_escaped(&self) -> bool {
        self.0.contains('%')
    }
}

/// A byte that stands for itself.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// How many bytes the escaped name `text` stands for; `None` if it is not in escaped form.
fn decoded_len(text: &str) -> Option<usize> {
    let mut rest = text.as_bytes();
    let mut len = 0;
    loop {
        rest = match rest {
            [] => return Some(len),
            [b'%', high, low, tail @ ..] if is_upper_hex(*high) && is_upper_hex(*low) => tail,
            [byte, tail @ ..] if is_plain(*byte) => tail,
            _ => return None,
        };
        len += 1;
    }
}

const fn is_upper_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'A'..=b'F')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

/// The address of a Machine, and so of its lines. The host decides it by the socket; the guest's word counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Who owns the lines.
    pub org: OrgId,
    /// The app.
    pub app: Name,
    /// The region, as `lhr`.
    pub region: Name,
    /// The Machine's id. It belongs to one org for ever.
    pub instance: Name,
}

impl Address {
    /// Builds an address from text, escaping the names.
    pub fn new(org: OrgId, app: &str, region: &str, instance: &str) -> Result<Self, Error> {
        Ok(Self {
            org,
            app: Name::new("app", app)?,
            region: Name::new("region", region)?,
            instance: Name::new("instance", instance)?,
        })
    }

    /// The address as one short byte string, for use as a key on disk: the four parts joined by `.`, which none of them
    /// contains. The org and the app come first: the app's own key is a prefix of it (see [`Address::app_key_len`]).
    pub fn key(&self) -> String {
        format!("{}.{}.{}.{}", self.org, self.app, self.region, self.instance)
    }

    /// How many bytes of [`Address::key`] name the org and the app.
    pub fn app_key_len(&self) -> usize {
        self.org.as_str().len() + 1 + self.app.as_str().len()
    }

    /// Reads a key that [`Address::key`] wrote; [`Error::Subject`] if it is none.
    pub fn from_key(key: &str) -> Result<Self, Error> {
        let bad = || Error::Subject(key.to_owned());
        let mut parts = key.split('.');
        let (Some(org), Some(app), Some(region), Some(instance), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let escaped = |text: &str| decoded_len(text).is_some_and(|len| len > 0);
        if ![app, region, instance].into_iter().all(escaped) {
            return Err(bad());
        }
        Self::new(OrgId::new(org)?, app, region, instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_escaped_once() {
        for (raw, escaped) in [
            ("web", "web"),
            ("web-1", "web-1"),
            ("Web", "%57eb"),
            ("my.app", "my%2Eapp"),
            ("my%2Eapp", "my%2Eapp"),
            ("a b", "a%20b"),
            ("*", "%2A"),
            (">", "%3E"),
            ("x\n\0", "x%0A%00"),
            ("50%", "50%25"),
            ("%2e", "%252e"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(Name::new("app", raw).unwrap().as_str(), escaped, "{raw:?}");
        }
        assert!(matches!(Name::new("app", ""), Err(Error::NameEmpty { .. })));
        assert!(matches!(Name::new("app", &"a".repeat(64)), Err(Error::NameTooLong { len: 64, .. })));
        assert!(Name::new("app", &"ü".repeat(31)).is_ok());
    }

    #[test]
    fn keys_round_trip_and_bad_ones_are_refused() {
        let address = Address::new(OrgId::new("k3f9").unwrap(), "my.app", "lhr", "i1").unwrap();
        assert_eq!(address.key(), "k3f9.my%2Eapp.lhr.i1");
        assert_eq!(&address.key()[..address.app_key_len()], "k3f9.my%2Eapp");
        assert_eq!(Address::from_key(&address.key()), Ok(address));
        for bad in ["", "a.b.c", "a.b.c.d.e", "a.B.c.d", "a..c.d", "A.b.c.d", "a.*.c.d"] {
            assert!(Address::from_key(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_one_literal_token(raw in "\\PC{1,20}|[\\x00-\\x7f]{1,20}") {
            if let Ok(name) = Name::new("app", &raw) {
                let legal = |b: u8| is_plain(b) || is_upper_hex(b) || b == b'%';
                prop_assert!(name.as_str().bytes().all(legal));
                prop_assert_eq!(Name::new("app", name.as_str()), Ok(name));
            }
        }

        #[test]
        fn different_names_stay_different(a in "[a-zA-Z.% ]{1,8}", b in "[a-zA-Z.% ]{1,8}") {
            // Text that is already escaped counts as the name it stands for; all else is injective.
            prop_assume!(decoded_len(&a).is_none() && decoded_len(&b).is_none() && a != b);
            prop_assert_ne!(Name::new("app", &a), Name::new("app", &b));
        }
    }
}
