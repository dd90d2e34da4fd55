//! A batch comes in.

use super::{Engine, Shared, lock};
use crate::batch::{self, Checked, Malformed};
use crate::request::Request;
use line::append::ORG_ENDED;
use std::fmt;

/// What became of a batch whose records are all durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// All rows of it have a pos below this: a cursor for whoever wants to read on from here.
    pub pos: u64,
    /// Records that are new.
    pub taken: u64,
    /// Records that were dropped because they had come before.
    pub duplicates: u64,
    /// Of those taken, how many came with an impossible time (in 1970, in 2100) and got that of their coming. They carry the field
    /// `logway.time` with the former one.
    pub retimed: u64,
    /// Rows from elsewhere that were dropped because they are older than anything that is kept.
    pub expired: u64,
}

/// Why a batch was not taken. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is to be sent again, not before this many milliseconds have passed.
    Busy {
        /// Milliseconds.
        retry_ms: u64,
        /// Why, with a code.
        reason: String,
    },
    /// It can never be taken.
    Rejected {
        /// The catalogue's code.
        code: &'static str,
        /// Why.
        reason: String,
    },
}

impl From<&Malformed> for Refusal {
    fn from(malformed: &Malformed) -> Self {
        Self::Rejected { code: "LS05", reason: malformed.to_string() }
    }
}

/// Who is told what became of a batch. It is called on the writer's thread, and must not wait for anything. Dropped without being called, it
/// says that nobody knows, as after a kill.
pub type Reply = Box<dyn FnOnce(Result<Receipt, Refusal>) + Send>;

/// A batch that waits for the log.
pub(super) struct Pending {
    pub(super) checked: Checked,
    pub(super) reply: Reply,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("records", &self.checked.count).finish_non_exhaustive()
    }
}

/// How soon to come again when only the queue is full.
const SOON_MS: u64 = 50;
/// And when the disk is behind.
const LATER_MS: u64 = 250;
/// And when the disk is full or fails.
const MUCH_LATER_MS: u64 = 2000;

pub(super) fn busy_disk(is_full: bool, what: &str) -> Refusal {
    let reason = if is_full {
        format!("LS02: the disk is full ({what})")
    } else {
        format!("LS03: the disk fails ({what})")
    };
    Refusal::Busy { retry_ms: MUCH_LATER_MS, reason }
}

impl Engine {
    /// Takes a request to keep lines ([`line::append::Envelope`]). `reply` is called once: with a receipt when all of it is durable and
    /// readable, else with the reason. One with rows of an org that has ended ([`Engine::set_ended`]) is rejected as a whole. Decoding is
    /// done on this thread; the rest does not block.
    pub fn append(&self, request: Vec<u8>, reply: Reply) {
        match Request::read(request) {
            Ok(request) => self.append_request(request, reply),
            Err(malformed) => reply(Err(self.reject(&malformed))),
        }
    }

    /// The same with a request that was read.
    pub fn append_request(&self, request: Request, reply: Reply) {
        match batch::check(request) {
            Ok(checked) => self.shared.admit(checked, reply),
            Err(malformed) => reply(Err(self.reject(&malformed))),
        }
    }

    /// The refusal of what is no request, which counts as one.
    pub(crate) fn reject(&self, malformed: &Malformed) -> Refusal {
        lock(&self.shared.core).counters.rejected += 1;
        Refusal::from(malformed)
    }
}

impl Shared {
    fn admit(&self, checked: Checked, reply: Reply) {
        if let Some(answer) = self.answer_at_once(&checked) {
            return reply(answer);
        }
        let len = checked.body_bytes();
        let mut queue = lock(&self.queue);
        let refusal = if queue.closed {
            Some("LS06: the store is being closed")
        } else if queue.bytes > 0 && queue.bytes + len > self.config.queue_bytes {
            Some("LS06: too many batches wait for the disk")
        } else {
            None
        };
        if let Some(reason) = refusal {
            drop(queue);
            lock(&self.core).counters.busy += 1;
            return reply(Err(Refusal::Busy { retry_ms: SOON_MS, reason: reason.to_owned() }));
        }
        queue.bytes += len;
        queue.waiting.push_back(Pending { checked, reply });
        drop(queue);
        self.queued.notify_one();
    }

    /// The answer to a batch that need not, or cannot, go through the log.
    fn answer_at_once(&self, checked: &Checked) -> Option<Result<Receipt, Refusal>> {
        let mut core = lock(&self.core);
        if let Some(org) = checked.orgs.iter().find(|org| core.ended.contains(*org)) {
            core.counters.rejected += 1;
            core.counters.ended += 1;
            let reason = format!("the org {org} has ended: nothing of it is kept");
            return Some(Err(Refusal::Rejected { code: ORG_ENDED, reason }));
        }
        let refusal = if let Some(name) = core.broken {
            let reason = format!("LS09: {}", super::watch::sentence(name));
            Refusal::Busy { retry_ms: MUCH_LATER_MS, reason }
        } else if core.suspect {
            busy_disk(false, "what was found at the start is not safe yet")
        } else if checked.is_stored(&core.seen) {
            core.counters.duplicates += u64::from(checked.count);
            let duplicates = u64::from(checked.count);
            return Some(Ok(Receipt { pos: core.readable_pos, duplicates, ..Receipt::default() }));
        } else if let Some(trouble) = &core.trouble {
            busy_disk(trouble.is_full, &trouble.what)
        } else if core.heap_bytes() >= self.config.memory_bytes {
            Refusal::Busy {
                retry_ms: LATER_MS,
                reason: "LS06: more lines come than the disk takes".to_owned(),
            }
        } else {
            return None;
        };
        core.counters.busy += 1;
        Some(Err(refusal))
    }

    /// Takes no more batches.
    pub(super) fn stop_taking(&self) {
        lock(&self.queue).closed = true;
        self.queued.notify_all();
    }
}
