//! Bus to reader: any bytes as a message. Decoding never panics, the scanner always ends, and it takes whatever a strict
//! parser takes. (It may take more: what it passes over it does not look into.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::json::{Scanner, decode};

/// Nesting below this is shallow enough for both parsers.
const SHALLOW: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes);
    let mut scanner = Scanner::new(bytes);
    let taken = scanner.skip_value().and_then(|()| scanner.end());
    let depth = bytes.iter().filter(|byte| b"[{".contains(byte)).count();
    if depth < SHALLOW && serde_json::from_slice::<serde_json::Value>(bytes).is_ok() {
        taken.expect("a strict parser takes it");
    }
});
