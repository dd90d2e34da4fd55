//! The task that owns the connection: connect, log in, subscribe, read and write; then all of it again, for ever.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout};

use super::subscription::Delivery;
use super::{Credentials, ServerAddr, Shared, Status};
use crate::codec::{ClientReader, ServerOp, write};

/// How long a server may take to accept, greet and let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Pause after the server refused the login.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// After so long without a byte from the server, ask whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// After so long without a byte it is dead.
const DEAD_AFTER: Duration = Duration::from_secs(60);
/// Bytes asked for in one read.
const READ_BYTES: usize = 64 * 1024;

/// Why a connection ended or never began.
enum Lost {
    /// For any reason that may pass.
    Broken(String),
    /// The server does not let us in.
    Refused(String),
}

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What we use of the server's greeting.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    tls_required: bool,
    #[serde(default = "default_max_payload")]
    max_payload: usize,
}

const fn default_max_payload() -> usize {
    1024 * 1024
}

/// A connection that is logged in.
struct Session {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    buffer: BytesMut,
    codec: ClientReader,
    max_payload: usize,
}

/// Keeps the connection until the client is closed or nobody holds it.
pub(super) async fn run(shared: Weak<Shared>) {
    let (mut epoch, mut attempts) = (0, 0);
    loop {
        let Some(strong) = shared.upgrade() else { return };
        if *strong.status.borrow() == Status::Closed {
            strong.subscriptions().clear();
            return;
        }
        let options = &strong.options;
        let turn = usize::try_from(attempts).unwrap_or(0) % options.servers.len().max(1);
        let Some(server) = options.servers.get(turn).cloned() else { return };
        attempts += 1;
        let credentials = server.credentials.clone().or_else(|| options.credentials.clone());
        let name = options.name.clone();
        drop(strong);
        let lost = match timeout(CONNECT_TIMEOUT, log_in(&server, credentials.as_ref(), &name)).await {
            Err(_) => Lost::Broken("the server did not answer in 5 seconds".to_owned()),
            Ok(Err(lost)) => lost,
            Ok(Ok(session)) => {
                (epoch, attempts) = (epoch + 1, 0);
                serve(&shared, session, &server, epoch).await
            }
        };
        let Some(strong) = shared.upgrade() else { return };
        let pause = note_loss(&strong, &server, attempts, lost);
        drop(strong);
        tokio::time::sleep(pause).await;
    }
}

/// Tells everyone that the connection is lost, and gives the pause before the next try.
fn note_loss(shared: &Shared, server: &ServerAddr, attempts: u64, lost: Lost) -> Duration {
    shared.outbox.shut();
    if *shared.status.borrow() == Status::Closed {
        return Duration::ZERO;
    }
    let (status, pause) = match lost {
        Lost::Refused(reason) => (Status::Refused { reason: format!("{server}: {reason}") }, REFUSED_PAUSE),
        Lost::Broken(why) => {
            let exponent = u32::try_from(attempts.min(8)).unwrap_or(8);
            let longest = MAX_PAUSE.min(Duration::from_millis(10) * 2u32.pow(exponent));
            // Half of it at random, so that a server that comes back is not met by everyone at once.
            let pause =
                if attempts == 0 { Duration::ZERO } else { longest.mul_f64(0.5 + fastrand::f64() / 2.0) };
            (Status::Connecting { attempts, last_error: Some(format!("{server}: {why}")) }, pause)
        }
    };
    shared.status.send_replace(status);
    pause
}

/// Connects, reads the greeting, logs in, and waits for the first PONG.
async fn log_in(server: &ServerAddr, credentials: Option<&Credentials>, name: &str) -> Result<Session, Lost> {
    let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let buffer = BytesMut::with_capacity(READ_BYTES);
    let mut session = Session { reader, writer, buffer, codec: ClientReader::default(), max_payload: 0 };
    let ServerOp::Info(info) = session.next().await? else {
        return Err(Lost::Broken("this is not a NATS server: it does not begin with INFO".to_owned()));
    };
    let info: Info =
        serde_json::from_slice(&info).map_err(|why| Lost::Broken(format!("its INFO is no JSON: {why}")))?;
    if info.tls_required {
        return Err(Lost::Refused("the server requires TLS, which is not supported yet (LB04)".to_owned()));
    }
    session.max_payload = info.max_payload;
    let mut hello = Vec::new();
    write::connect(&mut hello, &connect_json(credentials, name));
    hello.extend_from_slice(b"PING\r\n");
    session.writer.write_all(&hello).await?;
    loop {
        match session.next().await? {
            ServerOp::Pong => return Ok(session),
            ServerOp::Err(text) => return Err(refusal(&String::from_utf8_lossy(&text))),
            _ => {}
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

/// Whether an error of the server is about the login.
fn refusal(text: &str) -> Lost {
    let lower = text.to_ascii_lowercase();
    if ["authorization", "authentication expired", "authentication revoked"].iter().any(|w| lower.contains(w))
    {
        Lost::Refused(text.to_owned())
    } else {
        Lost::Broken(text.to_owned())
    }
}

impl Session {
    /// The next verb, during the login.
    async fn next(&mut self) -> Result<ServerOp, Lost> {
        loop {
            match self.codec.next(&mut self.buffer) {
                Ok(Some(op)) => return Ok(op),
                Ok(None) => {}
                Err(why) => return Err(Lost::Broken(format!("it does not speak NATS: {why}"))),
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Err(Lost::Broken("the server closed the connection".to_owned()));
            }
        }
    }
}

/// Serves a connection until it is lost.
async fn serve(shared: &Weak<Shared>, session: Session, server: &ServerAddr, epoch: u64) -> Lost {
    let outbox = {
        let Some(strong) = shared.upgrade() else { return Lost::Broken("closed".to_owned()) };
        resubscribe(&strong, epoch).await;
        if *strong.status.borrow() == Status::Closed {
            return Lost::Broken("closed".to_owned());
        }
        let max_payload = session.max_payload;
        strong.status.send_replace(Status::Connected { server: server.to_string(), max_payload, epoch });
        Arc::clone(&strong.outbox)
    };
    let Session { mut reader, mut writer, mut buffer, mut codec, .. } = session;
    let reading = async {
        let mut heard = Instant::now();
        loop {
            loop {
                match codec.next(&mut buffer) {
                    Ok(Some(op)) => {
                        if let Some(lost) = handle(shared, op).await {
                            return lost;
                        }
                    }
                    Ok(None) => break,
                    Err(why) => return Lost::Broken(format!("it does not speak NATS: {why}")),
                }
            }
            buffer.reserve(READ_BYTES);
            match timeout(KEEPALIVE, reader.read_buf(&mut buffer)).await {
                Ok(Ok(0)) => return Lost::Broken("the server closed the connection".to_owned()),
                Ok(Ok(_)) => heard = Instant::now(),
                Ok(Err(error)) => return error.into(),
                Err(_) if heard.elapsed() >= DEAD_AFTER => {
                    return Lost::Broken("the server fell silent".to_owned());
                }
                Err(_) => match shared.upgrade() {
                    Some(strong) => strong.outbox.push_now(b"PING\r\n", true),
                    None => return Lost::Broken("closed".to_owned()),
                },
            }
        }
    };
    let writing = async {
        let mut bytes = Vec::new();
        while outbox.take(&mut bytes).await {
            if let Err(error) = writer.write_all(&bytes).await {
                return error.into();
            }
        }
        let _ = writer.shutdown().await;
        Lost::Broken("closed".to_owned())
    };
    tokio::select! { lost = reading => lost, lost = writing => lost }
}

/// Marks the interruption on every subscription, in order behind what came before it, and has them all subscribed anew.
async fn resubscribe(shared: &Shared, epoch: u64) {
    let entries: Vec<_> = shared.subscriptions().iter().map(|(sid, entry)| (*sid, entry.clone())).collect();
    if epoch > 1 {
        for (_, entry) in &entries {
            entry.tell(Delivery::Interrupted { epoch }).await;
        }
    }
    // The table is locked while the queue opens: a subscription that comes later finds the queue open and writes itself.
    let subscriptions = shared.subscriptions();
    let mut bytes = Vec::new();
    for (sid, entry) in subscriptions.iter() {
        write::sub(&mut bytes, &entry.pattern, entry.queue.as_deref(), *sid);
    }
    shared.outbox.open(bytes);
}

async fn handle(shared: &Weak<Shared>, op: ServerOp) -> Option<Lost> {
    let Some(shared) = shared.upgrade() else { return Some(Lost::Broken("closed".to_owned())) };
    match op {
        ServerOp::Msg(message) => {
            let sid = std::str::from_utf8(&message.sid).ok().and_then(|text| text.parse().ok());
            let entry = sid.and_then(|sid: u64| shared.subscriptions().get(&sid).cloned());
            if let Some(entry) = entry {
                drop(shared);
                entry.deliver(message).await;
            }
        }
        ServerOp::Ping => shared.outbox.push_now(b"PONG\r\n", false),
        ServerOp::Pong => {
            shared.outbox.answered();
        }
        ServerOp::Err(text) => return note_error(&shared, &text).await,
        ServerOp::Info(_) | ServerOp::Ok => {}
    }
    None
}

/// An error of the server in mid-session. Only one about the login ends the session from our side; for all others the
/// server closes, or it does not.
async fn note_error(shared: &Shared, text: &Bytes) -> Option<Lost> {
    let text = String::from_utf8_lossy(text).into_owned();
    if text.starts_with("Permissions Violation for Publish") {
        shared.violations.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tracing::warn!(reason = %text, "the bus refused a message");
    } else if let Some(rest) = text.strip_prefix("Permissions Violation for Subscription to \"") {
        let pattern = rest.split('"').next().unwrap_or_default();
        let denied: Vec<_> = {
            let mut subscriptions = shared.subscriptions();
            let of_pattern = |e: &super::Entry| &*e.pattern == pattern;
            let sids: Vec<u64> =
                subscriptions.iter().filter(|(_, e)| of_pattern(e)).map(|(sid, _)| *sid).collect();
            sids.iter().filter_map(|sid| subscriptions.remove(sid)).collect()
        };
        for entry in denied {
            entry.tell(Delivery::Denied { reason: text.clone() }).await;
        }
    } else if let refused @ Lost::Refused(_) = refusal(&text) {
        return Some(refused);
    } else {
        tracing::warn!(reason = %text, "the bus reported an error");
    }
    None
}
