use super::*;

/// A synced spool with seqs 1..60 in several segments.
fn filled() -> FaultDisk {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..60, 3000);
    spool.sync().unwrap();
    disk
}

/// Appends must work, and the damage must not change, at this start and the next.
fn goes_on(disk: &FaultDisk, what: &str) -> (Vec<u64>, Recovery) {
    let (mut spool, recovery) = open_at(disk);
    let found = seqs(&spool);
    let next = spool.boot(KEY, 1).map_or(1, |boot| boot.next_seq);
    append_some(&mut spool, KEY, next..next + 2, 100);
    spool.sync().unwrap();
    let (spool, again) = open_at(disk);
    assert_eq!(hole_ranges(&again), hole_ranges(&recovery), "{what}");
    let mut expected = found.clone();
    expected.extend([next, next + 1]);
    assert_eq!(seqs(&spool), expected, "{what}");
    (found, recovery)
}

/// Every seq below the next one is there or in a hole.
fn is_complete(found: &[u64], recovery: &Recovery) -> bool {
    let next = recovery.boots.first().map_or(1, |boot| boot.next_seq);
    let in_hole = |seq: u64| recovery.holes.iter().any(|hole| hole.from_seq <= seq && seq < hole.next_seq);
    (1..next).all(|seq| found.contains(&seq) != in_hole(seq))
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..4, 100);
    let start = usize::try_from(spool.end().0).unwrap();
    append_some(&mut spool, KEY, 4..5, 100);
    let end = usize::try_from(spool.end().0).unwrap();
    spool.sync().unwrap();
    let path = &segment_files(&disk)[0];
    let whole = disk.content(path).unwrap();
    for cut in start..end {
        for zeros in [false, true] {
            let torn = disk.copy();
            let mut content = whole[..cut].to_vec();
            content.resize(if zeros { whole.len() } else { cut }, 0);
            torn.put(path, &content);
            let (found, recovery) = goes_on(&torn, "torn");
            // The last bytes of a record are padding.
            let kept = if cut >= end - 8 && found.len() == 4 { 4 } else { 3 };
            assert_eq!(found, (1..=kept).collect::<Vec<_>>(), "cut at {cut}");
            assert!(recovery.holes.is_empty());
        }
    }
}

#[test]
fn a_flipped_bit_costs_one_batch_at_most() {
    let disk = filled();
    let path = &segment_files(&disk)[1];
    let first_records = 1024 + 72 + 72;
    let all: Vec<u64> = (1..60).collect();
    for byte in (0..first_records).chain((first_records..50_000).step_by(491)) {
        let hurt = disk.copy();
        hurt.flip_bit(path, byte, u8::try_from(byte % 8).unwrap()).unwrap();
        let (found, recovery) = goes_on(&hurt, &format!("byte {byte}"));
        assert!(found.len() >= all.len() - 1, "byte {byte}: {found:?}");
        assert!(is_complete(&found, &recovery), "byte {byte}: {recovery:?}");
        assert_eq!(recovery.damaged.is_empty(), found == all && byte < 1024 || recovery.damaged.is_empty());
        if found.len() < all.len() {
            assert_eq!(kinds(&recovery), [DamageKind::BadBatch], "byte {byte}");
        }
    }
}

#[test]
fn a_lost_segment_is_a_hole() {
    let count = segment_files(&filled()).len();
    for lost in 0..count {
        for with_marks in [false, true] {
            let disk = filled();
            if with_marks {
                open_at(&disk).0.save_marks().unwrap();
            }
            disk.vanish(&segment_files(&disk)[lost]);
            let (found, recovery) = goes_on(&disk, &format!("lost {lost}"));
            assert!(is_complete(&found, &recovery), "lost {lost}: {recovery:?}");
            let recognised = with_marks || lost + 1 < count;
            assert_eq!(recovery.holes.len(), usize::from(recognised), "lost {lost}: {recovery:?}");
            let next = recovery.boots[0].next_seq;
            assert_eq!(next == 60, recognised);
            let missing = if lost + 1 < count { vec![DamageKind::MissingSegment] } else { vec![] };
            assert_eq!(kinds(&recovery), missing);
        }
    }
}

#[test]
fn a_segment_without_header_or_content_is_left_out() {
    let count = segment_files(&filled()).len();
    for hurt in 0..count {
        for (content, kind) in [(vec![], DamageKind::EmptySegment), (vec![9; 5000], DamageKind::BadHeader)] {
            let disk = filled();
            let path = segment_files(&disk)[hurt].clone();
            disk.put(&path, &content);
            let (found, recovery) = goes_on(&disk, "left out");
            assert!(is_complete(&found, &recovery), "{recovery:?}");
            assert_eq!(kinds(&recovery), [kind]);
            assert!(!disk.exists(&path));
        }
    }
}

#[test]
fn everything_may_be_gone() {
    let disk = filled();
    let (mut spool, _) = open_at(&disk);
    spool.save_marks().unwrap();
    for path in segment_files(&disk) {
        disk.vanish(&path);
    }
    let end = spool.end();
    let (found, recovery) = goes_on(&disk, "all");
    assert!(found.is_empty());
    assert_eq!(hole_ranges(&recovery), [(1, 60)]);
    assert!(open_at(&disk).0.end() > end);
}

#[test]
fn a_filled_hole_is_not_reported_again() {
    let disk = filled();
    disk.vanish(&segment_files(&disk)[1]);
    let (mut spool, recovery) = open_at(&disk);
    let [(from, next)] = hole_ranges(&recovery)[..] else { panic!("{recovery:?}") };
    assert!(matches!(spool.fill(batch(KEY, 1, from - 1, 2, b"")), Err(Error::Duplicate { .. })));
    spool.fill(batch(KEY, 1, from, 1, b"the first line after all")).unwrap();
    assert_eq!(spool.holes()[0].from_seq, from + 1);
    let rest = BatchRef { next_seq: next, count: 1, ..batch(KEY, 1, from + 1, 1, b"gap") };
    spool.fill(rest).unwrap();
    spool.sync().unwrap();
    assert!(spool.holes().is_empty());
    let (spool, recovery) = open_at(&disk);
    assert!(recovery.holes.is_empty());
    assert_eq!(read_all(&spool.reader()).iter().filter(|batch| batch.fill).count(), 2);
}

#[test]
fn what_all_cursors_had_passed_is_no_hole() {
    let disk = filled();
    let (mut spool, _) = open_at(&disk);
    spool.cursor("live").unwrap();
    spool.advance("live", spool.end()).unwrap();
    spool.save_cursor("live").unwrap();
    disk.vanish(&segment_files(&disk)[1]);
    let (_, recovery) = goes_on(&disk, "passed");
    assert_eq!((recovery.holes.len(), recovery.damaged.len()), (0, 0));
}

#[test]
fn strangers_and_broken_small_files_do_not_stop_the_start() {
    let disk = filled();
    let segment = disk.content(&segment_files(&disk)[0]).unwrap();
    disk.put(&Path::new(DIR).join("notes.txt"), b"hello");
    disk.put(&Path::new(DIR).join("000000000000abcd.seg"), &segment);
    disk.put(&Path::new(DIR).join("cursor.live"), b"LWCURSO1garbage");
    disk.put(&Path::new(DIR).join("marks"), b"");
    disk.put(&Path::new(DIR).join("marks.tmp"), b"half");
    let (found, recovery) = goes_on(&disk, "strangers");
    assert_eq!(found, (1..60).collect::<Vec<_>>());
    let mut kinds = kinds(&recovery);
    kinds.sort_by_key(|kind| *kind as u8);
    assert_eq!(kinds, [DamageKind::BadHeader, DamageKind::BadFile, DamageKind::BadFile, DamageKind::Foreign]);
    assert!(
        disk.exists(&Path::new(DIR).join("notes.txt")) && !disk.exists(&Path::new(DIR).join("marks.tmp"))
    );
}

#[test]
fn a_reader_steps_over_damage_that_came_later() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..10, 1000);
    disk.flip_bit(&segment_files(&disk)[0], 1024 + 72 + 2 * 1100, 3).unwrap();
    let mut from = Pos(0);
    let (mut found, mut skipped) = (Vec::new(), 0);
    while from < spool.end() {
        let read = spool.reader().read(from, 100_000).unwrap();
        found.extend(read.batches.iter().map(|batch| batch.first_seq));
        skipped += read.skipped_bytes;
        from = read.next;
    }
    assert_eq!(found, [1, 2, 4, 5, 6, 7, 8, 9]);
    assert!(skipped > 1000 && skipped < 1200);
}

#[test]
fn a_tenant_cannot_forge_a_batch() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    append_some(&mut spool, KEY, 1..2, 1000);
    // The tenant knows the format, but not the segment's number; the header of the batch around it is damaged.
    let mut forged = vec![0; 4];
    let record = crate::spool::format::Record {
        kind: crate::spool::format::Kind::Batch,
        pos: Pos(spool.end().0 + 72 + 14 + 10),
        group_len: 3,
        boot: 1,
        first_seq: 1,
        next_seq: 2,
        count: 1,
        time: 0,
        key: b"other",
        body: b"forged",
    };
    record.encode(1, &mut forged);
    let pos = spool.append(batch(KEY, 1, 2, 1, &forged)).unwrap();
    append_some(&mut spool, KEY, 3..4, 10);
    disk.flip_bit(&segment_files(&disk)[0], usize::try_from(pos.0).unwrap() + 20, 1).unwrap();
    let (found, recovery) = goes_on(&disk, "forged");
    assert_eq!((found, hole_ranges(&recovery)), (vec![1, 3], vec![(2, 3)]));
}
