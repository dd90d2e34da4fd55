//! The registry with the keys beside it: where tokens are made, revoked and looked at. Synchronous.

mod answer;

use std::path::Path;
use std::sync::Arc;

use access::{Grant, Keyring, PublicKey, Refusal, RevocationId, SigningKey, Tokens};
use disk::Disk;
use line::OrgId;

use crate::keys::KeyFiles;
use crate::minted::until_ns;
use crate::{Error, Limits, Minted, Registry};

/// The journal's name in the registry's directory.
pub const JOURNAL: &str = "journal";

/// Revocations are kept for so long after their tokens have ended by themselves: a front door's clock may be behind.
pub(crate) const MARGIN_NS: i64 = 24 * 3600 * SECOND;
/// A new key counts from so long before it was made, for the same reason.
const EARLY_NS: i64 = 3600 * SECOND;
const SECOND: i64 = 1_000_000_000;

/// The registry and its keys. One process has it open at a time; the caller sees to that. Secret keys never leave it.
#[derive(Debug)]
pub struct Desk {
    registry: Registry,
    keys: KeyFiles,
}

/// What a revocation has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// What is revoked, with all that was made of it.
    pub id: RevocationId,
    /// It is the id of a token that was made here; otherwise of one that somebody has narrowed, or of none.
    pub is_known: bool,
}

impl Desk {
    /// Opens the registry in `dir`, and makes the first signing key. Damage never stops it: see [`Registry::report`]. A key that
    /// is missing is said in the log, and another one takes over.
    ///
    /// # Errors
    /// [`Error::Journal`] when the journal cannot be made, read or mended.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, now_ns: i64) -> Result<Self, Error> {
        let since_ns = now_ns.saturating_sub(MARGIN_NS);
        let registry = Registry::open(Arc::clone(&disk), &dir.join(JOURNAL), since_ns)?;
        let mut desk = Self { registry, keys: KeyFiles::new(disk, dir) };
        if let Err(error) = desk.signing_key(now_ns) {
            tracing::error!(code = "LR02", %error, "there is no key to sign tokens with");
        }
        Ok(desk)
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The registry, to be changed.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The newest key that is not retired, if its secret is here; otherwise a new one.
    fn signing_key(&mut self, now_ns: i64) -> Result<SigningKey, Error> {
        let keys = self.registry.state().keys();
        let newest = keys.filter(|key| key.retired_ns.is_none()).last();
        if let Some((id, public)) = newest.map(|key| (key.id, key.public.clone())) {
            match self.keys.load(id) {
                Ok(key) if key.id == id && key.public().to_bytes() == public => return Ok(key),
                Ok(_) => {
                    tracing::error!(code = "LR10", key = id, "the file of a signing key holds another key")
                }
                Err(error) => {
                    tracing::error!(code = "LR10", key = id, %error, "a signing key is lost, a new one signs from now on");
                }
            }
        }
        self.new_key(now_ns)
    }

    /// Makes a key. Its secret is on the disk before anybody hears of it.
    fn new_key(&mut self, now_ns: i64) -> Result<SigningKey, Error> {
        let key = SigningKey::generate(self.registry.next_key());
        self.keys.save(&key)?;
        self.registry.add_key(&key.public().to_bytes(), now_ns.saturating_sub(EARLY_NS))?;
        Ok(key)
    }

    /// Has a new key sign from now on. What the keys before it have signed is good until `retire_ns`, or until an earlier time
    /// that was set for them. Gives the new key's number. For a stolen key `retire_ns` is 0: a front door whose clock is behind accepts
    /// it until any other time.
    ///
    /// # Errors
    /// `KeyFile`, `Full`, `Journal`. The new key may sign then, and the others not be retired: do it again.
    pub fn rotate(&mut self, retire_ns: i64, now_ns: i64) -> Result<u32, Error> {
        let new = self.new_key(now_ns)?.id;
        let old: Vec<u32> = self.registry.state().keys().map(|key| key.id).filter(|id| *id != new).collect();
        for id in old {
            self.registry.retire_key(id, retire_ns)?;
            self.keys.remove(id);
        }
        Ok(new)
    }

    /// Makes a token for the org that is called `org` or has this id, and notes that it did.
    ///
    /// # Errors
    /// `UnknownOrg`, `TokenName`, `Name`, `Access` for limits that allow nothing or are too long, `KeyFile`, `Full`, `Journal`.
    pub fn mint(
        &mut self,
        org: &str,
        limits: &Limits,
        name: &str,
        now_ns: i64,
    ) -> Result<(String, Minted), Error> {
        let org = self.org_id(org)?;
        if name.len() > Minted::MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(Error::TokenName { max_bytes: Minted::MAX_NAME_BYTES });
        }
        let scope = limits.scope()?;
        let key = self.signing_key(now_ns)?;
        let key_id = key.id;
        let token = Keyring::default().with_signing_key(key).mint(&org, &scope)?;
        let ids = access::inspect(&token)?.revocation_ids;
        let id = ids.first().map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let limits = Limits::of(&scope);
        let minted = Minted { id, org, name: name.to_owned(), limits, key: key_id, created_ns: now_ns };
        self.registry.note_token(minted.clone(), now_ns)?;
        Ok((token, minted))
    }

    /// Revokes a token with all that was made of it, and not what it was made of. What it claims of its end counts only if one of our
    /// keys has signed that: a copy that somebody has edited revokes for ever.
    ///
    /// # Errors
    /// `Access` for what is no token, `Full`, `Journal`.
    pub fn revoke_token(&mut self, token: &str) -> Result<Revoked, Error> {
        let claims = access::inspect(token)?;
        // A token has a block.
        let id = claims.revocation_ids.last().copied().unwrap_or(RevocationId::from([0; 32]));
        let known = self.registry.token(id.as_bytes()).map(Minted::until_ns);
        self.revoke(id, known.unwrap_or_else(|| self.signed_until_ns(token)))
    }

    /// When a token ends by itself, if a key that is known has signed it, retired or not; `i64::MAX`: nobody can tell.
    fn signed_until_ns(&self, token: &str) -> i64 {
        let keys = self.registry.state().keys();
        let keys = keys.filter_map(|key| PublicKey::from_bytes(key.id, &key.public).ok()).collect();
        // At the beginning of time no token has ended.
        Keyring::new(keys).verify(token, 0).map_or(i64::MAX, |grant| until_ns(grant.scope.not_after_s))
    }

    /// Revokes what has this revocation id. Of one that was not made here nobody knows when it ends: it stays revoked for ever.
    ///
    /// # Errors
    /// `Full`, `Journal`.
    pub fn revoke_id(&mut self, id: RevocationId) -> Result<Revoked, Error> {
        let until = self.registry.token(id.as_bytes()).map_or(i64::MAX, Minted::until_ns);
        self.revoke(id, until)
    }

    fn revoke(&mut self, id: RevocationId, until_ns: i64) -> Result<Revoked, Error> {
        self.registry.revoke(id.as_bytes(), until_ns)?;
        Ok(Revoked { id, is_known: self.registry.token(id.as_bytes()).is_some() })
    }

    /// What a token is worth here and now.
    ///
    /// # Errors
    /// Why it is worth nothing.
    pub fn verify(&self, token: &str, now_ns: i64) -> Result<Grant, Refusal> {
        self.registry.state().directory().login("", token, seconds(now_ns))
    }

    /// A token for the org that may do everything and does not end, unless `kept` is one that is good for long.
    ///
    /// # Errors
    /// As [`Desk::mint`].
    pub fn local_token(
        &mut self,
        org: &OrgId,
        kept: Option<&str>,
        now_ns: i64,
    ) -> Result<Option<String>, Error> {
        let is_staying =
            |key: u32| self.registry.state().key(key).is_some_and(|key| key.retired_ns.is_none());
        let is_good =
            |grant: Grant| grant.org == *org && grant.scope == access::Scope::ALL && is_staying(grant.key_id);
        if kept.is_some_and(|token| self.verify(token, now_ns).is_ok_and(is_good)) {
            return Ok(None);
        }
        let (token, _) = self.mint(org.as_str(), &Limits::default(), "admin of this machine", now_ns)?;
        Ok(Some(token))
    }

    /// The id of the org that is called `name`, or whose id it is.
    fn org_id(&self, name: &str) -> Result<OrgId, Error> {
        let org = self.registry.state().org_by_name(name);
        org.map(|org| org.id.clone()).ok_or_else(|| Error::UnknownOrg(name.chars().take(64).collect()))
    }
}

fn seconds(ns: i64) -> u64 {
    u64::try_from(ns / SECOND).unwrap_or(0)
}

#[cfg(test)]
mod tests;
