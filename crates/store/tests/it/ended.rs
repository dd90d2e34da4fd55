//! Orgs that are no more: nothing of them is taken, and what was there goes, once.

use crate::support::{Machine, NOON, Paused, World, config, lines, once, request};
use disk::fault::FaultDisk;
use line::OrgId;
use std::collections::BTreeSet;
use store::{Config, Refusal};

fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

fn end(world: &World) {
    world.engine().set_ended(BTreeSet::from([org("gone")]));
    world.engine().delete_org(&org("gone")).unwrap();
}

#[test]
fn rows_of_an_org_that_has_ended_are_refused() {
    let world = World::new();
    let (gone, stays) = (Machine::new("gone", "web", "m1"), Machine::new("stays", "web", "m2"));
    world.take(lines(&gone, 1..5, NOON));
    end(&world);
    let both = request(&[
        (&gone, vec![crate::support::line(5, NOON)]),
        (&stays, vec![crate::support::line(1, NOON)]),
    ]);
    for refused in [lines(&gone, 1..5, NOON), lines(&gone, 5..9, NOON), both] {
        let refusal = world.append(refused).unwrap_err();
        let Refusal::Rejected { code, reason } = refusal else { panic!("{refusal:?}") };
        assert!(code == "LS10" && reason.contains("gone"), "{reason}");
    }
    world.take(lines(&stays, 1..5, NOON));
    let stats = world.engine().stats();
    assert_eq!((world.rows().len(), stats.rejected, stats.ended), (4, 3, 3));
    // Where nobody has said so yet, they are taken; then they go.
    let world = world.restart();
    world.take(lines(&gone, 5..9, NOON));
    end(&world);
    world.engine().flush_now().unwrap();
    world.engine().maintain().unwrap();
    assert_eq!((world.rows().len(), world.engine().stats().part_rows), (4, 4));
}

#[test]
fn what_waited_while_its_org_ended_is_dropped() {
    let world = World::new();
    let gone = Machine::new("gone", "web", "m1");
    let (go, held) = std::sync::mpsc::sync_channel::<()>(1);
    let (taken, done) = std::sync::mpsc::sync_channel(4);
    let first = taken.clone();
    world.engine().append(
        lines(&gone, 1..5, NOON),
        Box::new(move |answer| {
            first.send(answer.is_ok()).unwrap();
            held.recv().unwrap();
        }),
    );
    assert!(done.recv().unwrap());
    world
        .engine()
        .append(lines(&gone, 5..9, NOON), Box::new(move |answer| taken.send(answer.is_ok()).unwrap()));
    end(&world);
    go.send(()).unwrap();
    assert!(done.recv().unwrap());
    assert_eq!(world.rows().len(), 0);
    world.engine().flush_now().unwrap();
    world.engine().maintain().unwrap();
    assert_eq!(world.engine().stats().part_rows, 0);
}

/// A part in which an org has frames from before and after its deletion, as a release that took its rows has left it.
#[test]
fn rows_of_a_deleted_org_go_from_between_others_and_the_merger_ends() {
    let config = Config { merge_inputs: 2, ..config() };
    let world = World::on(FaultDisk::new(), &Paused::at(NOON), config).unwrap();
    let (gone, stays) = (Machine::new("gone", "web", "m1"), Machine::new("stays", "web", "m2"));
    world.take(lines(&gone, 1..101, NOON));
    world.take(lines(&stays, 1..101, NOON));
    world.engine().flush_now().unwrap();
    world.engine().delete_org(&org("gone")).unwrap();
    world.take(lines(&gone, 101..106, NOON));
    world.engine().flush_now().unwrap();
    // The first call merges; the second looks again at what is not kept.
    for _ in 0..2 {
        world.engine().maintain().unwrap();
    }
    assert_eq!(once(&world.rows()).len(), 105);
    assert_eq!(world.engine().stats().part_rows, 105, "nothing deleted is left, whatever stands around it");
    let (merges, parts) = (world.engine().stats().merges, world.files("parts"));
    world.engine().maintain().unwrap();
    assert_eq!(
        (world.engine().stats().merges, world.files("parts")),
        (merges, parts),
        "nothing is left to do"
    );
}
