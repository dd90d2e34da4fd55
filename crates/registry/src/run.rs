//! The stage: keep the journal, and tell the others what is in it.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bus::client::Client;
use bus::sys::REGISTRY_SECONDS;
use disk::{Disk, RealDisk};
use tokio::sync::oneshot;
use tokio::time::interval;

use crate::clock::unix_ns;
use crate::desk::{Desk, MARGIN_NS};
use crate::keeper::Keeper;
use crate::{Error, Local, Report, admin, announce, answer, bus_state, hosts, local};

/// How the registry is set up. [`Config::new`] gives the usual values.
#[derive(Debug)]
pub struct Config {
    /// The registry's own directory; made if missing, mode 0700. One process at a time may use it: the caller sees to that.
    pub dir: PathBuf,
    /// The disk; tests put a faulty one here.
    pub disk: Arc<dyn Disk>,
    /// How to reach NATS, as the role `registry`.
    pub bus: bus::client::Options,
    /// How often it says which state it holds; default 2 s. It says so at once after a change, too.
    pub announce_every: Duration,
    /// How often revocations are dropped whose tokens have ended by themselves a day ago; default one minute.
    pub expire_every: Duration,
    /// An org that is to be there, with a token in a file; `None`: none.
    pub local: Option<Local>,
    /// Told when the admin socket listens and the token is in its file. NATS may still be away then.
    pub ready: Option<oneshot::Sender<()>>,
}

impl Config {
    /// The usual values.
    #[must_use]
    pub fn new(dir: PathBuf, bus: bus::client::Options) -> Self {
        Self {
            dir,
            disk: Arc::new(RealDisk),
            bus,
            announce_every: Duration::from_secs(REGISTRY_SECONDS),
            expire_every: Duration::from_secs(60),
            local: None,
            ready: None,
        }
    }
}

/// Keeps the registry until `shutdown` resolves: serves the admin socket, says which state it holds, gives it to whoever is behind,
/// notes hosts, and drops revocations that nobody needs any more.
///
/// # Errors
/// When the journal cannot be opened or the admin socket cannot be made. Once it runs, it goes on: a bus that is away and a disk
/// that is full show in its log.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let keeper = Arc::new(Keeper::new(open(&config).await?));
    let admin = admin::server::listen(&config.dir)?;
    let client = Client::start(config.bus);
    if let Some(ready) = config.ready {
        // Whoever wanted to know may be gone.
        let _told = ready.send(());
    }
    tokio::select! {
        () = shutdown => {}
        () = bus_state::follow(&client) => {}
        () = announce::run(&keeper, &client, config.announce_every) => {}
        () = answer::run(&keeper, &client) => {}
        () = hosts::run(&keeper, &client) => {}
        () = expire(&keeper, config.expire_every) => {}
        () = admin::server::serve(admin, &keeper) => {}
        () = local::keep(config.local, &keeper, &config.disk) => {}
    }
    client.close().await;
    Ok(())
}

async fn open(config: &Config) -> Result<Desk, Error> {
    let (disk, dir, local) = (Arc::clone(&config.disk), config.dir.clone(), config.local.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let mut desk = Desk::open(Arc::clone(&disk), &dir, unix_ns())?;
        say(desk.registry().report());
        if let Some(local) = &local
            && let Err(error) = local::settle(local, &mut desk, &*disk)
        {
            // A full disk keeps nobody from what is there.
            tracing::error!(code = "LR02", %error, "the org or the token of this machine cannot be made");
        }
        Ok(desk)
    });
    opened.await.map_err(|_| Error::Ending)?
}

/// Says in the log what the opening found, if that is worth a word.
fn say(report: &Report) {
    let Report { torn_bytes, damaged_bytes, unknown_records, read_only } = *report;
    if torn_bytes + damaged_bytes > 0 {
        tracing::error!(
            code = "LR01",
            torn_bytes,
            damaged_bytes,
            "the registry's journal was damaged, changes are lost"
        );
    }
    if unknown_records > 0 {
        tracing::warn!(
            code = "LR01",
            unknown_records,
            "a newer version has written to the registry's journal"
        );
    }
    if read_only {
        tracing::error!(code = "LR02", "the registry's journal cannot be written, nothing can be changed");
    }
}

async fn expire(keeper: &Arc<Keeper>, every: Duration) {
    let mut tick = interval(every);
    loop {
        tick.tick().await;
        let expired = keeper.with(|desk| desk.registry_mut().expire(unix_ns() - MARGIN_NS)).await;
        if let Err(error) = expired {
            // They harm nobody, and the next turn tries again.
            tracing::debug!(%error, "revocations that are not needed any more stay");
        }
    }
}
