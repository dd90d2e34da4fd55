//! Figures of what goes to the store.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Seconds;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    answer: &'static str,
}

/// What goes to the store. All are 0 without one.
#[derive(Debug, Default)]
pub(crate) struct StoreMetrics {
    requests: Family<AnswerLabels, Counter>,
    /// Records that the store has acknowledged.
    pub(crate) lines: Counter,
    /// Bytes of requests sent, compressed.
    pub(crate) sent_bytes: Counter,
    /// Age of the oldest line that the store does not have.
    pub(crate) lag: Seconds,
    /// Bytes of the spool's records from that line on.
    pub(crate) lag_bytes: Gauge,
    /// Shards whose store does not take lines.
    pub(crate) failing_shards: Gauge,
    /// Files in the dead-letter folder.
    pub(crate) dead_letters: Gauge,
    /// Refused requests that there was no room for there.
    pub(crate) not_kept: Counter,
}

impl StoreMetrics {
    /// Counts what became of a request.
    pub(crate) fn answered(&self, answer: &'static str) {
        self.requests.get_or_create(&AnswerLabels { answer }).inc();
    }

    pub(super) fn register(&self, r: &mut Registry) {
        let help = "Requests to the store, by what became of them";
        r.register("store_requests", help, self.requests.clone());
        r.register("store_lines", "Records that the store has acknowledged", self.lines.clone());
        let help = "Bytes of requests to the store, compressed";
        r.register_with_unit("store_sent", help, Unit::Bytes, self.sent_bytes.clone());
        let help = "Age of the oldest line that the store does not have";
        r.register_with_unit("store_lag", help, Unit::Seconds, self.lag.clone());
        let help = "Bytes of the spool's records from the oldest line that the store does not have on";
        r.register_with_unit("store_behind", help, Unit::Bytes, self.lag_bytes.clone());
        let help = "Shards whose store does not take lines at the moment";
        r.register("store_failing_shards", help, self.failing_shards.clone());
        r.register("dead_letters", "Refused requests in the dead-letter folder", self.dead_letters.clone());
        let help = "Refused requests that there was no room for in the dead-letter folder";
        r.register("dead_letters_not_kept", help, self.not_kept.clone());
    }
}
