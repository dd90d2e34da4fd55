//! A line of logfmt as fields: `at=info method=GET path="/a b"`.

use super::Flattened;

/// A line with fewer pairs may just as well be prose with one equals sign in it.
const MIN_PAIRS: usize = 2;

/// Whether `message` is pairs from end to end; they go to `out`.
pub(super) fn flatten(message: &[u8], out: &mut Flattened) -> bool {
    let mut rest = message;
    let mut pairs = 0;
    while !rest.is_empty() {
        let Some(after) = pair(rest, out) else { return false };
        rest = after.trim_ascii_start();
        if rest.len() == after.len() && !rest.is_empty() {
            return false;
        }
        pairs += 1;
    }
    pairs >= MIN_PAIRS
}

/// Takes one pair from the front and gives what follows.
fn pair<'a>(rest: &'a [u8], out: &mut Flattened) -> Option<&'a [u8]> {
    let key_len = rest.iter().position(|&byte| !is_key(byte))?;
    if key_len == 0 || rest[key_len] != b'=' {
        return None;
    }
    let key = std::str::from_utf8(&rest[..key_len]).ok()?;
    out.path.clear();
    out.path.push_str(key);
    let value = &rest[key_len + 1..];
    let after = if value.first() == Some(&b'"') {
        quoted(&value[1..], out)?
    } else {
        let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
        // A quote in the middle is a sign that this is something else.
        if value[..end].contains(&b'"') {
            return None;
        }
        out.values.extend_from_slice(&value[..end]);
        &value[end..]
    };
    out.close();
    Some(after)
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@' | b'/' | b':' | b'#')
}

/// Takes the inside of a quoted value and its closing quote.
fn quoted<'a>(mut rest: &'a [u8], out: &mut Flattened) -> Option<&'a [u8]> {
    loop {
        let stop = memchr::memchr2(b'"', b'\\', rest)?;
        out.values.extend_from_slice(&rest[..stop]);
        if rest[stop] == b'"' {
            return Some(&rest[stop + 1..]);
        }
        match *rest.get(stop + 1)? {
            b'n' => out.values.push(b'\n'),
            b't' => out.values.push(b'\t'),
            b'r' => out.values.push(b'\r'),
            byte @ (b'"' | b'\\') => out.values.push(byte),
            other => out.values.extend_from_slice(&[b'\\', other]),
        }
        rest = &rest[stop + 2..];
    }
}
