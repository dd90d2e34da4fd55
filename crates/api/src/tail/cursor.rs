//! Where a tail stands: what it goes on from after an interruption.
//!
//! Of each store the pos below which all was given, and of each boot the numbers that were given ahead of that, live. Whatever is
//! committed later, late lines of whatever time included, has a pos that is not below, so it comes then, once.
//!
//! As text it is a version, and base 64 (of URLs, unpadded) of varints with a checksum. What was given since such a text stands may follow
//! behind a dot: a tail writes one text for many lines, and a short one behind each.

use std::collections::BTreeMap;

use line::{Boot, Name, varint};
use store::Ranges;
use xxhash_rust::xxh3::xxh3_64;

/// The longest text of a cursor that is read.
pub(crate) const MAX_TEXT_BYTES: usize = 48 << 10;
/// Most boots of whose lines ahead a cursor tells. Of more, those of the others come twice.
const MAX_BOOTS: usize = 512;
const VERSION: char = '1';

/// Which boot of which instance, as a number: what a cursor says need not be readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BootKey(u64);

impl BootKey {
    /// None: of a message that Logway did not write.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn of(instance: &str, boot: Boot) -> Self {
        let mut bytes = instance.as_bytes().to_vec();
        bytes.extend_from_slice(&boot.bits().to_le_bytes());
        Self(xxh3_64(&bytes))
    }
}

/// Numbers of a boot that were given: those of lines, and those that gap records covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) lines: Ranges,
    pub(crate) gaps: Ranges,
}

impl Given {
    /// Whether a record is among them. A gap record says nothing new of numbers whose lines are there.
    pub(crate) fn has(&self, seq: u64, end: u64, is_gap: bool) -> bool {
        self.lines.covers(seq, end) || (is_gap && self.gaps.covers(seq, end))
    }

    /// Whether any number of a record is among them: a gap may be one record live and several in a store.
    pub(crate) fn touches(&self, seq: u64, end: u64, is_gap: bool) -> bool {
        let ranges = if is_gap { &self.gaps } else { &self.lines };
        ranges.end_of(seq).is_some() || ranges.next_from(seq).is_some_and(|at| at < end)
    }

    pub(crate) fn add(&mut self, seq: u64, end: u64, is_gap: bool) {
        if is_gap { self.gaps.add(seq, end) } else { self.lines.add(seq, end) }
    }

    pub(crate) fn remove(&mut self, seq: u64, end: u64, is_gap: bool) {
        if is_gap { self.gaps.remove(seq, end) } else { self.lines.remove(seq, end) }
    }

    /// Adds all of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        other.lines.iter().for_each(|(start, end)| self.lines.add(start, end));
        other.gaps.iter().for_each(|(start, end)| self.gaps.add(start, end));
    }

    /// Takes out all of `other`.
    pub(crate) fn retain_not(&mut self, other: &Self) {
        other.lines.iter().for_each(|(start, end)| self.lines.remove(start, end));
        other.gaps.iter().for_each(|(start, end)| self.gaps.remove(start, end));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().len() == 0 && self.gaps.iter().len() == 0
    }
}

/// The last line of the history that was given: history goes in the order of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Last {
    /// Unix nanoseconds.
    pub(crate) time: i64,
    pub(crate) boot: BootKey,
    pub(crate) seq: u64,
}

impl Last {
    /// Before all lines.
    pub(crate) const BEFORE_ALL: Self = Self { time: i64::MIN, boot: BootKey(0), seq: 0 };
}

/// See the module's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Rows of a store with a pos below were given.
    pub(crate) stores: BTreeMap<Name, u64>,
    /// What was given ahead of that.
    pub(crate) given: BTreeMap<BootKey, Given>,
    /// The history below the positions was not given to its end: it goes on behind this line.
    pub(crate) history: Option<Last>,
}

impl Cursor {
    /// Notes that a record was given.
    pub(crate) fn note(&mut self, boot: BootKey, seq: u64, end: u64, is_gap: bool) {
        self.given.entry(boot).or_default().add(seq, end, is_gap);
    }

    /// As text of letters, digits, `-` and `_`.
    pub(crate) fn text(&self) -> String {
        text(&self.stores, &self.given, self.history)
    }

    /// What a text says; `None` for one that is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let (text, since) = text.split_once('.').map_or((text, None), |(text, since)| (text, Some(since)));
        let bytes = opened(text.strip_prefix(VERSION)?)?;
        let mut reader = Reader(&bytes);
        let mut cursor = Self::default();
        for _ in 0..reader.number()? {
            let length = usize::try_from(reader.number()?).ok()?;
            let name = std::str::from_utf8(reader.take(length)?).ok()?;
            let pos = reader.number()?;
            cursor.stores.insert(Name::new("store", name).ok()?, pos);
        }
        cursor.history = match reader.take(1)? {
            [0] => None,
            _ => Some(reader.last()?),
        };
        reader.given(&mut cursor)?;
        if !reader.0.is_empty() {
            return None;
        }
        if let Some(since) = since {
            cursor.add(&opened(since)?)?;
        }
        Some(cursor)
    }

    /// The text that would say these bytes.
    pub(super) fn sealed(bytes: &[u8]) -> String {
        format!("{VERSION}{}", sealed(bytes.to_vec()))
    }

    fn add(&mut self, bytes: &[u8]) -> Option<()> {
        let mut reader = Reader(bytes);
        match reader.take(1)? {
            [0] => {}
            _ => self.history = Some(reader.last()?),
        }
        reader.given(self)?;
        reader.0.is_empty().then_some(())
    }
}

/// The text of a cursor of these parts.
pub(crate) fn text(
    stores: &BTreeMap<Name, u64>,
    given: &BTreeMap<BootKey, Given>,
    history: Option<Last>,
) -> String {
    let mut bytes = Vec::with_capacity(64);
    varint::put(&mut bytes, stores.len() as u64);
    for (name, pos) in stores {
        varint::put(&mut bytes, name.as_str().len() as u64);
        bytes.extend_from_slice(name.as_str().as_bytes());
        varint::put(&mut bytes, *pos);
    }
    match history {
        None => bytes.push(0),
        Some(last) => {
            bytes.push(1);
            write_last(last, &mut bytes);
        }
    }
    write_given(given, &mut bytes);
    format!("{VERSION}{}", sealed(bytes))
}

/// What was given since a cursor's text was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Since {
    given: BTreeMap<BootKey, Given>,
    history: Option<Last>,
}

impl Since {
    /// These records.
    pub(crate) const fn of(given: BTreeMap<BootKey, Given>) -> Self {
        Self { given, history: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.history.is_none() && self.given.values().all(Given::is_empty)
    }

    /// Notes that a record was given.
    pub(crate) fn note(&mut self, boot: BootKey, seq: u64, end: u64, is_gap: bool) {
        self.given.entry(boot).or_default().add(seq, end, is_gap);
    }

    /// Notes that the history was given up to this line.
    pub(crate) fn note_history(&mut self, last: Last) {
        self.history = Some(last);
    }

    /// Appends a dot, and what was noted.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut bytes = Vec::with_capacity(32);
        match self.history {
            None => bytes.push(0),
            Some(last) => {
                bytes.push(1);
                write_last(last, &mut bytes);
            }
        }
        write_given(&self.given, &mut bytes);
        out.push(b'.');
        out.extend_from_slice(sealed(bytes).as_bytes());
    }
}

fn write_last(last: Last, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&last.time.to_le_bytes());
    bytes.extend_from_slice(&last.boot.0.to_le_bytes());
    varint::put(bytes, last.seq);
}

fn write_given(given: &BTreeMap<BootKey, Given>, bytes: &mut Vec<u8>) {
    let some = || given.iter().filter(|(_, given)| !given.is_empty()).take(MAX_BOOTS);
    varint::put(bytes, some().count() as u64);
    for (boot, given) in some() {
        bytes.extend_from_slice(&boot.0.to_le_bytes());
        for ranges in [&given.lines, &given.gaps] {
            varint::put(bytes, ranges.iter().len() as u64);
            let mut before = 0;
            for (start, end) in ranges.iter() {
                varint::put(bytes, start.wrapping_sub(before));
                varint::put(bytes, end - start);
                before = end;
            }
        }
    }
}

/// Bytes with their checksum, as text.
fn sealed(mut bytes: Vec<u8>) -> String {
    let sum = xxh3_64(&bytes).to_le_bytes();
    bytes.extend_from_slice(&sum[..4]);
    encode(&bytes)
}

/// The bytes of a text whose checksum is right.
fn opened(text: &str) -> Option<Vec<u8>> {
    let mut bytes = decode(text)?;
    let at = bytes.len().checked_sub(4)?;
    let sum = bytes.split_off(at);
    (xxh3_64(&bytes).to_le_bytes()[..4] == sum).then_some(bytes)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 2);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=three.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    crate::caller::base64(text)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        varint::take(&mut self.0).ok()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn key(&mut self) -> Option<BootKey> {
        Some(BootKey(u64::from_le_bytes(self.take(8)?.try_into().ok()?)))
    }

    fn last(&mut self) -> Option<Last> {
        let time = i64::from_le_bytes(self.take(8)?.try_into().ok()?);
        Some(Last { time, boot: self.key()?, seq: self.number()? })
    }

    fn given(&mut self, cursor: &mut Cursor) -> Option<()> {
        for _ in 0..self.number()? {
            let boot = self.key()?;
            for is_gap in [false, true] {
                let mut at = 0_u64;
                for _ in 0..self.number()? {
                    let start = at.checked_add(self.number()?)?;
                    at = start.checked_add(self.number()?)?;
                    cursor.note(boot, start, at, is_gap);
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        let stores = prop::collection::btree_map("[a-z]{1,9}", any::<u64>(), 0..4);
        let given = prop::collection::vec((0_u64..4, 0_u64..1 << 40, 1_u64..99, any::<bool>()), 0..12);
        let history = prop::option::of((any::<i64>(), any::<u64>(), any::<u64>()));
        (stores, given, history).prop_map(|(stores, given, history)| {
            let named = |(name, pos): (String, u64)| (Name::new("store", &name).unwrap(), pos);
            let stores = stores.into_iter().map(named).collect();
            let mut cursor = Cursor { stores, ..Cursor::default() };
            for (boot, seq, span, is_gap) in given {
                cursor.note(BootKey(boot), seq, seq + span, is_gap);
            }
            cursor.history = history.map(|(time, boot, seq)| Last { time, boot: BootKey(boot), seq });
            cursor
        })
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(cursor in any_cursor(), more in prop::collection::vec((0_u64..4, 1_u64..99), 0..5)) {
            let mut text = cursor.text().into_bytes();
            prop_assert!(text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
            prop_assert_eq!(Cursor::read(std::str::from_utf8(&text).unwrap()), Some(cursor.clone()));
            let (mut since, mut wanted) = (Since::default(), cursor);
            for (boot, seq) in more {
                since.note(BootKey(boot), seq, seq + 1, false);
                wanted.note(BootKey(boot), seq, seq + 1, false);
            }
            since.write(&mut text);
            prop_assert_eq!(Cursor::read(std::str::from_utf8(&text).unwrap()), Some(wanted));
        }

        #[test]
        fn any_text_is_a_cursor_or_not(text in "[1-2]?[A-Za-z0-9_.-]{0,80}") {
            let _ = Cursor::read(&text);
        }

        #[test]
        fn a_slip_of_the_pen_is_none(cursor in any_cursor(), at: prop::sample::Index) {
            let mut text = cursor.text().into_bytes();
            let at = at.index(text.len() - 1) + 1;
            let other = if text[at] == b'A' { b'B' } else { b'A' };
            // The last digit may have bits that mean nothing.
            prop_assume!(at + 1 < text.len());
            text[at] = other;
            prop_assert_eq!(Cursor::read(std::str::from_utf8(&text).unwrap()), None);
        }
    }

    #[test]
    fn what_is_no_cursor() {
        for text in ["", "1", "2AAAA", "1AAAA", "7", "1234567890", "1!", "1A.B"] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
        assert_eq!(Cursor::read(&"1".repeat(MAX_TEXT_BYTES + 1)), None);
    }
}
