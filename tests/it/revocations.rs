//! A front door that missed a revocation, because it was cut off, the bus was away, or the registry was: it makes up for that
//! within 5 seconds after all are back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bus::broker::{self, User};
use bus::client::{Client, Credentials, Delivery, Options, Status, Subscription};
use bus::roles::Role;
use line::OrgId;
use logway_tests::{DEADLINE, short_dir};
use registry::admin::{self, Request, Response};
use registry::{Desk, Limits, Org};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// The promise.
const WITHIN: Duration = Duration::from_secs(5);
const ANYWHERE: &str = "127.0.0.1:0";

/// What `future` gives, or a test that says where it hangs.
#[track_caller]
fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let at = std::panic::Location::caller();
    async move {
        let result = tokio::time::timeout(DEADLINE, future).await;
        result.unwrap_or_else(|_| panic!("nothing came in {DEADLINE:?} at {at}"))
    }
}

/// Something that runs until it is stopped.
struct Part {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Part {
    fn start<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(run(stopped)) }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        soon(self.task).await.unwrap();
    }
}

async fn until(stopped: oneshot::Receiver<()>) {
    let _ = stopped.await;
}

fn login(role: Role) -> Credentials {
    Credentials { user: role.to_string(), password: "secret".to_owned() }
}

fn options(bus: SocketAddr, role: Role) -> Options {
    Options {
        servers: vec![bus.into()],
        name: "test".to_owned(),
        credentials: Some(login(role)),
        inbox_prefix: role.inbox_prefix(),
        tls: None,
    }
}

async fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn broker(listener: TcpListener) -> Part {
    let users = Role::ALL.map(|role| User { role, credentials: login(role) });
    Part::start(|stopped| async {
        broker::run(broker::Config::new(users.into()), listener, until(stopped)).await.unwrap();
    })
}

/// The cable between the front door and the bus.
fn cable(listener: TcpListener, bus: SocketAddr) -> Part {
    Part::start(async move |mut stopped| {
        // Dropped, they end too.
        let mut connections = JoinSet::new();
        loop {
            let (mut near, _) = tokio::select! {
                accepted = listener.accept() => accepted.unwrap(),
                _ = &mut stopped => return,
            };
            connections.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(bus).await {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    })
}

async fn registry_in(dir: &Path, bus: SocketAddr) -> Part {
    let mut config = registry::Config::new(dir.to_owned(), options(bus, Role::Registry));
    let (ready, is_ready) = oneshot::channel();
    config.ready = Some(ready);
    let part = Part::start(|stopped| async { registry::run(config, until(stopped)).await.unwrap() });
    soon(is_ready).await.unwrap();
    part
}

async fn front_door(bus: SocketAddr) -> (Part, SocketAddr) {
    let (listener, address) = listen(ANYWHERE).await;
    let upstream = options(bus, Role::Proxy);
    let known = registry::follow(Client::start(upstream.clone()));
    let mut config = proxy::Config::new(listener, upstream, known);
    let (ready, is_ready) = oneshot::channel();
    config.ready = Some(ready);
    let part = Part::start(|stopped| async { proxy::run(config, until(stopped)).await.unwrap() });
    soon(is_ready).await.unwrap();
    (part, address)
}

/// Asks the registry that runs in `dir`.
async fn ask(dir: &Path, request: Request) -> Response {
    let socket = dir.join(admin::SOCKET);
    let asked = tokio::task::spawn_blocking(move || admin::call(&socket, &request, DEADLINE));
    asked.await.unwrap().unwrap()
}

async fn mint(dir: &Path) -> String {
    let (org, name) = ("acme".to_owned(), String::new());
    match ask(dir, Request::Mint { org, limits: Limits::default(), name }).await {
        Response::Minted { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

/// Revokes where no registry runs.
async fn revoke_in(dir: PathBuf, token: String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ns = i64::try_from(now.as_nanos()).unwrap();
    let revoked = tokio::task::spawn_blocking(move || {
        Desk::open(Arc::new(disk::RealDisk), &dir, now_ns).unwrap().revoke_token(&token).unwrap();
    });
    revoked.await.unwrap();
}

/// Somebody who is logged in, hears nothing, and does not come again.
struct Idle(BufReader<TcpStream>);

impl Idle {
    async fn start(front: SocketAddr, token: &str) -> Self {
        let mut idle = Self(BufReader::new(soon(TcpStream::connect(front)).await.unwrap()));
        assert!(idle.line().await.starts_with("INFO "));
        let connect = format!("CONNECT {{\"verbose\":false,\"user\":\"acme\",\"pass\":\"{token}\"}}\r\n");
        idle.0.write_all(connect.as_bytes()).await.unwrap();
        idle.is_in().await;
        idle
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.unwrap();
        line
    }

    async fn is_in(&mut self) {
        self.0.write_all(b"PING\r\n").await.unwrap();
        assert_eq!(self.line().await, "PONG\r\n");
    }

    /// All that comes until it is closed.
    async fn rest(mut self) -> String {
        let mut rest = String::new();
        soon(self.0.read_to_string(&mut rest)).await.unwrap();
        rest
    }
}

/// Somebody who reads, and comes again when the connection is lost.
struct Reader {
    client: Client,
    lines: Subscription,
}

impl Reader {
    async fn start(front: SocketAddr, token: &str) -> Self {
        let client = Client::start(Options {
            servers: vec![front.into()],
            name: "test".to_owned(),
            credentials: Some(Credentials { user: "acme".to_owned(), password: token.to_owned() }),
            inbox_prefix: "_INBOX".to_owned(),
            tls: None,
        });
        let lines = client.subscribe("logs.>", None).await.unwrap();
        soon(client.connected()).await.unwrap();
        soon(client.flush()).await.unwrap();
        Self { client, lines }
    }

    /// Waits until the front door does not let it in.
    async fn is_out(&self) {
        let mut status = self.client.status();
        let refused = status.wait_for(|status| matches!(status, Status::Refused { .. }));
        soon(refused).await.unwrap();
    }
}

/// Says lines of `org` again and again until each of these readers has heard one.
async fn heard(bus: SocketAddr, org: &OrgId, readers: &mut [&mut Reader]) {
    let agent = Client::start(options(bus, Role::Agent));
    let subject = format!("o.{org}.logs.web.lhr.i1");
    let saying = async {
        let mut again = tokio::time::interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            // While the bus is not there yet it fails.
            let _ = agent.publish(&subject, None, b"line").await;
        }
    };
    let hearing = async {
        for reader in readers {
            while !matches!(soon(reader.lines.next()).await.unwrap(), Delivery::Message(_)) {}
        }
    };
    tokio::select! {
        () = saying => {}
        () = hearing => {}
    }
    agent.close().await;
}

/// What is away while a token is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    /// The way between the front door and the bus.
    Cable,
    /// The bus.
    Bus,
    /// The bus, and the registry, which comes back last.
    BusAndRegistry,
}

/// Revokes a token while something is away, and gives it back.
async fn missed(away: Away) {
    let data = short_dir();
    let dir = data.path().join("registry");
    let (bus_listener, bus) = listen(ANYWHERE).await;
    let (cable_listener, end) = listen(ANYWHERE).await;
    let mut the_broker = Some(broker(bus_listener));
    let mut the_cable = Some(cable(cable_listener, bus));
    let mut the_registry = Some(registry_in(&dir, bus).await);
    let created = ask(&dir, Request::CreateOrg { slug: "acme".to_owned() }).await;
    let Response::Org(Org { id: org, .. }) = created else { panic!("{created:?}") };
    let (lost, kept) = (mint(&dir).await, mint(&dir).await);
    let (the_front, front) = front_door(end).await;
    let (mut out, mut stays) = (Reader::start(front, &lost).await, Reader::start(front, &kept).await);
    let (mut idle_out, mut idle_stays) = (Idle::start(front, &lost).await, Idle::start(front, &kept).await);

    let stopped = if away == Away::Cable { &mut the_cable } else { &mut the_broker };
    stopped.take().unwrap().stop().await;
    if away == Away::BusAndRegistry {
        the_registry.take().unwrap().stop().await;
        revoke_in(dir.clone(), lost.clone()).await;
    } else {
        ask(&dir, Request::Revoke { token: lost.clone() }).await;
    }
    // Cut off, nobody is thrown out.
    for idle in [&mut idle_out, &mut idle_stays] {
        idle.is_in().await;
    }
    let mut back = Instant::now();
    match away {
        Away::Cable => the_cable = Some(cable(listen(&end.to_string()).await.0, bus)),
        Away::Bus | Away::BusAndRegistry => the_broker = Some(broker(listen(&bus.to_string()).await.0)),
    }
    if away == Away::BusAndRegistry {
        // Lines come again, to whoever was in.
        heard(bus, &org, &mut [&mut out, &mut stays]).await;
        back = Instant::now();
        the_registry = Some(registry_in(&dir, bus).await);
    }
    let last = idle_out.rest().await;
    let took_idle = back.elapsed();
    out.is_out().await;
    let took = back.elapsed();
    assert_eq!(last, "-ERR 'User Authentication Revoked'\r\n", "{away:?}");
    assert!(took_idle < WITHIN && took < WITHIN, "{away:?}: {took_idle:?} and {took:?}");
    heard(bus, &org, &mut [&mut stays]).await;
    idle_stays.is_in().await;
    for part in [Some(the_front), the_registry, the_cable, the_broker].into_iter().flatten() {
        part.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_door_that_was_cut_off() {
    missed(Away::Cable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_door_and_a_registry_without_a_bus() {
    missed(Away::Bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_comes_back_after_the_bus() {
    missed(Away::BusAndRegistry).await;
}
