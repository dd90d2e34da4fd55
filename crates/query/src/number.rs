//! Numbers as people write them: `1_000`, `0xff`, `10KiB`, `1.5h`, and what else counts as one in a comparison: times and
//! IPv4 addresses.

use core::net::Ipv4Addr;

/// Units of time, each with its nanoseconds. Longer names first where one begins with the other.
const TIMES: [(&str, i64); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("y", 31_536_000_000_000_000),
];

/// Units of size, each with its bytes.
const SIZES: [(&str, f64); 17] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("K", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("B", 1.0),
];

/// Nanoseconds of a duration: numbers with units, the one after the other (`1h30m`, `1.5d`, `-1m0s`). Units are
/// `ns us µs ms s m h d w y`, a year being 365 days. What is more than 64 bits hold becomes the most that they do. None for anything else.
pub fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = sign(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits =
            rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).filter(|&at| at > 0)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.' || c == '_').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let &(_, nanos) = TIMES.iter().find(|(name, _)| *name == unit)?;
        total = total.saturating_add(times(number, nanos)?);
        rest = tail;
    }
    Some(if negative { total.saturating_neg() } else { total })
}

/// `number` times `unit`, exactly when it is a whole number.
fn times(number: &str, unit: i64) -> Option<i64> {
    let plain = without_underscores(number)?;
    match plain.parse::<i64>() {
        Ok(whole) => Some(whole.saturating_mul(unit)),
        Err(_) => Some(to_i64(plain.parse::<f64>().ok()? * unit as f64).unwrap_or(i64::MAX)),
    }
}

/// The nearest whole number, when 64 bits hold it.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(crate) fn to_i64(number: f64) -> Option<i64> {
    let rounded = number.round();
    (rounded.abs() < 9.2e18).then_some(rounded as i64)
}

/// Writes a duration so that [`duration`] reads it back: in the largest unit that divides it.
pub fn write_duration(nanos: i64) -> String {
    let whole = TIMES.iter().rev().filter(|(unit, _)| !matches!(*unit, "µs" | "y"));
    let unit = whole.into_iter().find(|(_, size)| nanos % size == 0 && nanos != 0);
    match unit {
        Some((unit, size)) => format!("{}{unit}", nanos / size),
        None => "0s".into(),
    }
}

/// A number in any notation: `-1.5e3`, `1_000`, `0xff`, `0o17`, `0b11`, `inf`, sizes in bytes (`10KiB`, `1.5MB`, `3K`),
/// durations in nanoseconds, RFC 3339 times in Unix nanoseconds, IPv4 addresses as 32 bits. None for anything else.
pub fn parse(text: &str) -> Option<f64> {
    let &first = text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.' | b'i' | b'I' | b'n' | b'N')) {
        return None;
    }
    plain(text)
        .or_else(|| size(text))
        .or_else(|| duration(text).map(|nanos| nanos as f64))
        .or_else(|| special(text))
}

/// As [`parse`], of a value of a row: `NaN` is none there.
pub fn of_value(value: &[u8]) -> Option<f64> {
    let &first = value.first()?;
    // Most values are no numbers, and most of those are known by their first byte.
    if value.len() > 64 || !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    parse(std::str::from_utf8(value).ok()?).filter(|number| !number.is_nan())
}

/// Decimal, hexadecimal, octal and binary numbers, infinities and `nan`.
fn plain(text: &str) -> Option<f64> {
    let (negative, digits) = sign(text);
    let prefixed = |prefix: &str, radix| {
        let digits =
            digits.strip_prefix(prefix).filter(|rest| rest.starts_with(|c: char| c.is_digit(radix)))?;
        u64::from_str_radix(&without_underscores(digits)?, radix).ok().map(|number| number as f64)
    };
    let prefixed = prefixed("0x", 16).or_else(|| prefixed("0o", 8)).or_else(|| prefixed("0b", 2));
    if let Some(number) = prefixed {
        return Some(if negative { -number } else { number });
    }
    let is_word = ["inf", "infinity", "nan"].iter().any(|word| digits.eq_ignore_ascii_case(word));
    if !is_word && !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    without_underscores(text)?.parse().ok()
}

fn size(text: &str) -> Option<f64> {
    let (unit, bytes) = SIZES.iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(plain(text.strip_suffix(unit)?).filter(|number| number.is_finite())? * bytes)
}

fn special(text: &str) -> Option<f64> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(f64::from(u32::from(address)));
    }
    line::time::parse_rfc3339(text).ok().map(|nanos| nanos as f64)
}

/// `text` without the underscores between its digits; none when one stands elsewhere.
fn without_underscores(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    if !text.contains('_') {
        return Some(text.into());
    }
    let between = |(at, _)| {
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
        at > 0 && is_digit(text.as_bytes().get(at - 1)) && is_digit(text.as_bytes().get(at + 1))
    };
    text.match_indices('_').all(between).then(|| text.replace('_', "").into())
}

/// Whether a minus stands at the start, and what follows the sign.
fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let second = 1_000_000_000;
        for (text, wanted) in [
            ("5m", Some(300 * second)),
            ("1m0s", Some(60 * second)),
            ("1h0m0s", Some(3600 * second)),
            ("500ms", Some(second / 2)),
            ("1.5h", Some(5400 * second)),
            ("-1d", Some(-86_400 * second)),
            ("1w2d", Some(9 * 86_400 * second)),
            ("1y", Some(365 * 86_400 * second)),
            ("1_000s", Some(1000 * second)),
            ("7ns", Some(7)),
            ("7µs", Some(7000)),
            ("9007199254740993ns", Some(9_007_199_254_740_993)),
            ("", None),
            ("-", None),
            ("5", None),
            ("m", None),
            ("5M", None),
            ("5m3", None),
            ("1..5s", None),
            ("999999y", Some(i64::MAX)),
            ("99999999999999999999s", Some(i64::MAX)),
        ] {
            assert_eq!(duration(text), wanted, "{text}");
        }
    }

    #[test]
    fn numbers() {
        for (text, wanted) in [
            ("10", 10.0),
            ("-1.5e3", -1500.0),
            ("+.5", 0.5),
            ("1_000", 1000.0),
            ("0xff", 255.0),
            ("-0b11", -3.0),
            ("0o17", 15.0),
            ("10KiB", 10240.0),
            ("1.5MB", 1.5e6),
            ("3K", 3000.0),
            ("7B", 7.0),
            ("2s", 2e9),
            ("1.2.3.4", 16_909_060.0),
            ("1970-01-01T00:00:01Z", 1e9),
            ("inf", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse(text), Some(wanted), "{text}");
        }
        for text in
            ["", "x", "1x", "_1", "1_", "1__0", "10kib", "1.2.3", "--1", "0x", "infKB", "1.2.3.400", "-"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            (of_value(b"12"), of_value(b"nan"), of_value(b"\xff"), of_value(b"inf")),
            (Some(12.0), None, None, None)
        );
    }

    proptest! {
        #[test]
        fn written_durations_are_read(nanos in any::<i64>().prop_filter("no positive twin", |n| *n != i64::MIN)) {
            prop_assert_eq!(duration(&write_duration(nanos)), Some(nanos));
        }

        #[test]
        fn anything_may_stand_there(text in any::<String>()) {
            let _ = (parse(&text), duration(&text), of_value(text.as_bytes()));
        }
    }
}
