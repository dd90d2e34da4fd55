//! What is taken is there, once, and stays there.

use crate::support::{
    DAY, DIR, Found, HOUR, Machine, NOON, SECOND, World, config, gap, import, line, lines, once, request,
    text,
};
use disk::Disk;
use std::path::Path;
use std::sync::Arc;
use store::{Config, Engine, Error, Refusal};

fn ids(machine: &Machine, seqs: std::ops::Range<u64>) -> Vec<crate::support::Id> {
    seqs.map(|seq| machine.id(seq)).collect()
}

#[test]
fn a_batch_is_readable_at_once_after_a_kill_after_a_flush_and_after_a_merge() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    let receipt = world.take(lines(&web, 1..11, NOON));
    assert_eq!((receipt.taken, receipt.pos), (10, 11));
    world.has(&ids(&web, 1..11));
    let before = world.rows();
    assert_eq!(before[3].message, text(4).into_bytes());
    let world = world.restart();
    assert_eq!(
        (world.rows(), world.report.replayed, &world.report.problems[..]),
        (before.clone(), 1, &[][..])
    );
    world.engine().flush_now().unwrap();
    assert_eq!(world.rows(), before);
    assert_eq!((world.engine().stats().parts, world.engine().stats().memory_rows), (1, 0));
    let world = world.restart();
    assert_eq!((world.rows(), world.report.replayed), (before.clone(), 0));
    for from in [11, 21] {
        world.take(lines(&web, from..from + 10, NOON + 5 * SECOND));
        world.engine().flush_now().unwrap();
    }
    world.engine().maintain().unwrap();
    assert_eq!((world.engine().stats().parts, world.engine().stats().merges), (1, 1));
    assert_eq!(world.rows()[..10], before);
    world.clock.pass(DAY);
    world.engine().maintain().unwrap();
    assert_eq!(world.engine().stats().rewrites, 1);
    world.engine().maintain().unwrap();
    assert_eq!(world.engine().stats().rewrites, 1);
    let world = world.restart();
    world.has(&ids(&web, 1..31));
    assert_eq!(world.rows()[..10], before);
    assert_eq!(world.files("parts").len(), 1);
}

#[test]
fn what_comes_twice_is_dropped_however_long_ago_it_came() {
    let mut world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..11, NOON));
    for flush in [false, true, true] {
        if flush {
            world.engine().flush_now().unwrap();
        }
        let again = world.append(lines(&web, 5..15, NOON)).unwrap();
        assert_eq!(
            (again.taken, again.duplicates),
            if flush || world.report.replayed > 0 { (0, 10) } else { (4, 6) }
        );
        world = world.restart();
        world.has(&ids(&web, 1..15));
    }
    // Nothing is written to the log for what is all there.
    let log = world.disk.calls(disk::fault::Call::Sync);
    world.append(lines(&web, 1..15, NOON)).unwrap();
    assert_eq!(world.disk.calls(disk::fault::Call::Sync), log);
    // Another boot, another instance and another org are others.
    world.take(lines(&Machine { boot: 8, ..web.clone() }, 1..15, NOON));
    world.take(lines(&Machine::new("o1", "web", "m2"), 1..15, NOON));
    world.take(lines(&Machine::new("o2", "web", "m1"), 1..15, NOON));
}

#[test]
fn a_line_wins_over_a_gap() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(request(&[(&web, vec![line(1, NOON), gap(2, 5, NOON + 1), line(7, NOON + 2)])]));
    let late = world.append(lines(&web, 3..5, NOON)).unwrap();
    assert_eq!((late.taken, late.duplicates), (2, 0));
    // The gap comes again, and once more with what is still missing beyond it.
    let again = world.append(request(&[(&web, vec![gap(2, 5, NOON + 1)])])).unwrap();
    assert_eq!((again.taken, again.duplicates), (0, 1));
    world.take(request(&[(&web, vec![gap(4, 9, NOON + 1)])]));
    let rows = world.rows();
    let spans = |rows: &[Found]| rows.iter().map(|row| (row.seq, row.span)).collect::<Vec<_>>();
    assert_eq!(spans(&rows), [(1, 1), (2, 5), (3, 1), (4, 1), (7, 1), (8, 5)]);
    assert_eq!(world.restart().rows(), rows);
}

#[test]
fn a_gap_over_lines_is_stored_as_what_is_missing() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 40..51, NOON));
    world.take(lines(&web, 60..61, NOON));
    let receipt =
        world.append(request(&[(&web, vec![line(1, NOON), gap(2, 99, NOON), line(101, NOON)])])).unwrap();
    assert_eq!((receipt.taken, receipt.duplicates), (3, 0));
    let rows = world.rows();
    let gaps = |rows: &[Found]| -> Vec<(u64, u64)> {
        rows.iter().filter(|row| row.span > 1).map(|row| (row.seq, row.span)).collect()
    };
    assert_eq!(gaps(&rows), [(2, 38), (51, 9), (61, 40)]);
    assert!(rows.iter().all(|row| row.pos < receipt.pos));
    once(&rows);
    // What comes then has other places.
    world.take(lines(&web, 2..40, NOON));
    once(&world.rows().into_iter().filter(|row| row.span == 1).collect::<Vec<_>>());
    // A gap that has been filled in the meantime does not come into a part.
    world.engine().flush_now().unwrap();
    assert_eq!(gaps(&world.rows()), [(51, 9), (61, 40)]);
    assert_eq!(gaps(&world.restart().rows()), [(51, 9), (61, 40)]);
}

#[test]
fn a_gap_over_lines_is_the_same_after_a_replay() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 40..51, NOON));
    world.take(request(&[(&web, vec![gap(2, 99, NOON)])]));
    let rows = world.rows();
    assert_eq!(rows.iter().filter(|row| row.span > 1).count(), 2);
    let world = world.restart();
    assert_eq!(world.rows(), rows);
    world.take(lines(&web, 101..103, NOON));
    once(&world.rows());
}

/// Each gap is a hole in the lines: after any number of them a batch that comes again is known.
#[test]
fn nothing_is_doubled_after_many_gaps() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    let entries = (0..300u64).flat_map(|at| [line(at * 2 + 1, NOON), gap(at * 2 + 2, 1, NOON)]);
    world.take(request(&[(&web, entries.collect())]));
    let last = request(&[(&web, vec![line(599, NOON), gap(600, 1, NOON)])]);
    let next = request(&[(&web, vec![line(601, NOON), line(602, NOON)])]);
    assert_eq!(world.append(last).unwrap().taken, 0);
    assert_eq!([0, 1].map(|_| world.append(next.clone()).unwrap().taken), [2, 0]);
    world.engine().flush_now().unwrap();
    let world = world.restart();
    assert_eq!(world.append(lines(&web, 601..603, NOON)).unwrap().taken, 0);
    once(&world.rows());
}

#[test]
fn pos_follows_org_app_and_time_in_a_batch_and_never_goes_back() {
    let mut world = World::new();
    let (a1, a2, b) =
        (Machine::new("o1", "a", "m1"), Machine::new("o1", "a", "m2"), Machine::new("o1", "b", "m3"));
    let entries = |odd: i64| {
        (1u64..5).map(|seq| line(seq, NOON + (seq.cast_signed() * 2 + odd) * SECOND)).collect::<Vec<_>>()
    };
    world.take(request(&[(&b, entries(0)), (&a2, entries(0)), (&a1, entries(1))]));
    let mut rows = world.rows();
    rows.sort_by_key(|row| row.pos);
    let order: Vec<(&str, u64)> = rows.iter().map(|row| (row.instance.as_str(), row.seq)).collect();
    let wanted = [("m2", 1), ("m1", 1), ("m2", 2), ("m1", 2), ("m2", 3), ("m1", 3), ("m2", 4), ("m1", 4)];
    assert_eq!(order[..8], wanted);
    assert_eq!((rows[0].pos, rows[11].pos, rows[8].instance.as_str()), (1, 12, "m3"));
    let mut last = world.engine().snapshot().pos;
    for round in 0..4u64 {
        if round % 2 == 0 {
            world.engine().flush_now().unwrap();
        }
        world = world.restart();
        assert!(world.engine().snapshot().pos >= last);
        let pos = world.take(lines(&a1, 10 + round..11 + round, NOON)).pos;
        assert!(pos > last, "{pos} after {last}");
        last = pos;
    }
}

#[test]
fn late_rows_go_to_their_day_and_impossible_times_are_changed_and_marked() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    let times = [NOON, NOON - 3 * DAY, NOON + DAY, NOON + 3 * DAY, 5, NOON + 70 * 365 * DAY];
    let entries = times.iter().zip(1..).map(|(time, seq)| line(seq, *time)).collect();
    assert_eq!(world.take(request(&[(&web, entries)])).retimed, 3);
    let elsewhere = Machine::new("o1", "import", "x");
    let receipt =
        world.take(import(&elsewhere, 1, &[NOON, 5, NOON + 3 * DAY, NOON - 20 * DAY, NOON - 40 * DAY]));
    assert_eq!((receipt.taken, receipt.retimed, receipt.expired), (3, 1, 2));
    let found = |world: &World| {
        let rows = once(&world.rows());
        assert_eq!(rows.len(), 9);
        for (seq, time) in [(1, NOON), (2, NOON - 3 * DAY), (3, NOON + DAY)] {
            assert_eq!(rows[&web.id(seq)].time, time);
        }
        assert!((4..7).all(|seq| (rows[&web.id(seq)].time - NOON).abs() < SECOND));
    };
    found(&world);
    let snapshot = world.engine().snapshot();
    let marks = snapshot.rows.iter().filter_map(|rows| rows.field("logway.time"));
    let mut marked: Vec<String> = marks
        .flat_map(|field| (0..9).map(|row| String::from_utf8_lossy(field.get(row)).into_owned()))
        .collect();
    marked.retain(|mark| !mark.is_empty());
    marked.sort();
    let wanted = ["1970-01-01T00", "2026-11-26T12", "2026-11-26T12", "2096-11-05T12"];
    assert!(marked.iter().zip(wanted).all(|(mark, wanted)| mark.starts_with(wanted)), "{marked:?}");
    assert_eq!(marked.len(), 4);
    world.engine().flush_now().unwrap();
    found(&world);
    let days: Vec<String> = world
        .files("parts")
        .iter()
        .map(|path| path.iter().rev().nth(1).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(days, ["20261103", "20261120", "20261123", "20261124"]);
    found(&world.restart());
}

#[test]
fn what_is_not_whole_is_rejected_and_the_next_batch_is_taken() {
    let world = World::new();
    let web = Machine::new("o1", "web", "m1");
    let good = lines(&web, 1..4, NOON);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        match world.append(bad) {
            Err(Refusal::Rejected { code: "LS05", .. }) => {}
            // zstd's frame header has bits that mean nothing here; then the content is the same.
            Ok(receipt) => assert_eq!(receipt.taken + receipt.duplicates, 3),
            other => panic!("byte {at}: {other:?}"),
        }
        assert!(
            matches!(world.append(good[..at].to_vec()), Err(Refusal::Rejected { code: "LS05", .. })),
            "{at}"
        );
    }
    world.append(good).unwrap();
    world.has(&ids(&web, 1..4));
}

/// A frame of zstd that says nothing may follow any other, and be of any length.
#[test]
fn a_batch_that_the_log_could_not_read_back_is_rejected() {
    let world = World::new();
    let good = lines(&Machine::new("o1", "web", "m1"), 1..4, NOON);
    let padded = |bytes: usize| {
        let mut batch = good.clone();
        batch.extend_from_slice(&0x184d_2a50_u32.to_le_bytes());
        batch.extend_from_slice(&u32::try_from(bytes).unwrap().to_le_bytes());
        batch.resize(batch.len() + bytes, 0);
        batch
    };
    assert!(matches!(world.append(padded(32 << 20)), Err(Refusal::Rejected { code: "LS05", .. })));
    world.take(padded(100));
    assert_eq!((world.rows().len(), world.restart().rows().len()), (3, 3));
}

#[test]
fn two_processes_cannot_have_one_directory() {
    let mut world = World::new();
    let second = World::on(world.disk.clone(), &world.clock, config());
    assert!(matches!(second.map(|_| ()), Err(Error::InUse(_))));
    drop(world.engine.take());
    World::on(world.disk.clone(), &world.clock, config()).unwrap();
}

#[test]
fn memory_is_bounded_and_whoever_comes_too_fast_is_told_to_come_later() {
    let small = Config { memory_bytes: 50_000, flush_bytes: 20_000, ..config() };
    let world = World::new().restart_with(small);
    let web = Machine::new("o1", "web", "m1");
    let mut seq = 1;
    let refused = loop {
        match world.append(lines(&web, seq..seq + 100, NOON)) {
            Ok(_) => seq += 100,
            Err(refusal) => break refusal,
        }
        assert!(seq < 10_000);
    };
    assert!(matches!(&refused, Refusal::Busy { reason, .. } if reason.starts_with("LS06")), "{refused:?}");
    assert!(world.engine().stats().memory_bytes < 100_000);
    world.has(&ids(&web, 1..seq));
    world.engine().flush_now().unwrap();
    world.take(lines(&web, seq..seq + 100, NOON));
}

#[test]
fn the_background_flushes_by_age_and_a_close_leaves_nothing_in_the_log() {
    let background = Config { background: true, flush_after_s: 600, ..config() };
    let mut world = World::new().restart_with(background.clone());
    let web = Machine::new("o1", "web", "m1");
    world.take(lines(&web, 1..4, NOON));
    assert_eq!(world.engine().stats().flushes, 0);
    world.clock.pass(HOUR);
    while world.engine().stats().flushes == 0 {
        std::thread::yield_now();
    }
    world.take(lines(&web, 4..7, NOON));
    world.engine.take().unwrap().close().unwrap();
    let world = World::on(world.disk.clone(), &world.clock, background).unwrap();
    assert_eq!((world.report.replayed, world.report.replayed_rows), (0, 0));
    world.has(&ids(&web, 1..7));
}

#[test]
fn many_threads_append_and_read_at_once() {
    let world = World::new().restart_with(Config { background: true, flush_bytes: 100_000, ..config() });
    std::thread::scope(|scope| {
        for number in 0..4 {
            let world = &world;
            scope.spawn(move || {
                let machine = Machine::new("o1", "web", &format!("m{number}"));
                for from in 0..30 {
                    while world.append(lines(&machine, 1 + from * 20..21 + from * 20, NOON)).is_err() {
                        std::thread::yield_now();
                    }
                    let found = once(&world.rows());
                    assert!((1..21 + from * 20).all(|seq| found.contains_key(&machine.id(seq))));
                }
            });
        }
    });
    assert_eq!(once(&world.rows()).len(), 4 * 600);
}

#[test]
fn a_real_disk_does_the_same() {
    let root = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(disk::RealDisk);
    let clock = Arc::new(crate::support::Paused::at(NOON));
    let web = Machine::new("o1", "web", "m1");
    for round in 0..3u64 {
        let (engine, report) =
            Engine::open(Arc::clone(&disk), Path::new(root.path()), config(), clock.clone()).unwrap();
        assert!(!report.is_lossy());
        let world = World {
            disk: disk::fault::FaultDisk::new(),
            clock: (*clock).clone(),
            engine: Some(engine),
            report,
        };
        world.take(lines(&web, 1 + round * 100..101 + round * 100, NOON));
        world.has(&ids(&web, 1..101 + round * 100));
        assert!(matches!(
            Engine::open(Arc::clone(&disk), root.path(), config(), clock.clone()),
            Err(Error::InUse(_))
        ));
        if round == 1 {
            world.engine().flush_now().unwrap();
        }
    }
    assert_ne!(DIR, "");
}
