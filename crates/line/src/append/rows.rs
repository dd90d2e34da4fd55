//! Rows that came from elsewhere: what HTTP inserts become.
//!
//! A row is a byte of level and of what told it, the time since the row before (zigzag varint), the message with its length
//! before it, the number of fields (varint), and for each its name and its value with their lengths before them.

use super::read::{take_bytes, take_text};
use crate::{Error, Level, LevelSource, varint};

/// Most fields of a row, as many as VictoriaLogs takes.
pub const MAX_FIELDS: usize = 2000;
/// Most bytes of a field's name.
pub const MAX_FIELD_NAME_BYTES: usize = 128;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// Unix nanoseconds.
    pub time: i64,
    /// Its number: one more than that of the row before.
    pub seq: u64,
    /// How grave it is.
    pub level: Level,
    /// What told the level.
    pub level_source: LevelSource,
    /// Its message, raw.
    pub message: &'a [u8],
    /// Its further fields.
    pub fields: Fields<'a>,
}

/// Appends rows to a buffer, for [`super::Writer::import`].
#[derive(Debug)]
pub struct RowWriter {
    last_time: i64,
    count: u32,
}

impl RowWriter {
    /// A writer whose rows are relative to `base_time`, which the run must say too.
    pub const fn new(base_time: i64) -> Self {
        Self { last_time: base_time, count: 0 }
    }

    /// Rows so far.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Appends a row. [`Error::Value`], with nothing written, if there are more than [`MAX_FIELDS`] fields or a name is empty or
    /// longer than [`MAX_FIELD_NAME_BYTES`].
    pub fn push<'f>(
        &mut self,
        time: i64,
        level: (Level, LevelSource),
        message: &[u8],
        fields: impl ExactSizeIterator<Item = (&'f str, &'f [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        if fields.len() > MAX_FIELDS {
            return Err(Error::Value { what: "a row's count of fields", value: fields.len() as u64 });
        }
        out.push(level.0.code() | level.1.code() << 4);
        varint::put(out, varint::zigzag(time.wrapping_sub(self.last_time)));
        put_bytes(out, message);
        varint::put(out, fields.len() as u64);
        for (name, value) in fields {
            if name.is_empty() || name.len() > MAX_FIELD_NAME_BYTES {
                out.truncate(start);
                return Err(Error::Value { what: "the length of a field's name", value: name.len() as u64 });
            }
            put_bytes(out, name.as_bytes());
            put_bytes(out, value);
        }
        self.last_time = time;
        self.count += 1;
        Ok(())
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads rows one after another. After an error it ends.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    bytes: &'a [u8],
    next_seq: u64,
    last_time: i64,
}

impl<'a> Rows<'a> {
    /// A reader of what a [`RowWriter`] with that base time wrote.
    pub const fn new(bytes: &'a [u8], first_seq: u64, base_time: i64) -> Self {
        Self { bytes, next_seq: first_seq, last_time: base_time }
    }

    fn take(&mut self) -> Result<Row<'a>, Error> {
        let bytes = &mut self.bytes;
        let (&levels, rest) = bytes.split_first().ok_or(Error::Short("a row"))?;
        *bytes = rest;
        let time = self.last_time.wrapping_add(varint::unzigzag(varint::take(bytes)?));
        let message = take_bytes(bytes, "a row's message")?;
        let seq = self.next_seq;
        let row = Row {
            time,
            seq,
            level: Level::from_code(levels & 15)?,
            level_source: LevelSource::from_code(levels >> 4)?,
            message,
            fields: take_fields(bytes)?,
        };
        self.last_time = time;
        self.next_seq = seq.checked_add(1).ok_or(Error::Value { what: "a row's seq", value: seq })?;
        Ok(row)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let row = self.take();
        if row.is_err() {
            self.bytes = &[];
        }
        Some(row)
    }
}

/// Goes over the fields to find where they end, and that each is whole.
fn take_fields<'a>(bytes: &mut &'a [u8]) -> Result<Fields<'a>, Error> {
    let count = varint::take(bytes)?;
    let Some(left) = usize::try_from(count).ok().filter(|count| *count <= MAX_FIELDS) else {
        return Err(Error::Value { what: "a row's count of fields", value: count });
    };
    let fields = Fields { bytes, left };
    for _ in 0..left {
        if take_text(bytes, "a field's name", MAX_FIELD_NAME_BYTES)?.is_empty() {
            return Err(Error::Value { what: "the length of a field's name", value: 0 });
        }
        take_bytes(bytes, "a field's value")?;
    }
    Ok(fields)
}

/// The fields of a row: names, and values as raw bytes. A name may come twice: what then counts is the store's to say.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    /// They begin here, and have been gone over: each is whole.
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = take_text(&mut self.bytes, "a field's name", MAX_FIELD_NAME_BYTES).ok()?;
        Some((name, take_bytes(&mut self.bytes, "a field's value").ok()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for Fields<'_> {}
