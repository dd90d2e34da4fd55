//! Logins that were looked at lately: a token's signatures are checked once in a while, not with every connection or request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::{Directory, Grant};

/// How long a token that is good need not be checked again. Whether it was revoked is asked each time.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How long a token that is not good is refused without a look.
const BAD_FOR: Duration = Duration::from_secs(5);
/// Logins that are remembered. When there are more, those whose time is over are forgotten, and then all if that is not enough.
const MAX_REMEMBERED: usize = 16_384;

/// User and secret of a login, as they are remembered: nobody can read them from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginKey([u8; 32]);

impl LoginKey {
    /// That of a login as it came.
    #[must_use]
    pub fn of(user: &str, secret: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update((user.len() as u64).to_le_bytes());
        hasher.update(user);
        hasher.update(secret);
        Self(hasher.finalize().into())
    }
}

#[derive(Debug)]
struct Entry {
    /// `None`: it is not good.
    grant: Option<Arc<Grant>>,
    until: Instant,
}

/// Who logged in lately, and what came of it; at most 16,384 of them.
#[derive(Debug, Default)]
pub struct Remembered {
    /// By what directory. With the next one all is looked at anew: an org may have been renamed.
    directory: Option<Arc<Directory>>,
    entries: HashMap<LoginKey, Entry>,
}

impl Remembered {
    /// What is known of a login at `now`, which is `now_s` in Unix seconds: its grant, or that it is not good. `None`: it has to be
    /// looked at. Everything else is forgotten when `directory` is another one than before.
    pub fn find(
        &mut self,
        key: &LoginKey,
        directory: &Arc<Directory>,
        now: Instant,
        now_s: u64,
    ) -> Option<Option<Arc<Grant>>> {
        if !self.is_of(directory) {
            self.entries.clear();
            self.directory = Some(Arc::clone(directory));
        }
        let entry = self.entries.get(key).filter(|entry| now < entry.until)?;
        match &entry.grant {
            Some(grant) => directory.standing(grant, now_s).is_ok().then(|| Some(Arc::clone(grant))),
            None => Some(None),
        }
    }

    /// Remembers what `directory` said of a login: a minute if it is good, 5 seconds if not. Does nothing if there is another directory by
    /// now.
    pub fn keep(
        &mut self,
        key: LoginKey,
        grant: Option<Arc<Grant>>,
        directory: &Arc<Directory>,
        now: Instant,
    ) {
        if !self.is_of(directory) {
            return;
        }
        if self.entries.len() >= MAX_REMEMBERED {
            self.entries.retain(|_, entry| now < entry.until);
            // Nearly as many as before: the next look would come too soon.
            if self.entries.len() > MAX_REMEMBERED / 4 * 3 {
                self.entries.clear();
            }
        }
        let until = now + if grant.is_some() { GOOD_FOR } else { BAD_FOR };
        self.entries.insert(key, Entry { grant, until });
    }

    fn is_of(&self, directory: &Arc<Directory>) -> bool {
        self.directory.as_ref().is_some_and(|known| Arc::ptr_eq(known, directory))
    }
}

#[cfg(test)]
mod tests {
    use line::OrgId;

    use super::*;
    use crate::{Keyring, Scope, SigningKey, Tokens};

    fn world() -> (Arc<Directory>, Arc<Grant>) {
        let (org, key) = (OrgId::new("k3f9").unwrap(), SigningKey::generate(1));
        let mut directory = Directory::new(1);
        directory.add_org(org.clone(), "acme");
        directory.add_key(key.public(), 0, None);
        let token = Keyring::default().with_signing_key(key).mint(&org, &Scope::ALL).unwrap();
        let grant = Arc::new(directory.login("acme", &token, 1).unwrap());
        (Arc::new(directory), grant)
    }

    #[test]
    fn good_and_bad_are_known_for_their_time_and_by_one_directory() {
        let (directory, grant) = world();
        let (mut known, now) = (Remembered::default(), Instant::now());
        let (good, bad) = (LoginKey::of("acme", "t"), LoginKey::of("acme", "x"));
        // Nothing is kept of a directory that nobody has asked with.
        known.keep(good, Some(Arc::clone(&grant)), &directory, now);
        assert_eq!(known.find(&good, &directory, now, 1), None);
        known.keep(good, Some(Arc::clone(&grant)), &directory, now);
        known.keep(bad, None, &directory, now);
        let after = |time: Duration| now + time - Duration::from_millis(1);
        assert_eq!(known.find(&bad, &directory, after(BAD_FOR), 1), Some(None));
        assert_eq!(known.find(&bad, &directory, now + BAD_FOR, 1), None);
        assert_eq!(known.find(&good, &directory, after(GOOD_FOR), 1), Some(Some(grant)));
        assert_eq!(known.find(&good, &directory, now + GOOD_FOR, 1), None);

        let (other, _) = world();
        assert_eq!(known.find(&good, &other, now, 1), None);
        assert_eq!(known.find(&bad, &directory, now, 1), None, "it was forgotten with the other one");
    }

    #[test]
    fn one_that_was_revoked_is_looked_at_again() {
        let (directory, grant) = world();
        let mut later = Directory::new(2);
        later.add_org(grant.org.clone(), "acme");
        let later = Arc::new(later);
        let (mut known, now, key) = (Remembered::default(), Instant::now(), LoginKey::of("", "t"));
        assert_eq!(known.find(&key, &later, now, 1), None);
        // It was good by what is known no more.
        known.keep(key, Some(Arc::clone(&grant)), &later, now);
        assert_eq!(known.find(&key, &later, now, 1), None);
        assert_eq!(known.find(&key, &directory, now, 1), None);
    }

    #[test]
    fn there_is_a_bound() {
        let (directory, _) = world();
        let (mut known, now) = (Remembered::default(), Instant::now());
        let key = |number: usize| LoginKey::of("", &number.to_string());
        known.find(&key(0), &directory, now, 1);
        for number in 0..MAX_REMEMBERED {
            let then = if number % 2 == 0 { now } else { now + BAD_FOR };
            known.keep(key(number), None, &directory, then);
        }
        known.keep(key(MAX_REMEMBERED), None, &directory, now + BAD_FOR);
        assert_eq!(known.entries.len(), MAX_REMEMBERED / 2 + 1);
        (0..2 * MAX_REMEMBERED).for_each(|number| known.keep(key(number), None, &directory, now + BAD_FOR));
        assert!(known.entries.len() <= MAX_REMEMBERED);
    }

    #[test]
    fn user_and_secret_are_told_apart() {
        assert_ne!(LoginKey::of("ab", "c"), LoginKey::of("a", "bc"));
    }
}
