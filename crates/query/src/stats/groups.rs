//! Which group a row belongs to. What is hashed is each different value of a block, or each combination of them, once:
//! rows themselves go by small numbers, of which a dictionary has them already.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::{Bucket, By};
use crate::wire::{Reader, put_bytes};
use crate::{Block, Column, Error};

/// Combinations of values that are looked up by their place in a table.
const TABLE: usize = 1 << 16;

/// The groups so far, numbered in the order of their coming.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    numbers: HashMap<Arc<[u8]>, u32>,
    keys: Vec<Arc<[u8]>>,
}

/// The different values of a column in a block, and which one each row has.
struct Coded {
    /// None if all rows have the first one.
    codes: Option<Vec<u32>>,
    values: Vec<Vec<u8>>,
}

impl Groups {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys, by number.
    pub(crate) fn keys(&self) -> &[Arc<[u8]>] {
        &self.keys
    }

    /// Whether there is a group with `key`.
    pub(crate) fn has(&self, key: &[u8]) -> bool {
        self.numbers.contains_key(key)
    }

    /// The number of the group with `key`, a new one if there is none. Also how many bytes more that takes.
    pub(crate) fn number(&mut self, key: &[u8]) -> (u32, usize) {
        if let Some(&number) = self.numbers.get(key) {
            return (number, 0);
        }
        let number = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let key: Arc<[u8]> = key.into();
        self.numbers.insert(key.clone(), number);
        let bytes = key.len() + 80;
        self.keys.push(key);
        (number, bytes)
    }

    /// The groups of the rows of `block`, and how many bytes more the new ones take.
    pub(crate) fn assign(&mut self, block: &Block, by: &[By]) -> (Vec<u32>, usize) {
        let coded: Vec<Coded> = by.iter().map(|by| Coded::of(block, by)).collect();
        let (codes, different) = combine(&coded, block.rows());
        let mut more = 0;
        let Some(codes) = codes else {
            let (number, bytes) = self.number(&key(&coded, 0));
            return (vec![number; block.rows()], bytes);
        };
        let mut known: Vec<Option<u32>> = vec![None; different];
        let mut groups = Vec::with_capacity(codes.len());
        for (row, &code) in codes.iter().enumerate() {
            let slot = known.get_mut(code as usize);
            let number = match slot {
                Some(Some(number)) => *number,
                slot => {
                    let (number, bytes) = self.number(&key(&coded, row));
                    more += bytes;
                    if let Some(slot) = slot {
                        *slot = Some(number);
                    }
                    number
                }
            };
            groups.push(number);
        }
        (groups, more)
    }
}

/// The values of a key.
pub(crate) fn key_values(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader(key);
    std::iter::from_fn(move || if reader.is_end() { None } else { reader.bytes().ok() })
}

/// Whether `key` is one of `fields` values.
pub(crate) fn check_key(key: &[u8], fields: usize) -> Result<(), Error> {
    let mut reader = Reader(key);
    for _ in 0..fields {
        reader.bytes()?;
    }
    if reader.is_end() { Ok(()) } else { Err(Error::Partial("the key of a group")) }
}

/// The key of `row`: its values, each with its length before it.
fn key(coded: &[Coded], row: usize) -> Vec<u8> {
    let mut key = Vec::new();
    for coded in coded {
        let code = coded.codes.as_ref().and_then(|codes| codes.get(row)).map_or(0, |&code| code as usize);
        put_bytes(coded.values.get(code).map_or(&[], |value| value), &mut key);
    }
    key
}

/// One code for all columns of each row, below the number that is given with it; none if all rows are alike.
fn combine(coded: &[Coded], rows: usize) -> (Option<Vec<u32>>, usize) {
    let mut all: Option<Vec<u32>> = None;
    let mut different = 1;
    for column in coded {
        let Some(codes) = &column.codes else { continue };
        let width = column.values.len().max(1);
        let Some(before) = all.as_mut() else {
            (all, different) = (Some(codes.clone()), width);
            continue;
        };
        if different * width <= TABLE {
            let width = u32::try_from(width).unwrap_or(u32::MAX);
            before.iter_mut().zip(codes).for_each(|(before, code)| *before = *before * width + code);
            different *= column.values.len().max(1);
            continue;
        }
        let mut numbers = HashMap::with_capacity(rows.min(4096));
        for (before, code) in before.iter_mut().zip(codes) {
            *before = code_of(&mut numbers, (*before, *code));
        }
        different = numbers.len();
    }
    (all, different)
}

/// The number of `value`, the next one if it is new.
fn code_of<T: Hash + Eq>(numbers: &mut HashMap<T, u32>, value: T) -> u32 {
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    *numbers.entry(value).or_insert(next)
}

impl Coded {
    fn one(value: &[u8], bucket: Option<&Bucket>) -> Self {
        Self { codes: None, values: vec![cut(value, bucket)] }
    }

    fn of(block: &Block, by: &By) -> Self {
        let (rows, bucket) = (block.rows(), by.bucket.as_ref());
        let Some(column) = block.column(&by.field) else { return Self::one(b"", bucket) };
        match (&**column, bucket) {
            (Column::Const(value), _) => Self::one(value, bucket),
            (Column::Dict { values, codes }, _) => {
                let mut values: Vec<_> = values.iter().map(|value| cut(value, bucket)).collect();
                // Rows without a code, and codes without a value, are empty.
                let nothing = u32::try_from(values.len()).unwrap_or(u32::MAX);
                values.push(cut(b"", bucket));
                let mut codes: Vec<u32> =
                    codes.iter().map(|&code| u32::from(code).min(nothing)).take(rows).collect();
                codes.resize(rows, nothing);
                Self { codes: Some(codes), values }
            }
            (Column::Time(times), Some(bucket)) if times.len() >= rows => Self::of_times(times, rows, bucket),
            (Column::Time(times), None) if times.len() >= rows => {
                let values: Vec<u64> = times.iter().map(|time| time.cast_unsigned()).collect();
                Self::of_numbers(column, &values, rows, bucket)
            }
            (Column::Number(numbers) | Column::Hex(numbers), _) if numbers.len() >= rows => {
                Self::of_numbers(column, numbers, rows, bucket)
            }
            (Column::Text(text), _) => {
                let mut numbers: HashMap<&[u8], u32> = HashMap::new();
                let mut last: (&[u8], u32) = (&[], u32::MAX);
                let codes = (0..rows).map(|row| {
                    let value = text.get(row);
                    if last.1 == u32::MAX || last.0 != value {
                        last = (value, code_of(&mut numbers, value));
                    }
                    last.1
                });
                let codes = codes.collect();
                let mut values = vec![Vec::new(); numbers.len()];
                for (value, code) in numbers {
                    if let Some(slot) = values.get_mut(code as usize) {
                        *slot = cut(value, bucket);
                    }
                }
                Self { codes: Some(codes), values }
            }
            _ => {
                let mut values = Vec::new();
                let codes = (0..rows).map(|row| {
                    let mut value = Vec::new();
                    column.write(row, &mut value);
                    values.push(cut(&value, bucket));
                    u32::try_from(row).unwrap_or(u32::MAX)
                });
                let codes = codes.collect();
                Self { codes: Some(codes), values }
            }
        }
    }

    /// Times in steps. They are mostly in order, so the step of the row before is tried first.
    fn of_times(times: &[i64], rows: usize, bucket: &Bucket) -> Self {
        let (mut numbers, mut values) = (HashMap::new(), Vec::new());
        let (mut start, mut end, mut code) = (0, 0, 0);
        let codes = times.iter().take(rows).map(|&time| {
            if time < start || time >= end {
                (start, end) = bucket.of_time(time);
                code = code_of(&mut numbers, start);
                if code as usize == values.len() {
                    let mut value = Vec::new();
                    line::time::write_rfc3339(start, &mut value);
                    values.push(value);
                }
            }
            code
        });
        let codes = codes.collect();
        Self { codes: Some(codes), values }
    }

    /// Values that `numbers` tell apart.
    fn of_numbers(column: &Column, numbers: &[u64], rows: usize, bucket: Option<&Bucket>) -> Self {
        let (mut known, mut values) = (HashMap::new(), Vec::new());
        let codes = numbers.iter().take(rows).enumerate().map(|(row, &number)| {
            let code = code_of(&mut known, number);
            if code as usize == values.len() {
                let mut value = Vec::new();
                column.write(row, &mut value);
                values.push(cut(&value, bucket));
            }
            code
        });
        let codes = codes.collect();
        Self { codes: Some(codes), values }
    }
}

fn cut(value: &[u8], bucket: Option<&Bucket>) -> Vec<u8> {
    bucket.map_or_else(|| value.to_vec(), |bucket| bucket.of_value(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::column_tests::any_column;
    use crate::lexer::Lexer;
    use proptest::prelude::*;

    fn by(text: &str) -> Vec<By> {
        Lexer::new(text, 0).unwrap().list("by", By::parse).unwrap()
    }

    #[test]
    fn keys() {
        let (mut groups, by) = (Groups::default(), by("(a, b)"));
        let (number, more) = groups.number(&key(&[Coded::one(b"x", None), Coded::one(b"", None)], 0));
        assert_eq!((number, more > 0, groups.len()), (0, true, 1));
        let values: Vec<_> = key_values(&groups.keys()[0]).collect();
        assert_eq!(values, [&b"x"[..], b""]);
        assert!(check_key(&groups.keys()[0], by.len()).is_ok() && check_key(&groups.keys()[0], 1).is_err());
    }

    proptest! {
        #[test]
        fn groups_are_those_of_the_values(
            a in any_column(12), b in any_column(12), c in any_column(12),
            step in prop::sample::select(vec!["(a, b, c)", "(a:10, b)", "(a:1s, c)", "(b)", "()", "(gone, a)"]),
        ) {
            let block = Block::new(12).with("a", a).with("b", b).with("c", c);
            let by = by(step);
            let mut groups = Groups::default();
            let (numbers, _) = groups.assign(&block, &by);
            prop_assert_eq!(numbers.len(), 12);
            for (row, &number) in numbers.iter().enumerate() {
                let key = groups.keys()[number as usize].clone();
                let wanted: Vec<Vec<u8>> = by
                    .iter()
                    .map(|by| cut(block.value(&by.field, row, &mut Vec::new()), by.bucket.as_ref()))
                    .collect();
                let values: Vec<Vec<u8>> = key_values(&key).map(<[u8]>::to_vec).collect();
                prop_assert_eq!(&values, &wanted, "row {}", row);
            }
        }

        #[test]
        fn many_combinations(rows in prop::collection::vec((0_u64..400, 0_u64..400, 0_u64..400), 1..300)) {
            let column = |pick: fn(&(u64, u64, u64)) -> u64| Column::Number(rows.iter().map(pick).collect());
            let block = Block::new(rows.len())
                .with("a", column(|row| row.0))
                .with("b", column(|row| row.1))
                .with("c", column(|row| row.2));
            let (numbers, _) = Groups::default().assign(&block, &by("(a, b, c)"));
            for (at, one) in rows.iter().enumerate() {
                for (other_at, other) in rows.iter().enumerate() {
                    prop_assert_eq!(one == other, numbers[at] == numbers[other_at]);
                }
            }
        }
    }
}
