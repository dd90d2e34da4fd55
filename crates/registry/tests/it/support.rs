//! A broker, a registry and followers, in one process.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::Directory;
use bus::broker::{self, User};
use bus::client::{Client, Credentials, Options};
use bus::roles::Role;
use disk::Disk;
use disk::fault::FaultDisk;
use registry::{Config, Error, Followed, Registry, follow};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// No wait of a test is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for `what`, or panics.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(DEADLINE, future).await;
    waited.unwrap_or_else(|_| panic!("{what} did not come within {DEADLINE:?}"))
}

/// Where a registry lives: its files on a disk that is only played, its socket in a real directory.
pub(crate) struct Home {
    pub(crate) disk: FaultDisk,
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            disk: FaultDisk::new(),
            dir: tempfile::Builder::new().prefix("lw").tempdir_in("/tmp").unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Changes the journal while no registry runs.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        change(&mut Registry::open(disk, &self.path().join(registry::JOURNAL), 0).unwrap())
    }
}

/// An embedded broker.
pub(crate) struct Bus {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), bus::Error>>,
}

impl Bus {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let user = |role: Role| User { role, credentials: credentials(role) };
        let (stop, stopped) = oneshot::channel();
        let task =
            tokio::spawn(broker::run(broker::Config::new(Role::ALL.map(user).into()), listener, async {
                let _stopped = stopped.await;
            }));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) -> SocketAddr {
        drop(self.stop);
        within("the broker's end", self.task).await.unwrap().unwrap();
        self.address
    }

    pub(crate) fn options(&self, role: Role) -> Options {
        Options {
            servers: vec![self.address.into()],
            name: format!("test {role}"),
            credentials: Some(credentials(role)),
            inbox_prefix: role.inbox_prefix(),
            tls: None,
        }
    }

    pub(crate) async fn client(&self, role: Role) -> Client {
        let client = Client::start(self.options(role));
        within("a connection", client.connected()).await.unwrap();
        client
    }
}

fn credentials(role: Role) -> Credentials {
    Credentials { user: role.to_string(), password: "secret".to_owned() }
}

/// A registry that runs.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// In `home`, announcing as often as it does.
    pub(crate) async fn start(bus: &Bus, home: &Home) -> Self {
        Self::start_with(bus, home, |_| {}).await
    }

    pub(crate) async fn start_with(bus: &Bus, home: &Home, set: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(home.path().to_owned(), bus.options(Role::Registry));
        config.disk = Arc::new(home.disk.clone());
        let (ready, is_ready) = oneshot::channel();
        config.ready = Some(ready);
        set(&mut config);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(registry::run(config, async {
            let _stopped = stopped.await;
        }));
        within("the registry's start", is_ready).await.expect("the registry starts");
        Self { stop, task }
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        within("the registry's end", self.task).await.unwrap().unwrap();
    }
}

/// Somebody who follows.
pub(crate) struct Follower {
    pub(crate) followed: watch::Receiver<Followed>,
}

impl Follower {
    pub(crate) async fn start(bus: &Bus, role: Role) -> Self {
        Self { followed: follow(bus.client(role).await) }
    }

    /// The directory and its time, once `is_so`.
    pub(crate) async fn wait_for(
        &mut self,
        what: &str,
        is_so: impl Fn(&Arc<Directory>, Instant) -> bool,
    ) -> (Arc<Directory>, Instant) {
        let reached =
            self.followed.wait_for(|followed| followed.as_ref().is_some_and(|(d, at)| is_so(d, *at)));
        within(what, reached).await.expect("the follower lives").clone().unwrap()
    }

    /// Waits until an org is called `slug`.
    pub(crate) async fn wait_for_org(&mut self, slug: &str) -> Arc<Directory> {
        self.wait_for(slug, |directory, _| directory.org(slug).is_some()).await.0
    }
}
