//! Promise 1: a line is readable within 50 ms. How long it takes is measured by `cargo xtask bench`; here it is shown that no stage
//! on the host waits for time to pass before it hands a line on.
//!
//! The clock of the agent, the broker and the reader is stopped while a line is on its way: whoever sat on it until a timer
//! fires would sit on it for ever. The two ends of the way have tests of the same name beside them, for what is private there:
//! init's bound of 20 ms in `crates/init/src/serve/tests.rs`, the terminal's in `crates/cli/src/logs/stitch/tests.rs`.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent::admin::{Registration, Request, Response};
use bus::broker::{self, User};
use bus::client::{Client, Credentials, Delivery, Options, ServerAddr, Subscription};
use bus::roles::Role;
use line::frame::{BatchWriter, Frame, Hello, Parsed, Policy, RecordFlags, parse};
use line::{Boot, Stream};
use logway_tests::{DEADLINE, short_dir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::oneshot;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn promise_1_no_stage_of_the_host_waits_for_a_clock() {
    let dir = short_dir();
    let (host, socket) = start_host(dir.path()).await;
    let mut reader = subscribe(&host).await;
    let mut machine = Machine::greet(&socket).await;
    // One line, some, many at once, and fragments as long as they come.
    let long = "x".repeat(line::split::MAX_FRAGMENT_BYTES);
    let volleys: [&[&str]; 4] = [&["a"], &["b"; 50], &["c"; 5000], &[long.as_str(); 20]];
    for texts in volleys {
        let clock = StoppedClock::stop();
        machine.write(texts).await;
        for text in texts {
            assert_eq!(message(&mut reader, &clock).await, *text);
        }
        assert_eq!(clock.passed(), Duration::ZERO);
    }
}

/// The paused clock goes on by itself as soon as everybody waits for it, but not while a blocking task runs. This is one.
struct StoppedClock {
    since: Instant,
    _go_on: mpsc::SyncSender<()>,
}

impl StoppedClock {
    /// Stops the clock until this is dropped, or [`DEADLINE`] of real time has passed: then timers fire, and show.
    fn stop() -> Self {
        let (go_on, stopped) = mpsc::sync_channel::<()>(0);
        tokio::task::spawn_blocking(move || {
            let _dropped = stopped.recv_timeout(DEADLINE);
        });
        Self { since: Instant::now(), _go_on: go_on }
    }

    fn passed(&self) -> Duration {
        self.since.elapsed()
    }
}

/// The text of the next line.
async fn message(reader: &mut Subscription, clock: &StoppedClock) -> String {
    let next = tokio::time::timeout(Duration::from_millis(1), reader.next()).await;
    let Ok(delivery) = next else {
        panic!("a line was held until a timer fired, {:?} later", clock.passed())
    };
    let Some(Delivery::Message(message)) = delivery else { panic!("{delivery:?} instead of a line") };
    line::json::decode(&message.payload).expect("a line of ours").message
}

/// A broker and an agent in this process, and the socket of a Machine that is registered there.
async fn start_host(dir: &Path) -> (ServerAddr, PathBuf) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binding a port");
    let address = listener.local_addr().expect("an address");
    let server = ServerAddr::from(address);
    let users = [Role::Agent, Role::Proxy].map(|role| User { role, credentials: credentials(role) });
    tokio::spawn(broker::run(broker::Config::new(users.into()), listener, std::future::pending()));
    let options = options(Role::Agent, &server);
    let mut config = agent::Config::new(dir.join("agent"), "h1".into(), "lhr".into(), options);
    let (ready, is_ready) = oneshot::channel();
    config.ready = Some(ready);
    tokio::spawn(agent::run(config, std::future::pending()));
    is_ready.await.expect("the agent starts");
    let registration = Registration {
        org: "k3f9".into(),
        app: "web".into(),
        region: "lhr".into(),
        instance: "i1".into(),
        uid: rustix::process::geteuid().as_raw(),
        rate: None,
        ephemeral: false,
    };
    let admin = dir.join("agent").join(agent::ADMIN_SOCKET);
    let call = move || agent::admin::call(&admin, &Request::Register(registration), DEADLINE);
    let answer = tokio::task::spawn_blocking(call).await.expect("no panic").expect("registering");
    let Response::Registered(registered) = answer else { panic!("not registered: {answer:?}") };
    (server, registered.socket)
}

fn credentials(role: Role) -> Credentials {
    Credentials { user: role.as_str().into(), password: "secret".into() }
}

fn options(role: Role, server: &ServerAddr) -> Options {
    Options {
        servers: vec![server.clone()],
        name: format!("test {}", role.as_str()),
        credentials: Some(credentials(role)),
        inbox_prefix: role.inbox_prefix(),
        tls: None,
    }
}

/// A reader of the org's lines.
async fn subscribe(server: &ServerAddr) -> Subscription {
    let client = Client::start(options(Role::Proxy, server));
    client.connected().await.expect("the broker takes the reader");
    let subscription = client.subscribe("o.k3f9.logs.>", None).await.expect("subscribing");
    client.flush().await.expect("the broker has the subscription");
    subscription
}

/// What init is to the agent: a connection that speaks its frames.
struct Machine {
    stream: OwnedWriteHalf,
    next_seq: u64,
}

impl Machine {
    async fn greet(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).await.expect("connecting to the Machine socket");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let hello = Hello {
            versions: (1, 1),
            boot: Boot::new(1_795_341_600_000, 7),
            first_seq: 1,
            next_seq: 1,
            realtime: i64::try_from(now.as_nanos()).expect("a clock before 2262"),
            boottime: 0,
            ring_bytes: 4 << 20,
            policy: Policy::DropOldest,
            instance: "i1",
        };
        let mut bytes = Vec::new();
        Frame::Hello(hello).write(&mut bytes).expect("a frame");
        stream.write_all(&bytes).await.expect("room in the socket");
        let mut answer = Vec::new();
        while !matches!(parse(&answer), Parsed::Frame { frame: Frame::Welcome(_), .. }) {
            assert!(stream.read_buf(&mut answer).await.expect("an answer") > 0, "the agent hung up");
        }
        let (mut acknowledgements, stream) = stream.into_split();
        tokio::spawn(async move {
            let mut bin = [0; 4096];
            while acknowledgements.read(&mut bin).await.is_ok_and(|count| count > 0) {}
        });
        Self { stream, next_seq: 1 }
    }

    async fn write(&mut self, texts: &[&str]) {
        for text in texts {
            let mut batch = BatchWriter::new(Vec::new(), self.next_seq, 0);
            batch.push(0, Stream::Stdout, RecordFlags::WHOLE, text.as_bytes());
            self.next_seq = batch.next_seq();
            let bytes = batch.finish().expect("a frame");
            self.stream.write_all(&bytes).await.expect("room in the socket");
        }
    }
}
