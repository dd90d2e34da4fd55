//! Which sequence numbers of which boots are stored: what comes twice is dropped, and a line wins over a gap.

mod ranges;
mod snapshot;

use crate::part::Part;
use line::Boot;
use ranges::Ranges;
use std::collections::HashMap;

pub(crate) use snapshot::{decode, encode};

/// Most boots that are remembered. Beyond, those that were silent longest are forgotten: a batch of theirs that comes
/// again would be stored twice.
const MAX_BOOTS: usize = 200_000;

/// What is to be done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is stored.
    New,
    /// All that it covers is stored already.
    Duplicate,
    /// A gap of which only this much (its seq and span) is not stored as lines.
    Narrowed { seq: u64, span: u64 },
}

/// What is stored of one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BootSeen {
    /// When it was last heard of, Unix nanoseconds.
    heard: i64,
    /// Numbers of lines and events.
    lines: Ranges,
    /// Numbers that a gap record covers and no line.
    gaps: Ranges,
}

impl BootSeen {
    /// Takes in a line or event that covers `span` numbers from `seq`.
    pub(crate) fn line(&mut self, seq: u64, span: u64) -> Verdict {
        let end = seq.saturating_add(span);
        if self.lines.covers(seq, end) {
            return Verdict::Duplicate;
        }
        self.lines.add(seq, end);
        self.gaps.remove(seq, end);
        Verdict::New
    }

    /// Takes in a gap record that covers `span` numbers from `seq`.
    pub(crate) fn gap(&mut self, seq: u64, span: u64) -> Verdict {
        let end = seq.saturating_add(span);
        let Some((from, to)) = self.uncovered(seq, end) else { return Verdict::Duplicate };
        self.gaps.add(from, to);
        if (from, to) == (seq, end) { Verdict::New } else { Verdict::Narrowed { seq: from, span: to - from } }
    }

    /// The first and the end of the last number in `seq..end` that neither a line nor a gap covers.
    fn uncovered(&self, mut seq: u64, mut end: u64) -> Option<(u64, u64)> {
        while seq < end {
            let Some(next) = self.lines.end_of(seq).or_else(|| self.gaps.end_of(seq)) else { break };
            seq = next;
        }
        while seq < end {
            let Some(last) = self.lines.start_of(end - 1).or_else(|| self.gaps.start_of(end - 1)) else {
                break;
            };
            end = last;
        }
        (seq < end).then_some((seq, end))
    }

    /// Whether lines cover all of `seq..end`.
    pub(crate) fn has_lines(&self, seq: u64, end: u64) -> bool {
        self.lines.covers(seq, end)
    }
}

/// What is stored of each boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// By `org/instance`; of each, few boots, the newest last.
    keys: HashMap<Box<str>, Vec<(Boot, BootSeen)>>,
    boots: usize,
}

/// The key of an instance.
pub(crate) fn key(org: &str, instance: &str) -> String {
    format!("{org}/{instance}")
}

impl Seen {
    /// What is stored of a boot, which is heard of at `now`.
    pub(crate) fn boot(&mut self, key: &str, boot: Boot, now: i64) -> &mut BootSeen {
        if !self.keys.contains_key(key) {
            self.keys.insert(key.into(), Vec::new());
        }
        let boots = self.keys.entry(key.into()).or_default();
        let index = boots.iter().rposition(|(known, _)| *known == boot).unwrap_or_else(|| {
            self.boots += 1;
            boots.push((boot, BootSeen::default()));
            boots.len() - 1
        });
        let seen = &mut boots[index].1;
        seen.heard = seen.heard.max(now);
        seen
    }

    /// What is stored of a boot, if anything is.
    pub(crate) fn get(&self, key: &str, boot: Boot) -> Option<&BootSeen> {
        self.keys.get(key)?.iter().rev().find(|(known, _)| *known == boot).map(|(_, seen)| seen)
    }

    /// How many boots are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.boots
    }

    /// Forgets the boots that were not heard of since `before`, and those beyond the bound. Returns how many.
    pub(crate) fn forget(&mut self, before: i64) -> usize {
        self.forget_to(before, MAX_BOOTS)
    }

    fn forget_to(&mut self, mut before: i64, most: usize) -> usize {
        let old = self.boots;
        if self.boots > most {
            let mut heard: Vec<i64> = self.keys.values().flatten().map(|(_, seen)| seen.heard).collect();
            heard.sort_unstable();
            before = before.max(heard[self.boots - most]);
        }
        for boots in self.keys.values_mut() {
            boots.retain(|(_, seen)| seen.heard >= before);
        }
        self.keys.retain(|_, boots| !boots.is_empty());
        self.boots = self.keys.values().map(Vec::len).sum();
        old - self.boots
    }
}

/// What was seen, as far as parts tell it: the numbers of all their rows. A part that cannot be read tells nothing.
pub(crate) fn from_parts<'a>(parts: impl Iterator<Item = &'a Part>) -> Seen {
    let mut seen = Seen::default();
    for part in parts {
        for frame in 0..part.frames().len() {
            let Ok(rows) = part.frame(frame).and_then(|frame| frame.decode()) else { continue };
            for (row, &source) in rows.source_refs().iter().enumerate() {
                let (head, source) = (rows.head(row), &rows.sources()[source as usize]);
                let key = key(rows.org().as_str(), source.instance.as_str());
                let boot = seen.boot(&key, source.boot, head.time);
                if rows.field("gap.reason").is_some_and(|field| !field.get(row).is_empty()) {
                    boot.gap(head.seq, head.span);
                } else {
                    boot.line(head.seq, head.span);
                }
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests;
