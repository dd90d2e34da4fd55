//! Random work, restarts and power cuts against a model of what was acknowledged.

use super::*;
use disk::SyncPoint;
use disk::fault::Call;
use fastrand::Rng;
use std::collections::BTreeMap;

/// What the spool has promised.
#[derive(Default)]
struct Model {
    /// Every batch appended, by Machine and first seq: its count and length, and whether a sync has covered it.
    batches: BTreeMap<(usize, u64), (u32, usize, bool)>,
    /// Positions of durable batches that were ever seen, and what stood there.
    places: BTreeMap<Pos, (usize, u64)>,
    saved: Pos,
    /// Below it, segments may have been released.
    passed: Pos,
    marked: BTreeMap<usize, u64>,
}

type Verdict = Result<(), String>;

fn machine(number: usize) -> Vec<u8> {
    format!("org/app/lhr/m{number}").into_bytes()
}

fn number(key: &[u8]) -> usize {
    usize::from(key[key.len() - 1] - b'0')
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Model {
    /// Compares a freshly opened spool; then takes what it has as the truth.
    fn check(&mut self, spool: &mut Spool, recovery: &Recovery) -> Verdict {
        let found = read_all(&spool.reader());
        let mut kept = BTreeMap::new();
        let mut last = Pos(0);
        for batch in &found {
            let id = (number(&batch.key), batch.first_seq);
            ensure(batch.pos >= last, || format!("order {batch:?}"))?;
            last = batch.next;
            let Some((count, len, durable)) = self.batches.get(&id) else {
                return Err(format!("unknown {id:?}"));
            };
            let same = batch.count == *count && batch.bytes == body(id.0 as u64, id.1, *len);
            ensure(same, || format!("changed {id:?}"))?;
            ensure(kept.insert(id, (*count, *len, *durable)).is_none(), || format!("twice {id:?}"))?;
            let there = if batch.pos < spool.durable() { self.places.insert(batch.pos, id) } else { None };
            ensure(there.is_none_or(|there| there == id), || {
                format!("position of {there:?} used again for {id:?}")
            })?;
        }
        for (id, (_, _, durable)) in &self.batches {
            let released = self.places.iter().any(|(pos, at)| at == id && *pos < self.passed);
            ensure(!durable || kept.contains_key(id) || released, || format!("lost {id:?}"))?;
        }
        for hole in &recovery.holes {
            let id = number(&hole.key);
            let acknowledged = self.batches.iter().any(|((machine, seq), (_, _, durable))| {
                *machine == id && *durable && (hole.from_seq..hole.next_seq).contains(seq)
            });
            ensure(!acknowledged, || format!("false hole {hole:?}"))?;
        }
        for (machine_number, next) in &self.marked {
            let known = spool.boot(&machine(*machine_number), 0).map_or(0, |boot| boot.next_seq);
            ensure(known >= *next, || format!("mark of {machine_number} lost: {known} < {next}"))?;
        }
        let cursor = spool.cursor("live").map_err(|error| error.to_string())?;
        ensure(cursor >= self.saved, || format!("cursor back from {:?} to {cursor:?}", self.saved))?;
        ensure(cursor <= spool.durable(), || "cursor ahead".to_owned())?;
        // A save that failed at its last step may have come about all the same.
        self.saved = spool.cursors["live"].saved.unwrap_or(self.saved);
        self.settle(&kept, spool.durable() == spool.end());
        Ok(())
    }

    /// After a start, what was found is durable (unless the disk refused) and what was not found is gone.
    fn settle(&mut self, kept: &BTreeMap<(usize, u64), (u32, usize, bool)>, synced: bool) {
        let places = &self.places;
        let passed = self.passed;
        self.batches.retain(|id, (_, _, durable)| {
            *durable |= synced && kept.contains_key(id);
            *durable || kept.contains_key(id) || places.iter().any(|(pos, at)| at == id && *pos < passed)
        });
        let batches = &self.batches;
        self.places.retain(|_, id| batches.contains_key(id));
    }

    fn durable(&mut self, spool: &Spool) {
        for (_, _, durable) in self.batches.values_mut() {
            *durable = true;
        }
        for batch in read_all(&spool.reader()) {
            self.places.insert(batch.pos, (number(&batch.key), batch.first_seq));
        }
    }

    /// One random step. What fails has promised nothing.
    fn step(&mut self, spool: &mut Spool, rng: &mut Rng) -> Result<(), Error> {
        match rng.u8(0..24) {
            0..12 => {
                let machine_number = rng.usize(0..3);
                let key = machine(machine_number);
                let first = spool.boot(&key, 0).map_or(1, |boot| boot.next_seq);
                let len = if rng.u8(0..4) == 0 { rng.usize(0..20_000) } else { rng.usize(0..600) };
                let count = rng.u32(1..5);
                spool.append(batch(&key, 0, first, count, &body(machine_number as u64, first, len)))?;
                self.batches.insert((machine_number, first), (count, len, false));
            }
            12..18 => {
                spool.sync()?;
                self.durable(spool);
            }
            18..20 => {
                let batches = read_all(&spool.reader());
                if !batches.is_empty() {
                    spool.advance("live", batches[rng.usize(0..batches.len())].next)?;
                }
            }
            20..22 => self.saved = spool.save_cursor("live")?,
            22 => {
                self.passed = self.passed.max(self.saved);
                spool.release(rng.u64(0..100_000))?;
            }
            _ => {
                spool.save_marks()?;
                self.durable(spool);
                let marks = (0..3).filter_map(|id| Some((id, spool.boot(&machine(id), 0)?.next_seq)));
                self.marked = marks.collect();
            }
        }
        Ok(())
    }
}

/// A run of several lives; each ends in a power cut or a kill.
fn run(seed: u64, ignored: Option<SyncPoint>) -> Verdict {
    let mut rng = Rng::with_seed(seed);
    let mut disk = FaultDisk::new();
    let mut model = Model::default();
    for _ in 0..rng.u8(2..7) {
        if let Some(point) = ignored {
            disk.ignore(point);
        }
        let opened = Spool::open(Arc::new(disk.clone()), Path::new(DIR), config(), 0);
        let (mut spool, recovery) = opened.map_err(|error| error.to_string())?;
        model.check(&mut spool, &recovery)?;
        // Every other run is on a disk that also fails now and then.
        let fails = seed % 2 == 1;
        if fails {
            disk.fail_nth(Call::Sync, rng.u64(1..20), io::ErrorKind::Other);
            disk.fail_nth(Call::Sync, rng.u64(1..20), io::ErrorKind::Other);
            disk.fail_nth(Call::Write, rng.u64(1..40), io::ErrorKind::StorageFull);
            disk.fail_nth(Call::Entry, rng.u64(1..10), io::ErrorKind::Other);
        }
        for hole in spool.holes() {
            // The gap's own line is not in the model; here the hole is what the model has lost.
            let bytes = body(number(&hole.key) as u64, hole.from_seq, 9);
            let gap = BatchRef { next_seq: hole.next_seq, ..batch(&hole.key, 0, hole.from_seq, 1, &bytes) };
            if spool.fill(gap).is_ok() {
                model.batches.insert((number(&hole.key), hole.from_seq), (1, 9, false));
            }
        }
        for _ in 0..rng.u8(1..40) {
            let done = model.step(&mut spool, &mut rng);
            ensure(fails || done.is_ok(), || format!("{done:?}"))?;
        }
        drop(spool);
        if rng.u8(0..3) != 0 {
            disk = disk.power_cut(rng.u64(..));
        }
    }
    let opened = Spool::open(Arc::new(disk), Path::new(DIR), config(), 0);
    let (mut spool, recovery) = opened.map_err(|error| error.to_string())?;
    model.check(&mut spool, &recovery)
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let cases = if std::env::var_os("LOGWAY_SOAK").is_some() { 15_000 } else { 300 };
    for seed in 0..cases {
        run(seed, None).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}

/// Marks are for the day when segments are lost: some appends and marks, a power cut, and then no segment is there.
fn marks_hold(seed: u64, ignored: Option<SyncPoint>) -> Verdict {
    let mut rng = Rng::with_seed(seed);
    let disk = FaultDisk::new();
    if let Some(point) = ignored {
        disk.ignore(point);
    }
    let (mut spool, _) = open_at(&disk);
    let mut marked = 1;
    for seq in 1..rng.u64(2..8) {
        append_some(&mut spool, KEY, seq..seq + 1, 10);
        if rng.bool() {
            spool.save_marks().map_err(|error| error.to_string())?;
            marked = seq + 1;
        }
    }
    let cut = disk.power_cut(rng.u64(..));
    if marked == 1 {
        return Ok(());
    }
    for path in segment_files(&cut) {
        cut.vanish(&path);
    }
    let recovery = open_at(&cut).1;
    let whole = recovery.holes.first().is_some_and(|hole| (hole.from_seq, hole.next_seq) >= (1, marked));
    ensure(whole, || format!("marked {marked}: {recovery:?}"))
}

#[test]
fn a_power_cut_leaves_the_old_marks_or_the_new() {
    for seed in 0..200 {
        marks_hold(seed, None).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}

#[test]
fn every_sync_is_needed() {
    for point in SyncPoint::ALL {
        let name = format!("{point:?}");
        if ["Journal", "Key", "Store", "DeadLetter"].iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let needed = |seed| marks_hold(seed, Some(point)).is_err() || run(seed, Some(point)).is_err();
        assert!((0..1000).any(needed), "no test needs {point:?}");
    }
}
