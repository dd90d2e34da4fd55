//! How connections come: encrypted or not, and past a balancer.

use std::path::{Path, PathBuf};

use bus::client::{Client, Credentials, Delivery, Options};
use bus::session::{Tls, TlsWhen};
use bus::tls;
use tokio::net::TcpStream;

use crate::support::{Broker, Front, Raw, World, connect, soon};

/// The bus has certificates for its tests.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bus/tests/certs").join(name)
}

fn server(when: TlsWhen) -> Tls {
    let (certificate, key) = (file("server.pem"), file("server.key"));
    let identity = tls::Identity { certificate: &certificate, key: &key };
    Tls { server: tls::Server::load(identity, None).unwrap(), when }
}

async fn front(broker: &Broker, world: &World, when: TlsWhen) -> Front {
    Front::start_with(broker, world, |config| config.listen.tls = Some(server(when))).await
}

/// A subscriber that hears a line over TLS.
async fn hears(broker: &Broker, front: &Front, world: &World, tls: Option<tls::Client>) {
    let scheme = if tls.is_some() { "tls" } else { "nats" };
    let client = Client::start(Options {
        servers: vec![format!("{scheme}://localhost:{}", front.address.port()).parse().unwrap()],
        name: "test".to_owned(),
        credentials: Some(Credentials { user: "acme".to_owned(), password: world.token("k3f9") }),
        inbox_prefix: "_INBOX".to_owned(),
        tls,
    });
    soon(client.connected()).await.unwrap();
    let mut lines = soon(client.subscribe("logs.>", None)).await.unwrap();
    let agent = broker.agent().await;
    agent.publish("o.k3f9.logs.web.lhr.i1", None, b"hello").await.unwrap();
    let Some(Delivery::Message(message)) = soon(lines.next()).await else { panic!("nothing came") };
    assert_eq!((&message.subject[..], &message.payload[..]), (&b"logs.web.lhr.i1"[..], &b"hello"[..]));
}

#[tokio::test]
async fn encrypted_after_the_greeting_or_before_it() {
    let (broker, world) = (Broker::start().await, World::new());
    let trust = || tls::Client::load(&file("ca.pem"), None).unwrap();
    let offered = front(&broker, &world, TlsWhen::Offered).await;
    hears(&broker, &offered, &world, Some(trust())).await;
    hears(&broker, &offered, &world, None).await;
    let required = front(&broker, &world, TlsWhen::Required).await;
    hears(&broker, &required, &world, Some(trust())).await;
    let mut raw = required.greeted().await;
    raw.send(connect("acme", &world.token("k3f9"))).await;
    assert_eq!(raw.rest().await, "-ERR 'Secure Connection - TLS Required'\r\n");
    let first = front(&broker, &world, TlsWhen::First).await;
    hears(&broker, &first, &world, Some(trust().handshake_first())).await;
}

#[tokio::test]
async fn what_is_said_in_the_greeting() {
    let (broker, world) = (Broker::start().await, World::new());
    for (when, wanted) in [
        (Some(TlsWhen::Offered), [false, true]),
        (Some(TlsWhen::Required), [true, false]),
        (None, [false, false]),
    ] {
        let front = Front::start_with(&broker, &world, |config| config.listen.tls = when.map(server)).await;
        let info = Raw::connect(front.address).await.line().await;
        assert_eq!(["tls_required", "tls_available"].map(|key| info.contains(key)), wanted, "{info}");
        // Nothing tells of the inside.
        for word in ["127.0.0.1", "k3f9", "connect_urls", "cluster", "git_commit"] {
            assert!(!info.contains(word), "{word} in {info}");
        }
    }
}

/// The header of a balancer, for a connection from this address.
fn header(from: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = from;
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[a, b, c, d, 10, 0, 0, 1, 0x1f, 0x90, 0, 80]].concat()
}

#[tokio::test]
async fn behind_a_balancer_the_address_is_what_it_says() {
    let (broker, world) = (Broker::start().await, World::new());
    let front = Front::start_with(&broker, &world, |config| {
        config.listen.proxy_protocol = true;
        config.limits.connections_per_address = 1;
    })
    .await;
    let arrive = async |bytes: &[u8]| {
        let mut raw = Raw::over(TcpStream::connect(front.address).await.unwrap());
        for byte in bytes {
            raw.send([*byte]).await;
        }
        raw
    };
    let mut first = arrive(&header([10, 9, 8, 7])).await;
    assert!(first.line().await.starts_with("INFO "));
    first.send(connect("acme", &world.token("k3f9"))).await;
    first.flush().await;
    let mut other = arrive(&header([10, 9, 8, 6])).await;
    assert!(other.line().await.starts_with("INFO "));
    // One from there is open.
    assert_eq!(arrive(&header([10, 9, 8, 7])).await.rest().await, "");
    // Who does not say it is closed.
    let mut raw = Raw::over(TcpStream::connect(front.address).await.unwrap());
    raw.send(connect("acme", &world.token("k3f9"))).await;
    let mut closed = Vec::new();
    // With a reset, if what it said was not all read.
    let _ = soon(tokio::io::AsyncReadExt::read_to_end(&mut raw.stream, &mut closed)).await;
    assert_eq!(closed, b"");
}
