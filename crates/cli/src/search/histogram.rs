//! How what was found lies in time, as a row of bars.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use super::plan::Plan;
use crate::http::{Server, Trouble};
use crate::logs::render::thousands;
use crate::output::{aside, columns};
use crate::scope::Range;

/// Where counts by time are asked for.
const HITS: &str = "/select/logsql/hits";
/// Most bars.
const MAX_BARS: i64 = 60;
/// Fewest bars, however narrow the terminal is, and what stands beside them at most.
const LEAST_BARS: i64 = 8;
const BESIDE_BARS: usize = 16;
const SECOND: i64 = 1_000_000_000;
/// What a bar may stand for, in seconds.
const STEPS: [i64; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800,
];
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Counts by time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    step: i64,
}

/// What the server says.
#[derive(Debug, Deserialize)]
struct Reply {
    hits: Vec<Hits>,
}

#[derive(Debug, Deserialize)]
struct Hits {
    timestamps: Vec<String>,
    values: Vec<u64>,
}

impl Histogram {
    /// Asks for it, for at most `patience`.
    pub(super) async fn ask(server: &Server, plan: &Plan, patience: Duration) -> Result<Self, Trouble> {
        let range = plan.range();
        let step = step(range, most_bars(columns()));
        let form = plan.form(server).with("step", &format!("{}s", step / SECOND));
        let ask = async {
            let document = server.ask(HITS, &form).await?.document().await?;
            let wrong = |_| Trouble::Broken("the counts are no JSON".to_owned());
            serde_json::from_slice(&document).map_err(wrong)
        };
        let late = |_| Trouble::Broken("it took too long".to_owned());
        let reply: Reply = timeout(patience, ask).await.map_err(late)??;
        Ok(Self::new(&reply, range, step))
    }

    fn new(reply: &Reply, range: Range, step: i64) -> Self {
        let first = range.from.div_euclid(step);
        let bars = (range.to - 1).div_euclid(step) - first + 1;
        let mut counts = vec![0; usize::try_from(bars).unwrap_or(0)];
        for hits in &reply.hits {
            for (time, value) in hits.timestamps.iter().zip(&hits.values) {
                let Ok(time) = line::time::parse_rfc3339(time) else { continue };
                let at = usize::try_from(time.div_euclid(step) - first).unwrap_or(usize::MAX);
                if let Some(count) = counts.get_mut(at) {
                    *count += value;
                }
            }
        }
        Self { counts, step }
    }

    /// Shows it below `shown` lines, on stderr.
    pub(super) fn show(&self, shown: u64) {
        if let Some(text) = self.text(shown) {
            aside(&text);
        }
    }

    fn text(&self, shown: u64) -> Option<String> {
        let total: u64 = self.counts.iter().sum();
        let most = self.counts.iter().copied().max().filter(|most| *most > 0)?;
        let bar = |count: &u64| match count {
            0 => ' ',
            _ => BARS[usize::try_from((count * 8).div_ceil(most) - 1).unwrap_or(7).min(7)],
        };
        let bars: String = self.counts.iter().map(bar).collect();
        let lines = if total == 1 { "line" } else { "lines" };
        let of = if shown < total { format!("the newest {} of ", thousands(shown)) } else { String::new() };
        let more = if shown < total { "; --limit shows more" } else { "" };
        Some(format!("│{bars}│ {}\n{of}{} {lines}{more}", a_bar(self.step), thousands(total)))
    }
}

/// What one bar stands for, and how that is said.
fn a_bar(step: i64) -> String {
    format!("{} a bar", query::number::write_duration(step))
}

/// How many bars have room in a terminal with so many letters in a row.
fn most_bars(columns: usize) -> i64 {
    i64::try_from(columns.saturating_sub(BESIDE_BARS)).unwrap_or(MAX_BARS).clamp(LEAST_BARS, MAX_BARS)
}

/// The shortest step with which there are not more than `most` bars.
fn step(range: Range, most: i64) -> i64 {
    let fits = |step: &i64| (range.to - 1).div_euclid(*step) - range.from.div_euclid(*step) < most;
    let weeks = STEPS[STEPS.len() - 1] * SECOND;
    let known = STEPS.into_iter().map(|step| step * SECOND).find(fits);
    known.unwrap_or_else(|| (range.nanos() / (most - 1) / weeks + 1) * weeks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_make_at_most_sixty_bars() {
        for (seconds, wanted) in
            [(1, 1), (60, 2), (3600, 120), (86_400, 1800), (7 * 86_400, 10_800), (30 * 86_400, 86_400)]
        {
            let range = Range { from: SECOND / 2, to: SECOND / 2 + seconds * SECOND };
            assert_eq!(step(range, MAX_BARS), wanted * SECOND, "{seconds}");
        }
        let range = Range { from: 0, to: i64::MAX };
        assert!(range.nanos() / step(range, MAX_BARS) < MAX_BARS);
        assert!(range.nanos() / step(range, LEAST_BARS) < LEAST_BARS);
    }

    #[test]
    fn a_narrow_terminal_has_fewer_bars() {
        for (columns, wanted) in [(200, 60), (80, 60), (40, 24), (20, 8), (0, 8)] {
            assert_eq!(most_bars(columns), wanted, "{columns}");
        }
        let day = Range { from: 0, to: 86_400 * SECOND };
        let bars = vec![1; usize::try_from(day.nanos() / step(day, most_bars(40))).unwrap()];
        let text = Histogram { counts: bars, step: step(day, most_bars(40)) }.text(0).unwrap();
        assert!(text.lines().next().unwrap().chars().count() < 40, "{text}");
    }

    #[test]
    fn bars_are_where_their_time_is() {
        let reply = r#"{"hits":[{"fields":{},"timestamps":["1970-01-01T00:00:10Z","1970-01-01T00:00:30Z"],"values":[1,16],"total":17},
            {"fields":{"a":"b"},"timestamps":["1970-01-01T00:00:30Z","x","1980-01-01T00:00:00Z"],"values":[16,5,5],"total":16}]}"#;
        let reply: Reply = serde_json::from_str(reply).unwrap();
        let histogram = Histogram::new(&reply, Range { from: 12 * SECOND, to: 40 * SECOND }, 10 * SECOND);
        assert_eq!(histogram.counts, [1, 0, 32]);
        assert_eq!(histogram.text(33).unwrap(), "│▁ █│ 10s a bar\n33 lines");
        assert_eq!(
            histogram.text(2).unwrap(),
            "│▁ █│ 10s a bar\nthe newest 2 of 33 lines; --limit shows more"
        );
        assert_eq!(Histogram { counts: vec![0, 0], step: 1 }.text(0), None);
    }
}
