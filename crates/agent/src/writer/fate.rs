//! What becomes of a boot: it says how far it has come, it is lost, it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use line::{Address, Clock, GapReason, entry};

use super::{Ending, GROUP_DELAY, Writer, batch_ref};
use crate::assemble::{Encoded, gap_entry};
use crate::clock::unix_ns;
use crate::machine::BootHandle;
use crate::spool::{self, Batch, BootRef};

impl Writer {
    /// Ends a boot.
    pub(super) fn end(&mut self, boot: &Arc<BootHandle>, ending: Ending) -> Result<(), spool::Error> {
        self.settle(boot)?;
        if ending != Ending::Bye {
            self.vanish(boot)?;
        }
        if ending == Ending::Lost {
            return Ok(());
        }
        self.spool.end_boot(boot_ref(boot), unix_ns())
    }

    /// States all that the boot is known to have had and that never came; at least one record, because nobody knows that
    /// there was none. What is stated already is not stated again.
    fn vanish(&mut self, boot: &Arc<BootHandle>) -> Result<(), spool::Error> {
        let state = self.spool.boot(&boot.machine.key, boot.boot.bits());
        if state.as_ref().is_some_and(|state| state.ended) {
            return Ok(());
        }
        let (from_seq, told) = state.as_ref().map_or((1, 0), |state| (state.next_seq, state.told_seq));
        let missing = boot.known_next.load(Ordering::Acquire).max(told).saturating_sub(from_seq);
        // Of one that never said anything there is nothing to say.
        if missing == 0 && state.is_none_or(|state| state.is_stated()) {
            return Ok(());
        }
        let span = missing.max(1);
        let last_time = self.last_time(boot);
        // What is missing was written after what came, and what comes later was not written before it.
        let time = if last_time > 0 { last_time.saturating_add(1) } else { unix_ns() };
        let gap = Encoded::one(&gap_entry(from_seq, span, time, Clock::Host, GapReason::Vanished, 0));
        let pos = self.spool.vanish(batch_ref(boot, &gap))?;
        self.appended(boot, gap, pos, false);
        boot.last_time.fetch_max(time, Ordering::AcqRel);
        boot.machine.metrics.gap(GapReason::Vanished, span);
        Ok(())
    }

    /// The time of the boot's last entry, Unix nanoseconds; 0 if that is not known. Its times go on rising from there, also
    /// after a restart.
    pub(super) fn last_time(&self, boot: &BootHandle) -> i64 {
        if boot.last_time.load(Ordering::Acquire) == 0 {
            let last = self.spool.last_batch(&boot.machine.key, boot.boot.bits());
            boot.last_time.fetch_max(last.as_ref().and_then(last_of_batch).unwrap_or(0), Ordering::AcqRel);
        }
        boot.last_time.load(Ordering::Acquire)
    }

    /// Notes on disk how far the boot says that it has come, if that is further than what is here.
    pub(super) fn tell(&mut self, boot: &Arc<BootHandle>) -> Result<(), spool::Error> {
        let told_seq = boot.known_next.load(Ordering::Acquire);
        if self.spool.tell(boot_ref(boot), told_seq, unix_ns())? {
            self.sync_at.get_or_insert_with(|| Instant::now() + GROUP_DELAY);
        }
        Ok(())
    }

    /// Ends what has vanished of a Machine, save the boot `keep`.
    pub(super) fn retire(&mut self, key: &[u8], keep: Option<u64>) -> Result<(), spool::Error> {
        let address = std::str::from_utf8(key).ok().and_then(|key| Address::from_key(key).ok());
        self.spool.retire(key, address.map_or(0, |address| address.app_key_len()), keep, unix_ns())
    }

    /// A boot has come: those of the Machine that have vanished before it are over for good.
    pub(super) fn replace(&mut self, boot: &BootHandle) -> Result<(), spool::Error> {
        self.retire(&boot.machine.key, Some(boot.boot.bits()))
    }
}

fn last_of_batch(batch: &Batch) -> Option<i64> {
    let entries = entry::Reader::new(&batch.bytes, batch.first_seq, batch.time);
    entries.map_while(Result::ok).last().map(|entry| entry.time)
}

fn boot_ref(boot: &BootHandle) -> BootRef<'_> {
    let machine = &boot.machine;
    BootRef { key: &machine.key, group_len: machine.group_len, boot: boot.boot.bits() }
}
