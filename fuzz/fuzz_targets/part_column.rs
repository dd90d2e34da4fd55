//! Disk to store: any bytes as one column of a frame, behind its checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::part::{column_from_bytes, rows_that_may_have};

fuzz_target!(|input: (u16, &[u8])| {
    let (rows, bytes) = input;
    let Ok(column) = column_from_bytes(bytes, usize::from(rows)) else { return };
    assert!(column.len().is_none_or(|len| len == usize::from(rows)));
    let mut scratch = Vec::new();
    for row in 0..usize::from(rows).min(100) {
        column.value(row, &mut scratch);
    }
    let text = column.value(0, &mut scratch);
    let text = text[text.len() / 3..].to_vec();
    // What no store writes may be excluded without reason; nothing may break.
    let _may = rows_that_may_have(bytes, usize::from(rows), &text);
});
