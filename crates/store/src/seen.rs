//! Which sequence numbers of which boots are stored: what comes twice is dropped, and a line wins over a gap.

mod ranges;
mod snapshot;

use crate::part::Part;
use crate::rows::Rows;
use line::Boot;
pub use ranges::Ranges;
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use snapshot::{decode, encode};

/// Most boots that are remembered. Beyond, the orgs with the most forget those that were silent longest, until none has more
/// than its share: a batch of theirs that comes again would be stored twice. No org makes another forget more than that.
const MAX_BOOTS: usize = 200_000;

/// The field that only gaps have.
const GAP_REASON: &str = "gap.reason";

/// What is to be done with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is stored.
    New,
    /// All that it covers is stored already.
    Duplicate,
    /// A gap of which only these ranges (each a seq and a span) are not stored yet: each is a gap of its own.
    Narrowed(Vec<(u64, u64)>),
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

    /// Takes in a gap record that covers `span` numbers from `seq`. If there are more than `most` ranges in it that are not
    /// stored yet, the last of them goes on to the end of all, over what is stored between.
    pub(crate) fn gap(&mut self, seq: u64, span: u64, most: usize) -> Verdict {
        let end = seq.saturating_add(span);
        let new = self.uncovered(seq, end, most);
        new.iter().for_each(|&(from, to)| self.gaps.add(from, to));
        match new[..] {
            [] => Verdict::Duplicate,
            [whole] if whole == (seq, end) => Verdict::New,
            _ => Verdict::Narrowed(new.into_iter().map(|(from, to)| (from, to - from)).collect()),
        }
    }

    /// The ranges of `seq..end` that neither a line nor a gap covers.
    fn uncovered(&self, seq: u64, end: u64, most: usize) -> Vec<(u64, u64)> {
        let mut found: Vec<(u64, u64)> = Vec::new();
        let mut at = seq;
        while at < end {
            if let Some(next) = self.lines.end_of(at).or_else(|| self.gaps.end_of(at)) {
                at = next;
                continue;
            }
            let to =
                self.lines.next_from(at).unwrap_or(end).min(self.gaps.next_from(at).unwrap_or(end)).min(end);
            let is_enough = found.len() >= most;
            match found.last_mut() {
                Some(last) if is_enough => last.1 = to,
                _ => found.push((at, to)),
            }
            at = to;
        }
        found
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

    /// Drops the gaps of `rows` for all of which lines have come since. They are durable, in the log if nowhere else.
    pub(crate) fn drop_filled(&self, rows: &mut Arc<Rows>) {
        let Some(gaps) = rows.field(GAP_REASON) else { return };
        let is_filled = |row: &usize| {
            let (head, source) = (rows.head(*row), &rows.sources()[rows.source_refs()[*row] as usize]);
            let boot = self.get(&key(rows.org().as_str(), source.instance.as_str()), source.boot);
            boot.is_some_and(|boot| boot.has_lines(head.seq, head.seq.saturating_add(head.span)))
        };
        let filled: Vec<usize> = gaps.rows().filter(is_filled).collect();
        if !filled.is_empty() {
            *rows = Arc::new(rows.filter(|row| filled.binary_search(&row).is_err()));
        }
    }

    /// How many boots are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.boots
    }

    /// Forgets the boots that were not heard of since `before`, and those beyond the bound. Returns how many.
    pub(crate) fn forget(&mut self, before: i64) -> usize {
        self.forget_to(before, MAX_BOOTS)
    }

    fn forget_to(&mut self, before: i64, most: usize) -> usize {
        let old = self.boots;
        self.retain(|_, heard| heard >= before);
        if self.boots > most {
            let mut shares = self.shares(most);
            self.retain(|org, heard| shares.get_mut(org).is_none_or(|share| share.keeps(heard)));
        }
        old - self.boots
    }

    /// Keeps the boots for whose org and time of being heard of `keep` says so.
    fn retain(&mut self, mut keep: impl FnMut(&str, i64) -> bool) {
        self.keys.retain(|key, boots| {
            boots.retain(|(_, seen)| keep(org_of(key), seen.heard));
            !boots.is_empty()
        });
        self.boots = self.keys.values().map(Vec::len).sum();
    }

    /// What the orgs with more than their share of `most` boots keep.
    fn shares(&self, most: usize) -> HashMap<Box<str>, Share> {
        let mut heard: HashMap<&str, Vec<i64>> = HashMap::new();
        for (key, boots) in &self.keys {
            let of_org = boots.iter().map(|(_, seen)| seen.heard);
            heard.entry(org_of(key)).or_default().extend(of_org);
        }
        let share = fair_share(heard.values().map(Vec::len).collect(), most);
        let large = heard.into_iter().filter(|(_, heard)| heard.len() > share);
        large.map(|(org, heard)| (org.into(), Share::new(heard, share))).collect()
    }
}

/// The org of a [`key`].
fn org_of(key: &str) -> &str {
    key.split_once('/').map_or(key, |(org, _)| org)
}

/// The most that each of those who have `counts` may have, so that all have `most` together.
fn fair_share(mut counts: Vec<usize>, most: usize) -> usize {
    counts.sort_unstable();
    let (mut left, mut orgs) = (most, counts.len());
    for count in counts {
        let share = left / orgs;
        if count > share {
            return share;
        }
        (left, orgs) = (left - count, orgs - 1);
    }
    usize::MAX
}

/// Which boots an org keeps.
struct Share {
    /// Those heard of after this.
    after: i64,
    /// And so many of those heard of just then.
    then: usize,
}

impl Share {
    /// The `most` that were heard of last, of those heard of at `heard`, which are more.
    fn new(mut heard: Vec<i64>, most: usize) -> Self {
        heard.sort_unstable_by(|a, b| b.cmp(a));
        let after = heard.get(most).copied().unwrap_or(i64::MIN);
        Self { after, then: most - heard.partition_point(|&heard| heard > after) }
    }

    fn keeps(&mut self, heard: i64) -> bool {
        if heard != self.after || self.then == 0 {
            return heard > self.after;
        }
        self.then -= 1;
        true
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
                if rows.field(GAP_REASON).is_some_and(|field| !field.get(row).is_empty()) {
                    boot.gap(head.seq, head.span, usize::MAX);
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
