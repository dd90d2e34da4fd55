//! The store of `logway up`: opened, put on the bus, and told which shards and orgs are its business.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use bus::broker::Interest;
use bus::client::Client;
use bus::roles::Role;
use disk::RealDisk;
use line::{Name, OrgId};
use store::stage::{Shards, Store};
use store::{Engine, Keep, Retention, SystemClock};
use tokio::sync::watch;

use super::parts::{Parts, until};
use super::{Args, tell_of_refusal};
use crate::bus_link;
use crate::data::{Data, Running};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;

/// The store that a registry gives all shards to at first.
pub(super) const MAIN: &str = "main";

/// Most parts that are open, however many files a process may have: the kernel has memory for each.
const MAX_OPEN_PARTS: usize = 16 << 10;

/// A store's name, as it stands in subjects.
pub(super) fn name(text: &str) -> Result<Name, String> {
    Name::new("store", text).map_err(|error| error.to_string())
}

/// Opens the store and puts it on the bus. `None`: this machine keeps no lines.
pub(super) async fn start(
    args: &Args,
    data: &Data,
    running: &Running,
    interest: Option<Interest>,
    parts: &mut Parts,
) -> Result<Option<Store>> {
    if args.no_store || args.live_only {
        return Ok(None);
    }
    let engine = open(&data.store(), args).await?;
    let bus = bus_link::options(data, &running.nats, Role::Store, "logway store")?;
    let store = Store::start(Arc::new(engine), bus.clone());
    let store = match interest {
        Some(interest) => store.with_interest(interest),
        None => store,
    };
    let client = Client::start(bus);
    tokio::spawn(tell_of_refusal(
        "store",
        client.status(),
        data.path().join("bus").join(Role::Store.as_str()),
    ));
    let (shards, owned) = watch::channel(Shards::new());
    let (ended, gone) = watch::channel(BTreeSet::new());
    tokio::spawn(follow(client, args.store_name.clone(), shards, ended));
    let mut config = store::stage::Config::new(store.clone(), args.store_name.as_str().to_owned(), owned);
    config.ended = gone;
    parts.start("store", |ending| async { store::stage::run(config, until(ending)).await.map_err(failed) });
    Ok(Some(store))
}

async fn open(dir: &Path, args: &Args) -> Result<Engine> {
    let keep = Keep { days: args.keep_days, bytes: args.keep_bytes.map(|size| size.0) };
    let retention = Retention { default: keep, ..Retention::default() };
    let config = store::Config { retention, open_parts: open_parts(), ..store::Config::default() };
    let path = dir.to_path_buf();
    let opened = tokio::task::spawn_blocking(move || {
        Engine::open(Arc::new(RealDisk), &path, config, Arc::new(SystemClock::new()))
    });
    let (engine, report) = opened.await.context("opening the store")?.map_err(failed)?;
    for (path, problem) in &report.problems {
        notice(&format!("warning: store: {}: {problem}", path.display()));
    }
    if report.is_lossy() {
        notice("hint: 'logway store check' says more when this is not running");
    }
    Ok(engine)
}

/// How many parts may be open: half of what this process may have, since connections need the others.
fn open_parts() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit
        .map_or(usize::MAX, |limit| usize::try_from(limit / 2).unwrap_or(usize::MAX))
        .clamp(32, MAX_OPEN_PARTS)
}

/// Follows what the registry says of this store and of orgs that are no more, as long as anybody wants to know.
async fn follow(
    client: Client,
    name: Name,
    shards: watch::Sender<Shards>,
    ended: watch::Sender<BTreeSet<OrgId>>,
) {
    let mut known = registry::follow(client);
    while known.changed().await.is_ok() {
        let Some((directory, _)) = known.borrow_and_update().clone() else { continue };
        let mine: Shards = directory.shards_of(name.as_str()).collect();
        shards.send_if_modified(|owned| std::mem::replace(owned, mine.clone()) != mine);
        let gone: BTreeSet<OrgId> = directory.ended_orgs().cloned().collect();
        ended.send_if_modified(|before| std::mem::replace(before, gone.clone()) != gone);
    }
}

fn failed(error: store::Error) -> anyhow::Error {
    let text = error.to_string();
    let code = ["LS01", "LS02", "LS03", "LS04", "LS09"].into_iter().find(|code| text.contains(code));
    match code {
        Some(code) => {
            let text = text.replace(&format!(" ({code})"), "");
            Fail::new(Exit::Failure, text).code(code).into()
        }
        None => anyhow::Error::new(error).context("the store failed"),
    }
}
