//! Heartbeats: which hosts there are, so that one that falls silent is missed.

use std::sync::Arc;
use std::time::Duration;

use bus::client::{Client, Delivery};
use bus::sys::HEARTBEAT_PREFIX;
use tokio::time::Instant;

use crate::clock::unix_ns;
use crate::keeper::Keeper;

/// Changes that are noted in one [`WINDOW`]; a host that is left out comes with its next heartbeat. A new host is rare, and each
/// change is a sync and has every follower fetch the state: two hosts of one name must not bring that about all the time.
const MAX_CHANGES: u32 = 100;
const WINDOW: Duration = Duration::from_secs(60);

/// Notes hosts until the client is closed. Only the subject is read: the agent puts region and host there.
pub(crate) async fn run(keeper: &Arc<Keeper>, client: &Client) {
    let mut heartbeats = match client.subscribe(&format!("{HEARTBEAT_PREFIX}>"), None).await {
        Ok(heartbeats) => heartbeats,
        Err(error) => return tracing::error!(%error, "the registry cannot note hosts"),
    };
    let mut pace = Pace::default();
    while let Some(delivery) = heartbeats.next().await {
        match delivery {
            Delivery::Message(message) => {
                if let Some((region, host)) = address(&message.subject)
                    && pace.may(Instant::now())
                {
                    note(keeper, region, host, &mut pace).await;
                }
            }
            Delivery::Denied { reason } => {
                tracing::warn!(code = "LB02", %reason, "the registry cannot note hosts: the bus does not let this role");
                std::future::pending::<()>().await;
            }
            Delivery::Interrupted { .. } | Delivery::NoResponders => {}
        }
    }
}

async fn note(keeper: &Arc<Keeper>, region: String, host: String, pace: &mut Pace) {
    let name = host.clone();
    let noted = keeper.with(move |desk| {
        let registry = desk.registry_mut();
        let before = registry.version();
        registry.note_host(&host, &region, unix_ns())?;
        Ok(registry.version() != before)
    });
    match noted.await {
        Ok(is_change) => pace.changes += u32::from(is_change),
        Err(error) => {
            pace.changes += 1;
            if pace.may_say() {
                tracing::warn!(code = "LR02", host = %name, %error, "a host could not be noted");
            }
        }
    }
}

/// Region and host of `sys.hb.<region>.<host>`.
fn address(subject: &[u8]) -> Option<(String, String)> {
    let rest = std::str::from_utf8(subject).ok()?.strip_prefix(HEARTBEAT_PREFIX)?;
    let (region, host) = rest.split_once('.').filter(|(_, host)| !host.contains('.'))?;
    Some((region.to_owned(), host.to_owned()))
}

/// How many changes there were of late.
#[derive(Debug, Default)]
struct Pace {
    since: Option<Instant>,
    changes: u32,
    has_said: bool,
}

impl Pace {
    /// Whether another change may be made now.
    fn may(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            *self = Self { since: Some(now), ..Self::default() };
        }
        self.changes < MAX_CHANGES
    }

    /// Whether a failure may be said: once in a window.
    fn may_say(&mut self) -> bool {
        !std::mem::replace(&mut self.has_said, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_heartbeat_s_subject_names() {
        for (subject, wanted) in [
            ("sys.hb.lhr.h1", Some(("lhr", "h1"))),
            ("sys.hb.lhr.h%2E1", Some(("lhr", "h%2E1"))),
            ("sys.hb.lhr", None),
            ("sys.hb.lhr.h1.x", None),
            ("sys.registry", None),
        ] {
            let wanted = wanted.map(|(region, host): (&str, &str)| (region.to_owned(), host.to_owned()));
            assert_eq!(address(subject.as_bytes()), wanted, "{subject}");
        }
        assert_eq!(address(b"sys.hb.\xff.h"), None);
    }

    #[test]
    fn a_flood_of_changes_waits_for_the_next_window() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert!(pace.may(start) && pace.may_say() && !pace.may_say());
        pace.changes = MAX_CHANGES;
        assert!(!pace.may(start + WINDOW / 2));
        assert!(pace.may(start + WINDOW) && pace.may_say());
    }
}
