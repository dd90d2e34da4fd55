//! Counting without looking at rows: from the counts by stream, minute and level that parts carry.

mod tally;

use std::collections::HashSet;
use std::sync::Arc;

use line::Level;
use query::{Block, Column, Flow, Predicate, Query, Worker};

use super::Stored;
use crate::part::{Count, Part, Stream};
use crate::rows::{Source, by_ref, source_value};
use crate::scan::{ALL, Unit, Wanted, decide};
use tally::Tally;

/// Nanoseconds of a minute, which is what counts are by.
const MINUTE: i64 = 60_000_000_000;

/// Counts that are handed over at once.
const MAX_GATHERED: usize = 1 << 16;

/// How a query is answered from counts.
pub(super) struct Plan {
    /// What streams and levels are held against: the query's filter without its time.
    rest: Vec<Predicate>,
    /// The first minute that is counted whole, and the first that is not any more.
    whole: (i64, i64),
    /// The steps of time that are asked for, and by how much they are moved.
    step: Option<i64>,
    offset: i64,
}

/// What counts do not tell.
#[derive(Default)]
pub(super) struct Uncounted {
    /// To be scanned in all of the time that is asked for.
    pub(super) whole: Vec<Unit>,
    /// To be scanned outside of the whole minutes only.
    pub(super) edges: Vec<Unit>,
}

/// Whether, and how, counts can answer `query`.
pub(super) fn plan(query: &Query, wanted: &Wanted<'_>) -> Option<Plan> {
    let counts = query.counts()?;
    let fits = |time: i64| time % MINUTE == 0;
    if wanted.pos != ALL || !counts.step.is_none_or(fits) || !fits(counts.offset) {
        return None;
    }
    let rest = without_time(wanted.predicate, wanted.org.as_str())?;
    let whole = (ceil(wanted.from), floor(wanted.to));
    let plan = Plan { rest, whole, step: counts.step, offset: counts.offset };
    (whole.0 < whole.1 && plan.rest.iter().all(is_told)).then_some(plan)
}

/// The first minute that begins at `time` or later.
fn ceil(time: i64) -> i64 {
    if time == i64::MIN {
        time
    } else {
        time.saturating_add(MINUTE - 1).div_euclid(MINUTE).saturating_mul(MINUTE)
    }
}

/// The last minute that begins at `time` or before.
fn floor(time: i64) -> i64 {
    if time == i64::MAX { time } else { time.div_euclid(MINUTE) * MINUTE }
}

/// What has to hold beside the time; `None` if the time stands elsewhere than in front.
fn without_time(predicate: &Predicate, org: &str) -> Option<Vec<Predicate>> {
    match predicate {
        Predicate::All | Predicate::Time { .. } => Some(Vec::new()),
        Predicate::Orgs(_) => predicate.has_org(org).then(Vec::new),
        Predicate::And(all) => {
            let rest = all.iter().map(|one| without_time(one, org)).collect::<Option<Vec<_>>>()?;
            Some(rest.concat())
        }
        other => Some(vec![other.clone()]),
    }
}

/// Whether stream and level tell it.
fn is_told(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::All | Predicate::None => true,
        Predicate::And(list) | Predicate::Or(list) => list.iter().all(is_told),
        Predicate::Not(one) => is_told(one),
        // A stream has many boots.
        Predicate::Field(test) => match test.field() {
            "level" => true,
            field => field != "boot" && crate::rows::is_of_source(field),
        },
        _ => false,
    }
}

impl Plan {
    /// The time of what is counted whole.
    pub(super) const fn whole(&self) -> (i64, i64) {
        self.whole
    }

    /// Hands the counts of all parts to `worker`, and says what they do not tell.
    ///
    /// # Errors
    /// What the pipes say.
    pub(super) fn count(
        &self,
        stored: Stored<'_>,
        wanted: &Wanted<'_>,
        worker: &mut Worker,
    ) -> Result<Uncounted, query::Error> {
        let mut uncounted = Uncounted::default();
        wanted.in_memory(stored.rows, &mut uncounted.whole);
        for part in stored.parts {
            if part.summary().time.0 < self.whole.1 && part.summary().time.1 >= self.whole.0 {
                self.count_part(part, wanted, worker, &mut uncounted)?;
            }
            for (from, to) in [(wanted.from, self.whole.0), (self.whole.1, wanted.to)] {
                if from < to {
                    Wanted { from, to, pos: wanted.pos.clone(), ..*wanted }
                        .in_part(part, &mut uncounted.edges);
                }
            }
        }
        // Small parts, or a short time: a frame may lie over both edges.
        uncounted.edges.sort_by_key(Unit::place);
        uncounted.edges.dedup_by_key(|unit| unit.place());
        // What is scanned whole has its edges in it.
        let whole: HashSet<_> = uncounted.whole.iter().map(Unit::place).collect();
        uncounted.edges.retain(|unit| !whole.contains(&unit.place()));
        Ok(uncounted)
    }

    fn count_part(
        &self,
        part: &Arc<Part>,
        wanted: &Wanted<'_>,
        worker: &mut Worker,
        uncounted: &mut Uncounted,
    ) -> Result<(), query::Error> {
        let Some(mut apps) = wanted.apps_of(part) else { return Ok(()) };
        let streams = self.streams(part, wanted, &apps);
        apps.fill(false);
        for (stream, _) in part.streams().iter().zip(&streams).filter(|(_, levels)| levels.contains(&true)) {
            if let Some(app) = apps.get_mut(stream.app as usize) {
                *app = true;
            }
        }
        let mut tally = Tally::new(part.streams().len(), self.step, self.offset);
        for (number, _) in apps.iter().enumerate().filter(|(_, is_wanted)| **is_wanted) {
            let Ok(counts) = part.counts(number) else {
                // The rows say the same, and whoever reads them says what is damaged.
                let frames = part.frames_of(number).filter_map(|frame| u32::try_from(frame).ok());
                uncounted.whole.extend(frames.map(|frame| Unit::Frame(Arc::clone(part), frame)));
                continue;
            };
            for count in &counts {
                let is_whole = count.minute >= self.whole.0 && count.minute < self.whole.1;
                if is_whole && streams[count.stream as usize][usize::from(count.level & 3)] {
                    tally.add(count);
                }
            }
            // A day of many apps has more sums than memory should hold at once.
            if let Some(gathered) = tally.take(MAX_GATHERED) {
                let _more: Flow = worker.push(block(part, &gathered), &mut |_| {})?;
            }
        }
        let gathered = tally.finish();
        if !gathered.is_empty() {
            let _more: Flow = worker.push(block(part, &gathered), &mut |_| {})?;
        }
        Ok(())
    }

    /// Of each stream of a part and each level, whether its rows are asked for.
    fn streams(&self, part: &Part, wanted: &Wanted<'_>, may: &[bool]) -> Vec<[bool; 4]> {
        let apps: Vec<_> = part.apps().collect();
        let levels = |stream: &crate::part::Stream| {
            if !may.get(stream.app as usize).copied().unwrap_or(false) {
                return [false; 4];
            }
            let (region, instance) = (stream.region.clone(), stream.instance.clone());
            let source =
                Source { region, instance, host: Arc::clone(&stream.host), boot: line::Boot::from_bits(0) };
            let Some((org, app)) = apps.get(stream.app as usize) else { return [false; 4] };
            Level::ALL.map(|level| {
                *org == wanted.org
                    && self.rest.iter().all(|predicate| {
                        let mut test = |test: &query::FieldTest| match test.field() {
                            "level" => Some(test.matches(level.as_str().as_bytes())),
                            field => source_value(field, org, app, &source)
                                .map(|value| test.matches(value.as_bytes())),
                        };
                        decide(predicate, &mut test) == Some(true)
                    })
            })
        };
        part.streams().iter().map(levels).collect()
    }
}

/// Counts as rows with weights.
fn block(part: &Part, counts: &[Count]) -> Block {
    let mut used: Vec<u32> = counts.iter().map(|count| count.stream).collect();
    used.sort_unstable();
    used.dedup();
    let apps: Vec<_> = part.apps().map(|(_, app)| app.as_str()).collect();
    let streams: Vec<_> = used.iter().filter_map(|&at| part.streams().get(at as usize)).collect();
    let refs = || counts.iter().map(|count| used.binary_search(&count.stream).unwrap_or(usize::MAX));
    let of_stream = |value: &dyn Fn(&Stream) -> String| {
        let values: Vec<_> = streams.iter().map(|stream| value(stream)).collect();
        by_ref(&values, refs())
    };
    let app = |stream: &Stream| apps.get(stream.app as usize).copied().unwrap_or_default().to_owned();
    let levels = Level::ALL.map(Level::as_str);
    let mut block = Block::new(counts.len())
        .with("app", of_stream(&app))
        .with("region", of_stream(&|stream| stream.region.to_string()))
        .with("instance", of_stream(&|stream| stream.instance.to_string()))
        .with("level", by_ref(&levels, counts.iter().map(|count| usize::from(count.level & 3))))
        .with("_time", Column::Time(counts.iter().map(|count| count.minute).collect()));
    block.set_weights(counts.iter().map(|count| count.rows).collect());
    block
}
