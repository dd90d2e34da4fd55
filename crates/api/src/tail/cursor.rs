//! Where a tail stands: what it goes on from after an interruption.
//!
//! Of each store the pos below which all was given, and of each boot the numbers that were given ahead of that, live. Whatever is
//! committed later, late lines of whatever time included, has a pos that is not below, so it comes then, once.
//!
//! As text it is a version, and base 64 (of URLs, unpadded) of varints with a checksum. What was given since such a text stands may follow
//! behind a dot: a tail writes one text for many lines, and a short one behind each.

mod stand;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use line::{Address, Boot, Name};
use store::Ranges;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use stand::{Sight, Stand};
use text::{Reader, opened, sealed, write_given, write_last};

/// The longest text of a cursor that is read.
pub(crate) const MAX_TEXT_BYTES: usize = 56 << 10;
/// Boots and ranges of numbers that a feed gives ahead of the stores at most, so that its cursors are no longer than that. Others wait for
/// the stores.
pub(crate) const MAX_AHEAD: (usize, usize) = (512, 1024);
/// The same of boots of a tail: what it was given beside that, by feeds before this one or of a store that is away. Of more, those of the
/// others come twice.
pub(crate) const MAX_BOOTS: usize = 1536;
const VERSION: char = '2';

/// Which boot of which instance, as a number: what a cursor says need not be readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BootKey(u64);

impl BootKey {
    /// None: of a message that Logway did not write.
    pub(crate) const NONE: Self = Self(0);

    /// An instance may have lines of several apps, when they come over HTTP: each has numbers of its own.
    pub(crate) fn of(app: &str, region: &str, instance: &str, boot: Boot) -> Self {
        let mut bytes = Vec::with_capacity(64);
        for name in [app, region, instance] {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'.');
        }
        bytes.extend_from_slice(&boot.bits().to_le_bytes());
        Self(xxh3_64(&bytes))
    }
}

/// Whose lines they are, within an org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) app: Name,
    pub(crate) region: Name,
    pub(crate) instance: Name,
}

impl Place {
    pub(crate) fn of(address: &Address) -> Self {
        let Address { app, region, instance, .. } = address.clone();
        Self { app, region, instance }
    }
}

/// Numbers of a boot that were given: those of lines, and those that gap records covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) lines: Ranges,
    pub(crate) gaps: Ranges,
    /// Whose they are, where it is known: what a cursor says is for whoever may see them.
    pub(crate) place: Option<Arc<Place>>,
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

    /// How many ranges of numbers they are.
    pub(crate) fn ranges(&self) -> usize {
        self.lines.iter().len() + self.gaps.iter().len()
    }

    /// Whether a record that begins there makes one of them longer.
    pub(crate) fn goes_on(&self, seq: u64, is_gap: bool) -> bool {
        let ranges = if is_gap { &self.gaps } else { &self.lines };
        seq.checked_sub(1).is_some_and(|before| ranges.end_of(before).is_some())
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

/// What was given ahead of the stores' order, of each boot. None is empty. Cheap to clone.
pub(crate) type Ahead = BTreeMap<BootKey, Arc<Given>>;

/// Whether a record is among what was given.
pub(crate) fn has(ahead: &Ahead, boot: BootKey, seq: u64, end: u64, is_gap: bool) -> bool {
    ahead.get(&boot).is_some_and(|given| given.has(seq, end, is_gap))
}

/// Takes a record off the list, and says whether any of it was there.
pub(crate) fn remove(ahead: &mut Ahead, boot: BootKey, seq: u64, end: u64, is_gap: bool) -> bool {
    let Some(given) = ahead.get_mut(&boot) else { return false };
    if !given.touches(seq, end, is_gap) {
        return false;
    }
    Arc::make_mut(given).remove(seq, end, is_gap);
    if given.is_empty() {
        ahead.remove(&boot);
    }
    true
}

/// Notes that a record was given.
pub(crate) fn note(ahead: &mut Ahead, boot: BootKey, seq: u64, end: u64, is_gap: bool) {
    if seq < end {
        Arc::make_mut(ahead.entry(boot).or_default()).add(seq, end, is_gap);
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
    pub(crate) given: Ahead,
    /// When that was so, Unix seconds: a store that there was not yet has had no lines before that.
    pub(crate) at: u64,
    /// The history below the positions was not given to its end: it goes on behind this line.
    pub(crate) history: Option<Last>,
}

impl Cursor {
    /// Notes that a record was given.
    pub(crate) fn note(&mut self, boot: BootKey, seq: u64, end: u64, is_gap: bool) {
        note(&mut self.given, boot, seq, end, is_gap);
    }

    /// As text of letters, digits, `-` and `_`.
    pub(crate) fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(64);
        text::write(self, &mut bytes);
        format!("{VERSION}{}", sealed(bytes))
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
        cursor.at = reader.number()?;
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

/// What was given since a cursor's text was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Since {
    given: Ahead,
    history: Option<Last>,
}

impl Since {
    /// These records.
    pub(crate) const fn of(given: Ahead) -> Self {
        Self { given, history: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.history.is_none() && self.given.is_empty()
    }

    /// Notes that a record was given.
    pub(crate) fn note(&mut self, boot: BootKey, seq: u64, end: u64, is_gap: bool) {
        note(&mut self.given, boot, seq, end, is_gap);
    }

    /// Notes that the history was given up to this line.
    pub(crate) fn note_history(&mut self, last: Last) {
        self.history = Some(last);
    }

    /// Of how many boots.
    pub(crate) fn boots(&self) -> usize {
        self.given.len()
    }

    /// Adds all of it to a cursor.
    pub(crate) fn add_to(&self, cursor: &mut Cursor) {
        cursor.history = self.history.or(cursor.history);
        for (boot, given) in &self.given {
            Arc::make_mut(cursor.given.entry(*boot).or_default()).extend(given);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        let stores = prop::collection::btree_map("[a-z]{1,9}", any::<u64>(), 0..4);
        let given = prop::collection::vec((0_u64..4, 0_u64..1 << 40, 1_u64..99, any::<bool>()), 0..12);
        let at = any::<u64>();
        let history = prop::option::of((any::<i64>(), any::<u64>(), any::<u64>()));
        (stores, given, at, history).prop_map(|(stores, given, at, history)| {
            let named = |(name, pos): (String, u64)| (Name::new("store", &name).unwrap(), pos);
            let stores = stores.into_iter().map(named).collect();
            let mut cursor = Cursor { stores, at, ..Cursor::default() };
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
            let mut parsed = cursor.clone();
            prop_assert!(text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
            prop_assert_eq!(Cursor::read(std::str::from_utf8(&text).unwrap()), Some(cursor.clone()));
            let (mut since, mut wanted) = (Since::default(), cursor);
            for (boot, seq) in more {
                since.note(BootKey(boot), seq, seq + 1, false);
                wanted.note(BootKey(boot), seq, seq + 1, false);
            }
            since.write(&mut text);
            since.add_to(&mut parsed);
            prop_assert_eq!(&parsed, &wanted);
            prop_assert_eq!(Cursor::read(std::str::from_utf8(&text).unwrap()), Some(wanted));
        }

        #[test]
        fn any_text_is_a_cursor_or_not(text in "[1-3]?[A-Za-z0-9_.-]{0,80}") {
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
    fn what_says_nothing_is_nothing() {
        let bytes = [&[0, 0, 0, 1][..], &[7; 8], &[1, 5, 0, 0]].concat();
        assert_eq!(Cursor::read(&Cursor::sealed(&bytes)), Some(Cursor::default()));
    }

    #[test]
    fn what_is_no_cursor() {
        for text in ["", "2", "1AAAA", "2AAAA", "7", "1234567890", "2!", "2A.B"] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
        assert_eq!(Cursor::read(&"1".repeat(MAX_TEXT_BYTES + 1)), None);
    }
}
