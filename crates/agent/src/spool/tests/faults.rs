use super::*;
use disk::fault::Call;

#[test]
fn a_full_disk_refuses_and_works_again() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    disk.set_space(Some(200 << 10));
    let mut seq = 1;
    let refused = loop {
        match spool.append(batch(KEY, 1, seq, 1, &body(1, seq, 5000))) {
            Ok(_) => seq += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Full { .. }) && seq > 30);
    spool.sync().unwrap();
    assert_eq!(seqs(&spool), (1..seq).collect::<Vec<_>>());
    spool.cursor("live").unwrap();
    spool.advance("live", spool.end()).unwrap();
    spool.save_cursor("live").unwrap();
    assert!(spool.release(0).unwrap() > 0);
    append_some(&mut spool, KEY, seq..seq + 10, 5000);
    spool.sync().unwrap();
    let (spool, recovery) = open_at(&disk.power_cut(1));
    assert!(recovery.holes.is_empty() && seqs(&spool).ends_with(&(seq..seq + 10).collect::<Vec<_>>()));
}

/// One failing call of any kind, anywhere: what was acknowledged is there after a power cut, once and in order, and what
/// was refused is not there twice.
#[test]
fn any_call_may_fail() {
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::Other];
    for (call, kind) in
        [(Call::Write, kinds[0]), (Call::Write, kinds[1]), (Call::Sync, kinds[1]), (Call::Entry, kinds[1])]
    {
        for nth in 1..40 {
            for double in [false, true] {
                let disk = FaultDisk::new();
                let (mut spool, _) = open_at(&disk);
                disk.fail_nth(call, nth, kind);
                if double {
                    disk.fail_nth(call, nth + 1, kind);
                }
                let what = format!("{call:?} {nth} {double}");
                let acknowledged = work_through(&mut spool, &what);
                for seed in 0..4 {
                    let (spool, recovery) = open_at(&disk.power_cut(seed));
                    let found = seqs(&spool);
                    assert!(found.starts_with(&(1..acknowledged).collect::<Vec<_>>()), "{what}: {found:?}");
                    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{what}: {found:?}");
                    assert!(
                        recovery.holes.iter().all(|hole| hole.from_seq >= acknowledged),
                        "{what}: {recovery:?}"
                    );
                }
            }
        }
    }
}

/// Appends 1..30 with repetitions, syncing, saving and releasing in between; returns the first seq not acknowledged.
fn work_through(spool: &mut Spool, what: &str) -> u64 {
    let mut acknowledged = 1;
    let mut seq = 1;
    spool.cursor("live").unwrap();
    for step in 0..80_u64 {
        if seq < 30 && spool.append(batch(KEY, 1, seq, 1, &body(1, seq, 5000))).is_ok() {
            seq += 1;
        }
        if step % 3 == 0 && spool.sync().is_ok() {
            acknowledged = seq;
        }
        if step % 10 == 9 {
            let _refused = (spool.save_cursor("live"), spool.save_marks());
        }
    }
    spool.sync().unwrap();
    assert_eq!(seqs(spool), (1..30).collect::<Vec<_>>(), "{what}");
    assert_eq!(spool.durable(), spool.end());
    acknowledged.max(seq)
}

#[test]
fn after_a_failed_sync_the_batches_are_written_anew() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..4, 100);
    spool.sync().unwrap();
    append_some(&mut spool, KEY, 4..6, 100);
    let before = spool.end();
    disk.fail_nth(Call::Sync, 1, io::ErrorKind::Other);
    assert!(spool.sync().unwrap() > before);
    assert_eq!((spool.stats().failed_syncs, spool.stats().unsynced_bytes), (1, 0));
    for seed in 0..10 {
        let (spool, recovery) = open_at(&disk.power_cut(seed));
        assert_eq!(seqs(&spool), [1, 2, 3, 4, 5]);
        assert!(recovery.holes.is_empty() && recovery.damaged.is_empty(), "{recovery:?}");
    }
}

#[test]
fn a_failed_sync_at_the_start_is_no_different() {
    for nth in 1..6 {
        let disk = FaultDisk::new();
        let (mut spool, _) = open_at(&disk);
        append_some(&mut spool, KEY, 1..30, 5000);
        drop(spool);
        disk.fail_nth(Call::Sync, nth, io::ErrorKind::Other);
        let (mut spool, recovery) = open_at(&disk);
        assert_eq!(recovery.boots[0].next_seq, 30);
        spool.sync().unwrap();
        append_some(&mut spool, KEY, 30..31, 5000);
        spool.sync().unwrap();
        for seed in 0..10 {
            let (spool, recovery) = open_at(&disk.power_cut(seed));
            assert_eq!(seqs(&spool), (1..31).collect::<Vec<_>>(), "{nth}");
            assert!(recovery.holes.is_empty());
        }
    }
}

#[test]
fn a_segment_that_cannot_be_read_is_skipped_and_may_come_back() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..40, 5000);
    spool.save_marks().unwrap();
    drop(spool);
    let reads = disk.calls(Call::Read);
    open_at(&disk);
    for nth in 1..=disk.calls(Call::Read) - reads {
        disk.fail_nth(Call::Read, nth, io::ErrorKind::Other);
        let (spool, recovery) = open_at(&disk);
        assert!(
            kinds(&recovery).iter().all(|kind| matches!(kind, DamageKind::Unreadable | DamageKind::BadFile))
        );
        assert!(recovery.damaged.len() == 1, "{recovery:?}");
        drop(spool);
        let (spool, _) = open_at(&disk);
        assert_eq!(seqs(&spool), (1..40).collect::<Vec<_>>(), "read {nth}");
    }
}
