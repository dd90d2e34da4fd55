//! What people call an org.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What people call an org: 1 to 63 of `[a-z0-9-]`. One org has it at a time; it can be given up and used again, so that
/// nothing is ever looked up by it but the org's id. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(Arc<str>);

impl Slug {
    /// Longest slug in bytes: a DNS label.
    pub const MAX_BYTES: usize = 63;

    /// Takes `text` as a slug.
    ///
    /// # Errors
    /// [`Error::SlugIllegal`] if it is not 1 to 63 of `[a-z0-9-]`.
    pub fn new(text: &str) -> Result<Self, Error> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(legal) {
            // The start is enough to recognise it by.
            return Err(Error::SlugIllegal(text.chars().take(Self::MAX_BYTES + 1).collect()));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The slug as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::new(&text)
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0.as_ref().to_owned()
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slug({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_labels() {
        let longest = "a".repeat(Slug::MAX_BYTES);
        for good in ["a", "0", "-", "my-org-2", &longest] {
            assert_eq!(Slug::new(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(Slug::MAX_BYTES + 1);
        for bad in ["", "A", "a.b", "a_b", "a b", "*", ">", "ä", "a%2E", "a\n", &too_long] {
            assert!(matches!(Slug::new(bad), Err(Error::SlugIllegal(text)) if text == bad), "{bad}");
        }
        let Err(Error::SlugIllegal(text)) = Slug::new(&"A".repeat(1 << 20)) else { panic!() };
        assert_eq!(text.len(), Slug::MAX_BYTES + 1);
    }
}
