use super::*;
use crate::spool::quota::Quota;
use proptest::prelude::*;

const QUOTA_BYTES: u64 = 10 << 20;
const PART_BYTES: u64 = QUOTA_BYTES / 20 / 16;

fn group(number: u8) -> Vec<u8> {
    vec![b'g', number]
}

#[test]
fn a_lone_group_stops_before_the_reserve() {
    let mut quota = Quota::new(QUOTA_BYTES, 16);
    let (mut end, mut held) = (0, 0);
    while quota.admit(&group(0), 1000, 0) == Admission::Accept {
        end += 1;
        held += 1000;
        quota.add(&group(0), 1000, Pos(end));
    }
    assert!(held > QUOTA_BYTES / 10 * 8 - 2000 && held <= QUOTA_BYTES / 20 * 19, "{held}");
    assert_eq!(quota.admit(&group(0), 1000, 0), Admission::Refuse { reason: RefuseReason::OverShare });
    assert_eq!(quota.admit(&group(1), 100_000, 0), Admission::Accept);
    quota.pass(Pos(end));
    assert_eq!(quota.total_bytes(), 0);
    assert_eq!(quota.admit(&group(0), 1000, 0), Admission::Accept);
}

proptest! {
    /// However the others flood, a group that holds no more than its part of the reserve is accepted, and the sum never
    /// exceeds the quota.
    #[test]
    fn a_quiet_group_is_never_refused(
        steps in prop::collection::vec((0_u8..15, 1_u64..800_000, 0_u8..20), 1..400),
        quiet_bytes in 1_u64..2000,
    ) {
        let mut quota = Quota::new(QUOTA_BYTES, 16);
        let (mut end, mut passed, mut quiet_held) = (0, 0, Vec::new());
        for (index, (flooding, bytes, what)) in (0_i64..).zip(steps) {
            let now = index * 500_000_000;
            if what == 0 {
                passed = passed + (end - passed) / 2;
                quota.pass(Pos(passed));
                quiet_held.retain(|at| *at > passed);
            }
            if quota.admit(&group(flooding), bytes, now) == Admission::Accept {
                end += 1;
                quota.add(&group(flooding), bytes, Pos(end));
            }
            // Blocks are counted out as a whole, so what the quiet group holds may count a little longer.
            if quiet_held.len() as u64 * quiet_bytes + (64 << 10) / 16 * 3 < PART_BYTES && what == 1 {
                prop_assert_eq!(quota.admit(b"quiet", quiet_bytes, now), Admission::Accept);
                end += 1;
                quota.add(b"quiet", quiet_bytes, Pos(end));
                quiet_held.push(end);
            }
            prop_assert!(quota.total_bytes() <= QUOTA_BYTES);
        }
    }
}

#[test]
fn many_flooding_groups_share_and_the_late_one_gets_something() {
    let mut quota = Quota::new(QUOTA_BYTES, 16);
    let (mut end, mut held) = (0, [0_u64; 6]);
    for (number, held) in (0_u8..).zip(&mut held) {
        while quota.admit(&group(number), 500, 0) == Admission::Accept {
            end += 1;
            *held += 500;
            quota.add(&group(number), 500, Pos(end));
        }
    }
    assert!(held.iter().all(|held| *held >= PART_BYTES - 500), "{held:?}");
    assert!(held.iter().sum::<u64>() <= QUOTA_BYTES);
}

#[test]
fn the_spool_counts_what_no_cursor_has_passed() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    spool.cursor("live").unwrap();
    append_some(&mut spool, KEY, 1..40, 5000);
    let held = spool.stats().held_bytes;
    assert!(held > 39 * 5000 && held < 39 * 5200 && spool.stats().groups == 1);
    spool.sync().unwrap();
    assert_eq!(open_at(&disk).0.stats().held_bytes, held);
    spool.advance("live", spool.end()).unwrap();
    assert_eq!((spool.stats().held_bytes, spool.stats().groups), (0, 0));
}

#[test]
fn what_is_noted_of_boots_counts_until_every_cursor_has_passed_the_batches_before_it() {
    let disk = FaultDisk::new();
    let mut spool = open_at(&disk).0;
    spool.cursor("live").unwrap();
    append_some(&mut spool, KEY, 1..2, 100);
    let batches_end = spool.end();
    let mut held = spool.stats().held_bytes;
    for told_seq in 10..20 {
        spool.tell(boot_ref(KEY), told_seq, 0).unwrap();
        assert!(spool.stats().held_bytes > held, "{told_seq}");
        held = spool.stats().held_bytes;
    }
    spool.end_boot(boot_ref(KEY), 0).unwrap();
    held = spool.stats().held_bytes;
    spool.sync().unwrap();
    assert_eq!((held, spool.stats().groups), (spool.end().0 - first_record(&disk), 1));
    let mut again = open_at(&disk).0;
    assert_eq!((again.stats().held_bytes, again.stats().groups), (held, 1));
    for spool in [&mut spool, &mut again] {
        spool.cursor("live").unwrap();
        spool.advance("live", Pos(batches_end.0 - 1)).unwrap();
        assert_eq!(spool.stats().held_bytes, held);
        spool.advance("live", batches_end).unwrap();
        assert_eq!(spool.stats().held_bytes, 0);
        // Nobody has to carry it on, and it keeps no segment.
        spool.tell(BootRef { boot: 2, ..boot_ref(KEY) }, 9, 0).unwrap();
        assert_eq!(spool.stats().held_bytes, 0);
        spool.sync().unwrap();
        assert_eq!(spool.save_cursor("live").unwrap(), spool.end());
    }
    let mut spool = open_at(&disk).0;
    assert_eq!((spool.stats().held_bytes, spool.cursor("live").unwrap()), (0, spool.end()));
}

/// Where the first record after the checkpoint stands.
fn first_record(disk: &FaultDisk) -> u64 {
    let scanned = scan_segment(&disk.content(&segment_files(disk)[0]).unwrap()).unwrap();
    scanned.batches[0].pos.0
}
