//! Messages to templates and slots.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use query::Text;
use xxhash_rust::xxh3::xxh3_64;

use super::super::ints;
use super::super::press::Press;
use super::super::texts::{self, Values};
use super::super::wire::{put_bytes, put_count};
use super::{CONST, DICT, DIGITS, FREE, LINES, MAX_TEMPLATES, SLOT, WORDS};

/// A template of fewer rows is not worth its slots.
const MIN_ROWS: u32 = 3;

/// Most slots of a template.
const MAX_SLOTS: usize = 64;

/// Messages are not split when there is more than one template for so many of them...
const ROWS_A_TEMPLATE: usize = 4;
/// ...but so many templates are always taken.
const FREE_TEMPLATES: usize = 64;

/// Most different values of a dictionary.
const MAX_VALUES: usize = 256;

/// Whether each byte belongs to a run, and whether it is a digit.
pub(super) const RUN: u8 = 1;
pub(super) const DIGIT: u8 = 2;
pub(super) const STRANGE: u8 = 4;

/// What each byte is.
pub(super) const CLASSES: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let letter = byte as u8;
        table[byte] = match letter {
            b'0'..=b'9' => RUN | DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => RUN,
            SLOT | FREE | 128.. => STRANGE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Appends the values, of which `found` are the templates, in split form.
pub(in crate::part) fn put(values: Values<'_>, found: &Found, press: &mut Press, out: &mut Vec<u8>) {
    let (numbers, templates) = found.kept();
    let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); templates.len()];
    let (mut ids, mut whole) = (Vec::with_capacity(found.rows.len()), Text::default());
    for ((row, value), &(template, _)) in (0u32..).zip(values.iter()).zip(&found.rows) {
        let number = template.and_then(|template| numbers[template as usize]);
        ids.push(number.unwrap_or(templates.len()) as u64);
        match number {
            Some(number) => rows_of[number].push(row),
            None => whole.push(value),
        }
    }
    let mut slots = Slots { fine: found.fine, ..Slots::default() };
    for (template, rows) in templates.iter().zip(&rows_of) {
        for slot in 0..memchr::memchr_iter(SLOT, template).count() {
            let piece = |row: &u32| {
                let range = found.pieces[found.rows[*row as usize].1 + slot].clone();
                &values.bytes[range.start as usize..range.end as usize]
            };
            slots.add(&rows.iter().map(piece).collect::<Vec<_>>());
        }
    }
    put_count(out, templates.len());
    let mut block = Vec::new();
    texts::put_plain(Values::of(&templates), press, &mut block);
    put_bytes(out, &block);
    block.clear();
    ints::put(&ids, press, &mut block);
    put_bytes(out, &block);
    for stream in [&slots.forms, &slots.digits, &slots.words, &slots.texts, &slots.codes] {
        block.clear();
        press.put(stream, &mut block);
        put_bytes(out, &block);
    }
    texts::put_plain(Values::of(&whole), press, out);
}

/// Templates as they were found.
#[derive(Debug, Default)]
pub(in crate::part) struct Found {
    /// Values that repeat in a slot are looked for.
    fine: bool,
    templates: Text,
    counts: Vec<u32>,
    /// Of each row its template, if it has one, and where its pieces begin.
    rows: Vec<(Option<u32>, usize)>,
    /// What varies, as places in the bytes of the values.
    pieces: Vec<Range<u32>>,
}

impl Found {
    /// The templates of the values; `None` if there are too many. With `fine`, more is done to make them small.
    pub(in crate::part) fn of(values: Values<'_>, fine: bool) -> Option<Self> {
        let mut found = find(values)?;
        found.fine = fine;
        Some(found)
    }

    /// Calls `each` with texts that have the tokens of all values, most of them once: `true` with one that is a token by itself. A template has
    /// those of its rows that have no digit.
    pub(in crate::part) fn each_text<'v>(&'v self, values: Values<'v>, mut each: impl FnMut(&'v [u8], bool)) {
        self.templates.iter().for_each(|template| each(template, false));
        let pieces = self.pieces.iter();
        pieces.for_each(|piece| each(&values.bytes[piece.start as usize..piece.end as usize], true));
        let wholes = values.iter().zip(&self.rows).filter(|(_, (template, _))| template.is_none());
        wholes.for_each(|(value, _)| each(value, false));
    }

    /// The number of each template among those that are kept, and those.
    fn kept(&self) -> (Vec<Option<usize>>, Text) {
        let mut kept = Text::default();
        let mut numbers = Vec::with_capacity(self.counts.len());
        for (template, &count) in self.templates.iter().zip(&self.counts) {
            numbers.push((count >= MIN_ROWS).then_some(kept.len()));
            if count >= MIN_ROWS {
                kept.push(template);
            }
        }
        (numbers, kept)
    }
}

/// The key is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = self.0.rotate_left(8) ^ hash;
    }
}

/// The templates of the values; `None` if there are too many.
fn find(values: Values<'_>) -> Option<Found> {
    let mut found = Found::default();
    let mut known: HashMap<u64, u32, BuildHasherDefault<Hashed>> = HashMap::default();
    let mut template = Vec::new();
    let mut begin = 0;
    for (row, (value, &end)) in values.iter().zip(values.ends).enumerate() {
        template.clear();
        let first = found.pieces.len();
        let number = if cut(value, begin, &mut template, &mut found.pieces) {
            let hash = xxh3_64(&template);
            match known.get(&hash) {
                // Of two templates with one hash the second one's rows are whole.
                Some(&number) => (found.templates.get(number as usize) == template).then_some(number),
                None => {
                    let number = u32::try_from(known.len()).ok()?;
                    if known.len() >= MAX_TEMPLATES.min(FREE_TEMPLATES + row / ROWS_A_TEMPLATE) {
                        return None;
                    }
                    known.insert(hash, number);
                    found.templates.push(&template);
                    found.counts.push(0);
                    Some(number)
                }
            }
        } else {
            None
        };
        match number {
            Some(number) => found.counts[number as usize] += 1,
            None => found.pieces.truncate(first),
        }
        found.rows.push((number, first));
        begin = end;
    }
    Some(found)
}

/// Appends the template of `value`, and where its pieces stand if it begins at `begin`. False if it is to be kept whole.
fn cut(value: &[u8], begin: u32, template: &mut Vec<u8>, pieces: &mut Vec<Range<u32>>) -> bool {
    let first = pieces.len();
    let place = |at: usize| begin.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
    let is_run = |byte: &u8| CLASSES[usize::from(*byte)] & RUN != 0;
    let mut copied = 0;
    loop {
        let rest = &value[copied..];
        let Some(found) = next_digit(rest) else { return false };
        let Some(digit) = found else { break };
        let start = copied + digit - rest[..digit].iter().rev().take_while(|byte| is_run(byte)).count();
        let end = copied + digit + rest[digit..].iter().take_while(|byte| is_run(byte)).count();
        template.extend_from_slice(&value[copied..start]);
        template.push(SLOT);
        pieces.push(place(start)..place(end));
        copied = end;
    }
    template.extend_from_slice(&value[copied..]);
    pieces.len() - first <= MAX_SLOTS
}

/// Where the first digit stands, if there is one; `None` if a byte comes before it that no template has. Eight bytes at a time: this is done to all that is
/// written.
fn next_digit(text: &[u8]) -> Option<Option<usize>> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES * 0x80;
    let class = |byte: &u8| CLASSES[usize::from(*byte)];
    let one_by_one =
        |from: usize| match text[from..].iter().position(|byte| class(byte) & (DIGIT | STRANGE) != 0) {
            Some(at) => (class(&text[from + at]) & DIGIT != 0).then_some(Some(from + at)),
            None => Some(None),
        };
    let mut at = 0;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        // The marks lie between 0x10 and 0x13, as no sign does that is often written.
        let marks = (word & (ONES * 0xfc)) ^ (ONES * 0x10);
        if (word | marks.wrapping_sub(ONES) & !marks) & HIGHS != 0 {
            return one_by_one(at);
        }
        // No byte is above 0x7f: nothing is carried from one to the next.
        let digits = (word + ONES * 0x50) & !(word + ONES * 0x46) & HIGHS;
        if digits != 0 {
            return Some(Some(at + digits.trailing_zeros() as usize / 8));
        }
        at += 8;
    }
    one_by_one(at)
}

/// Gathers the streams.
#[derive(Default)]
struct Slots {
    fine: bool,
    forms: Vec<u8>,
    digits: Vec<u8>,
    words: Vec<u8>,
    texts: Vec<u8>,
    codes: Vec<u8>,
}

impl Slots {
    /// Adds the values of one slot, of which there is at least one.
    fn add(&mut self, values: &[&[u8]]) {
        let first = values.first().copied().unwrap_or_default();
        if values.iter().all(|value| *value == first) {
            self.form(CONST, 0);
            self.line(first);
        } else if let Some((distinct, codes)) = self.fine.then(|| dictionary(values)).flatten() {
            self.form(DICT, distinct.len());
            distinct.iter().for_each(|value| self.line(value));
            self.codes.extend_from_slice(&codes);
        } else if values.iter().all(|value| value.len() == first.len()) {
            let digits = values.iter().all(|value| value.iter().all(u8::is_ascii_digit));
            self.form(if digits { DIGITS } else { WORDS }, first.len());
            let stream = if digits { &mut self.digits } else { &mut self.words };
            for at in 0..first.len() {
                stream.extend(values.iter().map(|value| value[at]));
            }
        } else {
            self.form(LINES, 0);
            values.iter().for_each(|value| self.line(value));
        }
    }

    fn form(&mut self, form: u8, number: usize) {
        self.forms.push(form);
        put_count(&mut self.forms, number);
    }

    fn line(&mut self, value: &[u8]) {
        self.texts.extend_from_slice(value);
        self.texts.push(b'\n');
    }
}

/// The different values, and which of them each is; `None` unless they are few.
fn dictionary<'a>(values: &[&'a [u8]]) -> Option<(Vec<&'a [u8]>, Vec<u8>)> {
    let most = MAX_VALUES.min(values.len() / 4);
    let mut places: HashMap<&[u8], u8> = HashMap::new();
    let (mut distinct, mut codes) = (Vec::new(), Vec::with_capacity(values.len()));
    for &value in values {
        let code = match places.get(value) {
            Some(&code) => code,
            None => {
                let code = u8::try_from(distinct.len()).ok()?;
                if distinct.len() >= most {
                    return None;
                }
                places.insert(value, code);
                distinct.push(value);
                code
            }
        };
        codes.push(code);
    }
    Some((distinct, codes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn templates_are_what_is_left_without_runs_that_have_a_digit(value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[a1_ .\u{10}-\u{13}é]{0,40}".prop_map(String::into_bytes),
        ]) {
            let (mut template, mut pieces) = (Vec::new(), Vec::new());
            let is_split = cut(&value, 0, &mut template, &mut pieces);
            let class = |byte: &u8| CLASSES[usize::from(*byte)];
            let mut wanted = Vec::new();
            for run in value.chunk_by(|a, b| class(a) & RUN == class(b) & RUN) {
                if run.iter().any(|byte| class(byte) & DIGIT != 0) { wanted.push(SLOT) } else { wanted.extend(run) }
            }
            let is_strange = value.iter().any(|byte| class(byte) & STRANGE != 0);
            prop_assert_eq!(is_split, !is_strange && pieces.len() <= MAX_SLOTS);
            if is_split {
                prop_assert_eq!(template, wanted);
                prop_assert!(pieces.iter().all(|piece| value[piece.start as usize..piece.end as usize].iter().any(u8::is_ascii_digit)));
            }
        }
    }
}
