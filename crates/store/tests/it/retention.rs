//! What is not kept any longer goes, and nothing else does, whatever the clock says.

use crate::support::{DAY, HOUR, Machine, NOON, World, config, lines, once};
use disk::fault::Call;
use line::OrgId;
use std::collections::BTreeMap;
use std::io;
use store::{Config, Keep, Retention};

fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

fn seqs(world: &World, machine: &Machine) -> Vec<u64> {
    (1..200).filter(|seq| once(&world.rows()).contains_key(&machine.id(*seq))).collect()
}

/// Flushes and does all that is due.
fn settle(world: &World) {
    world.engine().flush_now().unwrap();
    world.engine().maintain().unwrap();
}

#[test]
fn rows_go_when_they_are_too_old() {
    let mut world = World::new();
    let web = Machine::new("o1", "web", "m1");
    for day in 0..5u64 {
        world.take(lines(&web, 1 + day * 10..4 + day * 10, world.clock_now()));
        settle(&world);
        world.clock.pass(DAY);
    }
    assert_eq!(seqs(&world, &web).len(), 15);
    world.clock.pass(26 * DAY + HOUR);
    // They are hidden at once, even before anything is removed.
    assert_eq!(seqs(&world, &web), [21, 22, 23, 31, 32, 33, 41, 42, 43]);
    assert_eq!(world.files("parts").len(), 5);
    world.engine().maintain().unwrap();
    assert_eq!((world.files("parts").len(), world.engine().stats().parts_dropped), (3, 2));
    world = world.restart();
    world
        .engine()
        .set_retention(Retention { default: Keep { days: 28, bytes: None }, ..Retention::default() });
    assert_eq!(seqs(&world, &web), [41, 42, 43]);
    settle(&world);
    assert_eq!(world.files("parts").len(), 1);
}

#[test]
fn orgs_keep_for_different_times_in_one_part() {
    let world = World::new();
    let (short, long) = (Machine::new("short", "web", "m1"), Machine::new("long", "web", "m2"));
    world.take(lines(&short, 1..100, NOON));
    world.take(lines(&long, 1..100, NOON));
    let keep = |days| Keep { days, bytes: None };
    let orgs = BTreeMap::from([(org("short"), keep(2)), (org("long"), keep(90))]);
    world.engine().set_retention(Retention { default: keep(30), orgs: orgs.clone() });
    settle(&world);
    world.clock.pass(3 * DAY);
    assert_eq!((seqs(&world, &short).len(), seqs(&world, &long).len()), (0, 99));
    settle(&world);
    assert_eq!(world.engine().stats().part_rows, 99);
    let world = world.restart_with(Config { retention: Retention { default: keep(30), orgs }, ..config() });
    assert_eq!((seqs(&world, &short).len(), seqs(&world, &long).len()), (0, 99));
    world.clock.pass(88 * DAY);
    settle(&world);
    assert_eq!((world.engine().stats().parts, world.files("parts").len()), (0, 0));
}

#[test]
fn an_org_over_its_bytes_loses_its_oldest_parts() {
    let world = World::new();
    let (web, other) = (Machine::new("big", "web", "m1"), Machine::new("other", "web", "m2"));
    let mut bytes = Vec::new();
    for day in 0..4u64 {
        world.take(lines(&web, 1 + day * 10..9 + day * 10, world.clock_now()));
        world.take(lines(&other, 1 + day * 10..9 + day * 10, world.clock_now()));
        settle(&world);
        bytes.push(world.engine().stats().part_bytes);
        world.clock.pass(DAY);
    }
    let two_days = (bytes[3] - bytes[1]) / 2;
    let orgs = BTreeMap::from([(org("big"), Keep { days: 30, bytes: Some(two_days) })]);
    world.engine().set_retention(Retention { orgs, ..Retention::default() });
    let left = seqs(&world, &web);
    assert!((8..32).contains(&left.len()) && left.contains(&38) && !left.contains(&1), "{left:?}");
    assert_eq!(seqs(&world, &other).len(), 32);
    settle(&world);
    assert_eq!(seqs(&world, &web), left);
    assert!(world.engine().stats().part_rows < 64);
}

#[test]
fn a_bound_for_everybody_takes_the_oldest_rows_of_a_part_and_not_the_newest() {
    let world = World::new();
    let machine = |hour: i64| Machine::new("o1", &format!("app{hour}"), &format!("m{hour}"));
    for hour in 0..8 {
        world.take(lines(&machine(hour), 1..4, NOON + hour * HOUR));
    }
    settle(&world);
    let parts = world.engine().snapshot().parts;
    let bytes: u64 = parts.iter().flat_map(|part| part.frames()).map(|frame| frame.len).sum();
    let hours = || -> Vec<i64> { (0..8).filter(|hour| seqs(&world, &machine(*hour)).len() == 3).collect() };
    let bound = |bytes| Retention { default: Keep { days: 30, bytes: Some(bytes) }, ..Retention::default() };
    for (bytes, left) in [(bytes, 0..8), (bytes - 1, 1..8), (bytes / 2 + 8, 4..8)] {
        world.engine().set_retention(bound(bytes));
        assert_eq!(hours(), left.collect::<Vec<_>>(), "{bytes}");
    }
    settle(&world);
    assert_eq!((hours(), world.engine().stats().part_rows), (vec![4, 5, 6, 7], 12));
    // The bound is less than anything takes.
    world.engine().set_retention(bound(1));
    settle(&world);
    assert_eq!(once(&world.rows()).keys().next_back(), Some(&machine(7).id(3)));
}

#[test]
fn a_deleted_org_is_gone_at_once_and_for_ever() {
    let mut world = World::new();
    let (gone, stays) = (Machine::new("gone", "web", "m1"), Machine::new("stays", "web", "m2"));
    for from in [1, 11, 21] {
        world.take(lines(&gone, from..from + 5, NOON));
        world.take(lines(&stays, from..from + 5, NOON));
        if from < 21 {
            world.engine().flush_now().unwrap();
        }
    }
    world.engine().delete_org(&org("gone")).unwrap();
    assert_eq!((seqs(&world, &gone).len(), seqs(&world, &stays).len()), (0, 15));
    world = world.restart();
    assert_eq!((seqs(&world, &gone).len(), seqs(&world, &stays).len()), (0, 15));
    settle(&world);
    assert_eq!(world.engine().stats().part_rows, 15);
    settle(&world);
    // An id that is used again, which none ever is, would begin with nothing.
    world.take(lines(&gone, 100..103, NOON));
    world = world.restart();
    assert_eq!(seqs(&world, &gone), [100, 101, 102]);
    settle(&world);
    assert_eq!((seqs(&world, &gone).len(), seqs(&world, &stays).len()), (3, 15));
}

#[test]
fn a_deletion_that_the_disk_refuses_is_said_and_can_be_asked_for_again() {
    let world = World::new();
    let gone = Machine::new("gone", "web", "m1");
    world.take(lines(&gone, 1..5, NOON));
    settle(&world);
    world.disk.fail_nth(Call::Sync, 1, io::ErrorKind::Other);
    assert!(world.engine().delete_org(&org("gone")).is_err());
    world.engine().delete_org(&org("gone")).unwrap();
    assert_eq!(seqs(&world, &gone).len(), 0);
    settle(&world);
    assert_eq!(world.files("parts").len(), 0);
}

#[test]
fn a_clock_that_jumps_ahead_removes_nothing_before_a_day_has_passed() {
    let mut world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..4, NOON));
    settle(&world);
    world.clock.set(NOON + 80 * 365 * DAY);
    settle(&world);
    assert_eq!(seqs(&world, &web), [1, 2, 3]);
    // Lines of both times are taken as they are, and none twice.
    assert_eq!(world.take(lines(&web, 4..6, NOON + HOUR)).retimed, 0);
    assert_eq!(world.append(lines(&web, 1..6, NOON)).unwrap().duplicates, 5);
    world = world.restart();
    settle(&world);
    world.clock.pass(20 * HOUR);
    settle(&world);
    assert_eq!(seqs(&world, &web), [1, 2, 3, 4, 5]);
    world.clock.set(NOON + DAY);
    world.clock.pass(10 * DAY);
    settle(&world);
    assert_eq!(seqs(&world, &web), [1, 2, 3, 4, 5]);
    let pos = world.engine().snapshot().pos;
    // Back to the year 2000.
    world.clock.set(11_000 * DAY);
    assert_eq!(world.append(lines(&web, 1..6, NOON)).unwrap().duplicates, 5);
    assert!(world.take(lines(&web, 6..8, NOON)).pos > pos);
    world = world.restart();
    assert_eq!(world.append(lines(&web, 1..8, NOON)).unwrap().duplicates, 7);
}

#[test]
fn a_jump_ahead_that_lasts_is_believed() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..4, NOON));
    settle(&world);
    world.clock.set(NOON + 40 * DAY);
    settle(&world);
    world.clock.pass(25 * HOUR);
    settle(&world);
    assert_eq!(world.files("parts").len(), 0);
}

#[test]
fn lines_of_the_right_time_keep_it_when_the_clock_was_set_back() {
    let mut world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..4, NOON));
    settle(&world);
    assert!(!world.engine().stats().is_clock_doubted);
    world.clock.set(NOON - 365 * DAY);
    assert!(world.engine().stats().is_clock_doubted);
    for from in [10, 20, 30] {
        assert_eq!(world.take(lines(&web, from..from + 3, NOON + HOUR)).retimed, 0, "{from}");
        world.engine().flush_now().unwrap();
        world.clock.pass(HOUR);
        world = world.restart();
    }
    // What is from the future by either clock gets another time.
    assert_eq!(world.take(lines(&web, 40..43, NOON + 5 * DAY)).retimed, 3);
    world.clock.pass(8 * DAY);
    assert_eq!(world.take(lines(&web, 50..53, NOON)).retimed, 3, "it has proved itself");
}

#[test]
fn a_jump_ahead_is_believed_after_a_day_of_many_starts() {
    let mut world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..4, NOON));
    settle(&world);
    world.clock.set(NOON + 40 * DAY);
    for round in 0..4u64 {
        world.take(lines(&web, 10 + round..11 + round, NOON + 40 * DAY));
        settle(&world);
        assert_eq!(seqs(&world, &web).first(), Some(&1), "{round}");
        if round % 2 == 0 {
            // In order, and nothing to flush: what is doubted is kept all the same.
            world.engine.take().unwrap().close().unwrap();
        }
        world = world.restart();
        world.clock.pass(6 * HOUR);
    }
    settle(&world);
    assert_eq!(seqs(&world, &web), [10, 11, 12, 13]);
}
