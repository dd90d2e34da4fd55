//! Damage, full disks and power cuts.

use super::*;
use crate::fault::{Call, FaultDisk};
use fastrand::Rng;

const PATH: &str = "/data/agent/journal";

type Opened = (Journal, Vec<Vec<u8>>, Report);

fn open(disk: &FaultDisk) -> Opened {
    Journal::open(Arc::new(disk.clone()), Path::new(PATH)).unwrap()
}

fn records(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("record {number}").repeat(number + 1).into_bytes()).collect()
}

fn with_records(count: usize) -> FaultDisk {
    let disk = FaultDisk::new();
    let (mut journal, found, report) = open(&disk);
    assert_eq!((found, report), (Vec::new(), Report::default()));
    for record in records(count) {
        journal.append(&record).unwrap();
    }
    disk
}

#[test]
fn what_was_appended_is_found_again() {
    let disk = with_records(5);
    let (mut journal, found, report) = open(&disk);
    assert_eq!((found, report), (records(5), Report::default()));
    journal.compact(&records(2)).unwrap();
    journal.append(b"after").unwrap();
    let mut expected = records(2);
    expected.push(b"after".to_vec());
    assert_eq!(open(&disk).1, expected);
    assert!(matches!(journal.append(b""), Err(Error::Size(0))));
    assert!(matches!(journal.append(&vec![0; MAX_RECORD_BYTES + 1]), Err(Error::Size(_))));
}

#[test]
fn several_are_appended_with_one_sync_or_not_at_all() {
    let disk = with_records(1);
    let (mut journal, ..) = open(&disk);
    let syncs = disk.calls(Call::Sync);
    journal.append_all(&records(5)[1..]).unwrap();
    journal.append_all(&[[0_u8; 1]; 0]).unwrap();
    assert_eq!(disk.calls(Call::Sync), syncs + 1);
    assert_eq!(open(&disk).1, records(5));
    for bad in [vec![0; MAX_RECORD_BYTES + 1], Vec::new()] {
        assert!(matches!(journal.append_all(&[b"good".to_vec(), bad]), Err(Error::Size(_))));
    }
    assert_eq!(open(&disk).1, records(5));
}

#[test]
fn what_failed_to_be_written_does_not_come_back_behind_the_next_record() {
    for space in 1040..1300 {
        let disk = with_records(1);
        let (mut journal, ..) = open(&disk);
        disk.set_space(Some(space));
        let is_done = journal.append_all(&records(6)[1..]).is_ok();
        disk.set_space(None);
        journal.append(b"next").unwrap();
        let mut expected = records(if is_done { 6 } else { 1 });
        expected.push(b"next".to_vec());
        assert_eq!(open(&disk).1, expected, "{space}");
    }
}

#[test]
fn a_torn_last_record_is_cut() {
    let whole = with_records(3).content(Path::new(PATH)).unwrap();
    let two = with_records(2).content(Path::new(PATH)).unwrap().len();
    for len in two..whole.len() {
        let disk = FaultDisk::new();
        make_dir(&disk, Path::new("/data/agent")).unwrap();
        disk.put(Path::new(PATH), &whole[..len]);
        let (mut journal, found, report) = open(&disk);
        assert_eq!(found, records(2), "cut at {len}");
        assert_eq!(report, Report { torn_bytes: (len - two) as u64, damaged_bytes: 0 });
        journal.append(b"next").unwrap();
        assert_eq!(open(&disk).1.last().unwrap(), b"next");
    }
}

#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    let whole = with_records(4).content(Path::new(PATH)).unwrap();
    for byte in 0..whole.len() {
        let disk = with_records(4);
        disk.flip_bit(Path::new(PATH), byte, u8::try_from(byte % 8).unwrap()).unwrap();
        let (_, found, report) = open(&disk);
        let kept = records(4).iter().filter(|record| found.contains(record)).count();
        assert_eq!(kept, found.len());
        assert_eq!(kept, if byte < HEADER_BYTES { 4 } else { 3 }, "byte {byte}");
        assert_eq!(report == Report::default(), kept == 4, "byte {byte}");
    }
}

#[test]
fn a_journal_without_a_header_is_known_by_its_records() {
    for count in [1, 3] {
        let disk = with_records(count);
        let copies = 0..HEADER_BYTES;
        copies.step_by(COPY_BYTES).for_each(|byte| disk.flip_bit(Path::new(PATH), byte, 0).unwrap());
        let (mut journal, found, report) = open(&disk);
        assert_eq!((found, report.damaged_bytes), (records(count), HEADER_BYTES as u64));
        journal.append(b"next").unwrap();
        journal.settled();
        let (_, again, report) = open(&disk);
        assert_eq!((again.len(), report), (count + 1, Report::default()));
    }
}

#[test]
fn what_is_no_journal_is_set_aside() {
    let disk = with_records(0);
    for name in ["journal.damaged", "journal.damaged-1"] {
        disk.put(Path::new(PATH), &[7; 3000]);
        let (mut journal, found, report) = open(&disk);
        assert!(found.is_empty() && report.damaged_bytes == 3000);
        journal.append(b"fresh").unwrap();
        journal.settled();
        assert_eq!(open(&disk).1, [b"fresh"]);
        assert_eq!(disk.content(&Path::new("/data/agent").join(name)).unwrap(), [7; 3000]);
    }
}

#[test]
fn damage_is_reported_until_what_follows_from_it_is_durable() {
    let path = Path::new(PATH);
    let spoil: [&dyn Fn(&FaultDisk); 4] = [
        &|disk| disk.flip_bit(path, HEADER_BYTES + 20, 1).unwrap(),
        &|disk| disk.flip_bit(path, 0, 0).and(disk.flip_bit(path, COPY_BYTES, 0)).unwrap(),
        &|disk| disk.spoil(path, 0..1).unwrap(),
        &|disk| disk.put(path, &[7; 3000]),
    ];
    for (nth, spoil) in spoil.into_iter().enumerate() {
        let disk = with_records(3);
        spoil(&disk);
        assert!(open(&disk).2.damaged_bytes > 0, "{nth}");
        // As the manifest does, which hides it.
        let (mut journal, found, _) = open(&disk);
        journal.compact(&found).unwrap();
        let disk = disk.power_cut(nth as u64);
        let (journal, again, report) = open(&disk);
        assert!(again == found && report.damaged_bytes > 0, "{nth}: {report:?}");
        assert_eq!(read(&disk, path).unwrap(), (again, report));
        journal.settled();
        assert_eq!(open(&disk).2, Report::default(), "{nth}");
    }
}

#[test]
fn of_a_journal_with_a_bad_sector_the_other_records_are_found() {
    let expected: Vec<Vec<u8>> = (0..900).map(|number| format!("record {number:05}").into_bytes()).collect();
    let made = FaultDisk::new();
    open(&made).0.append_all(&expected).unwrap();
    let path = Path::new(PATH);
    let len = made.content(path).unwrap().len();
    for (at, lost) in [(9000, 100..200), (len - 1, 1..200)] {
        let disk = made.power_cut(1);
        disk.spoil(path, at..at + 1).unwrap();
        let (mut journal, found, report) = open(&disk);
        assert!(lost.contains(&(900 - found.len())), "{} of 900", found.len());
        assert!(found.iter().all(|record| expected.contains(record)) && found.is_sorted());
        assert!(report.damaged_bytes > 0 && report.torn_bytes == 0, "{report:?}");
        assert_eq!(disk.content(Path::new("/data/agent/journal.damaged")).unwrap().len(), len);
        // It is on good sectors now.
        journal.append(b"record 99999").unwrap();
        journal.settled();
        let (_, again, report) = open(&disk);
        assert_eq!((again.len(), report), (found.len() + 1, Report::default()));
    }
    let disk = made.power_cut(1);
    disk.spoil(path, 0..len).unwrap();
    let (_, found, report) = open(&disk);
    assert_eq!((found.len(), report.damaged_bytes), (0, len as u64), "no header: it was set aside");
    assert!(disk.exists(Path::new("/data/agent/journal.damaged")));
}

#[test]
fn a_journal_that_cannot_be_opened_is_not_begun_anew() {
    let disk = with_records(3);
    disk.spoil_whole(Path::new(PATH)).unwrap();
    assert!(Journal::open(Arc::new(disk.clone()), Path::new(PATH)).is_err());
    disk.unspoil();
    assert_eq!(open(&disk).1, records(3));
}

#[test]
fn a_failing_call_loses_nothing_that_was_acknowledged() {
    for call in [Call::Write, Call::Sync, Call::Entry] {
        for nth in 1..=4 {
            for seed in 0..8 {
                let disk = with_records(3);
                let (mut journal, mut expected, _) = open(&disk);
                disk.fail_nth(call, nth, io::ErrorKind::Other);
                for step in 0..4_u8 {
                    let record = vec![b'x', step];
                    if journal.append(&record).is_ok() {
                        expected.push(record);
                    }
                    if step == 1 {
                        let _refused = journal.compact(&expected);
                    }
                }
                let found = open(&disk.power_cut(seed)).1;
                let acknowledged: Vec<_> = found.iter().filter(|record| expected.contains(record)).collect();
                assert_eq!(acknowledged, expected.iter().collect::<Vec<_>>(), "{call:?} {nth}");
            }
        }
    }
}

#[test]
fn a_journal_cut_within_its_header_begins_anew() {
    let whole = with_records(2).content(Path::new(PATH)).unwrap();
    for len in 0..HEADER_BYTES {
        let disk = FaultDisk::new();
        make_dir(&disk, Path::new("/data/agent")).unwrap();
        disk.put(Path::new(PATH), &whole[..len]);
        let (mut journal, found, report) = open(&disk);
        assert_eq!((found, report.damaged_bytes), (Vec::new(), len as u64));
        journal.append(b"next").unwrap();
        assert_eq!(open(&disk).1, [b"next"], "cut at {len}");
    }
}

/// Random appends and compactions, then a power cut: every acknowledged record is there, in order.
fn survives(seed: u64, ignored: Option<SyncPoint>) -> bool {
    let mut rng = Rng::with_seed(seed);
    let mut disk = FaultDisk::new();
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for _ in 0..rng.u8(1..4) {
        if let Some(point) = ignored {
            disk.ignore(point);
        }
        let Ok((mut journal, found, _)) = Journal::open(Arc::new(disk.clone()), Path::new(PATH)) else {
            return false;
        };
        if found != expected {
            return false;
        }
        for _ in 0..rng.u8(0..6) {
            if rng.u8(0..3) == 0 {
                expected.drain(..rng.usize(0..=expected.len()));
                journal.compact(&expected).unwrap();
            } else {
                let record = vec![rng.u8(..); rng.usize(1..900)];
                journal.append(&record).unwrap();
                expected.push(record);
            }
        }
        disk = disk.power_cut(rng.u64(..));
    }
    Journal::open(Arc::new(disk), Path::new(PATH)).is_ok_and(|(_, found, _)| found == expected)
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let cases = if std::env::var_os("LOGWAY_SOAK").is_some() { 10_000 } else { 200 };
    for seed in 0..cases {
        assert!(survives(seed, None), "seed {seed}");
    }
}

#[test]
fn every_sync_of_the_journal_is_needed() {
    use SyncPoint::{JournalDir, JournalRecord, JournalSnapshot, JournalSnapshotDir, NewDir};
    for point in [NewDir, JournalRecord, JournalDir, JournalSnapshot, JournalSnapshotDir] {
        assert!((0..500).any(|seed| !survives(seed, Some(point))), "no test needs {point:?}");
    }
}
