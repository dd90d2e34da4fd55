//! Logins: what is known of a token already, and how many that are not may be looked at.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use access::{Directory, Grant, LoginKey, Refusal, Remembered};
use bus::session::{Connect, Refused, VIOLATION};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Duration, Instant, sleep};

use crate::limits::Gate;

/// What the front door knows of orgs and keys, and when it last heard that this is still so.
pub type Known = Option<(Arc<Directory>, Instant)>;

/// Logins that may wait for their check. Further ones are closed without a word, and come again.
const MAX_WAITING: u64 = 256;
/// As many that come from where many wrong ones came from, apart from the others: so a flood takes their place from nobody. It is
/// also the number of them that are looked at in a second.
const MAX_SUSPECTS: u64 = 256;
/// How long those wait before it is their turn.
const SUSPECT_WAIT: Duration = Duration::from_secs(1);
/// Without word from the registry for so long nobody new is let in: a token may have been revoked.
const MAX_SILENCE: Duration = Duration::from_secs(5 * 60);

/// Checks logins.
#[derive(Debug)]
pub(crate) struct Logins {
    known: watch::Receiver<Known>,
    remembered: Mutex<Remembered>,
    /// One check at a time: a flood of wrong logins takes one core at most.
    checks: Semaphore,
    /// One of the suspects at a time stands in line for that: the others are never behind two of them.
    suspect_checks: Semaphore,
    waiting: AtomicU64,
    suspects: AtomicU64,
    /// Checks that were made, the costly part of a login.
    pub(crate) checked: AtomicU64,
}

/// Why somebody is not let in, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The token is not good.
    Token(Refusal),
    /// It was not good a moment ago.
    StillBad,
    /// The registry was not heard for too long, or not at all.
    NoRegistry,
    /// There is no connection to the bus.
    NoBus,
    /// Too many wait.
    Busy,
    /// The org has as many connections as it may.
    OrgFull,
}

impl Why {
    /// What the client is told. Only a token that is not good is called so: for everything else a plain close, after which
    /// clients try again.
    pub(crate) const fn refused(&self) -> Refused {
        match self {
            Self::Token(_) | Self::StillBad => Refused(Some(VIOLATION)),
            Self::NoRegistry | Self::NoBus | Self::Busy => Refused(None),
            Self::OrgFull => Refused(Some("maximum account active connections exceeded")),
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(refusal) => refusal.fmt(f),
            Self::StillBad => f.write_str("the same login was refused a moment ago"),
            Self::NoRegistry => f.write_str("the registry has not been heard for five minutes"),
            Self::NoBus => f.write_str("there is no connection to the bus"),
            Self::Busy => f.write_str("too many logins wait"),
            Self::OrgFull => f.write_str("the org has as many connections as it may"),
        }
    }
}

impl Logins {
    pub(crate) fn new(known: watch::Receiver<Known>) -> Self {
        Self {
            known,
            remembered: Mutex::default(),
            checks: Semaphore::new(1),
            suspect_checks: Semaphore::new(1),
            waiting: AtomicU64::new(0),
            suspects: AtomicU64::new(0),
            checked: AtomicU64::new(0),
        }
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

    /// Whose login it is. `unix_now` gives Unix seconds.
    pub(crate) async fn check(
        &self,
        connect: &Connect,
        from: IpAddr,
        gate: &Arc<Gate>,
        unix_now: impl Fn() -> u64,
    ) -> Result<Arc<Grant>, Why> {
        let login = login_of(connect);
        let key = LoginKey::of(login.0, login.1);
        let directory = self.directory(Instant::now()).ok_or(Why::NoRegistry)?;
        if let Some(known) = self.known_of(&key, &directory, unix_now()) {
            return known;
        }
        let checking = gate.begin_check(from, Instant::now());
        let (room, places) = match checking.is_suspect {
            true => (&self.suspects, MAX_SUSPECTS),
            false => (&self.waiting, MAX_WAITING),
        };
        let _waiting = Waiting::among(room, places).ok_or(Why::Busy)?;
        let _place = if checking.is_suspect {
            sleep(SUSPECT_WAIT).await;
            Some(self.suspect_checks.acquire().await)
        } else {
            None
        };
        let _turn = self.checks.acquire().await;
        // Meanwhile an org may have been renamed, and the same login have come before.
        let directory = self.directory(Instant::now()).ok_or(Why::NoRegistry)?;
        if let Some(known) = self.known_of(&key, &directory, unix_now()) {
            return known;
        }
        self.checked.fetch_add(1, Ordering::Relaxed);
        let found = directory.login(login.0, login.1, unix_now()).map(Arc::new);
        if found.is_err() {
            gate.note_failure(from, Instant::now());
        }
        let (grant, now) = (found.as_ref().ok().cloned(), Instant::now().into_std());
        self.remembered().keep(key, grant, &directory, now);
        found.map_err(Why::Token)
    }

    /// What is known of a login already; `None`: it has to be looked at.
    fn known_of(
        &self,
        key: &LoginKey,
        directory: &Arc<Directory>,
        now_s: u64,
    ) -> Option<Result<Arc<Grant>, Why>> {
        let known = self.remembered().find(key, directory, Instant::now().into_std(), now_s)?;
        Some(known.ok_or(Why::StillBad))
    }
}

/// One of those that wait; ends when dropped.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicU64, places: u64) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let one = Self(count);
        (before < places).then_some(one)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// User and secret of a CONNECT. A token may stand in `auth_token` or `pass`; with `auth_token` there need be no user.
fn login_of(connect: &Connect) -> (&str, &str) {
    if connect.pass.is_empty() && !connect.auth_token.is_empty() {
        (&connect.user, &connect.auth_token)
    } else if connect.pass.is_empty() {
        // Some clients give what stands before '@' in a URL as the user: `nats://TOKEN@host`.
        ("", &connect.user)
    } else {
        (&connect.user, &connect.pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_token_stands() {
        for (json, login) in [
            (r#"{"user":"acme","pass":"t"}"#, ("acme", "t")),
            (r#"{"auth_token":"t"}"#, ("", "t")),
            (r#"{"user":"acme","auth_token":"t"}"#, ("acme", "t")),
            (r#"{"user":"acme","pass":"p","auth_token":"t"}"#, ("acme", "p")),
            (r#"{"user":"t"}"#, ("", "t")),
            ("{}", ("", "")),
        ] {
            assert_eq!(login_of(&Connect::read(json.as_bytes()).unwrap()), login, "{json}");
        }
    }
}
