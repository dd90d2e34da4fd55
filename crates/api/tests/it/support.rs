//! An API that runs, orgs and tokens, a store that holds a few rows in memory, and a client that speaks bytes.

mod fake;
mod http;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{Action, Directory, Keyring, RevocationId, Scope, SigningKey, Tokens};
use api::Known;
use line::{Name, OrgId};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use fake::{Fake, Line, Trouble};
pub(crate) use http::{Answered, Client, get, post};

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

/// Two orgs and a key.
pub(crate) struct World {
    keyring: Keyring,
    key: SigningKey,
    known: watch::Sender<Known>,
}

impl World {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(1);
        let again = SigningKey::from_text(&key.to_text()).unwrap();
        let keyring = Keyring::new(Vec::new()).with_signing_key(again);
        let world = Self { keyring, key, known: watch::Sender::new(None) };
        world.tell(&[], Instant::now());
        world
    }

    /// Says how things are, as the registry would.
    pub(crate) fn tell(&self, revoked: &[RevocationId], heard: Instant) {
        let mut directory = Directory::new(1);
        for (id, slug, account) in [("k3f9", "acme", 7), ("m7x2", "umbrella", 8)] {
            directory.add_org(org(id), slug);
            directory.set_account(org(id), account);
        }
        directory.add_key(self.key.public(), 0, None);
        revoked.iter().for_each(|id| directory.revoke(*id));
        self.known.send_replace(Some((Arc::new(directory), heard)));
    }

    pub(crate) fn forget(&self) {
        self.known.send_replace(None);
    }

    pub(crate) fn known(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// A token for all of an org.
    pub(crate) fn token(&self, id: &str) -> String {
        self.token_for(id, &Scope::ALL)
    }

    /// `None`: such a token would allow nothing.
    pub(crate) fn try_token_for(&self, id: &str, scope: &Scope) -> Option<String> {
        self.keyring.mint(&org(id), scope).ok()
    }

    pub(crate) fn token_for(&self, id: &str, scope: &Scope) -> String {
        self.keyring.mint(&org(id), scope).unwrap()
    }
}

pub(crate) fn org(id: &str) -> OrgId {
    OrgId::new(id).unwrap()
}

/// A scope of some apps and actions.
pub(crate) fn scope(apps: &[&str], actions: &[Action]) -> Scope {
    let names = apps.iter().map(|name| Name::new("app", name).unwrap()).collect();
    Scope {
        apps: (!apps.is_empty()).then_some(names),
        actions: actions.iter().copied().collect(),
        ..Scope::ALL
    }
}

/// An API that runs.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) world: World,
    pub(crate) fake: Arc<Fake>,
    pub(crate) figures: Arc<api::ApiFigures>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Api {
    pub(crate) async fn start(lines: Vec<Line>) -> Self {
        Self::start_with(lines, |_| {}).await
    }

    pub(crate) async fn start_with(lines: Vec<Line>, change: impl FnOnce(&mut api::Config)) -> Self {
        let fake = Arc::new(Fake::new(lines));
        Self::start_on(fake.clone(), fake, change).await
    }

    /// One before another store than the fake one.
    pub(crate) async fn start_on(
        logs: Arc<dyn api::Logs>,
        fake: Arc<Fake>,
        change: impl FnOnce(&mut api::Config),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = World::new();
        let mut config = api::Config::new(listener, logs, world.known());
        change(&mut config);
        let figures = Arc::clone(&config.own_figures);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(api::run(config, async {
            let _ = stopped.await;
        }));
        Self { address, world, fake, figures, stop, task }
    }

    /// Asks with a token for all of the org `k3f9`.
    pub(crate) async fn ask(&self, request: &str) -> Answered {
        self.ask_as(&self.world.token("k3f9"), request).await
    }

    pub(crate) async fn ask_as(&self, token: &str, request: &str) -> Answered {
        let request = request.replacen("\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n"), 1);
        self.send(request.as_bytes()).await
    }

    pub(crate) async fn send(&self, request: &[u8]) -> Answered {
        let mut client = Client::connect(self.address).await;
        client.send(request).await;
        client.answer().await
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        soon(self.task).await.unwrap();
    }
}
