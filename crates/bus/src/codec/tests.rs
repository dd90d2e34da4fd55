//! Both readers against both writers, however the bytes are cut, and against bytes that nobody wrote.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

/// Feeds `bytes` to `next` in pieces of these lengths, over and over, until it errs or all is read.
fn feed<T>(
    bytes: &[u8],
    cuts: &[usize],
    mut next: impl FnMut(&mut BytesMut) -> Result<Option<T>, ProtocolError>,
) -> (Vec<T>, BytesMut, Result<(), ProtocolError>) {
    let (mut found, mut buffer, mut at, mut turn) = (Vec::new(), BytesMut::new(), 0, 0);
    loop {
        loop {
            match next(&mut buffer) {
                Ok(Some(op)) => found.push(op),
                Ok(None) => break,
                Err(why) => return (found, buffer, Err(why)),
            }
        }
        if at == bytes.len() {
            return (found, buffer, Ok(()));
        }
        let end = (at + cuts[turn % cuts.len()]).min(bytes.len());
        buffer.extend_from_slice(&bytes[at..end]);
        (at, turn) = (end, turn + 1);
    }
}

fn word() -> impl Strategy<Value = String> {
    "[!-~]{1,12}"
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(b"\r\nPING\r\n".to_vec()),
        (0usize..9000).prop_map(|n| vec![b'\n'; n]),
    ]
}

fn header_block() -> impl Strategy<Value = Vec<u8>> {
    "(K[a-z]{0,5}: [ -~]{0,9}\r\n){0,4}".prop_map(|lines| format!("NATS/1.0\r\n{lines}\r\n").into_bytes())
}

/// A verb of a client, and its bytes.
fn client_op() -> impl Strategy<Value = (ClientOp, Vec<u8>)> {
    let publish = (word(), proptest::option::of(word()), proptest::option::of(header_block()), payload())
        .prop_map(|(subject, reply, headers, payload)| {
            let mut out = Vec::new();
            match &headers {
                None => write::publish(&mut out, &subject, reply.as_deref(), &payload),
                Some(block) => {
                    let (len, total) = (block.len(), block.len() + payload.len());
                    let reply = reply.as_ref().map(|r| format!("{r} ")).unwrap_or_default();
                    out.extend_from_slice(format!("HPUB {subject} {reply}{len} {total}\r\n").as_bytes());
                    out.extend_from_slice(block);
                    out.extend_from_slice(&payload);
                    out.extend_from_slice(b"\r\n");
                }
            }
            let op = ClientOp::Publish {
                subject: subject.into(),
                reply: reply.map(Into::into),
                headers: headers.map(Into::into),
                payload: payload.into(),
            };
            (op, out)
        });
    let in_place = (word(), payload()).prop_map(|(subject, payload)| {
        let mut out = Vec::new();
        write::publish_with(&mut out, &subject, |out| out.extend_from_slice(&payload));
        let (subject, payload) = (subject.into(), payload.into());
        (ClientOp::Publish { subject, reply: None, headers: None, payload }, out)
    });
    let sub = (word(), proptest::option::of(word()), any::<u64>()).prop_map(|(subject, queue, sid)| {
        let mut out = Vec::new();
        write::sub(&mut out, &subject, queue.as_deref(), sid);
        let (subject, queue, sid) = (subject.into(), queue.map(Into::into), sid.to_string().into());
        (ClientOp::Subscribe { subject, queue, sid }, out)
    });
    let unsub = any::<u64>().prop_map(|sid| {
        let mut out = Vec::new();
        write::unsub(&mut out, sid);
        (ClientOp::Unsubscribe { sid: sid.to_string().into(), max: None }, out)
    });
    let connect = "\\{[ -~]{0,40}\\}".prop_map(|json| {
        let mut out = Vec::new();
        write::connect(&mut out, &json);
        (ClientOp::Connect(json.into()), out)
    });
    let bare = prop_oneof![
        Just((ClientOp::Ping, b"PING\r\n".to_vec())),
        Just((ClientOp::Pong, b"pong\n".to_vec())),
        Just((ClientOp::Ignored, b"+OK\r\n".to_vec())),
        Just((ClientOp::Hangup, b"-ERR 'x'\r\n".to_vec())),
    ];
    prop_oneof![4 => publish, 2 => in_place, 2 => sub, 1 => unsub, 1 => connect, 2 => bare]
}

/// A verb of a server, and its bytes.
fn server_op() -> impl Strategy<Value = (ServerOp, Vec<u8>)> {
    let message =
        (word(), word(), proptest::option::of(word()), proptest::option::of(header_block()), payload())
            .prop_map(|(subject, sid, reply, headers, payload)| {
                let mut out = Vec::new();
                let block = headers.clone().unwrap_or_default();
                write::message_head(
                    &mut out,
                    subject.as_bytes(),
                    sid.as_bytes(),
                    reply.as_ref().map(String::as_bytes),
                    headers.as_ref().map(Vec::len),
                    block.len() + payload.len(),
                );
                [&block[..], &payload, b"\r\n"].iter().for_each(|part| out.extend_from_slice(part));
                let op = ServerOp::Msg(ServerMessage {
                    subject: subject.into(),
                    sid: sid.into(),
                    reply: reply.map(Into::into),
                    headers: headers.map(Into::into),
                    payload: payload.into(),
                });
                (op, out)
            });
    let info = "\\{[ -~]{0,40}\\}".prop_map(|json| {
        let mut out = Vec::new();
        write::info(&mut out, &json);
        (ServerOp::Info(json.into()), out)
    });
    let error = "[A-Za-z\" ]{1,30}".prop_map(|text| {
        let mut out = Vec::new();
        write::error(&mut out, &text);
        (ServerOp::Err(text.into()), out)
    });
    let bare = prop_oneof![
        Just((ServerOp::Ping, b"PING\r\n".to_vec())),
        Just((ServerOp::Pong, b"PONG\r\n".to_vec())),
        Just((ServerOp::Ok, b"+OK\r\n".to_vec())),
    ];
    prop_oneof![4 => message, 1 => info, 1 => error, 2 => bare]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![Just(1), 1usize..40, 1usize..5000], 1..8)
}

/// Bytes much like a protocol: what is read is long enough to go wrong deep inside.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"PUB a 5\r\nhello\r\n".to_vec()),
        Just(b"HPUB a 16 18\r\n".to_vec()),
        Just(b"MSG a 1 2\r\n".to_vec()),
        Just(b"HMSG a 1 r 3 2\r\n".to_vec()),
        Just(b"SUB a ".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b" 999999999 ".to_vec()),
        Just(b"NATS/1.0\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..30),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_server_reads_what_a_client_writes(ops in proptest::collection::vec(client_op(), 0..12), cuts in cuts()) {
        let bytes: Vec<u8> = ops.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let mut reader = ServerReader::new(Limits::default());
        let (found, rest, end) = feed(&bytes, &cuts, |buffer| reader.next(buffer));
        prop_assert_eq!(end, Ok(()));
        prop_assert!(rest.is_empty() && !reader.awaits_payload());
        prop_assert_eq!(found, ops.into_iter().map(|(op, _)| op).collect::<Vec<_>>());
    }

    #[test]
    fn a_client_reads_what_a_server_writes(ops in proptest::collection::vec(server_op(), 0..12), cuts in cuts()) {
        let bytes: Vec<u8> = ops.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let mut reader = ClientReader::default();
        let (found, rest, end) = feed(&bytes, &cuts, |buffer| reader.next(buffer));
        prop_assert_eq!(end, Ok(()));
        prop_assert!(rest.is_empty());
        prop_assert_eq!(found, ops.into_iter().map(|(op, _)| op).collect::<Vec<_>>());
    }

    #[test]
    fn in_place_a_client_finds_what_it_reads(
        ops in proptest::collection::vec(server_op(), 0..12), end in noise(), cut: prop::sample::Index,
    ) {
        let bytes = [ops.into_iter().flat_map(|(_, bytes)| bytes).collect(), end].concat();
        let (mut reader, mut placer, mut at) = (ClientReader::default(), ClientReader::default(), 0);
        let mut buffer = BytesMut::from(&bytes[..]);
        loop {
            // It may be asked too early.
            let early = at + cut.index(bytes.len() - at + 1);
            if !matches!(placer.place(&bytes[..early], at), Ok(None)) {
                placer = ClientReader::default();
            }
            let (read, placed) = (reader.next(&mut buffer), placer.place(&bytes, at));
            let part = |range: std::ops::Range<usize>| Bytes::copy_from_slice(&bytes[range]);
            match (read, placed) {
                (Ok(Some(ServerOp::Msg(message))), Ok(Some((PlacedOp::Msg(placed), end)))) => {
                    at = end;
                    let Placed { subject, sid, reply, headers, payload } = placed;
                    let (subject, sid, payload) = (part(subject), part(sid), part(payload));
                    let (reply, headers) = (reply.map(part), headers.map(part));
                    prop_assert_eq!(message, ServerMessage { subject, sid, reply, headers, payload });
                }
                (Ok(Some(_)), Ok(Some((_, end)))) => at = end,
                (read, placed) => {
                    prop_assert_eq!(read.map(|op| op.is_some()), placed.map(|placed| placed.is_some()));
                    break;
                }
            }
            prop_assert_eq!(&buffer[..], &bytes[at..]);
        }
    }

    #[test]
    fn noise_gives_the_same_in_one_piece_or_in_many_and_asks_for_no_more_than_the_limits(
        bytes in noise(), cuts in cuts(),
    ) {
        let limits = Limits { control_line_bytes: 64, connect_bytes: 128, payload_bytes: 100, sid_bytes: 8 };
        let read = |cuts: &[usize]| {
            let mut reader = ServerReader::new(limits);
            feed(&bytes, cuts, |buffer| {
                let op = reader.next(buffer);
                // What stays unread is less than one verb at its longest, and so is the room asked for.
                let longest = limits.connect_bytes.max(limits.payload_bytes) + 2;
                if op == Ok(None) {
                    assert!(buffer.len() <= longest && buffer.capacity() <= 8192.max(bytes.len() * 2), "{buffer:?}");
                }
                op
            })
        };
        let (whole, _, whole_end) = read(&[bytes.len().max(1)]);
        let (pieces, _, pieces_end) = read(&cuts);
        prop_assert_eq!(whole, pieces);
        prop_assert_eq!(whole_end, pieces_end);
        let mut reader = ClientReader::default();
        let (whole, _, whole_end) = feed(&bytes, &[bytes.len().max(1)], |buffer| reader.next(buffer));
        let mut reader = ClientReader::default();
        let (pieces, _, pieces_end) = feed(&bytes, &cuts, |buffer| reader.next(buffer));
        prop_assert_eq!(whole, pieces);
        prop_assert_eq!(whole_end, pieces_end);
    }
}

#[test]
fn a_line_is_taken_up_to_its_limit_and_no_further() {
    for (bytes, limit, expected) in [
        (&b"PING\r\nrest"[..], 5, Ok(Some(&b"PING"[..]))),
        (b"PING\nrest", 4, Ok(Some(b"PING"))),
        (b"PING\r\n", 4, Err(ProtocolError::ControlLine)),
        (b"\n", 0, Ok(Some(b""))),
        (b"\r\n", 1, Ok(Some(b""))),
        (b"abcd", 4, Ok(None)),
        (b"abcde", 4, Err(ProtocolError::ControlLine)),
        (b"a\rb\r\r\n", 9, Ok(Some(b"a\rb\r"))),
        (b"", 0, Ok(None)),
    ] {
        let (mut buffer, mut searched) = (BytesMut::from(bytes), 0);
        let found = take_line(&mut buffer, &mut searched, limit);
        assert_eq!(found, expected.map(|line| line.map(Bytes::from_static)), "{bytes:?} {limit}");
    }
}

#[test]
fn an_announced_payload_reserves_its_own_size_at_most() {
    let mut reader = ServerReader::new(Limits::default());
    let mut buffer = BytesMut::from(&b"PUB a 1048576\r\n"[..]);
    assert_eq!(reader.next(&mut buffer), Ok(None));
    assert!(reader.awaits_payload() && buffer.capacity() <= 2 * 1024 * 1024, "{}", buffer.capacity());
    let mut buffer = BytesMut::from(&b"PUB a 1048577\r\n"[..]);
    assert_eq!(ServerReader::new(Limits::default()).next(&mut buffer), Err(ProtocolError::Payload));
}

#[test]
fn the_max_of_an_unsubscription() {
    for (line, max) in [
        ("UNSUB 1\r\n", None),
        ("UNSUB 1 5\r\n", Some(5)),
        ("UNSUB 1 0\r\n", None),
        ("UNSUB 1 -5\r\n", None),
        ("UNSUB 1 +5\r\n", None),
        ("UNSUB 1 12345678901\r\n", Some(12_345_678_901)),
        ("UNSUB 1 99999999999999999999999\r\n", Some(u64::MAX)),
    ] {
        let op = ServerReader::new(Limits::default()).next(&mut BytesMut::from(line));
        assert_eq!(op, Ok(Some(ClientOp::Unsubscribe { sid: Bytes::from_static(b"1"), max })), "{line}");
    }
}
