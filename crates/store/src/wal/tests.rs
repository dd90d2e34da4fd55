//! The log on disks that fail.

use super::format::HEADER_BYTES;
use super::*;
use crate::aside::Aside;
use disk::fault::{Call, FaultDisk};
use disk::{Disk, make_dir};
use proptest::prelude::*;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIR: &str = "/s/wal";
const SEGMENT_BYTES: u64 = 8 << 10;

struct World {
    fault: FaultDisk,
    disk: Arc<dyn Disk>,
}

impl World {
    fn new(fault: FaultDisk) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(fault.clone());
        make_dir(&*disk, Path::new(DIR)).unwrap();
        Self { fault, disk }
    }

    fn open(&self, flushed_lsn: u64) -> (Opened, Vec<(u64, u64, Vec<u8>)>) {
        let mut records = Vec::new();
        let aside = Aside::new(&*self.disk, Path::new("/s"));
        let opened =
            Wal::open(&self.disk, Path::new(DIR), &aside, (SEGMENT_BYTES, flushed_lsn), &mut |record| {
                records.push((record.lsn, record.base, record.payload.to_vec()));
            });
        (opened.unwrap(), records)
    }

    fn files(&self) -> Vec<PathBuf> {
        self.disk.list(Path::new(DIR)).unwrap().iter().map(|name| Path::new(DIR).join(name)).collect()
    }
}

fn payload(number: u64, len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(number);
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

fn commit(wal: &mut Wal, numbers: std::ops::Range<u64>, len: usize) -> Result<u64, CommitError> {
    let payloads: Vec<_> = numbers.clone().map(|number| payload(number, len)).collect();
    let records: Vec<_> = numbers
        .zip(&payloads)
        .map(|(number, payload)| NewRecord { base: number * 10, count: 10, latest: 9, earliest: -9, payload })
        .collect();
    wal.commit(&records)
}

fn numbers(records: &[(u64, u64, Vec<u8>)], len: usize) -> Vec<u64> {
    records
        .iter()
        .map(|(_, base, bytes)| {
            assert_eq!(*bytes, payload(base / 10, len));
            base / 10
        })
        .collect()
}

fn kinds(opened: &Opened) -> Vec<FindingKind> {
    opened.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn records_come_back_in_order_and_segments_are_used_again() {
    let world = World::new(FaultDisk::new());
    let (mut opened, none) = world.open(0);
    assert_eq!((none.len(), opened.next_pos), (0, 0));
    for group in 0..20 {
        assert_eq!(commit(&mut opened.wal, group * 3..group * 3 + 3, 500).unwrap(), group * 3 + 1);
    }
    let (again, records) = world.open(0);
    assert_eq!(numbers(&records, 500), (0..60).collect::<Vec<_>>());
    assert_eq!((again.next_pos, again.findings.len(), again.replayed), (600, 0, 60));
    // What is flushed is not replayed, and its segments are spare.
    let (mut later, records) = world.open(45);
    assert_eq!(numbers(&records, 500), (45..60).collect::<Vec<_>>());
    let before = world.files().len();
    for group in 20..24 {
        commit(&mut later.wal, group * 3..group * 3 + 3, 500).unwrap();
    }
    assert_eq!(world.files().len(), before);
    let (last, records) = world.open(45);
    assert_eq!(numbers(&records, 500), (45..72).collect::<Vec<_>>());
    assert_eq!(last.findings, []);
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_own() {
    let world = World::new(FaultDisk::new());
    let (mut opened, _) = world.open(0);
    commit(&mut opened.wal, 0..1, 100).unwrap();
    commit(&mut opened.wal, 1..2, 30_000).unwrap();
    let (_, records) = world.open(0);
    assert_eq!(records[1].2, payload(1, 30_000));
}

#[test]
fn what_the_disk_refused_is_void_for_ever() {
    for call in [Call::Sync, Call::Write] {
        let world = World::new(FaultDisk::new());
        let (mut opened, _) = world.open(0);
        commit(&mut opened.wal, 0..2, 100).unwrap();
        // A write may have left all of it, a sync too.
        world.fault.fail_nth(call, 1, io::ErrorKind::Other);
        assert!(matches!(commit(&mut opened.wal, 2..4, 100), Err(CommitError::Failed(_))));
        commit(&mut opened.wal, 4..6, 100).unwrap();
        let (again, records) = world.open(0);
        assert_eq!(numbers(&records, 100), [0, 1, 4, 5]);
        assert!(!kinds(&again).contains(&FindingKind::Lost));
    }
}

#[test]
fn a_full_disk_takes_nothing_until_there_is_room() {
    let world = World::new(FaultDisk::new());
    let (mut opened, _) = world.open(0);
    commit(&mut opened.wal, 0..2, 3000).unwrap();
    world.fault.set_space(Some(SEGMENT_BYTES));
    assert!(matches!(commit(&mut opened.wal, 2..4, 3000), Err(CommitError::Full(_))));
    world.fault.set_space(None);
    assert_eq!(commit(&mut opened.wal, 4..6, 3000).unwrap(), 3);
    let (again, records) = world.open(0);
    assert_eq!(numbers(&records, 3000), [0, 1, 4, 5]);
    assert_eq!(again.findings, []);
}

#[test]
fn damage_in_the_middle_is_told_from_a_torn_tail() {
    let world = World::new(FaultDisk::new());
    let (mut opened, _) = world.open(0);
    for number in 0..4 {
        commit(&mut opened.wal, number..number + 1, 500).unwrap();
    }
    let path = world.files()[0].clone();
    let damaged = World::new(world.fault.copy());
    damaged.fault.flip_bit(&path, HEADER_BYTES + 600, 3).unwrap();
    let (opened, records) = damaged.open(0);
    assert_eq!(numbers(&records, 500), [0, 2, 3]);
    assert_eq!((kinds(&opened), opened.findings[0].records), (vec![FindingKind::Lost], 1));
    assert_eq!(damaged.disk.list(Path::new("/s/damaged")).unwrap().len(), 1);
    // Once the rest is in parts, nobody hears of it again.
    assert_eq!(damaged.open(4).0.findings, []);
    // The last one may never have been acknowledged.
    let torn = World::new(world.fault.copy());
    torn.fault.flip_bit(&path, HEADER_BYTES + 3 * 564 + 300, 3).unwrap();
    let (opened, records) = torn.open(0);
    assert_eq!(numbers(&records, 500), [0, 1, 2]);
    assert_eq!(kinds(&opened), [FindingKind::TornTail]);
}

#[test]
fn a_missing_or_headless_segment_is_reported_and_stops_nothing() {
    let world = World::new(FaultDisk::new());
    let (mut opened, _) = world.open(0);
    for number in 0..9 {
        commit(&mut opened.wal, number..number + 1, 3000).unwrap();
    }
    let files = world.files();
    let missing = World::new(world.fault.copy());
    missing.fault.vanish(&files[1]);
    let (opened, records) = missing.open(0);
    assert_eq!(numbers(&records, 3000), [0, 1, 4, 5, 6, 7, 8]);
    assert_eq!((kinds(&opened), opened.findings[0].records), (vec![FindingKind::Lost], 2));
    let headless = World::new(world.fault.copy());
    headless.fault.put(&files[1], &[7; 5000]);
    let (opened, records) = headless.open(0);
    assert_eq!(records.len(), 7);
    assert_eq!(kinds(&opened), [FindingKind::SetAside, FindingKind::Lost]);
    assert!(!headless.disk.exists(&files[1]));
    let unreadable = World::new(world.fault.copy());
    for nth in 1..9 {
        unreadable.fault.fail_nth(Call::Read, nth, io::ErrorKind::Other);
        assert_eq!(unreadable.open(0).1.len(), 9, "it could be read the next time");
    }
    unreadable.fault.fail_nth(Call::Read, 2, io::ErrorKind::OutOfMemory);
    let aside = Aside::new(&*unreadable.disk, Path::new("/s"));
    let limits = (SEGMENT_BYTES, 0);
    let failed = Wal::open(&unreadable.disk, Path::new(DIR), &aside, limits, &mut |_| {}).err();
    assert!(failed.is_some_and(|error| error.to_string().contains("LS03")));
    let empty = World::new(world.fault.copy());
    empty.fault.put(&Path::new(DIR).join("00000000000000ff.wal"), &[0; 5000]);
    assert_eq!(empty.open(0).0.findings, []);
}

#[test]
fn every_flipped_bit_costs_at_most_its_record() {
    let world = World::new(FaultDisk::new());
    let (mut opened, _) = world.open(0);
    for number in 0..5 {
        commit(&mut opened.wal, number..number + 1, 40).unwrap();
    }
    let path = world.files()[0].clone();
    for byte in 0..HEADER_BYTES + 5 * 104 {
        let damaged = World::new(world.fault.copy());
        damaged.fault.flip_bit(&path, byte, 5).unwrap();
        let (opened, records) = damaged.open(0);
        let whole = records.len();
        assert!(whole >= 4, "byte {byte}: {whole} records, {:?}", opened.findings);
        assert!(whole == 5 || !opened.findings.is_empty(), "byte {byte}: silence");
    }
}

#[test]
fn a_power_cut_leaves_what_was_committed() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(FaultDisk::new());
        let (mut acked, mut next) = (Vec::new(), 0);
        for _ in 0..rng.u8(1..4) {
            let (mut opened, records) = world.open(0);
            assert!(!kinds(&opened).contains(&FindingKind::Lost), "seed {seed}: {:?}", opened.findings);
            let found = numbers(&records, 700);
            assert!(acked.iter().all(|number| found.contains(number)), "seed {seed}: {acked:?} in {found:?}");
            assert!(found.is_sorted(), "seed {seed}: {found:?}");
            // What was found counts from now on.
            acked = found;
            if seed % 3 == 0 {
                world.fault.fail_nth(Call::Sync, rng.u64(1..9), io::ErrorKind::Other);
            }
            for _ in 0..rng.u8(0..9) {
                let group = next..next + rng.u64(1..5);
                next = group.end;
                if commit(&mut opened.wal, group.clone(), 700).is_ok() {
                    acked.extend(group);
                }
            }
            // The last group may be under way.
            if rng.bool() {
                let sync = world.fault.calls(Call::Sync);
                world.fault.fail_nth(Call::Sync, 1, io::ErrorKind::Other);
                let _refused = commit(&mut opened.wal, next..next + 3, 700);
                assert!(world.fault.calls(Call::Sync) > sync);
                next += 3;
            }
            world = World::new(world.fault.power_cut(rng.u64(..)));
        }
        let found = numbers(&world.open(0).1, 700);
        assert!(acked.iter().all(|number| found.contains(number)), "seed {seed}: {acked:?} in {found:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_scanned(mut bytes: Vec<u8>, cut in 0usize..4000, flips in proptest::collection::vec((0usize..4000, 0u8..8), 0..20)) {
        scan(&bytes);
        let world = World::new(FaultDisk::new());
        let (mut opened, _) = world.open(0);
        commit(&mut opened.wal, 0..6, 300).unwrap();
        let path = world.files()[0].clone();
        let mut content = world.fault.content(&path).unwrap();
        for (byte, bit) in flips {
            if let Some(byte) = content.get_mut(byte) { *byte ^= 1 << bit; }
        }
        content.truncate(cut);
        content.append(&mut bytes);
        for found in scan(&content) {
            if let Found::Record(record, range) = found {
                prop_assert_eq!(record.payload, &payload(record.base / 10, 300)[..]);
                prop_assert!(range.end <= content.len());
            }
        }
        world.fault.put(&path, &content);
        world.open(0);
    }
}
