//! App to agent: any line. A code that is found stands in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::Provider;
use line::codes::{of_import, recognise};

fuzz_target!(|bytes: &[u8]| {
    for provider in Provider::ALL {
        if let Some(code) = recognise(provider, bytes) {
            let code = code.code.as_bytes();
            assert!(bytes.windows(code.len()).any(|window| window == code));
        }
    }
    let _ = of_import(bytes, [("error.code", bytes)].into_iter());
});
