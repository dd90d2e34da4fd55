//! The spool on disks that fail in every way we know.

mod basics;
mod bytes;
mod corruption;
mod fate;
mod faults;
mod power;
mod quota;

use super::*;
use disk::fault::FaultDisk;

const DIR: &str = "/data/spool";
const KEY: &[u8] = b"org/app/lhr/m1";

fn config() -> Config {
    Config { segment_bytes: 64 << 10, ..Config::default() }
}

fn open_at(disk: &FaultDisk) -> (Spool, Recovery) {
    Spool::open(Arc::new(disk.clone()), Path::new(DIR), config(), 0).unwrap()
}

/// Deterministic entries of a batch, so that a batch can be checked from its numbers alone.
fn body(boot: u64, first_seq: u64, len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(boot << 48 | (len as u64) << 24 | first_seq);
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

fn batch<'a>(key: &'a [u8], boot: u64, first_seq: u64, count: u32, bytes: &'a [u8]) -> BatchRef<'a> {
    let next_seq = first_seq + u64::from(count);
    BatchRef { key, group_len: 7, boot, first_seq, next_seq, count, bytes, time: 7 }
}

fn boot_ref(key: &[u8]) -> BootRef<'_> {
    BootRef { key, group_len: 7, boot: 1 }
}

/// Appends single-entry batches of `len` bytes.
fn append_some(spool: &mut Spool, key: &[u8], seqs: std::ops::Range<u64>, len: usize) {
    for seq in seqs {
        spool.append(batch(key, 1, seq, 1, &body(1, seq, len))).unwrap();
    }
}

fn read_all(reader: &SpoolReader) -> Vec<Batch> {
    let (mut all, mut from) = (Vec::new(), Pos(0));
    loop {
        let read = reader.read(from, 10_000).unwrap();
        if read.batches.is_empty() && read.next == from {
            return all;
        }
        all.extend(read.batches);
        from = read.next;
    }
}

/// First seqs of the batches in the spool, in order.
fn seqs(spool: &Spool) -> Vec<u64> {
    read_all(&spool.reader()).iter().map(|batch| batch.first_seq).collect()
}

fn segment_files(disk: &FaultDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(DIR)).unwrap_or_default();
    names.iter().filter(|name| name.ends_with(".seg")).map(|name| Path::new(DIR).join(name)).collect()
}

fn kinds(recovery: &Recovery) -> Vec<DamageKind> {
    recovery.damaged.iter().map(|damage| damage.kind).collect()
}

fn hole_ranges(recovery: &Recovery) -> Vec<(u64, u64)> {
    recovery.holes.iter().map(|hole| (hole.from_seq, hole.next_seq)).collect()
}
