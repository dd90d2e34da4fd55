//! Many numbers in few bytes.
//!
//! The count is not written: who reads knows it. Forms, by the first byte:
//!
//! | form | what follows |
//! |---|---|
//! | 0 const | the value (varint) that all have |
//! | 1 planes | bytes a value (1 to 8), the least value (varint), then pressed: the lowest bytes of all, then the next, ... of value - least |
//! | 2 bits | bits a value (1, 2 or 4), the least value (varint), then pressed: value - least, from the low bits of each byte on |
//! | 3 rising | the first value (varint), a step (varint), then a form for the count - 1 differences, each divided by the step |
//! | 4 deltas | the first value (varint), then a form for the count - 1 differences (zigzag) |

use line::varint;

use super::error::Bad;
use super::press::{Press, unpress};
use super::wire::take_u8;

const CONST: u8 = 0;
const PLANES: u8 = 1;
const BITS: u8 = 2;
const RISING: u8 = 3;
const DELTAS: u8 = 4;

/// Forms nest at most this deep.
const MAX_DEPTH: usize = 4;

/// Appends `values` as they are: for numbers that say nothing about the next one.
pub(super) fn put(values: &[u64], press: &mut Press, out: &mut Vec<u8>) {
    let least = values.iter().copied().min().unwrap_or(0);
    let range = values.iter().copied().max().unwrap_or(0) - least;
    if range == 0 {
        out.push(CONST);
        varint::put(out, least);
    } else if range < 16 {
        put_bits(values, least, range, press, out);
    } else {
        put_planes(values, least, range, press, out);
    }
}

fn put_bits(values: &[u64], least: u64, range: u64, press: &mut Press, out: &mut Vec<u8>) {
    let bits: u8 = match range {
        0..2 => 1,
        2..4 => 2,
        _ => 4,
    };
    let mut packed = Vec::with_capacity(values.len() / 2 + 1);
    for few in values.chunks(usize::from(8 / bits)) {
        let join = |byte: u8, (at, value): (u8, &u64)| byte | low_byte(value - least) << (at * bits);
        packed.push((0u8..).zip(few).fold(0, join));
    }
    out.extend_from_slice(&[BITS, bits]);
    varint::put(out, least);
    press.put(&packed, out);
}

fn put_planes(values: &[u64], least: u64, range: u64, press: &mut Press, out: &mut Vec<u8>) {
    let width = low_byte(u64::from((64 - range.leading_zeros()).div_ceil(8)));
    let mut planes = Vec::with_capacity(values.len() * usize::from(width));
    for plane in 0..width {
        planes.extend(values.iter().map(|value| low_byte((value - least) >> (8 * plane))));
    }
    out.extend_from_slice(&[PLANES, width]);
    varint::put(out, least);
    press.put(&planes, out);
}

const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// Appends `values`, each as its difference from the one before.
pub(super) fn put_deltas(values: &[u64], press: &mut Press, out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return put(values, press, out) };
    if values.is_sorted() {
        let mut steps: Vec<u64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let step = steps.iter().copied().fold(0, gcd).max(1);
        if step > 1 {
            steps.iter_mut().for_each(|value| *value /= step);
        }
        out.push(RISING);
        varint::put(out, first);
        varint::put(out, step);
        return put(&steps, press, out);
    }
    let steps: Vec<u64> =
        values.windows(2).map(|pair| varint::zigzag(pair[1].wrapping_sub(pair[0]).cast_signed())).collect();
    out.push(DELTAS);
    varint::put(out, first);
    put(&steps, press, out);
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The `count` values that were put. It takes all of `bytes`.
pub(super) fn take(bytes: &[u8], count: usize) -> Result<Vec<u64>, Bad> {
    take_nested(bytes, count, 0)
}

fn take_nested(mut bytes: &[u8], count: usize, depth: usize) -> Result<Vec<u64>, Bad> {
    let form = take_u8(&mut bytes)?;
    match form {
        CONST => {
            let value = varint::take(&mut bytes)?;
            if bytes.is_empty() { Ok(vec![value; count]) } else { Err(Bad("numbers")) }
        }
        PLANES => take_planes(bytes, count),
        BITS => take_bits(bytes, count),
        RISING | DELTAS if depth < MAX_DEPTH => {
            let mut last = varint::take(&mut bytes)?;
            let step = if form == RISING { varint::take(&mut bytes)? } else { 1 };
            let Some(rest) = count.checked_sub(1) else { return Err(Bad("numbers")) };
            let mut values = take_nested(bytes, rest, depth + 1)?;
            values.insert(0, last);
            for value in &mut values[1..] {
                let delta = if form == RISING {
                    value.wrapping_mul(step)
                } else {
                    varint::unzigzag(*value).cast_unsigned()
                };
                last = last.wrapping_add(delta);
                *value = last;
            }
            Ok(values)
        }
        _ => Err(Bad("a form of numbers")),
    }
}

fn take_planes(mut bytes: &[u8], count: usize) -> Result<Vec<u64>, Bad> {
    let width = usize::from(take_u8(&mut bytes)?);
    if !(1..=8).contains(&width) {
        return Err(Bad("the width of numbers"));
    }
    let least = varint::take(&mut bytes)?;
    let planes = unpress(bytes, count.saturating_mul(width))?;
    if planes.len() != count * width {
        return Err(Bad("numbers"));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut values = vec![0u64; count];
    for (shift, plane) in planes.chunks_exact(count).enumerate() {
        for (value, &byte) in values.iter_mut().zip(plane) {
            *value |= u64::from(byte) << (8 * shift);
        }
    }
    values.iter_mut().for_each(|value| *value = value.wrapping_add(least));
    Ok(values)
}

fn take_bits(mut bytes: &[u8], count: usize) -> Result<Vec<u64>, Bad> {
    let bits = take_u8(&mut bytes)?;
    if !matches!(bits, 1 | 2 | 4) {
        return Err(Bad("the width of numbers"));
    }
    let least = varint::take(&mut bytes)?;
    let in_a_byte = usize::from(8 / bits);
    let packed = unpress(bytes, count.div_ceil(in_a_byte))?;
    if packed.len() != count.div_ceil(in_a_byte) {
        return Err(Bad("numbers"));
    }
    let mask = (1u8 << bits) - 1;
    let mut values = Vec::with_capacity(packed.len() * in_a_byte);
    for byte in packed {
        values.extend((0..8 / bits).map(|at| least.wrapping_add(u64::from(byte >> (at * bits) & mask))));
    }
    values.truncate(count);
    Ok(values)
}

/// A time as a number that is in the same order.
pub(super) const fn from_time(time: i64) -> u64 {
    time.cast_unsigned() ^ (1 << 63)
}

/// The inverse of [`from_time`].
pub(super) const fn to_time(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_values() -> impl Strategy<Value = Vec<u64>> {
        (0u32..64).prop_flat_map(|bits| proptest::collection::vec(0..=u64::MAX >> bits, 0..200))
    }

    proptest! {
        #[test]
        fn any_values_come_back(mut values in any_values(), sort: bool, level in 1i32..4) {
            if sort {
                values.sort_unstable();
            }
            let mut press = Press::new(level).unwrap();
            let (mut plain, mut deltas) = (Vec::new(), Vec::new());
            put(&values, &mut press, &mut plain);
            put_deltas(&values, &mut press, &mut deltas);
            prop_assert_eq!(take(&plain, values.len()), Ok(values.clone()));
            prop_assert_eq!(take(&deltas, values.len()), Ok(values));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, count in 0usize..100) {
            if let Ok(values) = take(&bytes, count) {
                prop_assert_eq!(values.len(), count);
            }
        }

        #[test]
        fn times_keep_their_order(a: i64, b: i64) {
            prop_assert_eq!(a.cmp(&b), from_time(a).cmp(&from_time(b)));
            prop_assert_eq!(to_time(from_time(a)), a);
        }
    }

    #[test]
    fn even_steps_cost_nothing() {
        let mut out = Vec::new();
        let values: Vec<u64> = (0..10_000).map(|i| (1 << 60) + i * 20_000_000).collect();
        put_deltas(&values, &mut Press::new(1).unwrap(), &mut out);
        assert!(out.len() < 20, "{}", out.len());
    }
}
