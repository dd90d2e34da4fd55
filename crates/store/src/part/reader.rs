//! A part that is open for reading.

use std::ops::Range;
use std::sync::Arc;

use disk::File;
use line::{Name, OrgId};

use super::counts::{self, Count};
use super::error::{Bad, Error};
use super::frame::Frame;
use super::head::{self, FOOTER_BYTES, read_footer};
use super::press::{MAX_BYTES, unpress};
use super::tables::{FrameInfo, Section, Stream, Tables};
use super::tokens::{ClassCache, FrameFilter};
use super::{Summary, VERSION};
use crate::rows::Source;

/// Most bytes of tables as they stand in the file.
const MAX_TABLES_BYTES: u64 = 256 << 20;

/// An open part: its tables are in memory, everything else is read when it is asked for.
#[derive(Debug)]
pub struct Part {
    file: Arc<dyn File>,
    tables: Tables,
    summary: Summary,
    /// Frames of each app.
    frames_of: Vec<Range<usize>>,
}

/// What a query knows of the rows that it looks for. Empty, it excludes nothing.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// By the numbers of [`Part::sources`], whether a row may come from there: see [`Part::source_mask`]. `None` for all.
    pub sources: Option<Vec<bool>>,
    /// The earliest time, Unix nanoseconds.
    pub from: i64,
    /// The latest time, inclusive.
    pub to: i64,
    /// Only rows whose pos is above.
    pub pos_above: Option<u64>,
    /// Only rows whose pos is below.
    pub pos_below: Option<u64>,
    /// Bit `i`: a row may have the level of code `i`.
    pub levels: u8,
    /// Each must be met, by having all hashes of one of its sets: see [`super::tokens::hash`]. A need with an empty set excludes nothing, one
    /// without any set everything.
    pub needs: Vec<Vec<Vec<u64>>>,
}

impl Default for Lookup {
    fn default() -> Self {
        let (from, to) = (i64::MIN, i64::MAX);
        Self { sources: None, from, to, pos_above: None, pos_below: None, levels: u8::MAX, needs: Vec::new() }
    }
}

impl Part {
    /// Opens the part in `file`: reads its tables.
    ///
    /// # Errors
    /// When the disk fails, the tables are damaged, or a later version wrote them.
    pub fn open(file: Arc<dyn File>) -> Result<Self, Error> {
        let len = file.len()?;
        let too_short = || Bad("a part that is too short").at(0);
        let footer_at = len.checked_sub(FOOTER_BYTES as u64).ok_or_else(too_short)?;
        let mut footer = [0; FOOTER_BYTES];
        let filled = file.read_at(footer_at, &mut footer)?;
        let (at, tables_len, crc) = read_footer(footer.get(..filled).unwrap_or_default(), footer_at)?;
        let bad = Bad("the tables of a part").at(at);
        if at.checked_add(tables_len) != Some(footer_at) || tables_len > MAX_TABLES_BYTES {
            return Err(bad);
        }
        let mut pressed = vec![0; usize::try_from(tables_len).unwrap_or(0)];
        let filled = file.read_at(at, &mut pressed)?;
        if filled != pressed.len() || crc32fast::hash(&pressed) != crc {
            return Err(bad);
        }
        let tables = unpress(&pressed, MAX_BYTES)
            .and_then(|bytes| Tables::take(&bytes, at))
            .map_err(|bad| bad.at(at))?;
        Ok(Self::of(file, tables, len, tables_len))
    }

    fn of(file: Arc<dyn File>, tables: Tables, file_bytes: u64, tables_len: u64) -> Self {
        let mut summary =
            Summary { file_bytes, level: tables.level, sizes: tables.sizes, ..Summary::default() };
        summary.sizes[Section::Tables as usize] +=
            tables_len + (FOOTER_BYTES + head::FILE_BYTES + head::HEAD_BYTES) as u64;
        let mut frames_of = vec![0..0; tables.apps.len()];
        for (index, frame) in tables.directory.frames.iter().enumerate() {
            summary.add(frame.rows as usize, (frame.from, frame.to), (frame.pos_from, frame.pos_to));
            let frames = &mut frames_of[frame.app as usize];
            let begin = if frames.end == 0 { index } else { frames.start };
            *frames = begin..index + 1;
        }
        Self { file, tables, summary, frames_of }
    }

    /// Rows, times, sizes.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Bytes of memory that the tables take, nearly.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let directory = &self.tables.directory;
        directory.frames.len() * size_of::<FrameInfo>()
            + directory.source_lists.len() * size_of::<u32>()
            + self.tables.streams.len() * 160
            + self.tables.sources.len() * 16
            + self.tables.apps.len() * 128
    }

    /// The apps that have rows here, in order of org and app.
    pub fn apps(&self) -> impl ExactSizeIterator<Item = (&OrgId, &Name)> {
        self.tables.apps.iter().map(|app| (&app.org, &app.app))
    }

    /// The number of an app.
    #[must_use]
    pub fn app_number(&self, org: &OrgId, app: &Name) -> Option<usize> {
        self.tables.apps.binary_search_by(|known| (&known.org, &known.app).cmp(&(org, app))).ok()
    }

    /// The frames of an app, by its number.
    #[must_use]
    pub fn frames_of(&self, app: usize) -> Range<usize> {
        self.frames_of.get(app).cloned().unwrap_or(0..0)
    }

    /// The Machines that have rows here.
    #[must_use]
    pub fn streams(&self) -> &[Stream] {
        &self.tables.streams
    }

    /// The frames: those of an app together, mostly by time.
    #[must_use]
    pub fn frames(&self) -> &[FrameInfo] {
        &self.tables.directory.frames
    }

    /// Numbers of the sources that a frame has rows of: places in what [`Part::source_mask`] gives.
    #[must_use]
    pub fn sources_of(&self, frame: usize) -> &[u32] {
        let frames = &self.tables.directory;
        frames.frames.get(frame).map_or(&[], |frame| frames.sources(frame))
    }

    /// Asks of each source of the apps in `apps` (by their numbers) whether a row may come from there; from others none may.
    pub fn source_mask(
        &self,
        apps: &[bool],
        mut may: impl FnMut(&OrgId, &Name, &Source) -> bool,
    ) -> Vec<bool> {
        let ask = |&(stream, boot): &(u32, line::Boot)| {
            let stream = &self.tables.streams[stream as usize];
            if !apps.get(stream.app as usize).copied().unwrap_or(false) {
                return false;
            }
            let app = &self.tables.apps[stream.app as usize];
            let (region, instance) = (stream.region.clone(), stream.instance.clone());
            may(&app.org, &app.app, &Source { region, instance, host: Arc::clone(&stream.host), boot })
        };
        self.tables.sources.iter().map(ask).collect()
    }

    /// The frames that may hold rows of `lookup`, rising. Never too few.
    ///
    /// # Errors
    /// None today: what cannot be read of the token filters excludes nothing.
    pub fn candidates(&self, lookup: &Lookup) -> Result<Vec<u32>, Error> {
        let mut may: Vec<bool> = (0..self.frames().len()).map(|frame| self.may(frame, lookup)).collect();
        for need in lookup.needs.iter().filter(|need| !need.iter().any(Vec::is_empty)) {
            for group in &self.tables.groups {
                let frames = &mut may[group.frames()];
                if frames.iter().any(|&may| may) {
                    let mut found = vec![false; frames.len()];
                    group.ask(&self.file, need, &mut found);
                    frames.iter_mut().zip(found).for_each(|(may, found)| *may &= found);
                }
            }
        }
        Ok((0u32..).zip(may).filter(|(_, may)| *may).map(|(frame, _)| frame).collect())
    }

    /// Whether the directory lets a frame through.
    fn may(&self, frame: usize, lookup: &Lookup) -> bool {
        let info = &self.tables.directory.frames[frame];
        let from_there = |mask: &Vec<bool>| {
            let sources = self.tables.directory.sources(info);
            sources.iter().any(|&source| mask.get(source as usize).copied().unwrap_or(false))
        };
        info.from <= lookup.to
            && info.to >= lookup.from
            && lookup.pos_above.is_none_or(|pos| info.pos_to > pos)
            && lookup.pos_below.is_none_or(|pos| info.pos_from < pos)
            && info.levels & lookup.levels != 0
            && lookup.sources.as_ref().is_none_or(from_there)
    }

    /// Opens a frame: reads its header.
    ///
    /// # Errors
    /// When the disk fails, the frame's header is damaged, or there is no such frame.
    pub fn frame(&self, index: usize) -> Result<Frame, Error> {
        let info = self.frames().get(index).ok_or(Bad("the number of a frame").at(0))?;
        let frame = Frame::open(&self.file, info.at, info.len)?;
        let app = &self.tables.apps[info.app as usize];
        // Rows of one org must never pass for those of another, whatever the disk says.
        if frame.rows() != info.rows as usize || *frame.org() != app.org || *frame.app() != app.app {
            return Err(Bad("a frame that is not the directory's").at(info.at));
        }
        Ok(frame)
    }

    /// The counts of an app, by its number: rows by stream, minute and level.
    ///
    /// # Errors
    /// When the disk fails or the counts are damaged; the rows can still be counted one by one.
    pub fn counts(&self, app: usize) -> Result<Vec<Count>, Error> {
        let app = self.tables.apps.get(app).ok_or(Bad("the number of an app").at(0))?;
        let bad = |bad: Bad| bad.at(app.counts_at);
        let mut bytes = vec![0; app.counts_len];
        let filled = self.file.read_at(app.counts_at, &mut bytes)?;
        if filled != bytes.len() || crc32fast::hash(&bytes) != app.counts_crc {
            return Err(bad(Bad("the counts of an app")));
        }
        let counts = counts::take(&bytes, app.counts_cells).map_err(bad)?;
        let known = counts.iter().all(|count| (count.stream as usize) < self.tables.streams.len());
        if known { Ok(counts) } else { Err(bad(Bad("the counts of an app"))) }
    }

    /// The token filter of a frame, or none if it is damaged.
    pub(super) fn filter(&self, frame: usize, cache: &mut ClassCache) -> Option<FrameFilter> {
        let group = self.tables.groups.iter().find(|group| group.frames().contains(&frame))?;
        group.extract(&self.file, cache, frame)
    }

    /// Reads everything and gives what is damaged.
    #[must_use]
    pub fn check(&self) -> Vec<Error> {
        let mut found = Vec::new();
        let mut begin = [0; head::FILE_BYTES];
        match self.file.read_at(0, &mut begin) {
            Ok(head::FILE_BYTES) if head::is_file(&begin) => {}
            Ok(_) => found.push(Bad("the beginning of a part").at(0)),
            Err(error) => found.push(error.into()),
        }
        for index in 0..self.frames().len() {
            found.extend(self.frame(index).and_then(|frame| frame.decode()).err());
        }
        for app in 0..self.tables.apps.len() {
            found.extend(self.counts(app).err());
        }
        for group in &self.tables.groups {
            if !group.is_whole(&self.file) {
                found.push(Bad("token filters").at(group.at));
            }
        }
        found.extend(self.check_heads());
        found
    }

    /// Whether the head of each piece is whole: nothing but a rescue without tables needs them.
    fn check_heads(&self) -> Option<Error> {
        let end = self.summary.file_bytes - FOOTER_BYTES as u64;
        let mut at = head::FILE_BYTES as u64;
        while at < end {
            let mut bytes = [0; head::HEAD_BYTES];
            let filled = match self.file.read_at(at, &mut bytes) {
                Ok(filled) => filled,
                Err(error) => return Some(error.into()),
            };
            let next =
                head::read_piece(&bytes).and_then(|(_, len)| at.checked_add(head::HEAD_BYTES as u64 + len));
            match next {
                Some(next) if filled == bytes.len() && next <= end => at = next,
                _ => return Some(Bad("the head of a piece").at(at)),
            }
        }
        None
    }

    /// Version of the format that the part is written in.
    #[must_use]
    pub const fn version(&self) -> u32 {
        VERSION
    }
}
