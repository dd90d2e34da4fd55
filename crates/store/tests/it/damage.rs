//! Damaged and missing files: said, set aside, and never more than what they held.

use crate::support::{HOUR, Machine, NOON, Paused, World, config, files, line, lines, once, request, rows};
use ::line::{Body, Entry, Text};
use disk::Disk;
use disk::fault::FaultDisk;
use std::path::{Path, PathBuf};
use store::Problem;

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
