//! A cursor as a client may send it: any text is one or is not, and one that is comes back as itself, also from bytes of a right checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    api::probe::cursor(bytes);
});
