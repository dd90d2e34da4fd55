//! What a front door must know to let somebody in, at one moment: orgs, keys, revocations.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use line::{Name, OrgId};

use crate::{Grant, Keyring, PublicKey, Refusal, RevocationId, Tokens};

/// Which orgs live and what they are called, which keys sign tokens, and what is revoked. Whoever keeps the registry fills it
/// ([`Directory::add_org`] and the others); as large as the registry's state, and not bounded here.
///
/// Nothing in it changes by itself: with the next state of the registry comes another one.
#[derive(Debug, Default, PartialEq)]
pub struct Directory {
    version: u64,
    /// The slug of each living org.
    orgs: HashMap<OrgId, String>,
    slugs: HashMap<String, OrgId>,
    accounts: HashMap<OrgId, u32>,
    keyring: Keyring,
    /// The time of each key of the ring.
    keys: BTreeMap<u32, KeyTime>,
    revoked: BTreeSet<RevocationId>,
    ended: BTreeSet<OrgId>,
    /// The store of each shard, from shard 0 on.
    stores: Vec<Name>,
    /// Stores that had shards and have none now.
    former_stores: BTreeSet<Name>,
}

/// When a key's tokens are good, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyTime {
    from_s: u64,
    /// No more from this second on.
    retired_s: Option<u64>,
}

impl KeyTime {
    fn is_valid(self, now_s: u64) -> bool {
        self.from_s <= now_s && self.retired_s.is_none_or(|retired_s| now_s < retired_s)
    }
}

/// Why a session that was let in must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The token's time is over.
    #[error("the token has expired")]
    Expired,
    /// The token was revoked, or the key that signed it was retired, or its org is no more.
    #[error("the token is no longer good: it was revoked, its key was retired, or its org was ended")]
    Revoked,
}

impl Directory {
    /// An empty one, of the registry's `version`: it lets nobody in.
    #[must_use]
    pub fn new(version: u64) -> Self {
        Self { version, ..Self::default() }
    }

    /// A living org, and what it is called now. A slug that another org had here is this one's from then on.
    pub fn add_org(&mut self, id: OrgId, slug: &str) {
        if let Some(before) = self.orgs.insert(id.clone(), slug.to_owned())
            && self.slugs.get(&before) == Some(&id)
        {
            self.slugs.remove(&before);
        }
        self.slugs.insert(slug.to_owned(), id);
    }

    /// The account number of an org, by which clients of VictoriaLogs name a tenant.
    pub fn set_account(&mut self, id: OrgId, account: u32) {
        self.accounts.insert(id, account);
    }

    /// A key whose tokens are good from `from_s` on, and no more from `retired_s` on (Unix seconds). Of two with the same number
    /// the later one counts.
    pub fn add_key(&mut self, key: PublicKey, from_s: u64, retired_s: Option<u64>) {
        self.keys.insert(key.id, KeyTime { from_s, retired_s });
        self.keyring.add(key);
    }

    /// Ends all tokens with this block in them.
    pub fn revoke(&mut self, id: RevocationId) {
        self.revoked.insert(id);
    }

    /// An org that is no more: what is stored of it is to go.
    pub fn end_org(&mut self, id: OrgId) {
        self.ended.insert(id);
    }

    /// The orgs that are no more.
    pub fn ended_orgs(&self) -> impl ExactSizeIterator<Item = &OrgId> {
        self.ended.iter()
    }

    /// Which store keeps each shard, from shard 0 on.
    pub fn set_stores(&mut self, stores: Vec<Name>) {
        self.stores = stores;
    }

    /// Which stores had shards once, and may have lines of that time.
    pub fn set_former_stores(&mut self, stores: BTreeSet<Name>) {
        self.former_stores = stores;
    }

    /// The store that keeps `shard`; `None` if the registry does not say.
    #[must_use]
    pub fn store_of(&self, shard: u8) -> Option<&Name> {
        self.stores.get(usize::from(shard))
    }

    /// The shards that `store` keeps.
    pub fn shards_of(&self, store: &str) -> impl Iterator<Item = u8> {
        (0..=u8::MAX)
            .zip(&self.stores)
            .filter(move |(_, name)| name.as_str() == store)
            .map(|(shard, _)| shard)
    }

    /// The stores that may have lines, each once: those that shards belong to, and those that had some.
    #[must_use]
    pub fn stores(&self) -> BTreeSet<&Name> {
        self.stores.iter().chain(&self.former_stores).collect()
    }

    /// The version of the registry's state that this is.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What a living org is called now, for messages and the audit log.
    #[must_use]
    pub fn slug(&self, org: &OrgId) -> Option<&str> {
        self.orgs.get(org).map(String::as_str)
    }

    /// The account number of an org, if it has one.
    #[must_use]
    pub fn account(&self, org: &OrgId) -> Option<u32> {
        self.accounts.get(org).copied()
    }

    /// The living org that is called `name` now, or whose id it is.
    #[must_use]
    pub fn org(&self, name: &str) -> Option<&OrgId> {
        let by_id = || self.orgs.get_key_value(&OrgId::new(name).ok()?).map(|(id, _)| id);
        self.slugs.get(name).or_else(by_id)
    }

    /// What whoever comes as `user` with `secret` may do at `now_s` (Unix seconds). The secret is a token, with or without what
    /// clients put before it ([`crate::bare`]). The user is the slug or the id of its org, or empty: the token names one org.
    ///
    /// The token is checked before the user is looked at, and its signatures before all that this directory knows of orgs: with
    /// a token that is not good, the time tells nothing of which orgs there are.
    ///
    /// # Errors
    /// A [`Refusal`], which is for the audit log: the client hears the same whatever it is.
    pub fn login(&self, user: &str, secret: &str, now_s: u64) -> Result<Grant, Refusal> {
        let grant = self.keyring.verify(secret, now_s)?;
        if !self.key_is_valid(grant.key_id, now_s) {
            return Err(Refusal::KeyNotValid(grant.key_id));
        }
        if let Some(id) = grant.revocation_ids.iter().find(|id| self.revoked.contains(id)) {
            return Err(Refusal::Revoked(*id));
        }
        if !self.orgs.contains_key(&grant.org) {
            return Err(Refusal::UnknownOrg(grant.org));
        }
        if !user.is_empty() && self.org(user) != Some(&grant.org) {
            return Err(Refusal::OtherUser { token_org: grant.org });
        }
        Ok(grant)
    }

    /// Whether a session that was let in with `grant` may go on at `now_s` (Unix seconds). Cheap: a few look-ups.
    ///
    /// # Errors
    /// Why it must end.
    pub fn standing(&self, grant: &Grant, now_s: u64) -> Result<(), Ended> {
        let is_revoked = grant.revocation_ids.iter().any(|id| self.revoked.contains(id));
        if is_revoked || !self.key_is_valid(grant.key_id, now_s) || !self.orgs.contains_key(&grant.org) {
            return Err(Ended::Revoked);
        }
        if grant.scope.is_live(now_s) { Ok(()) } else { Err(Ended::Expired) }
    }

    fn key_is_valid(&self, id: u32, now_s: u64) -> bool {
        self.keys.get(&id).is_some_and(|time| time.is_valid(now_s))
    }
}

#[cfg(test)]
mod tests;
