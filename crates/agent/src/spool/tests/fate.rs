use super::*;

/// Steps of a boot that vanishes and comes back; the spool is opened anew before the one with the number `restart`.
fn live(disk: &FaultDisk, restart: usize, padding: usize) -> Spool {
    let mut spool = open_at(disk).0;
    let steps: [&dyn Fn(&mut Spool); 5] = [
        &|spool| append_some(spool, KEY, 1..4, 10),
        &|spool| assert!(spool.tell(boot_ref(KEY), 10, 7).unwrap()),
        &|spool| assert!(spool.vanish(batch(KEY, 1, 4, 6, b"gap")).unwrap() < spool.end()),
        // The segment with all of this is released, as far as there is another one.
        &|spool| {
            append_some(spool, b"org/app/lhr/m2", 1..2, padding);
            spool.sync().unwrap();
            spool.cursor("live").unwrap();
            spool.advance("live", spool.end()).unwrap();
            spool.save_cursor("live").unwrap();
            spool.release(0).unwrap();
        },
        &|spool| {
            spool.fill(batch(KEY, 1, 4, 2, b"two")).unwrap();
            // Of the last one nobody knew how far it reaches.
            spool.fill(batch(KEY, 1, 9, 3, b"three")).unwrap();
        },
    ];
    for (at, step) in steps.iter().enumerate() {
        if at == restart {
            let (reopened, recovery) = open_at(disk);
            assert!(recovery.holes.is_empty() && recovery.damaged.is_empty(), "{recovery:?}");
            spool = reopened;
        }
        step(&mut spool);
        spool.sync().unwrap();
    }
    spool
}

#[test]
fn what_vanished_may_still_come_whatever_is_restarted_and_released() {
    for (restart, padding) in (0..6).flat_map(|restart| [(restart, 10), (restart, 70_000)]) {
        let disk = FaultDisk::new();
        let mut spool = live(&disk, restart, padding);
        if restart == 5 {
            spool = open_at(&disk).0;
        }
        let state = spool.boot(KEY, 1).unwrap();
        let vanished: Vec<_> = state.vanished.iter().map(|range| (range.start, range.end)).collect();
        let known = (state.next_seq, state.told_seq, state.ended, vanished);
        assert_eq!(known, (12, 10, false, vec![(6, 9)]), "restart {restart}, {padding}");
        assert_eq!([0, 4, 6, 8, 9, 12].map(|held| state.resume_seq(held)), [6, 6, 6, 8, 12, 12]);
        for (first, count) in [(4, 1), (8, 2), (5, 2), (11, 2)] {
            let twice = spool.fill(batch(KEY, 1, first, count, b"x"));
            assert!(matches!(twice, Err(Error::Duplicate { next_seq: 12 })), "{first} {count}: {twice:?}");
        }
        append_some(&mut spool, KEY, 12..13, 10);
        spool.retire(KEY, 7, Some(1), 0).unwrap();
        assert!(!spool.boot(KEY, 1).unwrap().ended);
        spool.retire(KEY, 7, None, 0).unwrap();
        assert!(spool.boot(KEY, 1).unwrap().ended);
    }
}

#[test]
fn a_boot_s_word_is_kept_once_and_before_its_first_entry() {
    let disk = FaultDisk::new();
    let mut spool = open_at(&disk).0;
    assert!(!spool.tell(boot_ref(KEY), 1, 0).unwrap());
    assert!(spool.tell(boot_ref(KEY), 40, 0).unwrap() && !spool.tell(boot_ref(KEY), 40, 0).unwrap());
    spool.sync().unwrap();
    let (mut spool, recovery) = open_at(&disk);
    assert_eq!(
        recovery.boots.iter().map(|boot| (boot.next_seq, boot.told_seq)).collect::<Vec<_>>(),
        [(1, 40)]
    );
    append_some(&mut spool, KEY, 1..50, 10);
    assert!(!spool.tell(boot_ref(KEY), 50, 0).unwrap());
    spool.save_marks().unwrap();
    assert!(spool.boot(KEY, 1).unwrap().vanished.is_empty() && hole_ranges(&open_at(&disk).1).is_empty());
}
