//! What is known, and what a change does to it.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use line::shard::SHARDS;
use line::{Name, OrgId};
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::{Slug, text};

/// The store that owns a shard which was never assigned.
const DEFAULT_STORE: &str = "main";

/// An org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// What its lines are kept under: random, for ever, never given out again.
    #[serde(with = "text::org_id")]
    pub id: OrgId,
    /// What people call it now.
    pub slug: Slug,
    /// Its account number, from 1, never given out again. After damage to the journal some numbers are left out.
    pub account: u32,
    /// When it was made, in Unix nanoseconds.
    pub created_ns: i64,
}

/// An org that is no more: what is kept of it, so that neither is given out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedOrg {
    /// Its id. Lines are still kept under it until whoever keeps them has dropped them.
    #[serde(with = "text::org_id")]
    pub id: OrgId,
    /// Its account number.
    pub account: u32,
    /// When it ended, in Unix nanoseconds.
    pub ended_ns: i64,
}

/// A host that an agent was seen on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    #[serde(with = "text::name")]
    pub name: Name,
    /// The region it was in last.
    #[serde(with = "text::name")]
    pub region: Name,
    /// When it was first seen, in Unix nanoseconds.
    pub first_seen_ns: i64,
}

/// A public key that tokens are verified with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its number, from 1, never given out again; tokens carry it.
    pub id: u32,
    /// The public key, at most [`Key::MAX_BYTES`] bytes; what kind it is, the verifier knows.
    #[serde(with = "text::hex")]
    pub public: Vec<u8>,
    /// Tokens are signed with it from then on, in Unix nanoseconds.
    pub from_ns: i64,
    /// Tokens that it signed are refused from then on, in Unix nanoseconds; `None`: not yet; 0: by any clock.
    pub retired_ns: Option<i64>,
}

impl Key {
    /// Longest public key in bytes: an uncompressed P-256 key has 65, an Ed25519 key 32.
    pub const MAX_BYTES: usize = 65;

    /// Whether a token that it signed is good at `now_ns`, as far as the key is concerned.
    #[must_use]
    pub fn is_valid_at(&self, now_ns: i64) -> bool {
        self.from_ns <= now_ns && self.retired_ns.is_none_or(|retired_ns| now_ns < retired_ns)
    }
}

/// A token, or what was made from it, that is good no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The revocation id of one of the token's blocks, at most [`Revocation::MAX_BYTES`] bytes.
    #[serde(with = "text::hex")]
    pub id: Vec<u8>,
    /// When the token ends by itself, in Unix nanoseconds; nobody needs the revocation after that. `i64::MAX`: never.
    pub until_ns: i64,
}

impl Revocation {
    /// Longest revocation id in bytes: it is a signature, and those of Ed25519 have 64, of P-256 up to 72.
    pub const MAX_BYTES: usize = 128;
}

/// All that is known, at one version. Its lists are bounded ([`State::MAX_ORGS`] and the others).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub(crate) version: u64,
    /// Account numbers and keys from these on were never given out.
    pub(crate) next_account: u32,
    pub(crate) next_key: u32,
    pub(crate) orgs: BTreeMap<OrgId, Org>,
    /// Each org's slug, and nothing else.
    slugs: BTreeMap<Slug, OrgId>,
    /// None of these is in `orgs`.
    pub(crate) ended: BTreeMap<OrgId, EndedOrg>,
    pub(crate) hosts: BTreeMap<Name, Host>,
    pub(crate) keys: BTreeMap<u32, Key>,
    pub(crate) revocations: BTreeMap<Vec<u8>, i64>,
    /// The store of each shard: [`SHARDS`] of them.
    pub(crate) stores: Vec<Name>,
    /// Stores that may have lines: those of all shards, and those that had some.
    pub(crate) noted: BTreeSet<Name>,
}

impl State {
    /// Most orgs, those that ended included; with the other bounds, so many that [`crate::Snapshot::MAX_BYTES`] holds them all.
    pub const MAX_ORGS: usize = 100_000;
    /// Most hosts.
    pub const MAX_HOSTS: usize = 10_000;
    /// Most keys, the retired ones included; the one retired first makes room for a new one.
    pub const MAX_KEYS: usize = 64;
    /// Most revocations of tokens that have not ended by themselves.
    pub const MAX_REVOCATIONS: usize = 100_000;
    /// Most stores, those without shards included.
    pub const MAX_STORES: usize = 2 * SHARDS;

    /// The state before the first change: version 0.
    pub(crate) fn new() -> Result<Self, line::Error> {
        let main = Name::new("store", DEFAULT_STORE)?;
        Ok(Self {
            version: 0,
            next_account: 1,
            next_key: 1,
            orgs: BTreeMap::new(),
            slugs: BTreeMap::new(),
            ended: BTreeMap::new(),
            hosts: BTreeMap::new(),
            keys: BTreeMap::new(),
            revocations: BTreeMap::new(),
            noted: BTreeSet::from([main.clone()]),
            stores: vec![main; SHARDS],
        })
    }

    /// How many changes led here: it rises by one with each, and by more after damage to the journal, so that it is not used
    /// again. Compare the digest too: a journal that is lost after it was compacted takes its version with it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The orgs, by id.
    pub fn orgs(&self) -> impl ExactSizeIterator<Item = &Org> {
        self.orgs.values()
    }

    /// The org of this id.
    #[must_use]
    pub fn org(&self, id: &OrgId) -> Option<&Org> {
        self.orgs.get(id)
    }

    /// The org that is called so now; never one that was called so before.
    #[must_use]
    pub fn org_by_slug(&self, slug: &str) -> Option<&Org> {
        self.orgs.get(self.slugs.get(&Slug::new(slug).ok()?)?)
    }

    /// The orgs that are no more, by id.
    pub fn ended_orgs(&self) -> impl ExactSizeIterator<Item = &EndedOrg> {
        self.ended.values()
    }

    /// The org that is called `name` now, or whose id it is.
    #[must_use]
    pub fn org_by_name(&self, name: &str) -> Option<&Org> {
        self.org_by_slug(name).or_else(|| self.org(&OrgId::new(name).ok()?))
    }

    /// The hosts, by name.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &Host> {
        self.hosts.values()
    }

    /// The keys, oldest first, the retired ones included.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.keys.values()
    }

    /// The key of this number, also if it is retired: ask [`Key::is_valid_at`].
    #[must_use]
    pub fn key(&self, id: u32) -> Option<&Key> {
        self.keys.get(&id)
    }

    /// Whether this revocation id is revoked.
    #[must_use]
    pub fn is_revoked(&self, id: &[u8]) -> bool {
        self.revocations.contains_key(id)
    }

    /// The revocations, by id.
    pub fn revocations(&self) -> impl ExactSizeIterator<Item = Revocation> {
        self.revocations.iter().map(|(id, until_ns)| Revocation { id: id.clone(), until_ns: *until_ns })
    }

    /// The store that owns a shard.
    #[must_use]
    pub fn store_of(&self, shard: u8) -> &Name {
        // There is a store for every value of a byte.
        &self.stores[usize::from(shard)]
    }

    /// The stores that may have lines, by name: those that shards belong to, and those that had some and were not forgotten.
    pub fn stores(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.noted.iter()
    }

    /// The shards that belong to a store, in order.
    pub fn shards_of(&self, store: &str) -> impl Iterator<Item = u8> {
        let shards = (0..=u8::MAX).zip(&self.stores);
        shards.filter(move |(_, owner)| owner.as_str() == store).map(|(shard, _)| shard)
    }

    /// The stores that had shards once and have none now: lines of before are still there.
    pub fn former_stores(&self) -> impl Iterator<Item = &Name> {
        self.noted.iter().filter(|store| !self.stores.contains(store))
    }

    /// Whether `org` may be called so: no other org is, and it is no other org's id, which is what an org is called whose
    /// slug was lost.
    pub(crate) fn is_free(&self, slug: &Slug, org: &OrgId) -> bool {
        let id = OrgId::new(slug.as_str()).ok();
        self.slugs.get(slug).is_none_or(|owner| owner == org)
            && id
                .is_none_or(|id| id == *org || !(self.orgs.contains_key(&id) || self.ended.contains_key(&id)))
    }

    /// Makes a change, and the state one of `version`.
    pub(crate) fn apply(&mut self, version: u64, change: Change) {
        self.version = self.version.max(version);
        match change {
            Change::Org(org) => self.put_org(org),
            Change::OrgEnded(ended) => self.end_org(ended),
            Change::Host(host) => _ = self.hosts.insert(host.name.clone(), host),
            Change::Key(key) => self.put_key(key),
            Change::Revocation(revocation) => _ = self.revocations.insert(revocation.id, revocation.until_ns),
            Change::Expired { now_ns } => self.revocations.retain(|_, until_ns| *until_ns >= now_ns),
            Change::Shard { shard, store } => {
                self.noted.insert(store.clone());
                self.stores[usize::from(shard)] = store;
            }
            Change::Store { store, has_lines: true } => _ = self.noted.insert(store),
            // One that has shards gets lines, whatever was said before.
            Change::Store { store, has_lines: false } if self.stores.contains(&store) => {}
            Change::Store { store, has_lines: false } => _ = self.noted.remove(&store),
            Change::Numbers { next_account, next_key } => {
                self.next_account = self.next_account.max(next_account);
                self.next_key = self.next_key.max(next_key);
            }
            // What the registry alone keeps.
            Change::Token(_) | Change::TokensForgotten { .. } => {}
        }
    }

    /// The changes that lead from nothing to this state, in any order but for the last one: only without shards a store can be
    /// forgotten.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> {
        let shards = (0..=u8::MAX).zip(&self.stores);
        let assigned = shards.filter(|(_, store)| store.as_str() != DEFAULT_STORE);
        let shards = assigned.map(|(shard, store)| Change::Shard { shard, store: store.clone() });
        let former =
            self.former_stores().map(|store| Change::Store { store: store.clone(), has_lines: true });
        let main = Name::new("store", DEFAULT_STORE).ok();
        let forgotten = main.filter(|main| !self.noted.contains(main));
        let forgotten = forgotten.map(|store| Change::Store { store, has_lines: false });
        let numbers = Change::Numbers { next_account: self.next_account, next_key: self.next_key };
        let orgs = self.orgs().cloned().map(Change::Org);
        let ended = self.ended.values().cloned().map(Change::OrgEnded);
        let hosts = self.hosts().cloned().map(Change::Host);
        let keys = self.keys().cloned().map(Change::Key);
        let revocations = self.revocations().map(Change::Revocation);
        [numbers]
            .into_iter()
            .chain(orgs)
            .chain(ended)
            .chain(hosts)
            .chain(keys)
            .chain(revocations)
            .chain(former)
            .chain(shards)
            .chain(forgotten)
    }

    fn put_org(&mut self, org: Org) {
        self.next_account = self.next_account.max(org.account.saturating_add(1));
        // An end is for good, in whatever order the records come.
        if self.ended.contains_key(&org.id) {
            return;
        }
        if let Some(before) = self.orgs.get(&org.id) {
            self.slugs.remove(&before.slug);
        }
        let loser = self.slugs.insert(org.slug.clone(), org.id.clone());
        self.orgs.insert(org.id.clone(), org);
        // The record in which the other org gave up the slug is lost: it is called by its id from now on.
        if let Some(other) = loser.and_then(|id| self.orgs.get_mut(&id))
            && let Ok(slug) = Slug::new(other.id.as_str())
        {
            other.slug = slug.clone();
            self.slugs.insert(slug, other.id.clone());
        }
    }

    fn end_org(&mut self, ended: EndedOrg) {
        self.next_account = self.next_account.max(ended.account.saturating_add(1));
        if let Some(org) = self.orgs.remove(&ended.id) {
            self.slugs.remove(&org.slug);
        }
        self.ended.insert(ended.id.clone(), ended);
    }

    fn put_key(&mut self, key: Key) {
        self.next_key = self.next_key.max(key.id.saturating_add(1));
        self.keys.insert(key.id, key);
        while self.keys.len() > Self::MAX_KEYS {
            let retired = self.keys.values().filter_map(|key| Some((key.retired_ns?, key.id)));
            let Some((_, oldest)) = retired.min() else { return };
            self.keys.remove(&oldest);
        }
    }
}
