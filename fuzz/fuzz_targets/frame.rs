//! Guest to agent: any bytes on a Machine's socket. The reader always goes forward, never past the end, finds the same
//! frames whatever the bytes before them, and a frame that it read is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::frame::{Frame, Parsed, parse};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        let used = match parse(rest) {
            Parsed::Incomplete { need } => {
                assert!(need > 0);
                break;
            }
            Parsed::Frame { frame, used } => {
                check(&frame);
                used
            }
            Parsed::Unknown { used, .. } | Parsed::Garbage { used, .. } => used,
        };
        assert!(used > 0 && used <= rest.len());
        rest = &rest[used..];
    }
});

/// A frame that was read can be written, and reads the same again. (Its bytes may differ: a later version may have
/// appended fields, and flags that we do not know are passed over.)
fn check(frame: &Frame<'_>) {
    if let Frame::Batch(batch) = frame {
        assert_eq!(batch.records().count() as u64, u64::from(batch.count()));
    }
    let mut out = Vec::new();
    frame.write(&mut out).expect("a frame that was read is not too long to write");
    match parse(&out) {
        Parsed::Frame { frame: again, used } => assert!(again == *frame && used == out.len()),
        other => panic!("{frame:?} came back as {other:?}"),
    }
}
