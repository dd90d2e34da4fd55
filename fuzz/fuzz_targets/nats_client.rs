//! Any bytes from a server, cut anywhere: the client's reader finds the same verbs as in one piece.
#![no_main]

use bus::codec::{ClientReader, ProtocolError, ServerOp};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    assert_eq!(read(bytes, bytes.len().max(1)), read(bytes, usize::from(cut).max(1)));
});

fn read(bytes: &[u8], piece: usize) -> (Vec<ServerOp>, Option<ProtocolError>) {
    let (mut reader, mut buffer, mut found) = (ClientReader::default(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match reader.next(&mut buffer) {
                Ok(Some(op)) => found.push(op),
                Ok(None) => break,
                Err(why) => return (found, Some(why)),
            }
        }
    }
    (found, None)
}
