//! The agent's figures, for Prometheus. What each means stands in docs/metrics.md.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use line::{Address, GapReason};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::spool::Stats;

mod store;

pub(crate) use store::StoreMetrics;

/// A gauge of seconds.
pub(crate) type Seconds = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabels {
    org: String,
    app: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GapLabels {
    org: String,
    app: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    code: &'static str,
}

/// All figures. Cheap to clone: clones share them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    lines: Family<AppLabels, Counter>,
    bytes: Family<AppLabels, Counter>,
    duplicates: Family<AppLabels, Counter>,
    gap_records: Family<GapLabels, Counter>,
    gap_lines: Family<GapLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    fsync: Histogram,
    /// Machines that are registered.
    pub(crate) machines: Gauge,
    /// Machines that are connected.
    pub(crate) connections: Gauge,
    /// Bytes that were no frame.
    pub(crate) garbage_bytes: Counter,
    /// Frames that made no sense where they came.
    pub(crate) malformed_frames: Counter,
    spool_bytes: Gauge,
    spool_segments: Gauge,
    /// What the spool may hold.
    pub(crate) spool_quota: Gauge,
    sync_failures: Gauge,
    /// Lines that the bus or Vector has taken.
    pub(crate) published: Counter,
    /// Times that a confirmation did not come and lines were sent again.
    pub(crate) rewinds: Counter,
    /// How long ago the oldest line was taken that is not out yet.
    pub(crate) lag: Seconds,
    /// 1 while the bus (or Vector) takes lines.
    pub(crate) bus_connected: Gauge,
    /// Bytes that the spool could not give back.
    pub(crate) unreadable_bytes: Counter,
    /// Questions for recent lines that were answered.
    pub(crate) recent: Counter,
    /// What goes to the store.
    pub(crate) store: StoreMetrics,
}

/// The counters of one app.
#[derive(Debug, Clone)]
pub(crate) struct AppMetrics {
    labels: AppLabels,
    gap_records: Family<GapLabels, Counter>,
    gap_lines: Family<GapLabels, Counter>,
    /// Records spooled, gap records and events included.
    pub(crate) lines: Counter,
    /// Bytes of text in them.
    pub(crate) bytes: Counter,
    /// Sequence numbers that came again and were left out.
    pub(crate) duplicates: Counter,
}

impl AppMetrics {
    /// Counts a gap record about `lines` sequence numbers.
    pub(crate) fn gap(&self, reason: GapReason, lines: u64) {
        let AppLabels { org, app } = self.labels.clone();
        let labels = GapLabels { org, app, reason: reason.as_str() };
        self.gap_records.get_or_create(&labels).inc();
        self.gap_lines.get_or_create(&labels).inc_by(lines);
    }
}

impl Metrics {
    /// Fresh figures.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("logway_agent"),
            lines: Family::default(),
            bytes: Family::default(),
            duplicates: Family::default(),
            gap_records: Family::default(),
            gap_lines: Family::default(),
            refused: Family::default(),
            fsync: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            machines: Gauge::default(),
            connections: Gauge::default(),
            garbage_bytes: Counter::default(),
            malformed_frames: Counter::default(),
            spool_bytes: Gauge::default(),
            spool_segments: Gauge::default(),
            spool_quota: Gauge::default(),
            sync_failures: Gauge::default(),
            published: Counter::default(),
            rewinds: Counter::default(),
            lag: Seconds::default(),
            bus_connected: Gauge::default(),
            unreadable_bytes: Counter::default(),
            recent: Counter::default(),
            store: StoreMetrics::default(),
        };
        metrics.register_apps();
        metrics.register_sockets();
        metrics.register_spool();
        metrics.register_out();
        metrics.store.register(&mut metrics.registry);
        metrics
    }

    fn register_apps(&mut self) {
        let r = &mut self.registry;
        r.register("lines", "Records spooled, gap records and events included", self.lines.clone());
        r.register_with_unit("text", "Text of these records", Unit::Bytes, self.bytes.clone());
        r.register(
            "duplicates",
            "Sequence numbers that came again and were left out",
            self.duplicates.clone(),
        );
        r.register("gap_records", "Gap records written, by reason", self.gap_records.clone());
        r.register("gap_lines", "Sequence numbers that gap records cover, by reason", self.gap_lines.clone());
    }

    fn register_sockets(&mut self) {
        let r = &mut self.registry;
        r.register("machines", "Machines registered", self.machines.clone());
        r.register("connections", "Machines connected", self.connections.clone());
        r.register("refused", "Connections and requests refused, by code", self.refused.clone());
        r.register_with_unit("garbage", "Bytes that were no frame", Unit::Bytes, self.garbage_bytes.clone());
        let help = "Frames that made no sense where they came";
        r.register("malformed_frames", help, self.malformed_frames.clone());
    }

    fn register_spool(&mut self) {
        let r = &mut self.registry;
        let help = "Spooled bytes that still have to go out";
        r.register_with_unit("spool_unsent", help, Unit::Bytes, self.spool_bytes.clone());
        r.register_with_unit("spool_quota", "What the spool may hold", Unit::Bytes, self.spool_quota.clone());
        r.register("spool_segments", "Segment files", self.spool_segments.clone());
        let help = "Bytes of the spool that could not be read";
        r.register_with_unit("spool_unreadable", help, Unit::Bytes, self.unreadable_bytes.clone());
        r.register_with_unit(
            "fsync",
            "Time that a sync of the spool took",
            Unit::Seconds,
            self.fsync.clone(),
        );
        r.register("fsync_failures", "Syncs that failed since the start", self.sync_failures.clone());
    }

    fn register_out(&mut self) {
        let r = &mut self.registry;
        r.register("published_lines", "Lines that the bus or Vector has taken", self.published.clone());
        let help = "Times that lines were sent again because nobody confirmed them";
        r.register("publish_rewinds", help, self.rewinds.clone());
        let help = "Age of the oldest line that is not out yet";
        r.register_with_unit("publish_lag", help, Unit::Seconds, self.lag.clone());
        r.register("bus_connected", "1 while the bus (or Vector) takes lines", self.bus_connected.clone());
        r.register("recent_requests", "Questions for recent lines answered", self.recent.clone());
    }

    /// The counters of the app of `address`.
    pub(crate) fn app(&self, address: &Address) -> AppMetrics {
        let labels = AppLabels { org: address.org.to_string(), app: address.app.to_string() };
        AppMetrics {
            gap_records: self.gap_records.clone(),
            gap_lines: self.gap_lines.clone(),
            lines: self.lines.get_or_create_owned(&labels),
            bytes: self.bytes.get_or_create_owned(&labels),
            duplicates: self.duplicates.get_or_create_owned(&labels),
            labels,
        }
    }

    /// Counts a connection or a request that was refused with `code`.
    pub(crate) fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&RefusedLabels { code }).inc();
    }

    /// Notes how long a sync of the spool took.
    pub(crate) fn synced(&self, took: Duration) {
        self.fsync.observe(took.as_secs_f64());
    }

    /// Notes the spool's figures.
    pub(crate) fn spool(&self, stats: &Stats) {
        self.spool_bytes.set(i64::try_from(stats.held_bytes).unwrap_or(i64::MAX));
        self.spool_segments.set(i64::try_from(stats.segments).unwrap_or(i64::MAX));
        self.sync_failures.set(i64::try_from(stats.failed_syncs).unwrap_or(i64::MAX));
    }

    /// Bytes of the spool that still have to go out, as of the last second.
    pub(crate) fn spool_unsent_bytes(&self) -> u64 {
        u64::try_from(self.spool_bytes.get()).unwrap_or(0)
    }

    /// All figures in the text format of OpenMetrics.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(8 << 10);
        // Writing to a string cannot fail.
        let _written = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
