//! Heartbeats: which hosts live, and how far the boots have come that they read.
//!
//! Each agent says it every five seconds. What is remembered is bounded, and forgotten when it was not heard for a while: it is asked for
//! what runs now, and the store knows the rest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::{Action, Grant};
use bus::client::{Client, Delivery};
use bus::sys::{HEARTBEAT_PREFIX, HEARTBEAT_SECONDS, Heartbeat};
use line::{Address, Boot, OrgId};
use tokio::time::Instant;

/// A host that was not heard for so long may be dead: two heartbeats have not come, with half of one for those that are late.
pub(crate) const SILENT_AFTER: Duration = Duration::from_millis(HEARTBEAT_SECONDS * 2500);
/// Boots that are remembered, of all orgs together. Further ones are not, until others are forgotten.
const MAX_MARKS: usize = 200_000;
/// Hosts that are remembered. Further ones are not.
const MAX_HOSTS: usize = 10_000;
/// A boot is forgotten when it was not heard for so long. A heartbeat names those that wrote in the last minute.
const KEEP_MARK: Duration = Duration::from_secs(15 * 60);
/// The same of a host.
const KEEP_HOST: Duration = Duration::from_secs(60 * 60);
/// How often what is old is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    hosts: HashMap<Host, Instant>,
    marks: HashMap<OrgId, HashMap<(Address, Boot), Seen>>,
    /// All marks.
    count: usize,
    /// When what is old was looked for.
    looked: Option<Instant>,
}

/// A host, by region and name.
type Host = (String, String);

#[derive(Debug, Clone)]
struct Seen {
    next_seq: u64,
    host: String,
    heard: Instant,
}

/// A boot that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) address: Address,
    pub(crate) boot: Boot,
    /// One past the last seq that the agent has on its disk.
    pub(crate) next_seq: u64,
    pub(crate) host: String,
    /// How long ago it was said.
    pub(crate) age: Duration,
}

impl Heartbeats {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens until the client is closed, or is not let.
    pub(crate) async fn listen(&self, client: &Client) {
        let mut heartbeats = match client.subscribe(&format!("{HEARTBEAT_PREFIX}>"), None).await {
            Ok(heartbeats) => heartbeats,
            Err(error) => return tracing::error!(%error, "the API cannot hear which Machines run"),
        };
        while let Some(delivery) = heartbeats.next().await {
            match delivery {
                Delivery::Message(message) => self.take(&message.payload, Instant::now()),
                Delivery::Denied { reason } => {
                    tracing::warn!(code = "LB02", %reason, "the API cannot hear which Machines run: the bus does not let this role");
                    return;
                }
                Delivery::Interrupted { .. } | Delivery::NoResponders => {}
            }
        }
    }

    /// Takes a heartbeat. What is none is passed over, and of one the marks that are none.
    fn take(&self, payload: &[u8], now: Instant) {
        let Ok(heartbeat) = serde_json::from_slice::<Heartbeat>(payload) else { return };
        let mut heard = self.heard();
        heard.forget(now);
        let host = (heartbeat.region, heartbeat.host);
        if heard.hosts.len() < MAX_HOSTS || heard.hosts.contains_key(&host) {
            heard.hosts.insert(host.clone(), now);
        }
        for mark in heartbeat.marks {
            let Ok(org) = OrgId::new(&mark.org) else { continue };
            let Ok(boot) = Boot::parse(&mark.mark.boot) else { continue };
            let address = Address::new(org, &mark.app, &mark.region, &mark.mark.instance);
            let Ok(address) = address else { continue };
            heard.mark(
                address,
                boot,
                Seen { next_seq: mark.mark.next_seq, host: host.1.clone(), heard: now },
            );
        }
    }

    /// The boots that a grant may see, in no order.
    pub(crate) fn of(&self, grant: &Grant, now: Instant, now_s: u64) -> Vec<Mark> {
        let heard = self.heard();
        let marks = heard.marks.get(&grant.org).into_iter().flatten();
        let seen = marks.filter(|((address, _), _)| grant.scope.allows(Action::Read, address, now_s));
        seen.map(|((address, boot), seen)| Mark {
            address: address.clone(),
            boot: *boot,
            next_seq: seen.next_seq,
            host: seen.host.clone(),
            age: now.saturating_duration_since(seen.heard),
        })
        .collect()
    }

    /// The region of a host, and how long ago it was heard; `None`: it is not known. Machines may be said to be of another region than
    /// the host that runs them, so it goes by its name; of two with one name it is the one that was heard last.
    pub(crate) fn host(&self, name: &str, now: Instant) -> Option<(String, Duration)> {
        let heard = self.heard();
        let of_name = heard.hosts.iter().filter(|((_, host), _)| host == name);
        let ((region, _), heard) = of_name.max_by_key(|(_, heard)| **heard)?;
        Some((region.clone(), now.saturating_duration_since(*heard)))
    }
}

impl Heard {
    fn mark(&mut self, address: Address, boot: Boot, mut seen: Seen) {
        let marks = self.marks.entry(address.org.clone()).or_default();
        let before = marks.get(&(address.clone(), boot));
        if before.is_none() && self.count >= MAX_MARKS {
            return;
        }
        // A heartbeat may be overtaken by the next one.
        seen.next_seq = seen.next_seq.max(before.map_or(0, |before| before.next_seq));
        self.count += usize::from(marks.insert((address, boot), seen).is_none());
    }

    /// Forgets what was not heard for long, now and then.
    fn forget(&mut self, now: Instant) {
        let is_old = |heard: Instant, keep| now.saturating_duration_since(heard) > keep;
        if self.looked.is_some_and(|looked| !is_old(looked, LOOK_EVERY)) {
            return;
        }
        self.looked = Some(now);
        self.hosts.retain(|_, heard| !is_old(*heard, KEEP_HOST));
        self.marks.retain(|_, marks| {
            marks.retain(|_, seen| !is_old(seen.heard, KEEP_MARK));
            !marks.is_empty()
        });
        self.count = self.marks.values().map(HashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Scope;
    use bus::sys::{HeartbeatMark, Mark as Said};
    use proptest::prelude::*;

    fn beat(host: &str, marks: &[(&str, &str, &str, u64)]) -> Vec<u8> {
        let mark = |(org, app, boot, next_seq): &(&str, &str, &str, u64)| HeartbeatMark {
            org: (*org).to_owned(),
            app: (*app).to_owned(),
            region: "lhr".to_owned(),
            mark: Said { instance: "i1".to_owned(), boot: (*boot).to_owned(), next_seq: *next_seq },
        };
        let marks = marks.iter().map(mark).collect();
        let heartbeat = Heartbeat { host: host.to_owned(), region: "lhr".to_owned(), time: 1, marks };
        serde_json::to_vec(&heartbeat).unwrap()
    }

    fn grant(scope: Scope) -> Grant {
        Grant { org: OrgId::new("k3f9").unwrap(), scope, revocation_ids: Vec::new(), key_id: 1 }
    }

    const BOOT: &str = "0000000000000001";

    #[tokio::test(start_paused = true)]
    async fn what_is_heard_is_forgotten_in_time() {
        let (heard, begin) = (Heartbeats::default(), Instant::now());
        heard.take(&beat("h1", &[("k3f9", "web", BOOT, 7), ("m7x2", "web", BOOT, 9)]), begin);
        heard.take(
            &beat("h1", &[("k3f9", "web", BOOT, 5), ("k3f9", "web", "no", 5), ("K", "a", BOOT, 5)]),
            begin,
        );
        let marks = heard.of(&grant(Scope::ALL), begin, 1);
        assert_eq!(marks.len(), 1);
        assert_eq!((marks[0].next_seq, marks[0].host.as_str(), marks[0].age), (7, "h1", Duration::ZERO));
        let three = Duration::from_secs(3);
        assert_eq!(heard.host("h1", begin + three), Some(("lhr".to_owned(), three)));
        assert_eq!(heard.host("h9", begin), None);

        let later = begin + KEEP_MARK + Duration::from_secs(1);
        heard.take(&beat("h2", &[]), later);
        assert!(heard.of(&grant(Scope::ALL), later, 1).is_empty());
        assert!(heard.host("h1", later).is_some());
        heard.take(&beat("h2", &[]), begin + KEEP_HOST + Duration::from_secs(1));
        assert_eq!(heard.host("h1", later), None);
    }

    #[tokio::test]
    async fn what_a_token_does_not_name_is_not_seen() {
        let (heard, now) = (Heartbeats::default(), Instant::now());
        heard.take(
            &beat("h1", &[("k3f9", "web", BOOT, 1), ("k3f9", "db", BOOT, 1), ("m7x2", "web", BOOT, 1)]),
            now,
        );
        let name = |text| line::Name::new("app", text).unwrap();
        let some = Scope { apps: Some([name("web")].into()), ..Scope::ALL };
        let seen = heard.of(&grant(some), now, 1);
        assert_eq!(seen.iter().map(|mark| mark.address.app.as_str()).collect::<Vec<_>>(), ["web"]);
        let none = Scope { regions: Some([name("ams")].into()), ..Scope::ALL };
        assert!(heard.of(&grant(none), now, 1).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_heartbeat_or_passed_over(bytes: Vec<u8>) {
            Heartbeats::default().take(&bytes, Instant::now());
        }
    }
}
