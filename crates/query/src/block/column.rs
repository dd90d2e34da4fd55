//! One field of many rows.

use std::sync::Arc;

use line::time::write_rfc3339;

/// The values of one field. Rows beyond the end of a column are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// The same in every row.
    Const(Box<[u8]>),
    /// Few different values: row `i` has `values[codes[i]]`. Values may be there that no row has.
    Dict {
        /// The values, at most 65,536, each once.
        values: Arc<[Box<[u8]>]>,
        /// A place in `values` for each row.
        codes: Vec<u16>,
    },
    /// Any bytes.
    Text(Text),
    /// Unix nanoseconds, as RFC 3339 with nine digits and `Z` when read as text.
    Time(Vec<i64>),
    /// Numbers, decimal when read as text.
    Number(Vec<u64>),
    /// Numbers that are read as 16 hexadecimal digits, as those of boots.
    Hex(Vec<u64>),
}

/// Texts end to end: as little as a row can cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Text {
    /// No texts, with room for `rows` of `bytes` in all.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self { ends: Vec::with_capacity(rows), bytes: Vec::with_capacity(bytes) }
    }

    /// Row `i` is `bytes[ends[i - 1]..ends[i]]`. `None` if the ends go backwards or beyond the bytes.
    pub fn from_parts(ends: Vec<u32>, bytes: Vec<u8>) -> Option<Self> {
        let sound = ends.is_sorted() && ends.last().is_none_or(|&end| end as usize <= bytes.len());
        sound.then_some(Self { ends, bytes })
    }

    /// Adds a row. A column holds 4 GiB; a value for which there is no room left becomes empty, so that whoever can
    /// come near cuts its blocks before.
    pub fn push(&mut self, value: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(value));
    }

    /// Adds a row whose value `write` appends.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() < before || u32::try_from(self.bytes.len()).is_err() {
            self.bytes.truncate(before);
        }
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// The value of `row`, empty beyond the end.
    pub fn get(&self, row: usize) -> &[u8] {
        let Some(&end) = self.ends.get(row) else { return &[] };
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// How many rows there are.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All values end to end.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each row ends in [`Text::bytes`].
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The values, row by row.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|row| self.get(row))
    }
}

impl<V: AsRef<[u8]>> FromIterator<V> for Text {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        let mut text = Self::default();
        values.into_iter().for_each(|value| text.push(value.as_ref()));
        text
    }
}

impl Column {
    /// `value` in every row.
    pub fn of(value: impl AsRef<[u8]>) -> Self {
        Self::Const(value.as_ref().into())
    }

    /// The value of `row`, empty beyond the end. `scratch` is overwritten if the value is kept as a number.
    pub fn value<'a>(&'a self, row: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if let Some(value) = self.bytes_of(row) {
            return value;
        }
        scratch.clear();
        self.write(row, scratch);
        scratch
    }

    /// The value of `row` if the column keeps it as bytes; `None` for a number or a time.
    pub fn bytes_of(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Const(value) => Some(value),
            Self::Dict { values, codes } => {
                Some(codes.get(row).and_then(|&code| values.get(usize::from(code))).map_or(&[], |v| v))
            }
            Self::Text(text) => Some(text.get(row)),
            Self::Time(_) | Self::Number(_) | Self::Hex(_) => None,
        }
    }

    /// Appends the value of `row` to `out`.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Time(times) => {
                if let Some(&time) = times.get(row) {
                    write_rfc3339(time, out);
                }
            }
            Self::Number(numbers) => {
                if let Some(&number) = numbers.get(row) {
                    write_decimal(number, out);
                }
            }
            Self::Hex(numbers) => {
                if let Some(&number) = numbers.get(row) {
                    write_hex(number, out);
                }
            }
            _ => out.extend_from_slice(self.bytes_of(row).unwrap_or(&[])),
        }
    }

    /// The values at `rows`, in that order.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        match self {
            Self::Const(value) => Self::Const(value.clone()),
            Self::Dict { values, codes } => {
                Self::Dict { values: values.clone(), codes: pick(codes, rows, u16::MAX) }
            }
            Self::Text(text) => Self::Text(select_text(text, rows)),
            Self::Time(times) if in_range(rows, times.len()) => Self::Time(pick(times, rows, 0)),
            Self::Number(numbers) if in_range(rows, numbers.len()) => Self::Number(pick(numbers, rows, 0)),
            Self::Hex(numbers) if in_range(rows, numbers.len()) => Self::Hex(pick(numbers, rows, 0)),
            Self::Time(_) | Self::Number(_) | Self::Hex(_) => {
                let mut text = Text::default();
                rows.iter().for_each(|&row| text.push_with(|out| self.write(row as usize, out)));
                Self::Text(text)
            }
        }
    }

    /// How many rows it has; `None` if the one value stands for any number.
    pub const fn len(&self) -> Option<usize> {
        match self {
            Self::Const(_) => None,
            Self::Dict { codes, .. } => Some(codes.len()),
            Self::Text(text) => Some(text.len()),
            Self::Time(times) => Some(times.len()),
            Self::Number(numbers) | Self::Hex(numbers) => Some(numbers.len()),
        }
    }

    /// Whether it certainly is empty in every row.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Const(value) => value.is_empty(),
            Self::Dict { values, .. } => values.iter().all(|value| value.is_empty()),
            Self::Text(text) => text.bytes().is_empty(),
            Self::Time(_) | Self::Number(_) | Self::Hex(_) => self.len() == Some(0),
        }
    }

    /// Roughly how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Const(value) => value.len(),
            Self::Dict { values, codes } => {
                codes.len() * 2 + values.iter().map(|value| value.len() + 16).sum::<usize>()
            }
            Self::Text(text) => text.bytes.len() + text.ends.len() * 4,
            Self::Time(times) => times.len() * 8,
            Self::Number(numbers) | Self::Hex(numbers) => numbers.len() * 8,
        }
    }
}

fn in_range(rows: &[u32], len: usize) -> bool {
    rows.iter().all(|&row| (row as usize) < len)
}

fn pick<T: Copy>(values: &[T], rows: &[u32], beyond: T) -> Vec<T> {
    rows.iter().map(|&row| values.get(row as usize).copied().unwrap_or(beyond)).collect()
}

fn select_text(text: &Text, rows: &[u32]) -> Text {
    let bytes = rows.iter().map(|&row| text.get(row as usize).len()).sum();
    let mut picked = Text::with_capacity(rows.len(), bytes);
    rows.iter().for_each(|&row| picked.push(text.get(row as usize)));
    picked
}

/// Appends `number` in decimal.
pub(crate) fn write_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `number` as 16 hexadecimal digits.
pub(crate) fn write_hex(number: u64, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in number.to_be_bytes() {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dict(values: &[&str], codes: &[u16]) -> Column {
        let values = values.iter().map(|value| value.as_bytes().into()).collect();
        Column::Dict { values, codes: codes.to_vec() }
    }

    /// A column of any form with `rows` rows, over few values.
    pub(crate) fn any_column(rows: usize) -> impl Strategy<Value = Column> {
        const VALUES: [&str; 7] = ["", "a", "b", "10", "9", "2.5", "error"];
        let text = prop::collection::vec(prop::sample::select(&VALUES[..]), rows);
        let codes = prop::collection::vec(0_u16..7, rows);
        let times = prop::collection::vec(0_i64..4_000_000_000_000, rows);
        let numbers = prop::collection::vec(0_u64..5, rows);
        prop_oneof![
            prop::sample::select(&VALUES[..]).prop_map(Column::of),
            codes.prop_map(|codes| dict(&VALUES, &codes)),
            text.prop_map(|texts| Column::Text(texts.into_iter().collect())),
            times.prop_map(Column::Time),
            numbers.clone().prop_map(Column::Number),
            numbers.prop_map(Column::Hex),
        ]
    }

    #[test]
    fn values_of_each_form() {
        let text = Text::from_iter(["a", "", "ccc"]);
        for (column, wanted) in [
            (Column::of("x"), ["x", "x", "x", "x"]),
            (dict(&["", "info"], &[1, 0, 1]), ["info", "", "info", ""]),
            (Column::Text(text), ["a", "", "ccc", ""]),
            (
                Column::Time(vec![0, 1]),
                ["1970-01-01T00:00:00.000000000Z", "1970-01-01T00:00:00.000000001Z", "", ""],
            ),
            (Column::Number(vec![0, 10, u64::MAX]), ["0", "10", "18446744073709551615", ""]),
            (Column::Hex(vec![0, 255]), ["0000000000000000", "00000000000000ff", "", ""]),
        ] {
            for (row, wanted) in wanted.iter().enumerate() {
                let scratch = &mut Vec::new();
                assert_eq!(column.value(row, scratch), wanted.as_bytes(), "{column:?} {row}");
            }
        }
    }

    #[test]
    fn parts_of_a_text_must_fit() {
        assert!(Text::from_parts(vec![1, 1, 3], b"abc".to_vec()).is_some());
        assert!(Text::from_parts(vec![2, 1], b"abc".to_vec()).is_none());
        assert!(Text::from_parts(vec![1, 4], b"abc".to_vec()).is_none());
        assert!(Text::from_parts(vec![], vec![]).is_some());
    }

    proptest! {
        #[test]
        fn picked_rows_are_those_rows(column in any_column(6), rows in prop::collection::vec(0_u32..8, 0..10)) {
            let picked = column.select(&rows);
            for (at, &row) in rows.iter().enumerate() {
                let (one, other) = (&mut Vec::new(), &mut Vec::new());
                prop_assert_eq!(picked.value(at, one), column.value(row as usize, other));
            }
        }
    }
}
