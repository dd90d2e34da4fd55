//! A JSON object as fields: names of nested objects joined by dots, arrays as their own text.

use std::borrow::Cow;

use line::json::Scanner;

use super::{Flattened, MAX_NAME_BYTES};

/// How deep objects are opened; what is deeper is one value, its own text.
const MAX_DEPTH: usize = 16;

/// Whether `message` is one JSON object and nothing else; its fields go to `out`.
pub(super) fn flatten(message: &[u8], out: &mut Flattened) -> bool {
    // Without this look a line that only begins with a brace would be walked over.
    if message.trim_ascii_end().last() != Some(&b'}') {
        return false;
    }
    let mut scanner = Scanner::new(message);
    object(message, &mut scanner, 0, out).and_then(|()| scanner.end()).is_ok()
}

fn object(
    message: &[u8],
    scanner: &mut Scanner<'_>,
    depth: usize,
    out: &mut Flattened,
) -> Result<(), line::Error> {
    scanner.begin_object()?;
    let outer = out.path.len();
    while let Some(key) = scanner.next_key()? {
        if depth > 0 {
            out.path.push('.');
        }
        let key = key.decode()?;
        // One byte more than is taken is enough to be too long.
        let room = (MAX_NAME_BYTES + 1).saturating_sub(out.path.len());
        out.path.push_str(if key.len() <= room { &key } else { &key[..key.ceil_char_boundary(room)] });
        value(message, scanner, depth, out)?;
        out.path.truncate(outer);
    }
    Ok(())
}

fn value(
    message: &[u8],
    scanner: &mut Scanner<'_>,
    depth: usize,
    out: &mut Flattened,
) -> Result<(), line::Error> {
    match scanner.peek() {
        Some(b'{') if depth < MAX_DEPTH => return object(message, scanner, depth + 1, out),
        Some(b'"') => match scanner.string()?.decode()? {
            Cow::Borrowed(text) => out.values.extend_from_slice(text.as_bytes()),
            Cow::Owned(text) => out.values.extend_from_slice(text.as_bytes()),
        },
        Some(b'n') => scanner.skip_value()?,
        _ => {
            let start = scanner.position();
            scanner.skip_value()?;
            out.values.extend_from_slice(&message[start..scanner.position()]);
        }
    }
    out.close();
    Ok(())
}
