//! Templates and slots to messages.

use query::Text;

use super::super::error::Bad;
use super::super::ints;
use super::super::press::{MAX_BYTES, unpress};
use super::super::texts;
use super::super::wire::{take_bytes, take_count, take_u8};
use super::may::Values;
use super::{CONST, DICT, DIGITS, LINES, MAX_TEMPLATES, SLOT, WORDS};

/// Pieces up to this long are copied as if they were this long: one store in place of a call.
const STRIDE: usize = 16;

/// Messages of which only the words without digits are known.
#[derive(Clone, Debug)]
pub struct Templates {
    /// The templates: messages with a byte that is in no word in place of each word that has a digit in it.
    pub texts: Text,
    /// Of each row, which template it has; the count of templates for one that is in `whole`.
    pub refs: Vec<u32>,
    /// The messages that have no template, in the order of their rows.
    pub whole: Text,
    /// What varies, as it stands in the file.
    streams: Streams,
}

/// The streams of slots, as they stand in the file, end to end.
#[derive(Clone, Debug)]
struct Streams {
    bytes: Vec<u8>,
    ends: [usize; STREAMS],
}

const STREAMS: usize = 5;
const FORMS: usize = 0;
const DIGIT_PLANES: usize = 1;
const WORD_PLANES: usize = 2;
const TEXTS: usize = 3;
const CODES: usize = 4;

impl Streams {
    fn take(bytes: &mut &[u8]) -> Result<Self, Bad> {
        let mut streams = Self { bytes: Vec::new(), ends: [0; STREAMS] };
        for end in &mut streams.ends {
            streams.bytes.extend_from_slice(take_bytes(bytes)?);
            *end = streams.bytes.len();
        }
        Ok(streams)
    }

    fn open(&self, stream: usize) -> Result<Vec<u8>, Bad> {
        let begin = stream.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(stream).copied().unwrap_or(0);
        unpress(self.bytes.get(begin..end).unwrap_or_default(), MAX_BYTES)
    }
}

impl Templates {
    /// The templates of a split column of `rows` rows.
    pub(in crate::part) fn take(mut bytes: &[u8], rows: usize) -> Result<Self, Bad> {
        let bytes = &mut bytes;
        let count = take_count(bytes, MAX_TEMPLATES)?;
        let texts = texts::take_plain(take_bytes(bytes)?, count)?;
        let narrow = |id: u64| u32::try_from(id).ok().filter(|&id| id as usize <= count);
        let refs: Option<Vec<_>> = ints::take(take_bytes(bytes)?, rows)?.into_iter().map(narrow).collect();
        let refs = refs.ok_or(Bad("templates of rows"))?;
        let streams = Streams::take(bytes)?;
        let whole = texts::take_plain(bytes, refs.iter().filter(|&&id| id as usize == count).count())?;
        if texts.len() == count { Ok(Self { texts, refs, whole, streams }) } else { Err(Bad("templates")) }
    }

    /// Reads a part of what varies.
    pub(in crate::part) fn values(&self) -> Result<Values, Bad> {
        Ok(Values::new(self.streams.open(TEXTS)?, self.streams.open(WORD_PLANES)?))
    }

    /// Reads what varies.
    pub(in crate::part) fn slots(&self) -> Result<Slots, Bad> {
        let (forms, digits) = (self.streams.open(FORMS)?, self.streams.open(DIGIT_PLANES)?);
        let (words, codes) = (self.streams.open(WORD_PLANES)?, self.streams.open(CODES)?);
        let mut source = self.streams.open(TEXTS)?;
        let mut counts = vec![0usize; self.texts.len() + 1];
        self.refs.iter().for_each(|&id| counts[id as usize] += 1);
        let texts_end = source.len();
        source.extend_from_slice(self.texts.bytes());
        let mut reader = Reader {
            forms: &forms,
            digits: &digits,
            words: &words,
            codes: &codes,
            text_at: 0,
            texts_end,
            source,
        };
        let mut templates = Vec::with_capacity(self.texts.len());
        let mut begin = reader.texts_end;
        for (template, &count) in self.texts.iter().zip(&counts) {
            templates.push(reader.template(template, begin, count)?);
            begin += template.len();
        }
        let rest = [reader.forms, reader.digits, reader.words, reader.codes];
        if rest.iter().any(|rest| !rest.is_empty()) || reader.text_at != reader.texts_end {
            return Err(Bad("slots"));
        }
        // A template that is long and has many rows must not fill the memory.
        let whole = self.whole.bytes().len();
        let size = templates.iter().map(|template| template.size).fold(whole, usize::saturating_add);
        if size > MAX_BYTES {
            return Err(Bad("the size of messages"));
        }
        let mut source = reader.source;
        source.resize(source.len() + STRIDE, 0);
        Ok(Slots { source, templates, size })
    }

    /// Puts together the messages of the rows that are `wanted`; the others are empty.
    pub(in crate::part) fn join(&self, slots: &Slots, wanted: impl Fn(usize) -> bool) -> Result<Text, Bad> {
        let mut templates = slots.templates.clone();
        let mut out = Out { source: &slots.source, bytes: vec![0; slots.size + STRIDE], at: 0 };
        let mut ends = Vec::with_capacity(self.refs.len());
        let mut wholes = self.whole.iter();
        for (row, &id) in self.refs.iter().enumerate() {
            let is_wanted = wanted(row);
            match templates.get_mut(id as usize) {
                Some(template) if is_wanted => {
                    template.pieces.iter_mut().for_each(|piece| piece.write(&mut out));
                }
                Some(template) => template.pieces.iter_mut().for_each(|piece| piece.skip(&slots.source)),
                None => {
                    let whole = wholes.next().unwrap_or_default();
                    out.push(if is_wanted { whole } else { &[] });
                }
            }
            ends.push(u32::try_from(out.at).map_err(|_| Bad("the size of messages"))?);
        }
        out.bytes.truncate(out.at);
        Text::from_parts(ends, out.bytes).ok_or(Bad("messages"))
    }
}

/// What varies in messages, read.
#[derive(Clone, Debug)]
pub struct Slots {
    /// What messages are put together from.
    pub(super) source: Vec<u8>,
    /// In the order of [`Templates::texts`].
    pub(super) templates: Vec<Template>,
    /// Bytes of all messages.
    size: usize,
}

/// The values of a split column of `rows` rows.
pub(in crate::part) fn take(bytes: &[u8], rows: usize) -> Result<Text, Bad> {
    let templates = Templates::take(bytes, rows)?;
    templates.join(&templates.slots()?, |_| true)
}

/// Where messages are put together. Both buffers have [`STRIDE`] bytes more than is used.
struct Out<'a> {
    source: &'a [u8],
    bytes: Vec<u8>,
    at: usize,
}

impl Out<'_> {
    fn copy(&mut self, from: usize, len: usize) {
        if len <= STRIDE {
            self.bytes[self.at..self.at + STRIDE].copy_from_slice(&self.source[from..from + STRIDE]);
        } else {
            self.bytes[self.at..self.at + len].copy_from_slice(&self.source[from..from + len]);
        }
        self.at += len;
    }

    fn push(&mut self, text: &[u8]) {
        self.bytes[self.at..self.at + text.len()].copy_from_slice(text);
        self.at += text.len();
    }
}

/// What one template's rows are put together from.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) pieces: Vec<Piece>,
    /// Which of the pieces vary.
    pub(super) slots: Vec<usize>,
    /// How many rows it has.
    pub(super) rows: usize,
    /// Bytes of all its rows.
    size: usize,
}

/// Text of a template, or what stands in one slot, row after row. Places are in [`Slots::source`].
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// The same in all rows.
    Const { at: usize, len: usize },
    /// Values of one length, end to end; the next one is at `next`.
    Fixed { len: usize, next: usize },
    /// Values with a line break behind each; the next one is at `next`.
    Lines { next: usize },
    /// Place and length of each value, and the rows' codes, of which the next one is at `next`.
    Dict { values: Vec<(usize, usize)>, next: usize },
}

impl Piece {
    fn write(&mut self, out: &mut Out<'_>) {
        match self {
            Self::Const { at, len } => out.copy(*at, *len),
            Self::Fixed { len, next } => {
                out.copy(*next, *len);
                *next += *len;
            }
            Self::Lines { next } => {
                let len = memchr::memchr(b'\n', &out.source[*next..]).unwrap_or(0);
                out.copy(*next, len);
                *next += len + 1;
            }
            Self::Dict { values, next } => {
                let (at, len) = values.get(usize::from(out.source[*next])).copied().unwrap_or_default();
                out.copy(at, len);
                *next += 1;
            }
        }
    }
}

impl Piece {
    /// Goes on to the next row.
    fn skip(&mut self, source: &[u8]) {
        match self {
            Self::Const { .. } => {}
            Self::Fixed { len, next } => *next += *len,
            Self::Lines { next } => *next += memchr::memchr(b'\n', &source[*next..]).unwrap_or(0) + 1,
            Self::Dict { next, .. } => *next += 1,
        }
    }
}

/// What is left of the streams.
struct Reader<'a> {
    forms: &'a [u8],
    digits: &'a [u8],
    words: &'a [u8],
    codes: &'a [u8],
    /// All that messages are put together from: texts, templates, then fixed values and codes as they are read.
    source: Vec<u8>,
    /// Where the next text begins, and where texts end.
    text_at: usize,
    texts_end: usize,
}

impl Reader<'_> {
    /// The pieces of `template`, which begins at `begin` and has `rows` rows.
    fn template(&mut self, template: &[u8], begin: usize, rows: usize) -> Result<Template, Bad> {
        let mut parsed = Template { pieces: Vec::new(), slots: Vec::new(), rows, size: 0 };
        let mut at = begin;
        for (index, text) in template.split(|&byte| byte == SLOT).enumerate() {
            if index > 0 {
                let (piece, size) = self.slot(rows)?;
                parsed.slots.push(parsed.pieces.len());
                parsed.pieces.push(piece);
                parsed.size = parsed.size.saturating_add(size);
                at += 1;
            }
            if !text.is_empty() {
                parsed.pieces.push(Piece::Const { at, len: text.len() });
                parsed.size = parsed.size.saturating_add(text.len().saturating_mul(rows));
                at += text.len();
            }
        }
        Ok(parsed)
    }

    /// What stands in the next slot, and how many bytes that is in all rows.
    fn slot(&mut self, rows: usize) -> Result<(Piece, usize), Bad> {
        let form = take_u8(&mut self.forms)?;
        let number = take_count(&mut self.forms, MAX_BYTES)?;
        Ok(match form {
            CONST => {
                let (at, len) = self.line()?;
                (Piece::Const { at, len }, len.saturating_mul(rows))
            }
            DIGITS => {
                let planes = take_planes(&mut self.digits, number, rows)?;
                self.fixed(planes, number, rows)
            }
            WORDS => {
                let planes = take_planes(&mut self.words, number, rows)?;
                self.fixed(planes, number, rows)
            }
            LINES => {
                let next = self.text_at;
                let mut size = 0;
                for _ in 0..rows {
                    size += self.line()?.1;
                }
                (Piece::Lines { next }, size)
            }
            DICT => self.dict(number, rows)?,
            _ => return Err(Bad("the form of a slot")),
        })
    }

    /// Values of one length, turned from planes to values.
    fn fixed(&mut self, planes: &[u8], len: usize, rows: usize) -> (Piece, usize) {
        let next = self.source.len();
        self.source.resize(next + planes.len(), 0);
        if !planes.is_empty() {
            let values = &mut self.source[next..];
            for (at, plane) in planes.chunks_exact(rows).enumerate() {
                values.iter_mut().skip(at).step_by(len).zip(plane).for_each(|(to, &byte)| *to = byte);
            }
        }
        (Piece::Fixed { len, next }, planes.len())
    }

    fn dict(&mut self, number: usize, rows: usize) -> Result<(Piece, usize), Bad> {
        let mut values = Vec::new();
        for _ in 0..number.min(256) {
            values.push(self.line()?);
        }
        let (codes, rest) = self.codes.split_at_checked(rows).ok_or(Bad("codes of a slot"))?;
        self.codes = rest;
        let lengths = codes.iter().map(|&code| values.get(usize::from(code)).map(|&(_, len)| len));
        let size = lengths.sum::<Option<usize>>().ok_or(Bad("codes of a slot"))?;
        let next = self.source.len();
        self.source.extend_from_slice(codes);
        Ok((Piece::Dict { values, next }, size))
    }

    /// Takes a text and its line break; gives its place and length.
    fn line(&mut self) -> Result<(usize, usize), Bad> {
        let at = self.text_at;
        let len = memchr::memchr(b'\n', &self.source[at..self.texts_end]).ok_or(Bad("the texts of slots"))?;
        self.text_at += len + 1;
        Ok((at, len))
    }
}

/// Takes `rows` values of `len` bytes, plane by plane.
fn take_planes<'a>(stream: &mut &'a [u8], len: usize, rows: usize) -> Result<&'a [u8], Bad> {
    let size = len.checked_mul(rows).ok_or(Bad("the length of a slot"))?;
    let (planes, rest) = stream.split_at_checked(size).ok_or(Bad("the values of a slot"))?;
    *stream = rest;
    Ok(planes)
}
