//! Our client and real servers with TLS: who trusts whom, what it says when one does not, and that lines pass.

use std::path::{Path, PathBuf};

use bus::client::{Client, Credentials, Delivery, Options, ServerAddr, Status};
use bus::dial::{Failure, dial};
use bus::tls;
use logway_tests::{DEADLINE, NatsServer, NatsVersion};

/// A certificate or key that the tests of the bus have, too.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/bus/tests/certs").join(name)
}

fn client(ca: &str, certificate: Option<&str>) -> tls::Client {
    let files = certificate.map(|certificate| (file(certificate), file("client.key")));
    let identity = files.as_ref().map(|(certificate, key)| tls::Identity { certificate, key });
    tls::Client::load(&file(ca), identity).unwrap()
}

/// A server's configuration with this certificate, and more settings of TLS.
fn config(certificate: &str, more: &str) -> String {
    let (certificate, key, ca) = (file(certificate), file("server.key"), file("ca.pem"));
    format!(
        "authorization {{ user: u, password: p }}\ntls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, {more} }}"
    )
}

fn options(server: &NatsServer, scheme: &str, tls: Option<tls::Client>) -> Options {
    Options {
        servers: vec![format!("{scheme}://localhost:{}", server.port()).parse().unwrap()],
        name: "test".to_owned(),
        credentials: Some(Credentials { user: "u".to_owned(), password: "p".to_owned() }),
        inbox_prefix: "_INBOX.test".to_owned(),
        tls,
    }
}

async fn meet(server: &NatsServer, scheme: &str, tls: Option<tls::Client>) -> Result<(), Failure> {
    let options = options(server, scheme, tls);
    dial(&options, &options.servers[0]).await.map(|_| ())
}

#[tokio::test]
async fn real_servers_with_tls_are_dialled_or_say_why_not() {
    let name = "real_servers_with_tls_are_dialled_or_say_why_not";
    let ours = || Some(client("ca.pem", None));
    let us = |certificate| Some(client("ca.pem", Some(certificate)));
    for version in NatsVersion::ALL {
        let Some(open) = NatsServer::start(name, version, &config("server.pem", "")) else { return };
        let started =
            |conf: String| NatsServer::start(name, version, &conf).expect("it was there a moment ago");
        let checks = started(config("server.pem", "verify: true"));
        let (expired, elsewhere) = (started(config("expired.pem", "")), started(config("elsewhere.pem", "")));
        let plain = started("authorization { user: u, password: p }".to_owned());
        for (server, scheme, tls, wanted) in [
            (&open, "tls", ours(), Ok(())),
            (&open, "nats", ours(), Ok(())),
            (&open, "tls", us("client.pem"), Ok(())),
            (&checks, "tls", us("client.pem"), Ok(())),
            (&plain, "nats", ours(), Ok(())),
            (&plain, "tls", ours(), Err("does not offer TLS")),
            (&open, "nats", None, Err("requires TLS")),
            (
                &open,
                "tls",
                Some(client("other-ca.pem", None)),
                Err("not signed by an authority of our CA file"),
            ),
            (&checks, "tls", ours(), Err("does not accept our certificate")),
            (&checks, "tls", us("stranger.pem"), Err("does not accept our certificate")),
            (&expired, "tls", ours(), Err("has expired")),
            (&elsewhere, "tls", ours(), Err("is not for localhost")),
        ] {
            match (meet(server, scheme, tls).await, wanted) {
                (Ok(()), Ok(())) => {}
                (Err(Failure::Refused(why)), Err(wanted)) if why.contains(wanted) => {}
                (met, wanted) => panic!("{met:?} instead of {wanted:?}, {scheme}, {version:?}"),
            }
        }
    }
}

/// From 2.10.4 on a nats-server can be told to begin with the handshake.
#[tokio::test]
async fn tls_may_come_first() {
    let conf = config("server.pem", "handshake_first: true");
    let Some(server) = NatsServer::start("tls_may_come_first", NatsVersion::Current, &conf) else { return };
    let first = client("ca.pem", None).handshake_first();
    assert_eq!(meet(&server, "tls", Some(first)).await, Ok(()));
}

#[tokio::test]
async fn lines_pass_through_tls_and_go_on_after_a_restart() {
    const COUNT: usize = 20_000;
    for version in NatsVersion::ALL {
        let name = "lines_pass_through_tls_and_go_on_after_a_restart";
        let conf = config("server.pem", "verify: true");
        let Some(mut server) = NatsServer::start(name, version, &conf) else { return };
        let client = Client::start(options(&server, "tls", Some(client("ca.pem", Some("client.pem")))));
        let mut lines = client.subscribe("lines", None).await.unwrap();
        client.connected().await.unwrap();
        client.flush().await.unwrap();
        for epoch in 1..=2 {
            let mut batch = Client::batch();
            let line = |number: usize| format!("{number:0200}");
            (0..COUNT).for_each(|number| batch.push("lines", line(number).as_bytes()));
            let receipt = client.send(batch).await.unwrap();
            for number in 0..COUNT {
                let delivery = tokio::time::timeout(DEADLINE, lines.next()).await.unwrap();
                let Some(Delivery::Message(message)) = delivery else { panic!("{delivery:?} at {number}") };
                assert_eq!(message.payload, line(number));
            }
            receipt.await.unwrap();
            if epoch == 1 {
                server.restart();
                let delivery = tokio::time::timeout(DEADLINE, lines.next()).await.unwrap();
                assert_eq!(delivery, Some(Delivery::Interrupted { epoch: 2 }));
                client.flush().await.unwrap();
            }
        }
        let Status::Connected { server: address, .. } = client.status().borrow().clone() else { panic!() };
        assert_eq!(address.parse::<ServerAddr>().unwrap(), options(&server, "tls", None).servers[0]);
        client.close().await;
    }
}
