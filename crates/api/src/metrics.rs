//! The API's figures, for Prometheus. What each means stands in docs/metrics.md.

mod shown;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::route::{Route, V1};
use crate::serve::{Api, get};

pub(crate) use shown::shown;

pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    bad: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    queries: AtomicU64,
    query_micros: AtomicU64,
    pub(crate) partial_answers: AtomicU64,
    pub(crate) scanned_rows: AtomicU64,
    pub(crate) scanned_bytes: AtomicU64,
    pub(crate) inserted_lines: AtomicU64,
    pub(crate) inserted_bytes: AtomicU64,
    pub(crate) refused_lines: AtomicU64,
    pub(crate) tails: AtomicU64,
    pub(crate) tailed_rows: AtomicU64,
}

impl Counts {
    /// Counts a request by how it was answered.
    pub(crate) fn note(&self, route: Option<Route>, status: u16) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let also = match status {
            401 | 403 | 429 => &self.refused,
            400..500 => &self.bad,
            500.. => &self.failed,
            _ if matches!(route, Some(Route::Tail | Route::V1(V1::AppTail | V1::SubjectTail))) => &self.tails,
            _ => return,
        };
        also.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the time until a query's answer began.
    pub(crate) fn took(&self, route: Route, time: Duration) {
        let is_query =
            matches!(route, Route::Query | Route::Hits | Route::StatsQuery | Route::StatsQueryRange);
        if is_query || matches!(route, Route::V1(V1::Page | V1::Apps | V1::Machines | V1::Doctor)) {
            self.queries.fetch_add(1, Ordering::Relaxed);
            let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            self.query_micros.fetch_add(micros, Ordering::Relaxed);
        }
    }
}

/// The figures of an API, for who serves them beside others. Empty until it runs.
#[derive(Default)]
pub struct ApiFigures(pub(crate) OnceLock<Arc<Api>>);

impl std::fmt::Debug for ApiFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiFigures").finish_non_exhaustive()
    }
}

impl ApiFigures {
    /// All figures in OpenMetrics text, its end mark included.
    pub fn text(&self) -> String {
        let Some(api) = self.0.get() else { return String::new() };
        let mut registry = Registry::with_prefix("logway_api");
        registry.register_collector(Box::new(Reader(Arc::clone(api))));
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            // Writing into a string does not fail.
            Err(_) => String::new(),
        }
    }
}

/// Reads the counters where they are.
struct Reader(Arc<Api>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    fn counters(&self) -> [(&'static str, &'static str, u64); 16] {
        let (counts, logins) = (&self.0.counts, &self.0.logins);
        [
            ("requests", "Requests answered", get(&counts.requests)),
            ("bad_requests", "Requests that were wrong", get(&counts.bad)),
            ("refused_requests", "Requests refused for who asks or how much", get(&counts.refused)),
            ("failed_requests", "Requests that could not be answered", get(&counts.failed)),
            ("refused_logins", "Requests without a good token", get(&logins.refused)),
            ("checked_logins", "Tokens whose signatures were checked", get(&logins.checked)),
            ("queries", "Queries, hits and statistics answered", get(&counts.queries)),
            ("query_micros", "Microseconds until their answers began", get(&counts.query_micros)),
            ("partial_answers", "Answers that were not whole, and said so", get(&counts.partial_answers)),
            ("scanned_rows", "Rows looked at for answers", get(&counts.scanned_rows)),
            ("scanned_bytes", "Bytes read for answers", get(&counts.scanned_bytes)),
            ("inserted_lines", "Lines kept", get(&counts.inserted_lines)),
            ("inserted_bytes", "Bytes of bodies with lines", get(&counts.inserted_bytes)),
            ("refused_lines", "Lines that were not taken, and said so", get(&counts.refused_lines)),
            ("tails", "Live tails begun", get(&counts.tails)),
            ("tailed_rows", "Rows given to live tails", get(&counts.tailed_rows)),
        ]
    }
}

/// The labels of an app's series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfApp {
    org: String,
    app: String,
}

impl Reader {
    /// What readers of live logs were given, here and at a front door of this process.
    fn encode_delivered(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let lines = self.0.deliveries.lines();
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Lines given to readers of live logs, over HTTP and NATS";
        let mut family = encoder.encode_descriptor("delivered_lines", help, None, kind)?;
        for (org, app, lines) in lines {
            // Those that are not counted any more have no name, as in the sums that strangers see.
            let app = app.map(|app| app.to_string()).unwrap_or_default();
            let labels = OfApp { org: org.to_string(), app };
            ConstCounter::new(lines).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Reader {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, value) in self.counters() {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        self.encode_delivered(&mut encoder)?;
        let helps = ["Queries that run", "Live tails that run", "Inserts that run"];
        let names = ["running_queries", "running_tails", "running_inserts"];
        let held = ("tail_bytes", "Bytes held for live tails", self.0.feeds.held());
        let taken = names.into_iter().zip(helps).zip(self.0.gate.taken());
        for (name, help, taken) in taken.map(|((name, help), taken)| (name, help, taken)).chain([held]) {
            let gauge = ConstGauge::new(i64::try_from(taken).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
