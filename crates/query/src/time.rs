//! Times as people write them: RFC 3339 with or without its end, Unix time in any unit, and relative to now. A time without a
//! zone is UTC.

use line::time::SECOND;

use crate::number;

/// Which end of a range a time is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The first moment that is meant.
    Start,
    /// The first moment that is not meant any more: for a date, the end of the year, month, day, hour or minute that it names.
    End,
}

/// A time and how much of time its notation means: `2026-04` is a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The first moment, Unix nanoseconds.
    pub start: i64,
    /// The first moment behind it, Unix nanoseconds; a nanosecond later for what is exact.
    pub end: i64,
    /// Whether it is a date or time of day in which seconds are not said.
    pub is_coarse: bool,
}

/// Reads `text`; `now` is in Unix nanoseconds. Times before 1970 become its first moment, times that 64 bits of nanoseconds
/// do not hold become the last one. None for what is no time.
///
/// `start` and `end` of a request are read so: an end that is exact (`1700000000`, `now`) is the moment itself, which is
/// excluded.
pub fn parse_arg(text: &str, now: i64, end: End) -> Option<i64> {
    let moment = parse(text.trim(), now)?;
    Some(if end == End::End && moment.is_coarse { moment.end } else { moment.start })
}

/// Reads `text`, see [`parse_arg`].
pub fn parse(text: &str, now: i64) -> Option<Moment> {
    relative(text, now).or_else(|| date(text)).or_else(|| unix(text)).map(|moment| Moment {
        start: moment.start.max(0),
        end: moment.end.max(0),
        ..moment
    })
}

const fn exact(at: i64) -> Moment {
    Moment { start: at, end: at.saturating_add(1), is_coarse: false }
}

/// `now`, `now-5m`, `now+1h`, `-5m`, `5m`: the last two are both five minutes ago.
fn relative(text: &str, now: i64) -> Option<Moment> {
    if let Some(rest) = text.strip_prefix("now") {
        let by = if rest.is_empty() {
            0
        } else {
            rest.starts_with(['-', '+']).then(|| number::duration(rest))??
        };
        return Some(exact(now.saturating_add(by)));
    }
    let ago = number::duration(text)?.saturating_abs();
    Some(exact(now.saturating_sub(ago)))
}

/// Unix time with its unit told by its size: below 2^32 seconds (that is the year 2106), then milliseconds, microseconds and
/// nanoseconds. Seconds may have a fraction.
fn unix(text: &str) -> Option<Moment> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, f)| (whole, Some(f)));
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i64 = whole.parse().ok()?;
    let limit = 1_i64 << 32;
    let unit = match value {
        _ if value < limit => SECOND,
        _ if value < limit * 1_000 => 1_000_000,
        _ if value < limit * 1_000_000 => 1_000,
        _ => 1,
    };
    let (extra, step) = match fraction {
        Some(fraction) if unit == SECOND => nanos_of(fraction)?,
        Some(_) => return None,
        None => (0, unit),
    };
    let start = value.saturating_mul(unit).saturating_add(extra);
    Some(Moment { start, end: start.saturating_add(step), is_coarse: false })
}

/// A fraction of a second, of one to nine digits, in nanoseconds; and how many its last digit counts.
fn nanos_of(digits: &str) -> Option<(i64, i64)> {
    let width = u32::try_from(digits.len()).ok().filter(|width| (1..=9).contains(width))?;
    let unit = 10_i64.pow(9 - width);
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse::<i64>().ok().map(|value| (value * unit, unit))).flatten()
}

/// `YYYY[-MM[-DD[Thh[:mm[:ss[.f]]]]]]` with `Z`, `±hh:mm` or no zone.
fn date(text: &str) -> Option<Moment> {
    let (local, zone) = split_zone(text);
    let year: i64 =
        local.get(..4).filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let unit = match local.len() {
        4 => return spans(year, local, "-01-01T00:00:00", zone, &next_year(year)),
        7 => return spans(year, local, "-01T00:00:00", zone, &next_month(local)?),
        10 => (86_400 * SECOND, "T00:00:00"),
        13 => (3600 * SECOND, ":00:00"),
        16 => (60 * SECOND, ":00"),
        19 => (SECOND, ""),
        21..=29 => (nanos_of(local.get(20..)?)?.1, ""),
        _ => return None,
    };
    let start = instant(year, local, unit.1, zone)?;
    Some(Moment { start, end: start.saturating_add(unit.0), is_coarse: unit.0 > SECOND })
}

/// From `local` filled up with `rest` to `next`, both in `zone`.
fn spans(year: i64, local: &str, rest: &str, zone: &str, next: &str) -> Option<Moment> {
    let start = instant(year, local, rest, zone)?;
    Some(Moment { start, end: instant(year + 1, next, "T00:00:00", zone)?, is_coarse: true })
}

fn next_year(year: i64) -> String {
    format!("{:04}-01-01", year + 1)
}

/// The first day of the month after `YYYY-MM`.
fn next_month(text: &str) -> Option<String> {
    let (year, month) = text.split_once('-')?;
    let (year, month): (i64, u32) = (year.parse().ok()?, month.parse().ok()?);
    Some(if month == 12 { next_year(year) } else { format!("{year:04}-{:02}-01", month + 1) })
}

/// What is said in full; what 64 bits of nanoseconds do not hold becomes their ends.
fn instant(year: i64, local: &str, rest: &str, zone: &str) -> Option<i64> {
    let full = format!("{local}{rest}{zone}");
    match line::time::parse_rfc3339(&full) {
        Ok(at) => Some(at),
        // The same day of a year that they do hold tells whether only the year is the reason.
        Err(_) if !(1970..2262).contains(&year) => {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let held = full.get(4..).map(|tail| format!("{}{tail}", if leap { 2000 } else { 2001 }))?;
            line::time::parse_rfc3339(&held).ok().map(|_| if year < 1970 { 0 } else { i64::MAX })
        }
        Err(_) => None,
    }
}

/// The part before the zone, and the zone; `Z` when there is none.
fn split_zone(text: &str) -> (&str, &str) {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return (local, "Z");
    }
    let at = text.len().wrapping_sub(6);
    let zone =
        text.get(at..).filter(|zone| zone.starts_with(['+', '-']) && zone.as_bytes().get(3) == Some(&b':'));
    match zone {
        Some(zone) => (text.get(..at).unwrap_or_default(), zone),
        None => (text, "Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-22T10:00:00Z.
    const NOW: i64 = 1_795_341_600 * SECOND;

    #[track_caller]
    fn spans_from(text: &str, start: &str, end: &str) {
        let moment = parse(text, NOW).unwrap_or_else(|| panic!("{text} is refused"));
        assert_eq!(line::time::rfc3339(moment.start), start, "{text}");
        assert_eq!(line::time::rfc3339(moment.end), end, "{text}");
    }

    #[test]
    fn dates() {
        spans_from("2026", "2026-01-01T00:00:00.000000000Z", "2027-01-01T00:00:00.000000000Z");
        spans_from("2024-02Z", "2024-02-01T00:00:00.000000000Z", "2024-03-01T00:00:00.000000000Z");
        spans_from("2024-12+02:00", "2024-11-30T22:00:00.000000000Z", "2024-12-31T22:00:00.000000000Z");
        spans_from("2024-02-29", "2024-02-29T00:00:00.000000000Z", "2024-03-01T00:00:00.000000000Z");
        spans_from("2024-02-29T07-01:30", "2024-02-29T08:30:00.000000000Z", "2024-02-29T09:30:00.000000000Z");
        spans_from("2024-02-29T07:08", "2024-02-29T07:08:00.000000000Z", "2024-02-29T07:09:00.000000000Z");
        spans_from(
            "2024-02-29T07:08:09Z",
            "2024-02-29T07:08:09.000000000Z",
            "2024-02-29T07:08:10.000000000Z",
        );
        spans_from(
            "2024-02-29 07:08:09.5",
            "2024-02-29T07:08:09.500000000Z",
            "2024-02-29T07:08:09.600000000Z",
        );
        spans_from(
            "2024-02-29T07:08:09.123456789Z",
            "2024-02-29T07:08:09.123456789Z",
            "2024-02-29T07:08:09.123456790Z",
        );
        for (text, at) in [("1900", 0), ("1960-01-01", 0), ("2300-02", i64::MAX), ("2400-02-29", i64::MAX)] {
            assert_eq!(parse(text, NOW).map(|moment| moment.start), Some(at), "{text}");
        }
    }

    #[test]
    fn unix_times() {
        for (text, start, step) in [
            ("1700000000", 1_700_000_000 * SECOND, SECOND),
            ("1700000000.25", 1_700_000_000 * SECOND + SECOND / 4, SECOND / 100),
            ("1700000000123", 1_700_000_000_123_000_000, 1_000_000),
            ("1700000000123456", 1_700_000_000_123_456_000, 1000),
            ("1700000000123456789", 1_700_000_000_123_456_789, 1),
            ("0", 0, SECOND),
        ] {
            let moment = parse(text, NOW).unwrap();
            assert_eq!((moment.start, moment.end - moment.start), (start, step), "{text}");
        }
    }

    #[test]
    fn relative_times() {
        for (text, at) in [
            ("now", NOW),
            ("now-5m", NOW - 300 * SECOND),
            ("now+1h30m", NOW + 5400 * SECOND),
            ("-5m", NOW - 300 * SECOND),
            ("5m", NOW - 300 * SECOND),
            ("999y", 0),
        ] {
            assert_eq!(parse_arg(text, NOW, End::Start), Some(at), "{text}");
            assert_eq!(parse_arg(text, NOW, End::End), Some(at), "{text}");
        }
        assert_eq!(parse_arg("1700000000", NOW, End::End), Some(1_700_000_000 * SECOND));
        assert_eq!(parse_arg(" 1970-01-01 ", NOW, End::End), Some(86_400 * SECOND));
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "x",
            "now5m",
            "nowx",
            "2026-13",
            "2026-02-30",
            "2026-1-1",
            "2026-01-01T25",
            "20261",
            "1.2.3",
            "-",
            "1e9",
            "2026-01-01T00:00:00.Z",
            "2300-02-30",
            "99999999999999999999",
            "2026-01-01Zx",
            "1700000000123.5",
        ] {
            let found = parse(text, NOW);
            assert!(found.is_none() || text == "20261", "{text}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_may_stand_there(text in "[-+0-9TZnowmh:. ]{0,32}|\\PC{0,20}") {
            if let Some(moment) = parse(&text, NOW) {
                prop_assert!(0 <= moment.start && moment.start <= moment.end);
            }
        }

        #[test]
        fn full_times_are_exact(at in 0..i64::MAX) {
            let moment = parse(&line::time::rfc3339(at), 0).unwrap();
            prop_assert_eq!((moment.start, moment.is_coarse), (at, false));
        }
    }
}
