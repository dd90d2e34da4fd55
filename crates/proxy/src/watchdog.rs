//! Notices a bus that has gone deaf: connected, answering pings, and handing on less than is said.
//!
//! That is how a cluster fails that has lost a route or forgotten a subscription. Nothing tells a client of it, so somebody has to expect
//! something: each agent sends a heartbeat every five seconds, and a host that was heard, or that the registry knows, is missed
//! when two of them have not come. One silent host is a host that has died, as a rule. When most fall silent at once, or one does that is
//! known to live, it is our connection that does not hear, and another server may do better.
//!
//! Pure: time is an argument and what is to be done is returned.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};

use bus::sys::HEARTBEAT_SECONDS;

/// A host that was not heard for so long is silent: two heartbeats have not come, with half of one for those that are late.
pub(crate) const SILENT_AFTER: Duration = Duration::from_millis(HEARTBEAT_SECONDS * 2500);
/// Hosts that are watched. Further ones are counted and not watched.
pub(crate) const MAX_HOSTS: usize = 10_000;
/// A silent host that the registry does not know is forgotten after so long: it was taken away.
const FORGET_AFTER: Duration = Duration::from_secs(60 * 60);
/// For how long it counts that a host was seen alive by another way.
const ALIVE_FOR: Duration = Duration::from_secs(15);
/// The least time from one change of servers to the next: each costs every client some lines.
const SETTLE: Duration = Duration::from_secs(30);
/// Silent hosts that a report names. The rest is a number, so that a cluster's end is not ten thousand lines of log.
pub(crate) const MAX_NAMED: usize = 10;
/// Longest name of a region or a host in bytes, as in a subject.
const MAX_NAME_BYTES: usize = 63;

/// Which host: its region and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostName {
    pub(crate) region: String,
    pub(crate) host: String,
}

/// What is known of a host.
#[derive(Debug, Clone, Default)]
struct Seen {
    heard: Option<Instant>,
    /// When it was last seen alive by another way than the bus.
    alive: Option<Instant>,
    /// Since when it is silent, if it is and that was said.
    silent_since: Option<Instant>,
    /// The registry knows it.
    is_registered: bool,
    /// How often the server was changed while it was silent. More will not help.
    changes: usize,
}

/// A host that is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) host: HostName,
    /// How long ago it was heard last; `None`: never.
    pub(crate) heard_ago: Option<Duration>,
    /// It is known to live all the same.
    pub(crate) is_alive: bool,
}

/// What a look came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Hosts that are silent since this look, by name; at most [`MAX_NAMED`].
    pub(crate) silent: Vec<Silence>,
    /// How many more are.
    pub(crate) more_silent: usize,
    /// Hosts that were silent and were heard again since the last look, and for how long they had been; at most [`MAX_NAMED`].
    pub(crate) healed: Vec<(HostName, Duration)>,
    /// How many more were.
    pub(crate) more_healed: usize,
    /// How many were forgotten.
    pub(crate) forgotten: usize,
    /// Another server is to be tried: so many hosts are silent of so many.
    pub(crate) reconnect: Option<(usize, usize)>,
}

/// How many hosts there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Heard lately.
    pub(crate) heard: usize,
    /// Missed.
    pub(crate) silent: usize,
    /// Neither yet: the connection is too new, or there is none.
    pub(crate) unknown: usize,
    /// Heartbeats of hosts that are not watched because there are [`MAX_HOSTS`] already, or whose names no subject can have.
    pub(crate) unwatched: u64,
}

/// Watches hosts through one connection to the bus.
#[derive(Debug)]
pub(crate) struct Watchdog {
    hosts: HashMap<HostName, Seen>,
    /// Since when there is a connection.
    connected: Option<Instant>,
    changed: Option<Instant>,
    /// How often the server is changed for a host that stays silent.
    max_changes: usize,
    unwatched: u64,
    /// For the next report: see [`Report::healed`].
    healed: Vec<(HostName, Duration)>,
    more_healed: usize,
}

impl Watchdog {
    /// One for a bus with so many servers. Each is tried once for a silence; a single one is connected to anew once.
    pub(crate) fn new(servers: usize) -> Self {
        let max_changes = servers.saturating_sub(1).max(1);
        Self {
            hosts: HashMap::new(),
            connected: None,
            changed: None,
            max_changes,
            unwatched: 0,
            healed: Vec::new(),
            more_healed: 0,
        }
    }

    /// There is a connection since now. Nobody is missed on it before [`SILENT_AFTER`].
    pub(crate) fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// There is none, and so nobody is missed.
    pub(crate) fn disconnected(&mut self) {
        self.connected = None;
    }

    /// The registry knows these hosts and no others.
    #[cfg_attr(not(test), expect(dead_code, reason = "the front door is not told of hosts yet"))]
    pub(crate) fn expect(&mut self, hosts: impl IntoIterator<Item = HostName>) {
        self.hosts.values_mut().for_each(|seen| seen.is_registered = false);
        for host in hosts {
            if let Some(seen) = self.seen(&host) {
                seen.is_registered = true;
            }
        }
        self.hosts.retain(|_, seen| seen.is_registered || seen.heard.is_some());
    }

    /// A heartbeat came. Whether the host had been silent; the next report says so, too.
    pub(crate) fn heard(&mut self, host: &HostName, now: Instant) -> bool {
        let Some(seen) = self.seen(host) else { return false };
        seen.heard = Some(now);
        seen.changes = 0;
        let Some(since) = seen.silent_since.take() else { return false };
        if self.healed.len() < MAX_NAMED {
            self.healed.push((host.clone(), now.duration_since(since)));
        } else {
            self.more_healed += 1;
        }
        true
    }

    /// A host was seen alive by another way than the bus. One that is not watched is not remembered.
    #[cfg_attr(not(test), expect(dead_code, reason = "the bus is the only way to hosts yet"))]
    pub(crate) fn alive(&mut self, host: &HostName, now: Instant) {
        if let Some(seen) = self.hosts.get_mut(host) {
            seen.alive = Some(now);
        }
    }

    fn seen(&mut self, host: &HostName) -> Option<&mut Seen> {
        let is_name = |name: &str| (1..=MAX_NAME_BYTES).contains(&name.len());
        if !self.hosts.contains_key(host) {
            if self.hosts.len() >= MAX_HOSTS || !is_name(&host.region) || !is_name(&host.host) {
                self.unwatched += 1;
                return None;
            }
            self.hosts.insert(host.clone(), Seen::default());
        }
        self.hosts.get_mut(host)
    }

    /// What is to be said and done. To be called every second or so.
    pub(crate) fn look(&mut self, now: Instant) -> Report {
        let mut report = Report {
            healed: std::mem::take(&mut self.healed),
            more_healed: std::mem::take(&mut self.more_healed),
            ..Report::default()
        };
        let Some(connected) = self.connected else { return report };
        let mut fallen_silent = Vec::new();
        for (host, seen) in &mut self.hosts {
            if seen.silent_since.is_some() || !is_missed(seen, connected, now) {
                continue;
            }
            seen.silent_since = Some(now);
            let (heard_ago, is_alive) =
                (seen.heard.map(|heard| now.duration_since(heard)), is_alive(seen, now));
            fallen_silent.push(Silence { host: host.clone(), heard_ago, is_alive });
        }
        fallen_silent.sort_unstable_by(|a, b| a.host.cmp(&b.host));
        report.more_silent = fallen_silent.len().saturating_sub(MAX_NAMED);
        fallen_silent.truncate(MAX_NAMED);
        report.silent = fallen_silent;
        report.reconnect = self.wants_another_server(connected, now);
        report.forgotten = self.forget(now);
        report
    }

    /// Whether most hosts are silent at once, or one that lives; and counts it as a change of servers.
    fn wants_another_server(&mut self, connected: Instant, now: Instant) -> Option<(usize, usize)> {
        if self.changed.is_some_and(|changed| now.duration_since(changed) < SETTLE) {
            return None;
        }
        // Silent on this connection too, and not for want of a change.
        let max_changes = self.max_changes;
        let is_ours = |seen: &Seen| is_missed(seen, connected, now) && seen.changes < max_changes;
        let silent = self.hosts.values().filter(|seen| is_ours(seen)).count();
        // Those for whom all was tried are dead, and say nothing about this connection.
        let known = self.hosts.values().filter(|seen| seen.changes < max_changes).count();
        let lives = self.hosts.values().any(|seen| is_ours(seen) && is_alive(seen, now));
        let is_most = silent >= 2 && silent * 2 >= known;
        if !lives && !is_most {
            return None;
        }
        self.changed = Some(now);
        self.hosts.values_mut().filter(|seen| is_ours(seen)).for_each(|seen| seen.changes += 1);
        Some((silent, known))
    }

    fn forget(&mut self, now: Instant) -> usize {
        let before = self.hosts.len();
        self.hosts.retain(|_, seen| {
            seen.is_registered
                || seen.silent_since.is_none_or(|since| now.duration_since(since) < FORGET_AFTER)
        });
        before - self.hosts.len()
    }

    /// How many hosts there are of each kind.
    pub(crate) fn counts(&self, now: Instant) -> Counts {
        let silent = self.hosts.values().filter(|seen| seen.silent_since.is_some()).count();
        let is_heard = |seen: &&Seen| {
            seen.silent_since.is_none()
                && seen.heard.is_some_and(|heard| now.duration_since(heard) < SILENT_AFTER)
        };
        let heard = self.hosts.values().filter(is_heard).count();
        Counts { heard, silent, unknown: self.hosts.len() - heard - silent, unwatched: self.unwatched }
    }
}

/// Whether a host has not been heard for too long, on a connection that is as old.
fn is_missed(seen: &Seen, connected: Instant, now: Instant) -> bool {
    let since = seen.heard.map_or(connected, |heard| heard.max(connected));
    now.duration_since(since) >= SILENT_AFTER
}

fn is_alive(seen: &Seen, now: Instant) -> bool {
    seen.alive.is_some_and(|alive| now.duration_since(alive) < ALIVE_FOR)
}

#[cfg(test)]
mod tests;
