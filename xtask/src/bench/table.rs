//! What was measured, as a Markdown table.

use std::fmt::Write;

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// What was measured, and under which load.
    pub(super) what: String,
    /// The figure and its unit.
    pub(super) measured: String,
    /// The budget in words; empty when there is none.
    pub(super) budget: String,
    /// Whether the budget is met; `None` when there is none.
    pub(super) met: Option<bool>,
}

impl Row {
    /// A figure without a budget.
    pub(super) fn plain(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), budget: String::new(), met: None }
    }

    /// `value` of `unit`, which should be `limit` at most.
    pub(super) fn at_most(what: impl Into<String>, value: f64, limit: f64, unit: &str) -> Self {
        let budget = format!("<= {} {unit}", figure(limit));
        Self {
            what: what.into(),
            measured: format!("{} {unit}", figure(value)),
            budget,
            met: Some(value <= limit),
        }
    }
}

/// Three figures that say something, no more.
pub(super) fn figure(value: f64) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The rows as Markdown, with columns of one width.
pub(super) fn render(rows: &[Row]) -> String {
    let mut cells = vec![["what", "measured", "budget", ""].map(str::to_owned)];
    for row in rows {
        let met = row.met.map_or("", |met| if met { "met" } else { "NOT MET" });
        cells.push([row.what.clone(), row.measured.clone(), row.budget.clone(), met.to_owned()]);
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let mut out = String::new();
    for (index, row) in cells.iter().enumerate() {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} "));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "|{}|", padded.collect::<Vec<_>>().join("|"));
        if index == 0 {
            let _ = writeln!(out, "|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets() {
        assert_eq!(Row::at_most("a", 3.0, 3.0, "MB").met, Some(true));
        assert_eq!(Row::at_most("a", 3.01, 3.0, "MB").met, Some(false));
        let row = Row::at_most("a", 1234.5, 0.25, "µs");
        assert_eq!((row.measured.as_str(), row.budget.as_str()), ("1234 µs", "<= 0.25 µs"));
    }

    #[test]
    fn columns() {
        let rows = [Row::at_most("CPU", 4.0, 3.5, "µs"), Row::plain("size", "1 MB")];
        let wanted = "\
| what | measured | budget    |         |
|------|----------|-----------|---------|
| CPU  | 4 µs     | <= 3.5 µs | NOT MET |
| size | 1 MB     |           |         |
";
        assert_eq!(render(&rows), wanted);
    }
}
