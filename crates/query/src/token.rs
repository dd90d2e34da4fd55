//! Words: what a value is made of for the word filters and for the store's skip data. One definition serves both, or the
//! store would skip what the filter would have found.
//!
//! A token is a run of ASCII letters, digits and `_`, and of any Unicode letters and digits. Bytes that are not UTF-8 end one.

/// Whether `letter` belongs to a token.
pub fn is_token_char(letter: char) -> bool {
    if letter.is_ascii() { is_token_byte(letter as u8) } else { letter.is_alphanumeric() }
}

/// Whether the ASCII character `byte` belongs to a token; false for bytes from 128 on.
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The tokens of `value`, in order, with repetitions.
pub fn tokens(value: &[u8]) -> Tokens<'_> {
    Tokens { rest: value }
}

/// See [`tokens`].
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut start = 0;
        loop {
            start += ascii_run(self.rest.get(start..)?, false);
            match token_char(self.rest.get(start..)?)? {
                Ok(_) => break,
                Err(len) => start += len,
            }
        }
        let mut end = start;
        loop {
            end += ascii_run(self.rest.get(end..)?, true);
            match self.rest.get(end..).and_then(token_char) {
                Some(Ok(len)) => end += len,
                _ => break,
            }
        }
        let token = self.rest.get(start..end)?;
        self.rest = self.rest.get(end..).unwrap_or_default();
        Some(token)
    }
}

/// How many bytes at the front are ASCII and belong to a token, or do not.
fn ascii_run(text: &[u8], inside: bool) -> usize {
    let wanted = if inside { INSIDE } else { OUTSIDE };
    text.iter().position(|&byte| KINDS[usize::from(byte)] != wanted).unwrap_or(text.len())
}

const OUTSIDE: u8 = 0;
const INSIDE: u8 = 1;
/// Bytes from 128 on: what they are depends on those around them.
const OTHER: u8 = 2;

/// What each byte is by itself.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        kinds[byte as usize] = if is_token_byte(byte) { INSIDE } else { OUTSIDE };
        byte += 1;
    }
    kinds
};

/// The bytes of the first character: `Ok` when it belongs to a token, `Err` when not. None at the end.
fn token_char(text: &[u8]) -> Option<Result<usize, usize>> {
    let &first = text.first()?;
    if first.is_ascii() {
        return Some(if is_token_byte(first) { Ok(1) } else { Err(1) });
    }
    Some(match first_char(text) {
        Some(letter) if is_token_char(letter) => Ok(letter.len_utf8()),
        Some(letter) => Err(letter.len_utf8()),
        None => Err(1),
    })
}

/// The character that `text` begins with; none when its first bytes are not UTF-8.
fn first_char(text: &[u8]) -> Option<char> {
    let width = match text.first()? {
        0..0x80 => 1,
        0xC2..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF5 => 4,
        _ => return None,
    };
    std::str::from_utf8(text.get(..width)?).ok()?.chars().next()
}

/// Whether `text` begins with a character of a token.
pub fn begins_inside(text: &[u8]) -> bool {
    matches!(token_char(text), Some(Ok(_)))
}

/// Whether `text` ends with a character of a token.
pub fn ends_inside(text: &[u8]) -> bool {
    let Some(&last) = text.last() else { return false };
    if last.is_ascii() {
        return is_token_byte(last);
    }
    // A character never contains the start of another one, so the last start there is belongs to the last character.
    let start = text.iter().rev().take(4).position(|&byte| byte & 0xC0 != 0x80);
    let Some(tail) = start.and_then(|back| text.get(text.len() - 1 - back..)) else { return false };
    first_char(tail).is_some_and(|letter| letter.len_utf8() == tail.len() && is_token_char(letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn are(value: &[u8], wanted: &[&str]) {
        let found: Vec<_> = tokens(value).map(|token| std::str::from_utf8(token).unwrap()).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn words() {
        are(b"", &[]);
        are(b" -- ", &[]);
        are(b"a.foo-bar baz_1", &["a", "foo", "bar", "baz_1"]);
        are("Grüße, мир! 東京٣ x²".as_bytes(), &["Grüße", "мир", "東京٣", "x²"]);
        are(b"a\xffb \xc3", &["a", "b"]);
        are(b"\xe2\x82A", &["A"]);
    }

    proptest! {
        #[test]
        fn borders_are_where_tokens_end(
            value in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..24),
                "[a_1é東. €\u{0}]{0,12}".prop_map(String::into_bytes),
            ],
        ) {
            let inside: usize = tokens(&value).map(<[u8]>::len).sum();
            let by_char: usize = value
                .utf8_chunks()
                .flat_map(|chunk| chunk.valid().chars().filter(|&c| is_token_char(c)).map(char::len_utf8))
                .sum();
            prop_assert_eq!(inside, by_char);
            let last = tokens(&value).last().is_some_and(|token| value.ends_with(token));
            prop_assert_eq!(ends_inside(&value), last);
            let first = tokens(&value).next().is_some_and(|token| value.starts_with(token));
            prop_assert_eq!(begins_inside(&value), first);
        }
    }
}
