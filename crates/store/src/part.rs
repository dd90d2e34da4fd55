//! A part: an immutable file of rows, with what tells a query which of them it need not read.
//!
//! A part begins with its magic and the format's version. Then come pieces, each behind a head (magic, length, CRC32 of both): frames,
//! the counts of each app behind its frames, token filters for up to some thousand frames, at last the tables. The footer, the last
//! 40 bytes, says where the tables are. docs/format.md has every byte of it.

mod counts;
mod error;
mod frame;
mod head;
mod ints;
mod listing;
mod merge;
mod press;
mod reader;
mod rescue;
mod split;
mod tables;
mod texts;
pub mod tokens;
mod wire;
mod writer;

pub use counts::Count;
pub use error::Error;
pub use frame::Frame;
pub use listing::listing;
pub use merge::{Floor, Keep, MergeError, merge};
pub use reader::{Lookup, Part};
pub(crate) use rescue::frames as rescued_frames;
pub(crate) use split::Known;
pub use split::{Slots, Templates, Values};
pub use tables::{FrameInfo, Section, Sizes, Stream};
pub use writer::PartWriter;

use head::{HEAD_BYTES, footer};
use press::Press;
use texts::Care;

/// Version of the format that is written, and the latest that is read.
pub const VERSION: u32 = 1;

/// How a part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// zstd's level.
    pub level: i32,
    /// Bytes of text at which a frame ends.
    pub frame_text_bytes: usize,
    /// Rows at which a frame ends.
    pub frame_rows: usize,
    /// Whether messages are split into templates and what varies.
    pub split: bool,
}

impl Options {
    /// For rows that have just come: quick, and small frames, so that the newest rows of an app are read quickly.
    pub const HOT: Self = Self { level: 1, frame_text_bytes: 256 << 10, frame_rows: 8 << 10, split: true };

    /// For a day to which hardly anything will be added: written once, and read for weeks.
    pub const CLOSED: Self = Self { level: 12, frame_text_bytes: 1 << 20, frame_rows: 32 << 10, split: true };
}

/// The bytes of a column with these messages, as a frame has it, without its checksum; `is_fine` as for a day that is over. For fuzzing too.
///
/// # Errors
/// When zstd has no memory.
pub fn column_of(messages: &query::Text, is_fine: bool) -> Result<Vec<u8>, Error> {
    let care = if is_fine { Care::Fine } else { Care::Split };
    let mut bytes = Vec::new();
    let values = texts::Values::of(messages);
    texts::put(values, care.split(values).as_ref(), &mut Press::new(1)?, &mut bytes);
    Ok(bytes)
}

/// The column of `rows` rows that a frame's bytes are, as if its checksum were right: what fuzzing reaches the encodings by.
///
/// # Errors
/// When they are none, or far too large.
pub fn column_from_bytes(bytes: &[u8], rows: usize) -> Result<query::Column, Error> {
    texts::take(bytes, rows).map_err(|bad| bad.at(0))
}

/// Of each row of such a column, whether its templates say that `text` may be in it; `None` if the column has none. [`Part`] does it for searches.
///
/// # Errors
/// [`Error::Damaged`] for any other bytes.
pub fn rows_that_may_have(bytes: &[u8], rows: usize, text: &[u8]) -> Result<Option<Vec<bool>>, Error> {
    let Some(templates) = texts::take_templates(bytes, rows) else { return Ok(None) };
    let templates = templates.map_err(|bad| bad.at(0))?;
    let slots = templates.slots().map_err(|bad| bad.at(0))?;
    let may = templates.may_have(Known::All(&slots), &[text]);
    Ok(Some(templates.refs.iter().map(|&at| may.get(at as usize).copied().unwrap_or(true)).collect()))
}

/// What a part holds, as its writer or its tables say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many rows.
    pub rows: u64,
    /// How many frames.
    pub frames: u64,
    /// Earliest and latest time, both inclusive, Unix nanoseconds.
    pub time: (i64, i64),
    /// Lowest and highest pos, both inclusive.
    pub pos: (u64, u64),
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// zstd's level that it was written at, or the lowest of several.
    pub level: u32,
    /// Bytes by section; the tables' own are only those of their heads.
    pub sizes: Sizes,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            rows: 0,
            frames: 0,
            time: (i64::MAX, i64::MIN),
            pos: (u64::MAX, 0),
            file_bytes: 0,
            level: 0,
            sizes: [0; 12],
        }
    }
}

impl Summary {
    /// A frame is there too.
    fn add(&mut self, rows: usize, time: (i64, i64), pos: (u64, u64)) {
        self.rows += rows as u64;
        self.frames += 1;
        self.time = (self.time.0.min(time.0), self.time.1.max(time.1));
        self.pos = (self.pos.0.min(pos.0), self.pos.1.max(pos.1));
    }
}

#[cfg(test)]
mod tests;
