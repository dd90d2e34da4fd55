//! The readers of what strangers send, for whoever throws bytes at them.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};

use crate::args::Args;
use crate::caller::Login;
use crate::{insert, tail, v1};

/// How many fields `/insert/jsonline` finds in a line that comes at `now` (Unix nanoseconds), its message aside; none for a
/// line that says nothing.
///
/// # Errors
/// Why the line is refused.
pub fn line(line: &[u8], now: i64) -> Result<Option<usize>, String> {
    insert::probe(line, now)
}

/// Whether these are the arguments of a request: what follows the `?` of its URL, and its form.
pub fn arguments(url: &str, form: &[u8]) -> bool {
    Args::read(url, form).is_ok()
}

/// Whether a header `Authorization` of this text has a user or a token in it.
pub fn login(text: &str) -> bool {
    let Ok(value) = HeaderValue::from_str(text) else { return false };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    Login::of(&headers).is_ok()
}

/// The token of a page of lines as we write it, if `text` is one; reading it again gives the same.
pub fn page_token(text: &str) -> Option<String> {
    v1::page_token(text)
}

/// A cursor of a tail: the text, and what it says if its checksums were right. What is read comes back as itself.
pub fn cursor(bytes: &[u8]) {
    tail::probe_cursor(bytes);
}
