//! A broker, a front door before it, two orgs, and clients that speak raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{Directory, Keyring, RevocationId, Scope, SigningKey, Tokens};
use bus::broker::{self, User};
use bus::client::{Client, Credentials, Options, ServerAddr};
use bus::roles::Role;
use line::OrgId;
use rustix::process::{Resource, Rlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// No test waits longer than this for anything: it fails instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What `future` gives; a test that hangs says where.
#[track_caller]
pub(crate) fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let at = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(value) => value,
            Err(_) => panic!("nothing came in {PATIENCE:?} at {at}"),
        }
    }
}

/// Lets this process have as many files open as it may: some tests have thousands of connections.
pub(crate) fn many_files() {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Orgs and keys, and what is said of them.
pub(crate) struct World {
    pub(crate) keyring: Keyring,
    key: SigningKey,
    pub(crate) orgs: Vec<(OrgId, String)>,
    pub(crate) revoked: Vec<RevocationId>,
    pub(crate) retired_s: Option<u64>,
    known: watch::Sender<proxy::Known>,
}

impl World {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(1);
        let again = SigningKey::from_text(&key.to_text()).unwrap();
        let org = |id: &str, slug: &str| (OrgId::new(id).unwrap(), slug.to_owned());
        let world = Self {
            keyring: Keyring::new(Vec::new()).with_signing_key(again),
            key,
            orgs: vec![org("k3f9", "acme"), org("m7x2", "umbrella")],
            revoked: Vec::new(),
            retired_s: None,
            known: watch::Sender::new(None),
        };
        world.tell();
        world
    }

    /// Says how things are now, as the registry would.
    pub(crate) fn tell(&self) {
        self.tell_as_of(Instant::now());
    }

    pub(crate) fn tell_as_of(&self, heard: Instant) {
        let mut directory = Directory::new(1);
        for (id, slug) in &self.orgs {
            directory.add_org(id.clone(), slug);
        }
        directory.add_key(self.key.public(), 0, self.retired_s);
        self.revoked.iter().for_each(|id| directory.revoke(*id));
        self.known.send_replace(Some((Arc::new(directory), heard)));
    }

    pub(crate) fn forget(&self) {
        self.known.send_replace(None);
    }

    pub(crate) fn known(&self) -> watch::Receiver<proxy::Known> {
        self.known.subscribe()
    }

    /// A token of an org for all of it.
    pub(crate) fn token(&self, org: &str) -> String {
        self.token_for(org, &Scope::ALL)
    }

    pub(crate) fn token_for(&self, org: &str, scope: &Scope) -> String {
        self.keyring.mint(&OrgId::new(org).unwrap(), scope).unwrap()
    }
}

/// How to log in to the broker as `role`.
pub(crate) fn options(address: SocketAddr, role: Role) -> Options {
    Options {
        servers: vec![ServerAddr::from_str_of_test(address)],
        name: "test".to_owned(),
        credentials: Some(credentials(role)),
        inbox_prefix: role.inbox_prefix(),
        tls: None,
    }
}

trait FromTest {
    fn from_str_of_test(address: SocketAddr) -> Self;
}

impl FromTest for ServerAddr {
    fn from_str_of_test(address: SocketAddr) -> Self {
        format!("nats://{address}").parse().unwrap()
    }
}

fn credentials(role: Role) -> Credentials {
    Credentials { user: role.to_string(), password: format!("secret-{role}") }
}

/// A broker that runs.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), bus::Error>>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let users = Role::ALL.map(|role| User { role, credentials: credentials(role) });
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(broker::run(broker::Config::new(users.into()), listener, async {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) -> SocketAddr {
        self.stop.send(()).unwrap();
        soon(self.task).await.unwrap().unwrap();
        self.address
    }

    /// Who publishes lines.
    pub(crate) async fn agent(&self) -> Client {
        let client = Client::start(options(self.address, Role::Agent));
        soon(client.connected()).await.unwrap();
        client
    }
}

/// A front door that runs.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), proxy::Error>>,
}

impl Front {
    pub(crate) async fn start(broker: &Broker, world: &World) -> Self {
        Self::start_with(broker, world, |_| {}).await
    }

    pub(crate) async fn start_with(
        broker: &Broker,
        world: &World,
        change: impl FnOnce(&mut proxy::Config),
    ) -> Self {
        let front = Self::start_unready(broker.address, world, change).await;
        soon(front.1).await.unwrap();
        front.0
    }

    /// One where clients come to `listener`.
    pub(crate) async fn start_on(
        listener: TcpListener,
        broker: &Broker,
        world: &World,
        change: impl FnOnce(&mut proxy::Config),
    ) -> Self {
        let front = Self::on(listener, broker.address, world, change);
        soon(front.1).await.unwrap();
        front.0
    }

    /// One that is not waited for, and how it says that it is ready.
    pub(crate) async fn start_unready(
        broker: SocketAddr,
        world: &World,
        change: impl FnOnce(&mut proxy::Config),
    ) -> (Self, oneshot::Receiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, broker, world, change)
    }

    fn on(
        listener: TcpListener,
        broker: SocketAddr,
        world: &World,
        change: impl FnOnce(&mut proxy::Config),
    ) -> (Self, oneshot::Receiver<()>) {
        let address = listener.local_addr().unwrap();
        let mut config = proxy::Config::new(listener, options(broker, Role::Proxy), world.known());
        (config.session.login_timeout, config.session.stall) = (PATIENCE, PATIENCE);
        // These clients answer no PING, and most expect to read none.
        config.session.ping_interval = Duration::from_secs(3600);
        config.limits.connects_per_s = 10_000;
        let (ready, is_ready) = oneshot::channel();
        config.ready = Some(ready);
        change(&mut config);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(proxy::run(config, async {
            let _ = stopped.await;
        }));
        (Self { address, stop, task }, is_ready)
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        soon(self.task).await.unwrap().unwrap();
    }

    pub(crate) async fn greeted(&self) -> Raw {
        let mut raw = Raw::connect(self.address).await;
        assert!(raw.line().await.starts_with("INFO {"));
        raw
    }

    /// A client that is logged in.
    pub(crate) async fn client(&self, user: &str, token: &str) -> Raw {
        let mut raw = self.greeted().await;
        raw.send(connect(user, token)).await;
        raw.flush().await;
        raw
    }

    /// What somebody hears who logs in so, until the connection closes.
    pub(crate) async fn refusal(&self, user: &str, token: &str) -> String {
        let mut raw = self.greeted().await;
        raw.send(connect(user, token)).await;
        raw.rest().await
    }
}

/// The CONNECT of a client that is not verbose.
pub(crate) fn connect(user: &str, token: &str) -> String {
    let json = serde_json::json!({
        "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "user": user, "pass": token,
    });
    format!("CONNECT {json}\r\n")
}

/// A client that speaks bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(soon(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads on until what was read satisfies `is_enough`, and takes as many bytes as it says.
    pub(crate) async fn take(&mut self, is_enough: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(count) = is_enough(&self.unread) {
                return self.unread.drain(..count).collect();
            }
            let count = soon(self.stream.read_buf(&mut self.unread)).await.unwrap();
            assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// The next line, with its end.
    pub(crate) async fn line(&mut self) -> String {
        let line = self.take(|bytes| bytes.iter().position(|b| *b == b'\n').map(|at| at + 1)).await;
        String::from_utf8(line).unwrap()
    }

    /// The next message: its head without the size, and its payload.
    pub(crate) async fn message(&mut self) -> (String, Vec<u8>) {
        let head = self.line().await;
        let (head, size) = head.trim_end().rsplit_once(' ').unwrap();
        let size: usize = size.parse().unwrap_or_else(|_| panic!("no message: {head} {size}"));
        let mut payload = self.take(|bytes| (bytes.len() >= size + 2).then_some(size + 2)).await;
        payload.truncate(size);
        (head.to_owned(), payload)
    }

    /// Reads exactly this.
    #[track_caller]
    pub(crate) fn expect<'a>(&'a mut self, text: &'a str) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let found = self
                .take(|bytes| {
                    let differs = bytes.iter().zip(text.as_bytes()).any(|(a, b)| a != b);
                    (differs || bytes.len() >= text.len()).then(|| text.len().min(bytes.len()))
                })
                .await;
            let rest: String = String::from_utf8_lossy(&self.unread).chars().take(200).collect();
            assert_eq!(String::from_utf8_lossy(&found), text, "at {at}, then {rest:?}");
        }
    }

    /// Everything until the front door closes.
    pub(crate) async fn rest(mut self) -> String {
        let read = soon(self.stream.read_to_end(&mut self.unread)).await;
        let text = String::from_utf8_lossy(&self.unread).into_owned();
        read.unwrap_or_else(|error| panic!("{error} after {text:?}"));
        text
    }

    /// Whether all that was sent has been answered with nothing but a PONG.
    #[track_caller]
    pub(crate) fn flush(&mut self) -> impl Future<Output = ()> + '_ {
        let expecting = std::panic::Location::caller();
        async move {
            self.send("PING\r\n").await;
            let line = self.line().await;
            assert_eq!(line, "PONG\r\n", "at {expecting}");
        }
    }
}
