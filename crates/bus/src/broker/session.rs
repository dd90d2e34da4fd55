//! One client's connection: greet, log in, then read verbs and write what waits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Duration, Instant, timeout};

use super::Stats;
use super::hub::{Hub, Origin, Peer, Sub, Touched};
use super::login::{self, Connect};
use super::outgoing::{MAX_ANSWER_BYTES, Outbound, Outgoing};
use super::writer::write_out;
use crate::codec::{ClientOp, ProtocolError, ServerReader, write};
use crate::roles::Role;
use crate::subject::{self, quoted};

/// Bytes asked for in one read.
const READ_BYTES: usize = 64 * 1024;
/// PINGs without an answer after which a client is cut.
const MAX_PINGS_OUT: u32 = 2;
/// How long a client that is told why it is cut may take to read it.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Counts a connection for as long as it lives, whichever way it ends.
struct Counted(Arc<Stats>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves one connection to its end.
pub(super) async fn run(hub: Arc<Hub>, stream: TcpStream, peer: SocketAddr) {
    let open = hub.stats.connections.fetch_add(1, Ordering::Relaxed);
    let _counted = Counted(Arc::clone(&hub.stats));
    // Frames are small and already gathered; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let max_connections = hub.config.max_connections as u64;
    if open >= max_connections {
        // Of very many that come too much, not even the last word is kept open for.
        if open < max_connections.saturating_mul(2) {
            refuse(&hub, &mut reader, &mut writer).await;
        }
        return;
    }
    if serve(&hub, &mut reader, writer, peer).await {
        linger(&mut reader).await;
    }
}

/// Tells a client that there are too many.
async fn refuse(hub: &Hub, reader: &mut OwnedReadHalf, writer: &mut OwnedWriteHalf) {
    let mut hello = Vec::new();
    write::info(&mut hello, &info(hub, hub.next_id()));
    write::error(&mut hello, "maximum connections exceeded");
    let _ = timeout(LAST_WORD, writer.write_all(&hello)).await;
    let _ = writer.shutdown().await;
    linger(reader).await;
}

/// Reads what the client still sends, and forgets it. A socket that is closed with unread bytes sends a reset, which takes
/// the last word from the client before it was read.
async fn linger(reader: &mut OwnedReadHalf) {
    let mut scratch = vec![0; 16 * 1024];
    let drain = async { while matches!(reader.read(&mut scratch).await, Ok(count) if count > 0) {} };
    let _ = timeout(LAST_WORD, drain).await;
}

/// Greets, logs in and serves. `true` if the client was sent a last word that it may not have read yet.
async fn serve(
    hub: &Arc<Hub>,
    reader: &mut OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    from: SocketAddr,
) -> bool {
    let id = hub.next_id();
    let mut hello = Vec::new();
    write::info(&mut hello, &info(hub, id));
    if writer.write_all(&hello).await.is_err() {
        return false;
    }
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let mut codec = ServerReader::new(hub.config.limits);
    let login = tokio::select! {
        login = timeout(hub.config.login_timeout, log_in(hub, reader, &mut buffer, &mut codec)) => login,
        () = hub.ended() => return false,
    };
    let (connect, role) = match login.unwrap_or(Err(Some("Authentication Timeout"))) {
        Ok(login) => login,
        Err(why) => {
            hub.stats.refused_logins.fetch_add(1, Ordering::Relaxed);
            say_goodbye(&mut writer, why).await;
            return why.is_some();
        }
    };
    tracing::debug!(client = id, %role, %from, "bus client logged in");
    let peer = Arc::new(Peer::new(id, role, connect.headers));
    let mut session = Session::new(Arc::clone(hub), Arc::clone(&peer), connect);
    let reading = session.read(reader, buffer, codec);
    let writing = write_out(hub, &peer, writer);
    tokio::pin!(reading, writing);
    tokio::select! {
        is_cut = &mut reading => {
            peer.change(Outgoing::end_soon);
            let _ = timeout(LAST_WORD, writing).await;
            is_cut
        }
        () = &mut writing => false,
        () = hub.ended() => {
            peer.change(Outgoing::end);
            writing.await;
            true
        }
    }
}

fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// The greeting. It tells nothing of the host, and claims no more than core NATS.
fn info(hub: &Hub, id: u64) -> String {
    serde_json::json!({
        "server_id": "LOGWAY", "server_name": "logway", "version": "2.10.0", "proto": 1, "headers": true,
        "auth_required": true, "max_payload": hub.config.limits.payload_bytes, "client_id": id,
        "host": "0.0.0.0", "port": 4222, "go": "",
    })
    .to_string()
}

/// Reads until the login. The error is the last word, if there is one.
async fn log_in(
    hub: &Hub,
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    codec: &mut ServerReader,
) -> Result<(Connect, Role), Option<&'static str>> {
    loop {
        match codec.next(buffer) {
            Ok(Some(ClientOp::Connect(json))) => return login::read(&json, &hub.config.users).map_err(Some),
            Ok(Some(ClientOp::Ignored)) => {}
            Err(ProtocolError::ControlLine) => return Err(Some("maximum control line exceeded")),
            // Whatever else comes before the login gets the same answer, be it HTTP, TLS or a verb.
            Ok(Some(_)) | Err(_) => return Err(Some(login::VIOLATION)),
            Ok(None) if codec.awaits_payload() => return Err(Some(login::VIOLATION)),
            Ok(None) => match reader.read_buf(buffer).await {
                Ok(count) if count > 0 => {}
                _ => return Err(None),
            },
        }
    }
}

async fn say_goodbye(writer: &mut OwnedWriteHalf, why: Option<&str>) {
    let mut bytes = Vec::new();
    if let Some(why) = why {
        write::error(&mut bytes, why);
    }
    let _ = timeout(LAST_WORD, writer.write_all(&bytes)).await;
    let _ = writer.shutdown().await;
}

/// The reading side of a client that is logged in.
struct Session {
    hub: Arc<Hub>,
    peer: Arc<Peer>,
    connect: Connect,
    subs: HashMap<Bytes, Arc<Sub>>,
    /// The last subject that it was found to be allowed to publish on: the next is mostly the same.
    last_allowed: Bytes,
    now: Instant,
    pings_out: u32,
}

/// Whether to read on.
enum Next {
    Go,
    Stop,
}

impl Session {
    fn new(hub: Arc<Hub>, peer: Arc<Peer>, connect: Connect) -> Self {
        let (subs, now) = (HashMap::new(), Instant::now());
        if connect.verbose {
            peer.answer(now, ok);
        }
        Self { hub, peer, connect, subs, last_allowed: Bytes::new(), now, pings_out: 0 }
    }

    /// Reads verbs until the client is gone (`false`) or must go (`true`).
    async fn read(
        &mut self,
        reader: &mut OwnedReadHalf,
        mut buffer: BytesMut,
        mut codec: ServerReader,
    ) -> bool {
        let mut touched = Touched::default();
        loop {
            self.now = Instant::now();
            let next = self.handle_all(&mut buffer, &mut codec, &mut touched);
            touched.wake();
            if matches!(next, Next::Stop) {
                return true;
            }
            if std::mem::take(&mut touched.is_deep) {
                // A reader that is only waiting for its turn must not be taken for a slow one.
                tokio::task::yield_now().await;
            }
            self.hub.wait_for_readers(&mut touched).await;
            self.wait_for_answer_room().await;
            buffer.reserve(READ_BYTES);
            match timeout(self.hub.config.ping_interval, reader.read_buf(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => self.pings_out = 0,
                Ok(_) => return false,
                Err(_) if self.pings_out >= MAX_PINGS_OUT => {
                    self.last_word("Stale Connection");
                    return true;
                }
                Err(_) => {
                    self.pings_out += 1;
                    self.peer.urgent(|out| out.extend_from_slice(b"PING\r\n"));
                }
            }
        }
    }

    /// Handles every whole verb that was read.
    fn handle_all(&mut self, buffer: &mut BytesMut, codec: &mut ServerReader, touched: &mut Touched) -> Next {
        loop {
            match codec.next(buffer) {
                Ok(Some(op)) => {
                    if matches!(self.handle(op, touched), Next::Stop) {
                        return Next::Stop;
                    }
                }
                Ok(None) => return Next::Go,
                Err(why) => return self.last_word(&why.to_string()),
            }
        }
    }

    /// A client that sends PINGs and does not read the answers is not read either.
    async fn wait_for_answer_room(&self) {
        loop {
            let drained = self.peer.drained.notified();
            if self.peer.outgoing().answer_bytes() < MAX_ANSWER_BYTES {
                return;
            }
            drained.await;
        }
    }

    /// Tells the client why it is cut.
    fn last_word(&self, text: &str) -> Next {
        self.peer.change(|outgoing| outgoing.end_with(Instant::now(), |out| write::error(out, text)));
        Next::Stop
    }

    fn handle(&mut self, op: ClientOp, touched: &mut Touched) -> Next {
        match op {
            ClientOp::Publish { subject, reply, headers, payload } => {
                return self.publish(&subject, reply, headers, &payload, touched);
            }
            ClientOp::Subscribe { subject, queue, sid } => self.subscribe(&subject, queue, &sid),
            ClientOp::Unsubscribe { sid, max } => self.unsubscribe(&sid, max),
            ClientOp::Ping => self.peer.answer(self.now, |out| out.extend_from_slice(b"PONG\r\n")),
            ClientOp::Connect(json) => return self.connect_again(&json),
            ClientOp::Pong | ClientOp::Ignored => {}
            ClientOp::Hangup => return Next::Stop,
        }
        Next::Go
    }

    /// A second CONNECT may change how the client is spoken to, never who it is.
    fn connect_again(&mut self, json: &[u8]) -> Next {
        match login::read(json, &self.hub.config.users) {
            Ok((connect, _))
                if connect.user == self.connect.user && connect.headers == self.connect.headers =>
            {
                self.connect = connect;
                self.say_ok();
                Next::Go
            }
            Ok(_) => self.last_word(login::VIOLATION),
            Err(why) => self.last_word(why),
        }
    }

    fn say_ok(&self) {
        if self.connect.verbose {
            self.peer.answer(self.now, ok);
        }
    }

    fn violation(&self, text: &str) {
        self.hub.stats.violations.fetch_add(1, Ordering::Relaxed);
        self.peer.answer(self.now, |out| write::error(out, text));
    }

    fn subscribe(&mut self, pattern: &Bytes, queue: Option<Bytes>, sid: &Bytes) {
        let is_allowed = subject::is_pattern(pattern) && self.peer.role.allows_subscribe(pattern);
        if is_allowed {
            self.forget_ended(sid);
            if self.subs.contains_key(sid) {
                return self.say_ok();
            }
            if self.subs.len() >= self.hub.config.max_subscriptions {
                self.subs.retain(|_, sub| !sub.has_ended());
            }
        }
        if !is_allowed || self.subs.len() >= self.hub.config.max_subscriptions {
            let group = queue.map(|q| format!(" using queue {}", quoted(&q))).unwrap_or_default();
            return self
                .violation(&format!("Permissions Violation for Subscription to {}{group}", quoted(pattern)));
        }
        let sub = self.hub.subscribe(&self.peer, sid, pattern, queue);
        self.subs.insert(sub.sid.clone(), sub);
        self.say_ok();
    }

    /// A subscription that reached its last message is still in our table.
    fn forget_ended(&mut self, sid: &Bytes) {
        if self.subs.get(sid).is_some_and(|sub| sub.has_ended()) {
            self.subs.remove(sid);
        }
    }

    fn unsubscribe(&mut self, sid: &Bytes, max: Option<u64>) {
        if let Some(sub) = self.subs.get(sid) {
            match max {
                Some(max) if self.hub.limit(sub, max) => {}
                _ => {
                    self.hub.unsubscribe(sub);
                    self.subs.remove(sid);
                }
            }
        }
        self.say_ok();
    }

    fn publish(
        &mut self,
        subject: &Bytes,
        reply: Option<Bytes>,
        headers: Option<Bytes>,
        payload: &Bytes,
        touched: &mut Touched,
    ) -> Next {
        if headers.is_some() && !self.connect.headers {
            return self.last_word(&ProtocolError::Unknown.to_string());
        }
        if !self.may_publish(subject) {
            self.violation(&format!("Permissions Violation for Publish to {}", quoted(subject)));
            return Next::Go;
        }
        if let Some(reply) = reply.as_ref().filter(|r| !subject::is_literal(r) || r.starts_with(b"_R_.")) {
            self.violation(&format!("Permissions Violation for Publish with Reply of {}", quoted(reply)));
            return Next::Go;
        }
        self.hub.stats.in_messages.fetch_add(1, Ordering::Relaxed);
        self.hub.stats.in_bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
        let message = Outbound { subject, reply: reply.as_ref(), headers: headers.as_ref(), payload };
        let Peer { id, role, .. } = *self.peer;
        let from = Origin { id, role, echo: self.connect.echo, now: self.now };
        let reached = self.hub.publish(&message, &from, touched);
        if let Some(reply) = reply.filter(|_| reached == 0 && self.connect.no_responders) {
            self.say_no_responders(&reply);
        }
        self.say_ok();
        Next::Go
    }

    fn may_publish(&mut self, subject: &Bytes) -> bool {
        if *subject == self.last_allowed {
            return true;
        }
        if !subject::is_literal(subject) {
            return false;
        }
        if self.peer.role.allows_publish(subject) {
            self.last_allowed = Bytes::copy_from_slice(subject);
            return true;
        }
        self.peer.role.may_answer() && self.peer.outgoing().take_answer(subject, self.now)
    }

    /// Tells the client on its own inbox that nobody heard its request: once, however often it listens there.
    fn say_no_responders(&self, reply: &Bytes) {
        const NO_RESPONDERS: Bytes = Bytes::from_static(b"NATS/1.0 503\r\n\r\n");
        let message = Outbound { subject: reply, reply: None, headers: Some(&NO_RESPONDERS), payload: b"" };
        self.hub.answer_self(&self.peer, &message);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.peer.change(Outgoing::cut);
        self.subs.drain().for_each(|(_, sub)| self.hub.unsubscribe(&sub));
    }
}
