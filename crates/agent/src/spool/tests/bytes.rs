//! Whatever stands on the disk, reading it does not panic and gives only what was written.

use super::*;
use crate::spool::boots::decode_notes;
use crate::spool::cursors::{decode_cursor, decode_marks};
use crate::spool::format::{Found, Kind, Record, SegmentHeader, scan};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut records = 0;
        let (end, _) = scan(&bytes, 7, Pos(4096), |_| records += 1);
        prop_assert_eq!((records, end), (0, Pos(4096)));
        prop_assert!(SegmentHeader::decode(&bytes).is_none());
        prop_assert!(decode_cursor(&bytes).is_none() && decode_marks(&bytes).is_none());
        let _notes = decode_notes(&bytes);
        prop_assert!(scan_segment(&bytes).is_none());
    }

    /// A segment as a spool writes it, cut and changed anywhere: what is found was appended, and no more than is there.
    #[test]
    fn a_segment_can_be_read_on_its_own(
        lens in prop::collection::vec(0_usize..3000, 1..12),
        hurt in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let disk = FaultDisk::new();
        let (mut spool, _) = open_at(&disk);
        for (seq, len) in (1..).zip(&lens) {
            spool.append(batch(KEY, 1, seq, 1, &body(1, seq, *len))).unwrap();
        }
        spool.end_boot(boot_ref(KEY), 0).unwrap();
        let written = disk.content(&segment_files(&disk)[0]).unwrap();
        let all = scan_segment(&written).unwrap();
        prop_assert_eq!((all.batches.len(), all.ended, all.end), (lens.len(), 1, spool.end()));
        prop_assert_eq!((all.damaged_bytes, all.is_torn), (0, false));
        let mut bytes = written;
        for (index, change) in &hurt {
            let at = index.index(usize::try_from(spool.end().0).unwrap());
            bytes[at] ^= change;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let Some(scanned) = scan_segment(&bytes) else { return Ok(()) };
        prop_assert!(scanned.batches.iter().all(|found| all.batches.contains(found)));
        prop_assert!(scanned.end <= all.end && scanned.damaged_bytes <= bytes.len() as u64);
        prop_assert!(scanned.batches.iter().all(|found| found.next <= scanned.end));
    }

    /// Records with any bytes changed between them: all that are left as they were are found, and nothing else.
    #[test]
    fn records_are_found_beside_damage(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12),
        hurt in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
    ) {
        let (nonce, mut bytes, mut places) = (0x1234_5678_9abc_def0, Vec::new(), Vec::new());
        for body in &bodies {
            let pos = Pos(64 + bytes.len() as u64);
            let (kind, key) = (Kind::Batch, &b"key"[..]);
            Record { kind, pos, group_len: 1, boot: 2, first_seq: 3, next_seq: 4, count: 5, time: -6, key, body }
                .encode(nonce, &mut bytes);
            places.push((pos, bytes.len()));
        }
        let whole = bytes.clone();
        for (index, change) in &hurt {
            let at = index.index(bytes.len());
            bytes[at] ^= change;
        }
        let mut found = Vec::new();
        scan(&bytes, nonce, Pos(64), |item| {
            if let Found::Record(record) = item {
                found.push((record.pos, record.body.to_vec()));
            }
        });
        let mut start = 0;
        for ((pos, end), body) in places.into_iter().zip(bodies) {
            let untouched = whole[start..end] == bytes[start..end];
            let there = found.iter().find(|(at, _)| *at == pos);
            prop_assert!(!untouched || there.is_some());
            prop_assert!(there.is_none_or(|(_, read)| *read == body));
            start = end;
        }
    }
}

#[test]
fn a_record_whose_padding_is_cut_off_ends_where_it_did() {
    let disk = FaultDisk::new();
    let (mut spool, _) = open_at(&disk);
    spool.append(batch(KEY, 1, 1, 1, &body(1, 1, 1))).unwrap();
    let written = disk.content(&segment_files(&disk)[0]).unwrap();
    let end = usize::try_from(spool.end().0).unwrap();
    let content_end = written[..end].iter().rposition(|&byte| byte != 0).unwrap() + 1;
    assert!(content_end < end, "there is padding");
    for cut in content_end..=end {
        let scanned = scan_segment(&written[..cut]).unwrap();
        assert_eq!((scanned.batches.len(), scanned.end, scanned.is_torn), (1, spool.end(), false), "{cut}");
    }
}
