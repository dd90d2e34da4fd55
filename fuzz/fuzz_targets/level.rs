//! App to agent: any line. A level is always found, and its source is of the known ones.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::level::{LevelSource, infer};

fuzz_target!(|bytes: &[u8]| {
    let (level, source) = infer(bytes);
    assert!(LevelSource::ALL.contains(&source));
    assert_eq!(infer(bytes), (level, source));
});
