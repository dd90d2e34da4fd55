//! Damaged and missing files: said, set aside, and never more than what they held.

use crate::support::{HOUR, Machine, NOON, Paused, World, config, files, line, lines, once, request, rows};
use ::line::{Body, Entry, Text};
use disk::Disk;
use disk::fault::{Call, FaultDisk};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use store::{Config, Error, Problem};

/// A disk with three parts, something in the log, and a manifest of several records.
fn disk() -> FaultDisk {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    for round in 0..3u64 {
        world.take(lines(&web, 1 + round * 10..11 + round * 10, NOON));
        world.engine().flush_now().unwrap();
    }
    world.take(lines(&web, 31..41, NOON + HOUR));
    world.take(lines(&web, 41..51, NOON + HOUR));
    world.disk.copy()
}

fn open(disk: &FaultDisk) -> World {
    World::on(disk.copy(), &Paused::at(NOON), config()).unwrap()
}

fn problems(world: &World) -> Vec<Problem> {
    let mut problems: Vec<Problem> = world.report.problems.iter().map(|(_, problem)| *problem).collect();
    problems.sort();
    problems
}

fn of_kind(disk: &FaultDisk, below: &str) -> Vec<PathBuf> {
    files(disk, &Path::new(crate::support::DIR).join(below))
}

/// Rows that can be read, leaving out what cannot.
fn readable(world: &World) -> usize {
    let snapshot = world.engine().snapshot();
    let frames =
        snapshot.parts.iter().flat_map(|part| (0..part.frames().len()).map(move |frame| part.frame(frame)));
    let on_disk: usize = frames.filter_map(|frame| Some(frame.ok()?.decode().ok()?.len())).sum();
    on_disk + snapshot.rows.iter().map(|rows| rows.len()).sum::<usize>()
}

#[test]
fn a_missing_part_is_said_and_the_others_are_read() {
    let disk = disk();
    let parts = of_kind(&disk, "parts");
    disk.vanish(&parts[1]);
    let world = open(&disk);
    assert_eq!((problems(&world), once(&world.rows()).len()), (vec![Problem::MissingPart(10)], 40));
    // It is said once; then the manifest knows.
    let world = world.restart();
    assert_eq!((problems(&world), once(&world.rows()).len()), (vec![], 40));
    // What was in it is still known: it does not come twice.
    assert_eq!(world.append(lines(&Machine::new("o1", "web", "m1"), 1..51, NOON)).unwrap().duplicates, 50);
}

#[test]
fn a_part_without_its_tables_is_set_aside() {
    let disk = disk();
    let parts = of_kind(&disk, "parts");
    let len = disk.content(&parts[0]).unwrap().len();
    for content in [vec![], vec![0; len], disk.content(&parts[0]).unwrap()[..len / 2].to_vec()] {
        disk.put(&parts[0], &content);
        let world = open(&disk);
        assert_eq!((problems(&world), once(&world.rows()).len()), (vec![Problem::DamagedPart(10)], 40));
        assert_eq!(world.files("damaged").len(), 1);
    }
    // Another part under its name is not it.
    disk.put(&parts[0], &disk.content(&parts[1]).unwrap());
    assert_eq!(problems(&open(&disk)), [Problem::DamagedPart(10)]);
}

/// As [`disk`], with a log in which only what is not in parts is left.
fn with_short_log() -> FaultDisk {
    let world = World::new();
    let (web, noise) = (Machine::new("o1", "web", "m1"), Machine::new("o1", "noise", "m2"));
    let long =
        |seq, text: String| Entry { body: Body::Line(Text::whole(text.into_bytes())), ..line(seq, NOON) };
    for round in 0..5u64 {
        for from in (1 + round * 100..101 + round * 100).step_by(50) {
            world.take(lines(&web, from..from + 50, NOON));
            // Incompressible, so that a segment is full soon.
            let text: String = (0..6000).map(|_| fastrand::alphanumeric()).collect();
            world.take(request(&[(&noise, vec![long(from, text)])]));
        }
        if round < 4 {
            world.engine().flush_now().unwrap();
        }
    }
    let disk = world.disk.copy();
    // Segments that are kept to be used again, or not used up, would have it all.
    let log = of_kind(&disk, "wal");
    for path in &log[..log.len().saturating_sub(3)] {
        disk.vanish(path);
    }
    disk
}

#[test]
fn without_a_manifest_everything_is_found_again() {
    for (disk, count, adopted) in [(disk(), 50, 0), (with_short_log(), 510, 4)] {
        disk.put(&Path::new(crate::support::DIR).join("MANIFEST"), &[9; 3000]);
        let world = open(&disk);
        let found = problems(&world);
        let adoptions = found.iter().filter(|problem| matches!(problem, Problem::AdoptedPart(_))).count();
        assert!(adoptions == adopted && found.contains(&Problem::DamagedManifest(3000)), "{found:?}");
        assert!(!world.report.is_lossy(), "{found:?}");
        assert_eq!(once(&world.rows()).len(), count);
        let world = world.restart();
        assert_eq!((problems(&world), once(&world.rows()).len()), (vec![], count));
        let again = world.append(lines(&Machine::new("o1", "web", "m1"), 1..51, NOON)).unwrap();
        assert_eq!(again.duplicates, 50);
    }
}

#[test]
fn a_manifest_that_the_disk_does_not_give_costs_nothing() {
    let made = with_short_log();
    let path = Path::new(crate::support::DIR).join("MANIFEST");
    let len = made.content(&path).unwrap().len();
    for bad in [Some(0..len), Some(len - 1..len), Some(0..1), None] {
        let disk = made.copy();
        match bad.clone() {
            Some(range) => disk.spoil(&path, range).unwrap(),
            None => disk.spoil_whole(&path).unwrap(),
        }
        let world = open(&disk);
        let found = problems(&world);
        assert!(found.iter().any(|problem| matches!(problem, Problem::DamagedManifest(1..))), "{found:?}");
        assert!(!world.report.is_lossy(), "{bad:?}: {found:?}");
        assert_eq!(once(&world.rows()).len(), 510, "{bad:?}");
        let world = world.restart();
        assert_eq!((problems(&world), once(&world.rows()).len()), (vec![], 510), "{bad:?}");
    }
}

#[test]
fn a_start_that_does_not_come_to_its_end_leaves_the_next_one_in_doubt() {
    let path = Path::new(crate::support::DIR).join("MANIFEST");
    let (made, mut failed) = (with_short_log(), 0);
    for (nth, spoil) in (1..25).flat_map(|nth| [(nth, true), (nth, false)]) {
        let disk = made.copy();
        match spoil {
            true => disk.spoil_whole(&path).unwrap(),
            false => disk.put(&path, &[9; 3000]),
        }
        disk.fail_nth(Call::Open, nth, ErrorKind::OutOfMemory);
        failed += u8::from(World::on(disk.clone(), &Paused::at(NOON), config()).is_err());
        let world = open(&disk);
        assert!(!problems(&world).contains(&Problem::UnknownPart), "{nth}: {:?}", world.report);
        assert_eq!(once(&world.rows()).len(), 510, "{nth}: {:?}", world.report);
    }
    assert!(failed > 3, "{failed} of the starts failed");
}

#[test]
fn any_flipped_bit_of_the_manifest_costs_nothing() {
    let disk = with_short_log();
    let path = Path::new(crate::support::DIR).join("MANIFEST");
    let len = disk.content(&path).unwrap().len();
    for byte in (0..len).step_by(1 + len / 150) {
        let damaged = disk.copy();
        damaged.flip_bit(&path, byte, 2).unwrap();
        let world = World::on(damaged, &Paused::at(NOON), config()).unwrap();
        assert_eq!(once(&world.rows()).len(), 510, "byte {byte}: {:?}", world.report);
        let world = world.restart();
        assert_eq!((problems(&world), once(&world.rows()).len()), (vec![], 510), "byte {byte}");
    }
}

#[test]
fn what_was_seen_is_made_anew_from_the_parts() {
    let disk = disk();
    let seen = of_kind(&disk, "seen");
    assert_eq!(seen.len(), 1);
    for content in [None, Some(vec![1; 30])] {
        match content {
            Some(content) => disk.put(&seen[0], &content),
            None => disk.vanish(&seen[0]),
        }
        let world = open(&disk);
        assert_eq!(problems(&world), [Problem::SeenAnew]);
        assert_eq!(
            world.append(lines(&Machine::new("o1", "web", "m1"), 1..51, NOON)).unwrap().duplicates,
            50
        );
        assert_eq!(problems(&world.restart()), []);
    }
}

#[test]
fn any_flipped_bit_is_said_or_harmless_and_costs_at_most_its_file() {
    let disk = disk();
    let all: Vec<PathBuf> =
        ["MANIFEST", "seen", "wal", "parts"].iter().flat_map(|below| of_kind(&disk, below)).collect();
    let all = [all, vec![Path::new(crate::support::DIR).join("MANIFEST")]].concat();
    assert!(all.len() >= 6, "{all:?}");
    for path in all {
        let len = disk.content(&path).unwrap().iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let step = if std::env::var_os("LOGWAY_SOAK").is_some() { 1 } else { 1 + len / 90 };
        for byte in (0..len).step_by(step) {
            let damaged = disk.copy();
            damaged.flip_bit(&path, byte, byte.to_le_bytes()[0] % 8).unwrap();
            let world = World::on(damaged, &Paused::at(NOON), config()).unwrap();
            let there = readable(&world);
            let is_part = path.extension().is_some_and(|end| end == "part");
            assert!((40..=50).contains(&there), "{path:?} byte {byte}: {there}, {:?}", world.report);
            let said = !world.report.problems.is_empty();
            assert!(there == 50 || said || is_part, "{path:?} byte {byte}: silence about {there}");
            if !is_part {
                once(&rows(world.engine()));
            }
        }
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let disk = disk();
    for name in
        ["notes.txt", "wal/notes.txt", "parts/notes.txt", "parts/20261123/notes.txt", "seen/notes.txt"]
    {
        disk.put(&Path::new(crate::support::DIR).join(name), b"mine");
    }
    let world = open(&disk);
    world.engine().maintain().unwrap();
    let world = world.restart();
    assert_eq!((problems(&world), once(&world.rows()).len()), (vec![], 50));
    assert!(world.disk.exists(&Path::new(crate::support::DIR).join("parts/20261123/notes.txt")));
}

/// A start on a copy of `disk` in which the `nth` call of a kind fails.
fn open_failing(
    disk: &FaultDisk,
    call: Call,
    nth: u64,
    kind: ErrorKind,
) -> (FaultDisk, Result<World, Error>) {
    let failing = disk.copy();
    failing.fail_nth(call, nth, kind);
    let opened = World::on(failing.clone(), &Paused::at(NOON), config());
    (failing, opened)
}

#[test]
fn a_file_that_cannot_be_opened_or_read_once_is_never_given_up() {
    let disk = disk();
    for call in [Call::Open, Call::Read] {
        let clean = disk.copy();
        drop(World::on(clean.clone(), &Paused::at(NOON), config()).unwrap());
        let calls = clean.calls(call);
        assert!(calls > 6, "{call:?} {calls}");
        for kind in [ErrorKind::Other, ErrorKind::OutOfMemory] {
            for nth in 1..=calls {
                let (failing, opened) = open_failing(&disk, call, nth, kind);
                let text = format!("{call:?} {nth} {kind:?}");
                if let Ok(world) = &opened {
                    let there = once(&world.rows()).len();
                    assert!(there == 50 || world.report.is_lossy(), "{text}: silence about {there}");
                }
                let set_aside = opened.as_ref().map_or(0, |world| world.files("damaged").len());
                assert_eq!(set_aside, 0, "{text}");
                drop(opened);
                let world = World::on(failing, &Paused::at(NOON), config()).unwrap();
                assert_eq!(once(&world.rows()).len(), 50, "{text}: {:?}", world.report);
            }
        }
    }
}

#[test]
fn a_part_that_could_not_be_read_is_back_when_it_can() {
    let disk = disk();
    let reads = |nth| open_failing(&disk, Call::Read, nth, ErrorKind::Other).1;
    let missing = |world: &World| problems(world).contains(&Problem::UnreadablePart(10));
    let world = (1..40).filter_map(|nth| reads(nth).ok()).find(missing).unwrap();
    assert_eq!(once(&world.rows()).len(), 40);
    let absent = |world: &World, time| world.engine().snapshot().absent_in(time, 0).is_some();
    assert_eq!([(i64::MIN, i64::MAX), (0, 1)].map(|time| absent(&world, time)), [true, false]);
    world.engine().maintain().unwrap();
    assert_eq!(once(&world.rows()).len(), 50);
    assert!(!absent(&world, (i64::MIN, i64::MAX)));
    assert_eq!((problems(&world.restart()), disk.exists(Path::new("/data/store/damaged"))), (vec![], false));
}

#[test]
fn a_part_of_a_later_version_stays_where_it_is() {
    let disk = disk();
    let parts = of_kind(&disk, "parts");
    let mut content = disk.content(&parts[1]).unwrap();
    // The footer's version, and the checksum of what is before it.
    let footer = content.len() - 40;
    content[footer + 20..footer + 24].copy_from_slice(&(store::part::VERSION + 1).to_le_bytes());
    let crc = crc32fast::hash(&content[footer..footer + 24]);
    content[footer + 24..footer + 28].copy_from_slice(&crc.to_le_bytes());
    disk.put(&parts[1], &content);
    let world = open(&disk);
    assert_eq!((problems(&world), once(&world.rows()).len()), (vec![Problem::UnreadablePart(10)], 40));
    world.engine().maintain().unwrap();
    let world = world.restart();
    assert_eq!(problems(&world), [Problem::UnreadablePart(10)]);
    assert_eq!(world.disk.content(&parts[1]).unwrap(), content);
}

#[test]
fn a_damaged_part_that_cannot_be_moved_is_not_forgotten() {
    let disk = disk();
    let parts = of_kind(&disk, "parts");
    let len = disk.content(&parts[0]).unwrap().len();
    disk.put(&parts[0], &vec![0; len]);
    disk.create_dir_all(&Path::new(crate::support::DIR).join("damaged"), 0o700).unwrap();
    for number in 0..1000 {
        disk.put(&Path::new(crate::support::DIR).join(format!("damaged/{number}")), b"");
    }
    for _ in 0..2 {
        let world = open(&disk);
        assert_eq!((problems(&world), once(&world.rows()).len()), (vec![Problem::UnreadablePart(10)], 40));
        assert_eq!(world.restart().disk.content(&parts[0]).unwrap().len(), len);
    }
}

#[test]
fn a_readable_part_that_the_manifest_does_not_name_is_not_removed() {
    let (world, other) = (World::new(), disk());
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..5, NOON + 24 * HOUR));
    world.engine().flush_now().unwrap();
    world.take(lines(&web, 5..9, NOON + 24 * HOUR));
    world.engine().flush_now().unwrap();
    let stray = of_kind(&other, "parts").remove(0);
    let target = stray.with_file_name("00000000000000aa.part");
    world.disk.create_dir_all(target.parent().unwrap(), 0o700).unwrap();
    world.disk.put(&target, &other.content(&stray).unwrap());
    let world = world.restart();
    assert_eq!(problems(&world), [Problem::UnknownPart]);
    assert_eq!((world.files("damaged").len(), once(&world.rows()).len()), (1, 8));
}

#[test]
fn what_was_numbered_and_not_flushed_does_not_come_twice_after_a_torn_manifest() {
    let small = Config { flush_bytes: 1, segment_bytes: 1 << 20, ..config() };
    let world = World::on(FaultDisk::new(), &Paused::at(NOON), small.clone()).unwrap();
    let web = Machine::new("o1", "web", "m1");
    // The writer is held up until three more wait, which it then numbers at once; its memtable is full after the first.
    let (go, held) = mpsc::sync_channel::<()>(1);
    let (taken, done) = mpsc::sync_channel(4);
    let first = taken.clone();
    let hold = move |answer: Result<_, _>| {
        first.send(answer.is_ok()).unwrap();
        held.recv().unwrap();
    };
    world.engine().append(lines(&web, 1..11, NOON), Box::new(hold));
    assert!(done.recv().unwrap());
    world.engine().flush_now().unwrap();
    for from in [11, 21, 31] {
        let taken = taken.clone();
        let reply = move |answer: Result<_, _>| taken.send(answer.is_ok()).unwrap();
        world.engine().append(lines(&web, from..from + 10, NOON), Box::new(reply));
    }
    go.send(()).unwrap();
    assert!((0..3).all(|_| done.recv().unwrap()));
    // When a record of the manifest is torn, what was seen before it was not removed yet.
    (1..9).for_each(|nth| world.disk.fail_nth(Call::Entry, nth, ErrorKind::Other));
    world.engine().flush_now().unwrap();
    assert_eq!(world.engine().stats().parts, 3);
    let disk = world.disk.copy();
    let manifest = Path::new(crate::support::DIR).join("MANIFEST");
    let content = disk.content(&manifest).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap();
    disk.put(&manifest, &content[..end - 2]);
    let world = World::on(disk, &Paused::at(NOON), small).unwrap();
    assert!(!problems(&world).contains(&Problem::SeenAnew), "{:?}", world.report);
    assert_eq!(once(&world.rows()).len(), 40, "{:?}", world.report);
    assert_eq!(once(&world.restart().rows()).len(), 40);
}
