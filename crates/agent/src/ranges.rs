//! Which seqs are missing somewhere, one run for each contiguous range of a boot.

use std::collections::BTreeMap;
use std::sync::Arc;

use line::{Clock, Entry, GapReason};

use crate::assemble::gap_entry;
use crate::live::{LiveBatch, Source};
use crate::spool;

/// Entries that are read at once when they are left out, in bytes.
const READ_BYTES: usize = 256 << 10;

/// A run of seqs that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// The first.
    pub(crate) first_seq: u64,
    /// One past the last.
    pub(crate) next_seq: u64,
    /// Bytes of their entries.
    pub(crate) bytes: u64,
    /// When the host took the first, Unix nanoseconds.
    pub(crate) time: i64,
}

/// What was left out, by Machine and boot; one run for each contiguous range.
#[derive(Debug, Default)]
pub(crate) struct Ranges(pub(crate) BTreeMap<(Arc<[u8]>, u64), Vec<LeftOut>>);

impl Ranges {
    /// Whether nothing was left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `batches`, which were read last, and all that follows up to the present end, to leave it out. Returns how many bytes
    /// can no longer be read.
    ///
    /// # Errors
    /// When a segment cannot be read; what was read before is left out.
    pub(crate) async fn leave_out(
        &mut self,
        source: &mut Source,
        batches: &mut Vec<LiveBatch>,
    ) -> Result<u64, spool::Error> {
        let (end, mut unreadable) = (source.end(), 0);
        loop {
            batches.drain(..).for_each(|batch| self.add(&batch));
            let before = source.at();
            if before >= end {
                return Ok(unreadable);
            }
            unreadable += source.try_next(READ_BYTES, batches).await?;
            if source.at() == before {
                return Ok(unreadable);
            }
        }
    }

    /// The gap records of the live copy for it, as of `time` (Unix nanoseconds): Machine, boot, entry.
    pub(crate) fn live_gaps(&self, time: i64) -> impl Iterator<Item = (&Arc<[u8]>, u64, Entry<'static>)> {
        let all = self.0.iter().flat_map(|((key, boot), runs)| runs.iter().map(move |run| (key, *boot, run)));
        all.map(move |(key, boot, run)| {
            let span = run.next_seq - run.first_seq;
            let gap = gap_entry(run.first_seq, span, time, Clock::Host, GapReason::LiveLag, run.bytes);
            (key, boot, gap)
        })
    }

    /// Adds what a batch holds.
    pub(crate) fn add(&mut self, batch: &LiveBatch) {
        let bytes = batch.bytes.len() as u64;
        let runs = self.0.entry((Arc::clone(&batch.key), batch.boot)).or_default();
        match runs.last_mut() {
            Some(last) if last.next_seq == batch.first_seq => {
                last.next_seq = batch.next_seq;
                last.bytes += bytes;
            }
            _ => runs.push(LeftOut {
                first_seq: batch.first_seq,
                next_seq: batch.next_seq,
                bytes,
                time: batch.base_time,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Pos;

    fn batch(key: &str, boot: u64, first_seq: u64, next_seq: u64) -> LiveBatch {
        LiveBatch {
            pos: Pos(0),
            next: Pos(0),
            key: key.as_bytes().into(),
            boot,
            first_seq,
            next_seq,
            count: 1,
            is_fill: false,
            base_time: 0,
            bytes: vec![0; 10].into(),
        }
    }

    #[test]
    fn each_contiguous_range_of_a_boot_is_one() {
        let mut ranges = Ranges::default();
        for (key, boot, first, next) in
            [("a", 1, 1, 5), ("b", 1, 1, 2), ("a", 1, 5, 9), ("a", 2, 1, 2), ("a", 1, 20, 22)]
        {
            ranges.add(&batch(key, boot, first, next));
        }
        let found: Vec<_> = ranges
            .0
            .iter()
            .flat_map(|((key, boot), runs)| {
                runs.iter().map(move |r| (key[0], *boot, r.first_seq, r.next_seq, r.bytes))
            })
            .collect();
        assert_eq!(
            found,
            [(b'a', 1, 1, 9, 20), (b'a', 1, 20, 22, 10), (b'a', 2, 1, 2, 10), (b'b', 1, 1, 2, 10)]
        );
    }
}
