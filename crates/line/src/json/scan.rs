//! A one-pass JSON reader over bytes: no tree, no allocation, a bounded depth.
//!
//! It is strict (RFC 8259) in what it walks over, and is tested against serde_json for agreement. Written here because
//! the agent looks into every JSON line for its level, and because `init`'s package budget has no room for a library.

use std::borrow::Cow;

use crate::Error;

/// How deeply arrays and objects may be nested.
const MAX_DEPTH: usize = 64;

/// Walks over one JSON value. After an error its place is not to be relied on.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    first: bool,
}

/// A string of the input, still escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The bytes between the quotes, as they stand.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The bytes between the quotes, if they are what is meant: nothing is escaped in them. They need not be UTF-8.
    pub const fn plain(&self) -> Option<&'a [u8]> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// The text that is meant; [`Error::Utf8`] or [`Error::Json`] if it is not legal.
    pub fn decode(&self) -> Result<Cow<'a, str>, Error> {
        let raw = std::str::from_utf8(self.raw).map_err(|_| Error::Utf8("a JSON string"))?;
        if !self.escaped {
            return Ok(Cow::Borrowed(raw));
        }
        let bad = || Error::Json { what: "a bad escape in a string", at: 0 };
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            let (decoded, used) = decode_escape(&rest.as_bytes()[at..]).ok_or_else(bad)?;
            out.push(decoded);
            rest = rest.get(at + used..).ok_or_else(bad)?;
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }
}

/// The character of the escape at the front, and how many bytes it took. Half of a surrogate pair stands for U+FFFD.
fn decode_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let simple = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = hex4(bytes.get(2..6)?)?;
            if let Some(c) = char::from_u32(unit) {
                return Some((c, 6));
            }
            let low = bytes.get(6..12).and_then(|tail| tail.strip_prefix(b"\\u")).and_then(hex4);
            return match low {
                Some(low @ 0xdc00..=0xdfff) if unit < 0xdc00 => {
                    let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    Some((char::from_u32(code)?, 12))
                }
                _ => Some(('\u{fffd}', 6)),
            };
        }
        _ => return None,
    };
    Some((simple, 2))
}

/// Where the first quote, backslash or control byte stands. Eight bytes at a time: strings are most of what is read.
fn find_stop(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is zero; behind the first such byte others may have theirs set too.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c)) | control) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|&byte| is_stop(byte)).map(|found| at + found)
}

const fn is_stop(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

fn hex4(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, first: false }
    }

    /// How many bytes are behind it.
    pub const fn position(&self) -> usize {
        self.at
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::Json { what, at: self.at })
    }

    fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The first byte of the next value or sign, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, sign: u8, what: &'static str) -> Result<(), Error> {
        if self.peek() != Some(sign) {
            return self.fail(what);
        }
        self.at += 1;
        Ok(())
    }

    /// Enters the object that comes next.
    pub fn begin_object(&mut self) -> Result<(), Error> {
        self.first = true;
        self.expect(b'{', "an object was expected")
    }

    /// The next key of the object, its colon taken; `None` at its end. The value must be taken before the next call.
    pub fn next_key(&mut self) -> Result<Option<Text<'a>>, Error> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.first = false;
            return Ok(None);
        }
        if !std::mem::take(&mut self.first) {
            self.expect(b',', "a comma was expected")?;
        }
        let key = self.string()?;
        self.expect(b':', "a colon was expected")?;
        Ok(Some(key))
    }

    /// Enters the array that comes next.
    pub fn begin_array(&mut self) -> Result<(), Error> {
        self.first = true;
        self.expect(b'[', "an array was expected")
    }

    /// Whether a value of the array follows; its comma is taken. The value must be taken before the next call.
    pub fn next_item(&mut self) -> Result<bool, Error> {
        if self.peek() == Some(b']') {
            self.at += 1;
            self.first = false;
            return Ok(false);
        }
        if !std::mem::take(&mut self.first) {
            self.expect(b',', "a comma was expected")?;
        }
        Ok(true)
    }

    /// Takes a string.
    pub fn string(&mut self) -> Result<Text<'a>, Error> {
        self.expect(b'"', "a string was expected")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(stop) = find_stop(rest) else {
                return self.fail("a string does not end");
            };
            self.at += stop;
            match rest[stop] {
                b'"' => {
                    let raw = &self.bytes[start..self.at];
                    self.at += 1;
                    return Ok(Text { raw, escaped });
                }
                b'\\' => {
                    let Some((_, used)) = decode_escape(&rest[stop..]) else {
                        return self.fail("a bad escape in a string");
                    };
                    escaped = true;
                    self.at += used;
                }
                _ => return self.fail("a control byte in a string"),
            }
        }
    }

    /// Takes a number, as the bytes it is written in.
    pub fn number(&mut self) -> Result<&'a [u8], Error> {
        self.skip_blanks();
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') && self.eat_digits() == 0 {
            return self.fail("a number was expected");
        }
        if self.eat(b'.') && self.eat_digits() == 0 {
            return self.fail("a digit was expected");
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            if self.eat_digits() == 0 {
                return self.fail("a digit was expected");
            }
        }
        Ok(&self.bytes[start..self.at])
    }

    /// Takes a whole number of 64 bits without a sign.
    pub fn unsigned(&mut self) -> Result<u64, Error> {
        let digits = self.number()?;
        let value = std::str::from_utf8(digits).ok().and_then(|t| t.parse().ok());
        value.map_or_else(|| self.fail("a whole number was expected"), Ok)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn eat_digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// Takes `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, Error> {
        match self.peek() {
            Some(b't') => self.word(b"true").map(|()| true),
            _ => self.word(b"false").map(|()| false),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Error> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.fail("a value was expected");
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over one value of any kind.
    pub fn skip_value(&mut self) -> Result<(), Error> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return self.fail("nested too deeply");
        }
        match self.peek() {
            Some(b'{') => {
                self.begin_object()?;
                while self.next_key()?.is_some() {
                    self.skip_nested(depth + 1)?;
                }
                Ok(())
            }
            Some(b'[') => self.skip_array(depth),
            Some(b'"') => self.string().map(drop),
            Some(b't' | b'f') => self.boolean().map(drop),
            Some(b'n') => self.word(b"null"),
            _ => self.number().map(drop),
        }
    }

    fn skip_array(&mut self, depth: usize) -> Result<(), Error> {
        self.begin_array()?;
        while self.next_item()? {
            self.skip_nested(depth + 1)?;
        }
        Ok(())
    }

    /// Makes sure that nothing but blanks is left.
    pub fn end(&mut self) -> Result<(), Error> {
        self.peek().map_or(Ok(()), |_| self.fail("something follows the value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepts(text: &[u8]) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.skip_value().and_then(|()| scanner.end()).is_ok()
    }

    proptest! {
        #[test]
        fn a_string_stops_where_it_should(bytes in proptest::collection::vec(prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'!'), 1 => Just(b' ')], 0..40)) {
            prop_assert_eq!(find_stop(&bytes), bytes.iter().position(|&byte| is_stop(byte)));
        }
    }

    #[test]
    fn agrees_with_serde_json_on_what_is_json() {
        for text in [
            "{}",
            "[]",
            "0",
            "-0",
            "01",
            "-",
            "1.",
            "1.5e+3",
            "1e",
            "1e-9",
            "nul",
            "null",
            "true",
            "tru",
            "\"",
            "\"a\"",
            "\"\\u12\"",
            "\"\\u0041\"",
            "\"\\x\"",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\" : [ 1 , {} ] }",
            "{a:1}",
            "{} {}",
            "",
            " ",
            "\"\n\"",
            "{\"a\":1 \"b\":2}",
            "[1 2]",
            ".5",
            "+1",
        ] {
            let wanted = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(accepts(text.as_bytes()), wanted, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(!accepts(deep.as_bytes()));
        assert!(accepts(("[".repeat(60) + &"]".repeat(60)).as_bytes()));
    }

    proptest! {
        #[test]
        fn any_text_like_json_is_judged_as_serde_json_does(text in "[\\[\\]{}\":,0-9eE.+\\-truefalsn\\\\u ]{0,24}") {
            // serde_json refuses half surrogates and numbers beyond f64; both are legal JSON to us.
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            let lenient = theirs.as_ref().err().is_some_and(|e| {
                let why = e.to_string();
                why.contains("out of range") || why.contains("surrogate") || why.contains("hex escape")
            });
            prop_assert!(lenient || accepts(text.as_bytes()) == theirs.is_ok(), "{text}");
        }

        #[test]
        fn any_string_decodes_as_serde_json_does(text: String) {
            let encoded = serde_json::to_string(&text).unwrap();
            let mut scanner = Scanner::new(encoded.as_bytes());
            prop_assert_eq!(scanner.string().unwrap().decode().unwrap(), text);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes: Vec<u8>) {
            accepts(&bytes);
        }
    }
}
