//! Heartbeats as the connection to the bus hands them on: if it is deaf to them, it is deaf to lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus::client::Client;
use bus::codec::{Placed, write};
use bus::sys::HEARTBEAT_PREFIX;
use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use crate::upstream::Upstream;
use crate::watchdog::{Counts, HostName, Report, Watchdog};

/// The subscription's id on the bus. Those of clients begin with 1.
const SID: u64 = 0;
/// Heartbeats that may wait for who reads them here. Older ones are forgotten: the next one says the same and more.
const WAITING: usize = 1024;
/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who listens to heartbeats.
#[derive(Debug)]
pub(crate) struct Hearing {
    watchdog: Mutex<Watchdog>,
    beats: broadcast::Sender<Bytes>,
    /// Connections that were given up because they were deaf.
    pub(crate) deaf_connections: AtomicU64,
}

impl Hearing {
    /// For a bus with so many servers.
    pub(crate) fn new(servers: usize) -> Self {
        Self {
            watchdog: Mutex::new(Watchdog::new(servers)),
            beats: broadcast::Sender::new(WAITING),
            deaf_connections: AtomicU64::new(0),
        }
    }

    fn watchdog(&self) -> MutexGuard<'_, Watchdog> {
        self.watchdog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The verb that each connection begins with.
    pub(crate) fn write_sub(out: &mut Vec<u8>) {
        write::sub(out, &format!("{HEARTBEAT_PREFIX}>"), None, SID);
    }

    pub(crate) fn connected(&self) {
        self.watchdog().connected(Instant::now());
    }

    pub(crate) fn disconnected(&self) {
        self.watchdog().disconnected();
    }

    /// Takes a message of that subscription, if it is one and a heartbeat. It lies in `bytes`.
    pub(crate) fn take(&self, bytes: &[u8], message: &Placed) -> bool {
        if bytes[message.sid.clone()] != *b"0" {
            return false;
        }
        let Some(host) = host_of(&bytes[message.subject.clone()]) else { return false };
        self.watchdog().heard(&host, Instant::now());
        // Nobody may be listening.
        let _ = self.beats.send(Bytes::copy_from_slice(&bytes[message.payload.clone()]));
        true
    }

    /// The payloads of heartbeats from now on.
    pub(crate) fn beats(&self) -> broadcast::Receiver<Bytes> {
        self.beats.subscribe()
    }

    /// How many hosts are heard, and how many are missed.
    pub(crate) fn counts(&self) -> Counts {
        self.watchdog().counts(Instant::now())
    }
}

/// Looks until it is dropped, and has `upstream` and `client` connect elsewhere when it is the connection that does not hear.
pub(crate) async fn run(upstream: &Upstream, client: &Client) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let report = upstream.hearing.watchdog().look(Instant::now());
        tell(&report);
        if report.reconnect.is_some() {
            upstream.hearing.deaf_connections.fetch_add(1, Ordering::Relaxed);
            upstream.reconnect_elsewhere();
            client.reconnect_elsewhere();
        }
    }
}

fn tell(report: &Report) {
    for silence in &report.silent {
        let (region, host) = (&silence.host.region, &silence.host.host);
        let heard_s_ago = silence.heard_ago.map(|ago| ago.as_secs());
        tracing::warn!(%region, %host, heard_s_ago, "a host is not heard any more");
    }
    if report.more_silent > 0 {
        tracing::warn!(hosts = report.more_silent, "more hosts are not heard any more");
    }
    for (HostName { region, host }, silent_for) in &report.healed {
        tracing::info!(%region, %host, silent_s = silent_for.as_secs(), "a host is heard again");
    }
    if report.more_healed > 0 {
        tracing::info!(hosts = report.more_healed, "more hosts are heard again");
    }
    if report.forgotten > 0 {
        tracing::info!(
            hosts = report.forgotten,
            "hosts that were silent for an hour are not waited for any more"
        );
    }
    if let Some((silent, hosts)) = report.reconnect {
        tracing::error!(silent, hosts, "the bus hands on too little: trying another server");
    }
}

/// Which host's heartbeat it is: `sys.hb.<region>.<host>`.
fn host_of(subject: &[u8]) -> Option<HostName> {
    let rest = std::str::from_utf8(subject).ok()?.strip_prefix(HEARTBEAT_PREFIX)?;
    let (region, host) = rest.split_once('.').filter(|(_, host)| !host.contains('.'))?;
    Some(HostName { region: region.to_owned(), host: host.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_heartbeat_it_is() {
        for (subject, wanted) in [
            (&b"sys.hb.lhr.h1"[..], Some(("lhr", "h1"))),
            (b"sys.hb.lhr", None),
            (b"sys.hb.lhr.h1.x", None),
            (b"sys.recent", None),
            (b"sys.hb.\xff.h1", None),
        ] {
            let found = host_of(subject);
            let found = found.as_ref().map(|name| (name.region.as_str(), name.host.as_str()));
            assert_eq!(found, wanted, "{subject:?}");
        }
    }
}
