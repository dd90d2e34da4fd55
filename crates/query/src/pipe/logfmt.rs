//! logfmt: `level=info msg="two words" ok`.

use crate::quote::{Quoted, quoted_len, unquote};

/// Calls `take` with each name and value of `text`. A name without `=` has an empty value and is passed over.
pub(super) fn each_pair(text: &str, mut take: impl FnMut(&str, &str)) {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        let Some(tail) = tail.strip_prefix('=') else {
            rest = tail.trim_start();
            continue;
        };
        let quoted = if tail.starts_with(['"', '`']) { quoted_len(tail) } else { None };
        let value = quoted.and_then(|len| Some((unquote(tail.get(..len)?).ok()?, tail.get(len..)?)));
        rest = match value {
            Some((value, tail)) => {
                take(name, &value);
                tail
            }
            None => {
                let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
                take(name, &tail[..end]);
                &tail[end..]
            }
        };
        rest = rest.trim_start();
    }
}

/// Appends `name=value`, in quotes where that is needed.
pub(super) fn write_pair(name: &str, value: &[u8], out: &mut Vec<u8>) {
    let value = String::from_utf8_lossy(value);
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    let is_plain =
        !value.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=' | '\\' | '`'));
    if is_plain {
        out.extend_from_slice(value.as_bytes());
    } else {
        out.extend_from_slice(Quoted(&value).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        each_pair(text, |name, value| found.push((name.to_owned(), value.to_owned())));
        found
    }

    #[test]
    fn odd_texts() {
        for (text, wanted) in [
            ("a=1 b=\"x y\"  c", &[("a", "1"), ("b", "x y")][..]),
            ("a=\"un closed b=2", &[("a", "\"un"), ("b", "2")]),
            ("a= b=", &[("a", ""), ("b", "")]),
            ("a=\"\\\"q\\\"\"", &[("a", "\"q\"")]),
            ("=x", &[("", "x")]),
            ("", &[]),
        ] {
            let wanted: Vec<_> = wanted.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            assert_eq!(pairs(text), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in "[^\u{0}]{0,12}") {
            let mut out = Vec::new();
            write_pair("a", value.as_bytes(), &mut out);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(pairs(&text), vec![("a".to_owned(), value)]);
        }

        #[test]
        fn any_text_is_read_to_its_end(text in ".{0,40}") {
            pairs(&text);
        }
    }
}
