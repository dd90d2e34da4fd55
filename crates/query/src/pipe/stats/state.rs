//! Groups at work.

use std::sync::Arc;

use super::Output;
use crate::budget::Account;
use crate::condition::{Mask, compile};
use crate::packed::ROWS;
use crate::pipe::Gather;
use crate::predicate::Predicate;
use crate::stats::{Accumulate, By, Call, Context, Groups, Rows, check_key, key_values};
use crate::wire::{Reader, put, put_bytes};
use crate::{Block, Column, Error, Flow, Text};

/// A function with its condition ready to match.
pub(super) struct Function {
    call: Call,
    predicate: Option<Arc<Predicate>>,
    name: Arc<str>,
}

impl Function {
    pub(super) fn new(output: &Output) -> Result<Self, Error> {
        let predicate = compile(output.condition.as_ref())?;
        Ok(Self { call: output.call.clone(), predicate, name: output.name.as_str().into() })
    }
}

/// The groups so far and what the functions have of them.
pub(super) struct State {
    by: Arc<[By]>,
    functions: Arc<[Function]>,
    groups: Groups,
    states: Vec<Box<dyn Accumulate>>,
    account: Account,
}

impl State {
    pub(super) fn new(by: Arc<[By]>, functions: Arc<[Function]>, context: Context, account: Account) -> Self {
        let states = functions.iter().map(|function| function.call.start(context)).collect();
        let mut state = Self { by, functions, groups: Groups::default(), states, account };
        if state.by.is_empty() {
            // All rows are one group, which is there without any.
            state.groups.number(&[]);
            state.grow();
        }
        state
    }

    /// Makes room for all groups; says how many bytes more it takes.
    fn grow(&mut self) -> usize {
        let groups = self.groups.len();
        self.states.iter_mut().map(|state| state.grow(groups)).sum()
    }

    /// The groups in the order of their keys.
    fn sorted(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        let keys = self.groups.keys();
        order.sort_unstable_by(|&one, &other| match (keys.get(one), keys.get(other)) {
            (Some(one), Some(other)) => key_values(one).cmp(key_values(other)),
            _ => one.cmp(&other),
        });
        order
    }

    /// The rows of some groups.
    fn rows(&self, groups: &[usize]) -> Block {
        let mut keys = vec![Text::default(); self.by.len()];
        let mut results = vec![Text::default(); self.functions.len()];
        for &group in groups {
            let mut values = self.groups.keys().get(group).into_iter().flat_map(|key| key_values(key));
            keys.iter_mut().for_each(|text| text.push(values.next().unwrap_or_default()));
            for (text, state) in results.iter_mut().zip(&self.states) {
                text.push_with(|out| state.finish(group, out));
            }
        }
        let mut block = Block::new(groups.len());
        for (by, text) in self.by.iter().zip(keys) {
            block.set(by.field.as_str(), Column::Text(text));
        }
        for (function, text) in self.functions.iter().zip(results) {
            block.set(function.name.clone(), Column::Text(text));
        }
        block
    }
}

impl Gather for State {
    fn push(&mut self, block: &Block) -> Result<Flow, Error> {
        let (groups, mut more) = self.groups.assign(block, &self.by);
        more += self.grow();
        for (function, state) in self.functions.iter().zip(&mut self.states) {
            more += match Mask::new(function.predicate.as_ref(), block).rows() {
                None => state.add(block, &Rows::all(&groups)),
                Some(rows) => {
                    let picked: Vec<u32> =
                        rows.iter().filter_map(|&row| groups.get(row as usize)).copied().collect();
                    state.add(block, &Rows::some(&rows, &picked))
                }
            };
        }
        self.account.charge(more)?;
        Ok(Flow::More)
    }

    fn export(&self, out: &mut Vec<u8>) {
        put(self.by.len() as u64, out);
        put(self.states.len() as u64, out);
        let order = self.sorted();
        put(order.len() as u64, out);
        for group in order {
            put_bytes(self.groups.keys().get(group).map_or(&[], |key| key), out);
            self.states.iter().for_each(|state| state.export(group, out));
        }
    }

    fn import(&mut self, state: &mut Reader<'_>) -> Result<(), Error> {
        let (by, functions) = (state.number()?, state.number()?);
        if by != self.by.len() as u64 || functions != self.states.len() as u64 {
            return Err(Error::Partial("it is of another 'stats'"));
        }
        for _ in 0..state.number()? {
            let key = state.bytes()?;
            check_key(key, self.by.len())?;
            let (group, mut more) = self.groups.number(key);
            more += self.grow();
            for own in &mut self.states {
                more += own.import(group as usize, state)?;
            }
            self.account.charge(more)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn FnMut(Block) -> Flow) {
        for groups in self.sorted().chunks(ROWS) {
            if out(self.rows(groups)) == Flow::Done {
                return;
            }
        }
    }
}
