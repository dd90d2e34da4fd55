//! What the store refuses goes to the dead-letter folder, and the store is told that it is missing.

use std::sync::Arc;

use line::append::ORG_ENDED;
use line::{Body, Clock, Gap, GapReason, Hop};
use tokio::time::Instant;

use super::Durable;
use super::pack::Request;
use crate::assemble::{Encoded, gap_entry};
use crate::clock::unix_ns;
use crate::live::LiveBatch;
use crate::quiet::quiet_warn;
use crate::ranges::Ranges;

impl Durable {
    /// Deals with the shard's first request, which the store refuses as it is. Nobody else's lines are held up by it.
    pub(super) async fn refused(&mut self, shard: u8, code: &str, reason: &str) {
        let Some(request) = self.shards.front(shard).cloned() else { return };
        if request.is_about_refused {
            quiet_warn!(
                code = "LA16",
                shard,
                store_code = code,
                reason,
                "the store does not even take that lines are missing"
            );
            self.shards.done(shard);
            return;
        }
        let apps = by_app(&request);
        if apps.len() > 1 {
            // Only one of them may be at fault.
            let parts = apps.into_iter().flat_map(|batches| self.packer.pack(batches)).collect();
            self.shards.replace(shard, parts);
            return;
        }
        if code == ORG_ENDED {
            // Nobody may see them any more, so they are kept for nobody.
            quiet_warn!(
                store_code = code,
                reason,
                lines = request.lines(),
                "lines of an org that has ended are let go"
            );
            self.shards.done(shard);
            return;
        }
        if self.bury(&request, code, reason).await {
            let gaps = self.packer.pack(gaps(&request));
            let told = gaps.into_iter().map(|request| Request { is_about_refused: true, ..request });
            self.shards.replace(shard, told.collect());
        } else {
            self.shards.failed(shard, None, Instant::now());
        }
    }

    /// Puts a request into the dead-letter folder. False: the disk does not take it, and the lines stay in the spool.
    async fn bury(&self, request: &Request, code: &str, reason: &str) -> bool {
        let (dead, message) = (self.state.dead.clone(), request.message.clone());
        let (shard, lines) = (request.shard, request.lines());
        let put = tokio::task::spawn_blocking(move || dead.put(shard, &message, unix_ns())).await;
        let key = request.batches.first().map(|batch| String::from_utf8_lossy(&batch.key).into_owned());
        let key = key.unwrap_or_default();
        match put {
            Ok(Ok(true)) => {
                quiet_warn!(code = "LA16", store_code = code, reason, %key, lines, "the store refused lines: they are in the dead-letter folder");
            }
            Ok(Ok(false)) => {
                self.context.metrics.store.not_kept.inc();
                quiet_warn!(code = "LA16", store_code = code, reason, %key, lines, "the store refused lines, and the dead-letter folder is full");
            }
            Ok(Err(error)) => {
                quiet_warn!(code = "LA15", %error, %key, lines, "the dead-letter folder cannot be written, the lines stay in the spool");
                return false;
            }
            Err(_) => return false,
        }
        self.count_missing(request);
        true
    }

    fn count_missing(&self, request: &Request) {
        self.context
            .metrics
            .store
            .dead_letters
            .set(i64::try_from(self.state.dead.count()).unwrap_or(i64::MAX));
        for ((key, _), runs) in ranges(request).0 {
            let address = std::str::from_utf8(&key).ok().and_then(|key| line::Address::from_key(key).ok());
            let Some(address) = address else { continue };
            let metrics = self.context.metrics.app(&address);
            runs.iter().for_each(|run| metrics.gap(GapReason::Rejected, run.next_seq - run.first_seq));
        }
    }
}

/// The batches of each app.
fn by_app(request: &Request) -> Vec<Vec<LiveBatch>> {
    let mut apps: Vec<Vec<LiveBatch>> = Vec::new();
    for batch in &request.batches {
        match apps.iter_mut().find(|app| app.first().is_some_and(|first| app_of(first) == app_of(batch))) {
            Some(app) => app.push(batch.clone()),
            None => apps.push(vec![batch.clone()]),
        }
    }
    apps
}

/// Org and app of a batch.
fn app_of(batch: &LiveBatch) -> &[u8] {
    let end = batch.key.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at).nth(1);
    &batch.key[..end.unwrap_or(batch.key.len())]
}

fn ranges(request: &Request) -> Ranges {
    let mut ranges = Ranges::default();
    request.batches.iter().for_each(|batch| ranges.add(batch));
    ranges
}

/// Batches that state what a request holds as missing, one record for each contiguous range of a boot.
fn gaps(request: &Request) -> Vec<LiveBatch> {
    let Some(first) = request.batches.first() else { return Vec::new() };
    let mut gaps = Vec::new();
    for ((key, boot), runs) in ranges(request).0 {
        for run in runs {
            let (reason, span) = (GapReason::Rejected, run.next_seq - run.first_seq);
            let gap = gap_entry(run.first_seq, span, run.time, Clock::Host, reason, run.bytes);
            let body = Body::Gap(Gap { reason, hop: Hop::Store, bytes: run.bytes });
            let encoded = Encoded::one(&line::Entry { body, ..gap });
            gaps.push(LiveBatch {
                key: Arc::clone(&key),
                boot,
                first_seq: run.first_seq,
                next_seq: run.next_seq,
                count: encoded.count,
                base_time: encoded.base_time,
                bytes: encoded.bytes.into(),
                ..*first
            });
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Pos;

    fn batch(key: &str, boot: u64, first_seq: u64, next_seq: u64) -> LiveBatch {
        LiveBatch {
            pos: Pos(5),
            next: Pos(6),
            key: key.as_bytes().into(),
            boot,
            first_seq,
            next_seq,
            count: 1,
            is_fill: false,
            base_time: 77,
            bytes: vec![0; 10].into(),
        }
    }

    fn request(batches: Vec<LiveBatch>) -> Request {
        Request {
            shard: 0,
            batches,
            message: Default::default(),
            is_about_refused: false,
            is_too_long: false,
        }
    }

    #[test]
    fn a_gap_record_stands_for_each_contiguous_range() {
        let i1 = "k3f9.web.lhr.i1";
        let batches = vec![
            batch(i1, 1, 3, 5),
            batch(i1, 1, 5, 9),
            batch(i1, 1, 20, 21),
            batch("k3f9.web.lhr.i2", 2, 1, 2),
        ];
        let found: Vec<_> = gaps(&request(batches))
            .iter()
            .map(|gap| {
                let entry = gap.entries().next().unwrap().unwrap();
                let Body::Gap(Gap { reason, hop, bytes }) = entry.body else { panic!("no gap") };
                assert_eq!((reason, hop, gap.pos, entry.time), (GapReason::Rejected, Hop::Store, Pos(5), 77));
                assert_eq!((entry.seq, entry.next_seq(), gap.count), (gap.first_seq, gap.next_seq, 1));
                (gap.boot, entry.seq, entry.span, bytes)
            })
            .collect();
        assert_eq!(found, [(1, 3, 6, 20), (1, 20, 1, 10), (2, 1, 1, 10)]);
    }

    #[test]
    fn apps_are_told_apart_and_their_machines_are_not() {
        let keys = ["k3f9.web.lhr.i1", "k3f9.api.lhr.i1", "k3f9.web.ams.i2", "x.web.lhr.i1"];
        let apps = by_app(&request(keys.iter().map(|key| batch(key, 1, 1, 2)).collect()));
        let found: Vec<_> =
            apps.iter().map(|app| (app.len(), String::from_utf8_lossy(app_of(&app[0])))).collect();
        assert_eq!(found, [(2, "k3f9.web".into()), (1, "k3f9.api".into()), (1, "x.web".into())]);
    }
}
