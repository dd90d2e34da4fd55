//! Rows to a part.

use std::collections::HashMap;
use std::sync::Arc;

use disk::File;
use line::{Level, Name, OrgId};

use super::counts::Counter;
use super::error::Error;
use super::frame::{self, Copy};
use super::press::Press;
use super::tables::{App, FrameInfo, Section, Stream, Tables};
use super::texts::{Care, Values};
use super::tokens::{FrameFilter, GroupWriter, TokenSet};
use super::wire::len_u32;
use super::{HEAD_BYTES, Options, Summary, footer, head};
use crate::Rows;
use crate::rows::{Kind, Picker, Source, sorted};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// A frame ends before its next row could bring more further fields than it may have: a row has up to so many.
const ROW_FIELDS: usize = crate::flatten::MAX_FIELDS + 48;

/// Writes one part. Rows come app by app, in order of org and app.
#[derive(Debug)]
pub struct PartWriter {
    file: Arc<dyn File>,
    options: Options,
    press: Press,
    /// What is not yet in the file, and where it belongs.
    buffer: Vec<u8>,
    at: u64,
    tables: Tables,
    group: GroupWriter,
    /// The frame that the group begins with.
    group_begin: usize,
    tokens: TokenSet,
    counter: Counter,
    /// The first stream of the app that is being written.
    first_stream: u32,
    /// Numbers of its sources in the part.
    sources: HashMap<Source, u32>,
    summary: Summary,
}

/// What the tables need to know of a frame.
struct Facts<'a> {
    sources: &'a [Source],
    times: &'a [i64],
    refs: &'a [u32],
    kinds: &'a [u16],
    pos: (u64, u64),
    text_bytes: u64,
}

impl PartWriter {
    /// Begins a part in `file`, which is empty.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new(file: Arc<dyn File>, options: Options) -> Result<Self, Error> {
        Ok(Self {
            file,
            options,
            press: Press::new(options.level)?,
            buffer: head::file(),
            at: 0,
            tables: Tables { level: u32::try_from(options.level).unwrap_or(0), ..Tables::default() },
            group: GroupWriter::default(),
            group_begin: 0,
            tokens: TokenSet::new(),
            counter: Counter::default(),
            first_stream: 0,
            sources: HashMap::new(),
            summary: Summary::default(),
        })
    }

    /// Adds those rows of `many`, all of one app, whose time is in `from..to` (any time from `from` on, if `to` is `i64::MAX`). They need
    /// not be sorted. An app that comes again must be the one that came last.
    ///
    /// # Errors
    /// [`Error::Order`] for an app that should have come earlier; when the disk fails or is full. The part is of no use then.
    pub fn push(&mut self, many: &[&Rows], from: i64, to: i64) -> Result<(), Error> {
        let order = sorted(many, from, to);
        let (Some(&(at, _)), Some(first)) = (order.first(), many.first()) else { return Ok(()) };
        debug_assert!((at as usize) < many.len());
        self.begin_app(first.org(), first.app())?;
        let mut frame = Rows::new(first.org().clone(), first.app().clone());
        let mut picker = Picker::new(many.len());
        for (at, row) in order {
            let (at, row) = (at as usize, row as usize);
            if !picker.pick(&mut frame, at, many[at], row) {
                return Err(Error::Order);
            }
            if self.options.is_full(&frame) {
                self.write_frame(&frame)?;
                frame = Rows::new(first.org().clone(), first.app().clone());
                picker.forget_sources();
            }
        }
        if frame.is_empty() { Ok(()) } else { self.write_frame(&frame) }
    }

    /// Sees to it that `app` of `org` is the one whose frames come.
    fn begin_app(&mut self, org: &OrgId, app: &Name) -> Result<(), Error> {
        if let Some(last) = self.tables.apps.last() {
            match (&last.org, &last.app).cmp(&(org, app)) {
                std::cmp::Ordering::Equal => return Ok(()),
                std::cmp::Ordering::Greater => return Err(Error::Order),
                std::cmp::Ordering::Less => self.end_app()?,
            }
        }
        self.first_stream = len_u32(self.tables.streams.len());
        self.sources.clear();
        let (org, app) = (org.clone(), app.clone());
        self.tables.apps.push(App { org, app, counts_at: 0, counts_len: 0, counts_cells: 0, counts_crc: 0 });
        Ok(())
    }

    /// Writes the counts of the app that came last.
    fn end_app(&mut self) -> Result<(), Error> {
        let mut counts = Vec::new();
        let cells = self.counter.finish(self.first_stream, &mut self.press, &mut counts);
        let at = self.write_piece(head::COUNTS, &counts)?;
        self.add_size(Section::Counts, counts.len() as u64);
        if let Some(app) = self.tables.apps.last_mut() {
            (app.counts_at, app.counts_len, app.counts_cells) = (at, counts.len(), cells);
            app.counts_crc = crc32fast::hash(&counts);
        }
        Ok(())
    }

    /// Writes a frame of the app that came last; `rows` are sorted.
    fn write_frame(&mut self, rows: &Rows) -> Result<(), Error> {
        let found = self.options.care().split(Values::of(&rows.messages));
        let filter = self.tokens.filter(rows, found.as_ref());
        let mut bytes = Vec::with_capacity(rows.text_bytes() / 4);
        let written = frame::write(rows, found.as_ref(), &mut self.press, &mut bytes);
        for (section, size) in Section::ALL.into_iter().zip(written.column_bytes) {
            self.add_size(section, size);
        }
        self.add_size(Section::Headers, written.header_bytes);
        let text_bytes = rows.text_bytes() as u64;
        let pos = rows.pos_range().ok_or(Error::Order)?;
        let (sources, times) = (rows.sources(), rows.times());
        let facts = Facts { sources, times, refs: &rows.source, kinds: &rows.kinds, pos, text_bytes };
        self.add_frame(facts, &bytes, filter)
    }

    /// Adds a frame of another part as it is, whose further facts are `info`.
    ///
    /// # Errors
    /// As [`PartWriter::push`].
    pub(super) fn copy(&mut self, copy: &Copy, info: &FrameInfo, filter: FrameFilter) -> Result<(), Error> {
        let frame = &copy.frame;
        self.begin_app(frame.org(), frame.app())?;
        for (section, size) in frame.sizes() {
            self.add_size(section, size);
        }
        let (pos, text_bytes) = ((info.pos_from, info.pos_to), info.text_bytes);
        let facts = Facts {
            sources: frame.sources(),
            times: &copy.times,
            refs: &copy.refs,
            kinds: &copy.kinds,
            pos,
            text_bytes,
        };
        self.add_frame(facts, &copy.bytes, filter)
    }

    fn add_frame(&mut self, facts: Facts<'_>, bytes: &[u8], filter: FrameFilter) -> Result<(), Error> {
        let Facts { sources, times, refs, kinds, pos, text_bytes } = facts;
        let numbers: Vec<u32> = sources.iter().map(|source| self.source_number(source)).collect();
        let streams: Vec<u32> = numbers
            .iter()
            .map(|&number| self.tables.sources[number as usize].0 - self.first_stream)
            .collect();
        let mut levels = 0;
        for ((&time, &source), &kind) in times.iter().zip(refs).zip(kinds) {
            let level: Level = Kind::from_bits(kind).level;
            levels |= 1 << level.code();
            self.counter.add(time, streams[source as usize], level.code());
        }
        let at = self.write_piece(head::FRAME, bytes)?;
        let begin = self.tables.directory.source_lists.len();
        self.tables.directory.source_lists.extend_from_slice(&numbers);
        self.tables.directory.source_lists[begin..].sort_unstable();
        let (Some(&from), Some(&to)) = (times.first(), times.last()) else { return Err(Error::Order) };
        self.tables.directory.frames.push(FrameInfo {
            app: len_u32(self.tables.apps.len() - 1),
            at,
            len: bytes.len() as u64,
            rows: len_u32(times.len()),
            from,
            to,
            pos_from: pos.0,
            pos_to: pos.1,
            text_bytes,
            levels,
            sources: begin..begin + numbers.len(),
        });
        self.summary.add(times.len(), (from, to), pos);
        if self.group.add(filter) { self.write_group() } else { Ok(()) }
    }

    /// The number of a source of this app in the part.
    fn source_number(&mut self, source: &Source) -> u32 {
        if let Some(&number) = self.sources.get(source) {
            return number;
        }
        let app = len_u32(self.tables.apps.len() - 1);
        let stream = Stream {
            app,
            region: source.region.clone(),
            instance: source.instance.clone(),
            host: Arc::clone(&source.host),
        };
        // Boots of one Machine come close together.
        let known = &self.tables.streams[self.first_stream as usize..];
        let index = match known.iter().rposition(|known| *known == stream) {
            Some(index) => self.first_stream + len_u32(index),
            None => {
                self.tables.streams.push(stream);
                len_u32(self.tables.streams.len() - 1)
            }
        };
        let number = len_u32(self.tables.sources.len());
        self.tables.sources.push((index, source.boot));
        self.sources.insert(source.clone(), number);
        number
    }

    fn write_group(&mut self) -> Result<(), Error> {
        if self.group.is_empty() {
            return Ok(());
        }
        let mut pages = Vec::new();
        let mut group = self.group.finish(self.group_begin, &mut pages);
        self.group_begin = group.frames().end;
        group.at = self.write_piece(head::TOKENS, &pages)?;
        self.add_size(Section::Tokens, pages.len() as u64);
        self.tables.groups.push(group);
        Ok(())
    }

    /// Writes everything that is left. The file is whole then, but not yet durable.
    ///
    /// # Errors
    /// [`Error::Order`] without any row; when the disk fails or is full.
    pub fn finish(mut self) -> Result<Summary, Error> {
        if self.tables.apps.is_empty() {
            return Err(Error::Order);
        }
        self.end_app()?;
        self.write_group()?;
        self.tables.sizes = self.summary.sizes;
        let tables = self.tables.put(&mut self.press);
        let mut pressed = Vec::new();
        self.press.put(&tables, &mut pressed);
        let at = self.write_piece(head::TABLES, &pressed)?;
        self.buffer.extend_from_slice(&footer(at, &pressed));
        self.flush()?;
        self.summary.file_bytes = self.at;
        self.summary.level = self.tables.level;
        Ok(self.summary)
    }

    fn add_size(&mut self, section: Section, bytes: u64) {
        self.summary.sizes[section as usize] += bytes;
    }

    /// Writes a piece with its head, and says where the piece itself begins.
    fn write_piece(&mut self, magic: [u8; 4], bytes: &[u8]) -> Result<u64, Error> {
        self.buffer.extend_from_slice(&head::piece(magic, bytes.len() as u64));
        let at = self.at + self.buffer.len() as u64;
        self.add_size(Section::Tables, HEAD_BYTES as u64);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(at)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.file.write_at(self.at, &self.buffer)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Options {
    /// How messages are written.
    fn care(&self) -> Care {
        match (self.split, self.level) {
            (false, _) => Care::Plain,
            (true, ..5) => Care::Split,
            (true, _) => Care::Fine,
        }
    }

    /// Whether a frame is to end here.
    pub(super) fn is_full(&self, rows: &Rows) -> bool {
        rows.text_bytes() >= self.frame_text_bytes
            || rows.len() >= self.frame_rows.min(frame::MAX_ROWS)
            || rows.fields().len() + ROW_FIELDS > frame::MAX_FIELDS
            || rows.is_wide()
    }
}
