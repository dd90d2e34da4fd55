//! The store of this process beside others: it is asked directly as long as it is the only one that there is.

use bytes::Bytes;
use line::{Address, Name, OrgId};
use tokio::sync::watch;

use super::{Answer, Ask, Batch, Failure, Listen, Local, Logs, Pending, Receipt, Remote};
use crate::live::Ears;
use crate::logins::Known;

/// See [`Logs`]. Who keeps what is what the registry says; until it says so, this store keeps all.
#[derive(Debug, Clone)]
pub struct Routed {
    local: Local,
    remote: Remote,
    name: Name,
    known: watch::Receiver<Known>,
}

impl Routed {
    /// `local` is the store that the registry calls `name`; `remote` asks all of them, that one too.
    #[must_use]
    pub const fn new(local: Local, remote: Remote, name: Name, known: watch::Receiver<Known>) -> Self {
        Self { local, remote, name, known }
    }

    /// Whether this store keeps all shards.
    fn is_alone(&self) -> bool {
        let known = self.known.borrow();
        known
            .as_ref()
            .is_none_or(|(directory, _)| directory.stores().into_iter().all(|name| *name == self.name))
    }

    /// Whether this store keeps `shard`.
    fn keeps(&self, shard: u8) -> bool {
        let known = self.known.borrow();
        known
            .as_ref()
            .is_none_or(|(directory, _)| directory.store_of(shard).is_none_or(|name| *name == self.name))
    }
}

impl Logs for Routed {
    fn query(&self, ask: Ask) -> Answer {
        let is_ours = ask.store.as_ref().map_or_else(|| self.is_alone(), |store| *store == self.name);
        if is_ours { self.local.query(ask) } else { self.remote.query(ask) }
    }

    fn stores(&self) -> Result<Vec<Name>, Failure> {
        if self.is_alone() { self.local.stores() } else { self.remote.stores() }
    }

    fn tail(&self, listen: Listen) -> Answer {
        self.local.tail(listen)
    }

    fn hear(&self, org: OrgId, app: Option<Name>) -> Ears {
        self.local.hear(org, app)
    }

    fn recent(&self, org: OrgId, app: Option<Name>, since: i64) -> Pending<Vec<(Address, Bytes)>> {
        self.local.recent(org, app, since)
    }

    fn append(&self, batch: Batch) -> Pending<Result<Receipt, Failure>> {
        if self.keeps(batch.shard) { self.local.append(batch) } else { self.remote.append(batch) }
    }

    fn flush(&self) -> Pending<Result<(), Failure>> {
        self.local.flush()
    }
}
