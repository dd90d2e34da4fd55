//! Runs pipes: on as many threads, and on as many stores, as there are.
//!
//! Pipes up to the first one that must see all rows run in every [`Worker`], the state of that one included. Then
//! [`Pipeline::finish`] joins the states and runs the rest. A state can be sent to another store
//! ([`Worker::export`], [`Worker::import`]), which is how one query runs on many of them.

mod segment;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::budget::{Account, Limits, Share};
use crate::pipe::{Gather, Run};
use crate::wire::Reader;
use crate::{Block, Error, Flow, Query};

use segment::Segment;

/// The first byte of an exported state: the version of its form.
const VERSION: u8 = 1;

/// Which part of a query's work is done here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// All of it.
    Whole,
    /// That of one store of several, up to and with the first pipe that must see all rows. The rows and the state that
    /// it gives are for a [`Side::Rest`].
    Part,
    /// What is left when parts have done theirs: workers take the rows and the states of parts.
    Rest,
}

/// The pipes of a query, ready to run.
pub struct Pipeline {
    segments: Vec<Segment>,
    side: Side,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("segments", &self.segments.len()).field("side", &self.side).finish()
    }
}

impl Pipeline {
    /// The pipes of `query`, all of whose state together stays within `limits`.
    pub fn new(query: &Query, limits: Limits, side: Side) -> Result<Self, Error> {
        Self::within(query, limits, &Share::default(), side)
    }

    /// The same, and within what is left of its owner's share.
    pub fn within(query: &Query, limits: Limits, share: &Share, side: Side) -> Result<Self, Error> {
        let used: Arc<AtomicUsize> = Arc::default();
        let context = crate::plan::context(query);
        let mut segments = vec![Segment::default()];
        for pipe in &query.pipes {
            let account = || Account::new(used.clone(), limits, share.clone(), pipe.to_string().into());
            let Some(last) = segments.last_mut() else { break };
            match pipe.run(context)? {
                Run::Gather(start) => {
                    last.gather(start, account());
                    segments.push(Segment::default());
                }
                run => last.step(run, pipe),
            }
        }
        if side != Side::Whole
            && let Some(first) = segments.first_mut()
        {
            let boundary = first.boundary();
            if side == Side::Rest {
                first.start_at(boundary);
            } else {
                first.end_after(boundary);
            }
        }
        Ok(Self { segments, side })
    }

    /// A worker, for one thread at a time.
    pub fn worker(&self) -> Worker {
        let first = self.segments.first().cloned().unwrap_or_default();
        let state = first.start();
        Worker { first, state }
    }

    /// Joins what `workers` have and gives the rows of the answer to `out`, until it says [`Flow::Done`]. Rows that no
    /// pipe had to hold back were given out by the workers themselves.
    pub fn finish(self, workers: Vec<Worker>, out: &mut dyn FnMut(Block) -> Flow) -> Result<(), Error> {
        if self.side == Side::Part {
            return Ok(());
        }
        let mut states = workers.into_iter().filter_map(|worker| worker.state);
        let first = || self.segments.first().and_then(Segment::start);
        let Some(mut state) = states.next().or_else(first) else { return Ok(()) };
        for other in states {
            let mut bytes = Vec::new();
            other.export(&mut bytes);
            drop(other);
            import(&mut *state, &bytes)?;
        }
        for segment in self.segments.iter().skip(1) {
            let mut next = segment.start();
            let mut failed = None;
            state.finish(&mut |block| {
                let passed = pass(segment, block, next.as_deref_mut(), out);
                passed.unwrap_or_else(|error| {
                    failed = Some(error);
                    Flow::Done
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
            let Some(next) = next else { break };
            state = next;
        }
        Ok(())
    }
}

/// Sends rows through `segment` to the pipe that holds rows behind it, or to `out`.
fn pass(
    segment: &Segment,
    block: Block,
    state: Option<&mut (dyn Gather + 'static)>,
    out: &mut dyn FnMut(Block) -> Flow,
) -> Result<Flow, Error> {
    let (block, flow) = segment.apply(block)?;
    let Some(block) = block else { return Ok(flow) };
    let taken = match state {
        Some(state) => state.push(&block)?,
        None => out(block),
    };
    Ok(if flow == Flow::Done { flow } else { taken })
}

fn import(state: &mut dyn Gather, bytes: &[u8]) -> Result<(), Error> {
    let mut reader = Reader(bytes);
    state.import(&mut reader)?;
    if reader.is_end() { Ok(()) } else { Err(Error::Partial("something follows it")) }
}

/// The first pipes of a query at work on the rows of one thread.
pub struct Worker {
    first: Segment,
    state: Option<Box<dyn Gather>>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("holds", &self.state.is_some()).finish()
    }
}

impl Worker {
    /// Takes rows in. Those that are a part of the answer already go to `out`. [`Flow::Done`] says that no row that comes
    /// from here on can change the answer.
    pub fn push(&mut self, block: Block, out: &mut dyn FnMut(Block)) -> Result<Flow, Error> {
        pass(&self.first, block, self.state.as_deref_mut(), &mut |block| {
            out(block);
            Flow::More
        })
    }

    /// What it holds, for [`Worker::import`] on another store that runs the same query. A few bytes if no pipe has to hold
    /// anything, never none.
    pub fn export(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.state.is_some())];
        if let Some(state) = &self.state {
            state.export(&mut out);
        }
        out
    }

    /// Joins what another store's worker held to what this one does. An error if it is not that, or too much; what was
    /// held before is then not to be relied on.
    pub fn import(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match (&mut self.state, bytes) {
            (Some(state), [VERSION, 1, bytes @ ..]) => import(&mut **state, bytes),
            // Behind a limit it is for all parts together to hold what passes.
            (state, [VERSION, 0]) if state.is_none() || self.first.cuts() => Ok(()),
            (_, [VERSION, 0 | 1, ..]) => Err(Error::Partial("it is of another query")),
            _ => Err(Error::Partial("its version")),
        }
    }
}

#[cfg(test)]
mod tests;
