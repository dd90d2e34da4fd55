//! Rows to a frame.

use line::varint;

use super::super::press::Press;
use super::super::split::Found;
use super::super::texts::Values;
use super::super::wire::{len_u32, put_bytes, put_count};
use super::super::{ints, texts};
use super::{KIND, MESSAGE, NAMED, POS, SEQ, SOURCE, SPAN, TIME};
use crate::Rows;
use crate::rows::dense_ends;

/// What is told of a frame that was written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::part) struct Written {
    /// Bytes before the first column.
    pub(in crate::part) header_bytes: u64,
    /// Bytes by column: time, pos, source, seq, span, kind, message, further fields.
    pub(in crate::part) column_bytes: [u64; 8],
}

/// Appends the frame of `rows`, which are sorted and not empty.
///
/// `found` are the templates of the messages.
pub(in crate::part) fn write(
    rows: &Rows,
    found: Option<&Found>,
    press: &mut Press,
    out: &mut Vec<u8>,
) -> Written {
    let mut columns = Columns { header: Vec::new(), count: 0, body: Vec::new(), sizes: [0; 8] };
    let times: Vec<u64> = rows.times.iter().map(|&time| ints::from_time(time)).collect();
    columns.add(TIME, None, |out| ints::put_deltas(&times, press, out));
    columns.add(POS, None, |out| ints::put_deltas(&rows.pos, press, out));
    let sources: Vec<u64> = rows.source.iter().map(|&source| u64::from(source)).collect();
    columns.add(SOURCE, None, |out| ints::put(&sources, press, out));
    columns.add(SEQ, None, |out| put_seqs(rows, press, out));
    if !rows.spans.is_empty() {
        let mut spans = vec![0; rows.len()];
        rows.spans.iter().for_each(|&(row, span)| spans[row as usize] = span.wrapping_sub(1));
        columns.add(SPAN, None, |out| ints::put(&spans, press, out));
    }
    columns.add(KIND, None, |out| put_kinds(rows, press, out));
    columns.add(MESSAGE, None, |out| texts::put(Values::of(&rows.messages), found, press, out));
    for field in rows.fields() {
        let ends = dense_ends(field, rows.len());
        let values = Values { ends: &ends, bytes: field.values.bytes() };
        columns.add(NAMED, Some(field.name()), |out| texts::put(values, None, press, out));
    }
    columns.finish(rows, press, out)
}

struct Columns {
    header: Vec<u8>,
    count: usize,
    body: Vec<u8>,
    sizes: [u64; 8],
}

impl Columns {
    fn add(&mut self, id: u64, name: Option<&str>, put: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.body.len();
        put(&mut self.body);
        let column = &self.body[begin..];
        varint::put(&mut self.header, id);
        if let Some(name) = name {
            put_bytes(&mut self.header, name.as_bytes());
        }
        put_count(&mut self.header, column.len());
        self.header.extend_from_slice(&crc32fast::hash(column).to_le_bytes());
        self.count += 1;
        let size = usize::try_from(id).ok().and_then(|id| self.sizes.get_mut(id));
        size.into_iter().for_each(|size| *size += column.len() as u64);
    }

    fn finish(self, rows: &Rows, press: &mut Press, out: &mut Vec<u8>) -> Written {
        let mut header = Vec::with_capacity(self.header.len() + 64 * (1 + rows.sources().len()));
        put_bytes(&mut header, rows.org().as_str().as_bytes());
        put_bytes(&mut header, rows.app().as_str().as_bytes());
        put_count(&mut header, rows.len());
        put_count(&mut header, rows.sources().len());
        for source in rows.sources() {
            for text in [source.region.as_str(), source.instance.as_str(), &source.host] {
                put_bytes(&mut header, text.as_bytes());
            }
            header.extend_from_slice(&source.boot.bits().to_le_bytes());
        }
        put_count(&mut header, self.count);
        header.extend_from_slice(&self.header);
        let mut pressed = Vec::new();
        press.put(&header, &mut pressed);
        out.extend_from_slice(&len_u32(pressed.len()).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&pressed).to_le_bytes());
        out.extend_from_slice(&pressed);
        out.extend_from_slice(&self.body);
        Written { header_bytes: 8 + pressed.len() as u64, column_bytes: self.sizes }
    }
}

fn put_seqs(rows: &Rows, press: &mut Press, out: &mut Vec<u8>) {
    let mut firsts = vec![0; rows.sources().len()];
    let mut expected: Vec<Option<u64>> = vec![None; rows.sources().len()];
    let mut residuals = Vec::with_capacity(rows.len());
    for (row, (&source, &seq)) in rows.source.iter().zip(&rows.seqs).enumerate() {
        let source = source as usize;
        let wanted = *expected[source].get_or_insert_with(|| {
            firsts[source] = seq;
            seq
        });
        residuals.push(varint::zigzag(seq.wrapping_sub(wanted).cast_signed()));
        expected[source] = Some(seq.wrapping_add(rows.span(row)));
    }
    let mut nested = Vec::new();
    ints::put(&firsts, press, &mut nested);
    put_bytes(out, &nested);
    ints::put(&residuals, press, out);
}

fn put_kinds(rows: &Rows, press: &mut Press, out: &mut Vec<u8>) {
    let mut distinct: Vec<u16> = Vec::new();
    let mut codes = Vec::with_capacity(rows.len());
    for &bits in &rows.kinds {
        // Mostly there are a handful.
        let place = distinct.iter().position(|&known| known == bits).unwrap_or_else(|| {
            distinct.push(bits);
            distinct.len() - 1
        });
        codes.push(place as u64);
    }
    put_count(out, distinct.len());
    distinct.iter().for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
    ints::put(&codes, press, out);
}
