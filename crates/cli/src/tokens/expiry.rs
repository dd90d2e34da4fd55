//! When a token ends, as a person gives it.

use std::str::FromStr;

/// A time from now (`24h`, `30d`) or a day or moment (`2026-12-31`, `2026-12-31T12:00:00Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Seconds from now.
    After(u64),
    /// The last second, Unix time.
    At(u64),
}

/// What is understood.
const FORMS: &str =
    "give a time as 90m, 24h, 30d or 8w, a day as 2026-12-31, or a moment as 2026-12-31T12:00:00Z";

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(seconds) = seconds(text) {
            return Ok(Self::After(seconds));
        }
        // Of a day, its last second.
        let moment = if text.len() == 10 { format!("{text}T23:59:59Z") } else { text.to_owned() };
        let ns = line::time::parse_rfc3339(&moment).map_err(|_| FORMS.to_owned())?;
        u64::try_from(ns / 1_000_000_000).map(Self::At).map_err(|_| FORMS.to_owned())
    }
}

/// The seconds of `24h` and the like.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let number: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    number.checked_mul(unit)
}

impl Expiry {
    /// The last second, Unix time. `None` if it is over at `now_s`, or beyond all times.
    pub(crate) fn last_s(self, now_s: u64) -> Option<u64> {
        match self {
            Self::After(seconds) => now_s.checked_add(seconds).filter(|_| seconds > 0),
            Self::At(last_s) => Some(last_s).filter(|last_s| *last_s > now_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_from_now_and_moments() {
        let now_s = 1_764_000_000;
        for (text, wanted) in [
            ("1s", Some(now_s + 1)),
            ("90m", Some(now_s + 5400)),
            ("24h", Some(now_s + 86_400)),
            ("30d", Some(now_s + 30 * 86_400)),
            ("2w", Some(now_s + 14 * 86_400)),
            ("2026-12-31", Some(1_798_761_599)),
            ("2026-12-31T00:00:00Z", Some(1_798_675_200)),
            ("2026-12-31T01:00:00+01:00", Some(1_798_675_200)),
            ("0d", None),
            ("2020-01-01", None),
        ] {
            assert_eq!(text.parse::<Expiry>().unwrap().last_s(now_s), wanted, "{text}");
        }
        for bad in [
            "",
            "d",
            "1",
            "1y",
            "-1d",
            "+1d",
            "1.5h",
            "tomorrow",
            "2026-13-01",
            "1969-12-31",
            "99999999999999999w",
            "é",
            "1é",
        ] {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }
}
