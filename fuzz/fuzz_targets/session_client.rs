//! Client to broker: a whole session with any bytes behind a login, or with none, whole and cut anywhere. The answers are the same,
//! well-formed, and bounded; nothing follows a last word; and who only listens gets nothing but messages.
#![no_main]

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};

use bus::broker::{self, Config, User};
use bus::client::Credentials;
use bus::codec::{ClientReader, ServerOp};
use bus::roles::Role;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// What is said and does not end the session.
const REFUSALS: [&[u8]; 2] = [b"Permissions Violation for ", b"Invalid Publish Subject"];

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (login, cut, bytes) = input;
    WORLD.with_borrow_mut(|world| {
        let World { runtime, broker, listener, connections } = world;
        runtime.block_on(async {
            let whole = session(*broker, connections, login, bytes, bytes.len()).await;
            let pieces = session(*broker, connections, login, bytes, usize::from(cut)).await;
            check(&whole, bytes.len());
            assert_eq!(whole, pieces);
            listener.hear().await;
        });
    });
});

/// The broker, and who listens to it all the time.
struct World {
    runtime: Runtime,
    broker: SocketAddr,
    listener: Listener,
    connections: u32,
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (broker, listener) = runtime.block_on(async {
            let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
            let broker = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
            let user = |role: Role| {
                let credentials = Credentials { user: role.to_string(), password: "secret".to_owned() };
                User { role, credentials }
            };
            let config = Config::new(Role::ALL.map(user).into());
            tokio::spawn(broker::run(config, listener, std::future::pending()));
            (broker, Listener::new(broker).await)
        });
        Self { runtime, broker, listener, connections: 0 }
    }
}

/// The login that a number stands for: none, or a role and how it wants to be spoken to.
fn connect(login: u8) -> Option<String> {
    let role = *[None, Some(Role::Api), Some(Role::Agent), Some(Role::Store)].get(usize::from(login & 3))?;
    let flag = |bit: u8| login & (1 << bit) != 0;
    let (verbose, pedantic, echo, headers) = (flag(2), flag(3), flag(4), flag(5));
    let no_responders = headers && flag(6);
    Some(format!(
        "CONNECT {{\"user\":\"{}\",\"pass\":\"secret\",\"verbose\":{verbose},\"pedantic\":{pedantic},\
         \"echo\":{echo},\"headers\":{headers},\"no_responders\":{no_responders}}}\r\n",
        role?
    ))
}

/// Everything that is said in a session, from behind the greeting to the end.
async fn session(broker: SocketAddr, count: &mut u32, login: u8, bytes: &[u8], piece: usize) -> Vec<u8> {
    // Whose turn it is in a group is a matter of chance: the same one each time.
    fastrand::seed(7);
    let socket = TcpSocket::new_v4().unwrap();
    // Of one address alone the ports would run out.
    *count = (*count + 1) % 0xff_ffff;
    socket.bind(SocketAddr::from((Ipv4Addr::from_bits(0x7f00_0000 | (*count + 1)), 0))).unwrap();
    let mut stream = socket.connect(broker).await.unwrap();
    stream.set_nodelay(true).unwrap();
    if let Some(connect) = connect(login) {
        stream.write_all(connect.as_bytes()).await.unwrap();
    }
    for piece in bytes.chunks(piece.max(1)) {
        // The broker may have heard enough.
        let _ = stream.write_all(piece).await;
        yield_now().await;
    }
    let _ = stream.shutdown().await;
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    let greeting = said.iter().position(|byte| *byte == b'\n').unwrap();
    assert!(said.starts_with(b"INFO {"));
    said.split_off(greeting + 1)
}

/// Checks that what was said is whole, ends with a last word if there is one, and is no more than `bytes` are worth.
fn check(said: &[u8], bytes: usize) {
    assert!(said.len() <= 4096 + 16 * bytes + bytes * bytes, "{} bytes for {bytes}", said.len());
    let (mut codec, mut buffer, mut is_over) = (ClientReader::default(), BytesMut::from(said), false);
    while let Some(op) = codec.next(&mut buffer).unwrap() {
        assert!(!is_over, "{op:?} behind the last word");
        match op {
            ServerOp::Err(text) => is_over = !REFUSALS.iter().any(|refusal| text.starts_with(refusal)),
            ServerOp::Msg(message) => assert!(bus::subject::is_literal(&message.subject), "{message:?}"),
            ServerOp::Pong | ServerOp::Ok => {}
            ServerOp::Info(_) | ServerOp::Ping => panic!("{op:?}"),
        }
    }
    assert!(buffer.is_empty(), "half a verb: {buffer:?}");
}

/// One who may hear all that is published.
struct Listener {
    stream: TcpStream,
    codec: ClientReader,
    buffer: BytesMut,
}

impl Listener {
    async fn new(broker: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(broker).await.unwrap();
        let login = "CONNECT {\"user\":\"api\",\"pass\":\"secret\",\"verbose\":false,\"headers\":true}\r\n";
        stream.write_all(format!("{login}SUB o.> 1\r\nSUB sys.hb.> 2\r\n").as_bytes()).await.unwrap();
        Self { stream, codec: ClientReader::default(), buffer: BytesMut::new() }
    }

    /// Reads what was published before.
    async fn hear(&mut self) {
        self.stream.write_all(b"PING\r\n").await.unwrap();
        loop {
            match self.codec.next(&mut self.buffer).unwrap() {
                Some(ServerOp::Pong) => return,
                Some(ServerOp::Msg(message)) => {
                    assert!(
                        bus::subject::is_literal(&message.subject) && matches!(&message.sid[..], b"1" | b"2")
                    );
                }
                Some(ServerOp::Info(_)) => {}
                Some(op) => panic!("{op:?}"),
                None => assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0),
            }
        }
    }
}
