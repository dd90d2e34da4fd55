//! The store's figures, for Prometheus. What each means stands in docs/metrics.md.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::engine::Stats;

/// All figures in OpenMetrics text, its end mark included.
pub(super) fn text(stats: Stats) -> String {
    let mut registry = Registry::with_prefix("logway_store");
    registry.register_collector(Box::new(Reader(stats)));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => text,
        // Writing into a string does not fail.
        Err(_) => String::new(),
    }
}

/// Figures as of one moment.
#[derive(Debug)]
struct Reader(Stats);

impl Reader {
    fn counters(&self) -> [(&'static str, &'static str, u64); 14] {
        let stats = &self.0;
        [
            ("taken_lines", "Lines and records kept", stats.taken),
            ("duplicate_lines", "Lines dropped because they had come before", stats.duplicates),
            ("retimed_lines", "Lines whose time was impossible", stats.retimed),
            ("expired_lines", "Imported lines that were too old to be taken", stats.expired),
            ("rejected_batches", "Batches that can never be taken", stats.rejected),
            ("ended_batches", "Batches with lines of orgs that have ended", stats.ended),
            ("busy_batches", "Batches that were told to come later", stats.busy),
            ("disk_errors", "Writes and syncs that failed", stats.disk_errors),
            ("forgotten_boots", "Boots that were forgotten because they were silent", stats.boots_forgotten),
            ("flushes", "Times that what was in memory went into parts", stats.flushes),
            ("merges", "Merges of parts", stats.merges),
            ("rewritten_days", "Days that were over and rewritten", stats.rewrites),
            (
                "dropped_parts",
                "Parts removed because nothing in them is kept any longer",
                stats.parts_dropped,
            ),
            ("dropped_lines", "Lines removed because they are not kept any longer", stats.rows_dropped),
        ]
    }

    fn gauges(&self) -> [(&'static str, &'static str, u64); 19] {
        let stats = &self.0;
        [
            ("memory_lines", "Lines in memory that are in no part yet", stats.memory_rows),
            ("memory_bytes", "Bytes of memory that those take", stats.memory_bytes as u64),
            ("parts", "Parts on disk", stats.parts as u64),
            ("part_lines", "Lines in parts", stats.part_rows),
            ("part_bytes", "Bytes of parts", stats.part_bytes),
            ("log_bytes", "Bytes of the log's files", stats.log_bytes),
            (
                "failed_log_segments",
                "Segments of the log that the disk has failed on",
                stats.failed_segments as u64,
            ),
            ("queue_bytes", "Bytes of batches that wait for the log", stats.queue_bytes as u64),
            ("open_parts", "Files of parts that are open", stats.open_parts as u64),
            ("absent_parts", "Parts that cannot be read at the moment", stats.absent_parts as u64),
            ("absent_lines", "Lines in parts that cannot be read at the moment", stats.absent_rows),
            ("damaged_parts", "Parts that were found damaged inside", stats.damaged_parts as u64),
            ("lost_lines", "Lines of parts that the start did not find or set aside", stats.lost_rows),
            ("lost_batches", "Batches of the log that the start could not read", stats.lost_batches),
            (
                "unreadable_log_bytes",
                "Bytes of the log that the disk did not give at the start",
                stats.unreadable_log_bytes,
            ),
            ("set_aside_files", "Files in the folder for what is damaged", stats.set_aside as u64),
            ("boots", "Boots whose numbers are remembered", stats.boots as u64),
            (
                "clock_doubted",
                "1 while the host's clock has jumped or was set back and is not believed in all",
                u64::from(stats.is_clock_doubted),
            ),
            (
                "disk_trouble",
                "1 while the disk is the reason why batches are told to come later",
                u64::from(stats.trouble.is_some()),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What there is stands on the page about metrics, each in a row of its own.
    #[test]
    fn all_are_on_the_page() {
        let page = include_str!("../../../../docs/metrics.md");
        let reader = Reader(Stats::default());
        for (name, _, _) in reader.counters() {
            assert!(page.contains(&format!("| `logway_store_{name}` | counter |")), "{name}");
        }
        for (name, _, _) in reader.gauges() {
            assert!(page.contains(&format!("| `logway_store_{name}` | gauge |")), "{name}");
        }
        assert!(text(Stats::default()).ends_with("# EOF\n"));
    }
}
