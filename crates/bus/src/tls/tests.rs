use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::dial::Failure;

/// A file of tests/certs, whose make.sh says how they were made.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs").join(name)
}

fn client(ca: &str, identity: Option<(&str, &str)>) -> Client {
    let files = identity.map(|(certificate, key)| (file(certificate), file(key)));
    let identity = files.as_ref().map(|(certificate, key)| Identity { certificate, key });
    Client::load(&file(ca), identity).unwrap()
}

fn server(certificate: &str, client_ca: Option<&str>) -> Server {
    let identity = Identity { certificate: &file(certificate), key: &file("server.key") };
    Server::load(identity, client_ca.map(file).as_deref()).unwrap()
}

#[test]
fn files_that_will_not_do() {
    let dir = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let ca = std::fs::read(file("ca.pem")).unwrap();
    let der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (pem, key) = (file("client.pem"), file("client.key"));
    for (ca, certificate, key, wanted) in [
        (file("none.pem"), &pem, &key, "none.pem cannot be read"),
        (dir.path().to_owned(), &pem, &key, "cannot be read"),
        (written("empty", b""), &pem, &key, "empty holds no certificate"),
        (written("der", b"\x30\x82\x01\x02"), &pem, &key, "der holds no certificate"),
        (file("client.key"), &pem, &key, "client.key holds no certificate"),
        (written("cut", &ca[..ca.len() - 30]), &pem, &key, "cut is damaged PEM"),
        (
            written("odd", b"-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n"),
            &pem,
            &key,
            "odd is damaged",
        ),
        (written("no-der", der), &pem, &key, "no-der a certificate in it is damaged"),
        (written("long", &vec![b'\n'; 1024 * 1024 + 1]), &pem, &key, "long is longer than 1 MiB"),
        (file("ca.pem"), &file("none.pem"), &key, "none.pem cannot be read"),
        (file("ca.pem"), &key, &key, "client.key holds no certificate"),
        (file("ca.pem"), &written("own", der), &key, "own cannot be used"),
        (file("ca.pem"), &pem, &file("none.key"), "none.key cannot be read"),
        (file("ca.pem"), &pem, &pem, "client.pem holds no private key"),
        (file("ca.pem"), &pem, &file("encrypted.key"), "encrypted.key has a passphrase"),
        (file("ca.pem"), &pem, &file("server.key"), "server.key is not the key of the first certificate in"),
    ] {
        let identity = Identity { certificate, key };
        let as_client = Client::load(&ca, Some(identity)).unwrap_err().to_string();
        assert!(as_client.contains(wanted), "{as_client}");
        let as_server = Server::load(identity, Some(&ca)).unwrap_err().to_string();
        assert!(as_server.contains(wanted), "{as_server}");
    }
}

/// Has both ends shake hands and the server say a word, and gives what the client makes of it.
async fn meet(client: &Client, host: &str, server: &Server) -> Result<String, Failure> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = server.clone();
    let serving = tokio::spawn(async move {
        let mut stream = server.accept(far).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await
    });
    let met = async {
        let mut stream = client.connect(host, near).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said)
    };
    let met = met.await.map_err(|error| explain(host, &error));
    assert_eq!(serving.await.unwrap().is_ok(), met.is_ok());
    met
}

#[tokio::test]
async fn who_trusts_whom() {
    let us = Some(("client.pem", "client.key"));
    for (ca, identity, host, certificate, client_ca, wanted) in [
        ("ca.pem", None, "localhost", "server.pem", None, "hello"),
        ("ca.pem", None, "127.0.0.1", "server.pem", None, "hello"),
        ("ca.pem", None, "::1", "server.pem", None, "hello"),
        ("ca.pem", us, "localhost", "server.pem", None, "hello"),
        ("ca.pem", us, "localhost", "server.pem", Some("ca.pem"), "hello"),
        ("other-ca.pem", None, "localhost", "server.pem", None, "not signed by an authority of our CA file"),
        ("ca.pem", None, "localhost", "expired.pem", None, "has expired"),
        ("ca.pem", None, "localhost", "elsewhere.pem", None, "is not for localhost"),
        ("ca.pem", None, "127.0.0.2", "server.pem", None, "is not for 127.0.0.2"),
        ("ca.pem", None, "a b", "server.pem", None, "no certificate can be for \"a b\""),
        ("ca.pem", None, "localhost", "server.pem", Some("ca.pem"), "does not accept our certificate"),
        (
            "ca.pem",
            Some(("stranger.pem", "client.key")),
            "localhost",
            "server.pem",
            Some("ca.pem"),
            "does not accept our certificate",
        ),
    ] {
        let met = meet(&client(ca, identity), host, &server(certificate, client_ca)).await;
        match &met {
            Ok(said) => assert_eq!(said, wanted),
            Err(Failure::Refused(why)) => assert!(why.contains(wanted) && why.ends_with("(LB06)"), "{why}"),
            Err(Failure::Broken(why)) => panic!("{why} instead of {wanted}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_tls_is_not_for_ever() {
    let (near, mut far) = tokio::io::duplex(1024);
    far.write_all(b"INFO {\"server_id\":\"plain\"}\r\n").await.unwrap();
    let error = client("ca.pem", None).connect("localhost", near).await.unwrap_err();
    let Failure::Broken(why) = explain("localhost", &error) else { panic!("{error}") };
    assert!(why.contains("is not TLS"), "{why}");
}
