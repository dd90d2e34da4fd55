//! From an address to a connection that is logged in: connect, INFO, TLS, CONNECT, PING, PONG.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Credentials, Options, ServerAddr};
use crate::codec::{ClientReader, ServerOp, write};
use crate::tls;

mod stream;

pub use stream::{Reader, Writer};

/// How long a server may take to accept, greet, shake hands and let us in, all together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Room for what is read. A session goes on with the same buffer.
const READ_BYTES: usize = 64 * 1024;

/// Why there is no connection, or why one ended. The text ends with what to do where there is something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// For any reason that may pass by itself.
    Broken(String),
    /// The server does not let us in, or we do not trust it: it takes a person to mend that.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Broken(why) | Self::Refused(why)) = self;
        f.write_str(why)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// A connection that is logged in: the server has answered the PING behind our CONNECT.
#[derive(Debug)]
pub struct Dialed {
    /// What the server sends.
    pub reader: Reader,
    /// What goes to the server. It may keep bytes until it is flushed.
    pub writer: Writer,
    /// What was read beyond the login.
    pub buffer: BytesMut,
    /// The reader of the server's verbs, in the middle of the stream.
    pub codec: ClientReader,
    /// The longest message that the server takes, in bytes.
    pub max_payload: usize,
    /// The server's address, as a person reads it.
    pub server: String,
}

/// What we use of the server's greeting.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    tls_available: bool,
    #[serde(default = "default_max_payload")]
    max_payload: usize,
}

const fn default_max_payload() -> usize {
    1024 * 1024
}

/// Connects to `server` and logs in with its credentials, else those of `options`. Takes 5 seconds at most.
///
/// `tls://` means TLS or nothing. With `nats://` the server decides: we encrypt if it asks for or offers TLS and `options` have
/// what it takes. Whoever may sit on the way can take that offer out, so an operator with TLS writes `tls://`.
pub async fn dial(options: &Options, server: &ServerAddr) -> Result<Dialed, Failure> {
    timeout(TIMEOUT, log_in(options, server))
        .await
        .unwrap_or_else(|_| Err(Failure::Broken("the server did not answer in 5 seconds".to_owned())))
}

async fn log_in(options: &Options, server: &ServerAddr) -> Result<Dialed, Failure> {
    if server.is_tls && options.tls.is_none() {
        return Err(refused("tls:// needs the file of the CA that signed the server's certificate (LB04)"));
    }
    let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
    stream.set_nodelay(true)?;
    let mut greeting = Greeting::new(stream);
    let first = options.tls.as_ref().filter(|tls| tls.is_first());
    if let Some(tls) = first {
        greeting = greeting.upgrade(tls, server).await?;
    }
    let info = greeting.info(server).await?;
    if first.is_none() && wants_tls(&info, options, server)? {
        // There are options: else it would have been an error.
        let Some(tls) = &options.tls else { return Err(refused("the server requires TLS (LB04)")) };
        greeting = greeting.upgrade(tls, server).await?;
    }
    greeting.enter(options, server).await?;
    let Greeting { reader, writer, buffer, codec } = greeting;
    Ok(Dialed { reader, writer, buffer, codec, max_payload: info.max_payload, server: server.to_string() })
}

/// Whether to go on with TLS, by what the server says, what the operator gave us, and what the address asks for.
fn wants_tls(info: &Info, options: &Options, server: &ServerAddr) -> Result<bool, Failure> {
    match (info.tls_required, info.tls_available, &options.tls) {
        (true, _, None) => Err(refused(
            "the server requires TLS: give the file of the CA that signed its certificate, and write tls:// (LB04)",
        )),
        (true, ..) => Ok(true),
        (false, true, tls) => Ok(tls.is_some()),
        (false, false, _) if server.is_tls => {
            Err(refused("the server does not offer TLS: dial its TLS port, or write nats:// (LB04)"))
        }
        (false, false, _) => Ok(false),
    }
}

/// A connection during the login.
struct Greeting {
    reader: Reader,
    writer: Writer,
    buffer: BytesMut,
    codec: ClientReader,
}

impl Greeting {
    fn new(stream: TcpStream) -> Self {
        let (reader, writer) = stream::plain(stream);
        Self { reader, writer, buffer: BytesMut::with_capacity(READ_BYTES), codec: ClientReader::default() }
    }

    /// Goes on with TLS. What came before the handshake in the clear is not taken: it could be anybody's.
    async fn upgrade(self, tls: &tls::Client, server: &ServerAddr) -> Result<Self, Failure> {
        if !self.buffer.is_empty() {
            return Err(Failure::Broken("the server went on in the clear where TLS was to begin".to_owned()));
        }
        let Some(stream) = stream::reunite(self.reader, self.writer) else {
            return Err(Failure::Broken("the connection speaks TLS already".to_owned()));
        };
        let stream = tls.connect(&server.host, stream).await;
        let (reader, writer) = stream::encrypted(stream.map_err(|error| tls::explain(&server.host, &error))?);
        Ok(Self { reader, writer, ..self })
    }

    /// Reads the server's greeting.
    async fn info(&mut self, server: &ServerAddr) -> Result<Info, Failure> {
        let ServerOp::Info(info) = self.next(server).await? else {
            return Err(Failure::Broken("this is not a NATS server: it does not begin with INFO".to_owned()));
        };
        serde_json::from_slice(&info).map_err(|why| Failure::Broken(format!("its INFO is no JSON: {why}")))
    }

    /// Logs in, and waits for the first PONG.
    async fn enter(&mut self, options: &Options, server: &ServerAddr) -> Result<(), Failure> {
        let credentials = server.credentials.as_ref().or(options.credentials.as_ref());
        let mut hello = Vec::new();
        write::connect(&mut hello, &connect_json(credentials, &options.name));
        hello.extend_from_slice(b"PING\r\n");
        let sent = async {
            self.writer.write_all(&hello).await?;
            self.writer.flush().await
        };
        // A server that hung up may have said why.
        let sent = sent.await;
        loop {
            match self.next(server).await {
                Ok(ServerOp::Pong) => return Ok(()),
                Ok(ServerOp::Err(text)) => return Err(refusal(&String::from_utf8_lossy(&text))),
                Ok(_) => {}
                Err(refused @ Failure::Refused(_)) => return Err(refused),
                Err(broken) => return Err(sent.err().map_or(broken, Failure::from)),
            }
        }
    }

    /// The next verb.
    async fn next(&mut self, server: &ServerAddr) -> Result<ServerOp, Failure> {
        loop {
            match self.codec.next(&mut self.buffer) {
                Ok(Some(op)) => return Ok(op),
                Ok(None) => {}
                Err(why) => return Err(Failure::Broken(format!("it does not speak NATS: {why}"))),
            }
            // A server that does not like our certificate may say so only now.
            let count = self.reader.read_buf(&mut self.buffer).await;
            if count.map_err(|error| tls::explain(&server.host, &error))? == 0 {
                return Err(Failure::Broken("the server closed the connection".to_owned()));
            }
        }
    }
}

fn connect_json(credentials: Option<&Credentials>, name: &str) -> String {
    let mut json = serde_json::json!({
        "verbose": false, "pedantic": false, "echo": true, "protocol": 1, "headers": true, "no_responders": true,
        "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": name,
    });
    if let Some(Credentials { user, password }) = credentials {
        json["user"] = user.as_str().into();
        json["pass"] = password.as_str().into();
    }
    json.to_string()
}

fn refused(why: &str) -> Failure {
    Failure::Refused(why.to_owned())
}

/// What an error of the server means: whether it is about the login.
pub(crate) fn refusal(text: &str) -> Failure {
    let lower = text.to_ascii_lowercase();
    if ["authorization", "authentication expired", "authentication revoked"].iter().any(|w| lower.contains(w))
    {
        Failure::Refused(text.to_owned())
    } else {
        Failure::Broken(text.to_owned())
    }
}
