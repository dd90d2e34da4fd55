//! Files that the disk does not give: what can be read is read, and the store starts.

use crate::support::{DIR, Id, Machine, NOON, Paused, World, config, line, lines, once, request};
use ::line::{Body, Entry, Text};
use disk::Disk;
use disk::fault::{Call, FaultDisk};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Config, Problem, inspect};

const ROUNDS: u64 = 6;

fn web() -> Machine {
    Machine::new("o1", "web", "m1")
}

/// Ten lines of a round.
fn ten(round: u64) -> Vec<u8> {
    lines(&web(), 1 + round * 10..11 + round * 10, NOON)
}

fn ids(round: u64) -> Vec<Id> {
    (1 + round * 10..11 + round * 10).map(|seq| web().id(seq)).collect()
}

/// So small that each batch has a segment of its own.
fn tiny() -> Config {
    Config { segment_bytes: 1, ..config() }
}

/// A store with a segment of its log for each round. The first `flushed` are in parts, too.
fn filled(flushed: u64) -> FaultDisk {
    let world = World::on(FaultDisk::new(), &Paused::at(NOON), tiny()).unwrap();
    let mut before = Vec::new();
    for round in 0..ROUNDS {
        world.take(ten(round));
        if round + 1 == flushed {
            let content = |path: PathBuf| (path.clone(), world.disk.content(&path).unwrap());
            before = segments(&world.disk).into_iter().map(content).collect();
            world.engine().flush_now().unwrap();
        }
    }
    // As if their removal had not been durable: no start needs them.
    let disk = world.disk.copy();
    before.iter().for_each(|(path, content)| disk.put(path, content));
    assert_eq!(segments(&disk).len() as u64, ROUNDS);
    disk
}

fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    crate::support::files(disk, &Path::new(DIR).join("wal"))
}

fn open(disk: &FaultDisk) -> World {
    World::on(disk.clone(), &Paused::at(NOON), config()).unwrap()
}

fn problems(world: &World) -> Vec<Problem> {
    world.report.problems.iter().map(|(_, problem)| *problem).collect()
}

/// The rounds of which all lines are there; of the others, none is.
fn rounds(world: &World) -> Vec<u64> {
    let found = once(&world.rows());
    let there = |round: &u64| ids(*round).iter().filter(|id| found.contains_key(*id)).count();
    assert!((0..ROUNDS).all(|round| [0, 10].contains(&there(&round))));
    (0..ROUNDS).filter(|round| there(round) == 10).collect()
}

fn without(round: u64) -> Vec<u64> {
    (0..ROUNDS).filter(|other| *other != round).collect()
}

/// What was set aside, and the notes about it.
fn aside(world: &World) -> (usize, String) {
    let (notes, files): (Vec<_>, Vec<_>) =
        world.files("damaged").into_iter().partition(|path| path.extension().is_some_and(|end| end == "txt"));
    let texts = notes.iter().map(|path| String::from_utf8(world.disk.content(path).unwrap()).unwrap());
    (files.len(), texts.collect())
}

#[test]
fn a_segment_that_cannot_be_opened_or_begun_costs_what_was_only_there() {
    for lost in 0..ROUNDS {
        for how in [FaultDisk::spoil_whole, |disk: &FaultDisk, path: &Path| disk.spoil(path, 0..100)] {
            let disk = filled(0);
            let path = segments(&disk).remove(usize::try_from(lost).unwrap());
            how(&disk, &path).unwrap();
            let world = open(&disk);
            assert!(matches!(problems(&world)[..], [Problem::UnreadableLog(_)]), "{:?}", world.report);
            assert!(world.report.is_lossy());
            assert_eq!(rounds(&world), without(lost));
            let (files, note) = aside(&world);
            assert!(
                files == 1 && note.contains("positions (pos) from") && note.contains("could not be read"),
                "{note}"
            );
            assert!(!disk.exists(&path), "it was moved");
            // What was only there is believed once more, and what is there is not.
            let highest = world.rows().iter().map(|row| row.pos).max().unwrap();
            for round in 0..ROUNDS {
                let receipt = world.append(ten(round)).unwrap();
                let (taken, duplicates) = if round == lost { (10, 0) } else { (0, 10) };
                assert_eq!((receipt.taken, receipt.duplicates), (taken, duplicates), "{lost} {round}");
            }
            let new = once(&world.rows())[&ids(lost)[0]].pos;
            assert!(new > highest + 200, "positions of what is not known are not used again");
            let world = world.restart();
            assert_eq!((problems(&world), rounds(&world)), (vec![], (0..ROUNDS).collect()));
        }
    }
}

#[test]
fn a_bad_sector_costs_the_batches_in_it() {
    let world =
        World::on(FaultDisk::new(), &Paused::at(NOON), Config { segment_bytes: 64 << 10, ..config() })
            .unwrap();
    world.take(ten(0));
    // Incompressible, so that the sector is its alone.
    let text: String = std::iter::repeat_with(fastrand::alphanumeric).take(20_000).collect();
    let entry = Entry { body: Body::Line(Text::whole(text.into_bytes())), ..line(1, NOON) };
    world.take(request(&[(&Machine::new("o1", "noise", "m2"), vec![entry])]));
    world.take(ten(1));
    let disk = world.disk.copy();
    let path = segments(&disk).remove(0);
    disk.spoil(&path, 6000..6001).unwrap();
    let before = inspect::check(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(DIR)).unwrap();
    assert!(before.defects.iter().any(|defect| defect.is_loss && defect.what.contains("cannot be read")));
    let world = open(&disk);
    assert!(matches!(problems(&world)[..], [Problem::UnreadableLog(_)]), "{:?}", world.report);
    assert_eq!((rounds(&world), once(&world.rows()).len()), (vec![0, 1], 20));
    // What could be read is in parts: it has gone there since.
    assert_eq!((aside(&world).0, disk.exists(&path)), (1, false));
    let world = world.restart();
    assert_eq!((problems(&world), once(&world.rows()).len()), (vec![], 20));
}

#[test]
fn a_segment_of_which_all_is_in_parts_is_no_loss() {
    for how in [FaultDisk::spoil_whole, |disk: &FaultDisk, path: &Path| disk.spoil(path, 1100..1101)] {
        let disk = filled(3);
        how(&disk, &segments(&disk)[1]).unwrap();
        let world = open(&disk);
        assert_eq!((problems(&world), aside(&world).0), (vec![Problem::UnreadableOldLog], 1));
        assert!(!world.report.is_lossy());
        assert_eq!(once(&world.rows()).len(), 60);
        assert_eq!(problems(&world.restart()), []);
    }
}

#[test]
fn what_comes_after_a_lost_end_survives_its_coming_back() {
    let disk = filled(0);
    let path = segments(&disk).pop().unwrap();
    disk.spoil_whole(&path).unwrap();
    let world = open(&disk);
    let later = Machine::new("o1", "later", "m3");
    world.take(lines(&later, 1..11, NOON));
    let aside = world.files("damaged").remove(0);
    // Somebody puts it back, or the power went before its new name was durable.
    drop(world);
    disk.unspoil();
    disk.rename(&aside, &path).unwrap();
    for _ in 0..2 {
        let world = open(&disk);
        let found = once(&world.rows());
        assert!((1..11).all(|seq| found.contains_key(&later.id(seq))), "{:?}", world.report);
    }
}

#[test]
fn a_full_folder_for_what_is_damaged_stops_no_start() {
    let disk = filled(0);
    disk.create_dir_all(&Path::new(DIR).join("damaged"), 0o700).unwrap();
    for number in 0..1000 {
        disk.put(&Path::new(DIR).join(format!("damaged/{number}")), b"");
    }
    let path = segments(&disk).remove(3);
    disk.spoil_whole(&path).unwrap();
    let world = open(&disk);
    assert_eq!(rounds(&world), without(3));
    assert!(disk.exists(&path.with_extension("wal.damaged")), "{:?}", world.files("wal"));
    let world = world.restart();
    assert_eq!((problems(&world), rounds(&world)), (vec![], without(3)));
}

#[test]
fn errors_that_pass_cost_nothing() {
    for call in [Call::Open, Call::Read] {
        for nth in 1..30 {
            let disk = filled(0);
            disk.fail_nth(call, nth, ErrorKind::Other);
            disk.fail_nth(call, nth + 1, ErrorKind::Other);
            let start = || World::on(disk.clone(), &Paused::at(NOON), config()).ok();
            // What else the start reads may end it, and gives nothing up either.
            let world = start().or_else(start).or_else(start).unwrap();
            assert_eq!(aside(&world).0, 0, "{call:?} {nth}");
            drop(world);
            // A copy has no orders to fail.
            let world = open(&disk.copy());
            assert_eq!(rounds(&world).len(), 6, "{call:?} {nth}");
        }
    }
}

/// A store that is stopped, with one part of twenty lines of two apps, a frame each.
fn with_part() -> (FaultDisk, PathBuf, Vec<(usize, usize)>) {
    let world = World::new();
    world.take(lines(&web(), 1..11, NOON));
    world.take(lines(&Machine::new("o1", "api", "m2"), 1..11, NOON));
    world.engine().flush_now().unwrap();
    let parts = world.engine().snapshot().parts;
    let frames = parts[0].frames().iter().map(|frame| (frame.at, frame.at + frame.len));
    let frames =
        frames.map(|(from, to)| (usize::try_from(from).unwrap(), usize::try_from(to).unwrap())).collect();
    let path = world.files("parts").remove(0);
    (world.disk.copy(), path, frames)
}

fn repair(disk: &FaultDisk) -> Result<inspect::Repaired, store::Error> {
    let clock = Arc::new(Paused::at(NOON));
    inspect::repair(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(DIR), config(), clock)
}

#[test]
fn a_part_with_a_bad_sector_is_written_anew_from_the_rest() {
    let (disk, path, frames) = with_part();
    // The apps are in order of their names.
    for (frame, app) in [(0, "api"), (1, "web")] {
        let disk = disk.copy();
        let middle = usize::midpoint(frames[frame].0, frames[frame].1);
        disk.spoil(&path, middle..middle + 1).unwrap();
        let repaired = repair(&disk).unwrap();
        let part = &repaired.parts[0];
        assert_eq!((&part.path, part.saved, part.lost, part.losses.len()), (&path, 10, 10, 1));
        let loss = &part.losses[0];
        assert_eq!((loss.org.as_str(), loss.app.as_str(), loss.rows), ("o1", app, 10));
        assert_eq!((loss.from, loss.to), (NOON, NOON + 9_000_000_000));
        let survey = inspect::check(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(DIR)).unwrap();
        assert!(survey.is_sound() && survey.set_aside == 1, "{survey:?}");
        assert_eq!(once(&open(&disk).rows()).len(), 10);
    }
    // Behind the frames stand counts and filters: nothing is lost with them.
    let after = frames[1].1 + 17;
    disk.spoil(&path, after..after + 1).unwrap();
    let repaired = repair(&disk).unwrap();
    assert_eq!((repaired.parts[0].saved, repaired.parts[0].lost), (20, 0));
    assert_eq!(once(&open(&disk).rows()).len(), 20);
}

#[test]
fn a_part_without_its_tables_is_written_anew_from_its_frames() {
    let (disk, path, frames) = with_part();
    let len = disk.content(&path).unwrap().len();
    // Of the second, the first frame cannot be read either.
    for (first, saved) in [(None, 20), (Some(frames[0]), 10)] {
        let disk = disk.copy();
        disk.spoil(&path, len - 60..len - 59).unwrap();
        if let Some((from, _)) = first {
            disk.spoil(&path, from + 10..from + 11).unwrap();
        }
        let repaired = repair(&disk).unwrap();
        assert_eq!(repaired.report.problems, [], "it is told by what became of it");
        assert_eq!((repaired.parts[0].saved, repaired.parts[0].lost), (saved, 20 - saved));
        let survey = inspect::check(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(DIR)).unwrap();
        assert!(survey.is_sound() && survey.set_aside == 1, "{survey:?}");
        let world = open(&disk);
        assert_eq!((once(&world.rows()).len() as u64, problems(&world)), (saved, vec![]));
    }
}

#[test]
fn a_part_of_which_nothing_can_be_read_waits_for_another_time() {
    let (disk, path, frames) = with_part();
    disk.spoil(&path, 0..frames[1].1).unwrap();
    assert!(repair(&disk).is_err());
    assert!(disk.exists(&path));
    disk.unspoil();
    // What fails once is no reason to write anything anew.
    disk.fail_nth(Call::Read, 12, ErrorKind::Other);
    assert_eq!(repair(&disk).unwrap().parts, []);
    assert_eq!(once(&open(&disk).rows()).len(), 20);
}

#[test]
fn what_is_missing_is_told_until_somebody_has_seen_to_it() {
    let (disk, path, _) = with_part();
    disk.spoil_whole(&path).unwrap();
    let mut world = open(&disk);
    let stats = world.engine().stats();
    assert_eq!((stats.absent_parts, stats.absent_rows, stats.set_aside), (1, 20, 0));
    let said = world.engine().warnings();
    assert!(
        said.len() == 1 && said[0].starts_with("1 parts cannot be read at the moment, with 20 lines"),
        "{said:?}"
    );
    // It is back.
    disk.unspoil();
    world.engine().maintain().unwrap();
    assert_eq!((world.engine().stats().absent_parts, world.engine().warnings()), (0, vec![]));
    drop(world.engine.take());
    // It is damaged for good.
    let len = disk.content(&path).unwrap().len();
    disk.put(&path, &vec![0; len]);
    world = open(&disk);
    let stats = world.engine().stats();
    assert_eq!((stats.absent_parts, stats.lost_rows, stats.set_aside, stats.parts), (0, 20, 1, 0));
    let said = world.engine().warnings();
    assert!(
        said.len() == 2 && said[0].contains("20 lines of parts") && said[1].starts_with("1 files lie in"),
        "{said:?}"
    );
    // The next start has found nothing, and the file is still there.
    world = world.restart();
    assert_eq!(world.engine().warnings().len(), 1);
    let aside = world.files("damaged").remove(0);
    disk.remove(&aside).unwrap();
    assert_eq!(world.engine().warnings(), Vec::<String>::new());
}

#[test]
fn a_part_that_is_damaged_inside_is_told_when_it_is_found() {
    let world = World::new();
    for round in 0..3 {
        world.take(ten(round));
        world.engine().flush_now().unwrap();
    }
    world.disk.flip_bit(&world.files("parts")[1], 100, 1).unwrap();
    world.engine().maintain().unwrap();
    assert_eq!(world.engine().stats().damaged_parts, 1);
    assert!(world.engine().warnings()[0].contains("damaged inside"));
}
