//! Disks that are full or fail at one call: nothing that was acknowledged is lost, and the store goes on when it can.

use crate::support::{DAY, HOUR, Machine, NOON, Paused, World, config, lines, once};
use disk::fault::{Call, FaultDisk};
use std::io;
use store::Refusal;

/// What is sent until it is taken; every error of the disk passes.
fn insist(world: &World, request: &[u8]) -> Result<(), String> {
    for _ in 0..4 {
        match world.append(request.to_vec()) {
            Ok(_) => return Ok(()),
            Err(Refusal::Busy { .. }) => {
                let _flushed = world.engine().flush_now();
            }
            Err(rejected) => return Err(format!("{rejected:?}")),
        }
    }
    Err("still busy".to_owned())
}

/// A life in which one call fails. Returns how many calls there were.
fn life(call: Call, nth: u64, kind: io::ErrorKind) -> Result<u64, String> {
    let (disk, clock) = (FaultDisk::new(), Paused::at(NOON));
    disk.fail_nth(call, nth, kind);
    // A start that fails says so; the next one does not.
    let opened =
        World::on(disk.clone(), &clock, config()).or_else(|_| World::on(disk.clone(), &clock, config()));
    let mut world = opened.map_err(|error| error.to_string())?;
    let (web, api) = (Machine::new("o1", "web", "m1"), Machine::new("o1", "api", "m2"));
    for round in 0..5u64 {
        insist(&world, &lines(&web, 1 + round * 30..31 + round * 30, NOON + 10 * HOUR))?;
        insist(&world, &lines(&api, 1 + round * 3..4 + round * 3, NOON + 14 * HOUR))?;
        let _flushed = world.engine().flush_now();
        let _merged = world.engine().maintain();
        if round == 2 {
            let calls = disk.calls(call);
            drop(world.engine.take());
            let opened = World::on(disk.clone(), &clock, config())
                .or_else(|_| World::on(disk.clone(), &clock, config()));
            world = opened.map_err(|error| format!("after {calls}: {error}"))?;
        }
    }
    clock.pass(2 * DAY);
    for _ in 0..2 {
        let _flushed = world.engine().flush_now();
        let _merged = world.engine().maintain();
    }
    let stats = world.engine().stats();
    if stats.trouble.is_some() {
        return Err(format!("still in trouble: {:?}", stats.trouble));
    }
    for _ in 0..2 {
        let found = once(&world.rows());
        if found.len() != 150 + 15 {
            return Err(format!("{} rows, {:?}", found.len(), world.report));
        }
        if world.report.is_lossy() {
            return Err(format!("{:?}", world.report));
        }
        drop(world.engine.take());
        let opened =
            World::on(disk.clone(), &clock, config()).or_else(|_| World::on(disk.clone(), &clock, config()));
        world = opened.map_err(|error| error.to_string())?;
    }
    Ok(disk.calls(call))
}

#[test]
fn one_call_that_fails_costs_nothing_whichever_it_is() {
    for (call, kinds) in [
        (Call::Write, [io::ErrorKind::StorageFull, io::ErrorKind::Other]),
        (Call::Sync, [io::ErrorKind::Other, io::ErrorKind::StorageFull]),
        (Call::Entry, [io::ErrorKind::Other, io::ErrorKind::StorageFull]),
    ] {
        let all = life(call, u64::MAX, io::ErrorKind::Other).unwrap();
        assert!(all > 10, "{call:?} {all}");
        for nth in 1..=all {
            for kind in kinds {
                life(call, nth, kind)
                    .unwrap_or_else(|what| panic!("{call:?} {nth} of {all}, {kind:?}: {what}"));
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_batches_serves_readers_and_goes_on_when_there_is_room() {
    let mut world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..100, NOON));
    world.engine().flush_now().unwrap();
    world.take(lines(&web, 100..200, NOON));
    let used: u64 = world.files("").iter().map(|path| world.disk.content(path).unwrap().len() as u64).sum();
    world.disk.set_space(Some(used));
    // What is in memory still finds room: that of the reserve.
    let mut seq = 200;
    let refused = loop {
        match world.append(lines(&web, seq..seq + 100, NOON)) {
            Ok(_) => seq += 100,
            Err(refusal) => break refusal,
        }
        let _flushed = world.engine().flush_now();
    };
    assert!(matches!(&refused, Refusal::Busy { reason, .. } if reason.starts_with("LS02")), "{refused:?}");
    assert!(world.engine().flush_now().is_err());
    assert_eq!(world.engine().stats().memory_rows, 0, "the reserve is there for this");
    assert_eq!(once(&world.rows()).len() as u64, seq - 1);
    // A start on the full disk is none the worse.
    world = world.restart();
    assert_eq!(once(&world.rows()).len() as u64, seq - 1);
    assert!(world.append(lines(&web, seq..seq + 100, NOON)).is_err());
    // It was taken before, and need not be written.
    assert_eq!(world.append(lines(&web, 1..100, NOON)).unwrap().duplicates, 99);
    world.disk.set_space(Some(used + (1 << 20)));
    world.engine().flush_now().unwrap();
    world.take(lines(&web, seq..seq + 100, NOON));
    assert_eq!(world.engine().stats().trouble, None);
    assert_eq!(once(&world.restart().rows()).len() as u64, seq + 99);
}

#[test]
fn a_disk_that_fails_for_long_is_not_filled_with_segments() {
    for (call, kind, code) in [
        (Call::Sync, io::ErrorKind::Other, "LS03"),
        (Call::Sync, io::ErrorKind::StorageFull, "LS02"),
        (Call::Write, io::ErrorKind::StorageFull, "LS02"),
    ] {
        let world = World::new();
        let web = Machine::new("o1", "web", "m1");
        world.take(lines(&web, 1..11, NOON));
        for round in 0..40u64 {
            // Every other group is taken.
            world.disk.fail_nth(call, 1, kind);
            let refused = world.append(lines(&web, 11 + round * 10..21 + round * 10, NOON)).unwrap_err();
            assert!(
                matches!(&refused, Refusal::Busy { reason, .. } if reason.starts_with(code)),
                "{refused:?}"
            );
            let stats = world.engine().stats();
            assert!(stats.trouble.is_some() && stats.failed_segments <= 4, "{stats:?}");
            let _flushed = world.engine().flush_now();
            insist(&world, &lines(&web, 11 + round * 10..21 + round * 10, NOON)).unwrap();
            let log = world.files("wal").len();
            assert!(log <= 5, "{call:?} {kind:?} {round}: {log} segments");
        }
        assert_eq!(once(&world.restart().rows()).len(), 410);
    }
}

#[test]
fn syncs_that_keep_failing_leave_no_segments_behind() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..11, NOON));
    world.engine().flush_now().unwrap();
    for _ in 0..20 {
        world.disk.fail_nth(Call::Sync, 1, io::ErrorKind::Other);
        world.append(lines(&web, 11..21, NOON)).unwrap_err();
        // Nothing is to be flushed; what the log does not need goes all the same.
        world.engine().flush_now().unwrap();
        assert!(world.files("wal").len() <= 1, "{:?}", world.files("wal"));
    }
    world.take(lines(&web, 11..21, NOON));
    assert_eq!(once(&world.restart().rows()).len(), 20);
}

#[test]
fn a_sector_that_cannot_be_read_stops_no_merge_of_others() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    for round in 0..3u64 {
        world.take(lines(&web, 1 + round * 10..11 + round * 10, NOON));
        world.engine().flush_now().unwrap();
    }
    for round in 3..6u64 {
        world.take(lines(&web, 1 + round * 10..11 + round * 10, NOON + DAY));
        world.engine().flush_now().unwrap();
    }
    world.disk.fail_nth(Call::Read, 1, io::ErrorKind::Other);
    world.engine().maintain().unwrap();
    let stats = world.engine().stats();
    assert_eq!((stats.parts, stats.merges), (4, 1), "the other day's parts are merged");
    world.clock.pass(HOUR / 60);
    world.engine().maintain().unwrap();
    assert_eq!(world.engine().stats().parts, 2, "it is tried again");
    assert_eq!(once(&world.rows()).len(), 60);
}

#[test]
fn a_merge_that_has_no_room_writes_nothing_and_waits() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    for round in 0..3u64 {
        world.take(lines(&web, 1 + round * 100..101 + round * 100, NOON));
        world.engine().flush_now().unwrap();
    }
    let used: u64 = world.files("").iter().map(|path| world.disk.content(path).unwrap().len() as u64).sum();
    // Enough to write it, and not enough for a flush besides.
    world.disk.set_space(Some(used + world.engine().stats().part_bytes + 10));
    let writes = world.disk.calls(Call::Write);
    assert!(world.engine().maintain().is_err());
    assert_eq!(world.disk.calls(Call::Write), writes + 2, "made, and no room taken");
    world.engine().maintain().unwrap();
    assert_eq!(world.disk.calls(Call::Write), writes + 2, "not tried at once");
    world.disk.set_space(None);
    world.clock.pass(HOUR);
    world.engine().maintain().unwrap();
    assert_eq!((world.engine().stats().parts, once(&world.rows()).len()), (1, 300));
    let parts = world.files("parts");
    let bytes = world.disk.content(&parts[0]).unwrap().len() as u64;
    assert_eq!(bytes, world.engine().stats().part_bytes, "the room that it did not need is given back");
    once(&world.restart().rows());
}

#[test]
fn a_thread_that_panics_is_said_and_ends_the_stage() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..11, NOON));
    let (sender, ended) = std::sync::mpsc::sync_channel::<()>(1);
    world.engine().append(
        lines(&web, 11..21, NOON),
        Box::new(move |_| {
            let _sender = sender;
            panic!("a fault of the program");
        }),
    );
    assert!(ended.recv().is_err());
    while world.engine().broken().is_none() {
        std::thread::yield_now();
    }
    assert!(world.engine().stats().trouble.is_some_and(|trouble| trouble.contains("store-log")));
    assert!(world.engine().flush_now().is_ok());
    let refused = world.append(lines(&web, 21..31, NOON)).unwrap_err();
    assert!(matches!(&refused, Refusal::Busy { reason, .. } if reason.starts_with("LS09")), "{refused:?}");
    let World { disk, clock, engine, .. } = world;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stopped = runtime.block_on(async {
        let bus = bus::client::Options {
            servers: vec![std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into()],
            name: "test".to_owned(),
            credentials: None,
            inbox_prefix: "_INBOX.store".to_owned(),
            tls: None,
        };
        let store = store::stage::Store::start(std::sync::Arc::new(engine.unwrap()), bus);
        assert!(store.fault().is_some());
        let shards = tokio::sync::watch::channel(store::stage::Shards::new());
        let config = store::stage::Config::new(store, "main".to_owned(), shards.1);
        store::stage::run(config, std::future::pending()).await
    });
    assert!(matches!(stopped, Err(store::Error::Broken("store-log"))), "{stopped:?}");
    assert_eq!(once(&World::on(disk, &clock, config()).unwrap().rows()).len(), 20);
}
