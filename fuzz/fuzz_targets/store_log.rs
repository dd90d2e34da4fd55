//! A segment of the store's log in which bytes were changed, and any bytes behind it: what is found are records in order, inside
//! the bytes, and those that nothing touched are all there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::wal::{Found, Record, scan, segment};

fuzz_target!(|input: (Vec<Vec<u8>>, Vec<(u16, u8)>, Vec<u8>)| {
    let (payloads, edits, tail) = input;
    let record = |(lsn, payload): (u64, &'_ Vec<u8>)| (lsn, payload.clone());
    let kept: Vec<(u64, Vec<u8>)> = (1..).zip(&payloads).map(record).collect();
    let records: Vec<Record<'_>> = kept
        .iter()
        .map(|(lsn, payload)| Record { lsn: *lsn, durable_lsn: lsn - 1, base: lsn * 9, count: 9, latest: 2, earliest: 1, payload })
        .collect();
    let mut bytes = segment(3, 0x1234_5678_9abc_def1, &records);
    let is_whole = edits.iter().all(|(_, flip)| *flip == 0);
    for (at, flip) in edits {
        if let Some(byte) = bytes.get_mut(usize::from(at)) {
            *byte ^= flip;
        }
    }
    bytes.extend_from_slice(&tail);
    let (mut end, mut found_records) = (0, 0);
    for found in scan(&bytes) {
        let range = match found {
            Found::Record(record, range) => {
                assert!(range.len() >= record.payload.len());
                found_records += 1;
                range
            }
            Found::Bad(range) => range,
        };
        assert!(range.start >= end && range.end <= bytes.len());
        end = range.end;
    }
    assert!(!is_whole || found_records >= records.len());
});
