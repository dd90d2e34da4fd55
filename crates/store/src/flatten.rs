//! The fields that a message itself says: of a JSON object, or of a line of logfmt.
//!
//! A pure function of the message: whoever asks twice gets the same. Most lines are neither, and are known for it by their first
//! word. What is not taken (see the bounds) is not lost, it stays in the message.

mod json;
mod logfmt;

use crate::rows::PLATFORM_FIELDS;

/// Most fields that are taken from one message, and that a row has in all: as many as one that comes over HTTP may bring.
pub const MAX_FIELDS: usize = line::append::MAX_FIELDS;

/// Longest name of a field in bytes; a field with a longer one is not taken.
pub const MAX_NAME_BYTES: usize = 128;

/// Names that only Logway gives a value, beside those of the platform's columns: what stands behind an address or a permission must not
/// come from an app.
const RESERVED: [&str; 3] = ["code", "log.level", "event.provider"];

/// Beginnings of such names.
const RESERVED_PREFIXES: [&str; 3] = ["gap.", "logway.", "fly."];

/// Stands before the name of an app's field that has a reserved one.
const APP_PREFIX: &str = "app.";

/// Fields of one message. Made once and used for many, so that a message costs no allocation.
#[derive(Debug, Default)]
pub struct Flattened {
    /// Where name and value of each field end.
    ends: Vec<(usize, usize)>,
    names: String,
    values: Vec<u8>,
    /// The name being put together.
    path: String,
}

impl Flattened {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Name and value of each field, in the order of the message. A name may come twice; the first counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let begins = std::iter::once((0, 0)).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| (&self.names[begin.0..end.0], &self.values[begin.1..end.1]))
    }

    /// Hands `name`, chosen by an app, to `then` in the form in which it is stored: behind `app.` if it is reserved. A name
    /// that is empty or too long is not handed over.
    pub fn with_safe_name(&mut self, name: &str, then: impl FnOnce(&str)) {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return;
        }
        if !is_reserved(name) {
            return then(name);
        }
        self.path.clear();
        self.path.push_str(APP_PREFIX);
        self.path.push_str(name);
        then(&self.path);
    }

    fn clear(&mut self) {
        self.ends.clear();
        self.names.clear();
        self.values.clear();
        self.path.clear();
    }

    /// Ends the field whose value was appended to `values`, under the name `path`.
    fn close(&mut self) {
        let (names_len, values_len) = self.ends.last().copied().unwrap_or_default();
        let taken =
            !self.path.is_empty() && self.path.len() <= MAX_NAME_BYTES && self.ends.len() < MAX_FIELDS;
        if !taken || self.values.len() == values_len {
            self.values.truncate(values_len);
            return;
        }
        debug_assert_eq!(self.names.len(), names_len, "names end with the last field");
        if is_reserved(&self.path) {
            self.names.push_str(APP_PREFIX);
        }
        self.names.push_str(&self.path);
        self.ends.push((self.names.len(), self.values.len()));
    }
}

/// Puts the fields of `message` into `out`, in place of what was there. False, and no fields, if it is neither a JSON object nor
/// logfmt from end to end.
pub fn flatten(message: &[u8], out: &mut Flattened) -> bool {
    out.clear();
    let found = match message.first() {
        Some(b'{') => json::flatten(message, out),
        Some(b' ' | b'\t') => match message.trim_ascii() {
            trimmed @ [b'{', ..] => json::flatten(trimmed, out),
            trimmed => logfmt::flatten(trimmed, out),
        },
        Some(_) => logfmt::flatten(message, out),
        None => false,
    };
    if !found {
        out.clear();
    }
    found
}

/// Whether an app's field may not be called so.
fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || PLATFORM_FIELDS.contains(&name)
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;
