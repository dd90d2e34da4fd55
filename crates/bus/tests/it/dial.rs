//! Dialling: in the clear, with TLS after INFO, with TLS first, and what it says when it comes to nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bus::client::{Options, ServerAddr};
use bus::dial::{Dialed, Failure, dial};
use bus::roles::Role;
use bus::tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::soon;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs").join(name)
}

fn client(ca: &str, identity: Option<(&str, &str)>) -> tls::Client {
    let files = identity.map(|(certificate, key)| (file(certificate), file(key)));
    let identity = files.as_ref().map(|(certificate, key)| tls::Identity { certificate, key });
    tls::Client::load(&file(ca), identity).unwrap()
}

/// A server of the tests: what it says in the clear, and with which certificate it goes on.
#[derive(Clone, Copy)]
struct Script {
    greeting: &'static str,
    certificate: Option<&'static str>,
    client_ca: Option<&'static str>,
    is_tls_first: bool,
}

/// Says that TLS is required.
const REQUIRED: &str = "INFO {\"tls_required\":true,\"max_payload\":77}\r\n";
/// Says that it may be had.
const AVAILABLE: &str = "INFO {\"tls_available\":true}\r\n";
const PLAIN: &str = "INFO {\"auth_required\":true}\r\n";

const fn script(greeting: &'static str, certificate: Option<&'static str>) -> Script {
    Script { greeting, certificate, client_ca: None, is_tls_first: false }
}

/// Serves one client by the script, and gives whether it logged in encrypted.
async fn serve(listener: TcpListener, script: Script) -> std::io::Result<bool> {
    let (mut stream, _) = listener.accept().await?;
    if !script.is_tls_first {
        stream.write_all(script.greeting.as_bytes()).await?;
    }
    // A client that goes on in the clear begins with the C of CONNECT, one that wants TLS with the byte of its record.
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0] == b'C' {
        return let_in(stream).await.map(|()| false);
    }
    let identity = tls::Identity {
        certificate: &file(script.certificate.unwrap_or("server.pem")),
        key: &file("server.key"),
    };
    let server = tls::Server::load(identity, script.client_ca.map(file).as_deref()).unwrap();
    let mut stream = server.accept(stream).await?;
    if script.is_tls_first {
        stream.write_all(script.greeting.as_bytes()).await?;
    }
    let_in(stream).await.map(|()| true)
}

async fn let_in(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut heard = Vec::new();
    while !heard.ends_with(b"PING\r\n") {
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    assert!(heard.starts_with(b"CONNECT {"), "{heard:?}");
    stream.write_all(b"PONG\r\nMSG a 1 2\r\nhi\r\n").await?;
    stream.flush().await?;
    // Until the client hangs up, which with TLS it may do without a word.
    let _ = stream.read_to_end(&mut heard).await;
    Ok(())
}

fn options(address: SocketAddr, tls: Option<tls::Client>) -> Options {
    Options { tls, ..crate::support::options(address, Role::Api) }
}

/// Dials a server with this script, and gives whether the login was encrypted.
async fn meet(script: Script, scheme: &str, tls: Option<tls::Client>) -> Result<bool, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, script));
    let server: ServerAddr = format!("{scheme}://localhost:{}", address.port()).parse().unwrap();
    let dialed = soon(dial(&options(address, tls), &server)).await;
    let Ok(Dialed { reader, mut writer, mut buffer, mut codec, server: name, .. }) = dialed else {
        serving.abort();
        return dialed.map(|_| false);
    };
    assert_eq!(name, server.to_string());
    // What came behind the PONG is not lost.
    let mut reader = reader;
    while buffer.len() < b"MSG a 1 2\r\nhi\r\n".len() {
        soon(reader.read_buf(&mut buffer)).await.unwrap();
    }
    assert!(codec.next(&mut buffer).unwrap().is_some() && buffer.is_empty());
    soon(writer.shutdown()).await.unwrap();
    drop((reader, writer));
    Ok(soon(serving).await.unwrap().unwrap())
}

#[tokio::test]
async fn who_asks_for_tls_and_who_gets_it() {
    let tls = || Some(client("ca.pem", None));
    let first = || tls().map(tls::Client::handshake_first);
    let is_first = Script { is_tls_first: true, ..script(REQUIRED, None) };
    for (script, scheme, tls, is_encrypted) in [
        (script(PLAIN, None), "nats", None, false),
        (script(PLAIN, None), "nats", tls(), false),
        (script(AVAILABLE, None), "nats", None, false),
        (script(AVAILABLE, None), "nats", tls(), true),
        (script(AVAILABLE, None), "tls", tls(), true),
        (script(REQUIRED, None), "nats", tls(), true),
        (script(REQUIRED, None), "tls", tls(), true),
        (is_first, "tls", first(), true),
        (is_first, "nats", first(), true),
    ] {
        let text = format!("{scheme} {tls:?} {}", script.greeting);
        assert_eq!(meet(script, scheme, tls).await, Ok(is_encrypted), "{text}");
    }
}

#[tokio::test]
async fn what_comes_to_nothing_says_why() {
    let tls = || Some(client("ca.pem", None));
    let us = |certificate| Some(client("ca.pem", Some((certificate, "client.key"))));
    let asks = Script { client_ca: Some("ca.pem"), ..script(REQUIRED, None) };
    assert_eq!(meet(asks, "tls", us("client.pem")).await, Ok(true));
    for (script, scheme, tls, wanted, is_refused) in [
        (script(REQUIRED, None), "nats", None, "the server requires TLS", true),
        (script(REQUIRED, None), "tls", None, "tls:// needs the file of the CA", true),
        (script(PLAIN, None), "tls", tls(), "the server does not offer TLS", true),
        (
            script(REQUIRED, None),
            "nats",
            Some(client("other-ca.pem", None)),
            "not signed by an authority",
            true,
        ),
        (script(REQUIRED, Some("expired.pem")), "nats", tls(), "has expired", true),
        (script(REQUIRED, Some("elsewhere.pem")), "nats", tls(), "is not for localhost", true),
        (asks, "nats", tls(), "does not accept our certificate", true),
        (asks, "nats", us("stranger.pem"), "does not accept our certificate", true),
        // Somebody on the way may have added what stands behind the greeting.
        (
            script("INFO {\"tls_required\":true}\r\nPONG\r\n", None),
            "nats",
            tls(),
            "in the clear where TLS",
            false,
        ),
    ] {
        let failure = meet(script, scheme, tls).await.unwrap_err();
        assert!(failure.to_string().contains(wanted), "{failure} instead of {wanted}");
        assert_eq!(matches!(failure, Failure::Refused(_)), is_refused, "{failure}");
    }
}

/// A server that takes no handshake, or says nothing at all, is waited for no longer than five seconds.
#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for() {
    for (greeting, tls) in [
        ("", None),
        ("INFO {\"tls_required\":true}\r\n", Some(client("ca.pem", None))),
        ("", Some(client("ca.pem", None).handshake_first())),
        ("INFO {}\r\n", None),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let (mut stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting.as_bytes()).await.unwrap();
            stream
        });
        let failure = dial(&options(address, tls), &address.into()).await.unwrap_err();
        assert_eq!(failure, Failure::Broken("the server did not answer in 5 seconds".to_owned()));
        drop(accepting.await);
    }
}
