//! Entries below the spool's end: those that were stated as vanished take their place, the others came twice.

use std::ops::Range;
use std::sync::Arc;

use line::{Body, Entry};

use super::{Later, Unsynced, Writer, batch_ref, later};
use crate::assemble::Encoded;
use crate::machine::BootHandle;
use crate::{recover, spool};

impl Writer {
    /// Appends entries that begin below the boot's next seq.
    pub(super) fn append_late(
        &mut self,
        boot: &Arc<BootHandle>,
        entries: Encoded,
    ) -> Result<(), Later<Encoded>> {
        let key = Arc::clone(&boot.machine.key);
        let Some(state) = self.spool.boot(&key, boot.boot.bits()) else { return Ok(()) };
        let mut twice = entries.next_seq.min(state.next_seq) - entries.first_seq;
        for run in returned(&entries, &state.vanished, state.next_seq) {
            match self.spool.fill(batch_ref(boot, &run)) {
                Ok(pos) => {
                    twice = twice.saturating_sub(run.next_seq - run.first_seq);
                    self.appended(boot, run, pos, true);
                }
                Err(why @ (spool::Error::Full { .. } | spool::Error::Io { .. })) => {
                    return Err(later(entries, why));
                }
                Err(why) => recover::not_filled(&why),
            }
        }
        boot.machine.metrics.duplicates.inc_by(twice);
        let next_seq = self.spool.boot(&key, boot.boot.bits()).map_or(0, |state| state.next_seq);
        let Some(rest) = entries_from(&entries, next_seq) else {
            self.note_unsynced(Unsynced::Entries(Arc::clone(boot), entries.next_seq));
            return Ok(());
        };
        self.append(boot, rest)
    }
}

/// The lines that stand in the place of what was stated as vanished, in runs. Gap records are none: one is there.
fn returned(entries: &Encoded, vanished: &[Range<u64>], next_seq: u64) -> Vec<Encoded> {
    let mut runs: Vec<(usize, Vec<Entry<'_>>)> = Vec::new();
    for entry in entries.entries().map_while(Result::ok).take_while(|entry| entry.seq < next_seq) {
        // Where the boot vanished nobody knew how far its next line reaches.
        let holds = |range: &Range<u64>| {
            range.contains(&entry.seq) && (entry.next_seq() <= range.end || range.end == next_seq)
        };
        let Some(range) = vanished.iter().position(holds) else { continue };
        if matches!(entry.body, Body::Gap(_)) {
            continue;
        }
        match runs.last_mut() {
            Some((last, run)) if *last == range && run.last().map(Entry::next_seq) == Some(entry.seq) => {
                run.push(entry);
            }
            _ => runs.push((range, vec![entry])),
        }
    }
    runs.iter().filter_map(|(_, run)| encode(run, entries.base_time)).collect()
}

/// The entries that begin at `next_seq` or later. Of a gap record that reaches over it the rest is among them; a line that
/// does is left out, and what it held beyond is stated as missing by whoever appends the rest.
pub(super) fn entries_from(entries: &Encoded, next_seq: u64) -> Option<Encoded> {
    let all = entries.entries().map_while(Result::ok);
    let kept: Vec<_> = all.filter_map(|entry| rest_of(entry, next_seq)).collect();
    encode(&kept, entries.base_time)
}

fn rest_of(entry: Entry<'_>, next_seq: u64) -> Option<Entry<'_>> {
    if entry.seq >= next_seq {
        return Some(entry);
    }
    let span = entry.next_seq().checked_sub(next_seq).filter(|span| *span > 0)?;
    matches!(entry.body, Body::Gap(_)).then_some(Entry { seq: next_seq, span, ..entry })
}

/// Consecutive entries, encoded; `None` if there are none.
fn encode(entries: &[Entry<'_>], base_time: i64) -> Option<Encoded> {
    let first = entries.first()?;
    let mut encoded =
        Encoded { first_seq: first.seq, base_time, first_time: first.time, ..Encoded::default() };
    let mut writer = line::entry::Writer::new(first.seq, base_time);
    for entry in entries {
        // They follow each other as they did before.
        if writer.push(entry, &mut encoded.bytes).is_err() {
            break;
        }
    }
    (encoded.next_seq, encoded.count) = (writer.next_seq(), writer.count());
    Some(encoded)
}
