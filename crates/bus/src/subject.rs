//! Subjects and patterns: which are legal, which match, which lie within which.

/// Longest subject in bytes. The subject of a line has up to 609: three names of 63 bytes, each of which escaping makes three.
pub const MAX_BYTES: usize = 1024;
/// Most tokens of a subject.
pub const MAX_TOKENS: usize = 16;

/// Whether `subject` may be published on: tokens divided by dots, none empty, no wildcard token, no blank or control byte,
/// UTF-8, within the bounds.
pub fn is_literal(subject: &[u8]) -> bool {
    is_pattern(subject) && !tokens(subject).any(|token| token == b"*" || token == b">")
}

/// Whether `pattern` may be subscribed to: as [`is_literal`], with `*` for one token and `>` for one or more at the end.
pub fn is_pattern(pattern: &[u8]) -> bool {
    if pattern.is_empty() || pattern.len() > MAX_BYTES || std::str::from_utf8(pattern).is_err() {
        return false;
    }
    if pattern.iter().any(|b| *b <= b' ' || *b == 0x7f) {
        return false;
    }
    let mut count = 0;
    let mut ended = false;
    for token in tokens(pattern) {
        if token.is_empty() || ended {
            return false;
        }
        ended = token == b">";
        count += 1;
    }
    count <= MAX_TOKENS
}

/// The tokens of a subject or pattern.
pub fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|b| *b == b'.')
}

/// Whether `subject` (literal) is one that `pattern` selects.
pub fn matches(pattern: &[u8], subject: &[u8]) -> bool {
    let (mut wanted, mut given) = (tokens(pattern), tokens(subject));
    loop {
        match (wanted.next(), given.next()) {
            (Some(b">"), Some(_)) | (None, None) => return true,
            (Some(b"*"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// Whether everything that `pattern` selects is also selected by `scope`.
pub fn is_within(pattern: &[u8], scope: &[u8]) -> bool {
    let (mut inner, mut outer) = (tokens(pattern), tokens(scope));
    loop {
        match (inner.next(), outer.next()) {
            (Some(_), Some(b">")) | (None, None) => return true,
            (Some(b">"), _) => return false,
            (Some(_), Some(b"*")) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// Text in quotes as nats-server writes it, which is as Go's `%q` does.
pub(crate) fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_quoted(&mut out, c));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out.push('"');
    out
}

fn push_quoted(out: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        c if c.is_ascii_control() => out.push_str(&format!("\\x{code:02x}")),
        c if is_printable(c) => out.push(c),
        _ if code <= 0xffff => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// Whether a character shows: what Rust's own escapes let through behind a letter, where an accent is no mark of its own.
fn is_printable(c: char) -> bool {
    c.is_ascii() || format!("a{c}").escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_legal() {
        for (subject, literal, pattern) in [
            ("a", true, true),
            ("a.b-c.%2E", true, true),
            ("a.*", false, true),
            ("a.>", false, true),
            (">", false, true),
            ("a.*b.c>", true, true),
            ("a.>.b", false, false),
            ("", false, false),
            (".a", false, false),
            ("a.", false, false),
            ("a..b", false, false),
            ("a b", false, false),
            ("a\u{0}", false, false),
            ("ü", true, true),
        ] {
            assert_eq!(
                (is_literal(subject.as_bytes()), is_pattern(subject.as_bytes())),
                (literal, pattern),
                "{subject}"
            );
        }
        assert!(!is_pattern(b"\xff") && !is_pattern(&[b'a'; MAX_BYTES + 1]));
        assert!(is_pattern("a.".repeat(16).trim_end_matches('.').as_bytes()));
        assert!(!is_pattern("a.".repeat(17).trim_end_matches('.').as_bytes()));
    }

    #[test]
    fn the_longest_subject_of_a_line_is_legal() {
        let (org, name) = ("o".repeat(32), format!("{}x", "я".repeat(31)));
        let address = line::Address::new(line::OrgId::new(&org).unwrap(), &name, &name, &name).unwrap();
        let subject = line::subject::inner(&address);
        assert!(is_literal(subject.as_bytes()), "{} bytes", subject.len());
    }

    #[test]
    fn quotes_as_go_writes_them() {
        for (text, wanted) in [
            (&b"a.b-c"[..], r#""a.b-c""#),
            (br#"a"b\c'd"#, r#""a\"b\\c'd""#),
            (b"\x00\x07\x08\t\n\x0b\x0c\r\x1b\x7f", r#""\x00\a\b\t\n\v\f\r\x1b\x7f""#),
            (b"\xff\xc3", r#""\xff\xc3""#),
            ("é🦀e\u{301}\u{fffd}".as_bytes(), "\"é🦀e\u{301}\u{fffd}\""),
            ("\u{85}\u{a0}\u{200b}\u{feff}\u{e0001}".as_bytes(), r#""\u0085\u00a0\u200b\ufeff\U000e0001""#),
        ] {
            assert_eq!(quoted(text), wanted, "{text:?}");
        }
    }

    fn any_pattern() -> impl Strategy<Value = String> {
        "(a|b|\\*)(\\.(a|b|\\*)){0,3}(\\.>)?|>"
    }

    proptest! {
        #[test]
        fn within_means_that_whatever_matches_the_one_matches_the_other(
            pattern in any_pattern(), scope in any_pattern(), subject in "(a|b|c)(\\.(a|b|c)){0,4}",
        ) {
            let (pattern, scope, subject) = (pattern.as_bytes(), scope.as_bytes(), subject.as_bytes());
            prop_assert!(is_within(pattern, pattern));
            if is_within(pattern, scope) && matches(pattern, subject) {
                prop_assert!(matches(scope, subject));
            }
        }

        #[test]
        fn not_within_means_that_some_subject_tells(pattern in any_pattern(), scope in any_pattern()) {
            // A wildcard that stands for a word of its own, and `>` for one, two or six of them, are witnesses enough.
            let fill = |tail: &str| pattern.replace('*', "w").replace('>', tail);
            let all_match = ["w", "w.w", "w.w.w.w.w.w"].iter().all(|tail| matches(scope.as_bytes(), fill(tail).as_bytes()));
            prop_assert_eq!(is_within(pattern.as_bytes(), scope.as_bytes()), all_match);
        }
    }
}
