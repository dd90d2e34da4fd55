//! What was measured, as a Markdown table.

use std::fmt::Write;

/// What is asked of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Budget {
    AtMost(f64),
    AtLeast(f64),
}

impl Budget {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {}", figure(limit)),
            Self::AtLeast(limit) => format!(">= {}", figure(limit)),
        }
    }
}

/// One figure, measured several times.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// What was measured, and under which load.
    what: String,
    /// The figure of each run, smallest first; none when there is only `text`.
    runs: Vec<f64>,
    /// Its unit; or the whole text of a row without figures.
    unit: String,
    /// What is asked of the figure.
    budget: Option<Budget>,
    /// The machine brought about the load that the figure is for.
    is_loaded: bool,
}

impl Row {
    /// A figure in `unit` of several runs.
    pub(super) fn new(what: impl Into<String>, runs: &[f64], unit: &str) -> Self {
        let mut runs = runs.to_vec();
        runs.sort_by(f64::total_cmp);
        Self { what: what.into(), runs, unit: unit.to_owned(), budget: None, is_loaded: true }
    }

    /// A row that has words in place of figures.
    pub(super) fn words(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what: what.into(), runs: Vec::new(), unit: text.into(), budget: None, is_loaded: true }
    }

    /// The figure should be `limit` at most.
    pub(super) fn at_most(mut self, limit: f64) -> Self {
        self.budget = Some(Budget::AtMost(limit));
        self
    }

    /// The figure should be `limit` at least.
    pub(super) fn at_least(mut self, limit: f64) -> Self {
        self.budget = Some(Budget::AtLeast(limit));
        self
    }

    /// Nothing is asked of the figure.
    pub(super) const fn without_limit(mut self) -> Self {
        self.budget = None;
        self
    }

    /// The figure is for `wanted` lines a second, and these are what there was in each run. With less than nine tenths of it the
    /// machine was busy with itself, and the figure says nothing of the budget.
    pub(super) fn under_load(mut self, wanted: f64, rates: &[f64]) -> Self {
        let mut rates = rates.to_vec();
        rates.sort_by(f64::total_cmp);
        self.is_loaded = middle(&rates).is_none_or(|rate| rate >= 0.9 * wanted);
        self
    }

    /// The middle run; of an even number the lower one.
    fn median(&self) -> Option<f64> {
        middle(&self.runs)
    }

    /// Whether the budget is met, in words; empty when there is no budget, or no figure.
    fn verdict(&self) -> &'static str {
        let (Some(budget), Some(median)) = (self.budget, self.median()) else { return "" };
        if !self.is_loaded {
            return "load not reached: no verdict";
        }
        match (budget.is_met(median), self.runs.iter().all(|run| budget.is_met(*run))) {
            (true, true) => "met",
            (true, false) => "met, but not by every run",
            (false, _) => "NOT MET",
        }
    }

    fn cells(&self) -> [String; 7] {
        let text = |value: Option<f64>| value.map(figure).unwrap_or_default();
        [
            self.what.clone(),
            text(self.runs.first().copied()),
            text(self.median()),
            text(self.runs.last().copied()),
            self.unit.clone(),
            self.budget.map(Budget::text).unwrap_or_default(),
            self.verdict().to_owned(),
        ]
    }
}

fn middle(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// Three figures that say something, no more; thousands apart.
fn figure(value: f64) -> String {
    let digits = if value.abs() >= 99.5 {
        0
    } else if value.abs() >= 9.95 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let mut out = String::new();
    for (index, digit) in text.chars().enumerate() {
        let is_inside = index > 0 && !out.ends_with('-');
        if is_inside && digit.is_ascii_digit() && (text.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The rows as Markdown, with columns of one width.
pub(super) fn render(rows: &[Row]) -> String {
    let mut cells = vec![["what", "min", "median", "max", "unit", "budget", ""].map(str::to_owned)];
    cells.extend(rows.iter().map(Row::cells));
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4, 5, 6].map(width);
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
    fn verdicts() {
        let (most, least) = (Some(Budget::AtMost(3.0)), Some(Budget::AtLeast(3.0)));
        for (runs, budget, verdict) in [
            (&[3.0, 1.0, 2.0][..], most, "met"),
            (&[3.1, 1.0, 2.0], most, "met, but not by every run"),
            (&[3.1, 1.0, 3.2], most, "NOT MET"),
            (&[3.1], most, "NOT MET"),
            (&[3.1, 3.0], most, "met, but not by every run"),
            (&[3.0, 3.1], least, "met"),
            (&[2.9, 3.0, 3.1], least, "met, but not by every run"),
            (&[2.9, 2.9, 3.1], least, "NOT MET"),
            (&[], most, ""),
            (&[3.0], None, ""),
        ] {
            let row = Row { budget, ..Row::new("a", runs, "µs") };
            assert_eq!(row.verdict(), verdict, "{runs:?}");
        }
    }

    #[test]
    fn a_load_that_was_not_there_gives_no_verdict() {
        for (rates, verdict) in
            [(&[89.0, 95.0, 96.0][..], "met"), (&[89.0, 50.0, 96.0], "load not reached: no verdict")]
        {
            let row = Row::new("a", &[2.0], "µs").at_most(3.0).under_load(100.0, rates);
            assert_eq!(row.verdict(), verdict);
            assert_eq!(row.without_limit().verdict(), "");
        }
    }

    #[test]
    fn figures() {
        for (value, text) in [
            (0.0, "0"),
            (0.256, "0.26"),
            (3.0, "3"),
            (9.96, "10"),
            (12.34, "12.3"),
            (999.6, "1,000"),
            (1_234_567.8, "1,234,568"),
            (-127.0, "-127"),
            (-1270.0, "-1,270"),
        ] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn columns() {
        let rows = [Row::new("CPU", &[4.0, 3.9, 5.0], "µs").at_most(3.5), Row::words("size", "unknown")];
        let wanted = "\
| what | min | median | max | unit    | budget |         |
|------|-----|--------|-----|---------|--------|---------|
| CPU  | 3.9 | 4      | 5   | µs      | <= 3.5 | NOT MET |
| size |     |        |     | unknown |        |         |
";
        assert_eq!(render(&rows), wanted);
    }
}
