use super::*;
use disk::fault::Call;

#[test]
fn batches_are_read_as_they_were_appended() {
    let disk = FaultDisk::new();
    let (mut spool, recovery) = open_at(&disk);
    assert_eq!(recovery, Recovery::default());
    let bytes = body(1, 1, 1000);
    let pos = spool.append(batch(KEY, 1, 1, 3, &bytes)).unwrap();
    assert!(spool.durable() <= pos && pos < spool.end());
    let reader = spool.reader();
    let read = reader.read(Pos(0), 1).unwrap();
    let expected = Batch {
        pos,
        next: spool.end(),
        key: KEY.into(),
        group_len: 7,
        boot: 1,
        first_seq: 1,
        next_seq: 4,
        count: 3,
        fill: false,
        bytes,
        time: 7,
    };
    assert_eq!(read.batches, [expected]);
    assert_eq!(spool.sync().unwrap(), spool.end());
    assert!(spool.durable() > pos);
    assert_eq!(
        reader.read(read.next, 100).unwrap(),
        ReadBatches { batches: vec![], next: read.next, skipped_bytes: 0 }
    );
    append_some(&mut spool, KEY, 4..200, 3000);
    assert_eq!(seqs(&spool), std::iter::once(1).chain(4..200).collect::<Vec<_>>());
    assert!(spool.stats().segments > 5);
}

#[test]
fn no_seq_stands_twice_and_none_is_left_out() {
    let (mut spool, _) = open_at(&FaultDisk::new());
    append_some(&mut spool, KEY, 5..8, 10);
    for first in [1, 5, 7] {
        assert!(matches!(spool.append(batch(KEY, 1, first, 2, b"x")), Err(Error::Duplicate { next_seq: 8 })));
    }
    assert!(matches!(spool.append(batch(KEY, 1, 9, 1, b"x")), Err(Error::Ahead { next_seq: 8 })));
    assert!(matches!(spool.fill(batch(KEY, 1, 1, 1, b"x")), Err(Error::Duplicate { next_seq: 8 })));
    spool.append(batch(KEY, 2, 1, 1, b"other boot")).unwrap();
    spool.append(batch(b"org/app/lhr/m2", 1, 1, 1, b"other machine")).unwrap();
    assert_eq!(spool.boot(KEY, 1).unwrap().start_seq, 5);
    assert!(matches!(spool.append(batch(b"", 1, 1, 1, b"x")), Err(Error::Invalid(_))));
    assert!(matches!(spool.append(batch(KEY, 3, 0, 1, b"x")), Err(Error::Invalid(_))));
    assert!(matches!(spool.append(batch(KEY, 3, 1, 0, b"x")), Err(Error::Invalid(_))));
    assert!(matches!(spool.append(batch(&[0; MAX_KEY_BYTES + 1], 3, 1, 1, b"x")), Err(Error::Invalid(_))));
    assert!(matches!(spool.append(batch(b"short", 3, 1, 1, b"x")), Err(Error::Invalid(_))));
    assert!(matches!(
        spool.append(batch(KEY, 3, 1, 1, &vec![0; MAX_BODY_BYTES + 1])),
        Err(Error::Invalid(_))
    ));
}

#[test]
fn a_batch_larger_than_a_segment_gets_its_own() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..3, 300_000);
    append_some(&mut spool, KEY, 3..4, 10);
    spool.sync().unwrap();
    assert_eq!(seqs(&spool), [1, 2, 3]);
    let (spool, recovery) = open_at(&disk);
    assert_eq!((seqs(&spool), recovery.damaged), (vec![1, 2, 3], vec![]));
}

#[test]
fn a_restart_goes_on_where_it_stopped() {
    let disk = FaultDisk::new();
    let mut last = Pos(0);
    for round in 0..5_u64 {
        let (mut spool, recovery) = open_at(&disk);
        assert!(recovery.damaged.is_empty() && recovery.holes.is_empty(), "{recovery:?}");
        assert_eq!(recovery.boots.first().map_or(1, |boot| boot.next_seq), 1 + round * 10);
        append_some(&mut spool, KEY, 1 + round * 10..11 + round * 10, 100);
        assert_eq!(seqs(&spool), (1..11 + round * 10).collect::<Vec<_>>());
        let batches = read_all(&spool.reader());
        assert!(batches.is_sorted_by(|a, b| a.next <= b.pos) && batches.last().unwrap().pos > last);
        last = batches.last().unwrap().pos;
        let reader = spool.reader();
        let bytes = [Pos(0), last, reader.end()].map(|from| reader.bytes_from(from));
        assert!(
            bytes[0] < (round + 1) * 3_000 && (100..400).contains(&bytes[1]) && bytes[2] == 0,
            "{bytes:?}"
        );
    }
    let small =
        segment_files(&disk).iter().filter(|path| disk.content(path).unwrap().len() < 8 << 10).count();
    assert_eq!(small, 4, "unused space is given back at the next start");
}

#[test]
fn passed_segments_are_released_and_ended_boots_forgotten() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    spool.append(batch(b"org/old/lhr/m9", 1, 1, 1, b"x")).unwrap();
    spool.append(batch(b"org/idle/lhr/m8", 1, 1, 1, b"x")).unwrap();
    spool.end_boot(boot_ref(b"org/old/lhr/m9"), 0).unwrap();
    append_some(&mut spool, KEY, 1..200, 3000);
    spool.sync().unwrap();
    assert_eq!((spool.release(0).unwrap(), spool.stats().boots), (0, 3), "no cursor, no release");
    let (live, other) = (spool.cursor("live").unwrap(), spool.cursor("durable").unwrap());
    assert_eq!((live, other), (Pos(0), Pos(0)));
    let segments = spool.stats().segments;
    spool.advance("live", spool.end()).unwrap();
    spool.save_cursor("live").unwrap();
    assert_eq!(spool.release(0).unwrap(), 0, "the other cursor holds them");
    spool.advance("durable", spool.end()).unwrap();
    assert_eq!(spool.release(0).unwrap(), 0, "not saved yet");
    assert_eq!(spool.stats().held_bytes, 0);
    spool.save_cursor("durable").unwrap();
    let kept = spool.release(200_000).unwrap();
    assert!(kept > 0 && kept < segments - 3);
    spool.release(0).unwrap();
    assert_eq!((spool.stats().segments, spool.stats().boots), (1, 2));
    let (mut spool, recovery) = open_at(&disk);
    assert!(recovery.damaged.is_empty() && recovery.holes.is_empty(), "{recovery:?}");
    let known: Vec<_> = recovery.boots.iter().map(|boot| (&boot.key[..], boot.next_seq)).collect();
    assert_eq!(known, [(KEY, 200), (b"org/idle/lhr/m8", 2)]);
    assert!(matches!(spool.cursor("No"), Err(Error::Invalid(_))));
    assert!(spool.advance("none", Pos(1)).is_err());
    spool.drop_cursor("live").unwrap();
    assert!(!disk.exists(&Path::new(DIR).join("cursor.live")));
}

#[test]
fn a_cursor_never_passes_the_durable_end_on_disk() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..3, 10);
    spool.sync().unwrap();
    let durable = spool.durable();
    append_some(&mut spool, KEY, 3..5, 10);
    spool.cursor("live").unwrap();
    spool.advance("live", spool.end()).unwrap();
    assert_eq!(spool.save_cursor("live").unwrap(), durable);
    assert_eq!(open_at(&disk).0.cursor("live").unwrap(), durable);
}

#[test]
fn where_the_newest_batches_of_an_app_begin_is_found_from_behind() {
    let (mut spool, _) = open_at(&FaultDisk::new());
    append_some(&mut spool, b"org/quiet/lhr/m2", 1..4, 10);
    append_some(&mut spool, KEY, 1..100, 3000);
    append_some(&mut spool, b"org/quiet/lhr/m2", 4..6, 10);
    append_some(&mut spool, KEY, 100..150, 3000);
    let reader = spool.reader();
    let start = |app: &'static [u8], want, max| {
        let start = reader.newest_start(|key| key.starts_with(app), want, max).unwrap();
        let read = reader.read(start.pos, 1 << 30).unwrap();
        let found = read.batches.iter().find(|batch| batch.key.starts_with(app));
        (found.map(|batch| batch.first_seq), start.surplus, start.cut_short)
    };
    assert_eq!(start(b"org/quiet/", 3, u64::MAX), (Some(3), Some(0), false));
    assert_eq!(start(b"org/quiet/", 5, u64::MAX), (Some(1), Some(0), false));
    assert_eq!(start(b"org/quiet/", 6, u64::MAX), (Some(1), None, false));
    assert_eq!(start(b"org/quiet/", 6, 1), (Some(4), None, true));
    assert_eq!(start(b"org/none/", 6, u64::MAX), (None, None, false));
}

#[test]
fn the_last_batch_of_a_boot_is_read_alone_wherever_it_stands() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    let quiet: &[u8] = b"org/quiet/lhr/m2";
    append_some(&mut spool, quiet, 1..4, 10);
    spool.sync().unwrap();
    append_some(&mut spool, KEY, 1..100, 3000);
    spool.tell(boot_ref(quiet), 9, 0).unwrap();
    // Of the other boot not all is durable: a sync that fails moves it.
    disk.fail_nth(Call::Sync, 1, std::io::ErrorKind::Other);
    spool.sync().unwrap();
    for spool in [spool, open_at(&disk).0] {
        for (key, seq, len) in [(quiet, 3, 10), (KEY, 99, 3000)] {
            let before = disk.calls(Call::Read);
            let last = spool.last_batch(key, 1).unwrap();
            assert_eq!((last.first_seq, &last.bytes), (seq, &body(1, seq, len)));
            assert_eq!(disk.calls(Call::Read) - before, 1);
        }
        assert!(spool.last_batch(quiet, 2).is_none() && spool.last_batch(b"org/none/lhr/m", 1).is_none());
    }
    let mut spool = open_at(&disk).0;
    append_some(&mut spool, KEY, 100..130, 3000);
    spool.sync().unwrap();
    spool.cursor("live").unwrap();
    spool.advance("live", spool.end()).unwrap();
    spool.save_cursor("live").unwrap();
    assert!(spool.release(0).unwrap() > 0);
    assert!(spool.last_batch(quiet, 1).is_none() && spool.last_batch(KEY, 1).is_some());
}

#[test]
fn readers_on_other_threads_see_every_batch_once_and_in_order() {
    let (mut spool, _) = open_at(&FaultDisk::new());
    let reader = spool.reader();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let (mut from, mut expected) = (Pos(0), 1);
            while expected < 2000 {
                let read = reader.read(from, 5000).unwrap();
                for batch in read.batches {
                    assert_eq!(batch.first_seq, expected);
                    assert_eq!(batch.bytes, body(1, expected, 300));
                    expected += 1;
                }
                from = read.next;
                std::thread::yield_now();
            }
        });
        for first in (1..2000).step_by(10) {
            append_some(&mut spool, KEY, first..first + 10, 300);
            spool.sync().unwrap();
        }
        reading.join().unwrap();
    });
}
