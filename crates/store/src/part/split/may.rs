//! Which templates can have a text in one of their messages: told by the templates and, where the text touches what varies, by what
//! stands there. Messages need not be put together for that.
//!
//! A text is a row of runs (ASCII letters, digits and `_`) and of what lies between them. Between two signs that are in no run, a run with a digit
//! is a slot, and one without is in the template as it is. At the text's own ends a run may be a part of a longer one: of one that the template
//! has, or of one that varies.

use std::cell::RefCell;

use super::SLOT;
use super::read::{Piece, Slots, Template, Templates};
use super::write::{CLASSES, DIGIT, RUN, STRANGE};

/// A text that is looked for.
struct Wanted<'t> {
    parts: Vec<Part<'t>>,
}

/// A run, or what lies between two.
#[derive(Clone, Copy)]
struct Part<'t> {
    text: &'t [u8],
    is_run: bool,
    has_digit: bool,
}

/// What a slot's value has to do with a run of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Is,
    Begins,
    Ends,
    Has,
}

/// What one slot, by its number in the template, must be so that the text can be there.
struct Condition<'t> {
    slot: usize,
    way: Way,
    text: &'t [u8],
}

/// What is known of what varies, beside the templates. The more is known, the more it cost to read, and the fewer templates are left.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    Nothing,
    /// What stands in some slot, but not in which.
    Values(&'a Values),
    All(&'a Slots),
}

/// All values of slots but those that are digits only and of one length, as they stand in the file.
#[derive(Debug)]
pub struct Values {
    /// With a line break behind each.
    texts: Vec<u8>,
    /// Of one length in each slot: first bytes, then second ones.
    words: Vec<u8>,
    /// What was found out: templates ask the same.
    asked: RefCell<Vec<(Asked, bool)>>,
}

/// A run, and how it has to be in a value.
type Asked = (Way, Box<[u8]>);

impl Values {
    /// Of both streams.
    pub(super) fn new(texts: Vec<u8>, words: Vec<u8>) -> Self {
        Self { texts, words, asked: RefCell::default() }
    }

    /// Whether a value of some slot can be as it must be. Never `false` if one is.
    fn may_be(&self, way: Way, text: &[u8]) -> bool {
        if text.iter().all(u8::is_ascii_digit) {
            return true;
        }
        let mut asked = self.asked.borrow_mut();
        if let Some((_, answer)) =
            asked.iter().find(|((a_way, a_text), _)| *a_way == way && **a_text == *text)
        {
            return *answer;
        }
        let find = |needle: &[u8]| memchr::memmem::find(&self.texts, needle).is_some();
        let is_line = match way {
            Way::Is | Way::Ends => find(&[text, b"\n"].concat()),
            Way::Begins => self.texts.starts_with(text) || find(&[b"\n", text].concat()),
            Way::Has => find(text),
        };
        // Of words that stand byte by byte it is known which bytes they have.
        let answer = is_line || text.iter().all(|byte| memchr::memchr(*byte, &self.words).is_some());
        asked.push(((way, text.into()), answer));
        answer
    }
}

impl Templates {
    /// Of each template, whether one of its messages can have all `texts` in it. Never `false` for one that has.
    pub(crate) fn may_have(&self, known: Known<'_>, texts: &[impl AsRef<[u8]>]) -> Vec<bool> {
        let wanted: Vec<_> = texts.iter().map(|text| Wanted::of(text.as_ref())).collect();
        let of_template = |(at, template): (usize, &[u8])| {
            let holds = |condition: &Condition<'_>| match known {
                Known::Nothing => true,
                Known::Values(values) => values.may_be(condition.way, condition.text),
                Known::All(slots) => {
                    slots.templates.get(at).is_none_or(|opened| condition.holds(opened, &slots.source))
                }
            };
            let may = |wanted: &Wanted<'_>| wanted.may_be_in(template, &holds);
            wanted.iter().all(|wanted| wanted.as_ref().is_some_and(may))
        };
        self.texts.iter().enumerate().map(of_template).collect()
    }
}

impl<'t> Wanted<'t> {
    /// `None` for a text that no message with a template can have.
    fn of(text: &'t [u8]) -> Option<Self> {
        let class = |byte: &u8| CLASSES[usize::from(*byte)];
        if text.iter().any(|byte| class(byte) & STRANGE != 0) {
            return None;
        }
        let parts = text.chunk_by(|a, b| class(a) & RUN == class(b) & RUN).map(|text| Part {
            text,
            is_run: class(&text[0]) & RUN != 0,
            has_digit: text.iter().any(|byte| class(byte) & DIGIT != 0),
        });
        Some(Self { parts: parts.collect() })
    }

    /// `holds` tells of what varies.
    fn may_be_in(&self, template: &[u8], holds: &dyn Fn(&Condition<'_>) -> bool) -> bool {
        let (first, rest) = match &self.parts[..] {
            [] => return true,
            [run] if run.is_run => {
                let of_slot = |slot| Condition { slot, way: Way::Has, text: run.text };
                let is_there = !run.has_digit && memchr::memmem::find(template, run.text).is_some();
                let slots = memchr::memchr_iter(SLOT, template).count();
                return is_there || (0..slots).map(of_slot).any(|condition| holds(&condition));
            }
            [first, rest @ ..] if first.is_run => (Some(first), rest),
            all => (None, all),
        };
        let Some(gap) = rest.first() else { return true };
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&template[from..], gap.text) {
            let at = from + at;
            let mut conditions = Vec::new();
            let fits = first.is_none_or(|run| run.fits_before(template, at, &mut conditions))
                && fit_from(rest, template, at, &mut conditions)
                && conditions.iter().all(holds);
            if fits {
                return true;
            }
            from = at + 1;
        }
        false
    }
}

/// Which slot the mark at byte `at` stands for.
fn slot_at(template: &[u8], at: usize) -> usize {
    memchr::memchr_iter(SLOT, &template[..at]).count()
}

impl<'t> Part<'t> {
    /// Whether the run can be the end of what stands before byte `at`.
    fn fits_before(&self, template: &[u8], at: usize, conditions: &mut Vec<Condition<'t>>) -> bool {
        if !self.has_digit && template[..at].ends_with(self.text) {
            return true;
        }
        let is_slot = at > 0 && template[at - 1] == SLOT;
        if is_slot {
            conditions.push(Condition { slot: slot_at(template, at - 1), way: Way::Ends, text: self.text });
        }
        is_slot
    }
}

/// Whether `parts`, the first of which lies between runs, can be what stands from byte `at` on.
fn fit_from<'t>(
    parts: &[Part<'t>],
    template: &[u8],
    mut at: usize,
    conditions: &mut Vec<Condition<'t>>,
) -> bool {
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        let rest = template.get(at..).unwrap_or_default();
        if !part.has_digit && rest.starts_with(part.text) {
            at += part.text.len();
        } else if part.is_run && (part.has_digit || is_last) && rest.first() == Some(&SLOT) {
            let way = if is_last { Way::Begins } else { Way::Is };
            conditions.push(Condition { slot: slot_at(template, at), way, text: part.text });
            at += 1;
        } else {
            return false;
        }
    }
    true
}

impl Condition<'_> {
    /// Whether a value of the slot is as it must be.
    fn holds(&self, template: &Template, source: &[u8]) -> bool {
        let piece = self.slot_of(template);
        let fits = |value: &[u8]| match self.way {
            Way::Is => value == self.text,
            Way::Begins => value.starts_with(self.text),
            Way::Ends => value.ends_with(self.text),
            Way::Has => memchr::memmem::find(value, self.text).is_some(),
        };
        let place = |&(at, len): &(usize, usize)| source.get(at..at + len).unwrap_or_default();
        match piece {
            // What cannot be told excludes nothing.
            None => true,
            Some(Piece::Const { at, len }) => fits(place(&(*at, *len))),
            Some(Piece::Fixed { len, next }) => {
                *len >= self.text.len()
                    && *len > 0
                    && source[*next..*next + *len * template.rows].chunks_exact(*len).any(fits)
            }
            Some(Piece::Lines { next }) => {
                source[*next..].split(|byte| *byte == b'\n').take(template.rows).any(fits)
            }
            Some(Piece::Dict { values, .. }) => values.iter().map(place).any(fits),
        }
    }

    fn slot_of<'p>(&self, template: &'p Template) -> Option<&'p Piece> {
        template.slots.get(self.slot).and_then(|&at| template.pieces.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::*;
    use crate::part::press::Press;
    use crate::part::texts::Values;
    use proptest::prelude::*;
    use query::Text;

    fn split(messages: &[String], is_fine: bool) -> Option<Templates> {
        let text: Text = messages.iter().map(String::as_bytes).collect();
        let mut out = Vec::new();
        let found = Found::of(Values::of(&text), is_fine)?;
        super::super::put(Values::of(&text), &found, &mut Press::new(1).unwrap(), &mut out);
        Some(Templates::take(&out, messages.len()).unwrap())
    }

    fn possible(messages: &[String], wanted: &str) -> Vec<bool> {
        let templates = split(messages, true).unwrap();
        let may = templates.may_have(Known::All(&templates.slots().unwrap()), &[wanted]);
        templates.refs.iter().map(|&at| may.get(at as usize).copied().unwrap_or(true)).collect()
    }

    #[test]
    fn what_varies_is_looked_at() {
        let lines = |make: &dyn Fn(usize) -> String| (0..20).map(make).collect::<Vec<_>>();
        let ssh = lines(&|n| format!("Accepted for root from 10.0.0.{n} port {} ssh2", 4000 + n));
        let ids = lines(&|n| format!("Received block blk_{n:04} of size 6710{n} from x{n}port 7"));
        for (messages, wanted, is) in [
            (&ssh, "port ", true),
            (&ssh, " ssh", true),
            (&ssh, "ssh2", true),
            (&ssh, "ssh3", false),
            (&ssh, "sport ", false),
            (&ssh, "t 4", true),
            (&ssh, "t 5", false),
            (&ssh, " 4003 ssh", true),
            (&ssh, " 400 ssh", false),
            (&ssh, "10.0.0.3 port", true),
            (&ssh, "10.0.0.21 port", false),
            (&ssh, "Accepted", true),
            (&ssh, "ccepted f", true),
            (&ssh, "Accepted\t", false),
            (&ssh, "\u{11}", false),
            (&ssh, "é", false),
            (&ids, "blk_", true),
            (&ids, "lk_0007 of", true),
            (&ids, "blk_0020 of", false),
            (&ids, "port ", true),
            (&ids, "sport ", false),
            (&ids, "port 7", true),
            (&ids, "port 8", false),
            (&ids, "  ", false),
        ] {
            assert_eq!(possible(messages, wanted).contains(&true), is, "{wanted:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_a_text_may_have_it(
            messages in proptest::collection::vec("[a1 .]{0,9}", 1..40),
            more in "[a1 .]{0,3}",
            row in any::<prop::sample::Index>(),
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
            is_fine: bool,
        ) {
            let messages: Vec<_> = messages.iter().flat_map(|m| [m.clone(), m.clone(), m.replace('1', "2")]).collect();
            let Some(templates) = split(&messages, is_fine) else { return Ok(()) };
            let slots = templates.slots().unwrap();
            let message = row.get(&messages);
            let (a, b) = (cut.0.index(message.len() + 1), cut.1.index(message.len() + 1));
            for wanted in [&message[a.min(b)..a.max(b)], &more] {
                let may = templates.may_have(Known::All(&slots), &[wanted]);
                let some = templates.may_have(Known::Values(&templates.values().unwrap()), &[wanted]);
                let most = templates.may_have(Known::Nothing, &[wanted]);
                let is_rising = |((a, b), c): ((&bool, &bool), &bool)| a <= b && b <= c;
                prop_assert!(may.iter().zip(&some).zip(&most).all(is_rising), "{wanted:?}");
                for (message, &at) in messages.iter().zip(&templates.refs) {
                    let may = may.get(at as usize).copied().unwrap_or(true);
                    prop_assert!(may || !message.contains(wanted), "{wanted:?} in {message:?}");
                }
            }
            let some = templates.join(&slots, |row| row % 3 == 1).unwrap();
            for (row, message) in messages.iter().enumerate() {
                prop_assert_eq!(some.get(row), if row % 3 == 1 { message.as_bytes() } else { b"" });
            }
        }
    }
}
