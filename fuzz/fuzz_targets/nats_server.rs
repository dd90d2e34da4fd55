//! Any bytes from a client, cut anywhere: the server's reader finds the same verbs as in one piece, and what it keeps and
//! makes room for stays within its limits.
#![no_main]

use bus::codec::{ClientOp, Limits, ProtocolError, ServerReader};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits =
    Limits { control_line_bytes: 256, connect_bytes: 512, payload_bytes: 1024, sid_bytes: 16 };

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    assert_eq!(read(bytes, bytes.len().max(1)), read(bytes, usize::from(cut).max(1)));
});

fn read(bytes: &[u8], piece: usize) -> (Vec<ClientOp>, Option<ProtocolError>) {
    let (mut reader, mut buffer, mut found) = (ServerReader::new(LIMITS), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match reader.next(&mut buffer) {
                Ok(Some(op)) => found.push(op),
                Ok(None) => break,
                Err(why) => return (found, Some(why)),
            }
        }
        assert!(buffer.len() <= LIMITS.payload_bytes + 1, "{} bytes are kept", buffer.len());
        assert!(buffer.capacity() <= 8192.max(2 * bytes.len()), "room for {} bytes", buffer.capacity());
    }
    (found, None)
}
