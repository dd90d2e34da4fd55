//! What the spool's quota refused and no gap record states yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::assemble::Encoded;
use crate::machine::BootHandle;

/// A gap record states what was refused at least this often. Until then the seqs are not acknowledged.
const INTERVAL: Duration = Duration::from_secs(1);

/// A contiguous range of one boot that was refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) from_seq: u64,
    pub(super) next_seq: u64,
    pub(super) bytes: u64,
    /// Time of the first of them.
    pub(super) time: i64,
    since: Instant,
}

/// The ranges of all boots; as many as there are flooding Machines.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<(Arc<BootHandle>, Refused)>);

impl Refusals {
    /// Adds entries to the range of their boot. A connection that began anew brings entries again, from where the disk
    /// ends: they are counted once.
    pub(super) fn add(&mut self, boot: &Arc<BootHandle>, entries: &Encoded) {
        let known = self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, boot));
        let Some((_, refused)) = known else {
            let refused = Refused {
                from_seq: entries.first_seq,
                next_seq: entries.next_seq,
                bytes: entries.text_bytes,
                time: entries.first_time,
                since: Instant::now(),
            };
            self.0.push((Arc::clone(boot), refused));
            return;
        };
        if entries.next_seq > refused.next_seq {
            refused.next_seq = entries.next_seq;
            refused.bytes += entries.text_bytes;
        }
    }

    /// Takes out the range of a boot.
    pub(super) fn take(&mut self, boot: &Arc<BootHandle>) -> Option<Refused> {
        if self.0.is_empty() {
            return None;
        }
        let at = self.0.iter().position(|(known, _)| Arc::ptr_eq(known, boot))?;
        Some(self.0.swap_remove(at).1)
    }

    /// Puts back a range that could not be written.
    pub(super) fn put_back(&mut self, boot: &Arc<BootHandle>, refused: Refused) {
        self.0.push((Arc::clone(boot), refused));
    }

    /// When the next range must be stated.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|(_, refused)| refused.since + INTERVAL).min()
    }

    /// The boots whose range must be stated at `now`, or all.
    pub(super) fn ready(&self, all: bool, now: Instant) -> Vec<Arc<BootHandle>> {
        let ready = self.0.iter().filter(|(_, refused)| all || now >= refused.since + INTERVAL);
        ready.map(|(boot, _)| Arc::clone(boot)).collect()
    }
}
