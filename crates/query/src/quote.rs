//! Text in quotes, and back: Go's escapes between `"` or `'`, anything between backquotes.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::token;

/// How many bytes the quoted text at the start of `text` has, quotes included; none when it is not closed.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let &quote = bytes.first()?;
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'\\' if quote != b'`' => at += 2,
            &byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// What is meant by `raw`, which [`quoted_len`] has measured. An error is the byte in `raw` and what is wrong there.
pub(crate) fn unquote(raw: &str) -> Result<Cow<'_, str>, (usize, &'static str)> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if raw.starts_with('`') || !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(rest) = inner.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = rest.find('\\').unwrap_or(rest.len());
        out.extend_from_slice(rest.get(..plain).unwrap_or_default().as_bytes());
        let escape = rest.get(plain..).unwrap_or_default();
        at += plain;
        if !escape.is_empty() {
            at += unescape(escape, &mut out).map_err(|message| (at + 1, message))?;
        }
    }
    let text = String::from_utf8(out).map_err(|_| (0, "the escapes in this text make no UTF-8"))?;
    Ok(Cow::Owned(text))
}

/// Appends what the escape at the start of `text` means; returns how many bytes it has.
fn unescape(text: &str, out: &mut Vec<u8>) -> Result<usize, &'static str> {
    const UNKNOWN: &str = "no such escape: there are \\\\ \\\" \\' \\n \\r \\t \\a \\b \\f \\v \\xHH \\uHHHH \\UHHHHHHHH \\OOO; a backslash itself is \\\\, or use backquotes";
    let &kind = text.as_bytes().get(1).ok_or(UNKNOWN)?;
    let plain = match kind {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' | b'\'' | b'"' => kind,
        b'x' => {
            out.push(u8::try_from(digits(text, 2, 2, 16).ok_or(UNKNOWN)?).map_err(|_| UNKNOWN)?);
            return Ok(4);
        }
        b'0'..=b'7' => {
            out.push(u8::try_from(digits(text, 1, 3, 8).ok_or(UNKNOWN)?).map_err(|_| UNKNOWN)?);
            return Ok(4);
        }
        b'u' | b'U' => {
            let width = if kind == b'u' { 4 } else { 8 };
            let letter = digits(text, 2, width, 16).and_then(char::from_u32).ok_or(UNKNOWN)?;
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(2 + width);
        }
        _ => return Err(UNKNOWN),
    };
    out.push(plain);
    Ok(2)
}

fn digits(text: &str, at: usize, width: usize, radix: u32) -> Option<u32> {
    let digits = text.get(at..at + width)?;
    let are = digits.chars().all(|digit| digit.is_digit(radix));
    are.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// Writes `text` in double quotes, so that [`unquote`] gives it back and it is one line of printable characters.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                _ if letter.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(letter))?,
                _ if letter.is_control() || is_format(letter) => write!(f, "\\u{:04x}", u32::from(letter))?,
                _ => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}

/// Characters that change how others are shown: marks of direction, line separators, joiners, the byte order mark.
fn is_format(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Writes `text` as it stands where that reads as the same value, else in quotes.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

/// Whether `text` is one word, or words joined by single dots as in a field's name, and no word that means something by itself.
fn is_plain(text: &str) -> bool {
    let words = || text.split('.');
    words().all(|word| !word.is_empty() && word.chars().all(token::is_token_char))
        && !words().any(crate::reserved::is_reserved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn means(raw: &str, wanted: &str) {
        assert_eq!(quoted_len(raw), Some(raw.len()), "{raw}");
        assert_eq!(unquote(raw).unwrap(), wanted, "{raw}");
    }

    #[test]
    fn escapes() {
        means(r#""a b""#, "a b");
        means(
            r#""\"\\\n\t\x41\u00e9\U0001f600\101\a\b\f\v\r""#,
            "\"\\\n\tA\u{e9}\u{1f600}A\u{7}\u{8}\u{c}\u{b}\r",
        );
        means(r"'it\'s'", "it's");
        means(r#"'say "x" \"'"#, "say \"x\" \"");
        means(r"`\d+ \x`", r"\d+ \x");
        means(r#""\xc3\xa9""#, "é");
        means("\"a\nb\"", "a\nb");
        for (raw, at) in [
            (r#""a\q""#, 2),
            (r#""\x4""#, 1),
            (r#""\ud800""#, 1),
            (r#""\xff""#, 0),
            (r#""\400""#, 1),
            (r#""\u+041""#, 1),
        ] {
            assert_eq!(unquote(raw).map_err(|(at, _)| at), Err(at), "{raw}");
        }
        for open in ["\"", "\"a", "\"a\\\"", "`a", "'\\'"] {
            assert_eq!(quoted_len(open), None, "{open}");
        }
    }

    #[test]
    fn plain() {
        for (text, plain) in [
            ("a", true),
            ("a.b_1", true),
            ("é", true),
            ("", false),
            ("a-b", false),
            ("and", false),
            ("a..b", false),
            ("a b", false),
        ] {
            assert_eq!(is_plain(text), plain, "{text}");
        }
    }

    proptest! {
        #[test]
        fn quoting_is_undone(text in any::<String>()) {
            let raw = Quoted(&text).to_string();
            prop_assert_eq!(quoted_len(&raw), Some(raw.len()));
            prop_assert_eq!(unquote(&raw).unwrap(), text.as_str());
            prop_assert!(!raw.contains(char::is_control));
        }
    }
}
