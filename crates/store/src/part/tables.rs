//! What a part knows of its frames: apps, streams, sources, and the directory.
//!
//! Written one behind the other, then pressed: level of compression (varint), section sizes (numbers with their length, one for
//! each of [`Section::ALL`]), apps, streams, sources, frames, token filter groups. Each list has its count before it (varint). An app is org and name
//! (strings), and of its counts place (u64), length and cells (varints), CRC32 (u32); a stream is the app's number (varint), region, instance, host (strings); a
//! source is the stream's number (varint) and the boot (u64). The directory is blocks of numbers, each with its length: see
//! [`Directory::put`].

use std::ops::Range;
use std::sync::Arc;

use line::{Boot, Name, OrgId, varint};

use super::error::Bad;
use super::press::Press;
use super::tokens::Group;
use super::wire::{put_bytes, put_count, take_bytes, take_count, take_str, take_u32, take_u64};
use super::{frame, ints};

/// Most entries of any list that a reader takes.
const MAX_ENTRIES: usize = 1 << 24;

/// An app that has rows in a part.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) org: OrgId,
    pub(super) app: Name,
    pub(super) counts_at: u64,
    pub(super) counts_len: usize,
    pub(super) counts_cells: usize,
    pub(super) counts_crc: u32,
}

/// A Machine that has rows in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Number of its app in the part.
    pub app: u32,
    /// Its region.
    pub region: Name,
    /// Its id.
    pub instance: Name,
    /// The host it ran on; empty if nobody said.
    pub host: Arc<str>,
}

/// What the directory says of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// Number of its app in the part.
    pub app: u32,
    /// Where it begins in the file.
    pub at: u64,
    /// Its length in bytes.
    pub len: u64,
    /// How many rows it has, at least 1.
    pub rows: u32,
    /// The earliest time, Unix nanoseconds.
    pub from: i64,
    /// The latest time, inclusive.
    pub to: i64,
    /// The lowest pos.
    pub pos_from: u64,
    /// The highest pos, inclusive.
    pub pos_to: u64,
    /// Bytes of text in it before compression.
    pub text_bytes: u64,
    /// Bit `i`: some row has the level of code `i`.
    pub levels: u8,
    /// Where its sources stand in [`Directory::source_lists`].
    pub(super) sources: Range<usize>,
}

/// Whether a column of the directory is written as differences, and its numbers.
type Column = (bool, fn(&FrameInfo) -> u64);

/// The frames of a part.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) frames: Vec<FrameInfo>,
    /// The sources of all frames, each frame's by itself and rising.
    pub(super) source_lists: Vec<u32>,
}

impl Directory {
    /// The sources of a frame: numbers in the part.
    pub(super) fn sources(&self, frame: &FrameInfo) -> &[u32] {
        self.source_lists.get(frame.sources.clone()).unwrap_or(&[])
    }

    /// Count of frames (varint), then blocks: app (deltas), place (deltas), length, rows, earliest time (deltas), latest less earliest
    /// time, lowest pos (deltas), highest less lowest pos, bytes of text, levels, count of sources; count of all sources (varint), block: sources (deltas).
    fn put(&self, press: &mut Press, out: &mut Vec<u8>) {
        put_count(out, self.frames.len());
        let columns: [Column; 11] = [
            (true, |f| u64::from(f.app)),
            (true, |f| f.at),
            (false, |f| f.len),
            (false, |f| u64::from(f.rows)),
            (true, |f| ints::from_time(f.from)),
            (false, |f| f.to.wrapping_sub(f.from).cast_unsigned()),
            (true, |f| f.pos_from),
            (false, |f| f.pos_to.wrapping_sub(f.pos_from)),
            (false, |f| f.text_bytes),
            (false, |f| u64::from(f.levels)),
            (false, |f| f.sources.len() as u64),
        ];
        for (deltas, column) in columns {
            let values: Vec<u64> = self.frames.iter().map(column).collect();
            put_block(&values, deltas, press, out);
        }
        put_count(out, self.source_lists.len());
        let sources: Vec<u64> = self.source_lists.iter().map(|&source| u64::from(source)).collect();
        put_block(&sources, true, press, out);
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Bad> {
        // A frame takes at least a byte of the file, and the tables are shorter than it.
        let count = take_count(bytes, MAX_ENTRIES)?;
        let mut columns = Vec::with_capacity(11);
        for _ in 0..11 {
            columns.push(ints::take(take_bytes(bytes)?, count)?);
        }
        let source_count = take_count(bytes, MAX_ENTRIES)?;
        let sources = ints::take(take_bytes(bytes)?, source_count)?;
        let mut directory = Self::default();
        for source in sources {
            directory.source_lists.push(u32::try_from(source).map_err(|_| Bad("a source's number"))?);
        }
        let mut begin = 0usize;
        while directory.frames.len() < count {
            let info = frame_info(&columns, directory.frames.len(), begin)?;
            begin = info.sources.end;
            directory.frames.push(info);
        }
        if begin != source_count {
            return Err(Bad("the sources of frames"));
        }
        Ok(directory)
    }
}

/// Row `row` of the directory's columns; its sources begin at `begin`.
fn frame_info(columns: &[Vec<u64>], row: usize, begin: usize) -> Result<FrameInfo, Bad> {
    let get = |column: usize| columns[column][row];
    let number = |column: usize| u32::try_from(get(column)).map_err(|_| Bad("a frame's numbers"));
    let from = ints::to_time(get(4));
    let sources = usize::try_from(get(10)).unwrap_or(usize::MAX);
    Ok(FrameInfo {
        app: number(0)?,
        at: get(1),
        len: get(2),
        rows: number(3)?,
        from,
        to: from.wrapping_add(get(5).cast_signed()),
        pos_from: get(6),
        pos_to: get(6).wrapping_add(get(7)),
        text_bytes: get(8),
        levels: get(9).to_le_bytes()[0],
        sources: begin..begin.checked_add(sources).ok_or(Bad("a frame's sources"))?,
    })
}

fn put_block(values: &[u64], deltas: bool, press: &mut Press, out: &mut Vec<u8>) {
    let mut block = Vec::new();
    if deltas {
        ints::put_deltas(values, press, &mut block);
    } else {
        ints::put(values, press, &mut block);
    }
    put_bytes(out, &block);
}

/// A kind of bytes in a part, for the table of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Times.
    Time,
    /// Commit order.
    Pos,
    /// Which Machine and boot.
    Source,
    /// Sequence numbers.
    Seq,
    /// Spans.
    Span,
    /// Level, stream, provider and kin.
    Kind,
    /// Messages.
    Message,
    /// Further fields.
    Fields,
    /// Headers of frames.
    Headers,
    /// Token filters.
    Tokens,
    /// Counts by stream, minute and level.
    Counts,
    /// Tables, footer and heads.
    Tables,
}

impl Section {
    /// All, in the order of the file's table of sizes.
    pub const ALL: [Self; 12] = [
        Self::Time,
        Self::Pos,
        Self::Source,
        Self::Seq,
        Self::Span,
        Self::Kind,
        Self::Message,
        Self::Fields,
        Self::Headers,
        Self::Tokens,
        Self::Counts,
        Self::Tables,
    ];

    /// What `logway store stats` calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Pos => "pos",
            Self::Source => "source",
            Self::Seq => "seq",
            Self::Span => "span",
            Self::Kind => "kind",
            Self::Message => "messages",
            Self::Fields => "fields",
            Self::Headers => "headers",
            Self::Tokens => "token filters",
            Self::Counts => "counts",
            Self::Tables => "tables",
        }
    }
}

/// Bytes of each section, in the order of [`Section::ALL`].
pub type Sizes = [u64; 12];

/// All tables of a part.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// zstd's level that the frames were written at, or the lowest of several.
    pub(super) level: u32,
    pub(super) sizes: Sizes,
    pub(super) apps: Vec<App>,
    pub(super) streams: Vec<Stream>,
    /// Number of the stream, and the boot.
    pub(super) sources: Vec<(u32, Boot)>,
    pub(super) directory: Directory,
    pub(super) groups: Vec<Group>,
}

impl Tables {
    /// The tables, not yet pressed.
    pub(super) fn put(&self, press: &mut Press) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put(&mut out, u64::from(self.level));
        put_block(&self.sizes, false, press, &mut out);
        put_count(&mut out, self.apps.len());
        for app in &self.apps {
            put_bytes(&mut out, app.org.as_str().as_bytes());
            put_bytes(&mut out, app.app.as_str().as_bytes());
            out.extend_from_slice(&app.counts_at.to_le_bytes());
            put_count(&mut out, app.counts_len);
            put_count(&mut out, app.counts_cells);
            out.extend_from_slice(&app.counts_crc.to_le_bytes());
        }
        put_count(&mut out, self.streams.len());
        for stream in &self.streams {
            varint::put(&mut out, u64::from(stream.app));
            for text in [stream.region.as_str(), stream.instance.as_str(), &stream.host] {
                put_bytes(&mut out, text.as_bytes());
            }
        }
        put_count(&mut out, self.sources.len());
        for (stream, boot) in &self.sources {
            varint::put(&mut out, u64::from(*stream));
            out.extend_from_slice(&boot.bits().to_le_bytes());
        }
        self.directory.put(press, &mut out);
        put_count(&mut out, self.groups.len());
        self.groups.iter().for_each(|group| group.put(press, &mut out));
        out
    }

    /// The tables of a file whose tables begin at `end`, checked for sense: every number points at something that is there.
    pub(super) fn take(mut bytes: &[u8], end: u64) -> Result<Self, Bad> {
        let bytes = &mut bytes;
        let level = u32::try_from(varint::take(bytes)?).map_err(|_| Bad("a level"))?;
        let sizes = ints::take(take_bytes(bytes)?, Section::ALL.len())?;
        let mut tables = Self {
            level,
            sizes: sizes.try_into().map_err(|_| Bad("the table of sizes"))?,
            ..Self::default()
        };
        for _ in 0..take_count(bytes, MAX_ENTRIES)? {
            tables.apps.push(App {
                org: OrgId::new(take_str(bytes)?)?,
                app: frame::take_name(bytes)?,
                counts_at: take_u64(bytes)?,
                counts_len: take_count(bytes, usize::MAX)?,
                counts_cells: take_count(bytes, MAX_ENTRIES)?,
                counts_crc: take_u32(bytes)?,
            });
        }
        for _ in 0..take_count(bytes, MAX_ENTRIES)? {
            let app = u32::try_from(varint::take(bytes)?).map_err(|_| Bad("an app's number"))?;
            let (region, instance) = (frame::take_name(bytes)?, frame::take_name(bytes)?);
            tables.streams.push(Stream { app, region, instance, host: take_str(bytes)?.into() });
        }
        for _ in 0..take_count(bytes, MAX_ENTRIES)? {
            let stream = u32::try_from(varint::take(bytes)?).map_err(|_| Bad("a stream's number"))?;
            tables.sources.push((stream, Boot::from_bits(take_u64(bytes)?)));
        }
        tables.directory = Directory::take(bytes)?;
        let mut first_frame = 0;
        for _ in 0..take_count(bytes, MAX_ENTRIES)? {
            let group = Group::take(bytes, first_frame)?;
            first_frame = group.frames().end;
            tables.groups.push(group);
        }
        if bytes.is_empty() && first_frame == tables.directory.frames.len() && tables.make_sense(end) {
            Ok(tables)
        } else {
            Err(Bad("the tables of a part"))
        }
    }

    /// Whether every number points at something that is there, and all stands before `end`.
    fn make_sense(&self, end: u64) -> bool {
        let inside = |at: u64, len: u64| at.checked_add(len).is_some_and(|to| to <= end);
        let apps = |app: u32| (app as usize) < self.apps.len();
        let frame = |frame: &FrameInfo| {
            apps(frame.app)
                && inside(frame.at, frame.len)
                && (1..=frame::MAX_ROWS).contains(&(frame.rows as usize))
                && frame.from <= frame.to
                && frame.pos_from <= frame.pos_to
        };
        self.apps.iter().all(|app| inside(app.counts_at, app.counts_len as u64))
            && self.apps.is_sorted_by(|one, two| (&one.org, &one.app) < (&two.org, &two.app))
            && self.streams.iter().all(|stream| apps(stream.app))
            && self.sources.iter().all(|(stream, _)| (*stream as usize) < self.streams.len())
            && self.directory.frames.iter().all(frame)
            && self.directory.frames.is_sorted_by_key(|frame| frame.app)
            && self.directory.source_lists.iter().all(|&source| (source as usize) < self.sources.len())
            && self.groups.iter().all(|group| inside(group.at, group.len()))
    }
}
