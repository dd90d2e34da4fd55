//! Pipes between two that must see all rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::budget::Account;
use crate::pipe::{Each, Gather, MOST, Room, Run, Start};
use crate::{Block, Error, Flow};

/// One pipe of a segment. Counts are shared by the workers of a query.
#[derive(Clone)]
enum Step {
    /// Changes rows, each by itself.
    Each(Arc<dyn Each>, Arc<str>),
    /// Lets so many rows more pass.
    Limit(Arc<AtomicU64>),
    /// Keeps back so many rows more.
    Offset(Arc<AtomicU64>),
}

/// Pipes that pass rows on, and the one behind them that holds all of them.
#[derive(Clone, Default)]
pub(super) struct Segment {
    steps: Vec<Step>,
    gather: Option<(Start, Arc<Account>)>,
}

impl Segment {
    /// Adds a pipe that passes rows on.
    pub(super) fn step(&mut self, run: Run, pipe: &dyn std::fmt::Display) {
        match run {
            Run::Each(each) => self.steps.push(Step::Each(each, pipe.to_string().into())),
            Run::Limit(rows) => self.steps.push(Step::Limit(Arc::new(AtomicU64::new(rows)))),
            Run::Offset(rows) => self.steps.push(Step::Offset(Arc::new(AtomicU64::new(rows)))),
            Run::Gather(_) => {}
        }
    }

    /// Ends with a pipe that holds rows.
    pub(super) fn gather(&mut self, start: Start, account: Account) {
        self.gather = Some((start, Arc::new(account)));
    }

    /// A state of the pipe that holds rows, if there is one.
    pub(super) fn start(&self) -> Option<Box<dyn Gather>> {
        self.gather.as_ref().map(|(start, account)| start(account.another()))
    }

    /// How many pipes come before the first one that other stores' rows matter to.
    pub(super) fn boundary(&self) -> usize {
        self.steps.iter().take_while(|step| matches!(step, Step::Each(..))).count()
    }

    /// Whether one of the pipes lets only some rows pass, however good the others are.
    pub(super) fn cuts(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Each(..)))
    }

    /// Leaves out the first pipes, which were run elsewhere.
    pub(super) fn start_at(&mut self, boundary: usize) {
        self.steps.drain(..boundary.min(self.steps.len()));
    }

    /// Leaves out what can only be done where all rows come together.
    pub(super) fn end_after(&mut self, boundary: usize) {
        let left = |count: &Arc<AtomicU64>| count.load(Ordering::Relaxed);
        let last = match self.steps.get(boundary..).unwrap_or_default() {
            [] => return,
            [Step::Limit(limit), ..] => Some(left(limit)),
            // Other stores' rows may be those that are kept back.
            [Step::Offset(offset), Step::Limit(limit), ..] => Some(left(offset).saturating_add(left(limit))),
            _ => None,
        };
        self.steps.truncate(boundary);
        self.steps.extend(last.map(|rows| Step::Limit(Arc::new(AtomicU64::new(rows)))));
        self.gather = None;
    }

    /// What is left of `block` behind the pipes; none if nothing is. [`Flow::Done`] if nothing will be from here on.
    /// [`Error::Memory`] if a pipe makes too much of it.
    pub(super) fn apply(&self, mut block: Block) -> Result<(Option<Block>, Flow), Error> {
        let mut flow = Flow::More;
        for step in &self.steps {
            if block.is_empty() {
                return Ok((None, flow));
            }
            block = match step {
                Step::Each(each, pipe) => {
                    let mut room = Room::default();
                    let block = each.apply(block, &mut room);
                    if room.is_full() || block.bytes() > MOST {
                        return Err(Error::Memory { pipe: pipe.to_string(), limit: MOST });
                    }
                    block
                }
                Step::Limit(left) => {
                    let (taken, last) = take(left, block.rows());
                    if last {
                        flow = Flow::Done;
                    }
                    block.head(taken)
                }
                Step::Offset(left) => {
                    let (taken, _) = take(left, block.rows());
                    if taken == 0 { block } else { block.range(taken, usize::MAX) }
                }
            };
        }
        Ok((Some(block).filter(|block| !block.is_empty()), flow))
    }
}

/// Takes up to `wanted` from `left`; says how many it were and whether none are left.
fn take(left: &AtomicU64, wanted: usize) -> (usize, bool) {
    let wanted = wanted as u64;
    let before = left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wanted)))
        .unwrap_or_default();
    let taken = before.min(wanted);
    (usize::try_from(taken).unwrap_or(usize::MAX), before <= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    fn block(rows: u64) -> Block {
        let numbers = (0..rows).collect::<Vec<_>>();
        Block::new(numbers.len()).with("n", Column::Number(numbers))
    }

    #[test]
    fn counts_are_shared() {
        let mut segment = Segment::default();
        segment.step(Run::Offset(2), &"");
        segment.step(Run::Limit(3), &"");
        let other = segment.clone();
        let (none, flow) = segment.apply(block(1)).unwrap();
        assert!(none.is_none() && flow == Flow::More);
        let (first, flow) = other.apply(block(3)).unwrap();
        assert!(first.unwrap().rows() == 2 && flow == Flow::More);
        let (last, flow) = segment.apply(block(3)).unwrap();
        assert!(last.unwrap().rows() == 1 && flow == Flow::Done);
        let (none, flow) = other.apply(block(3)).unwrap();
        assert!(none.is_none() && flow == Flow::Done);
    }

    #[test]
    fn nothing_is_wanted_of_a_limit_of_nothing() {
        let mut segment = Segment::default();
        segment.step(Run::Limit(0), &"");
        assert_eq!(segment.apply(block(1)).unwrap().1, Flow::Done);
    }
}
