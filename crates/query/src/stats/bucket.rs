//! What rows are grouped by: a field, or a field cut into steps: `_time:1m`, `_time:day offset 2h`, `size:10KB`, `ip:/24`.

use core::net::Ipv4Addr;
use std::fmt;

use line::time::{SECOND, rfc3339, write_rfc3339};

use crate::Error;
use crate::lexer::{Lexer, VALUE};
use crate::number;
use crate::quote::Plain;
use crate::value::{self, write_number};

const DAY: i64 = 86_400 * SECOND;

/// Steps that have a name, with their nanoseconds.
const NAMED: [(&str, i64); 8] = [
    ("nanosecond", 1),
    ("microsecond", 1_000),
    ("millisecond", 1_000_000),
    ("second", SECOND),
    ("minute", 60 * SECOND),
    ("hour", 3600 * SECOND),
    ("day", DAY),
    ("week", 7 * DAY),
];

/// A field that rows are grouped by.
#[derive(Debug, Clone, PartialEq)]
pub struct By {
    /// The field, as it is written; the result has it under this name.
    pub field: String,
    /// How its values are cut into steps, if at all.
    pub bucket: Option<Bucket>,
}

/// Steps of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    text: String,
    step: Step,
    offset_text: Option<String>,
    offset: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// Of this width: nanoseconds for times and durations, addresses for IPv4.
    Width(f64),
    /// Weeks from Monday on.
    Week,
    Month,
    Year,
}

impl By {
    /// Just a field.
    pub fn field(name: &str) -> Self {
        Self { field: name.to_owned(), bucket: None }
    }

    /// `_time` in steps of `step` nanoseconds from `offset` on, as `hits` and `stats_query_range` group; a step below 1
    /// counts as 1.
    pub fn time(step: i64, offset: i64) -> Self {
        let text = |nanos| number::write_duration(nanos);
        let step = step.max(1);
        let bucket = Bucket {
            text: text(step),
            step: Step::Width(step as f64),
            offset_text: (offset != 0).then(|| text(offset)),
            offset: offset as f64,
        };
        Self { field: crate::field::TIME.to_owned(), bucket: Some(bucket) }
    }

    /// Reads `field`, `field:step` or `field:step offset x`.
    pub(crate) fn parse(lex: &mut Lexer<'_>) -> Result<Self, Error> {
        let field = lex.field_name()?;
        if !lex.eat(":") {
            return Ok(Self { field, bucket: None });
        }
        let start = lex.offset();
        let text = lex.compound(VALUE, "step")?.into_owned();
        let Some(step) = Step::of(&text) else {
            let hint = "give one such as 1m, 10, 10KB, /24, day, week, month or year";
            return Err(lex.error_from(start, format!("'{text}' is no step for '{field}': {hint}")));
        };
        let mut bucket = Bucket { text, step, offset_text: None, offset: 0.0 };
        if lex.eat("offset") {
            let start = lex.offset();
            let text = lex.compound(VALUE, "offset")?.into_owned();
            bucket.offset = number::parse(&text).filter(|offset| offset.is_finite()).ok_or_else(|| {
                lex.error_from(start, format!("'{text}' is no offset: give one such as 2h or 10"))
            })?;
            bucket.offset_text = Some(text);
        }
        Ok(Self { field, bucket: Some(bucket) })
    }

    /// The nanoseconds of the step, if it is one of `_time` that has a fixed width.
    pub(crate) fn time_step(&self) -> Option<i64> {
        let bucket = self.bucket.as_ref().filter(|_| self.field == crate::field::TIME)?;
        bucket.time_width()
    }

    /// The nanoseconds that the steps are moved by.
    pub(crate) fn time_offset(&self) -> i64 {
        self.bucket.as_ref().and_then(|bucket| number::to_i64(bucket.offset)).unwrap_or(0)
    }
}

impl Step {
    fn of(text: &str) -> Option<Self> {
        match text {
            "week" => return Some(Self::Week),
            "month" => return Some(Self::Month),
            "year" => return Some(Self::Year),
            _ => {}
        }
        if let Some((_, nanos)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Some(Self::Width(*nanos as f64));
        }
        if let Some(bits) = text.strip_prefix('/') {
            let bits: u8 = bits.parse().ok().filter(|&bits| bits <= 32)?;
            return Some(Self::Width((1u64 << (32 - bits)) as f64));
        }
        number::parse(text).filter(|width| width.is_finite() && *width > 0.0).map(Self::Width)
    }
}

impl Bucket {
    fn time_width(&self) -> Option<i64> {
        match self.step {
            Step::Width(width) => number::to_i64(width).filter(|&width| width > 0),
            Step::Week => Some(7 * DAY),
            Step::Month | Step::Year => None,
        }
    }

    /// The start of the step that `time` lies in, and where the next one begins.
    pub(crate) fn of_time(&self, time: i64) -> (i64, i64) {
        let offset = number::to_i64(self.offset).unwrap_or(0);
        let moved = time.saturating_sub(offset);
        let (start, end) = match self.step {
            Step::Month | Step::Year => calendar(moved, self.step == Step::Year),
            _ => {
                let width = self.time_width().unwrap_or(1);
                // 1970 began on a Thursday.
                let origin = if self.step == Step::Week { 4 * DAY } else { 0 };
                let start = moved.saturating_sub((moved.saturating_sub(origin)).rem_euclid(width));
                (start, start.saturating_add(width))
            }
        };
        (start.saturating_add(offset), end.saturating_add(offset))
    }

    /// The start of the step that `value` lies in, written as the value is: a number, a time, an address, a duration.
    /// Anything else stays as it is.
    pub(crate) fn of_value(&self, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(time) = value::time(value) {
            write_rfc3339(self.of_time(time).0, &mut out);
            return out;
        }
        let (Step::Width(width), Ok(text)) = (self.step, std::str::from_utf8(value)) else {
            return value.to_vec();
        };
        if let Ok(number) = text.parse::<f64>() {
            write_number(floor(number, width, self.offset), &mut out);
        } else if let Ok(address) = text.parse::<Ipv4Addr>() {
            let start = floor(f64::from(u32::from(address)), width, self.offset);
            return Ipv4Addr::from(to_u32(start)).to_string().into_bytes();
        } else if let Some(start) =
            number::duration(text).and_then(|nanos| number::to_i64(floor(nanos as f64, width, self.offset)))
        {
            return number::write_duration(start).into_bytes();
        } else if let Some(number) = value::number(value) {
            write_number(floor(number, width, self.offset), &mut out);
        } else {
            out.extend_from_slice(value);
        }
        out
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
fn to_u32(number: f64) -> u32 {
    number.clamp(0.0, f64::from(u32::MAX)) as u32
}

/// The largest multiple of `width`, moved by `offset`, that is not above `number`. Steps such as 0.1 have no exact
/// binary form, so they are counted in the power of ten that makes them whole.
fn floor(number: f64, width: f64, offset: f64) -> f64 {
    let scale = (0..=9).map(|power| 10f64.powi(power)).find(|scale| {
        let scaled = width * scale;
        (scaled - scaled.round()).abs() < 1e-9 * scaled.abs()
    });
    let scale = scale.unwrap_or(1.0);
    let (scaled, width) = ((number - offset) * scale, (width * scale).round().max(f64::MIN_POSITIVE));
    let near = scaled.round();
    let scaled = if (scaled - near).abs() < 1e-9 * near.abs().max(1.0) { near } else { scaled };
    (scaled / width).floor() * width / scale + offset
}

/// The start of the month or year of `time`, and that of the next one.
fn calendar(time: i64, is_year: bool) -> (i64, i64) {
    let text = rfc3339(time);
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<i64>().ok());
    let (Some(year), Some(month)) = (part(0..4), part(5..7)) else { return (time, time.saturating_add(1)) };
    let start = |year: i64, month: i64| {
        line::time::parse_rfc3339(&format!("{year:04}-{month:02}-01T00:00:00Z")).unwrap_or(i64::MAX)
    };
    if is_year {
        return (start(year, 1), start(year + 1, 1));
    }
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (start(year, month), start(next.0, next.1))
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Plain(&self.field))?;
        let Some(bucket) = &self.bucket else { return Ok(()) };
        write!(f, ":{}", bucket.text)?;
        bucket.offset_text.as_ref().map_or(Ok(()), |offset| write!(f, " offset {offset}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(text: &str) -> By {
        let mut lex = Lexer::new(text, 0).unwrap();
        let by = By::parse(&mut lex).unwrap();
        assert!(lex.is_end());
        assert_eq!(by.to_string(), text);
        by
    }

    #[test]
    fn steps_of_time() {
        let time = "2026-11-22T10:47:33.123Z";
        for (text, wanted) in [
            ("_time:1m", "2026-11-22T10:47:00"),
            ("_time:15m", "2026-11-22T10:45:00"),
            ("_time:hour", "2026-11-22T10:00:00"),
            ("_time:day", "2026-11-22T00:00:00"),
            ("_time:day offset 2h", "2026-11-22T02:00:00"),
            ("_time:day offset -4h", "2026-11-21T20:00:00"),
            ("_time:week", "2026-11-16T00:00:00"),
            ("_time:month", "2026-11-01T00:00:00"),
            ("_time:year", "2026-01-01T00:00:00"),
            ("_time:1m0s", "2026-11-22T10:47:00"),
        ] {
            let bucket = by(text).bucket.unwrap();
            let start = bucket.of_value(time.as_bytes());
            assert_eq!(String::from_utf8(start).unwrap(), format!("{wanted}.000000000Z"), "{text}");
            let nanos = value::time(time.as_bytes()).unwrap();
            let (start, end) = bucket.of_time(nanos);
            assert!(start <= nanos && nanos < end);
            assert_eq!(bucket.of_time(end).0, end, "{text}");
        }
    }

    #[test]
    fn steps_of_other_values() {
        for (text, value, wanted) in [
            ("a:10", "37", "30"),
            ("a:10", "-3", "-10"),
            ("a:10 offset 5", "37", "35"),
            ("a:0.1", "0.3", "0.3"),
            ("a:0.1", "0.35", "0.3"),
            ("a:10KB", "25000", "20000"),
            ("a:/24", "10.1.2.3", "10.1.2.0"),
            ("a:/8", "10.1.2.3", "10.0.0.0"),
            ("a:1s", "1500ms", "1s"),
            ("a:1s", "abc", "abc"),
            ("a:1s", "", ""),
            ("a:1KiB", "1500B", "1024"),
        ] {
            let start = by(text).bucket.unwrap().of_value(value.as_bytes());
            assert_eq!(String::from_utf8(start).unwrap(), wanted, "{text} {value}");
        }
    }

    #[test]
    fn made_by_endpoints() {
        assert_eq!(By::time(60 * SECOND, 0).to_string(), by("_time:1m").to_string());
        assert_eq!(By::time(0, SECOND).to_string(), "_time:1ns offset 1s");
    }

    #[test]
    fn what_is_no_step() {
        for text in ["a:x", "a:0", "a:-1m", "a:/33", "a:1m offset y"] {
            assert!(By::parse(&mut Lexer::new(text, 0).unwrap()).is_err(), "{text}");
        }
    }
}
