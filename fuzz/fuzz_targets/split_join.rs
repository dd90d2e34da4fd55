//! App to agent: any bytes in any chunking. The lines out, joined, are the bytes in, save what was counted as truncated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::Stream;
use line::frame::{Record, RecordFlags};
use line::join::{Joiner, Limits};
use line::split::Splitter;

fuzz_target!(|input: (Vec<&[u8]>, u8, u16, u16)| {
    let (chunks, record, encoded, line) = input;
    let limits = Limits {
        record_bytes: usize::from(record) + 8,
        encoded_bytes: usize::from(encoded) + 64,
        line_bytes: u64::from(line),
    };
    let mut fragments: Vec<(RecordFlags, Vec<u8>)> = Vec::new();
    let mut splitter = Splitter::new();
    for chunk in &chunks {
        splitter.push(chunk, |flags, bytes| fragments.push((flags, bytes.to_vec())));
    }
    splitter.flush(|flags, bytes| fragments.push((flags, bytes.to_vec())));

    let (mut joiner, mut text, mut lost, mut next_seq) = (Joiner::new(limits), Vec::new(), 0, 1);
    let mut take = |joined: line::join::Joined<'_>| {
        assert_eq!(joined.seq, next_seq);
        next_seq += joined.span;
        text.extend_from_slice(joined.bytes);
        lost += joined.truncated_bytes;
        if !joined.more && !joined.open {
            text.push(b'\n');
        }
    };
    for (seq, (flags, bytes)) in (1..).zip(&fragments) {
        joiner.push(Record { seq, time: 0, stream: Stream::Stdout, flags: *flags, bytes }, &mut take);
    }
    joiner.cut(&mut take);
    let sent = chunks.concat();
    assert_eq!(next_seq, fragments.len() as u64 + 1);
    assert_eq!(text.len() as u64 + lost, sent.len() as u64);
    if lost == 0 {
        assert_eq!(text, sent);
    }
});
