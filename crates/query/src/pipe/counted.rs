//! What pipes have in common that count different combinations of values: `top`, `uniq`, `field_values`.

use std::sync::Arc;

use crate::budget::Account;
use crate::packed::{Packer, ROWS};
use crate::pipe::Gather;
use crate::stats::{By, Groups, check_key, key_values};
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Column, Error, Flow, Text, packed};

/// How many different combinations are looked at where a limit says that some are enough.
const ENOUGH: usize = 65_536;

/// In which order they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By their values.
    Values,
    /// The commonest first; those that are equally common by their values.
    Hits,
}

/// What is counted and how it is given.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The fields; none for all that a row has.
    pub(super) by: Vec<By>,
    /// Whether rows in which all of them are empty do not count.
    pub(super) skips_empty: bool,
    /// The order.
    pub(super) order: Order,
    /// Most combinations that are given; 0 for all.
    pub(super) limit: usize,
    /// Whether it may look at fewer combinations than there are. If it did, all counts are given as 0.
    pub(super) may_cut: bool,
    /// The field with the count.
    pub(super) hits: Option<String>,
    /// The field with the place, from 1.
    pub(super) rank: Option<String>,
}

/// The combinations so far.
pub(super) struct Counted {
    plan: Arc<Plan>,
    groups: Groups,
    counts: Vec<u64>,
    /// Whether there were more than were looked at.
    cut: bool,
    account: Account,
}

impl Counted {
    pub(super) fn new(plan: Arc<Plan>, account: Account) -> Self {
        Self { plan, groups: Groups::default(), counts: Vec::new(), cut: false, account }
    }

    fn add(&mut self, key: &[u8], hits: u64) -> Result<(), Error> {
        let enough =
            if self.plan.may_cut && self.plan.limit > 0 { self.plan.limit.max(ENOUGH) } else { usize::MAX };
        if self.groups.len() >= enough && !self.groups.has(key) {
            self.cut = true;
            return Ok(());
        }
        let (group, more) = self.groups.number(key);
        self.counts.resize(self.groups.len(), 0);
        if let Some(count) = self.counts.get_mut(group as usize) {
            *count = count.saturating_add(hits);
        }
        self.account.charge(more)
    }

    fn is_empty(&self, key: &[u8]) -> bool {
        key_values(key).all(<[u8]>::is_empty)
    }

    /// The combinations that are given, in their order.
    fn given(&self) -> Vec<usize> {
        let (keys, counts) = (self.groups.keys(), &self.counts);
        let compare = |&one: &usize, &other: &usize| {
            let hits = |group: usize| counts.get(group).copied().unwrap_or(0);
            let by_hits = match self.plan.order {
                Order::Values => std::cmp::Ordering::Equal,
                Order::Hits => hits(other).cmp(&hits(one)),
            };
            by_hits.then_with(|| match (keys.get(one), keys.get(other)) {
                (Some(one), Some(other)) => key_values(one).cmp(key_values(other)),
                _ => one.cmp(&other),
            })
        };
        let mut order: Vec<usize> = (0..keys.len()).collect();
        if self.plan.limit > 0 && self.plan.limit < order.len() {
            // Few of many: there is no need to sort those that are not given.
            order.select_nth_unstable_by(self.plan.limit - 1, compare);
            order.truncate(self.plan.limit);
        }
        order.sort_unstable_by(compare);
        order
    }

    fn rows(&self, first: usize, groups: &[usize]) -> Block {
        let mut block = self.values(groups);
        let count = |&group: &usize| if self.cut { 0 } else { self.counts.get(group).copied().unwrap_or(0) };
        if let Some(hits) = &self.plan.hits {
            block.set(hits.as_str(), Column::Number(groups.iter().map(count).collect()));
        }
        if let Some(rank) = &self.plan.rank {
            let places = (0..groups.len()).map(|at| (first + at + 1) as u64);
            block.set(rank.as_str(), Column::Number(places.collect()));
        }
        block
    }

    fn values(&self, groups: &[usize]) -> Block {
        let keys = groups.iter().filter_map(|&group| self.groups.keys().get(group));
        if self.plan.by.is_empty() {
            let mut rows = packed::Unpacker::default();
            keys.for_each(|key| rows.push(key));
            return rows.take();
        }
        let mut columns = vec![Text::default(); self.plan.by.len()];
        for key in keys {
            let mut values = key_values(key);
            columns.iter_mut().for_each(|text| text.push(values.next().unwrap_or_default()));
        }
        let mut block = Block::new(groups.len());
        for (by, text) in self.plan.by.iter().zip(columns) {
            block.set(by.field.as_str(), Column::Text(text));
        }
        block
    }
}

impl Gather for Counted {
    fn push(&mut self, block: &Block) -> Result<Flow, Error> {
        if self.plan.by.is_empty() {
            let mut packer = Packer::new(block, |_| true);
            for row in 0..block.rows() {
                self.add(&packer.pack(row), block.weight(row))?;
            }
            return Ok(Flow::More);
        }
        // The combinations of the block first: there are fewer of them than rows.
        let mut own = Groups::default();
        let (groups, _) = own.assign(block, &self.plan.by);
        let mut hits = vec![0u64; own.len()];
        for (row, &group) in groups.iter().enumerate() {
            if let Some(hits) = hits.get_mut(group as usize) {
                *hits += block.weight(row);
            }
        }
        for (key, hits) in own.keys().iter().zip(hits) {
            if !(self.plan.skips_empty && self.is_empty(key)) {
                self.add(key, hits)?;
            }
        }
        Ok(Flow::More)
    }

    fn export(&self, out: &mut Vec<u8>) {
        put(u64::from(self.cut), out);
        put(self.groups.len() as u64, out);
        let mut all: Vec<_> = self.groups.keys().iter().zip(&self.counts).collect();
        all.sort_unstable();
        for (key, count) in all {
            put_bytes(key, out);
            put(*count, out);
        }
    }

    fn import(&mut self, state: &mut Reader<'_>) -> Result<(), Error> {
        self.cut |= state.number()? != 0;
        for _ in 0..state.number()? {
            let (key, count) = (state.bytes()?, state.number()?);
            if self.plan.by.is_empty() {
                packed::check(key)?;
            } else {
                check_key(key, self.plan.by.len())?;
            }
            self.add(key, count)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn FnMut(Block) -> Flow) {
        for (at, groups) in self.given().chunks(ROWS).enumerate() {
            if out(self.rows(at * ROWS, groups)) == Flow::Done {
                return;
            }
        }
    }
}
