//! Batches of the spool become requests: sorted by shard, put together, compressed. No entry is decoded for it.

use std::sync::Arc;

use bytes::Bytes;
use line::append::{Envelope, MAX_BODY_BYTES, Run, Writer};
use line::{Boot, Entry, entry, shard};

use crate::live::LiveBatch;
use crate::spool::Pos;

/// Bytes of entries above which a shard's lines become another request: what does not compress at all still fits the
/// 1 MiB that a NATS server usually takes.
const REQUEST_BYTES: usize = 896 << 10;
/// How hard requests are compressed: the store's log keeps them as they are for some minutes, no longer.
const LEVEL: i32 = 1;

/// Bodies shorter than this are sent as they are: there is little to gain, and to begin a compression costs more than a line does.
const LEAST_COMPRESSED_BYTES: usize = 512;

/// What one shard's store is asked to keep.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The shard.
    pub(super) shard: u8,
    /// What it holds, in the order of the spool; at least one.
    pub(super) batches: Vec<LiveBatch>,
    /// The message.
    pub(super) message: Bytes,
    /// What it states as missing was refused before, as lines.
    pub(super) is_about_refused: bool,
    /// The bus does not take a message that long, and it cannot be parted.
    pub(super) is_too_long: bool,
}

impl Request {
    /// Nothing of it stands before this place.
    pub(super) fn first_pos(&self) -> Pos {
        self.batches.first().map_or(Pos(0), |batch| batch.pos)
    }

    /// When the host took the first of it, Unix nanoseconds.
    pub(super) fn taken(&self) -> i64 {
        self.batches.first().map_or(0, |batch| batch.base_time)
    }

    /// Bytes that it holds in memory: the entries are there until the store has them.
    pub(super) fn held_bytes(&self) -> usize {
        self.message.len() + self.batches.iter().map(|batch| batch.bytes.len()).sum::<usize>()
    }

    /// How many lines it has.
    pub(super) fn lines(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.count)).sum()
    }
}

/// Makes requests.
pub(super) struct Packer {
    host: String,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    max_payload: usize,
}

impl Packer {
    /// A packer of what `host` sends.
    pub(super) fn new(host: &str) -> Self {
        // Without memory for it requests go uncompressed.
        let compressor = zstd::bulk::Compressor::new(LEVEL).ok();
        Self { host: host.to_owned(), compressor, max_payload: usize::MAX }
    }

    /// The longest message that the bus takes from now on, in bytes.
    pub(super) const fn set_max_payload(&mut self, bytes: usize) {
        self.max_payload = bytes;
    }

    /// Requests for batches of any shards; of each shard in the order that they are given in. What has no Machine's key, which
    /// the spool never has, is left out.
    pub(super) fn pack(&mut self, batches: Vec<LiveBatch>) -> Vec<Request> {
        let has_key = |batch: &LiveBatch| std::str::from_utf8(&batch.key).is_ok();
        let mut sharded: Vec<(u8, LiveBatch)> =
            batches.into_iter().filter(has_key).map(|batch| (shard::of_key(&batch.key), batch)).collect();
        sharded.sort_by_key(|(shard, _)| *shard);
        let (mut out, mut part, mut part_bytes) = (Vec::new(), Vec::new(), 0);
        let mut of = None;
        for (shard, batch) in sharded {
            if of != Some(shard) || part_bytes + batch.bytes.len() > REQUEST_BYTES {
                self.add(of, std::mem::take(&mut part), &mut out);
                (of, part_bytes) = (Some(shard), 0);
            }
            part_bytes += batch.bytes.len();
            part.push(batch);
        }
        self.add(of, part, &mut out);
        out
    }

    /// Adds a request for `batches`, or several if one would be too long.
    fn add(&mut self, shard: Option<u8>, batches: Vec<LiveBatch>, out: &mut Vec<Request>) {
        let Some(shard) = shard.filter(|_| !batches.is_empty()) else { return };
        let message = self.message(&batches);
        let fits = message.as_ref().is_some_and(|message| message.len() <= self.max_payload);
        if fits {
            let message = message.unwrap_or_default();
            out.push(Request { shard, batches, message, is_about_refused: false, is_too_long: false });
            return;
        }
        match halves(batches) {
            Ok((first, second)) => {
                self.add(Some(shard), first, out);
                self.add(Some(shard), second, out);
            }
            Err(batches) => {
                let message = message.unwrap_or_default();
                out.push(Request { shard, batches, message, is_about_refused: false, is_too_long: true });
            }
        }
    }

    /// The message that holds the batches; `None` if they are too much for one.
    fn message(&mut self, batches: &[LiveBatch]) -> Option<Bytes> {
        let mut sorted: Vec<&LiveBatch> = batches.iter().collect();
        // What follows of one boot says whose it is once, and compresses better.
        sorted.sort_by(|a, b| (&a.key, a.boot).cmp(&(&b.key, b.boot)));
        let bytes: usize = batches.iter().map(|batch| batch.bytes.len() + batch.key.len() + 64).sum();
        let mut writer = Writer::with_capacity(bytes.min(MAX_BODY_BYTES));
        for batch in sorted {
            let key = std::str::from_utf8(&batch.key).ok()?;
            let run = Run {
                first_seq: batch.first_seq,
                base_time: batch.base_time,
                count: batch.count,
                bytes: &batch.bytes,
            };
            writer.machine(key, &self.host, Boot::from_bits(batch.boot), batch.is_fill, run).ok()?;
        }
        self.seal(&writer.finish())
    }

    fn seal(&mut self, body: &[u8]) -> Option<Bytes> {
        let compressor = self.compressor.as_mut().filter(|_| body.len() >= LEAST_COMPRESSED_BYTES);
        let compressed = compressor.and_then(|compressor| compressor.compress(body).ok());
        let sent = compressed.as_deref().filter(|compressed| compressed.len() < body.len());
        let mut message = Vec::new();
        Envelope::of(body, sent).write(&mut message).ok()?;
        Some(message.into())
    }
}

/// Parts batches in two; gives them back if they are one entry, or cannot be read.
fn halves(mut batches: Vec<LiveBatch>) -> Result<(Vec<LiveBatch>, Vec<LiveBatch>), Vec<LiveBatch>> {
    if batches.len() > 1 {
        let second = batches.split_off(batches.len() / 2);
        return Ok((batches, second));
    }
    let parted = batches.first().and_then(|batch| {
        let entries: Vec<Entry<'_>> = batch.entries().collect::<Result<_, _>>().ok()?;
        let (first, second) = entries.split_at(entries.len() / 2);
        Some((part(batch, first)?, part(batch, second)?))
    });
    parted.map(|(first, second)| (vec![first], vec![second])).ok_or(batches)
}

/// A batch of some of the entries of `batch`; `None` if there are none.
fn part(batch: &LiveBatch, entries: &[Entry<'_>]) -> Option<LiveBatch> {
    let first_seq = entries.first()?.seq;
    let mut writer = entry::Writer::new(first_seq, batch.base_time);
    let mut bytes = Vec::new();
    entries.iter().try_for_each(|entry| writer.push(entry, &mut bytes)).ok()?;
    Some(LiveBatch {
        first_seq,
        next_seq: writer.next_seq(),
        count: writer.count(),
        bytes: bytes.into(),
        key: Arc::clone(&batch.key),
        ..*batch
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::gap_entry;
    use line::append::{Group, Groups};
    use line::{Body, Clock, GapReason, Text};

    /// A batch of `count` lines with that text.
    fn batch(pos: u64, key: &str, first_seq: u64, texts: &[&[u8]]) -> LiveBatch {
        let mut writer = entry::Writer::new(first_seq, 1000);
        let mut bytes = Vec::new();
        for text in texts {
            let gap = gap_entry(writer.next_seq(), 1, 1000, Clock::Host, GapReason::Unknown, 0);
            writer.push(&Entry { body: Body::Line(Text::whole(*text)), ..gap }, &mut bytes).unwrap();
        }
        LiveBatch {
            pos: Pos(pos),
            next: Pos(pos + 1),
            key: key.as_bytes().into(),
            boot: 7,
            first_seq,
            next_seq: writer.next_seq(),
            count: writer.count(),
            is_fill: false,
            base_time: 1000,
            bytes: bytes.into(),
        }
    }

    /// What a store reads: key, seq and text of each line.
    fn read(request: &Request) -> Vec<(String, u64, Vec<u8>)> {
        let envelope = Envelope::read(&request.message).unwrap();
        let body = if envelope.is_compressed {
            zstd::bulk::decompress(envelope.sent, envelope.body_bytes).unwrap()
        } else {
            envelope.sent.to_vec()
        };
        envelope.check(&body).unwrap();
        let mut lines = Vec::new();
        for group in Groups::new(&body) {
            let Group::Machine(machine) = group.unwrap() else { panic!("an import") };
            assert_eq!((machine.whose.host, machine.whose.shard()), ("h1", request.shard));
            let count = machine.entries().count();
            assert_eq!(count, machine.run.count as usize);
            for entry in machine.entries() {
                let entry = entry.unwrap();
                let Body::Line(text) = entry.body else { panic!("no line") };
                lines.push((machine.whose.key.to_owned(), entry.seq, text.bytes.into_owned()));
            }
        }
        lines
    }

    #[test]
    fn each_shard_gets_its_lines_in_order() {
        let keys = ["k3f9.web.lhr.i1", "k3f9.api.lhr.i1", "k3f9.web.lhr.i2"];
        let batches: Vec<_> = (0_u8..30)
            .map(|i| batch(i.into(), keys[usize::from(i % 3)], u64::from(i / 3 * 2 + 1), &[b"one", b"two"]))
            .collect();
        let mut packer = Packer::new("h1");
        let requests = packer.pack(batches);
        assert_eq!(requests.len(), 2, "two apps, two shards");
        for request in &requests {
            assert!(request.batches.is_sorted_by_key(|batch| batch.pos));
            assert_eq!(request.first_pos(), request.batches[0].pos);
            assert_eq!(request.lines(), read(request).len() as u64);
        }
        let mut lines: Vec<_> = requests.iter().flat_map(read).map(|(key, seq, _)| (key, seq)).collect();
        for key in keys {
            let of_key: Vec<_> = lines.extract_if(.., |(k, _)| k == key).map(|(_, seq)| seq).collect();
            assert_eq!(of_key, (1..21).collect::<Vec<_>>());
        }
        assert!(packer.pack(Vec::new()).is_empty());
    }

    #[test]
    fn what_is_too_long_for_the_bus_is_parted_down_to_single_lines() {
        let noise: Vec<Vec<u8>> = (0..8).map(|_| (0..400).map(|_| fastrand::u8(..)).collect()).collect();
        let texts: Vec<&[u8]> = noise.iter().map(Vec::as_slice).collect();
        let mut packer = Packer::new("h1");
        packer.set_max_payload(1200);
        let key = "k3f9.web.lhr.i1";
        let requests = packer.pack(vec![batch(0, key, 1, &texts), batch(1, key, 9, &[b"x"])]);
        assert!(requests.iter().all(|request| request.message.len() <= 1200 && !request.is_too_long));
        let found: Vec<_> = requests.iter().flat_map(read).map(|(_, seq, text)| (seq, text)).collect();
        let mut wanted: Vec<_> = (1..).zip(noise.clone()).collect();
        wanted.push((9, b"x".to_vec()));
        assert_eq!(found, wanted);
        // A single line that is too long stays one request, which says so.
        packer.set_max_payload(300);
        let requests = packer.pack(vec![batch(0, key, 1, &texts[..2]), batch(1, key, 3, &[b"x"])]);
        let long: Vec<_> = requests.iter().map(|r| (r.is_too_long, r.lines(), read(r)[0].1)).collect();
        assert_eq!(long, [(true, 1, 1), (true, 1, 2), (false, 1, 3)]);
    }

    #[test]
    fn a_shard_with_much_gets_several_requests() {
        let text = vec![b'x'; 200 << 10];
        let batches = (0..10).map(|i| batch(i, "k3f9.web.lhr.i1", i + 1, &[&text])).collect();
        let requests = Packer::new("h1").pack(batches);
        let seqs: Vec<Vec<u64>> =
            requests.iter().map(|r| read(r).into_iter().map(|(_, seq, _)| seq).collect()).collect();
        assert_eq!(seqs, [vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9, 10]]);
        assert!(requests.iter().all(|request| request.message.len() < 1000));
    }
}
