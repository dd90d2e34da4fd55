//! `_time:day_range[08:00, 18:00) offset 1h`: at which time of day. A range that ends before it begins goes over midnight.

use std::fmt;

use line::time::SECOND;

use crate::error::Error;
use crate::lexer::{Lexer, VALUE};

const DAY: i64 = 86_400 * SECOND;

/// A part of each day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange {
    /// The minute of the day that it begins with, at most 1440.
    pub from: u16,
    /// Whether the first nanosecond of this minute is in it.
    pub with_from: bool,
    /// The minute of the day that it ends with, at most 1440.
    pub to: u16,
    /// Whether the first nanosecond of this minute is in it.
    pub with_to: bool,
    /// How much later than UTC it is where the times are meant, in nanoseconds.
    pub offset: i64,
}

impl DayRange {
    /// Whether `time` (Unix nanoseconds) is in it.
    pub fn has(&self, time: i64) -> bool {
        let at = time.wrapping_add(self.offset).rem_euclid(DAY);
        let (from, to) = (i64::from(self.from) * 60 * SECOND, i64::from(self.to) * 60 * SECOND);
        let behind = if self.with_from { at >= from } else { at > from };
        let before = if self.with_to { at <= to } else { at < to };
        if from <= to { behind && before } else { behind || before }
    }
}

impl fmt::Display for DayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = (if self.with_from { '[' } else { '(' }, if self.with_to { ']' } else { ')' });
        let (from, to) = (Clock(self.from), Clock(self.to));
        write!(f, "_time:day_range{open}{from}, {to}{close}{}", Offset(self.offset))
    }
}

/// Minutes of a day as `hh:mm`.
struct Clock(u16);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// ` offset 1h`, or nothing.
pub(super) struct Offset(pub(super) i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            nanos => write!(f, " offset {}", crate::number::write_duration(nanos)),
        }
    }
}

/// Reads what follows `day_range`.
pub(super) fn parse(lexer: &mut Lexer<'_>) -> Result<DayRange, Error> {
    let (from, with_from, to, with_to) = bounds(lexer, "day_range", clock)?;
    Ok(DayRange { from, with_from, to, with_to, offset: offset(lexer)? })
}

/// Reads two bounds with their brackets: each bound, and whether it is included.
pub(super) fn bounds<T>(
    lexer: &mut Lexer<'_>,
    name: &str,
    bound: impl Fn(&mut Lexer<'_>) -> Result<T, Error>,
) -> Result<(T, bool, T, bool), Error> {
    let with_from = lexer.is("[");
    if !with_from && !lexer.is("(") {
        return Err(lexer.error(format!("missing '[' or '(' after '{name}', there is {}", lexer.here())));
    }
    lexer.advance();
    let from = bound(lexer)?;
    lexer.expect(",", &format!("the first bound of '{name}'"))?;
    let to = bound(lexer)?;
    let with_to = lexer.is("]");
    if !with_to && !lexer.is(")") {
        return Err(lexer
            .error(format!("missing ']' or ')' after the bounds of '{name}', there is {}", lexer.here())));
    }
    lexer.advance();
    Ok((from, with_from, to, with_to))
}

/// Reads ` offset 1h` when it is there.
pub(super) fn offset(lexer: &mut Lexer<'_>) -> Result<i64, Error> {
    if lexer.eat("offset") { lexer.duration("offset of the time") } else { Ok(0) }
}

fn clock(lexer: &mut Lexer<'_>) -> Result<u16, Error> {
    let start = lexer.offset();
    let text = lexer.compound(VALUE, "time of day")?;
    let minutes = text.split_once(':').and_then(|(hours, minutes)| {
        let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (h, m): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let fits = two_digits(hours) && two_digits(minutes) && m < 60 && h * 60 + m <= 1440;
        fits.then_some(h * 60 + m)
    });
    minutes.ok_or_else(|| lexer.error_from(start, format!("'{text}' is no time of day: write it as hh:mm")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::tests::check_times;

    const HOUR: i64 = 3600 * SECOND;

    #[test]
    fn part_of_each_day() {
        check_times(
            "_time:day_range[08:00, 18:00)",
            &[8 * HOUR, 5 * DAY + 18 * HOUR - 1],
            &[0, 8 * HOUR - 1, 18 * HOUR],
        );
        check_times("_time:day_range(08:00, 18:00]", &[8 * HOUR + 1, 18 * HOUR], &[8 * HOUR, 18 * HOUR + 1]);
        check_times("_time:day_range[08:00, 09:00) offset 2h", &[6 * HOUR], &[8 * HOUR]);
        check_times("_time:day_range[22:00, 06:00)", &[0, 23 * HOUR, DAY + HOUR], &[6 * HOUR, 21 * HOUR]);
        check_times("_time:day_range[00:00, 24:00]", &[0, DAY - 1], &[]);
    }

    #[test]
    fn refused() {
        for text in [
            "08:00",
            "[8:00, 9:00)",
            "[08:00",
            "[08:00, 25:00)",
            "[08:00 09:00)",
            "[08:00, 09:60)",
            "[+8:00, 09:00)",
        ] {
            assert!(parse(&mut Lexer::new(text, 0).unwrap()).is_err(), "{text}");
        }
    }
}
