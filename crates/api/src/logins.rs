//! Tokens: which are known already, and how many that are not may be looked at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::{Action, Directory, Ended, Grant, LoginKey, Refusal, Remembered};
use hyper::StatusCode;
use line::OrgId;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::caller::{Login, not_let_in};
use crate::reply::Refused;
use crate::serve::unix_s;

/// What is known of orgs and keys, and when the registry last said that this is still so.
pub type Known = Option<(Arc<Directory>, Instant)>;

/// Requests that may wait for their token to be checked. Further ones are to come again.
const MAX_WAITING: u64 = 256;
/// How often it is asked whether a token still stands. The registry's word takes up to two seconds to come here.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Without word from the registry for so long nobody is let in: a token may have been revoked.
const MAX_SILENCE: Duration = Duration::from_secs(5 * 60);

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Logins {
    known: watch::Receiver<Known>,
    remembered: Mutex<Remembered>,
    /// One check at a time: a flood of wrong tokens takes one core at most.
    checks: Semaphore,
    waiting: AtomicU64,
    /// Tokens whose signatures were checked.
    pub(crate) checked: AtomicU64,
    /// Requests that were not let in.
    pub(crate) refused: AtomicU64,
}

/// Who asks, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) grant: Arc<Grant>,
    /// The number by which clients of VictoriaLogs name its org.
    pub(crate) account: Option<u32>,
}

impl Caller {
    /// 403 unless the token allows `action`.
    pub(crate) fn must(&self, action: Action) -> Result<(), Refused> {
        if self.grant.scope.actions.has(action) {
            return Ok(());
        }
        let may: Vec<_> = self.grant.scope.actions.iter().map(Action::as_str).collect();
        let text = format!("LR13: the token does not allow '{action}', only {}", may.join(", "));
        Err(Refused::new(StatusCode::FORBIDDEN, text))
    }
}

impl Logins {
    pub(crate) fn new(known: watch::Receiver<Known>) -> Self {
        let (checked, refused, waiting) = Default::default();
        Self { known, remembered: Mutex::default(), checks: Semaphore::new(1), waiting, checked, refused }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, if it is fresh enough to let somebody in.
    pub(crate) fn directory(&self, now: Instant) -> Option<Arc<Directory>> {
        let known = self.known.borrow();
        let (directory, heard) = known.as_ref()?;
        (now.saturating_duration_since(*heard) <= MAX_SILENCE).then(|| Arc::clone(directory))
    }

    /// What an org is called now, if that is known.
    pub(crate) fn slug(&self, org: &OrgId) -> Option<String> {
        let known = self.known.borrow();
        known.as_ref().and_then(|(directory, _)| directory.slug(org)).map(str::to_owned)
    }

    /// Whether somebody who was let in may stay. Without fresh news it may.
    pub(crate) fn standing(&self, grant: &Grant, now_s: u64) -> Result<(), Ended> {
        let directory = self.known.borrow().as_ref().map(|(directory, _)| Arc::clone(directory));
        directory.map_or(Ok(()), |directory| directory.standing(grant, now_s))
    }

    /// The same for a request under way: 401 when its token is good no more.
    pub(crate) fn must_stand(&self, grant: &Grant) -> Result<(), Refused> {
        self.standing(grant, unix_s()).map_err(|_| not_let_in())
    }

    /// Resolves when somebody who was let in may stay no longer.
    pub(crate) async fn ended(&self, grant: &Grant) {
        while self.standing(grant, unix_s()).is_ok() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whose token it is. `now_s` gives Unix seconds.
    pub(crate) async fn check(&self, login: &Login, now_s: impl Fn() -> u64) -> Result<Caller, Refused> {
        let found = self.find(login, &now_s).await;
        if found.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    async fn find(&self, login: &Login, now_s: &impl Fn() -> u64) -> Result<Caller, Refused> {
        let key = LoginKey::of(&login.user, &login.secret);
        let directory = self.directory(Instant::now()).ok_or_else(no_registry)?;
        if let Some(known) = self.known_of(&key, &directory, now_s()) {
            return caller(known, &directory);
        }
        let _waiting = Waiting::among(&self.waiting).ok_or_else(busy)?;
        let _turn = self.checks.acquire().await;
        // Meanwhile an org may have been renamed, and the same token have come before.
        let directory = self.directory(Instant::now()).ok_or_else(no_registry)?;
        if let Some(known) = self.known_of(&key, &directory, now_s()) {
            return caller(known, &directory);
        }
        self.checked.fetch_add(1, Ordering::Relaxed);
        let found = directory.login(&login.user, &login.secret, now_s()).map(Arc::new);
        if let Err(why) = &found {
            note(why);
        }
        let grant = found.ok();
        self.remembered().keep(key, grant.clone(), &directory, Instant::now().into_std());
        caller(grant, &directory)
    }

    /// What is known of a token already; `None`: it has to be looked at.
    fn known_of(&self, key: &LoginKey, directory: &Arc<Directory>, now_s: u64) -> Option<Option<Arc<Grant>>> {
        self.remembered().find(key, directory, Instant::now().into_std(), now_s)
    }
}

fn caller(grant: Option<Arc<Grant>>, directory: &Directory) -> Result<Caller, Refused> {
    let grant = grant.ok_or_else(not_let_in)?;
    Ok(Caller { account: directory.account(&grant.org), grant })
}

/// Why somebody was not let in: for our own log alone. Who asks with rubbish is not worth a line.
fn note(why: &Refusal) {
    tracing::debug!(%why, "a token was refused");
}

fn no_registry() -> Refused {
    let text =
        "LR13: nobody is let in, because the registry has not been heard for five minutes: try again later";
    Refused::later(StatusCode::SERVICE_UNAVAILABLE, text, Duration::from_secs(5))
}

fn busy() -> Refused {
    let text = "too many tokens wait to be checked: try again later";
    Refused::later(StatusCode::SERVICE_UNAVAILABLE, text, Duration::from_secs(1))
}

/// One of those that wait; ends when dropped.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicU64) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let one = Self(count);
        (before < MAX_WAITING).then_some(one)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::{Keyring, Scope, SigningKey, Tokens};

    fn login(user: &str, secret: &str) -> Login {
        Login { user: user.to_owned(), secret: secret.to_owned() }
    }

    fn world() -> (Keyring, impl Fn() -> Arc<Directory>) {
        let key = SigningKey::generate(1);
        let public = key.public();
        let directory = move || {
            let org = OrgId::new("k3f9").unwrap();
            let mut directory = Directory::new(1);
            directory.add_org(org.clone(), "acme");
            directory.set_account(org, 7);
            directory.add_key(public.clone(), 0, None);
            Arc::new(directory)
        };
        (Keyring::default().with_signing_key(key), directory)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_checked_once() {
        let (keyring, directory) = world();
        let token = keyring.mint(&OrgId::new("k3f9").unwrap(), &Scope::ALL).unwrap();
        let (tell, known) = watch::channel(Some((directory(), Instant::now())));
        let logins = Logins::new(known);
        for _ in 0..3 {
            let caller = logins.check(&login("acme", &token), || 1).await.unwrap();
            assert_eq!((caller.account, caller.grant.org.as_str()), (Some(7), "k3f9"));
            assert_eq!(logins.check(&login("umbrella", &token), || 1).await.unwrap_err().status, 401);
        }
        assert_eq!(logins.checked.load(Ordering::Relaxed), 2);
        tokio::time::advance(Duration::from_secs(5)).await;
        logins.check(&login("umbrella", &token), || 1).await.unwrap_err();
        assert_eq!(logins.checked.load(Ordering::Relaxed), 3);

        let mut revoked = Directory::new(2);
        revoked.add_org(OrgId::new("k3f9").unwrap(), "acme");
        tell.send_replace(Some((Arc::new(revoked), Instant::now())));
        assert_eq!(logins.check(&login("acme", &token), || 1).await.unwrap_err().status, 401);

        tell.send_replace(Some((directory(), Instant::now())));
        assert!(logins.check(&login("acme", &token), || 1).await.is_ok());
        tokio::time::advance(MAX_SILENCE + Duration::from_secs(1)).await;
        assert_eq!(logins.check(&login("acme", &token), || 1).await.unwrap_err().status, 503);
    }

    #[tokio::test]
    async fn nobody_is_let_in_without_a_registry() {
        let (_, known) = watch::channel(None);
        assert_eq!(Logins::new(known).check(&login("", "x"), || 1).await.unwrap_err().status, 503);
    }
}
