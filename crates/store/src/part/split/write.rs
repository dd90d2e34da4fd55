//! Messages to templates and slots.

use std::collections::HashMap;
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
const RUN: u8 = 1;
const DIGIT: u8 = 2;
const STRANGE: u8 = 4;

/// What each byte is.
const CLASSES: [u8; 256] = {
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

/// Appends the values in split form, or says that they are not such as can be split; `out` is of no use then. With `fine`, values that
/// repeat are found.
pub(in crate::part) fn put(values: Values<'_>, fine: bool, press: &mut Press, out: &mut Vec<u8>) -> bool {
    let Some(found) = find(values) else { return false };
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
    let mut slots = Slots { fine, ..Slots::default() };
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
    true
}

/// Templates as they were found.
#[derive(Default)]
struct Found {
    templates: Text,
    counts: Vec<u32>,
    /// Of each row its template, if it has one, and where its pieces begin.
    rows: Vec<(Option<u32>, usize)>,
    /// What varies, as places in the bytes of the values.
    pieces: Vec<Range<u32>>,
}

impl Found {
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

/// The templates of the values; `None` if there are too many.
fn find(values: Values<'_>) -> Option<Found> {
    let mut found = Found::default();
    let mut known: HashMap<u64, u32> = HashMap::new();
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
    let mut at = 0;
    let mut copied = 0;
    while at < value.len() {
        let class = CLASSES[usize::from(value[at])];
        if class & RUN == 0 {
            if class & STRANGE != 0 {
                return false;
            }
            at += 1;
            continue;
        }
        let start = at;
        let mut seen = 0;
        while let Some(&byte) = value.get(at) {
            let class = CLASSES[usize::from(byte)];
            if class & RUN == 0 {
                break;
            }
            seen |= class;
            at += 1;
        }
        if seen & DIGIT != 0 {
            template.extend_from_slice(&value[copied..start]);
            template.push(SLOT);
            copied = at;
            let place = |at: usize| begin.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
            pieces.push(place(start)..place(at));
        }
    }
    template.extend_from_slice(&value[copied..]);
    pieces.len() - first <= MAX_SLOTS
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
