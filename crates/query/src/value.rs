//! What values of rows mean to pipes: numbers, an order that people expect, and how numbers become values again.

use std::cmp::Ordering;

use crate::{Column, number};

/// The number that `value` is, for sums, quantiles and the like: decimal, with a size (`10KiB`) or a duration
/// (`1.5s`, in nanoseconds). Times and addresses are none: a sum of them means nothing.
pub(crate) fn number(value: &[u8]) -> Option<f64> {
    let &first = value.first()?;
    if !first.is_ascii_digit() && !matches!(first, b'-' | b'+' | b'.') {
        return None;
    }
    if let Some(whole) = whole(value) {
        return Some(whole);
    }
    let text = std::str::from_utf8(value).ok()?;
    if is_time(value) || text.parse::<core::net::Ipv4Addr>().is_ok() {
        return None;
    }
    number::parse(text).filter(|number| !number.is_nan())
}

/// A short run of digits, the commonest of all numbers.
fn whole(value: &[u8]) -> Option<f64> {
    if value.len() > 15 {
        return None;
    }
    let mut number = 0u64;
    for byte in value {
        number = number * 10 + u64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    Some(number as f64)
}

/// Whether it looks like `2026-01-02T…`.
fn is_time(value: &[u8]) -> bool {
    value.len() >= 19 && value.get(4) == Some(&b'-') && value.get(7) == Some(&b'-')
}

/// The Unix nanoseconds of an RFC 3339 time.
pub(crate) fn time(value: &[u8]) -> Option<i64> {
    if !is_time(value) {
        return None;
    }
    line::time::parse_rfc3339(std::str::from_utf8(value).ok()?).ok()
}

/// Appends `number` as VictoriaLogs writes it: as short as it can be, without an exponent.
pub(crate) fn write_number(number: f64, out: &mut Vec<u8>) {
    let text = if number == f64::INFINITY {
        "+Inf".into()
    } else if number == f64::NEG_INFINITY {
        "-Inf".into()
    } else {
        format!("{number}")
    };
    out.extend_from_slice(text.as_bytes());
}

/// A value as it sorts: nothing first, then numbers, then times, then text with the numbers in it in their order
/// (`host-2` before `host-10`). Unlike comparing pair by pair as numbers or as texts, this is an order: whatever comes
/// in whatever sequence is sorted in one way.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    /// No value.
    Empty,
    /// A number, and where it is a whole one of 64 bits itself: numbers of ids and positions are larger than a fraction is
    /// exact.
    Number(f64, i64),
    /// Unix nanoseconds.
    Time(i64),
    /// Anything else.
    Text(Box<[u8]>),
}

impl Key {
    /// What `value` sorts as.
    pub(crate) fn of(value: &[u8]) -> Self {
        if value.is_empty() {
            return Self::Empty;
        }
        if let Some(number) = number(value) {
            let whole = if value.len() > 15 { std::str::from_utf8(value).ok() } else { None };
            return Self::Number(number, whole.and_then(|text| text.parse().ok()).unwrap_or(0));
        }
        time(value).map_or_else(|| Self::Text(value.into()), Self::Time)
    }

    /// What the value of `column` in `row` sorts as.
    pub(crate) fn at(column: &Column, row: usize, scratch: &mut Vec<u8>) -> Self {
        if let Column::Time(times) = column {
            return times.get(row).map_or(Self::Empty, |&time| Self::Time(time.max(0)));
        }
        Self::of(column.value(row, scratch))
    }

    /// Roughly how many bytes of memory it has beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    const fn class(&self) -> u8 {
        match self {
            Self::Empty => 0,
            Self::Number(..) => 1,
            Self::Time(_) => 2,
            Self::Text(_) => 3,
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one, whole), Self::Number(other, other_whole)) => {
                one.total_cmp(other).then_with(|| whole.cmp(other_whole))
            }
            (Self::Time(one), Self::Time(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => natural(one, other),
            _ => self.class().cmp(&other.class()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

/// The order of two values; values that mean the same number are told apart by their bytes.
pub(crate) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    Key::of(one).cmp(&Key::of(other)).then_with(|| one.cmp(other))
}

/// Texts with their runs of digits compared as numbers; where that makes no difference, by bytes.
fn natural(one: &[u8], other: &[u8]) -> Ordering {
    let (mut a, mut b) = (one, other);
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (left, right) = (digits(a), digits(b));
            let order = by_magnitude(left, right);
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[left.len()..], &b[right.len()..]);
            continue;
        }
        if x != y {
            return x.cmp(&y);
        }
        (a, b) = (&a[1..], &b[1..]);
    }
    a.len().cmp(&b.len()).then_with(|| one.cmp(other))
}

fn digits(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &text[..len]
}

fn by_magnitude(one: &[u8], other: &[u8]) -> Ordering {
    let strip = |mut digits: &'_ [u8]| -> usize {
        let mut zeros = 0;
        while let [b'0', rest @ ..] = digits {
            digits = rest;
            zeros += 1;
        }
        zeros
    };
    let (one, other) = (&one[strip(one)..], &other[strip(other)..]);
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        for (value, wanted) in [
            ("12", Some(12.0)),
            ("-1.5", Some(-1.5)),
            ("10KiB", Some(10240.0)),
            ("1.5s", Some(1.5e9)),
            ("1m0.5s", Some(60.5e9)),
            ("", None),
            ("abc", None),
            ("10.0.0.1", None),
            ("2026-01-02T03:04:05Z", None),
            ("12abc", None),
            ("inf", None),
        ] {
            assert_eq!(number(value.as_bytes()), wanted, "{value}");
        }
    }

    #[test]
    fn numbers_as_values() {
        for (number, wanted) in
            [(1.0, "1"), (0.1, "0.1"), (-2.5, "-2.5"), (1e21, "1000000000000000000000"), (f64::NAN, "NaN")]
        {
            let mut out = Vec::new();
            write_number(number, &mut out);
            assert_eq!(out, wanted.as_bytes());
        }
    }

    #[test]
    fn the_order_that_people_expect() {
        let sorted = [
            "",
            "-1",
            "0",
            "2",
            "2.5",
            "10",
            "1KiB",
            "5ms",
            "1234567890123456789",
            "1234567890123456790",
            "2025-12-31T23:59:59.5Z",
            "2026-01-01T00:00:00Z",
            "10.0.0.2",
            "10.0.0.10",
            "a",
            "a2",
            "a02b",
            "a10",
            "host-2",
            "host-10",
        ];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0].as_bytes(), pair[1].as_bytes()), Ordering::Less, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_an_order(values in prop::collection::vec("[0-2a.-]{0,4}|[0-9]{1,2}(ms|s|KB)?", 3)) {
            let [a, b, c] = [0, 1, 2].map(|at| values[at].as_bytes());
            prop_assert_eq!(compare(a, b), compare(b, a).reverse());
            if compare(a, b).is_le() && compare(b, c).is_le() {
                prop_assert!(compare(a, c).is_le());
            }
            prop_assert_eq!(compare(a, b) == Ordering::Equal, a == b);
        }
    }
}
