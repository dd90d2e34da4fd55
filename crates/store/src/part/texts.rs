//! A column of byte strings in few bytes.
//!
//! The count of rows is not written. Forms, by the first byte:
//!
//! | form | what follows |
//! |---|---|
//! | 0 const | the value that all rows have |
//! | 1 lengths | length of a block of numbers (varint), that block: the lengths; then pressed: the values end to end |
//! | 2 lines | a byte that no value contains, mostly a line break; then pressed: the values, each with that byte behind it |
//! | 3 dict | count of different values (varint), length of a column (varint), that column: the values; then numbers: the place in it of each row |
//! | 4 split | see [`split`] |

use std::collections::HashMap;

use query::{Column, Text};

use super::error::Bad;
use super::press::{MAX_BYTES, Press, unpress};
use super::wire::{put_bytes, put_count, take_bytes, take_count, take_u8};
use super::{ints, split};

const CONST: u8 = 0;
const LENGTHS: u8 = 1;
const LINES: u8 = 2;
const DICT: u8 = 3;
const SPLIT: u8 = 4;

/// What may end a line, the likely one first.
const BREAKS: [u8; 6] = [b'\n', 0, 1, 0x1e, 0x1f, 0xff];

/// Most different values of a dictionary; codes are 16 bits wide.
const MAX_VALUES: usize = 4096;

/// A dictionary is given up when more than one row in so many has a value of its own...
const ROWS_A_VALUE: usize = 4;
/// ...but so many values are always taken.
const FREE_VALUES: usize = 16;

/// Values to write: row `i` is `bytes[ends[i - 1]..ends[i]]`.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    /// Where each row ends.
    pub(super) ends: &'a [u32],
    /// The values end to end.
    pub(super) bytes: &'a [u8],
}

impl<'a> Values<'a> {
    /// Those of a text.
    pub(super) fn of(text: &'a Text) -> Self {
        Self { ends: text.ends(), bytes: text.bytes() }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(self.ends).map(move |(begin, &end)| &self.bytes[begin as usize..end as usize])
    }
}

/// How the values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// As they are.
    Plain,
    /// Split into templates, where they can be.
    Split,
    /// The same, and what repeats in a slot is looked for.
    Fine,
}

impl Care {
    /// The templates of the values, if they are to be split and can be.
    pub(super) fn split(self, values: Values<'_>) -> Option<split::Found> {
        match self {
            Self::Plain => None,
            Self::Split => split::Found::of(values, false),
            Self::Fine => split::Found::of(values, true),
        }
    }
}

/// Appends the values, which may have templates.
pub(super) fn put(values: Values<'_>, found: Option<&split::Found>, press: &mut Press, out: &mut Vec<u8>) {
    let mut all = values.iter();
    let first = all.next().unwrap_or(&[]);
    if all.all(|value| value == first) {
        out.push(CONST);
        out.extend_from_slice(first);
    } else if let Some((distinct, codes)) = dictionary(values) {
        out.push(DICT);
        put_count(out, distinct.len());
        let mut nested = Vec::new();
        put_plain(Values::of(&distinct), press, &mut nested);
        put_bytes(out, &nested);
        ints::put(&codes, press, out);
    } else if let Some(found) = found {
        out.push(SPLIT);
        split::put(values, found, press, out);
    } else {
        put_plain(values, press, out);
    }
}

/// Appends the values in the form `lengths` or `lines`.
pub(super) fn put_plain(values: Values<'_>, press: &mut Press, out: &mut Vec<u8>) {
    if let Some(stop) = BREAKS.into_iter().find(|&stop| memchr::memchr(stop, values.bytes).is_none()) {
        let mut joined = Vec::with_capacity(values.bytes.len() + values.ends.len());
        for value in values.iter() {
            joined.extend_from_slice(value);
            joined.push(stop);
        }
        out.extend_from_slice(&[LINES, stop]);
        return press.put(&joined, out);
    }
    let lengths: Vec<u64> = values.iter().map(|value| value.len() as u64).collect();
    let mut nested = Vec::new();
    ints::put(&lengths, press, &mut nested);
    out.push(LENGTHS);
    put_bytes(out, &nested);
    press.put(values.bytes, out);
}

/// The different values in the order in which they first come, and each row's place among them; `None` if there are too many.
fn dictionary(values: Values<'_>) -> Option<(Text, Vec<u64>)> {
    let mut places: HashMap<&[u8], u64> = HashMap::new();
    let mut distinct = Text::default();
    let mut codes = Vec::with_capacity(values.ends.len());
    for (row, value) in values.iter().enumerate() {
        let next = places.len() as u64;
        let code = *places.entry(value).or_insert(next);
        if code == next {
            if distinct.len() >= MAX_VALUES.min(FREE_VALUES + row / ROWS_A_VALUE) {
                return None;
            }
            distinct.push(value);
        }
        codes.push(code);
    }
    Some((distinct, codes))
}

/// The templates of a column, if it is split: see [`split::Templates`].
pub(super) fn take_templates(bytes: &[u8], rows: usize) -> Option<Result<split::Templates, Bad>> {
    let (form, rest) = bytes.split_first()?;
    (*form == SPLIT).then(|| split::Templates::take(rest, rows))
}

/// The column of `rows` rows that was put. It takes all of `bytes`.
pub(super) fn take(mut bytes: &[u8], rows: usize) -> Result<Column, Bad> {
    match take_u8(&mut bytes)? {
        CONST => Ok(Column::of(bytes)),
        LENGTHS => take_lengths(bytes, rows).map(Column::Text),
        LINES => take_lines(bytes, rows).map(Column::Text),
        SPLIT => split::take(bytes, rows).map(Column::Text),
        DICT => {
            let count = take_count(&mut bytes, MAX_VALUES)?;
            let values = match take_plain(take_bytes(&mut bytes)?, count)? {
                values if values.len() == count => values,
                _ => return Err(Bad("a dictionary")),
            };
            let narrow = |code: u64| u16::try_from(code).ok().filter(|&code| usize::from(code) < count);
            let codes = ints::take(bytes, rows)?.into_iter().map(narrow).collect::<Option<_>>();
            let values = values.iter().map(Box::from).collect();
            Ok(Column::Dict { values, codes: codes.ok_or(Bad("a dictionary's codes"))? })
        }
        _ => Err(Bad("a column's form")),
    }
}

/// What [`put_plain`] wrote.
pub(super) fn take_plain(mut bytes: &[u8], rows: usize) -> Result<Text, Bad> {
    match take_u8(&mut bytes)? {
        LENGTHS => take_lengths(bytes, rows),
        LINES => take_lines(bytes, rows),
        _ => Err(Bad("a dictionary's form")),
    }
}

fn take_lengths(mut bytes: &[u8], rows: usize) -> Result<Text, Bad> {
    let lengths = ints::take(take_bytes(&mut bytes)?, rows)?;
    let values = unpress(bytes, MAX_BYTES)?;
    let mut end = 0u64;
    let mut ends = Vec::with_capacity(rows);
    for length in lengths {
        end = end.saturating_add(length);
        ends.push(u32::try_from(end).map_err(|_| Bad("lengths"))?);
    }
    if end != values.len() as u64 {
        return Err(Bad("lengths"));
    }
    Text::from_parts(ends, values).ok_or(Bad("lengths"))
}

fn take_lines(mut bytes: &[u8], rows: usize) -> Result<Text, Bad> {
    let stop = take_u8(&mut bytes)?;
    let mut values = unpress(bytes, MAX_BYTES)?;
    let mut ends = Vec::with_capacity(rows);
    // Each line moves forward by the breaks before it.
    let (mut from, mut to) = (0, 0);
    while let Some(len) = memchr::memchr(stop, &values[from..]) {
        values.copy_within(from..from + len, to);
        from += len + 1;
        to += len;
        if ends.len() == rows {
            return Err(Bad("the count of lines"));
        }
        ends.push(u32::try_from(to).map_err(|_| Bad("lines"))?);
    }
    if from != values.len() || ends.len() != rows {
        return Err(Bad("the count of lines"));
    }
    values.truncate(to);
    Text::from_parts(ends, values).ok_or(Bad("lines"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_values() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let value = prop_oneof![
            any::<Vec<u8>>(),
            "[ab]{0,2}".prop_map(String::into_bytes),
            "(GET|POST) /[a-c]{1,3}/[0-9]{1,12} took [0-9]{1,3}\\.[0-9]{2}ms id=[0-9a-f]{8}"
                .prop_map(String::into_bytes),
            Just(b"same".to_vec()),
        ];
        proptest::collection::vec(value, 0..80)
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in any_values(), care in 0usize..3) {
            let text: Text = values.iter().collect();
            let mut out = Vec::new();
            let (values_of, care) = (Values::of(&text), [Care::Plain, Care::Split, Care::Fine][care]);
            put(values_of, care.split(values_of).as_ref(), &mut Press::new(1).unwrap(), &mut out);
            let column = take(&out, values.len()).unwrap();
            let mut scratch = Vec::new();
            for (row, value) in values.iter().enumerate() {
                prop_assert_eq!(column.value(row, &mut scratch), &value[..]);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, form in 0u8..5, rows in 0usize..50) {
            let _read = take(&[&[form], &bytes[..]].concat(), rows);
        }
    }

    #[test]
    fn forms_are_chosen_by_what_the_values_are() {
        let form = |care: Care, make: &dyn Fn(u64) -> Vec<u8>| {
            let text: Text = (0..2000).map(make).collect();
            let mut out = Vec::new();
            let values = Values::of(&text);
            put(values, care.split(values).as_ref(), &mut Press::new(3).unwrap(), &mut out);
            out[0]
        };
        assert_eq!(form(Care::Plain, &|_| b"x".to_vec()), CONST);
        assert_eq!(form(Care::Plain, &|i| format!("{}", i % 5).into_bytes()), DICT);
        assert_eq!(form(Care::Plain, &|i| format!("line {i}").into_bytes()), LINES);
        assert_eq!(form(Care::Plain, &|i| format!("line\n{i}").into_bytes()), LINES);
        assert_eq!(
            form(Care::Plain, &|i| [&b"\n\0\x01\x1e\x1f\xff"[..], i.to_string().as_bytes()].concat()),
            LENGTHS
        );
        assert_eq!(form(Care::Split, &|i| format!("line {i}").into_bytes()), SPLIT);
        let prose = |i: u64| {
            format!("{:x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).replace(|c: char| c.is_ascii_digit(), "g")
        };
        assert_eq!(form(Care::Split, &|i| prose(i).into_bytes()), LINES);
    }
}
