//! Which code a line carries: whoever reads the line can look it up.
//!
//! Four letters and digits are easily something else: a product, an airport, a part of an id. So a code counts only as a whole word, and
//! where it can hardly mean anything else: in a field for codes of errors, or as a proxy writes it (`[PU02] could not complete …`).

use super::{ALL, Code};
use crate::Provider;
use crate::json::Scanner;

/// So much of a line is looked at. Codes stand in front.
const MAX_BYTES: usize = 8 << 10;
/// So much behind a code is looked at for what a proxy says beside it.
const MAX_BESIDE_BYTES: usize = 200;
/// So many codes that are not meant as such are passed over; then it is something else that looks like them.
const MAX_CODES: usize = 32;
/// How deeply fields of JSON are looked into.
const MAX_DEPTH: usize = 8;
/// Fields that hold codes of errors.
const FIELDS: [&str; 8] = [
    "error.code",
    "err.code",
    "error_code",
    "err_code",
    "errorCode",
    "fly.error.code",
    "fly.error_code",
    "proxy.error.code",
];
/// The field that holds all sorts of codes: only who writes none but ours is believed.
const ANY_CODE: &str = "code";
/// What Fly's proxy says beside a code. Who says none of it means something else by the same letters.
const PHRASES: [&[u8]; 20] = [
    b"to instance",
    b"to your instance",
    b"instance refused",
    b"healthy instance",
    b"healthy machine",
    b"good candidate",
    b"load balancing",
    b"http request",
    b"http/2 handshake",
    b"tls handshake",
    b"fly-replay",
    b"hard limit",
    b"concurrency limit",
    b"machines api",
    b"machine state",
    b"start machine",
    b"wake machine",
    b"worker host",
    b"your app",
    b"certificate for",
];

/// The code of a line of the app, the platform or an import, if it is one that the catalogue knows.
pub fn recognise(provider: Provider, message: &[u8]) -> Option<&'static Code> {
    let looked = &message[..message.len().min(MAX_BYTES)];
    let mut seen = false;
    let words = memchr::memchr2_iter(b'L', b'P', looked).filter_map(|at| Some((at, word(looked, at)?)));
    for (at, code) in words.take(MAX_CODES) {
        seen = true;
        if stands(provider, looked, at, code) {
            return Some(code);
        }
    }
    if seen && looked.trim_ascii_start().first() == Some(&b'{') { in_json(provider, looked) } else { None }
}

/// The code that the value of a field is, if the field is one for codes of errors.
pub fn of_field(name: &str, value: &[u8]) -> Option<&'static Code> {
    FIELDS.contains(&name).then(|| exactly(value)).flatten()
}

/// The code of a row that came over HTTP with further fields. What such a row says of its provider tells how far its text is believed.
pub fn of_import<'a>(
    message: &[u8],
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Option<&'static Code> {
    let (mut provider, mut found) = (Provider::Import, None);
    for (name, value) in fields {
        found = found.or_else(|| of_field(name, value));
        if name == "event.provider" && value == Provider::Proxy.as_str().as_bytes() {
            provider = Provider::Proxy;
        }
    }
    found.or_else(|| recognise(provider, message))
}

/// The code that is all of `value`.
fn exactly(value: &[u8]) -> Option<&'static Code> {
    match value {
        [b'L' | b'P', b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9'] => {
            ALL.iter().find(|code| code.code.as_bytes() == value)
        }
        _ => None,
    }
}

/// The code that stands at `at` as a whole word.
fn word(text: &[u8], at: usize) -> Option<&'static Code> {
    // Most letters are no code: that is seen by the next one.
    if !text.get(at + 1)?.is_ascii_uppercase() {
        return None;
    }
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || !byte.is_ascii();
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    if before.is_some_and(goes_on) || text.get(at + 4).is_some_and(goes_on) {
        return None;
    }
    exactly(text.get(at..at + 4)?)
}

/// Whether what stands around a code says that it is meant as one.
fn stands(provider: Provider, text: &[u8], at: usize, code: &Code) -> bool {
    let (before, after) = (&text[..at], &text[at + 4..]);
    if let Some(key) = key(before) {
        return FIELDS.iter().any(|field| field.as_bytes() == key)
            || key == ANY_CODE.as_bytes() && is_platform(provider);
    }
    let is_between = |open, close| before.last() == Some(&open) && after.first() == Some(&close);
    if is_platform(provider) {
        let is_first = before.trim_ascii().is_empty() && after.first() == Some(&b':');
        return is_first || is_between(b'[', b']') || is_between(b'(', b')');
    }
    if !is_between(b'[', b']') {
        return false;
    }
    if code.code.starts_with('L') {
        // As our own commands write it.
        let word = &before[..before.len() - 1];
        return word.ends_with(b"error") || word.ends_with(b"warning");
    }
    let after = &after[..after.len().min(MAX_BESIDE_BYTES)];
    has(after, code.title.as_bytes()) || PHRASES.iter().any(|phrase| has(after, phrase))
}

/// Who writes no other codes than those of the catalogue.
const fn is_platform(provider: Provider) -> bool {
    matches!(provider, Provider::Proxy | Provider::Runner)
}

/// The key of `key=` or `key="` at the end.
fn key(before: &[u8]) -> Option<&[u8]> {
    let before = before.strip_suffix(b"\"").unwrap_or(before).strip_suffix(b"=")?;
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let from = before.iter().rposition(|byte| !is_key(byte)).map_or(0, |at| at + 1);
    Some(&before[from..])
}

/// Whether `part`, in whatever case, is in `text`.
fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// The code in a field for codes of errors.
fn in_json(provider: Provider, message: &[u8]) -> Option<&'static Code> {
    let mut path = String::new();
    // What is cut off, or is no JSON after all, has been looked at as far as it goes.
    let mut found = None;
    let _whole = object(&mut Scanner::new(message), provider, &mut path, 0, &mut found);
    found
}

fn object(
    scanner: &mut Scanner<'_>,
    provider: Provider,
    path: &mut String,
    depth: usize,
    found: &mut Option<&'static Code>,
) -> Result<(), crate::Error> {
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key()? {
        let len = path.len();
        if len > 0 {
            path.push('.');
        }
        path.push_str(&key.decode()?);
        match scanner.peek() {
            Some(b'{') if depth < MAX_DEPTH => object(scanner, provider, path, depth + 1, found)?,
            Some(b'"') => {
                let is_one = FIELDS.contains(&path.as_str()) || path == ANY_CODE && is_platform(provider);
                let value = scanner.string()?;
                if is_one {
                    *found = found.or_else(|| value.plain().and_then(exactly));
                }
            }
            _ => scanner.skip_value()?,
        }
        path.truncate(len);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(provider: Provider, message: &str) -> Option<&'static str> {
        recognise(provider, message.as_bytes()).map(|code| code.code)
    }

    #[test]
    fn what_the_platform_says() {
        for (message, wanted) in [
            ("[PU02] could not complete HTTP request to instance: connection closed", Some("PU02")),
            ("[PR01] no known healthy instances found for route tcp/443.", Some("PR01")),
            ("error.code=PR03 error.message=\"no good candidate\"", Some("PR03")),
            ("code=\"PC01\" msg=refused", Some("PC01")),
            ("could not wake it (PM03)", Some("PM03")),
            ("LI01: nothing to run", Some("LI01")),
            (r#"{"error":{"message":"x","code":"PT05"}}"#, Some("PT05")),
            (r#"{"code":"PL02"}"#, Some("PL02")),
            ("PC01 is up", None),
            ("id=PC01", None),
            ("[PZ01] [PU99] [LZ01] [PU2]", None),
            ("see [PU99] and [PU02]", Some("PU02")),
        ] {
            assert_eq!(found(Provider::Proxy, message), wanted, "{message}");
            assert_eq!(found(Provider::Runner, message), wanted, "{message}");
        }
    }

    #[test]
    fn what_apps_say() {
        for (message, wanted) in [
            ("[PU02] could not complete HTTP request to instance: connection closed", Some("PU02")),
            (
                "proxy[148e] lhr [error] [PC01] instance refused connection. is your app listening",
                Some("PC01"),
            ),
            ("[PR03] could not find a good candidate within 90 attempts at load balancing", Some("PR03")),
            ("[PR02] Machine not found", Some("PR02")),
            (r#"{"level":"error","msg":"[PU02] could not complete HTTP request to instance"}"#, Some("PU02")),
            (r#"{"error":{"code":"PR01"}}"#, Some("PR01")),
            (r#"{"a":{"error":{"code":"PR01"}}}"#, None),
            (r#"{"fly":{"error":{"code":"PR01"}},"n":[1,{"x":2}]}"#, Some("PR01")),
            (r#"{"error_code":"PA03"}"#, Some("PA03")),
            ("at=error error_code=PA03 path=/", Some("PA03")),
            ("error[LB03]: cannot listen", Some("LB03")),
            ("warning[LR01]: a part could not be read", Some("LR01")),
            // A product, a computer, a postcode, an airport's gate, a part of an id.
            (r#"{"code":"PC01","price":3}"#, None),
            (r#"{"error":{"code":"pc01"}}"#, None),
            ("code=PC01", None),
            ("[PC01] lost connection to the printer", None),
            ("[PC01] logged in", None),
            ("ship to LA01 4AA", None),
            ("[LA02] landed", None),
            ("LA02: landed", None),
            ("0xPC01 PC01-7 XPC01 PC01_a PC011 PC01é éPC01", None),
            ("trace=af-PC01-[PC01x] to instance", None),
            ("error.code=PC01x", None),
            ("error.code=500", None),
            ("", None),
            ("P", None),
            ("PU0", None),
        ] {
            assert_eq!(found(Provider::App, message), wanted, "{message}");
            assert_eq!(found(Provider::Import, message), wanted, "{message}");
        }
    }

    #[test]
    fn fields() {
        assert_eq!(of_field("error.code", b"PU02").map(|code| code.code), Some("PU02"));
        for (name, value) in
            [("code", "PU02"), ("error.code", "PU99"), ("error.code", "pu02"), ("error.code", "")]
        {
            assert_eq!(of_field(name, value.as_bytes()), None, "{name}={value}");
        }
        for (message, fields, wanted) in [
            ("(PC01) refused", &[][..], None),
            ("(PC01) refused", &[("event.provider", "proxy")], Some("PC01")),
            ("no", &[("a", "b"), ("error.code", "PR01")], Some("PR01")),
            ("[PR02] Machine not found", &[("error.code", "500")], Some("PR02")),
        ] {
            let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
            assert_eq!(of_import(message.as_bytes(), fields).map(|code| code.code), wanted, "{message}");
        }
    }

    #[test]
    fn every_code_is_recognised_as_a_proxy_writes_it() {
        for code in ALL {
            assert_eq!(found(Provider::Proxy, &format!("[{}] no", code.code)), Some(code.code));
            assert_eq!(of_field("error.code", code.code.as_bytes()), Some(code));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for provider in Provider::ALL {
                if let Some(code) = recognise(provider, &bytes) {
                    let code = code.code.as_bytes();
                    prop_assert!(bytes.windows(code.len()).any(|window| window == code));
                }
            }
        }

        #[test]
        fn what_is_cut_is_looked_at(cut in 0_usize..80, text in "[PLUCRA0-9\\[\\]{}\":,=.ecodr ]{0,60}") {
            let whole = format!("{{\"error\":{{\"code\":\"PU02\"}},\"x\":\"{text}");
            let cut = &whole.as_bytes()[..cut.min(whole.len())];
            let _ = recognise(Provider::Proxy, cut);
            let _ = recognise(Provider::App, text.as_bytes());
        }

        #[test]
        fn hexadecimal_ids_are_no_codes(id in "[0-9A-F]{4,40}") {
            prop_assert_eq!(found(Provider::Proxy, &id), None);
        }
    }
}
