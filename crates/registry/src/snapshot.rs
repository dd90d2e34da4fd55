//! The whole state as one message, for those who follow the registry.

use std::collections::BTreeSet;
use std::fmt;

use line::{Name, OrgId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::change::Change;
use crate::state::{EndedOrg, Host, Key, Org, Revocation, SHARDS, State};
use crate::{Error, text};

/// What two states are compared by: SHA-256 over the snapshot's JSON. Prints as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// That of a snapshot's JSON.
    #[must_use]
    pub fn of(json: &[u8]) -> Self {
        Self(Sha256::digest(json).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::Hex(&self.0).fmt(f)
    }
}

/// A store's name, as it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Store(#[serde(with = "text::name")] Name);

/// The whole state, as JSON. Its lists are sorted, so that one state has one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    format: u32,
    version: u64,
    next_account: u32,
    next_key: u32,
    orgs: Vec<Org>,
    ended: Vec<EndedOrg>,
    hosts: Vec<Host>,
    keys: Vec<Key>,
    revocations: Vec<Revocation>,
    stores: Vec<Store>,
    former_stores: Vec<Store>,
}

/// What can be said of a snapshot whose other fields may be unknown.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Snapshot {
    /// The format that this program writes, and the only one it reads.
    pub const FORMAT: u32 = 1;

    /// Most bytes of JSON, above what a state that is full in all its bounds comes to.
    pub const MAX_BYTES: usize = 64 << 20;

    /// The version of the state.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The snapshot as JSON, at most [`Snapshot::MAX_BYTES`] of it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // All keys are strings, so that writing cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a snapshot. Whether it makes sense, [`State::from_snapshot`] says.
    ///
    /// # Errors
    /// `SnapshotSize` for more than [`Snapshot::MAX_BYTES`], `SnapshotFormat` for one of another format, `SnapshotJson` for
    /// anything else that is none.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        if json.len() > Self::MAX_BYTES {
            return Err(Error::SnapshotSize(json.len()));
        }
        let Format { format } = serde_json::from_slice(json)?;
        if format != Self::FORMAT {
            return Err(Error::SnapshotFormat(format));
        }
        Ok(serde_json::from_slice(json)?)
    }

    fn ids(&self) -> impl Iterator<Item = &OrgId> {
        self.orgs.iter().map(|org| &org.id).chain(self.ended.iter().map(|org| &org.id))
    }

    fn accounts(&self) -> impl Iterator<Item = u32> {
        self.orgs.iter().map(|org| org.account).chain(self.ended.iter().map(|org| org.account))
    }

    fn all_stores(&self) -> BTreeSet<Name> {
        self.stores.iter().chain(&self.former_stores).map(|store| store.0.clone()).collect()
    }

    /// What is wrong with it: lists too long, out of order or with something twice, numbers that were never given out.
    fn check(&self) -> Result<(), &'static str> {
        let lists = [
            (self.orgs.len() + self.ended.len() <= State::MAX_ORGS, "too many orgs"),
            (self.hosts.len() <= State::MAX_HOSTS, "too many hosts"),
            (self.keys.len() <= State::MAX_KEYS, "too many keys"),
            (self.revocations.len() <= State::MAX_REVOCATIONS, "too many revocations"),
            (self.stores.len() == SHARDS, "not one store for each shard"),
            (self.orgs.is_sorted_by(|a, b| a.id < b.id), "orgs out of order"),
            (self.ended.is_sorted_by(|a, b| a.id < b.id), "ended orgs out of order"),
            (differ(self.ids()), "an org that has ended and lives"),
            (self.hosts.is_sorted_by(|a, b| a.name < b.name), "hosts out of order"),
            (self.keys.is_sorted_by(|a, b| a.id < b.id), "keys out of order"),
            (self.revocations.is_sorted_by(|a, b| a.id < b.id), "revocations out of order"),
            (self.all_stores().len() <= State::MAX_STORES, "too many stores"),
            (self.former_stores.is_sorted_by(|a, b| a.0 < b.0), "former stores out of order"),
            (
                !self.former_stores.iter().any(|store| self.stores.contains(store)),
                "a former store with shards",
            ),
            (differ(self.orgs.iter().map(|org| &org.slug)), "one slug for two orgs"),
            (differ(self.accounts()), "one account number for two orgs"),
            (differ(self.keys.iter().map(|key| &key.public)), "one public key twice"),
        ];
        let given = |number: u32, next: u32| (1..next).contains(&number);
        let fits = |bytes: &[u8], max: usize| (1..=max).contains(&bytes.len());
        let items = [
            (self.accounts().all(|account| given(account, self.next_account)), "a future account number"),
            (self.keys.iter().all(|key| given(key.id, self.next_key)), "a future key number"),
            (self.keys.iter().all(|key| fits(&key.public, Key::MAX_BYTES)), "a public key of no length"),
            (
                self.revocations.iter().all(|one| fits(&one.id, Revocation::MAX_BYTES)),
                "a revocation id of no length",
            ),
        ];
        let wrong = lists.into_iter().chain(items).find(|(holds, _)| !holds);
        wrong.map_or(Ok(()), |(_, what)| Err(what))
    }
}

/// Whether no two are the same.
fn differ<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.is_sorted_by(|a, b| a < b)
}

impl State {
    /// The state as one message.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            format: Snapshot::FORMAT,
            version: self.version,
            next_account: self.next_account,
            next_key: self.next_key,
            orgs: self.orgs().cloned().collect(),
            ended: self.ended_orgs().cloned().collect(),
            hosts: self.hosts().cloned().collect(),
            keys: self.keys().cloned().collect(),
            revocations: self.revocations().collect(),
            stores: self.stores.iter().cloned().map(Store).collect(),
            former_stores: self.former_stores().cloned().map(Store).collect(),
        }
    }

    /// The state that a snapshot was taken of.
    ///
    /// # Errors
    /// `SnapshotFormat` for one of another format; `SnapshotContent` for one that no registry makes: an entry twice, a list
    /// out of order or over its bound, a slug or a number that two have.
    pub fn from_snapshot(snapshot: Snapshot) -> Result<Self, Error> {
        if snapshot.format != Snapshot::FORMAT {
            return Err(Error::SnapshotFormat(snapshot.format));
        }
        snapshot.check().map_err(Error::SnapshotContent)?;
        let Snapshot { version, next_account, next_key, .. } = snapshot;
        let noted = snapshot.all_stores();
        let mut state = Self::new()?;
        let numbers = Change::Numbers { next_account, next_key };
        let orgs = snapshot.orgs.into_iter().map(Change::Org);
        let ended = snapshot.ended.into_iter().map(Change::OrgEnded);
        let hosts = snapshot.hosts.into_iter().map(Change::Host);
        let keys = snapshot.keys.into_iter().map(Change::Key);
        let revocations = snapshot.revocations.into_iter().map(Change::Revocation);
        for change in
            [numbers].into_iter().chain(orgs).chain(ended).chain(hosts).chain(keys).chain(revocations)
        {
            state.apply(version, change);
        }
        state.stores = snapshot.stores.into_iter().map(|store| store.0).collect();
        state.noted = noted;
        Ok(state)
    }

    /// What this state is compared by with another of the same version. Costs a pass over all of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.snapshot().to_json())
    }
}

#[cfg(test)]
mod tests;
