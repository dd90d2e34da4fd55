//! Disk to agent: any bytes as a segment of the spool. Reading ends within the bytes, takes no more than they hold, and
//! finds the same again. The harness puts in the check sums, without which nothing but the first header would be read.
#![no_main]

use agent::spool::scan_segment;
use libfuzzer_sys::fuzz_target;

const HEADER: usize = 1024;
const RECORD: usize = 72;
const NONCE: [u8; 8] = *b"\x01nonces\x01";

fuzz_target!(|input: (u32, bool, &[u8])| {
    let (base, seal, bytes) = input;
    let mut bytes = bytes.to_vec();
    let base = u64::from(base) * 8;
    if seal {
        bytes.splice(..0, header(base));
        seal_records(&mut bytes, base);
    }
    let Some(scanned) = scan_segment(&bytes) else { return };
    assert!(!seal || scanned.end.0 >= base + HEADER as u64);
    let (mut held, mut at) = (0, 0);
    for batch in &scanned.batches {
        assert!(batch.pos.0 >= at && batch.next > batch.pos && batch.next <= scanned.end);
        at = batch.next.0;
        held += batch.key.len() + batch.bytes.len() + RECORD;
    }
    assert!(held <= bytes.len() && scanned.damaged_bytes <= bytes.len() as u64);
    assert_eq!(scan_segment(&bytes), Some(scanned));
});

/// A valid header: of the fields only the base matters here.
fn header(base: u64) -> Vec<u8> {
    let mut copy = b"LWSPOOL1".to_vec();
    for number in [base, 1 << 30, u64::MAX, 0, 0, u64::from_le_bytes(NONCE), 0] {
        copy.extend_from_slice(&number.to_le_bytes());
    }
    copy.extend_from_slice(&crc32fast::hash(&copy).to_le_bytes());
    copy.resize(HEADER / 2, 0);
    copy.repeat(2)
}

/// Makes a record of what stands at each place where one could begin, if its lengths fit; three in four times.
fn seal_records(bytes: &mut [u8], base: u64) {
    let mut at = HEADER;
    while at + RECORD <= bytes.len() {
        let record = &mut bytes[at..];
        let flavour = record[0];
        record[..8].copy_from_slice(&NONCE);
        record[12] = record[12] % 6 + 1;
        record[16..24].copy_from_slice(&(base + at as u64).to_le_bytes());
        let key = usize::from(u16::from_le_bytes([record[14], record[15]]) % 64);
        record[14..16].copy_from_slice(&(key as u16).to_le_bytes());
        let body = usize::from(u16::from_le_bytes([record[24], record[25]]) % 512);
        record[24..28].copy_from_slice(&(body as u32).to_le_bytes());
        let end = RECORD + key + body;
        if let Some(sealed) = record.get(12..end).filter(|_| flavour % 4 != 0) {
            let crc = crc32fast::hash(sealed);
            record[8..12].copy_from_slice(&crc.to_le_bytes());
        }
        at += end.next_multiple_of(8);
    }
}
