//! A frame to columns, or to rows.

use std::collections::HashMap;
use std::sync::Arc;

use disk::File;
use line::{Boot, Name, OrgId, varint};
use query::{Column, Text};

use super::super::error::{Bad, Error};
use super::super::press::{MAX_BYTES, unpress};
use super::super::split::{Slots, Templates, Values};
use super::super::tables::Section;
use super::super::wire::{take_array, take_bytes, take_count, take_str, take_u32, take_u64};
use super::super::{ints, texts};
use super::{KIND, MAX_COLUMNS, MAX_ROWS, MAX_SOURCES, MESSAGE, NAMED, POS, SEQ, SOURCE, SPAN, TIME};
use crate::rows::{Head, Kind, Rows, Source, by_ref, is_of_source, of_kinds, of_spans, source_value};

/// Most bytes of a header as it stands in the file.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// A frame of which the header was read. Columns are read when they are asked for, and checked then.
#[derive(Debug, Clone)]
pub struct Frame {
    file: Arc<dyn File>,
    at: u64,
    org: OrgId,
    app: Name,
    rows: usize,
    sources: Vec<Source>,
    columns: Vec<Place>,
    by_name: HashMap<Arc<str>, usize>,
}

/// A frame's bytes, with what a part's tables need to know of its rows.
#[derive(Debug)]
pub(in crate::part) struct Copy {
    pub(in crate::part) frame: Frame,
    pub(in crate::part) bytes: Vec<u8>,
    pub(in crate::part) times: Vec<i64>,
    pub(in crate::part) refs: Vec<u32>,
    pub(in crate::part) kinds: Vec<u16>,
}

/// Where a column stands.
#[derive(Debug, Clone)]
struct Place {
    id: u64,
    name: Arc<str>,
    at: u64,
    len: usize,
    crc: u32,
}

impl Frame {
    /// Reads the header of the frame of `len` bytes at `at`.
    ///
    /// # Errors
    /// When the disk fails or the header is damaged.
    pub(in crate::part) fn open(file: &Arc<dyn File>, at: u64, len: u64) -> Result<Self, Error> {
        // Most headers fit into the first read.
        let first = usize::try_from(len.min(1024)).unwrap_or(1024);
        let mut bytes = read(file, at, first)?;
        let mut rest = &bytes[..];
        let bad = |bad: Bad| bad.at(at);
        let header_len = u64::from(take_u32(&mut rest).map_err(bad)?);
        let crc = take_u32(&mut rest).map_err(bad)?;
        if header_len > len.saturating_sub(8).min(MAX_HEADER_BYTES) {
            return Err(Bad("the length of a frame's header").at(at));
        }
        let whole = usize::try_from(8 + header_len).unwrap_or(usize::MAX);
        if whole > bytes.len() {
            let more = read(file, at + bytes.len() as u64, whole - bytes.len())?;
            bytes.extend_from_slice(&more);
        }
        let header = bytes.get(8..whole).ok_or(Bad("a frame that ends early").at(at))?;
        if crc32fast::hash(header) != crc {
            return Err(Bad("a frame's header").at(at));
        }
        Self::parse(Arc::clone(file), at, len, header).map_err(bad)
    }

    fn parse(file: Arc<dyn File>, at: u64, len: u64, header: &[u8]) -> Result<Self, Bad> {
        let columns_at = 8 + header.len() as u64;
        let header = unpress(header, MAX_BYTES)?;
        let bytes = &mut &header[..];
        let org = OrgId::new(take_str(bytes)?)?;
        let app = take_name(bytes)?;
        let rows = take_count(bytes, MAX_ROWS)?;
        let count = take_count(bytes, MAX_SOURCES)?;
        let mut sources = Vec::new();
        for _ in 0..count {
            let (region, instance) = (take_name(bytes)?, take_name(bytes)?);
            let host = take_str(bytes)?.into();
            sources.push(Source { region, instance, host, boot: Boot::from_bits(take_u64(bytes)?) });
        }
        let mut frame =
            Self { file, at, org, app, rows, sources, columns: Vec::new(), by_name: HashMap::new() };
        let mut next = columns_at;
        for _ in 0..take_count(bytes, MAX_COLUMNS)? {
            let id = varint::take(bytes)?;
            let name: Arc<str> = if id == NAMED { take_str(bytes)?.into() } else { "".into() };
            let column_len = take_count(bytes, usize::MAX)?;
            let crc = take_u32(bytes)?;
            if id == NAMED {
                frame.by_name.insert(Arc::clone(&name), frame.columns.len());
            }
            frame.columns.push(Place { id, name, at: next, len: column_len, crc });
            next = next.checked_add(column_len as u64).ok_or(Bad("a column's length"))?;
        }
        if next != len || !bytes.is_empty() || rows == 0 {
            return Err(Bad("a frame's length"));
        }
        Ok(frame)
    }

    /// The org whose rows these are.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The app whose rows these are.
    #[must_use]
    pub fn app(&self) -> &Name {
        &self.app
    }

    /// How many rows there are, at least 1.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Where the rows come from.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Names of the further fields that some row has.
    pub fn further_fields(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|place| place.id == NAMED).map(|place| &*place.name)
    }

    /// Names of all fields that some row may have.
    #[must_use]
    pub fn field_names(&self) -> Vec<String> {
        let platform = crate::rows::PLATFORM_FIELDS.iter().copied();
        platform.chain(self.further_fields()).map(str::to_owned).collect()
    }

    /// The column of `field`; empty in every row if there is none.
    ///
    /// # Errors
    /// When the disk fails or the column is damaged: the others may be whole.
    pub fn column(&self, field: &str) -> Result<Column, Error> {
        Ok(match field {
            "_time" => Column::Time(self.times()?),
            "_msg" => self.read_texts(self.place(MESSAGE))?,
            "pos" => Column::Number(self.positions()?),
            "seq" => Column::Number(self.seqs()?),
            "span" => of_spans(&self.spans()?, self.rows),
            _ if is_of_source(field) => {
                let value = |source| source_value(field, &self.org, &self.app, source).unwrap_or_default();
                let values: Vec<_> = self.sources.iter().map(value).collect();
                if let [only] = &values[..] {
                    return Ok(Column::of(only));
                }
                let refs = self.source_refs()?;
                by_ref(&values, refs.iter().map(|&at| at as usize))
            }
            _ if crate::rows::is_of_kind(field) => of_kinds(field, &self.kinds()?).unwrap_or(Column::of("")),
            _ => match self.by_name.get(field) {
                Some(&index) => self.read_texts(self.columns.get(index))?,
                None => Column::of(""),
            },
        })
    }

    /// The messages without what varies in them, which is quicker than all of them; `None` if they are not written so. A test that
    /// looks for whole words without digits says of a row's template what it says of its message.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn templates(&self) -> Result<Option<Templates>, Error> {
        let place = self.place(MESSAGE);
        let bytes = self.bytes(place)?;
        texts::take_templates(&bytes, self.rows).transpose().map_err(|bad| bad.at(self.messages_at()))
    }

    /// A part of what varies in the messages that have those templates.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn values(&self, templates: &Templates) -> Result<Values, Error> {
        templates.values().map_err(|bad| bad.at(self.messages_at()))
    }

    /// What varies in the messages that have those templates.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn slots(&self, templates: &Templates) -> Result<Slots, Error> {
        templates.slots().map_err(|bad| bad.at(self.messages_at()))
    }

    /// The messages of the rows that are `wanted`, put together from both; the others are empty.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn join(
        &self,
        templates: &Templates,
        slots: &Slots,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Text, Error> {
        templates.join(slots, wanted).map_err(|bad| bad.at(self.messages_at()))
    }

    fn messages_at(&self) -> u64 {
        self.at + self.place(MESSAGE).map_or(0, |place| place.at)
    }

    /// Times of the rows, Unix nanoseconds, rising.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn times(&self) -> Result<Vec<i64>, Error> {
        Ok(self.read_ints(TIME)?.into_iter().map(ints::to_time).collect())
    }

    /// The store's commit order of the rows.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn positions(&self) -> Result<Vec<u64>, Error> {
        self.read_ints(POS)
    }

    /// Of each row, which of [`Frame::sources`] it comes from.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn source_refs(&self) -> Result<Vec<u32>, Error> {
        let refs = self.read_ints(SOURCE)?;
        let narrow = |at: u64| u32::try_from(at).ok().filter(|&at| (at as usize) < self.sources.len());
        refs.into_iter().map(narrow).collect::<Option<_>>().ok_or(Bad("sources of rows").at(self.at))
    }

    /// Of each row, [`Kind::bits`].
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn kinds(&self) -> Result<Vec<u16>, Error> {
        let bytes = self.bytes(self.place(KIND))?;
        let take = || {
            let bytes = &mut &bytes[..];
            let mut distinct = Vec::new();
            for _ in 0..take_count(bytes, 1 << 13)? {
                distinct.push(u16::from_le_bytes(take_array(bytes)?));
            }
            let kind = |at: u64| usize::try_from(at).ok().and_then(|at| distinct.get(at)).copied();
            ints::take(bytes, self.rows)?
                .into_iter()
                .map(kind)
                .collect::<Option<_>>()
                .ok_or(Bad("kinds of rows"))
        };
        take().map_err(|bad: Bad| bad.at(self.at))
    }

    /// Rows whose span is not 1, and their span.
    fn spans(&self) -> Result<Vec<(u32, u64)>, Error> {
        if self.place(SPAN).is_none() {
            return Ok(Vec::new());
        }
        let spans = (0u32..).zip(self.read_ints(SPAN)?);
        Ok(spans.filter(|(_, less)| *less != 0).map(|(row, less)| (row, less.wrapping_add(1))).collect())
    }

    /// Sequence numbers of the rows in their boots.
    ///
    /// # Errors
    /// As [`Frame::column`].
    pub fn seqs(&self) -> Result<Vec<u64>, Error> {
        let bytes = self.bytes(self.place(SEQ))?;
        let bytes = &mut &bytes[..];
        let bad = |bad: Bad| bad.at(self.at);
        let firsts =
            take_bytes(bytes).and_then(|firsts| ints::take(firsts, self.sources.len())).map_err(bad)?;
        let residuals = ints::take(bytes, self.rows).map_err(bad)?;
        let refs = self.source_refs()?;
        let spans = self.spans()?;
        let mut spans = spans.iter().peekable();
        let mut expected = firsts;
        let mut seqs = Vec::with_capacity(self.rows);
        for (row, (residual, source)) in residuals.into_iter().zip(refs).enumerate() {
            let expected = &mut expected[source as usize];
            let seq = expected.wrapping_add(varint::unzigzag(residual).cast_unsigned());
            let span = spans.next_if(|(at, _)| *at as usize == row).map_or(1, |&(_, span)| span);
            *expected = seq.wrapping_add(span);
            seqs.push(seq);
        }
        Ok(seqs)
    }

    /// All rows, for merging.
    ///
    /// # Errors
    /// When the disk fails or any column is damaged.
    pub fn decode(&self) -> Result<Rows, Error> {
        let mut rows = Rows::new(self.org.clone(), self.app.clone());
        let sources: Vec<u32> = self.sources.iter().map(|source| rows.source_ref(source)).collect();
        let (times, pos, seqs) = (self.times()?, self.positions()?, self.seqs()?);
        let (refs, kinds, spans) = (self.source_refs()?, self.kinds()?, self.spans()?);
        let messages = self.column("_msg")?;
        let mut fields = Vec::new();
        for place in self.columns.iter().filter(|place| place.id == NAMED) {
            fields.push((&*place.name, self.read_texts(Some(place))?));
        }
        let mut spans = spans.iter().peekable();
        let scratch = &mut Vec::new();
        for row in 0..self.rows {
            let span = spans.next_if(|(at, _)| *at as usize == row).map_or(1, |&(_, span)| span);
            let kind = Kind::from_bits(kinds[row]);
            let head = Head { time: times[row], pos: pos[row], seq: seqs[row], span, kind };
            if !rows.push(sources[refs[row] as usize], &head, messages.value(row, scratch)) {
                return Err(Bad("the size of a frame").at(self.at));
            }
            for (name, column) in &fields {
                rows.add_field(name, column.value(row, scratch));
            }
        }
        Ok(rows)
    }

    /// Bytes of the header and of each column, by section.
    pub(in crate::part) fn sizes(&self) -> impl Iterator<Item = (Section, u64)> {
        let header = self.columns.first().map_or(0, |place| place.at);
        let columns = self.columns.iter().map(|place| {
            let section = usize::try_from(place.id).ok().and_then(|id| Section::ALL.get(id).copied());
            (section.unwrap_or(Section::Fields), place.len as u64)
        });
        std::iter::once((Section::Headers, header)).chain(columns)
    }

    /// The frame's bytes, every column checked: damage is not to be carried on as if it were whole.
    pub(in crate::part) fn into_copy(self) -> Result<Copy, Error> {
        let len = self.columns.last().map_or(0, |place| place.at + place.len as u64);
        let bytes = read(&self.file, self.at, usize::try_from(len).unwrap_or(0))?;
        for place in &self.columns {
            let begin = usize::try_from(place.at).unwrap_or(usize::MAX);
            let column = begin.checked_add(place.len).and_then(|end| bytes.get(begin..end));
            if column.is_none_or(|column| crc32fast::hash(column) != place.crc) {
                return Err(Bad("a column").at(self.at + place.at));
            }
        }
        let (times, refs, kinds) = (self.times()?, self.source_refs()?, self.kinds()?);
        Ok(Copy { frame: self, bytes, times, refs, kinds })
    }

    fn place(&self, id: u64) -> Option<&Place> {
        self.columns.iter().find(|place| place.id == id)
    }

    fn read_ints(&self, id: u64) -> Result<Vec<u64>, Error> {
        let place = self.place(id);
        let bytes = self.bytes(place)?;
        ints::take(&bytes, self.rows).map_err(|bad| bad.at(place.map_or(self.at, |place| self.at + place.at)))
    }

    fn read_texts(&self, place: Option<&Place>) -> Result<Column, Error> {
        let bytes = self.bytes(place)?;
        texts::take(&bytes, self.rows)
            .map_err(|bad| bad.at(place.map_or(self.at, |place| self.at + place.at)))
    }

    /// The bytes of a column, checked.
    fn bytes(&self, place: Option<&Place>) -> Result<Vec<u8>, Error> {
        let place = place.ok_or(Bad("a frame without one of its columns").at(self.at))?;
        let bytes = read(&self.file, self.at + place.at, place.len)?;
        if bytes.len() != place.len || crc32fast::hash(&bytes) != place.crc {
            return Err(Bad("a column").at(self.at + place.at));
        }
        Ok(bytes)
    }
}

/// Takes a name that is in its escaped form.
pub(in crate::part) fn take_name(bytes: &mut &[u8]) -> Result<Name, Bad> {
    let text = take_str(bytes)?;
    let name = Name::new("app", text)?;
    if name.as_str() == text { Ok(name) } else { Err(Bad("a name")) }
}

/// Up to `len` bytes at `at`; fewer only at the end of the file.
fn read(file: &Arc<dyn File>, at: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; len];
    let filled = file.read_at(at, &mut bytes)?;
    bytes.truncate(filled);
    Ok(bytes)
}
