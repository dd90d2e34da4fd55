//! A live copy that is too far behind is of no use to anybody: it jumps, and says what it left out. The store has the lines.

use bus::client::Client;
use line::{Boot, GapReason};

use super::{Publisher, Sent};
use crate::LiveLag;
use crate::clock::unix_ns;
use crate::ranges::Ranges;

impl Publisher {
    /// Whether the batches in hand are further behind than allowed.
    pub(super) fn is_behind(&self, limit: LiveLag) -> bool {
        let Some(first) = self.batches.first() else { return false };
        let age_ns = u128::try_from(unix_ns().saturating_sub(first.base_time)).unwrap_or(0);
        age_ns > limit.after.as_nanos() || self.source.is_more(first.pos, limit.bytes)
    }

    /// Leaves out everything up to the present end, and states it. False if the connection is gone.
    pub(super) async fn skip_ahead(&mut self) -> bool {
        let (time, mut left_out) = (unix_ns(), Ranges::default());
        match left_out.leave_out(&mut self.source, &mut self.batches).await {
            Ok(unreadable) => self.note_skipped(unreadable),
            Err(_) => return false,
        }
        let (mut out, mut records) = (Client::batch(), 0);
        for (key, boot, gap) in left_out.live_gaps(time) {
            let Some(machine) = self.outs.get(key) else { continue };
            self.scratch.clear();
            if machine.write_within(Boot::from_bits(boot), &gap, self.max_payload, &mut self.scratch) {
                out.push(&machine.subject, &self.scratch);
            }
            self.context.metrics.app(&machine.address).gap(GapReason::LiveLag, gap.span);
            records += 1;
        }
        tracing::warn!(
            code = "LA05",
            gap_records = records,
            "the live copy was too far behind and has jumped"
        );
        let next = self.source.at();
        self.send_out(out, Sent { next, lines: records, taken: time }).await
    }
}
