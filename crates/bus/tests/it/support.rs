//! A broker on a port of its own, and clients that speak raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::broker::{self, Config, Stats, User};
use bus::client::{Credentials, Options};
use bus::roles::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

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

/// The password of a role in these tests.
fn password(role: Role) -> String {
    format!("secret-{role}")
}

/// Each role with its password, and patient bounds: a loaded machine is no failure.
pub(crate) fn config() -> Config {
    let user = |role: Role| {
        let credentials = Credentials { user: role.to_string(), password: password(role) };
        User { role, credentials }
    };
    let mut config = Config::new(Role::ALL.map(user).into());
    config.session.login_timeout = PATIENCE;
    config.session.stall = PATIENCE;
    // These clients answer no PING, and most expect to read none.
    config.session.ping_interval = Duration::from_secs(3600);
    config
}

/// A broker that runs.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    pub(crate) stats: Arc<Stats>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), bus::Error>>,
}

impl Broker {
    pub(crate) async fn start(config: Config) -> Self {
        Self::start_at(config, "127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(config: Config, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stats = Arc::new(Stats::default());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(broker::run_with(config, listener, Arc::clone(&stats), shutdown));
        Self { address, stats, stop, task }
    }

    /// Stops it and waits until its port is free.
    pub(crate) async fn stop(self) -> SocketAddr {
        self.stop.send(()).unwrap();
        soon(self.task).await.unwrap().unwrap();
        self.address
    }

    /// A raw client that was greeted, no more.
    pub(crate) async fn greeted(&self) -> Raw {
        let mut raw = Raw::connect(self.address).await;
        assert!(raw.line().await.starts_with("INFO {"));
        raw
    }

    /// A raw client that is logged in as `role`, with more keys for its CONNECT.
    pub(crate) async fn raw(&self, role: Role, more: &str) -> Raw {
        let mut raw = self.greeted().await;
        raw.send(&connect(role, more)).await;
        raw.send("PING\r\n").await;
        raw.expect("PONG\r\n").await;
        raw
    }

    /// How our client reaches it as `role`.
    pub(crate) fn options(&self, role: Role) -> Options {
        options(self.address, role)
    }
}

/// How our client reaches a server at `address` as `role`.
pub(crate) fn options(address: SocketAddr, role: Role) -> Options {
    Options {
        servers: vec![address.into()],
        name: "test".to_owned(),
        credentials: Some(Credentials { user: role.to_string(), password: password(role) }),
        inbox_prefix: role.inbox_prefix(),
        tls: None,
    }
}

/// The CONNECT of `role`, not verbose, with more keys such as `,"headers":true`.
pub(crate) fn connect(role: Role, more: &str) -> String {
    format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{role}\",\"pass\":\"{}\"{more}}}\r\n",
        password(role)
    )
}

/// A client that speaks bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
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
            let rest = String::from_utf8_lossy(&self.unread);
            assert_eq!(String::from_utf8_lossy(&found), text, "at {at}, then {rest:?}");
        }
    }

    /// Everything until the broker closes.
    pub(crate) async fn rest(mut self) -> String {
        let read = soon(self.stream.read_to_end(&mut self.unread)).await;
        let text = String::from_utf8_lossy(&self.unread).into_owned();
        read.unwrap_or_else(|error| panic!("{error} after {text:?}"));
        text
    }

    /// Whether all that was sent has been answered with nothing but a PONG.
    pub(crate) async fn flush(&mut self) {
        self.send("PING\r\n").await;
        self.expect("PONG\r\n").await;
    }
}

/// A subscriber with a small receive buffer, so that little is in flight.
pub(crate) async fn small_reader(broker: &Broker) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut raw = Raw::over(soon(socket.connect(broker.address)).await.unwrap());
    assert!(raw.line().await.starts_with("INFO "));
    raw.send(connect(Role::Api, "")).await;
    raw.send("SUB o.> 1\r\n").await;
    raw.flush().await;
    raw
}

/// Waits until a counter has a value, while others have their turn.
pub(crate) async fn until(counter: &AtomicU64, value: u64) {
    soon(async {
        while counter.load(Ordering::Relaxed) != value {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
