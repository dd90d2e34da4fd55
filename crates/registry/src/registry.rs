//! The one who keeps the state: checks a change, journals it, and applies it when it is on the disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use disk::Disk;
use disk::journal::{self, Journal};
use line::{Name, OrgId};

use crate::change::{Change, Record, Versioned};
use crate::minted::Book;
use crate::state::{EndedOrg, Host, Key, Org, Revocation, State};
use crate::{Digest, Error, Minted, Slug};

/// A journal longer than this, and than twice what it has to say, is written anew.
const COMPACT_BYTES: u64 = 1 << 20;

/// No record that gives out a number or a version is shorter, so that lost bytes say how many may be lost.
const LEAST_RECORD_BYTES: u64 = 60;

/// What the opening found besides the state. Tell a person of anything but the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Bytes at the journal's end that were no whole record: a change that was being made, or the last ones, damaged.
    pub torn_bytes: u64,
    /// Bytes elsewhere that were no record. What they said is lost: an org, a slug, a revocation, that a key was retired. If all of the
    /// journal is lost, it was set aside as `*.damaged` and the state is empty.
    pub damaged_bytes: u64,
    /// Whole records of a kind that this program does not know: a newer one wrote them. They are kept, and have no effect.
    pub unknown_records: usize,
    /// The disk took no record at the start, so that what the start itself had to change is not on it yet. The state may be
    /// read; changes fail until the disk has room.
    pub read_only: bool,
}

/// The state, and the journal that it is kept in. One process has it open at a time; the caller sees to that.
#[derive(Debug)]
pub struct Registry {
    journal: Journal,
    state: State,
    /// Which tokens were made here.
    book: Book,
    /// Of the state as it is; empty until asked for.
    digest: OnceLock<Digest>,
    report: Report,
    /// Records for a newer program.
    unknown: Vec<Vec<u8>>,
    compacted_bytes: u64,
    /// Below this length the journal is left as it is.
    compact_bytes: u64,
}

impl Registry {
    /// Opens the journal at `path`, which is made with its directory if it is missing, and drops the revocations that ended
    /// before `now_ns`. Damage never stops it: see [`Registry::report`]. After damage, versions and numbers go on behind
    /// all that may be lost, so that none is used again.
    ///
    /// # Errors
    /// [`Error::Journal`] when the journal cannot be made, read or mended.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, now_ns: i64) -> Result<Self, Error> {
        let (journal, records, found) = Journal::open(disk, path).map_err(Error::Journal)?;
        let journal::Report { torn_bytes, damaged_bytes } = found;
        let mut registry = Self {
            compacted_bytes: journal.len_bytes(),
            journal,
            state: State::new()?,
            book: Book::default(),
            digest: OnceLock::new(),
            report: Report { torn_bytes, damaged_bytes, ..Report::default() },
            unknown: Vec::new(),
            compact_bytes: COMPACT_BYTES,
        };
        for record in records {
            registry.replay(record);
        }
        registry.report.unknown_records = registry.unknown.len();
        let leapt = if torn_bytes + damaged_bytes > 0 { registry.leap() } else { Ok(()) };
        registry.report.read_only = leapt.and_then(|()| registry.expire(now_ns).map(drop)).is_err();
        Ok(registry)
    }

    fn replay(&mut self, bytes: Vec<u8>) {
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) => self.apply(record),
            Err(_) => {
                if let Ok(Versioned { version }) = serde_json::from_slice(&bytes) {
                    self.state.version = self.state.version.max(version);
                }
                self.unknown.push(bytes);
            }
        }
    }

    fn apply(&mut self, Record { version, change }: Record) {
        self.book.apply(&change, &self.state);
        self.state.apply(version, change);
    }

    /// Goes on behind every version and number that the lost bytes may have held.
    fn leap(&mut self) -> Result<(), Error> {
        let lost_bytes = self.report.torn_bytes + self.report.damaged_bytes;
        let lost = lost_bytes / LEAST_RECORD_BYTES + 1;
        let lost_numbers = u32::try_from(lost).unwrap_or(u32::MAX);
        let numbers = Change::Numbers {
            next_account: self.state.next_account.saturating_add(lost_numbers),
            next_key: self.state.next_key.saturating_add(lost_numbers),
        };
        let version = self.state.version.saturating_add(lost);
        self.state.apply(version, numbers);
        // Without the damaged bytes, so that the next start does not leap again.
        self.rewrite()?;
        self.journal.settled();
        Ok(())
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state's version: see [`State::version`].
    #[must_use]
    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// The state's digest. Costs a pass over the state after a change, and nothing until the next one.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| self.state.digest())
    }

    /// What the opening found.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Makes an org that is called `slug`, with a fresh id and the next account number.
    ///
    /// # Errors
    /// `SlugIllegal`, `SlugTaken`, `Full`, `Journal`.
    pub fn create_org(&mut self, slug: &str, now_ns: i64) -> Result<Org, Error> {
        let slug = Slug::new(slug)?;
        let id = self.fresh_id();
        if !self.state.is_free(&slug, &id) {
            return Err(Error::SlugTaken(slug));
        }
        self.put_new_org(id, slug, now_ns)
    }

    fn put_new_org(&mut self, id: OrgId, slug: Slug, now_ns: i64) -> Result<Org, Error> {
        let count = self.state.orgs.len() + self.state.ended.len();
        room("orgs", count, State::MAX_ORGS, "start another registry for more")?;
        let account = number("account numbers", self.state.next_account)?;
        let org = Org { id, slug, account, created_ns: now_ns };
        self.commit(Change::Org(org.clone()))?;
        Ok(org)
    }

    /// Takes over an org that had its id before there was a registry. One that is there stays as it is. If its slug is taken, it
    /// is called by its id.
    ///
    /// # Errors
    /// `OrgEnded` for one that is no more, `SlugIllegal`, `Full`, `Journal`.
    pub fn import_org(&mut self, id: &OrgId, slug: &str, now_ns: i64) -> Result<Org, Error> {
        if let Some(org) = self.state.org(id) {
            return Ok(org.clone());
        }
        if self.state.ended.contains_key(id) {
            return Err(Error::OrgEnded(id.clone()));
        }
        let slug = Slug::new(slug)?;
        let slug = if self.state.is_free(&slug, id) { slug } else { Slug::new(id.as_str())? };
        self.put_new_org(id.clone(), slug, now_ns)
    }

    /// Ends an org for good: its tokens are refused and its slug is free; its id and its account number are never given out
    /// again. What is kept under its id is for others to drop.
    ///
    /// # Errors
    /// `UnknownOrg`, `Journal`.
    pub fn end_org(&mut self, id: &OrgId, now_ns: i64) -> Result<(), Error> {
        let org = self.state.org(id).ok_or_else(|| Error::UnknownOrg(id.to_string()))?;
        let ended = EndedOrg { id: id.clone(), account: org.account, ended_ns: now_ns };
        self.commit(Change::OrgEnded(ended))
    }

    /// An id that no org has or is called by.
    fn fresh_id(&self) -> OrgId {
        loop {
            let id = OrgId::mint(fastrand::u64(..));
            let is_ended = self.state.ended.contains_key(&id);
            if !is_ended && self.state.org_by_name(id.as_str()).is_none() {
                return id;
            }
        }
    }

    /// Calls the org `slug` from now on; its former slug is free then. Its own slug is no change.
    ///
    /// # Errors
    /// `UnknownOrg`, `SlugIllegal`, `SlugTaken`, `Journal`.
    pub fn rename_org(&mut self, id: &OrgId, slug: &str) -> Result<Org, Error> {
        let org = self.state.org(id).ok_or_else(|| Error::UnknownOrg(id.to_string()))?;
        let org = Org { slug: Slug::new(slug)?, ..org.clone() };
        if !self.state.is_free(&org.slug, id) {
            return Err(Error::SlugTaken(org.slug));
        }
        if self.state.org(id) != Some(&org) {
            self.commit(Change::Org(org.clone()))?;
        }
        Ok(org)
    }

    /// Revokes what has this revocation id until `until_ns`, when the token ends by itself (`i64::MAX`: it does not). Of two
    /// ends the later one counts.
    ///
    /// # Errors
    /// `RevocationBytes`, `Full`, `Journal`.
    pub fn revoke(&mut self, id: &[u8], until_ns: i64) -> Result<(), Error> {
        let (len, max_bytes) = (id.len(), Revocation::MAX_BYTES);
        if !(1..=max_bytes).contains(&len) {
            return Err(Error::RevocationBytes { len, max_bytes });
        }
        let remedy = "retire the signing key: that ends every token it has signed";
        match self.state.revocations.get(id) {
            Some(until) if *until >= until_ns => return Ok(()),
            Some(_) => {}
            None => room("revocations", self.state.revocations.len(), State::MAX_REVOCATIONS, remedy)?,
        }
        self.commit(Change::Revocation(Revocation { id: id.to_vec(), until_ns }))
    }

    /// Drops the revocations of tokens that ended before `now_ns`, and says how many. None is no change. A clock that is
    /// ahead drops revocations that are still needed: see that it is right.
    ///
    /// # Errors
    /// `Journal`.
    pub fn expire(&mut self, now_ns: i64) -> Result<usize, Error> {
        let ended = self.state.revocations.values().filter(|until_ns| **until_ns < now_ns).count();
        if ended > 0 {
            self.commit(Change::Expired { now_ns })?;
        }
        Ok(ended)
    }

    /// The number that the next key gets.
    pub(crate) fn next_key(&self) -> u32 {
        self.state.next_key
    }

    /// Adds a public key that tokens are signed with from `from_ns` on, and gives its number. With [`State::MAX_KEYS`] there,
    /// the one that was retired first is forgotten.
    ///
    /// # Errors
    /// `KeyBytes`, `KeyKnown`, `Full` when none of the keys is retired, `Journal`.
    pub fn add_key(&mut self, public: &[u8], from_ns: i64) -> Result<u32, Error> {
        let (len, max_bytes) = (public.len(), Key::MAX_BYTES);
        if !(1..=max_bytes).contains(&len) {
            return Err(Error::KeyBytes { len, max_bytes });
        }
        if let Some(known) = self.state.keys().find(|key| key.public == public) {
            return Err(Error::KeyKnown(known.id));
        }
        let in_use = self.state.keys().filter(|key| key.retired_ns.is_none()).count();
        room("keys in use", in_use, State::MAX_KEYS, "retire one that is not used any more")?;
        let id = number("key numbers", self.state.next_key)?;
        self.commit(Change::Key(Key { id, public: public.to_vec(), from_ns, retired_ns: None }))?;
        Ok(id)
    }

    /// Refuses what this key has signed, from `retired_ns` on. For a key that is retired, the earlier time counts.
    ///
    /// # Errors
    /// `UnknownKey`, `LastKey`, `Journal`.
    pub fn retire_key(&mut self, id: u32, retired_ns: i64) -> Result<(), Error> {
        let key = self.state.key(id).ok_or(Error::UnknownKey(id))?;
        if key.retired_ns.is_some_and(|before_ns| before_ns <= retired_ns) {
            return Ok(());
        }
        if key.retired_ns.is_none()
            && !self.state.keys().any(|other| other.id != id && other.retired_ns.is_none())
        {
            return Err(Error::LastKey(id));
        }
        let retired = Key { retired_ns: Some(retired_ns), ..key.clone() };
        self.commit(Change::Key(retired))
    }

    /// Notes that a host was seen in a region. One that is known there is no change, so that this may follow each heartbeat.
    ///
    /// # Errors
    /// `Name`, `Full`, `Journal`.
    pub fn note_host(&mut self, name: &str, region: &str, now_ns: i64) -> Result<(), Error> {
        let (name, region) = (Name::new("host", name)?, Name::new("region", region)?);
        let first_seen_ns = match self.state.hosts.get(&name) {
            Some(known) if known.region == region => return Ok(()),
            Some(known) => known.first_seen_ns,
            None => {
                let remedy = "give hosts names that stay when they restart";
                room("hosts", self.state.hosts.len(), State::MAX_HOSTS, remedy)?;
                now_ns
            }
        };
        self.commit(Change::Host(Host { name, region, first_seen_ns }))
    }

    /// Gives shards to a store, and says how many it did not have before; none is no change. What the former ones keep stays with
    /// them. Costs one sync.
    ///
    /// # Errors
    /// `Name`, `Full` for a new store when there are too many, `Journal`: then the first ones of the shards may be its own.
    pub fn assign_shards(
        &mut self,
        shards: impl IntoIterator<Item = u8>,
        store: &str,
    ) -> Result<usize, Error> {
        let store = Name::new("store", store)?;
        let shards: BTreeSet<u8> = shards.into_iter().collect();
        let others: Vec<u8> =
            shards.into_iter().filter(|shard| *self.state.store_of(*shard) != store).collect();
        if !others.is_empty() && !self.state.stores().any(|known| *known == store) {
            let remedy = "forget stores whose lines are gone: logway store forget";
            room("stores", self.state.stores().len(), State::MAX_STORES, remedy)?;
        }
        let count = others.len();
        self.commit_all(others.into_iter().map(|shard| Change::Shard { shard, store: store.clone() }))?;
        Ok(count)
    }

    /// Forgets a store that had shards once: nobody looks for lines there any more. What it keeps stays as it is, and is seen again
    /// when it is given a shard.
    ///
    /// # Errors
    /// `Name`, `UnknownStore`, `StoreHasShards`, `Journal`.
    pub fn forget_store(&mut self, store: &str) -> Result<(), Error> {
        let store = Name::new("store", store)?;
        if !self.state.stores().any(|known| *known == store) {
            return Err(Error::UnknownStore(store));
        }
        match self.state.shards_of(store.as_str()).count() {
            0 => self.commit(Change::Store { store, has_lines: false }),
            shards => Err(Error::StoreHasShards { store, shards }),
        }
    }

    /// Notes that a token was made. With [`Registry::MAX_TOKENS`] noted, those that have ended or are revoked are forgotten.
    ///
    /// # Errors
    /// `Full` when that makes no room, `Journal`. Then nobody should be given the token: no list would show it.
    pub fn note_token(&mut self, token: Minted, now_ns: i64) -> Result<(), Error> {
        if self.book.len() >= Self::MAX_TOKENS {
            self.append(Change::TokensForgotten { now_ns })?;
        }
        let remedy = "revoke tokens that are not used any more";
        room("tokens", self.book.len(), Self::MAX_TOKENS, remedy)?;
        self.append(Change::Token(token))
    }

    /// The tokens that were made here, by revocation id; not those that their holders made of them.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &Minted> {
        self.book.tokens()
    }

    /// The token of this revocation id, if it was made here.
    #[must_use]
    pub fn token(&self, id: &[u8]) -> Option<&Minted> {
        self.book.token(id)
    }

    /// Most tokens that are known by name.
    pub const MAX_TOKENS: usize = 100_000;

    /// Makes a change of the state.
    fn commit(&mut self, change: Change) -> Result<(), Error> {
        self.commit_all([change])
    }

    /// Makes changes of the state, one after another, with one sync.
    fn commit_all(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<(), Error> {
        let version = self.state.version;
        let changes = changes.into_iter().zip(1..);
        self.append_records(
            changes.map(|(change, more)| Record { version: version.saturating_add(more), change }),
        )?;
        self.digest = OnceLock::new();
        Ok(())
    }

    /// Makes a change that is none of the state.
    fn append(&mut self, change: Change) -> Result<(), Error> {
        self.append_records([Record { version: self.state.version, change }])
    }

    /// Journals changes, and applies them once they are on the disk.
    fn append_records(&mut self, records: impl IntoIterator<Item = Record>) -> Result<(), Error> {
        let records: Vec<Record> = records.into_iter().collect();
        let encoded: Vec<_> = records.iter().map(Record::encode).collect();
        self.journal.append_all(&encoded).map_err(Error::Journal)?;
        records.into_iter().for_each(|record| self.apply(record));
        self.compact();
        Ok(())
    }

    /// Writes the journal anew when it is mostly history. A failure changes nothing and is tried again later.
    fn compact(&mut self) {
        let len_bytes = self.journal.len_bytes();
        if len_bytes < self.compact_bytes || len_bytes < 2 * self.compacted_bytes {
            return;
        }
        if let Err(error) = self.rewrite() {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the journal of the registry could not be compacted");
        }
        self.compacted_bytes = self.journal.len_bytes();
    }

    /// Replaces the journal by one that says the state and nothing else.
    fn rewrite(&mut self) -> Result<(), Error> {
        let version = self.state.version;
        let tokens = self.book.tokens().cloned().map(Change::Token);
        let changes = self.state.changes().chain(tokens);
        let changes = changes.map(|change| Record { version, change }.encode());
        let records: Vec<_> = changes.chain(self.unknown.iter().cloned()).collect();
        self.journal.compact(&records).map_err(Error::Journal)
    }
}

/// `Full` when there are `max` of them already.
fn room(what: &'static str, count: usize, max: usize, remedy: &'static str) -> Result<(), Error> {
    if count < max { Ok(()) } else { Err(Error::Full { what, max, remedy }) }
}

/// The number to give out, which is `next` unless there is none behind it.
fn number(what: &'static str, next: u32) -> Result<u32, Error> {
    let remedy = "start another registry for more";
    if next < u32::MAX { Ok(next) } else { Err(Error::Full { what, max: u32::MAX as usize - 1, remedy }) }
}

#[cfg(test)]
mod tests;
