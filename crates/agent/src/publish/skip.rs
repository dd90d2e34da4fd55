//! A live copy that is too far behind is of no use to anybody: it jumps, and says what it left out. The store has the lines.

use bus::client::Client;
use line::{Boot, Clock, GapReason};

use super::{Publisher, SEND_BYTES, Sent};
use crate::LiveLag;
use crate::assemble::gap_entry;
use crate::clock::unix_ns;
use crate::ranges::Ranges;

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
