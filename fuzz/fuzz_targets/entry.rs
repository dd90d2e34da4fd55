//! Disk to agent: any bytes in a batch of the spool. Reading ends, and what was read comes back when written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::entry::{Reader, Writer};

fuzz_target!(|input: (u64, i64, &[u8])| {
    let (first_seq, base_time, bytes) = input;
    let entries: Vec<_> = Reader::new(bytes, first_seq, base_time).map_while(Result::ok).collect();
    let (mut writer, mut out) = (Writer::new(first_seq, base_time), Vec::new());
    for entry in &entries {
        writer.push(entry, &mut out).expect("an entry that was read can be written");
    }
    let again: Vec<_> =
        Reader::new(&out, first_seq, base_time).map(|entry| entry.expect("just written")).collect();
    assert_eq!(again, entries);
    if let Some(last) = entries.last() {
        assert_eq!(writer.next_seq(), last.next_seq());
    }
});
