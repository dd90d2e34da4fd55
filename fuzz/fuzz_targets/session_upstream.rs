//! Bus to front door: any bytes from the server behind its handshake, on the connection for lines or on the one for what agents say.
//! A client hears nothing but what was sent to its org, whole, and is answered or closed.
#![no_main]

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use access::{Directory, Keyring, Scope, SigningKey, Tokens};
use bus::client::{Credentials, Options};
use bus::codec::{ClientOp, ClientReader, Limits, ServerOp, ServerReader};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use line::OrgId;
use proxy::Known;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// What messages are sent on: the org's own, others', and what is none.
const SUBJECTS: [&str; 10] = [
    "o.k3f9.logs.web.lhr.i",
    "o.k3f9.logs.web.lhr.i",
    "o.k3f9.logs",
    "o.k3f9.",
    "o.k3f9",
    "o.m7x2.logs.web.lhr.i",
    "logs.web.lhr.i",
    "sys.hb.lhr.h",
    "sys.hb.>",
    "_INBOX.proxy.x",
];
const VERBS: [&str; 8] = [
    "PING\r\n",
    "PONG\r\n",
    "+OK\r\n",
    "INFO {}\r\n",
    "INFO {\"ldm\":true}\r\n",
    "-ERR 'x'\r\n",
    "-ERR 'Permissions Violation for Subscription to \"o.k3f9.logs.>\"'\r\n",
    "-ERR 'Stale Connection'\r\n",
];
const INFO: &str = "INFO {\"server_id\":\"x\",\"version\":\"2.10.0\",\"proto\":1,\"headers\":true,\"max_payload\":1048576}\r\n";
const MARKS: &[u8] = b"{\"host\":\"h\",\"region\":\"lhr\",\"time\":1,\"marks\":[]}";

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

fuzz_target!(|input: (bool, Vec<(u8, u8, &[u8])>)| {
    let (is_relay, pieces) = input;
    WORLD.with_borrow(|world| world.runtime.block_on(play(world, is_relay, &pieces)));
});

/// What is the same for each game.
struct World {
    runtime: Runtime,
    token: String,
    directory: Arc<Directory>,
}

impl World {
    fn new() -> Self {
        let (key, org) = (SigningKey::generate(1), OrgId::new("k3f9").unwrap());
        let mut directory = Directory::new(1);
        directory.add_org(org.clone(), "acme");
        directory.add_key(key.public(), 0, None);
        let token = Keyring::new(Vec::new()).with_signing_key(key).mint(&org, &Scope::ALL).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, token, directory: Arc::new(directory) }
    }
}

/// A connection that the front door made to the bus: what it subscribed to last, and how bytes get into it.
struct Line {
    pattern: Bytes,
    sid: Bytes,
    inject: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
}

async fn play(world: &World, is_relay: bool, pieces: &[(u8, u8, &[u8])]) {
    let (bus, front) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (bus_address, address) = (bus.local_addr().unwrap(), front.local_addr().unwrap());
    let (lines, mut subscribed) = mpsc::channel(64);
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = bus.accept().await {
            tokio::spawn(serve(stream, lines.clone()));
        }
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let known = watch::Sender::new(Some((Arc::clone(&world.directory), Instant::now())));
    let front_door = tokio::spawn(front_door(front, bus_address, known.subscribe(), stopped));
    let mut tenant = Tenant::connect(address, &world.token).await;

    let wanted: &[u8] = if is_relay { b"sys.hb.>" } else { b"o.k3f9.logs.>" };
    let line = loop {
        let line: Line = subscribed.recv().await.unwrap();
        if line.pattern == wanted {
            break line;
        }
    };
    let bytes = said(pieces, &line.sid);
    let (done, is_done) = oneshot::channel();
    line.inject.send((bytes.clone(), done)).await.ok().unwrap();
    is_done.await.unwrap();
    tenant.check(&own_messages(&bytes)).await;

    drop(tenant);
    let _ = stop.send(());
    front_door.await.unwrap().unwrap();
    accepting.abort();
}

async fn front_door(
    listener: TcpListener,
    bus: SocketAddr,
    known: watch::Receiver<Known>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), proxy::Error> {
    let upstream = Options {
        servers: vec![format!("nats://{bus}").parse().unwrap()],
        name: "fuzz".to_owned(),
        credentials: Some(Credentials { user: "proxy".to_owned(), password: "secret".to_owned() }),
        inbox_prefix: "_INBOX.proxy".to_owned(),
        tls: None,
    };
    let config = proxy::Config::new(listener, upstream, known);
    proxy::run(config, async {
        let _ = stopped.await;
    })
    .await
}

/// Serves a connection of the front door as a bus would, until bytes are to be sent in its place: then those, and the end.
async fn serve(mut stream: TcpStream, lines: mpsc::Sender<Line>) {
    let (inject, mut injected) = mpsc::channel(1);
    let (mut codec, mut buffer) = (ServerReader::new(Limits::default()), BytesMut::new());
    if stream.write_all(INFO.as_bytes()).await.is_err() {
        return;
    }
    loop {
        while let Some(op) = codec.next(&mut buffer).expect("the front door speaks the protocol") {
            match op {
                ClientOp::Ping => _ = stream.write_all(b"PONG\r\n").await,
                ClientOp::Subscribe { subject: pattern, sid, .. } => {
                    let _ = lines.send(Line { pattern, sid, inject: inject.clone() }).await;
                }
                ClientOp::Connect(_) | ClientOp::Unsubscribe { .. } | ClientOp::Pong => {}
                op => panic!("the front door sent {op:?}"),
            }
        }
        tokio::select! {
            count = stream.read_buf(&mut buffer) => if !matches!(count, Ok(count) if count > 0) { return },
            Some((bytes, done)) = injected.recv() => {
                // It may have heard enough before the end.
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                while matches!(stream.read_buf(&mut buffer).await, Ok(count) if count > 0) {
                    buffer.clear();
                }
                let _ = done.send(());
                return;
            }
        }
    }
}

/// What the server says.
fn said(pieces: &[(u8, u8, &[u8])], sid: &Bytes) -> Vec<u8> {
    let (mut out, mut sids) = (Vec::new(), vec![String::from_utf8_lossy(sid).into_owned(); 6]);
    sids.extend(["2", "999999", "x"].map(str::to_owned));
    for (kind, choice, bytes) in pieces {
        let choice = usize::from(*choice);
        let (subject, sid) = (SUBJECTS[choice % SUBJECTS.len()], &sids[choice % sids.len()]);
        let payload = if bytes.is_empty() { MARKS } else { bytes };
        match kind % 4 {
            0 => out.extend_from_slice(bytes),
            1 => {
                out.extend_from_slice(format!("MSG {subject} {sid} {}\r\n", payload.len()).as_bytes());
                out.extend_from_slice(payload);
                out.extend_from_slice(b"\r\n");
            }
            2 => {
                out.extend_from_slice(
                    format!("HMSG {subject} {sid} 12 {}\r\nNATS/1.0\r\n\r\n", 12 + payload.len()).as_bytes(),
                );
                out.extend_from_slice(payload);
                out.extend_from_slice(b"\r\n");
            }
            _ => out.extend_from_slice(VERBS[choice % VERBS.len()].as_bytes()),
        }
    }
    out
}

/// The messages among it that are the org's: subject without the prefix, and payload.
fn own_messages(bytes: &[u8]) -> HashSet<(Bytes, Bytes)> {
    let (mut codec, mut buffer, mut found) = (ClientReader::default(), BytesMut::from(bytes), HashSet::new());
    while let Ok(Some(op)) = codec.next(&mut buffer) {
        if let ServerOp::Msg(message) = op
            && let Some(subject) = message.subject.strip_prefix(b"o.k3f9.")
        {
            found.insert((message.subject.slice_ref(subject), message.payload));
        }
    }
    found
}

/// A client of the org.
struct Tenant {
    stream: TcpStream,
    codec: ClientReader,
    buffer: BytesMut,
}

impl Tenant {
    async fn connect(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut tenant = Self { stream, codec: ClientReader::default(), buffer: BytesMut::new() };
        let login = format!("{{\"user\":\"acme\",\"pass\":\"{token}\",\"verbose\":false,\"headers\":true}}");
        let subs = "SUB logs.> 1\r\nSUB logs.> q 2\r\nSUB logway.marks 3\r\n";
        tenant.stream.write_all(format!("CONNECT {login}\r\n{subs}").as_bytes()).await.unwrap();
        assert!(matches!(tenant.next().await, Some(ServerOp::Info(_))));
        tenant.check(&HashSet::new()).await;
        tenant
    }

    /// `None` at the end: a lost connection to the bus is passed on as a close.
    async fn next(&mut self) -> Option<ServerOp> {
        loop {
            if let Some(op) = self.codec.next(&mut self.buffer).unwrap() {
                return Some(op);
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(count) if count > 0) {
                return None;
            }
        }
    }

    /// Reads up to the answer to a PING, and checks that nothing was heard but some of `own`, and marks.
    async fn check(&mut self, own: &HashSet<(Bytes, Bytes)>) {
        // It may be closed already.
        let _ = self.stream.write_all(b"PING\r\n").await;
        while let Some(op) = self.next().await {
            match op {
                ServerOp::Pong => return,
                ServerOp::Msg(message) if message.sid == "3" => assert_eq!(message.subject, "logway.marks"),
                ServerOp::Msg(message) => {
                    assert!(message.subject.starts_with(b"logs.") && message.reply.is_none(), "{message:?}");
                    assert!(own.contains(&(message.subject, message.payload)));
                }
                op => panic!("{op:?}"),
            }
        }
    }
}
