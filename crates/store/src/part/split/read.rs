//! Templates and slots to messages.

use query::Text;

use super::super::error::Bad;
use super::super::ints;
use super::super::press::{MAX_BYTES, unpress};
use super::super::texts;
use super::super::wire::{take_bytes, take_count, take_u8};
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
}

/// The streams of slots, as they stand in the file.
struct Streams<'a>([&'a [u8]; 5]);

impl Templates {
    /// Takes all but what varies, and gives where that is.
    fn take(mut bytes: &[u8], rows: usize) -> Result<(Self, Streams<'_>), Bad> {
        let bytes = &mut bytes;
        let count = take_count(bytes, MAX_TEMPLATES)?;
        let texts = texts::take_plain(take_bytes(bytes)?, count)?;
        let narrow = |id: u64| u32::try_from(id).ok().filter(|&id| id as usize <= count);
        let refs: Option<Vec<_>> = ints::take(take_bytes(bytes)?, rows)?.into_iter().map(narrow).collect();
        let refs = refs.ok_or(Bad("templates of rows"))?;
        let mut streams = [&[][..]; 5];
        for stream in &mut streams {
            *stream = take_bytes(bytes)?;
        }
        let whole = texts::take_plain(bytes, refs.iter().filter(|&&id| id as usize == count).count())?;
        if texts.len() == count {
            Ok((Self { texts, refs, whole }, Streams(streams)))
        } else {
            Err(Bad("templates"))
        }
    }
}

/// The templates of a split column of `rows` rows, without what varies.
pub(in crate::part) fn take_templates(bytes: &[u8], rows: usize) -> Result<Templates, Bad> {
    Templates::take(bytes, rows).map(|(templates, _)| templates)
}

/// The values of a split column of `rows` rows.
pub(in crate::part) fn take(bytes: &[u8], rows: usize) -> Result<Text, Bad> {
    let (Templates { texts: templates, refs, whole }, Streams(streams)) = Templates::take(bytes, rows)?;
    let [forms, digits, words, texts, codes] = streams;
    let (forms, digits, words) =
        (unpress(forms, MAX_BYTES)?, unpress(digits, MAX_BYTES)?, unpress(words, MAX_BYTES)?);
    let (texts, codes) = (unpress(texts, MAX_BYTES)?, unpress(codes, MAX_BYTES)?);
    let mut counts = vec![0usize; templates.len() + 1];
    refs.iter().for_each(|&id| counts[id as usize] += 1);

    let mut reader = Reader {
        forms: &forms,
        digits: &digits,
        words: &words,
        codes: &codes,
        text_at: 0,
        texts_end: 0,
        source: texts,
    };
    reader.texts_end = reader.source.len();
    reader.source.extend_from_slice(templates.bytes());
    let mut parsed = Vec::with_capacity(templates.len());
    let mut begin = reader.texts_end;
    for (template, &count) in templates.iter().zip(&counts) {
        parsed.push(reader.template(template, begin, count)?);
        begin += template.len();
    }
    let rest = [reader.forms, reader.digits, reader.words, reader.codes];
    if rest.iter().any(|rest| !rest.is_empty()) || reader.text_at != reader.texts_end {
        return Err(Bad("slots"));
    }
    // A template that is long and has many rows must not fill the memory.
    let size = parsed.iter().map(|template| template.size).fold(whole.bytes().len(), usize::saturating_add);
    if size > MAX_BYTES {
        return Err(Bad("the size of messages"));
    }
    reader.source.resize(reader.source.len() + STRIDE, 0);
    join(&refs, &mut parsed, &whole, Out { source: &reader.source, bytes: vec![0; size + STRIDE], at: 0 })
}

/// Puts the messages together.
fn join(refs: &[u32], templates: &mut [Template], whole: &Text, mut out: Out<'_>) -> Result<Text, Bad> {
    let mut ends = Vec::with_capacity(refs.len());
    let mut wholes = whole.iter();
    for &id in refs {
        match templates.get_mut(id as usize) {
            Some(template) => template.pieces.iter_mut().for_each(|piece| piece.write(&mut out)),
            None => out.push(wholes.next().unwrap_or_default()),
        }
        ends.push(u32::try_from(out.at).map_err(|_| Bad("the size of messages"))?);
    }
    out.bytes.truncate(out.at);
    Text::from_parts(ends, out.bytes).ok_or(Bad("messages"))
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
struct Template {
    pieces: Vec<Piece>,
    /// Bytes of all its rows.
    size: usize,
}

/// Text of a template, or what stands in one slot, row after row. Places are in [`Reader::source`].
enum Piece {
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
        let mut parsed = Template { pieces: Vec::new(), size: 0 };
        let mut at = begin;
        for (index, text) in template.split(|&byte| byte == SLOT).enumerate() {
            if index > 0 {
                let (piece, size) = self.slot(rows)?;
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
