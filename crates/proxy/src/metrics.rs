//! The front door's figures, for Prometheus. What each means stands in docs/metrics.md.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::door::Door;
use crate::upstream::Standing;
use crate::warden::Done;

/// The figures of a front door, for who serves them beside others. Empty until it runs.
#[derive(Debug, Default)]
pub struct Figures(pub(crate) OnceLock<Reader>);

impl Figures {
    /// All figures in OpenMetrics text, its end mark included.
    pub fn text(&self) -> String {
        self.0.get().map(Reader::text).unwrap_or_default()
    }
}

/// Reads the counters where they are.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) door: Arc<Door>,
    pub(crate) done: Arc<Done>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// All figures in OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut registry = Registry::with_prefix("logway_proxy");
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            // Writing into a string does not fail.
            Err(_) => String::new(),
        }
    }

    /// What is wrong, in a sentence.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Standing::Away { last_error, .. } = &*self.door.upstream.standing().borrow() {
            let why = last_error.as_deref().unwrap_or("not connected yet");
            return Some(format!("no connection to the bus: {why}"));
        }
        self.door.logins.directory(tokio::time::Instant::now()).is_none().then(|| {
            "the registry has not been heard for five minutes, or not at all: nobody new is let in".to_owned()
        })
    }

    fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
        let (stats, done, door) = (&self.door.stats, &self.done, &self.door);
        let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let skipped_now: u64 = door.tenants().iter().map(|tenant| get(&tenant.skipped_lines)).sum();
        vec![
            ("messages_in", "Messages taken from the bus", get(&stats.in_messages)),
            ("bytes_in", "Bytes of payload taken from the bus", get(&stats.in_bytes)),
            ("messages_out", "Messages queued for clients", get(&stats.out_messages)),
            ("bytes_out", "Bytes of payload queued for clients", get(&stats.out_bytes)),
            ("slow_clients_cut", "Clients cut because they were slow", get(&stats.slow_consumers)),
            (
                "skipped_lines",
                "Lines given as gap records to slow clients",
                get(&door.skipped_lines) + skipped_now,
            ),
            ("violations", "Verbs refused because the token does not allow them", get(&stats.violations)),
            ("refused_logins", "Logins refused", get(&stats.refused_logins)),
            ("checked_logins", "Tokens whose signatures were checked", get(&door.logins.checked)),
            ("expired_sessions", "Sessions ended because their token's time was over", get(&done.expired)),
            ("revoked_sessions", "Sessions ended because their token was revoked", get(&done.revoked)),
            ("over_budget_sessions", "Sessions cut for the memory of all", get(&done.over_budget)),
            ("bus_connections", "Connections made to the bus", get(&door.upstream.connections)),
            (
                "deaf_bus_connections",
                "Connections to the bus given up because hosts were not heard on them",
                get(&door.upstream.hearing.deaf_connections),
            ),
            (
                "unwatched_heartbeats",
                "Heartbeats of hosts beyond those that are watched",
                door.upstream.hearing.counts().unwatched,
            ),
            ("foreign_messages", "Messages from outside what was subscribed to", get(&door.upstream.foreign)),
        ]
    }

    fn gauges(&self) -> Vec<(&'static str, &'static str, u64)> {
        let door = &self.door;
        let connected = matches!(&*door.upstream.standing().borrow(), Standing::Connected { .. });
        let hosts = door.upstream.hearing.counts();
        let waiting: usize = door.tenants().iter().map(|tenant| tenant.peer.outgoing().pending_bytes()).sum();
        vec![
            ("connections", "Client connections", door.stats.connections.load(Ordering::Relaxed)),
            ("orgs", "Orgs with a connection", door.gate.connections_of_orgs().len() as u64),
            ("bus_subscriptions", "Subscriptions on the bus", door.upstream.interests.len() as u64),
            ("bus_connected", "1 while connected to the bus", u64::from(connected)),
            ("hosts_heard", "Hosts whose heartbeats come", hosts.heard as u64),
            ("hosts_silent", "Hosts whose heartbeats do not come any more", hosts.silent as u64),
            ("pending_bytes", "Bytes that wait for clients", waiting as u64),
            (
                "registry_known",
                "1 while the registry's state is fresh enough to let somebody in",
                u64::from(door.logins.directory(tokio::time::Instant::now()).is_some()),
            ),
        ]
    }
}

impl Collector for Reader {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, value) in self.counters() {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        for (name, help, value) in self.gauges() {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
