//! What was given ahead of the stores and taken for lost. Should it come after all, who was there when it was given has it, and who came
//! later does not.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::super::cursor::{BootKey, Given};
use super::Id;

/// Most boots that are remembered, each once for each loss. Beyond, the oldest is forgotten: what comes of it is given to all.
const MAX_BOOTS: usize = 4096;

/// See the module's text. Losses are numbered from 1 on.
#[derive(Debug, Default)]
pub(super) struct Losses {
    count: u64,
    /// What was lost of each boot, by the number of the loss. None is empty.
    known: HashMap<BootKey, BTreeMap<u64, Given>>,
    /// In the order in which they were noted, also those that came since.
    order: VecDeque<(u64, BootKey)>,
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
        for (boot, given) in lost {
            self.known.entry(boot).or_default().insert(self.count, given);
            self.order.push_back((self.count, boot));
        }
        while self.order.len() > MAX_BOOTS {
            let Some((number, boot)) = self.order.pop_front() else { break };
            self.forget(number, boot);
        }
    }

    /// In which loss a record was that comes now. It is forgotten.
    pub(super) fn take(&mut self, id: &Id) -> Option<u64> {
        let lost = self.known.get_mut(&id.key)?;
        let found = lost.iter_mut().find(|(_, given)| given.has(id.seq, id.end, id.is_gap));
        let (&number, given) = found?;
        given.remove(id.seq, id.end, id.is_gap);
        if given.is_empty() {
            self.forget(number, id.key);
        }
        Some(number)
    }

    fn forget(&mut self, number: u64, boot: BootKey) {
        if let Some(lost) = self.known.get_mut(&boot) {
            lost.remove(&number);
            if lost.is_empty() {
                self.known.remove(&boot);
            }
        }
    }
}
