//! How a value is written in text: bare where that is clear, else in quotes.

use crate::logs::neutral;

/// Appends `value`, in quotes if it is empty or has blanks, quotes, an equals sign or what a terminal would obey.
pub(crate) fn write(value: &str, out: &mut String) {
    let is_plain =
        |letter: char| !letter.is_whitespace() && !letter.is_control() && !"\"=\\".contains(letter);
    if !value.is_empty() && value.chars().all(is_plain) {
        return neutral::write(value, false, out);
    }
    let mut quoted = Vec::with_capacity(value.len() + 2);
    line::json::write_string(value, &mut quoted);
    neutral::write(&String::from_utf8_lossy(&quoted), false, out);
}

#[cfg(test)]
mod tests {
    #[test]
    fn values() {
        for (value, wanted) in [
            ("a/b-c.d", "a/b-c.d"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a=b", "\"a=b\""),
            ("a\"\n", "\"a\\\"\\n\""),
            ("\u{1b}[2J", "\"\\u001b[2J\""),
            ("\u{202e}", "\\u{202e}"),
        ] {
            let mut out = String::new();
            super::write(value, &mut out);
            assert_eq!(out, wanted);
        }
    }
}
