//! Registry to followers: any bytes as a snapshot. It is refused, or read as a state whose own snapshot reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry::{Snapshot, State};

fuzz_target!(|bytes: &[u8]| {
    let Ok(state) = Snapshot::from_json(bytes).and_then(State::from_snapshot) else { return };
    let json = state.snapshot().to_json();
    let again = Snapshot::from_json(&json).and_then(State::from_snapshot).expect("it was just written");
    assert_eq!((again.digest(), &again), (state.digest(), &state));
});
