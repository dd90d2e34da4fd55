//! What was given ahead of the stores and taken for lost. Should it come after all, who was there when it was given has it, and who came
//! later does not.

use std::collections::{BTreeMap, VecDeque};

use super::super::cursor::{BootKey, Given};
use super::Id;

/// Most boots that are remembered, of all losses together. Beyond, the oldest loss is forgotten: what comes of it is given to all.
const MAX_BOOTS: usize = 4096;

/// See the module's text. Losses are numbered from 1 on.
#[derive(Debug, Default)]
pub(super) struct Losses {
    count: u64,
    boots: usize,
    known: VecDeque<(u64, BTreeMap<BootKey, Given>)>,
}

impl Losses {
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// These are lost.
    pub(super) fn note(&mut self, lost: BTreeMap<BootKey, Given>) {
        if lost.is_empty() {
            return;
        }
        self.count += 1;
        self.boots += lost.len();
        self.known.push_back((self.count, lost));
        while self.boots > MAX_BOOTS {
            let Some((_, oldest)) = self.known.pop_front() else { break };
            self.boots -= oldest.len();
        }
    }

    /// In which loss a record was that comes now. It is forgotten.
    pub(super) fn take(&mut self, id: &Id) -> Option<u64> {
        for (number, lost) in &mut self.known {
            let Some(given) = lost.get_mut(&id.key) else { continue };
            if given.has(id.seq, id.end, id.is_gap) {
                given.remove(id.seq, id.end, id.is_gap);
                if given.is_empty() {
                    lost.remove(&id.key);
                    self.boots -= 1;
                }
                return Some(*number);
            }
        }
        None
    }
}
