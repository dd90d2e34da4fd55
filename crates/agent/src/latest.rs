//! When a boot wrote last: its times go on rising, also after a restart of the agent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use line::entry;

use crate::context::Context;
use crate::machine::BootHandle;
use crate::spool::{Batch, SpoolReader};

/// So many of a Machine's newest entries are looked at: those of another boot may be among them, and lines that came late.
const LOOK_ENTRIES: u64 = 1024;
/// The same in bytes.
const LOOK_BYTES: usize = 8 << 20;

/// The time of the boot's last entry, Unix nanoseconds, or a later one before which it wrote nothing else; 0 if that is not
/// known.
pub(crate) async fn time(context: &Context, boot: &Arc<BootHandle>) -> i64 {
    let known = boot.last_time.load(Ordering::Acquire);
    if known > 0 {
        return known;
    }
    let (reader, key, bits) = (context.reader.clone(), Arc::clone(&boot.machine.key), boot.boot.bits());
    let read = tokio::task::spawn_blocking(move || last_entry_time(&reader, &key, bits)).await.unwrap_or(0);
    boot.last_time.fetch_max(read, Ordering::AcqRel);
    read
}

fn last_entry_time(reader: &SpoolReader, key: &[u8], boot: u64) -> i64 {
    let newest = reader.newest(|found| found == key, LOOK_ENTRIES, LOOK_BYTES).unwrap_or_default();
    newest.iter().filter(|batch| batch.boot == boot).filter_map(last_of_batch).max().unwrap_or(0)
}

fn last_of_batch(batch: &Batch) -> Option<i64> {
    let entries = entry::Reader::new(&batch.bytes, batch.first_seq, batch.time);
    entries.map_while(Result::ok).last().map(|entry| entry.time)
}
