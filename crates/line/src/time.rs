//! Unix nanoseconds to RFC 3339 and back. Written here because `init`'s package budget has no room for a calendar
//! library and because each line on the bus needs it once; `UTC` only, years 1970 to 2262 (the range of `i64`).

use crate::Error;

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Bytes of [`write_rfc3339`]'s output.
pub const RFC3339_BYTES: usize = 30;

/// Appends `nanos` (Unix time) as `2026-11-22T10:00:00.123456789Z`. Times before 1970 are written as 1970.
pub fn write_rfc3339(nanos: i64, out: &mut Vec<u8>) {
    let nanos = nanos.max(0);
    let (seconds, fraction) = (nanos / SECOND, nanos % SECOND);
    let (year, month, day) = civil_from_days(seconds / 86_400);
    let second_of_day = seconds % 86_400;
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let mut put = |at: usize, width: usize, mut value: i64| {
        for slot in text[at..at + width].iter_mut().rev() {
            *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, second_of_day / 3600);
    put(14, 2, second_of_day / 60 % 60);
    put(17, 2, second_of_day % 60);
    put(20, 9, fraction);
    out.extend_from_slice(&text);
}

/// `nanos` as text; see [`write_rfc3339`].
pub fn rfc3339(nanos: i64) -> String {
    let mut out = Vec::with_capacity(RFC3339_BYTES);
    write_rfc3339(nanos, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Reads RFC 3339 with `Z` or a numeric offset and up to nine digits of fraction; [`Error::Time`] for anything else, or
/// for a time that 64 bits of nanoseconds do not hold.
pub fn parse_rfc3339(text: &str) -> Result<i64, Error> {
    parse(text.as_bytes()).ok_or_else(|| Error::Time(text.chars().take(64).collect()))
}

fn parse(text: &[u8]) -> Option<i64> {
    let separators = text.get(4) == Some(&b'-')
        && text.get(7) == Some(&b'-')
        && matches!(text.get(10), Some(b'T' | b't' | b' '))
        && text.get(13) == Some(&b':')
        && text.get(16) == Some(&b':');
    if !separators {
        return None;
    }
    let (year, month, day) = (digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?);
    let (hour, minute, second) = (digits(text, 11, 2)?, digits(text, 14, 2)?, digits(text, 17, 2)?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    let (fraction, rest) = parse_fraction(text.get(19..)?)?;
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - parse_offset(rest)?;
    seconds.checked_mul(SECOND)?.checked_add(fraction)
}

/// Nanoseconds of an optional `.digits`, and what follows it.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', tail)) = text.split_first() else { return Some((0, text)) };
    let width = tail.iter().take_while(|b| b.is_ascii_digit()).count();
    if width == 0 || width > 9 {
        return None;
    }
    let scale = 10i64.pow(u32::try_from(9 - width).ok()?);
    Some((digits(tail, 0, width)? * scale, tail.get(width..)?))
}

/// Seconds east of UTC of `Z`, `+hh:mm` or `-hh:mm`, and nothing after it.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digits(text, 1, 2)?, digits(text, 4, 2)?);
            let seconds = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn digits(text: &[u8], at: usize, width: usize) -> Option<i64> {
    let mut value = 0;
    for &byte in text.get(at..at + width)? {
        value = value * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    Some(value)
}

/// Days since 1970-01-01 of a Gregorian date, counting years from March so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400 * SECOND, "2000-02-29T00:00:00.000000000Z"),
            (1_795_341_600 * SECOND + 123_456_789, "2026-11-22T10:00:00.123456789Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ] {
            assert_eq!(rfc3339(nanos), text);
            assert_eq!(parse_rfc3339(text), Ok(nanos));
        }
        assert_eq!(parse_rfc3339("2026-11-22T12:00:00.5+02:00"), Ok(1_795_341_600 * SECOND + SECOND / 2));
        assert_eq!(rfc3339(-5), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "now",
            "2026-11-22",
            "2026-11-22T10:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00.1234567890Z",
            "2026-11-22T10:00:00+0200",
            "9999-01-01T00:00:00Z",
            "2026-11-22T10:00:00Zx",
            "2026-11-!2T10:00:00Z",
        ] {
            assert!(parse_rfc3339(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_time_comes_back(nanos in 0..i64::MAX) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(nanos)), Ok(nanos));
        }

        #[test]
        fn any_text_is_a_time_or_an_error(text in ".{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}
