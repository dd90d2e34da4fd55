//! Several parts to one.
//!
//! A frame that is full and written well enough is copied byte for byte; the others are read, and their rows come together in new frames. Frames
//! of one app may overlap in time afterwards, as they did before.

use std::sync::Arc;

use disk::File;
use line::{Name, OrgId};

use super::error::Error;
use super::reader::Part;
use super::tables::FrameInfo;
use super::tokens::{ClassCache, TokenSet};
use super::{Options, PartWriter, Summary};
use crate::Rows;

/// Rows that wait for those that belong between them take at most so many times the text of a frame.
const MAX_WAITING: usize = 4;

/// Why parts could not be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of them could not be read.
    #[error("part {part} of the merge: {source}")]
    Read {
        /// Its place among those given.
        part: usize,
        /// What is wrong with it.
        source: Error,
    },
    /// The new one could not be written.
    #[error("writing the merged part: {0}")]
    Write(#[from] Error),
    /// Whoever asked for it does not want it any more.
    #[error("the merge was called off")]
    Cancelled,
}

/// From where on rows of an app are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Earlier rows are not, Unix nanoseconds.
    pub time: i64,
    /// Nor are rows of a lower pos.
    pub pos: u64,
}

impl Floor {
    /// All rows are kept.
    pub const NONE: Self = Self { time: i64::MIN, pos: 0 };

    /// Whether no row of a frame is kept.
    pub(crate) const fn has_none_of(self, frame: &FrameInfo) -> bool {
        frame.to < self.time || frame.pos_to < self.pos
    }

    /// Whether all are.
    const fn has_all_of(self, frame: &FrameInfo) -> bool {
        frame.from >= self.time && frame.pos_from >= self.pos
    }
}

/// Decides from where on rows of an app are kept.
pub type Keep<'a> = &'a dyn Fn(&OrgId, &Name) -> Floor;

/// Writes the rows of `parts` that `keep` keeps into `file`, which is empty. Before each frame `go_on` is asked whether to. `None` if
/// no row was left. The file is not yet durable.
///
/// # Errors
/// See [`MergeError`]. The file is of no use then.
pub fn merge(
    parts: &[&Part],
    keep: Keep<'_>,
    options: Options,
    file: Arc<dyn File>,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<Summary>, MergeError> {
    let mut apps: Vec<(&OrgId, &Name)> = parts.iter().flat_map(|part| part.apps()).collect();
    apps.sort_unstable();
    apps.dedup();
    let writer = PartWriter::new(file, options)?;
    let cache = ClassCache::new();
    let mut merge =
        Merge { parts, options, writer, cache, tokens: TokenSet::new(), waiting: Vec::new(), any: false };
    for (org, app) in apps {
        merge.app(org, app, keep(org, app), go_on)?;
    }
    if merge.any { Ok(Some(merge.writer.finish()?)) } else { Ok(None) }
}

struct Merge<'a> {
    parts: &'a [&'a Part],
    options: Options,
    writer: PartWriter,
    cache: ClassCache,
    tokens: TokenSet,
    /// Rows of the app that are not yet in a frame.
    waiting: Vec<Rows>,
    any: bool,
}

/// A frame of one of the parts.
struct Place<'a> {
    part: usize,
    frame: usize,
    info: &'a FrameInfo,
}

impl Merge<'_> {
    fn app(
        &mut self,
        org: &OrgId,
        app: &Name,
        floor: Floor,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), MergeError> {
        let parts = self.parts;
        let mut places = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let Some(number) = part.app_number(org, app) else { continue };
            let frames =
                part.frames_of(number).map(|frame| Place { part: at, frame, info: &part.frames()[frame] });
            places.extend(frames.filter(|place| !floor.has_none_of(place.info)));
        }
        places.sort_by_key(|place| (place.info.from, place.info.to, place.part));
        for place in places {
            if !go_on() {
                return Err(MergeError::Cancelled);
            }
            // What is earlier than this frame can have no other row between.
            self.write_waiting(place.info.from)?;
            if self.is_good(&place, floor) {
                self.copy(&place)?;
            } else {
                self.read(&place, floor)?;
            }
        }
        self.write(i64::MAX)
    }

    /// Whether a frame may stay as it is.
    fn is_good(&self, place: &Place<'_>, floor: Floor) -> bool {
        let (text, rows) = (place.info.text_bytes, u64::from(place.info.rows));
        let full = text * 4 >= self.options.frame_text_bytes as u64 * 3
            || rows * 4 >= self.options.frame_rows as u64 * 3;
        let level = u32::try_from(self.options.level).unwrap_or(0);
        full && floor.has_all_of(place.info) && self.parts[place.part].summary().level >= level
    }

    fn copy(&mut self, place: &Place<'_>) -> Result<(), MergeError> {
        let part = self.parts[place.part];
        let read = |source| MergeError::Read { part: place.part, source };
        let frame = part.frame(place.frame).map_err(read)?;
        let filter = match part.filter(place.frame, &mut self.cache) {
            Some(filter) => filter,
            None => self.tokens.filter(&frame.decode().map_err(read)?, None),
        };
        self.any = true;
        let copy = frame.into_copy().map_err(read)?;
        Ok(self.writer.copy(&copy, place.info, filter)?)
    }

    fn read(&mut self, place: &Place<'_>, floor: Floor) -> Result<(), MergeError> {
        let decode = self.parts[place.part].frame(place.frame).and_then(|frame| frame.decode());
        let rows = decode.map_err(|source| MergeError::Read { part: place.part, source })?;
        let keeps = |row: usize| rows.times()[row] >= floor.time && rows.positions()[row] >= floor.pos;
        let rows = if floor.has_all_of(place.info) { rows } else { rows.filter(keeps) };
        self.waiting.push(rows);
        Ok(())
    }

    /// Writes rows that wait, if there are enough for a frame: those before `until`, or all if too many wait.
    fn write_waiting(&mut self, until: i64) -> Result<(), MergeError> {
        let text: usize = self.waiting.iter().map(Rows::text_bytes).sum();
        let rows: usize = self.waiting.iter().map(Rows::len).sum();
        let (text_limit, row_limit) = (self.options.frame_text_bytes, self.options.frame_rows);
        if text >= text_limit * MAX_WAITING || rows >= row_limit * MAX_WAITING {
            return self.write(i64::MAX);
        }
        let before = |rows: &Rows| rows.times().partition_point(|&time| time < until);
        let ready: usize = self.waiting.iter().map(before).sum();
        let enough = ready >= row_limit || (ready * 4 >= rows * 3 && text >= text_limit);
        if enough { self.write(until) } else { Ok(()) }
    }

    /// Writes rows that wait and are before `until`; the others go on waiting.
    fn write(&mut self, until: i64) -> Result<(), MergeError> {
        let waiting = std::mem::take(&mut self.waiting);
        let many: Vec<&Rows> = waiting.iter().filter(|rows| !rows.is_empty()).collect();
        if many.is_empty() {
            return Ok(());
        }
        self.writer.push(&many, i64::MIN, until)?;
        self.any = true;
        if until != i64::MAX {
            let late = waiting.iter().map(|rows| rows.filter(|row| rows.times()[row] >= until));
            self.waiting = late.filter(|rows| !rows.is_empty()).collect();
        }
        Ok(())
    }
}
