//! A live copy that is too far behind is of no use to anybody: it jumps, and says what it left out. The store has the lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::client::Client;
use line::{Boot, Clock, GapReason};

use super::{Publisher, SEND_BYTES, Sent};
use crate::LiveLag;
use crate::assemble::gap_entry;
use crate::clock::unix_ns;
use crate::live::LiveBatch;

/// A run of seqs that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Skipped {
    first_seq: u64,
    next_seq: u64,
    bytes: u64,
}

/// What was left out, by Machine and boot; one run for each contiguous range.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<(Arc<[u8]>, u64), Vec<Skipped>>);

impl Ranges {
    fn add(&mut self, batch: &LiveBatch) {
        let bytes = batch.bytes.len() as u64;
        let runs = self.0.entry((Arc::clone(&batch.key), batch.boot)).or_default();
        match runs.last_mut() {
            Some(last) if last.next_seq == batch.first_seq => {
                last.next_seq = batch.next_seq;
                last.bytes += bytes;
            }
            _ => runs.push(Skipped { first_seq: batch.first_seq, next_seq: batch.next_seq, bytes }),
        }
    }
}

impl Publisher {
    /// Whether the batches in hand are further behind than allowed.
    pub(super) fn is_behind(&self, limit: LiveLag) -> bool {
        let Some(first) = self.batches.first() else { return false };
        let age_ns = u128::try_from(unix_ns().saturating_sub(first.base_time)).unwrap_or(0);
        // Positions are nearly bytes: only the heads of segments lie between.
        let behind_bytes = self.source.end().0.saturating_sub(first.pos.0);
        age_ns > limit.after.as_nanos() || behind_bytes > limit.bytes
    }

    /// Leaves out everything up to the present end, and states it. False if the connection is gone.
    pub(super) async fn skip_ahead(&mut self) -> bool {
        let end = self.source.end();
        let taken = unix_ns();
        let mut ranges = Ranges::default();
        loop {
            for batch in self.batches.drain(..) {
                ranges.add(&batch);
            }
            if self.source.at() >= end {
                break;
            }
            let before = self.source.at();
            match self.source.try_next(SEND_BYTES, &mut self.batches).await {
                Ok(skipped) => self.note_skipped(skipped),
                Err(_) => return false,
            }
            if self.source.at() == before {
                break;
            }
        }
        self.state(ranges, taken).await
    }

    async fn state(&mut self, ranges: Ranges, time: i64) -> bool {
        let (mut out, mut lines) = (Client::batch(), 0);
        for ((key, boot), runs) in ranges.0 {
            let Some(machine) = self.outs.get(&key) else { continue };
            for run in runs {
                let span = run.next_seq - run.first_seq;
                let gap = gap_entry(run.first_seq, span, time, Clock::Host, GapReason::LiveLag, run.bytes);
                self.scratch.clear();
                if machine.write_within(Boot::from_bits(boot), &gap, self.max_payload, &mut self.scratch) {
                    out.push(&machine.subject, &self.scratch);
                }
                self.context.metrics.app(&machine.address).gap(GapReason::LiveLag, span);
                lines += 1;
            }
        }
        tracing::warn!(code = "LA05", gap_records = lines, "the live copy was too far behind and has jumped");
        let next = self.source.at();
        self.send_out(out, Sent { next, lines, taken: time }).await
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
            base_time: 0,
            bytes: vec![0; 10],
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
