//! From the state to what front doors ask of it.

use access::{Directory, PublicKey, RevocationId};

use crate::State;

impl State {
    /// What a front door must know of this state. A key that no token can be checked with is left out, and said so in the log:
    /// its tokens are refused, and all others go on. So is a revocation that can be no token's.
    #[must_use]
    pub fn directory(&self) -> Directory {
        let mut directory = Directory::new(self.version());
        for org in self.orgs() {
            directory.add_org(org.id.clone(), org.slug.as_str());
            directory.set_account(org.id.clone(), org.account);
        }
        self.ended_orgs().for_each(|org| directory.end_org(org.id.clone()));
        directory.set_stores((0..=u8::MAX).map(|shard| self.store_of(shard).clone()).collect());
        directory.set_former_stores(self.former_stores().cloned().collect());
        let (mut keys, mut revocations) = (0_usize, 0_usize);
        for key in self.keys() {
            match PublicKey::from_bytes(key.id, &key.public) {
                Ok(public) => directory.add_key(public, seconds(key.from_ns), key.retired_ns.map(seconds)),
                Err(_) => keys += 1,
            }
        }
        for revocation in self.revocations() {
            // Whoever gives the whole signature means the token too.
            match revocation.id.first_chunk::<32>() {
                Some(id) => directory.revoke(RevocationId::from(*id)),
                None => revocations += 1,
            }
        }
        if keys + revocations > 0 {
            tracing::warn!(
                code = "LR01",
                keys,
                revocations,
                "the registry holds what is no key or no revocation"
            );
        }
        directory
    }
}

/// The second that a time lies in: of a key it is the first one that counts, of a retired key the first one that does not.
fn seconds(ns: i64) -> u64 {
    u64::try_from(ns / 1_000_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use access::{Ended, Keyring, Refusal, Scope, SigningKey, Tokens};
    use proptest::prelude::*;

    use super::*;
    use crate::change::Change;
    use crate::{EndedOrg, Key, Org, Revocation, Slug};

    const SECOND: i64 = 1_000_000_000;

    /// A token of `org` by key `id`, and that key's public half.
    fn token(id: u32, org: &str) -> (String, Vec<u8>) {
        let key = SigningKey::generate(id);
        let public = key.public().to_bytes();
        let org = line::OrgId::new(org).unwrap();
        (Keyring::default().with_signing_key(key).mint(&org, &Scope::ALL).unwrap(), public)
    }

    fn org(id: &str, slug: &str, account: u32) -> Change {
        let id = line::OrgId::new(id).unwrap();
        Change::Org(Org { id, slug: Slug::new(slug).unwrap(), account, created_ns: 0 })
    }

    fn key(id: u32, public: Vec<u8>, from_ns: i64, retired_ns: Option<i64>) -> Change {
        Change::Key(Key { id, public, from_ns, retired_ns })
    }

    fn state(changes: Vec<Change>) -> State {
        let mut state = State::new().unwrap();
        changes.into_iter().zip(1..).for_each(|(change, version)| state.apply(version, change));
        state
    }

    #[test]
    fn what_the_state_says_lets_in_and_keeps_out() {
        let (good, public) = token(2, "k1");
        let (retired, retired_public) = token(3, "k1");
        let id = access::inspect(&good).unwrap().revocation_ids[0];
        let mut changes = vec![
            org("k1", "acme", 1),
            key(1, vec![7; 31], 0, None),
            key(2, public, 10 * SECOND + 5, None),
            key(3, retired_public, 0, Some(20 * SECOND + 5)),
            Change::Revocation(Revocation { id: vec![1; 3], until_ns: i64::MAX }),
        ];
        let directory = state(changes.clone()).directory();
        assert_eq!(directory.version(), 5);
        assert_eq!(directory.account(&line::OrgId::new("k1").unwrap()), Some(1));
        for (token, now_s, wanted) in [
            (&good, 9, Err(Refusal::KeyNotValid(2))),
            // Signed and used within the key's first second.
            (&good, 10, Ok(())),
            (&retired, 19, Ok(())),
            (&retired, 20, Err(Refusal::KeyNotValid(3))),
        ] {
            assert_eq!(directory.login("acme", token, now_s).map(drop), wanted, "{now_s}");
        }
        let grant = directory.login("acme", &good, 10).unwrap();
        let signature = [&id.as_bytes()[..], &[9; 32]].concat();
        changes.push(Change::Revocation(Revocation { id: signature, until_ns: i64::MAX }));
        let directory = state(changes).directory();
        assert_eq!(directory.login("acme", &good, 10), Err(Refusal::Revoked(id)));
        assert_eq!(directory.standing(&grant, 10), Err(Ended::Revoked));
    }

    #[test]
    fn where_shards_are_and_which_orgs_are_no_more() {
        let (ended, east) = (line::OrgId::new("k2").unwrap(), line::Name::new("store", "east").unwrap());
        let mut changes = vec![
            org("k1", "acme", 1),
            Change::OrgEnded(EndedOrg { id: ended.clone(), account: 2, ended_ns: 0 }),
        ];
        changes.extend((0..128).map(|shard| Change::Shard { shard, store: east.clone() }));
        let directory = state(changes).directory();
        assert_eq!(directory.ended_orgs().collect::<Vec<_>>(), [&ended]);
        assert_eq!(directory.store_of(127), Some(&east));
        assert_eq!(directory.shards_of("east").collect::<Vec<_>>(), (0..128).collect::<Vec<u8>>());
        assert_eq!(directory.shards_of("main").count() + directory.shards_of("north").count(), 128);
        assert_eq!(directory.stores().len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the state is, it lets a token in exactly if it says so itself.
        #[test]
        fn a_login_agrees_with_the_state(
            (owner, lives) in (0_usize..2, prop::collection::vec(any::<bool>(), 2)),
            (from_ns, retired_ns) in (0..5 * SECOND, prop::option::of(0..5 * SECOND)),
            user in prop::sample::select(&["", "acme", "other", "k1", "k2", "x"][..]),
            (is_revoked, now_s) in (any::<bool>(), 0_u64..6),
        ) {
            let (ids, slugs) = (["k1", "k2"], ["acme", "other"]);
            let (token, public) = token(1, ids[owner]);
            let mut changes = vec![key(1, public, from_ns, retired_ns)];
            let living = ids.iter().zip(slugs).zip(1..).zip(&lives).filter(|(_, lives)| **lives);
            changes.extend(living.map(|(((id, slug), account), _)| org(id, slug, account)));
            let id = access::inspect(&token).unwrap().revocation_ids[0].as_bytes().to_vec();
            if is_revoked {
                changes.push(Change::Revocation(Revocation { id: id.clone(), until_ns: i64::MAX }));
            }
            let state = state(changes);
            // At the end of a second, for a key is good for the whole of its first one and for nothing of its last.
            let now_ns = now_s as i64 * SECOND + SECOND - 1;
            let begins_in_time = state.key(1).unwrap().from_ns <= now_ns;
            let is_over = retired_ns.is_some_and(|retired_ns| retired_ns <= now_ns);
            let owner_id = line::OrgId::new(ids[owner]).unwrap();
            let named = state.org_by_slug(user).map(|org| org.id.as_str()).unwrap_or(user);
            let wanted = begins_in_time && !is_over && !state.is_revoked(&id)
                && state.org(&owner_id).is_some() && (user.is_empty() || named == ids[owner]);
            prop_assert_eq!(state.directory().login(user, &token, now_s).is_ok(), wanted);
        }
    }
}
