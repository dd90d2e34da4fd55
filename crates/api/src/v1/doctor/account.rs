//! Numbers of boots: which are in lines, which are stated missing, and which are neither.

use std::collections::BTreeMap;
use std::ops::Range;

use line::time::{SECOND, parse_rfc3339};
use serde_json::{Value, json};

use crate::heartbeats::Mark;
use crate::v1::own::{Row, Table};

/// Most ranges of one boot that are looked into for lines that came late.
const MAX_RANGES: usize = 100;

/// Which boot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) app: String,
    pub(super) region: String,
    pub(super) instance: String,
    pub(super) boot: String,
}

/// What is known of a boot since some moment, or of several together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) host: String,
    /// The first number since then, and the one behind the last that is stored.
    pub(super) first: u64,
    pub(super) next: u64,
    /// How many numbers lie between, of all boots.
    stretch: u64,
    /// Numbers in lines.
    stored: u64,
    /// Numbers stated missing, by reason.
    gaps: BTreeMap<String, u64>,
    /// The same as ranges, rising, without what two of them have in common.
    ranges: Vec<Range<u64>>,
    /// How many numbers are in those.
    stated: u64,
    /// How many of them are in lines after all.
    late: u64,
    /// Numbers on the host's disk that are not stored yet.
    behind: u64,
    /// How long ago the newest line was written that is stored, if some are behind. Nanoseconds.
    lag: i64,
    /// When the newest one that is stored was written, Unix nanoseconds; 0: none is.
    pub(super) newest: i64,
    /// A heartbeat names it, and nothing of it was found.
    is_unfound: bool,
    /// One past the last number on the host's disk.
    mark: u64,
}

/// All boots.
#[derive(Debug, Default)]
pub(super) struct Boots {
    boots: BTreeMap<Id, Account>,
    /// Why rows may be missing.
    pub(super) missing: Vec<String>,
}

impl Boots {
    pub(super) fn accounts(&self) -> impl Iterator<Item = (&Id, &Account)> {
        self.boots.iter()
    }

    /// What is stored of each boot, as if each row stood for one number.
    pub(super) fn stored(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let account = self.boots.entry(id(row)).or_default();
            account.host = row.text("host");
            (account.first, account.next) = (row.count("first"), row.count("last").saturating_add(1));
            account.stretch = account.next.saturating_sub(account.first);
            account.stored = row.count("rows");
            account.newest = moment(row);
        }
    }

    /// The rows that stand for many numbers, or for such that are stated missing.
    pub(super) fn spanned(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let Some(account) = self.boots.get_mut(&id(row)) else { continue };
            account.next = account.next.max(row.count("next"));
            account.stretch = account.next.saturating_sub(account.first);
            let lines = row.count("numbers").saturating_sub(row.count("stated"));
            account.stored = account.stored.saturating_sub(row.count("rows")).saturating_add(lines);
        }
    }

    /// The gap records.
    pub(super) fn gaps(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let Some(account) = self.boots.get_mut(&id(row)) else { continue };
            // One that stands for one number has no span.
            let (seq, span) = (row.count("seq"), row.count("span").max(1));
            *account.gaps.entry(row.text("gap.reason")).or_default() += span;
            account.ranges.push(seq..seq.saturating_add(span));
        }
        for account in self.boots.values_mut() {
            account.ranges = joined(std::mem::take(&mut account.ranges));
            account.stated = account.ranges.iter().map(|range| range.end - range.start).sum();
        }
    }

    /// The boots of which numbers are stated missing, and which.
    pub(super) fn with_gaps(&self) -> impl Iterator<Item = (Id, Vec<Range<u64>>)> {
        let some = self.boots.iter().filter(|(_, account)| !account.ranges.is_empty());
        some.map(|(id, account)| (id.clone(), account.ranges.iter().take(MAX_RANGES).cloned().collect()))
    }

    /// How many of those are in lines.
    pub(super) fn came_late(&mut self, id: &Id, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        let late = table.rows().next().map_or(0, |row| row.count("numbers"));
        if let Some(account) = self.boots.get_mut(id) {
            account.late = late.min(account.stated);
        }
    }

    /// How far the host has come with a boot.
    pub(super) fn heard(&mut self, mark: &Mark) {
        let address = &mark.address;
        let [app, region, instance] =
            [&address.app, &address.region, &address.instance].map(|name| name.as_str().to_owned());
        let id = Id { app, region, instance, boot: mark.boot.to_string() };
        let unfound = || Account { is_unfound: true, host: mark.host.clone(), ..Account::default() };
        let account = self.boots.entry(id).or_insert_with(unfound);
        account.mark = mark.next_seq;
        account.behind = account.mark.saturating_sub(account.next);
    }

    /// The boots that only heartbeats name.
    pub(super) fn unfound(&self) -> impl Iterator<Item = Id> {
        self.boots.iter().filter(|(_, account)| account.is_unfound).map(|(id, _)| id.clone())
    }

    /// What is stored of one of those, however long ago.
    pub(super) fn found(&mut self, id: &Id, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        let Some(account) = self.boots.get_mut(id) else { return };
        if let Some(row) = table.rows().next() {
            // Numbers begin with 1.
            account.next = row.count("next").max(1);
            account.first = account.next;
            account.newest = moment(row);
            account.behind = account.mark.saturating_sub(account.next);
        }
    }
}

fn id(row: Row<'_>) -> Id {
    let [app, region, instance, boot] = ["app", "region", "instance", "boot"].map(|field| row.text(field));
    Id { app, region, instance, boot }
}

/// The time of the newest line, Unix nanoseconds; 0 if there is none.
fn moment(row: Row<'_>) -> i64 {
    parse_rfc3339(&row.text("newest")).unwrap_or(0)
}

/// Ranges without what two of them have in common, rising.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut out: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

impl Account {
    /// Numbers that are in no line and stated nowhere.
    fn missing(&self) -> u64 {
        self.stretch.saturating_sub(self.stored).saturating_sub(self.stated - self.late)
    }

    /// How long the oldest one that is not stored may have waited, if one is not.
    fn lag(&self, now: i64) -> i64 {
        let own = if self.behind > 0 && self.newest > 0 { now.saturating_sub(self.newest).max(0) } else { 0 };
        own.max(self.lag)
    }

    /// Adds another one, for a sum.
    pub(super) fn add(&mut self, other: &Self, now: i64) {
        self.stretch += other.stretch;
        self.stored += other.stored;
        self.stated += other.stated;
        self.late += other.late;
        self.behind += other.behind;
        self.lag = self.lag.max(other.lag(now));
        for (reason, count) in &other.gaps {
            *self.gaps.entry(reason.clone()).or_default() += count;
        }
    }

    pub(super) fn shown(&self, now: i64) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "seconds need no more")]
        let lag_s = (self.lag(now) / (SECOND / 1000)) as f64 / 1000.0;
        json!({
            "produced": self.stretch + self.behind,
            "stored": self.stored,
            "gaps": self.gaps,
            "late": self.late,
            "missing": self.missing(),
            "behind": self.behind,
            "lag_s": lag_s,
            "proved": self.missing() == 0 && self.behind == 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_joined() {
        for (ranges, wanted) in [
            (vec![], vec![]),
            (vec![5..7, 1..3], vec![1..3, 5..7]),
            (vec![1..4, 2..3, 3..6, 6..7], std::iter::once(1..7).collect()),
            (std::iter::once(3..3).collect(), vec![]),
        ] {
            assert_eq!(joined(ranges), wanted);
        }
    }

    /// What became of each number.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fate {
        Line,
        Gap,
        /// Stated missing, and stored later.
        Late,
        Nothing,
    }

    proptest! {
        #[test]
        fn each_number_is_counted_once(
            fates in prop::collection::vec(prop::sample::select(&[Fate::Line, Fate::Gap, Fate::Late, Fate::Nothing][..]), 1..40),
        ) {
            let count = |wanted: &[Fate]| fates.iter().filter(|fate| wanted.contains(fate)).count() as u64;
            let gaps = fates.iter().zip(1_u64..).filter(|(fate, _)| [Fate::Gap, Fate::Late].contains(fate));
            let ranges = joined(gaps.map(|(_, seq)| seq..seq + 1).collect());
            let account = Account {
                stretch: fates.len() as u64,
                stored: count(&[Fate::Line, Fate::Late]),
                stated: ranges.iter().map(|range| range.end - range.start).sum(),
                late: count(&[Fate::Late]),
                ranges,
                ..Account::default()
            };
            prop_assert_eq!(account.missing(), count(&[Fate::Nothing]));
            let mut twice = account.clone();
            twice.add(&account, 0);
            prop_assert_eq!(twice.missing(), 2 * account.missing());
        }
    }
}
