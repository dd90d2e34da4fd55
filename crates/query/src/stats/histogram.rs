//! `histogram(a)`: how many numbers lie in which range, as `[{"vmrange":"1.000e+00...1.136e+00","hits":2}]`.
//!
//! The ranges are those of VictoriaMetrics, to the last digit, because heat maps are drawn by them: 18 a decade from 1e-9
//! to 1e18, the upper end of a range belonging to it, and one range below and one above.

use std::collections::BTreeMap;

use super::{Accumulate, Entry, Rows, Takes, each_number, grow};
use crate::names::Names;
use crate::wire::{Reader, put};
use crate::{Block, Error};

/// The exponents of ten between which there are ranges.
const DECADES: std::ops::Range<i32> = -9..18;
/// Ranges of a decade.
const IN_A_DECADE: i32 = 18;
/// Ranges in all, the lowest and the highest aside.
const RANGES: i32 = (DECADES.end - DECADES.start) * IN_A_DECADE;

pub(super) const ENTRY: Entry = Entry {
    name: "histogram",
    takes: Takes::One,
    about: "how many numbers lie in which of VictoriaMetrics' ranges, as JSON",
    make: |call, _| Box::new(Histogram { names: call.names.clone(), counts: Vec::new() }),
};

/// Counts by range: -1 is what is below all, [`RANGES`] what is above.
#[derive(Debug)]
struct Histogram {
    names: Names,
    counts: Vec<BTreeMap<i32, u64>>,
}

/// The range of `number`; `None` for a negative one and for NaN.
#[expect(clippy::cast_possible_truncation, reason = "between 0 and RANGES")]
fn range_of(number: f64) -> Option<i32> {
    if number.is_nan() || number < 0.0 {
        return None;
    }
    let at = (log10(number) - f64::from(DECADES.start)) * f64::from(IN_A_DECADE);
    if at < 0.0 {
        return Some(-1);
    }
    if at >= f64::from(RANGES) {
        return Some(RANGES);
    }
    let range = at as i32;
    // A power of ten is the upper end of a range.
    let is_end = range > 0 && f64::from(range).to_bits() == at.to_bits();
    Some(if is_end { range - 1 } else { range })
}

/// The logarithm as Go computes it, so that numbers at the ends of ranges fall to the same side.
fn log10(number: f64) -> f64 {
    log2(number) * (std::f64::consts::LN_2 / std::f64::consts::LN_10)
}

fn log2(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number.log2();
    }
    // Mantissa in 0.5..1 and exponent.
    let (scaled, shift) =
        if number < f64::MIN_POSITIVE { (number * 2f64.powi(52), -52) } else { (number, 0) };
    let bits = scaled.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0) - 1022;
    let mantissa = f64::from_bits(bits & !(0x7ff << 52) | (1022 << 52));
    let exponent = f64::from(exponent + shift);
    if mantissa.to_bits() == 0.5f64.to_bits() {
        return exponent - 1.0;
    }
    mantissa.ln() * (1.0 / std::f64::consts::LN_2) + exponent
}

/// `1.136e+00`
fn scientific(number: f64) -> String {
    let text = format!("{number:.3e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `1.000e+00...1.136e+00`
fn name_of(range: i32) -> String {
    if range < 0 {
        return format!("0...{}", scientific(10f64.powi(DECADES.start)));
    }
    if range >= RANGES {
        return format!("{}...+Inf", scientific(10f64.powi(DECADES.end)));
    }
    let end = |range: i32| {
        let exponent = f64::from(range) / f64::from(IN_A_DECADE) + f64::from(DECADES.start);
        scientific(10f64.powf(exponent))
    };
    format!("{}...{}", end(range), end(range + 1))
}

impl Accumulate for Histogram {
    fn grow(&mut self, groups: usize) -> usize {
        grow(&mut self.counts, groups)
    }

    fn add(&mut self, block: &Block, rows: &Rows<'_>) -> usize {
        let mut more = 0;
        for column in self.names.columns(block) {
            each_number(column, rows, |group, number| {
                let counts = self.counts.get_mut(group).zip(range_of(number));
                if let Some((counts, range)) = counts {
                    more += if counts.contains_key(&range) { 0 } else { 32 };
                    *counts.entry(range).or_default() += 1;
                }
            });
        }
        more
    }

    fn export(&self, group: usize, out: &mut Vec<u8>) {
        let counts = self.counts.get(group);
        put(counts.map_or(0, BTreeMap::len) as u64, out);
        for (range, count) in counts.into_iter().flatten() {
            put(u64::try_from(range + 1).unwrap_or(0), out);
            put(*count, out);
        }
    }

    fn import(&mut self, group: usize, state: &mut Reader<'_>) -> Result<usize, Error> {
        for _ in 0..state.number()? {
            let range = i32::try_from(state.number()?).ok().filter(|&range| range <= RANGES + 1);
            let (range, count) = (range.ok_or(Error::Partial("a range"))? - 1, state.number()?);
            if let Some(counts) = self.counts.get_mut(group) {
                let sum = counts.entry(range).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        Ok(0)
    }

    fn finish(&self, group: usize, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, (&range, count)) in self.counts.get(group).into_iter().flatten().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let text = format!("{comma}{{\"vmrange\":\"{}\",\"hits\":{count}}}", name_of(range));
            out.extend_from_slice(text.as_bytes());
        }
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;
    use super::*;

    #[test]
    fn ranges() {
        for (number, wanted) in [
            (0.0, "0...1.000e-09"),
            (1e-10, "0...1.000e-09"),
            (1e-9, "1.000e-09...1.136e-09"),
            (1.0, "8.799e-01...1.000e+00"),
            (1.05, "1.000e+00...1.136e+00"),
            (10.0, "8.799e+00...1.000e+01"),
            (1000.0, "8.799e+02...1.000e+03"),
            (1001.0, "1.000e+03...1.136e+03"),
            (123.0, "1.136e+02...1.292e+02"),
            (9.9e17, "8.799e+17...1.000e+18"),
            (1.01e18, "1.000e+18...+Inf"),
            (f64::INFINITY, "1.000e+18...+Inf"),
        ] {
            assert_eq!(name_of(range_of(number).unwrap()), wanted, "{number}");
        }
        assert_eq!((range_of(-1.0), range_of(f64::NAN)), (None, None));
    }

    #[test]
    fn ends_are_those_of_repeated_multiplication() {
        // VictoriaMetrics multiplies its way up; four digits are the same.
        let mut end = 1e-9;
        for range in 0..RANGES {
            let start = end;
            end *= 10f64.powf(1.0 / f64::from(IN_A_DECADE));
            assert_eq!(name_of(range), format!("{}...{}", scientific(start), scientific(end)));
        }
    }

    #[test]
    fn as_json() {
        gives("histogram(a)", &[], "[]");
        gives(
            "histogram(a)",
            &[["1.1", ""], ["x", ""], ["1.12", ""], ["200", ""], ["-1", ""]],
            r#"[{"vmrange":"1.000e+00...1.136e+00","hits":2},{"vmrange":"1.896e+02...2.154e+02","hits":1}]"#,
        );
    }
}
