//! Rows 1, 4 and 66 to 68: what takes time, with times that are short, and what takes more than bytes.

use std::time::Duration;

use bus::codec::{ClientReader, ServerOp};
use bus::session::Settings;
use bytes::BytesMut;
use logway_tests::{DEADLINE, NatsVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use super::Wire;
use crate::targets::{Kind, Target, patient};

const TOO_LATE: &[u8] = b"-ERR 'Authentication Timeout'\r\n";
const STALE: &[u8] = b"PING\r\nPING\r\n-ERR 'Stale Connection'\r\n";

/// Row 1, and 4 once more: nothing is sent, or what is no whole line, and the time to log in passes.
async fn who_does_not_log_in_is_told(target: &Target) {
    for (input, said) in [(&b""[..], TOO_LATE), (b"CONNECT {\"user\":", TOO_LATE)] {
        let mut wire = Wire::greeted(target).await;
        wire.send(input).await;
        wire.closed(said).await.unwrap_or_else(|why| panic!("{:?}, {input:?}: {why}", target.kind));
    }
    // Real servers know by the first byte that a TLS client takes the wrong door, Logway with the line. It may lie.
    let said = if matches!(target.kind, Kind::Broker | Kind::Proxy) {
        TOO_LATE
    } else {
        b"-ERR 'Authorization Violation'\r\n"
    };
    let mut wire = Wire::greeted(target).await;
    wire.send(b"\x16\x03\x01\0\xf4\x01\0\0\xf0\x03\x03").await;
    wire.closed(said).await.unwrap_or_else(|why| panic!("{:?}, TLS: {why}", target.kind));
}

/// Row 66: who answers no PING is asked twice, then cut.
async fn who_does_not_answer_is_cut(target: &Target) {
    let wire = Wire::logged_in(target, "<reader>").await;
    wire.closed(STALE).await.unwrap_or_else(|why| panic!("{:?}: {why}", target.kind));
}

#[tokio::test]
async fn the_broker_has_no_endless_patience() {
    let mut config = patient();
    config.session.login_timeout = Duration::from_millis(200);
    who_does_not_log_in_is_told(&Target::broker(config).await).await;
    let mut config = patient();
    config.session.ping_interval = Duration::from_millis(50);
    who_does_not_answer_is_cut(&Target::broker(config).await).await;
}

#[tokio::test]
async fn the_front_door_has_none_either() {
    let settings = patient().session;
    let hasty = Settings { login_timeout: Duration::from_millis(200), ..settings.clone() };
    who_does_not_log_in_is_told(&Target::proxy(hasty).await).await;
    let asking = Settings { ping_interval: Duration::from_millis(50), ..settings };
    who_does_not_answer_is_cut(&Target::proxy(asking).await).await;
}

#[tokio::test]
async fn nats_server_has_no_endless_patience_either() {
    for version in NatsVersion::ALL {
        let timeout = Duration::from_millis(200);
        let name = "nats_server_has_no_endless_patience_either";
        let Some(target) = Target::nats(name, version, timeout, "ping_interval: \"1s\"\nping_max: 2") else {
            return;
        };
        who_does_not_log_in_is_told(&target).await;
        who_does_not_answer_is_cut(&target).await;
    }
}

/// Row 67: one that reads nothing is cut when too much waits for it, without a word and behind a whole frame. What the front door
/// does then is tested where it lies.
#[tokio::test]
async fn a_window_of_zero() {
    let mut config = patient();
    (config.max_pending_bytes, config.max_hold) = (1 << 20, Duration::ZERO);
    let target = Target::broker(config).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let stream = socket.connect(target.address).await.unwrap();
    let mut reader = Wire { stream, unread: Vec::new() };
    reader.send(&target.fill("CONNECT {\"verbose\":false,<reader>}\r\nSUB <o>logs.> 1\r\nPING\r\n", 0)).await;
    while !reader.unread.ends_with(b"PONG\r\n") {
        assert!(reader.read().await);
    }
    reader.unread.clear();
    let mut writer = Wire::logged_in(&target, "<writer>").await;
    let message = target.fill("PUB <o>logs.a.lhr.i 1000\r\n<1000*x>\r\n", 0);
    for _ in 0..80 {
        writer.send(&message.repeat(100)).await;
        writer.flushed(b"").await.unwrap();
    }
    while reader.read().await {}
    let (mut frames, mut codec, mut count) = (BytesMut::from(&reader.unread[..]), ClientReader::default(), 0);
    while let Some(op) = codec.next(&mut frames).unwrap() {
        assert!(matches!(op, ServerOp::Msg(_)), "{op:?}");
        count += 1;
    }
    assert!(count > 0 && count < 8000 && frames.is_empty(), "{count} messages, then {} bytes", frames.len());
}

/// Row 68: one that will send nothing more gets what it asked for, then it is gone.
async fn half_a_connection(target: &Target, login: &str, input: &str) {
    let mut wire = Wire::logged_in(target, login).await;
    wire.send(input.as_bytes()).await;
    wire.stream.shutdown().await.unwrap();
    let closed = wire.closed(b"PONG\r\n").await;
    closed.unwrap_or_else(|why| panic!("{:?}: {why}", target.kind));
}

/// The same, and its subscriptions are gone.
async fn half_a_connection_listens_no_more(target: &Target) {
    half_a_connection(target, "<writer>", "SUB sys.recent 1\r\nPING\r\n").await;
    let mut asker = Wire::logged_in(target, "<reader>,\"headers\":true,\"no_responders\":true").await;
    asker.send(b"SUB _INBOX.api.x 1\r\nPUB sys.recent _INBOX.api.x 0\r\n\r\n").await;
    while !asker.unread.ends_with(b"\r\n\r\n\r\n") {
        assert!(asker.read().await);
    }
    let said = asker.unread.escape_ascii().to_string();
    assert!(said.starts_with("HMSG _INBOX.api.x 1 ") && said.contains("NATS/1.0 503"), "{said}");
}

#[tokio::test]
async fn half_a_connection_is_none() {
    half_a_connection_listens_no_more(&Target::broker(patient()).await).await;
    let front_door = Target::proxy(patient().session).await;
    half_a_connection(&front_door, "<reader>", "SUB logs.> 1\r\nPING\r\n").await;
    for version in NatsVersion::ALL {
        let Some(target) = Target::nats("half_a_connection_is_none", version, DEADLINE, "") else { return };
        half_a_connection_listens_no_more(&target).await;
    }
}
