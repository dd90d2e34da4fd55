//! Makes text of an app harmless for a terminal. Colours stay; whatever else could move the cursor, set the title, answer
//! as if it were typed or turn the reading direction is shown escaped.

use std::fmt::Write;

/// What puts the terminal's colours back.
pub(crate) const RESET: &str = "\u{1b}[0m";
/// The longest colour sequence that is believed, in bytes.
const MAX_SGR_BYTES: usize = 64;

/// Appends `text` to `out`. With `keep_colours`, sequences that only set colours and weight (SGR) stay as they are, and
/// are undone at the end.
pub(crate) fn write(text: &str, keep_colours: bool, out: &mut String) {
    let mut has_colour = false;
    let mut clean_from = 0;
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        let after = at + char.len_utf8();
        if !is_control(char) {
            at = after;
            continue;
        }
        out.push_str(&text[clean_from..at]);
        if let Some(sequence) = colour_at(&text[at..]) {
            if keep_colours {
                out.push_str(sequence);
                has_colour = true;
            }
            at += sequence.len();
        } else {
            // Writing to a string cannot fail.
            let _ = match char {
                '\r' => write!(out, "\\r"),
                '\n' => write!(out, "\\n"),
                '\0'..='\u{7f}' => write!(out, "\\x{:02x}", u32::from(char)),
                _ => write!(out, "\\u{{{:x}}}", u32::from(char)),
            };
            at = after;
        }
        clean_from = at;
    }
    out.push_str(&text[clean_from..]);
    if has_colour {
        out.push_str(RESET);
    }
}

/// The same as a text of its own, without colours: for what the bus, an agent or a child process says.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    write(text, false, &mut out);
    out
}

/// Appends a JSON value to `out` so that it means the same, takes one line and is harmless. Bytes that are not UTF-8, which
/// no JSON has, become U+FFFD.
pub(crate) fn json(raw: &[u8], out: &mut String) {
    for char in String::from_utf8_lossy(raw).chars() {
        match char {
            // Outside of strings, where alone they can stand, these are blanks.
            '\n' | '\r' => out.push(' '),
            // None of them is beyond U+FFFF. Writing to a string cannot fail.
            _ if is_control(char) => drop(write!(out, "\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
}

/// Control characters except the tab: C0, DEL, C1, line separators, and those that turn the direction of text.
fn is_control(char: char) -> bool {
    match char {
        '\t' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => false,
    }
}

/// The colour sequence (`ESC [ 1;31 m`) that `text` begins with. One that hides text is none.
fn colour_at(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.bytes().take(MAX_SGR_BYTES).position(|b| !matches!(b, b'0'..=b'9' | b';' | b':'))?;
    let shows = |rest: &str| !hides(&rest[..end]);
    (rest.as_bytes()[end] == b'm' && shows(rest)).then(|| &text[..end + 3])
}

/// Whether the parameters say "conceal" (8), which is not the 8 of an extended colour (`38;5;8`).
fn hides(parameters: &str) -> bool {
    let mut parts = parameters.split(';');
    while let Some(part) = parts.next() {
        match part.split(':').next().unwrap_or_default().trim_start_matches('0') {
            "8" => return true,
            "38" | "48" | "58" if !part.contains(':') => {
                let skip = match parts.next() {
                    Some("5") => 1,
                    Some("2") => 3,
                    _ => 0,
                };
                for _ in 0..skip {
                    parts.next();
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn neutral(text: &str, keep_colours: bool) -> String {
        let mut out = String::new();
        write(text, keep_colours, &mut out);
        out
    }

    #[test]
    fn what_is_harmless_stays() {
        for text in ["", "plain", "tab\there", "ünï ☃ 🦀", "C:\\n"] {
            assert_eq!(neutral(text, true), text);
        }
        assert_eq!(neutral("\u{1b}[1;31mred", true), "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(neutral("\u{1b}[38;5;8mgrey\u{1b}[m", true), "\u{1b}[38;5;8mgrey\u{1b}[m\u{1b}[0m");
        assert_eq!(neutral("\u{1b}[1;31mred\u{1b}[0m!", false), "red!");
    }

    #[test]
    fn what_is_not_is_shown_escaped() {
        for (text, wanted) in [
            ("a\rb", "a\\rb"),
            ("a\nb", "a\\nb"),
            ("a\u{8}b\u{7f}", "a\\x08b\\x7f"),
            ("\u{1b}]0;title\u{7}", "\\x1b]0;title\\x07"),
            ("\u{1b}[2J\u{1b}[H", "\\x1b[2J\\x1b[H"),
            ("\u{1b}[8mhidden", "\\x1b[8mhidden"),
            ("\u{1b}[0;08mhidden", "\\x1b[0;08mhidden"),
            ("\u{1b}[6n", "\\x1b[6n"),
            ("\u{1b}[?1m", "\\x1b[?1m"),
            ("\u{1b}[31", "\\x1b[31"),
            ("\u{1b}", "\\x1b"),
            ("\u{9b}31mx", "\\u{9b}31mx"),
            ("\u{202e}evil\u{2066}", "\\u{202e}evil\\u{2066}"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(neutral(text, true), wanted);
        }
        let long = format!("\u{1b}[{}m", "1;".repeat(40));
        assert!(neutral(&long, true).starts_with("\\x1b["));
    }

    #[test]
    fn json_means_the_same() {
        for (raw, wanted) in [
            (&b"{\"a\":\r\n\t1}"[..], "{\"a\":  \t1}"),
            (
                "[\"\u{7f}\u{9b}31m\u{202e}\u{2069}\u{2028}\"]".as_bytes(),
                r#"["\u007f\u009b31m\u202e\u2069\u2028"]"#,
            ),
            ("\"\\u001b ü 🦀\"".as_bytes(), "\"\\u001b ü 🦀\""),
            (b"\"\xff\xc2\"", "\"\u{fffd}\u{fffd}\""),
        ] {
            let mut out = String::new();
            json(raw, &mut out);
            assert_eq!(out, wanted);
        }
    }

    proptest! {
        #[test]
        fn any_json_means_the_same_and_is_harmless(text in "(\\PC|[\\x00-\\x1f\\x7f-\u{9f}]|\u{202e}|\u{2028}){0,20}") {
            let value = serde_json::json!({ &text: [&text] });
            for raw in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let mut out = String::new();
                json(raw.as_bytes(), &mut out);
                prop_assert!(!out.chars().any(is_control), "{out:?}");
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&out).unwrap(), &value);
            }
        }

        #[test]
        fn no_control_gets_through(text in "(\\PC|[\\x00-\\x1f\\x7f-\\u{9f}]|\u{1b}\\[[0-9;:]{0,9}[mJHn]|\u{202e}){0,40}") {
            let plain = neutral(&text, false);
            prop_assert!(!plain.chars().any(is_control), "{plain:?}");
            let coloured = neutral(&text, true);
            for part in coloured.split('\u{1b}').skip(1) {
                let end = part.find('m').unwrap();
                prop_assert!(part.starts_with('['));
                prop_assert!(part[1..end].bytes().all(|b| b.is_ascii_digit() || b";:".contains(&b)));
            }
            let rest = coloured.replace('\u{1b}', "");
            prop_assert!(!rest.chars().any(is_control));
            if coloured.contains('\u{1b}') {
                prop_assert!(coloured.ends_with(RESET));
            }
        }
    }
}
