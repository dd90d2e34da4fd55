//! A block as bytes, for the way from one store to whoever asked it.
//!
//! Numbers are varints: how many rows and columns; then for each column its name with the length before it, a byte that
//! says its form, and its values; at last 1 and the weights, or 0.

use std::sync::Arc;

use line::{Error, varint};

use super::{Block, Column, Text};

/// Most rows of a block that is read, and most columns. The store's frames have fewer of both.
const MAX_ROWS: usize = 1 << 20;
const MAX_COLUMNS: usize = 4096;

const CONST: u8 = 0;
const DICT: u8 = 1;
const TEXT: u8 = 2;
const TIME: u8 = 3;
const NUMBER: u8 = 4;
const HEX: u8 = 5;

impl Block {
    /// Appends the block to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.rows as u64);
        varint::put(out, self.columns.len() as u64);
        for (name, column) in &self.columns {
            put_bytes(name.as_bytes(), out);
            put_column(column, out);
        }
        match &self.weights {
            None => out.push(0),
            Some(weights) => {
                out.push(1);
                put_numbers(weights.iter().copied(), out);
            }
        }
    }

    /// Takes a block from the front of `bytes`. What it allocates is bounded by what is there.
    ///
    /// # Errors
    /// [`Error::Short`], [`Error::Value`] or [`Error::Utf8`] if no [`Block::encode`] wrote that.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self, Error> {
        let rows = take_count(bytes, MAX_ROWS, "a block's rows")?;
        let count = take_count(bytes, MAX_COLUMNS, "a block's columns")?;
        let mut block = Self::new(rows);
        for _ in 0..count {
            let name = std::str::from_utf8(take_bytes(bytes)?).map_err(|_| Error::Utf8("a column's name"))?;
            let name: Arc<str> = Arc::from(name);
            block.set(name, take_column(bytes, rows)?);
        }
        if take_byte(bytes)? != 0 {
            block.weights = Some(take_numbers(bytes, rows)?);
        }
        Ok(block)
    }
}

fn put_column(column: &Column, out: &mut Vec<u8>) {
    match column {
        Column::Const(value) => {
            out.push(CONST);
            put_bytes(value, out);
        }
        Column::Dict { values, codes } => {
            out.push(DICT);
            varint::put(out, values.len() as u64);
            values.iter().for_each(|value| put_bytes(value, out));
            put_numbers(codes.iter().map(|&code| u64::from(code)), out);
        }
        Column::Text(text) => {
            out.push(TEXT);
            let mut start = 0;
            put_numbers(
                text.ends().iter().map(|&end| u64::from(end - std::mem::replace(&mut start, end))),
                out,
            );
            out.extend_from_slice(text.bytes().get(..start as usize).unwrap_or_default());
        }
        Column::Time(times) => {
            out.push(TIME);
            let mut last = 0_i64;
            let delta = |&time: &i64| varint::zigzag(time.wrapping_sub(std::mem::replace(&mut last, time)));
            put_numbers(times.iter().map(delta), out);
        }
        Column::Number(numbers) => {
            out.push(NUMBER);
            put_numbers(numbers.iter().copied(), out);
        }
        Column::Hex(numbers) => {
            out.push(HEX);
            put_numbers(numbers.iter().copied(), out);
        }
    }
}

fn take_column(bytes: &mut &[u8], rows: usize) -> Result<Column, Error> {
    Ok(match take_byte(bytes)? {
        CONST => Column::of(take_bytes(bytes)?),
        DICT => {
            let count = take_count(bytes, 1 << 16, "a column's values")?;
            let values =
                (0..count).map(|_| take_bytes(bytes).map(Box::from)).collect::<Result<Vec<_>, _>>()?;
            let codes =
                take_numbers(bytes, rows)?.into_iter().map(|code| u16::try_from(code).unwrap_or(u16::MAX));
            Column::Dict { values: values.into(), codes: codes.collect() }
        }
        TEXT => {
            let mut end = 0_u64;
            let mut ends = Vec::new();
            for len in take_numbers(bytes, rows)? {
                end = end.saturating_add(len);
                ends.push(u32::try_from(end).map_err(|_| Error::Value { what: "a text's end", value: end })?);
            }
            let len = usize::try_from(end).unwrap_or(usize::MAX);
            let (text, rest) = bytes.split_at_checked(len).ok_or(Error::Short("a column's text"))?;
            *bytes = rest;
            Text::from_parts(ends, text.to_vec()).map(Column::Text).ok_or(Error::Short("a column's text"))?
        }
        TIME => {
            let mut time = 0_i64;
            let rise = |delta| {
                time = time.wrapping_add(varint::unzigzag(delta));
                time
            };
            Column::Time(take_numbers(bytes, rows)?.into_iter().map(rise).collect())
        }
        NUMBER => Column::Number(take_numbers(bytes, rows)?),
        HEX => Column::Hex(take_numbers(bytes, rows)?),
        form => return Err(Error::Value { what: "a column's form", value: u64::from(form) }),
    })
}

fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    varint::put(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn put_numbers(numbers: impl ExactSizeIterator<Item = u64>, out: &mut Vec<u8>) {
    varint::put(out, numbers.len() as u64);
    numbers.for_each(|number| varint::put(out, number));
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Error> {
    let (&byte, rest) = bytes.split_first().ok_or(Error::Short("a block"))?;
    *bytes = rest;
    Ok(byte)
}

fn take_count(bytes: &mut &[u8], max: usize, what: &'static str) -> Result<usize, Error> {
    let value = varint::take(bytes)?;
    usize::try_from(value).ok().filter(|&count| count <= max).ok_or(Error::Value { what, value })
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let len = take_count(bytes, usize::MAX, "a length")?;
    let (value, rest) = bytes.split_at_checked(len).ok_or(Error::Short("a value"))?;
    *bytes = rest;
    Ok(value)
}

/// At most one number for each row: each takes a byte at least, so that nothing is allocated that is not there.
fn take_numbers(bytes: &mut &[u8], rows: usize) -> Result<Vec<u64>, Error> {
    let count = take_count(bytes, rows, "a column's rows")?;
    let mut numbers = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        numbers.push(varint::take(bytes)?);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::super::column::tests::any_column;
    use super::*;
    use proptest::prelude::*;

    fn any_block() -> impl Strategy<Value = Block> {
        let column = |rows| ("[a-z_.]{0,8}", any_column(rows));
        let columns =
            (0_usize..9).prop_flat_map(move |rows| (Just(rows), prop::collection::vec(column(rows), 0..5)));
        (columns, any::<bool>()).prop_map(|((rows, columns), weighs)| {
            let mut block = Block::new(rows);
            columns.into_iter().for_each(|(name, column)| block.set(name, column));
            if weighs {
                block.set_weights((0..rows as u64).collect());
            }
            block
        })
    }

    proptest! {
        #[test]
        fn blocks_come_back(blocks in prop::collection::vec(any_block(), 0..4)) {
            let mut bytes = Vec::new();
            blocks.iter().for_each(|block| block.encode(&mut bytes));
            let mut rest = &bytes[..];
            for block in &blocks {
                prop_assert_eq!(&Block::decode(&mut rest).unwrap(), block);
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn what_is_cut_or_changed_is_refused_or_read_to_an_end(block in any_block(), cut in 0_usize..200, flip: u8) {
            let mut bytes = Vec::new();
            block.encode(&mut bytes);
            if cut < bytes.len() {
                prop_assert!(Block::decode(&mut &bytes[..cut]).is_err());
                bytes[cut] ^= flip;
                let _any = Block::decode(&mut &bytes[..]);
            }
        }
    }

    #[test]
    fn a_claim_of_many_rows_allocates_nothing() {
        let mut bytes = Vec::new();
        for number in [MAX_ROWS as u64, 1, 1, u64::from(b'a'), u64::from(NUMBER), MAX_ROWS as u64] {
            varint::put(&mut bytes, number);
        }
        assert!(Block::decode(&mut &bytes[..]).is_err());
        let mut bytes = Vec::new();
        varint::put(&mut bytes, MAX_ROWS as u64 + 1);
        assert!(Block::decode(&mut &bytes[..]).is_err());
    }
}
