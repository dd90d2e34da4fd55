//! What the commands for a store that does not run find and mend.

use crate::support::{DAY, DIR, Machine, NOON, Paused, World, config, files, lines, once};
use disk::Disk;
use disk::fault::FaultDisk;
use std::path::Path;
use std::sync::Arc;
use store::inspect::{check, pack, repair, stats};
use store::{Config, Error, Keep, Retention};

/// A store with three parts and two batches in its log, that does not run.
fn stopped() -> FaultDisk {
    stopped_with(NOON)
}

/// The same, with rows of this time.
fn stopped_with(time: i64) -> FaultDisk {
    let world = World::new();
    let (web, api) = (Machine::new("o1", "web", "m1"), Machine::new("o1", "api", "m2"));
    for round in 0..3u64 {
        world.take(lines(&web, 1 + round * 10..11 + round * 10, time));
        world.take(lines(&api, 1 + round * 10..11 + round * 10, time));
        world.engine().flush_now().unwrap();
    }
    world.take(lines(&web, 31..41, time));
    world.take(lines(&web, 41..51, time));
    world.disk.copy()
}

fn dynamic(disk: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

#[test]
fn a_sound_store_is_sound_and_is_left_as_it_is() {
    let disk = stopped();
    let before: Vec<_> =
        files(&disk, Path::new(DIR)).iter().map(|path| disk.content(path).unwrap()).collect();
    let survey = check(&dynamic(&disk), Path::new(DIR)).unwrap();
    assert!(survey.is_sound(), "{survey:?}");
    assert_eq!(stats(&dynamic(&disk), Path::new(DIR)).unwrap(), survey);
    let day = survey.days.values().next().unwrap();
    assert_eq!((day.parts, day.rows, survey.log_batches, survey.boots), (3, 60, 2, 2));
    assert_eq!(survey.sizes.iter().sum::<u64>() / 100, day.bytes / 100);
    let after: Vec<_> = files(&disk, Path::new(DIR)).iter().map(|path| disk.content(path).unwrap()).collect();
    // But for the lock, which is an empty file.
    assert_eq!(
        after.iter().filter(|content| !content.is_empty()).collect::<Vec<_>>(),
        before.iter().filter(|content| !content.is_empty()).collect::<Vec<_>>()
    );
}

#[test]
fn every_flipped_bit_is_found_and_what_is_whole_is_saved() {
    let disk = stopped();
    let below = |name: &str| files(&disk, &Path::new(DIR).join(name));
    let all = [below("parts"), below("seen"), vec![Path::new(DIR).join("MANIFEST")]].concat();
    for path in all {
        let len = disk.content(&path).unwrap().len();
        let is_part = path.extension().is_some();
        for byte in (0..len).step_by(1 + len / 60) {
            let damaged = disk.copy();
            damaged.flip_bit(&path, byte, 1).unwrap();
            let survey = check(&dynamic(&damaged), Path::new(DIR)).unwrap();
            // The manifest has two copies of its header, with unused space behind each.
            assert!(!survey.is_sound() || !is_part && byte < 1024, "{path:?} byte {byte}");
            let clock = Arc::new(Paused::at(NOON));
            let repaired = repair(&dynamic(&damaged), Path::new(DIR), config(), clock).unwrap();
            let survey = check(&dynamic(&damaged), Path::new(DIR)).unwrap();
            assert!(survey.is_sound(), "{path:?} byte {byte}: {survey:?} after {repaired:?}");
            let world = World::on(damaged, &Paused::at(NOON), config()).unwrap();
            let there = once(&world.rows()).len();
            let lost: u64 = repaired.parts.iter().map(|part| part.lost).sum();
            let set_aside = usize::from(repaired.report.is_lossy()) * 20;
            assert_eq!(
                there,
                80 - usize::try_from(lost).unwrap() - set_aside,
                "{path:?} byte {byte}: {repaired:?}"
            );
        }
    }
}

#[test]
fn a_day_that_is_over_is_packed_at_once_and_nothing_is_too_old_for_it() {
    // Of today, three of the four parts become one, as while the store runs.
    for (days_ago, parts, closed) in [(0, 2, 0), (2, 1, 1)] {
        let disk = stopped_with(NOON - days_ago * DAY);
        let at = Paused::at(NOON);
        let retention = Retention { default: Keep { days: 1, bytes: None }, ..Retention::default() };
        let config = || Config { retention: retention.clone(), ..config() };
        let packed = pack(&dynamic(&disk), Path::new(DIR), config(), Arc::new(at.clone())).unwrap();
        let survey = check(&dynamic(&disk), Path::new(DIR)).unwrap();
        assert!(survey.is_sound(), "{survey:?}");
        let day = survey.days.values().next().unwrap();
        assert_eq!(
            (day.parts, day.closed, day.rows, survey.log_batches),
            (parts, closed, 80, 0),
            "{packed:?}"
        );
        assert_eq!((packed.rewrites, packed.after), (closed as u64, day.bytes));
        assert!(packed.after < packed.before, "{packed:?}");
        // Again, there is nothing left to do.
        let again = pack(&dynamic(&disk), Path::new(DIR), config(), Arc::new(at)).unwrap();
        assert_eq!((again.rewrites, again.before, again.after), (0, packed.after, packed.after));
    }
}

#[test]
fn a_store_that_runs_is_left_alone_and_one_that_is_not_there_is_not_made() {
    let world = World::new();
    let disk = dynamic(&world.disk);
    assert!(matches!(check(&disk, Path::new(DIR)), Err(Error::InUse(_))));
    assert!(matches!(
        repair(&disk, Path::new(DIR), config(), Arc::new(Paused::at(NOON))),
        Err(Error::InUse(_))
    ));
    assert!(matches!(
        pack(&disk, Path::new(DIR), config(), Arc::new(Paused::at(NOON))),
        Err(Error::InUse(_))
    ));
    assert!(stats(&disk, Path::new("/nowhere")).is_err());
    assert!(!disk.exists(Path::new("/nowhere")));
}
