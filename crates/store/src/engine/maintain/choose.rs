//! Which parts are merged next.

use super::super::{Config, Shared, lock};
use super::{Maintaining, Task};
use crate::clock::{SECOND, day_range};
use crate::manifest::PartEntry;
use crate::shelf::Stored;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// The smallest size class of parts, bytes; the others are each four times the one before.
const SMALLEST_CLASS: u64 = 1 << 20;
/// A day that is over is written anew as a whole when its new parts are more than this fraction of it.
const WORTH: u64 = 8;
/// And when it is in more parts than this.
const MAX_PIECES: usize = 8;

impl Shared {
    /// Neighbours of one day that are to become one part, and how.
    pub(super) fn choose_merge(&self, maintaining: &Maintaining) -> Option<(Task, Vec<Arc<Stored>>)> {
        let now = self.now();
        let core = lock(&self.core);
        if core.stopping || core.trouble.is_some() {
            // The room that a merge takes is needed for what has no other place.
            return None;
        }
        let mut skip: BTreeSet<u64> = maintaining.put_off.at(self.clock.elapsed_ns()).collect();
        skip.extend(&core.damaged);
        skip.extend(core.absent.iter().map(|entry| entry.id));
        // No merge reaches over a part that is absent: it would overlap it when it is back.
        let mut all: Vec<&PartEntry> = core.parts.iter().map(|stored| &stored.entry).collect();
        all.extend(&core.absent);
        all.sort_by_key(|entry| (entry.day, entry.pos));
        let (task, ids) = all.chunk_by(|a, b| a.day == b.day).find_map(|day| {
            let (task, range) = choose(day, &skip, now, &self.config)?;
            Some((task, day[range].iter().map(|entry| entry.id).collect::<BTreeSet<u64>>()))
        })?;
        Some((task, core.parts.iter().filter(|stored| ids.contains(&stored.entry.id)).cloned().collect()))
    }
}

/// The choice among the parts of one day, which are in order of pos.
fn choose(
    parts: &[&PartEntry],
    skip: &BTreeSet<u64>,
    now: i64,
    config: &Config,
) -> Option<(Task, Range<usize>)> {
    let day_end = day_range(parts.first()?.day).1;
    let quiet = i64::from(config.quiet_s) * SECOND;
    // A part from the future was made before the clock was set back.
    let newest = parts.iter().map(|part| part.made).filter(|made| *made <= now).max().unwrap_or(day_end);
    if now >= day_end.max(newest).saturating_add(quiet) {
        return choose_closed(parts, skip).map(|range| (Task::Close, range));
    }
    choose_tier(parts, skip, config).map(|range| (Task::Merge, range))
}

/// Parts of a day that is over and quiet.
fn choose_closed(parts: &[&PartEntry], skip: &BTreeSet<u64>) -> Option<Range<usize>> {
    let bytes =
        |closed: bool| parts.iter().filter(|part| part.closed == closed).map(|part| part.bytes).sum::<u64>();
    let is_new = parts.iter().any(|part| !part.closed);
    let all_at_once = is_new && (bytes(false) * WORTH >= bytes(true) || parts.len() > MAX_PIECES);
    let wanted = |part: &PartEntry| all_at_once || !part.closed;
    runs(parts, |part| wanted(part) && !skip.contains(&part.id))
        .find(|range| range.len() > 1 || parts[range.clone()].iter().any(|part| !part.closed))
}

/// Small parts of a day that goes on: as many of about one size as are merged at once.
fn choose_tier(parts: &[&PartEntry], skip: &BTreeSet<u64>, config: &Config) -> Option<Range<usize>> {
    let count = config.merge_inputs.max(2);
    let mut class = SMALLEST_CLASS;
    while class <= config.merge_bytes.max(SMALLEST_CLASS) {
        let fits = |part: &PartEntry| part.bytes <= class && !part.closed && !skip.contains(&part.id);
        if let Some(run) = runs(parts, fits).find(|run| run.len() >= count) {
            return Some(run.start..run.start + count);
        }
        class = class.saturating_mul(4);
    }
    None
}

/// The longest runs of neighbours that all fit.
fn runs(parts: &[&PartEntry], fits: impl Fn(&PartEntry) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, part) in parts.iter().enumerate().filter(|(_, part)| fits(part)) {
        let _ = part;
        match found.last_mut() {
            Some(last) if last.end == at => last.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, HOUR};

    fn parts(sizes: &[(u64, bool)], made: i64) -> Vec<PartEntry> {
        let part = |(id, &(bytes, closed)): (u64, &(u64, bool))| PartEntry {
            id,
            day: 10,
            rows: 1,
            bytes,
            pos: (id * 10, id * 10 + 9),
            time: (10 * DAY, 10 * DAY),
            made,
            closed,
        };
        (1..).zip(sizes).map(part).collect()
    }

    fn chosen(sizes: &[(u64, bool)], (made, now): (i64, i64)) -> Option<(Task, Range<usize>)> {
        let parts = parts(sizes, made);
        choose(&parts.iter().collect::<Vec<_>>(), &BTreeSet::new(), now, &Config::default())
    }

    #[test]
    fn eight_of_a_size_become_one_while_the_day_lasts() {
        let noon = (10 * DAY, 10 * DAY + 12 * HOUR);
        let small = (1000, false);
        let big = (5 << 20, false);
        for (sizes, wanted) in [
            (vec![small; 7], None),
            (vec![small; 8], Some(0..8)),
            (vec![small; 20], Some(0..8)),
            ([vec![big; 3], vec![small; 8]].concat(), Some(3..11)),
            ([vec![small; 5], vec![big], vec![small; 5]].concat(), Some(0..8)),
            (vec![big; 8], Some(0..8)),
            (vec![(2 << 30, false); 20], None),
        ] {
            assert_eq!(chosen(&sizes, noon), wanted.map(|range| (Task::Merge, range)), "{sizes:?}");
        }
    }

    #[test]
    fn a_day_that_is_over_becomes_one_part_two_hours_later() {
        let end = 11 * DAY;
        let (new, old) = ((1000, false), (1000, true));
        for (sizes, made, now, wanted) in [
            (vec![new], end, end + HOUR, None),
            (vec![new], end, end + 2 * HOUR, Some(0..1)),
            (vec![new; 20], end, end + 2 * HOUR, Some(0..20)),
            (vec![old], end, end + 9 * HOUR, None),
            (vec![old, new], end + 8 * HOUR, end + 9 * HOUR, None),
            (vec![old, new], end + 8 * HOUR, end + 10 * HOUR, Some(0..2)),
            (vec![(100_000, true), new, new], end, end + 2 * HOUR, Some(1..3)),
            (vec![(100_000, true), (1000, true)], end, end + 2 * HOUR, None),
            // It was made while the clock was wrong.
            (vec![old, new], end + 999 * DAY, end + 10 * HOUR, Some(0..2)),
        ] {
            let found = chosen(&sizes, (made, now));
            assert_eq!(found, wanted.map(|range| (Task::Close, range)), "{sizes:?} {made} {now}");
        }
    }
}
