//! `_time:5m`, `_time:[2026-01-01, 2026-02-01)`, `_time:>=now-1h offset 1d`: when a row was written.

use std::fmt;

use crate::error::Error;
use crate::lexer::{Lexer, VALUE};
use crate::time::{self, Moment};

/// From one moment on, and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment, Unix nanoseconds; `i64::MIN` for no bound.
    pub from: i64,
    /// The first moment that is not in it, Unix nanoseconds; `i64::MAX` for no bound.
    pub to: i64,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// From the earlier start to the later end.
    #[must_use]
    pub fn around(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { from: self.from.min(other.from), to: self.to.max(other.to) },
        }
    }

    /// Whether `time` is in it.
    pub const fn has(self, time: i64) -> bool {
        self.from <= time && (time < self.to || self.to == i64::MAX)
    }

    /// Whether no time is in it.
    pub const fn is_empty(self) -> bool {
        self.from >= self.to && !(self.to == i64::MAX && self.from == i64::MAX)
    }

    const fn ago(now: i64, nanos: i64) -> i64 {
        let at = now.saturating_sub(nanos);
        if at < 0 { 0 } else { at }
    }

    fn shift(self, back: i64) -> Self {
        let shifted = |at: i64| match at {
            i64::MIN | i64::MAX => at,
            at => Self::ago(at, back),
        };
        Self { from: shifted(self.from), to: shifted(self.to) }
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = line::time::rfc3339;
        match (self.from, self.to) {
            (from, i64::MAX) => write!(f, "_time:>={}", text(from)),
            (i64::MIN, to) => write!(f, "_time:<{}", text(to)),
            (from, to) => write!(f, "_time:[{}, {})", text(from), text(to)),
        }
    }
}

/// Reads what follows `_time:`.
pub(super) fn parse(lexer: &mut Lexer<'_>) -> Result<TimeRange, Error> {
    let range = if lexer.is("offset") {
        TimeRange { to: lexer.now(), ..TimeRange::ALL }
    } else {
        parse_range(lexer)?
    };
    if !lexer.eat("offset") {
        return Ok(range);
    }
    Ok(range.shift(lexer.duration("offset of the time")?))
}

fn parse_range(lexer: &mut Lexer<'_>) -> Result<TimeRange, Error> {
    if lexer.eat(">") {
        return parse_greater(lexer);
    }
    if lexer.eat("<") {
        return parse_less(lexer);
    }
    if lexer.is_any(&["[", "("]) {
        return parse_bounds(lexer);
    }
    lexer.eat("=");
    Ok(match moment_or_ago(lexer)? {
        Point::Moment(moment) => TimeRange { from: moment.start, to: moment.end },
        Point::Ago(nanos) => TimeRange { from: TimeRange::ago(lexer.now(), nanos), to: lexer.now() },
    })
}

/// `>` and `>=` of a time are later than it, of a duration longer ago than it.
fn parse_greater(lexer: &mut Lexer<'_>) -> Result<TimeRange, Error> {
    let or_equal = lexer.eat("=");
    Ok(match moment_or_ago(lexer)? {
        Point::Moment(moment) => {
            TimeRange { from: moment.start.saturating_add(i64::from(!or_equal)), ..TimeRange::ALL }
        }
        Point::Ago(nanos) => TimeRange {
            to: TimeRange::ago(lexer.now(), nanos).saturating_add(i64::from(or_equal)),
            ..TimeRange::ALL
        },
    })
}

/// `<` and `<=` of a time are earlier than it, of a duration less long ago than it.
fn parse_less(lexer: &mut Lexer<'_>) -> Result<TimeRange, Error> {
    let or_equal = lexer.eat("=");
    Ok(match moment_or_ago(lexer)? {
        Point::Moment(moment) => {
            TimeRange { to: if or_equal { moment.end } else { moment.start }, ..TimeRange::ALL }
        }
        Point::Ago(nanos) => {
            let from = TimeRange::ago(lexer.now(), nanos).saturating_add(i64::from(!or_equal));
            TimeRange { from, to: lexer.now() }
        }
    })
}

fn parse_bounds(lexer: &mut Lexer<'_>) -> Result<TimeRange, Error> {
    let with_from = lexer.is("[");
    lexer.advance();
    let from = moment(lexer)?.start;
    lexer.expect(",", "the first time of the range")?;
    let to = moment(lexer)?;
    let with_to = lexer.is("]");
    if !lexer.is_any(&["]", ")"]) {
        return Err(lexer
            .error(format!("missing ']' or ')' after the times of the range, there is {}", lexer.here())));
    }
    lexer.advance();
    Ok(TimeRange {
        from: from.saturating_add(i64::from(!with_from)),
        to: if with_to { to.end } else { to.start },
    })
}

enum Point {
    Moment(Moment),
    /// Nanoseconds before now.
    Ago(i64),
}

fn moment_or_ago(lexer: &mut Lexer<'_>) -> Result<Point, Error> {
    let start = lexer.offset();
    let text = lexer.compound(VALUE, "time")?;
    match crate::number::duration(&text) {
        Some(nanos) => Ok(Point::Ago(nanos.saturating_abs())),
        None => read(lexer, start, &text).map(Point::Moment),
    }
}

fn moment(lexer: &mut Lexer<'_>) -> Result<Moment, Error> {
    let start = lexer.offset();
    let text = lexer.compound(VALUE, "time")?;
    read(lexer, start, &text)
}

fn read(lexer: &Lexer<'_>, start: usize, text: &str) -> Result<Moment, Error> {
    time::parse(text, lexer.now()).ok_or_else(|| {
        let message =
            format!("'{text}' is no time: give one such as 5m, now-1h, 2026-01-31, 2026-01-31T10:00:00Z or Unix seconds");
        lexer.error_from(start, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use line::time::SECOND;

    /// 2026-11-22T10:00:00Z.
    const NOW: i64 = 1_795_341_600 * SECOND;

    #[track_caller]
    fn is(text: &str, from: i64, to: i64) {
        let mut lexer = Lexer::new(text, NOW).unwrap();
        let range = parse(&mut lexer).unwrap_or_else(|why| panic!("{}", why.render(text)));
        assert_eq!((range.from, range.to), (from, to), "{text}");
        assert!(lexer.is_end(), "{text}");
        if range != TimeRange::ALL {
            let printed = range.to_string();
            let again = parse(&mut Lexer::new(printed.strip_prefix("_time:").unwrap(), 0).unwrap());
            assert_eq!(again.as_ref(), Ok(&range), "{printed}");
        }
    }

    #[test]
    fn relative() {
        let minute = 60 * SECOND;
        is("5m", NOW - 5 * minute, NOW);
        is(" 1h5m", NOW - 65 * minute, NOW);
        is("5m offset 1h", NOW - 65 * minute, NOW - 60 * minute);
        is("offset 1h", i64::MIN, NOW - 60 * minute);
        is(">5m", i64::MIN, NOW - 5 * minute);
        is(">=5m", i64::MIN, NOW - 5 * minute + 1);
        is("<5m", NOW - 5 * minute + 1, NOW);
        is("<=5m", NOW - 5 * minute, NOW);
        is("[now-1h, now]", NOW - 60 * minute, NOW + 1);
        is("(now-1h,now)", NOW - 60 * minute + 1, NOW);
        is("[-1h, 5m)", NOW - 60 * minute, NOW - 5 * minute);
    }

    #[test]
    fn absolute() {
        let day = 86_400 * SECOND;
        is("1970-01-02", day, 2 * day);
        is("1970Z", 0, 365 * day);
        is("=1970-01", 0, 31 * day);
        is("[1970-01-02, 1970-01-03]", day, 3 * day);
        is("[1970-01-02, 1970-01-03)", day, 2 * day);
        is("[1700000000, 1700003600]", 1_700_000_000 * SECOND, 1_700_003_601 * SECOND);
        is("[1700000000, 1700003600)", 1_700_000_000 * SECOND, 1_700_003_600 * SECOND);
        is(">1970-01-02", day + 1, i64::MAX);
        is(">=1970-01-02Z", day, i64::MAX);
        is("<1970-01-02", i64::MIN, day);
        is("<=1970-01-02", i64::MIN, 2 * day);
        is("1970-01-02T00:00:00+01:00", day - 3600 * SECOND, day - 3599 * SECOND);
        is("\"1970-01-02\"", day, 2 * day);
        is("[1000-01-01, 3000-01-01]", 0, i64::MAX);
        is("[1970-01-03, 1970-01-02)", 2 * day, day);
        is(">3000", i64::MAX, i64::MAX);
    }

    #[test]
    fn refused() {
        for (text, offset) in [
            ("x", 0),
            ("[now", 4),
            ("[now, y]", 6),
            ("[now, now", 9),
            ("5m offset z", 10),
            ("", 0),
            (">", 1),
            ("2026-02-30", 0),
        ] {
            let error = parse(&mut Lexer::new(text, NOW).unwrap()).unwrap_err();
            assert_eq!(error.range().unwrap().start, offset, "{text}: {error}");
        }
    }
}
