//! One question to this store: from a parsed query to rows, or to the state that another store joins with its own.

mod counted;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use line::OrgId;
use query::{Block, Flow, Limits, Pipeline, Predicate, Query, Share, Side, Worker};

use crate::Rows;
use crate::part::Part;
use crate::scan::{self, Figures, Newest, Scan, Unit, Wanted};

/// A question. The rows of no other org are looked at, whatever the query says.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Whose rows.
    pub org: &'a OrgId,
    /// What is asked, with all that limits the asker in it.
    pub query: &'a Query,
    /// Whether this store's rows are all there are.
    pub side: Side,
    /// Only rows of this time or later, Unix nanoseconds: older ones are not kept any more.
    pub from: i64,
    /// Only rows whose pos is in it: what a cursor has not seen, up to where another one stands.
    pub pos: Range<u64>,
    /// How much memory the pipes may take.
    pub limits: Limits,
    /// The org's part of the memory that all searches share.
    pub share: &'a Share,
    /// How many threads may work on it.
    pub threads: usize,
}

/// What is searched: rows that are in no part yet, and parts. No row is in both.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// In memory.
    pub rows: &'a [Arc<Rows>],
    /// On disk.
    pub parts: &'a [Arc<Part>],
}

/// How a search went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Searched {
    /// Rows whose filter was decided. Those that skip data or counts made unnecessary are not among them.
    pub rows: u64,
    /// Bytes of columns that were read, as they are in memory.
    pub bytes: u64,
    /// Frames that were opened.
    pub frames: u64,
    /// Rows with a pos below it were all looked at, as far as they were asked for: where a cursor goes on.
    pub pos: u64,
    /// For [`Side::Part`]: what [`query::Worker::import`] of the asker takes.
    pub state: Vec<u8>,
    /// Why the answer is not whole, if it is not.
    pub partial: Option<Partial>,
}

/// Why an answer is not whole. What was given out is right as far as it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partial {
    /// The search was ended before all was searched.
    Ended,
    /// Pieces of the store cannot be read.
    Damaged {
        /// How many.
        pieces: usize,
        /// The first of them, and what is wrong with it.
        first: String,
    },
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the search was ended before all was searched"),
            Self::Damaged { pieces, first } => {
                write!(f, "{pieces} pieces of the store cannot be read, the first one: {first}")
            }
        }
    }
}

/// Answers `ask` from what is `stored`. Rows go to `out`, from several threads at once until all are found; the search ends when it
/// says so, or when `is_over` does (deadline or cancellation), which makes the answer partial.
///
/// # Errors
/// What the query's filter and pipes say, [`query::Error`]: more memory needed than [`Ask::limits`] allows, most of all.
pub fn search(
    stored: Stored<'_>,
    ask: &Ask<'_>,
    is_over: &(dyn Fn() -> bool + Sync),
    out: &(dyn Fn(Block) -> Flow + Sync),
) -> Result<Searched, query::Error> {
    let mut query = ask.query.clone();
    query.hoist();
    let pipeline = Pipeline::within(&query, ask.limits, ask.share, ask.side)?;
    let search =
        Search { ask, query: &query, pipeline: &pipeline, figures: Figures::default(), is_over, out };
    let (workers, partial) = search.run(stored, &query.predicate()?)?;
    let mut searched = Searched {
        rows: search.figures.rows.load(Ordering::Relaxed),
        bytes: search.figures.bytes.load(Ordering::Relaxed),
        frames: search.figures.frames.load(Ordering::Relaxed),
        pos: 0,
        state: Vec::new(),
        partial,
    };
    match ask.side {
        Side::Part => searched.state = join(&pipeline, workers)?,
        Side::Whole | Side::Rest => pipeline.finish(workers, &mut |block| out(block))?,
    }
    Ok(searched)
}

/// A search under way.
struct Search<'a> {
    ask: &'a Ask<'a>,
    query: &'a Query,
    pipeline: &'a Pipeline,
    figures: Figures,
    is_over: &'a (dyn Fn() -> bool + Sync),
    out: &'a (dyn Fn(Block) -> Flow + Sync),
}

/// What the pipes' workers hold, and why that is not all.
type Held = (Vec<Worker>, Option<Partial>);

impl Search<'_> {
    /// From counts as far as they go, else from rows.
    fn run(&self, stored: Stored<'_>, predicate: &Predicate) -> Result<Held, query::Error> {
        let range = predicate.time_range();
        let wanted = Wanted {
            org: self.ask.org,
            predicate,
            from: range.from.max(self.ask.from),
            to: range.to,
            pos: self.ask.pos.clone(),
        };
        let narrow = |predicate: &Predicate| match wanted.from > range.from {
            true => {
                Predicate::And(vec![Predicate::Time { from: wanted.from, to: i64::MAX }, predicate.clone()])
            }
            false => predicate.clone(),
        };
        let Some(plan) = counted::plan(self.query, &wanted) else {
            return self.scan(units(stored, &wanted), &narrow(predicate));
        };
        let mut worker = self.pipeline.worker();
        let uncounted = plan.count(stored, &wanted, &mut worker)?;
        let (mut workers, mut partial) = self.scan(uncounted.whole, &narrow(predicate))?;
        workers.push(worker);
        if !uncounted.edges.is_empty() {
            let (from, to) = plan.whole();
            let counted = Predicate::Not(Box::new(Predicate::Time { from, to }));
            let (more, why) =
                self.scan(uncounted.edges, &Predicate::And(vec![counted, narrow(predicate)]))?;
            workers.extend(more);
            partial = partial.or(why);
        }
        Ok((workers, partial))
    }

    fn scan(&self, units: Vec<Unit>, predicate: &Predicate) -> Result<Held, query::Error> {
        let newest = self.query.newest().map(Newest::new);
        let scan = Scan {
            predicate,
            org: self.ask.org.as_str(),
            pos: self.ask.pos.clone(),
            fields: &self.query.fields_needed(),
            newest: newest.as_ref(),
            pipeline: self.pipeline,
            out: self.out,
            is_over: self.is_over,
            threads: self.ask.threads,
        };
        let scanned = scan::run(units, &scan, &self.figures)?;
        let partial = match (scanned.is_cut, scanned.damaged.first()) {
            (true, _) => Some(Partial::Ended),
            (false, Some((unit, error))) => {
                Some(Partial::Damaged { pieces: scanned.damaged.len(), first: format!("{unit}: {error}") })
            }
            (false, None) => None,
        };
        Ok((scanned.workers, partial))
    }
}

/// What has to be looked at.
fn units(stored: Stored<'_>, wanted: &Wanted<'_>) -> Vec<Unit> {
    let mut units = Vec::new();
    wanted.in_memory(stored.rows, &mut units);
    stored.parts.iter().for_each(|part| wanted.in_part(part, &mut units));
    units
}

/// What all workers hold, as one.
fn join(pipeline: &Pipeline, workers: Vec<Worker>) -> Result<Vec<u8>, query::Error> {
    let mut workers = workers.into_iter();
    let mut first = workers.next().unwrap_or_else(|| pipeline.worker());
    for other in workers {
        first.import(&other.export())?;
    }
    Ok(first.export())
}

#[cfg(test)]
mod tests;
