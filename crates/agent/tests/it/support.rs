//! An agent, a bus, an init and a reader, in one process.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent::admin::{self, Registration, Request, Response, Status};
use agent::{Config, Error};
use bus::broker::{self, User};
use bus::client::{Client, Credentials, Delivery, Options, Subscription};
use bus::roles::Role;
use bus::sys::{EndOfRecent, Page, RECENT, RecentEnd, RecentRequest};
use line::Boot;
use line::frame::{BatchWriter, Bye, Frame, GapFrame, Hello, Parsed, Ping, Policy, RecordFlags, parse};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No wait of a test is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `what`, or panics.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} did not come within {DEADLINE:?}"))
}

/// Unix nanoseconds.
pub(crate) fn now_ns() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// An embedded broker.
pub(crate) struct Bus {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), bus::Error>>,
}

impl Bus {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With a configuration that is not the usual one.
    pub(crate) async fn start_with(change: impl FnOnce(&mut broker::Config)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let user = |role: Role| User { role, credentials: credentials(role, "secret") };
        let mut config = broker::Config::new(vec![user(Role::Agent), user(Role::Proxy), user(Role::Store)]);
        change(&mut config);
        let task = tokio::spawn(broker::run(config, listener, async {
            let _stopped = stopped.await;
        }));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) -> SocketAddr {
        drop(self.stop);
        within("the broker's end", self.task).await.unwrap().unwrap();
        self.address
    }
}

fn credentials(role: Role, password: &str) -> Credentials {
    Credentials { user: role.as_str().to_owned(), password: password.to_owned() }
}

/// How `role` connects to the bus at `address`.
pub(crate) fn options(role: Role, address: SocketAddr) -> Options {
    options_with(role, address, "secret")
}

/// The same with a password.
pub(crate) fn options_with(role: Role, address: SocketAddr, password: &str) -> Options {
    Options {
        servers: vec![address.into()],
        name: format!("test {}", role.as_str()),
        credentials: Some(credentials(role, password)),
        inbox_prefix: role.inbox_prefix(),
        tls: None,
    }
}

/// An address where nobody listens.
pub(crate) async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A running agent.
pub(crate) struct Agent {
    dir: PathBuf,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Agent {
    pub(crate) async fn start(dir: &Path, bus: SocketAddr) -> Self {
        Self::start_with(dir, bus, |_| {}).await
    }

    pub(crate) async fn start_with(dir: &Path, bus: SocketAddr, set: impl FnOnce(&mut Config)) -> Self {
        let options = options(Role::Agent, bus);
        let mut config = Config::new(dir.join("agent"), "h1".into(), "lhr".into(), options);
        config.heartbeat = Duration::from_millis(100);
        let (ready, is_ready) = oneshot::channel();
        config.ready = Some(ready);
        set(&mut config);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(agent::run(config, async {
            let _stopped = stopped.await;
        }));
        within("the agent's start", is_ready).await.expect("the agent starts");
        Self { dir: dir.join("agent"), stop, task }
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        within("the agent's end", self.task).await.unwrap().unwrap();
    }

    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.dir.join("admin.sock")
    }

    pub(crate) fn spool_dir(&self) -> PathBuf {
        self.dir.join("spool")
    }

    pub(crate) async fn call(&self, request: Request) -> Result<Response, admin::Error> {
        let socket = self.admin_socket();
        tokio::task::spawn_blocking(move || admin::call(&socket, &request, DEADLINE)).await.unwrap()
    }

    /// Asks how it is until `is_so`.
    pub(crate) async fn wait_for(&self, is_so: impl Fn(&Status) -> bool) {
        within("the agent's state", async {
            loop {
                let Response::Status(status) = self.call(Request::Status {}).await.unwrap() else { panic!() };
                if is_so(&status) {
                    return;
                }
            }
        })
        .await;
    }

    /// Registers a Machine and gives its socket.
    pub(crate) async fn register(&self, org: &str, app: &str, instance: &str) -> PathBuf {
        self.register_as(registration(org, app, instance)).await
    }

    pub(crate) async fn register_as(&self, registration: Registration) -> PathBuf {
        match self.call(Request::Register(registration)).await.unwrap() {
            Response::Registered(registered) => registered.socket,
            other => panic!("not registered: {other:?}"),
        }
    }
}

pub(crate) fn registration(org: &str, app: &str, instance: &str) -> Registration {
    Registration {
        org: org.into(),
        app: app.into(),
        region: "lhr".into(),
        instance: instance.into(),
        uid: rustix::process::geteuid().as_raw(),
        rate: None,
        ephemeral: false,
    }
}

/// A frame that the agent sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Welcome { resume_seq: u64 },
    Ack(u64),
    Flushed(u64),
    Pong(i64),
    Refused(String),
    Closed,
}

/// An init, as far as the socket shows.
pub(crate) struct Init {
    stream: UnixStream,
    input: Vec<u8>,
    pub(crate) boot: Boot,
    pub(crate) next_seq: u64,
    /// What its wall clock shows more than the host's, in nanoseconds.
    pub(crate) clock_off: i64,
    pub(crate) ring_bytes: u32,
}

impl Init {
    pub(crate) async fn connect(socket: &Path, boot: Boot) -> Self {
        let stream = within("a connection", UnixStream::connect(socket)).await.unwrap();
        Self { stream, input: Vec::new(), boot, next_seq: 1, clock_off: 0, ring_bytes: 4 << 20 }
    }

    /// Connects and says hello, from seq 1.
    pub(crate) async fn greet(socket: &Path, boot: Boot) -> Self {
        let mut init = Self::connect(socket, boot).await;
        init.hello(1).await;
        assert_eq!(init.told().await, Told::Welcome { resume_seq: 0 });
        init
    }

    /// Connects again as an init that holds `first_seq..next_seq`, and gives what it is to resume with.
    pub(crate) async fn greet_again(socket: &Path, boot: Boot, first_seq: u64, next_seq: u64) -> (Self, u64) {
        let mut init = Self::connect(socket, boot).await;
        init.next_seq = next_seq;
        init.hello(first_seq).await;
        match init.told().await {
            Told::Welcome { resume_seq } => (init, resume_seq),
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// Boot time: the host's clock less a constant.
    pub(crate) fn boottime() -> i64 {
        now_ns() - 1_000_000_000_000_000_000
    }

    pub(crate) async fn send(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        frame.write(&mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        within("room in the socket", self.stream.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn hello(&mut self, first_seq: u64) {
        let hello = Hello {
            versions: (1, 1),
            boot: self.boot,
            first_seq,
            next_seq: self.next_seq,
            realtime: now_ns() + self.clock_off,
            boottime: Self::boottime(),
            ring_bytes: self.ring_bytes,
            policy: Policy::DropOldest,
            instance: "whatever the guest says",
        };
        self.send(&Frame::Hello(hello)).await;
    }

    pub(crate) async fn ping(&mut self) {
        let (realtime, boottime) = (now_ns() + self.clock_off, Self::boottime());
        self.send(&Frame::Ping(Ping { next_seq: self.next_seq, realtime, boottime })).await;
    }

    /// Sends records from `first_seq` on.
    pub(crate) async fn records(&mut self, first_seq: u64, records: &[(line::Stream, RecordFlags, &[u8])]) {
        let mut writer = BatchWriter::new(Vec::new(), first_seq, Self::boottime());
        for (stream, flags, text) in records {
            if !writer.fits(text.len()) {
                let next = writer.next_seq();
                let full =
                    std::mem::replace(&mut writer, BatchWriter::new(Vec::new(), next, Self::boottime()));
                self.send_bytes(&full.finish().unwrap()).await;
            }
            writer.push(Self::boottime(), *stream, *flags, text);
        }
        self.next_seq = self.next_seq.max(writer.next_seq());
        self.send_bytes(&writer.finish().unwrap()).await;
    }

    /// Sends whole lines of stdout, next in the sequence.
    pub(crate) async fn lines<T: AsRef<[u8]>>(&mut self, texts: &[T]) {
        let records: Vec<_> =
            texts.iter().map(|text| (line::Stream::Stdout, RecordFlags::WHOLE, text.as_ref())).collect();
        self.records(self.next_seq, &records).await;
    }

    pub(crate) async fn gap(&mut self, from_seq: u64, count: u64) {
        let reason = line::GapReason::RingFull;
        let gap = GapFrame { from_seq, count, bytes: 100, reason, time: Self::boottime() };
        self.next_seq = self.next_seq.max(from_seq + count);
        self.send(&Frame::Gap(gap)).await;
    }

    /// The agent's next frame.
    pub(crate) async fn told(&mut self) -> Told {
        loop {
            let (told, used) = match parse(&self.input) {
                Parsed::Frame { frame, used } => {
                    let told = match frame {
                        Frame::Welcome(welcome) => Told::Welcome { resume_seq: welcome.resume_seq },
                        Frame::Ack { next_seq } => Told::Ack(next_seq),
                        Frame::Flushed { next_seq } => Told::Flushed(next_seq),
                        Frame::Pong { boottime } => Told::Pong(boottime),
                        Frame::Refused(refused) => Told::Refused(refused.code.to_owned()),
                        other => panic!("the agent sent {other:?}"),
                    };
                    (told, used)
                }
                Parsed::Incomplete { .. } => {
                    let read = within("a frame of the agent", self.stream.read_buf(&mut self.input)).await;
                    if read.unwrap_or(0) == 0 {
                        return Told::Closed;
                    }
                    continue;
                }
                other => panic!("the agent sent {other:?}"),
            };
            self.input.drain(..used);
            return told;
        }
    }

    /// Waits until `told` comes; acknowledgements before it are passed over.
    pub(crate) async fn wait_for(&mut self, wanted: &Told) {
        loop {
            let told = self.told().await;
            if told == *wanted {
                return;
            }
            assert!(matches!(told, Told::Ack(_) | Told::Flushed(_)), "{told:?} instead of {wanted:?}");
        }
    }

    /// Waits for the answer to a ping.
    pub(crate) async fn wait_for_pong(&mut self) {
        while !matches!(self.told().await, Told::Pong(_)) {}
    }

    /// Waits until everything sent is on the host's disk.
    pub(crate) async fn flush(&mut self) {
        let next_seq = self.next_seq;
        self.send(&Frame::Flush { next_seq }).await;
        self.wait_for(&Told::Flushed(next_seq)).await;
    }

    /// Says goodbye and waits for the end of the connection.
    pub(crate) async fn bye(mut self) {
        let next_seq = self.next_seq;
        self.send(&Frame::Bye(Bye { next_seq })).await;
        self.wait_for(&Told::Closed).await;
    }
}

/// A reader of all lines of an org.
pub(crate) struct Tail {
    pub(crate) client: Client,
    subscription: Subscription,
}

impl Tail {
    pub(crate) async fn start(bus: &Bus, pattern: &str) -> Self {
        let client = Client::start(options(Role::Proxy, bus.address));
        within("the reader's connection", client.connected()).await.unwrap();
        let subscription = client.subscribe(pattern, None).await.unwrap();
        Self { client, subscription }
    }

    /// The next line.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match within("a line", self.subscription.next()).await.expect("the client lives") {
                Delivery::Message(message) => return serde_json::from_slice(&message.payload).unwrap(),
                Delivery::Interrupted { .. } => {}
                other => panic!("{other:?} instead of a line"),
            }
        }
    }

    /// The next `count` lines.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Value> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.push(self.next().await);
        }
        lines
    }

    /// Lines up to and with the first that `is_last` takes.
    pub(crate) async fn take_until(&mut self, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.next().await);
            if lines.last().is_some_and(&is_last) {
                return lines;
            }
        }
    }

    /// Asks for recent lines, page after page, until the only agent has answered to the end.
    pub(crate) async fn recent(&self, request: &RecentRequest) -> (Vec<Value>, EndOfRecent) {
        let (mut lines, mut end) = self.page(request).await;
        while let Some(from) = end.more.take() {
            let page = Some(Page { host: end.host.clone(), from });
            let (further, next) = self.page(&RecentRequest { page, ..request.clone() }).await;
            lines.extend(further);
            (end.sent, end.more) = (end.sent + next.sent, next.more);
        }
        (lines, end)
    }

    /// Asks for one page of recent lines until an agent has answered.
    pub(crate) async fn page(&self, request: &RecentRequest) -> (Vec<Value>, EndOfRecent) {
        let request = serde_json::to_vec(request).unwrap();
        loop {
            let mut answers = self.client.request_many(RECENT, &request).await.unwrap();
            let mut lines = Vec::new();
            loop {
                match within("an answer", answers.next()).await.expect("the client lives") {
                    Delivery::Message(message) => {
                        if let Ok(end) = serde_json::from_slice::<RecentEnd>(&message.payload) {
                            return (lines, end.end);
                        }
                        let texts =
                            message.payload.split(|&byte| byte == b'\n').filter(|text| !text.is_empty());
                        lines.extend(texts.map(|text| serde_json::from_slice::<Value>(text).unwrap()));
                    }
                    // The agent has not subscribed yet.
                    Delivery::NoResponders => break,
                    other => panic!("{other:?} instead of an answer"),
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The text of a line.
pub(crate) fn text(line: &Value) -> &str {
    line["message"].as_str().unwrap()
}

/// First seq and span of a line.
pub(crate) fn seqs(line: &Value) -> (u64, u64) {
    (line["logway"]["seq"].as_u64().unwrap(), line["logway"]["span"].as_u64().unwrap())
}

/// The reason of a gap record; empty for any other line.
pub(crate) fn gap(line: &Value) -> &str {
    line["gap"]["reason"].as_str().unwrap_or("")
}

/// The gap records among lines: seq, span, reason.
pub(crate) fn gaps(lines: &[Value]) -> Vec<(u64, u64, String)> {
    let gaps = lines.iter().filter(|line| !gap(line).is_empty());
    gaps.map(|line| (seqs(line).0, seqs(line).1, gap(line).to_owned())).collect()
}

/// That lines cover `first..next` without a hole and nothing twice.
pub(crate) fn assert_covers(lines: &[Value], first: u64, next: u64) {
    let mut ranges: Vec<_> = lines.iter().map(seqs).collect();
    ranges.sort_unstable();
    let mut wanted = first;
    for (seq, span) in ranges {
        assert_eq!(seq, wanted, "the sequence goes on with {wanted}");
        wanted += span;
    }
    assert_eq!(wanted, next);
}

/// A boot for a test.
pub(crate) fn boot(number: u16) -> Boot {
    Boot::new(1_700_000_000_000, number)
}
