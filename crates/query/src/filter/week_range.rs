//! `_time:week_range[Mon, Fri] offset 1h`: on which days of the week. A range that ends before it begins goes over the weekend.

use std::fmt;

use line::time::SECOND;

use super::day_range::{Offset, bounds, offset};
use crate::error::Error;
use crate::lexer::{Lexer, VALUE};

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Days of each week, the first and the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekRange {
    /// The first day: 0 is Sunday, 6 Saturday.
    pub from: u8,
    /// The last day.
    pub to: u8,
    /// How much later than UTC it is where the days are meant, in nanoseconds.
    pub offset: i64,
}

impl WeekRange {
    /// Whether `time` (Unix nanoseconds) is in it.
    pub fn has(&self, time: i64) -> bool {
        // 1970 began on a Thursday.
        let day = (time.wrapping_add(self.offset).div_euclid(86_400 * SECOND) + 4).rem_euclid(7);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        if from <= to { (from..=to).contains(&day) } else { day >= from || day <= to }
    }
}

impl fmt::Display for WeekRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |day: u8| DAYS.get(usize::from(day)).and_then(|name| name.get(..3)).unwrap_or("sun");
        write!(f, "_time:week_range[{}, {}]{}", name(self.from), name(self.to), Offset(self.offset))
    }
}

/// Reads what follows `week_range`. A bound that is excluded moves the range by a day.
pub(super) fn parse(lexer: &mut Lexer<'_>) -> Result<WeekRange, Error> {
    let (from, with_from, to, with_to) = bounds(lexer, "week_range", day)?;
    Ok(WeekRange {
        from: if with_from { from } else { (from + 1) % 7 },
        to: if with_to { to } else { (to + 6) % 7 },
        offset: offset(lexer)?,
    })
}

fn day(lexer: &mut Lexer<'_>) -> Result<u8, Error> {
    let start = lexer.offset();
    let text = lexer.compound(VALUE, "day of the week")?;
    let lower = text.to_ascii_lowercase();
    let is = |name: &&str| lower == **name || name.get(..3) == Some(lower.as_str());
    let day = DAYS.iter().position(is).and_then(|day| u8::try_from(day).ok());
    day.ok_or_else(|| {
        lexer.error_from(start, format!("'{text}' is no day of the week: write it as Mon or Monday"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::tests::check_times;

    const DAY: i64 = 86_400 * SECOND;

    #[test]
    fn days() {
        // Day 0 is a Thursday, day 2 a Saturday.
        check_times("_time:week_range[Mon, Fri]", &[0, DAY, 4 * DAY], &[2 * DAY, 3 * DAY]);
        check_times("_time:week_range(mon, friday)", &[0, 5 * DAY], &[DAY, 4 * DAY]);
        check_times("_time:week_range[Sat, Sun]", &[2 * DAY, 3 * DAY], &[0, 4 * DAY]);
        check_times("_time:week_range[Fri, Fri] offset 2h", &[DAY - 1], &[2 * DAY - 1]);
        assert!(parse(&mut Lexer::new("[Mo, Fri]", 0).unwrap()).is_err());
    }
}
