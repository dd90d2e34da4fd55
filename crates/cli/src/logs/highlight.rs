//! Marks what the eye looks for in a text: ids, addresses, durations, sizes, paths. Modestly: one colour a kind, nothing bold.

use super::neutral::{self, RESET};

/// Texts longer than this are shown as they are.
const MAX_BYTES: usize = 16 * 1024;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `7f3a91c0`, a UUID.
    Id,
    /// `10.0.0.1:80`, `fdaa:0:1::3`.
    Address,
    /// `12ms`, `3.5GiB`, `30%`, `42`.
    Number,
    /// `/var/log`, `https://a.b/c`.
    Path,
}

impl Kind {
    /// Its colour.
    pub(super) const fn colour(self) -> u8 {
        match self {
            Self::Id => 35,
            Self::Address => 32,
            Self::Number => 36,
            Self::Path => 34,
        }
    }
}

/// Appends `text` harmless and with marks. What an app has coloured itself keeps its own colours.
pub(super) fn write(text: &str, out: &mut String) {
    if text.len() > MAX_BYTES || text.contains('\u{1b}') {
        return neutral::write(text, true, out);
    }
    let mut at = 0;
    for word in words(text) {
        let Some(kind) = kind(&text[word.clone()]) else { continue };
        neutral::write(&text[at..word.start], false, out);
        out.push_str(&format!("\u{1b}[{}m", kind.colour()));
        neutral::write(&text[word.clone()], false, out);
        out.push_str(RESET);
        at = word.end;
    }
    neutral::write(&text[at..], false, out);
}

/// The words of a text, without what encloses them.
fn words(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let is_border = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;=|".contains(c);
    let mut at = 0;
    text.split(is_border).filter_map(move |word| {
        let start = at;
        // Each border is one character, of whatever length.
        let end = start + word.len();
        at = end + text[end..].chars().next().map_or(0, char::len_utf8);
        let inner = word.trim_end_matches(['.', ':', '!', '?']);
        (!inner.is_empty()).then(|| start..start + inner.len())
    })
}

/// What a word is; `None` for an ordinary one.
pub(super) fn kind(word: &str) -> Option<Kind> {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    if is_path(word) {
        Some(Kind::Path)
    } else if !has_digit {
        None
    } else if is_address(word) {
        Some(Kind::Address)
    } else if is_number(word) {
        Some(Kind::Number)
    } else if is_id(word) {
        Some(Kind::Id)
    } else {
        None
    }
}

fn is_path(word: &str) -> bool {
    let is_url = word.contains("://") && !word.starts_with(':');
    let is_file =
        word.len() > 1 && (word.starts_with('/') || word.starts_with("./")) && !word.starts_with("//");
    is_url || is_file
}

fn is_address(word: &str) -> bool {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    let is_v6 = || word.matches(':').count() > 1 && word.parse::<IpAddr>().is_ok();
    let host = word.split('/').next().unwrap_or_default();
    host.parse::<Ipv4Addr>().is_ok() || word.parse::<SocketAddr>().is_ok() || is_v6()
}

/// A number, with or without a unit.
fn is_number(word: &str) -> bool {
    const UNITS: [&str; 28] = [
        "", "%", "ns", "us", "µs", "ms", "s", "m", "h", "d", "B", "b", "K", "M", "G", "k", "KB", "kB", "MB",
        "GB", "TB", "KiB", "MiB", "GiB", "TiB", "Hz", "x", "rps",
    ];
    let word = word.strip_prefix(['-', '+']).unwrap_or(word);
    // 1h2m3.5s is a number and its unit, several times.
    let mut rest = word;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '_').len();
        let (number, behind) = rest.split_at(digits);
        let unit = behind.len() - behind.trim_start_matches(|c: char| c.is_alphabetic() || c == '%').len();
        let (unit, behind) = behind.split_at(unit);
        let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && number.matches('.').count() < 2;
        if !is_number || !UNITS.contains(&unit) || (unit.is_empty() && !behind.is_empty()) {
            return false;
        }
        (rest, parts) = (behind, parts + 1);
    }
    (1..=4).contains(&parts)
}

/// A UUID, or eight and more hexadecimal digits with letters and numbers among them.
fn is_id(word: &str) -> bool {
    let bare = word.strip_prefix("0x").unwrap_or(word);
    let is_hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let digits = bare.bytes().filter(u8::is_ascii_digit).count();
    is_hex && bare.len() >= 8 && digits >= 2 && digits < bare.len() && !bare.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds() {
        use Kind::{Address, Id, Number, Path};
        for (word, wanted) in [
            ("148e36ab", Some(Id)),
            ("019a0c3f-2b7c-7001-8000-0123456789ab", Some(Id)),
            ("0xdeadbeef01", Some(Id)),
            ("deadbeef", None),
            ("10.0.0.1", Some(Address)),
            ("10.0.0.1:8080", Some(Address)),
            ("10.0.0.0/8", Some(Address)),
            ("fdaa:0:1::3", Some(Address)),
            ("::1", Some(Address)),
            ("12ms", Some(Number)),
            ("1.5s", Some(Number)),
            ("1h2m3s", Some(Number)),
            ("3.5GiB", Some(Number)),
            ("30%", Some(Number)),
            ("-42", Some(Number)),
            ("12345678", Some(Number)),
            ("1.2.3", None),
            ("v1.2", None),
            ("3rd", None),
            ("web2", None),
            ("/var/log/x.log", Some(Path)),
            ("https://a.b/c?d=1", Some(Path)),
            ("/", None),
            ("//", None),
            ("and/or", None),
            ("hello", None),
        ] {
            assert_eq!(kind(word), wanted, "{word}");
        }
    }

    #[test]
    fn words_are_marked_where_they_stand() {
        let mut out = String::new();
        write("GET /a took 12ms (é \"7\").", &mut out);
        let wanted = "GET \u{1b}[34m/a\u{1b}[0m took \u{1b}[36m12ms\u{1b}[0m (é \"\u{1b}[36m7\u{1b}[0m\").";
        assert_eq!(out, wanted);
        out.clear();
        write("\u{1b}[31m12ms", &mut out);
        assert_eq!(out, "\u{1b}[31m12ms\u{1b}[0m");
    }

    proptest! {
        #[test]
        fn nothing_is_added_but_colours(text in "(\\PC|[ /.:0-9a-fms]){0,60}") {
            let (mut marked, mut plain, mut wanted) = (String::new(), String::new(), String::new());
            write(&text, &mut marked);
            neutral::write(&marked, false, &mut plain);
            neutral::write(&text, false, &mut wanted);
            prop_assert_eq!(plain, wanted);
        }
    }
}
