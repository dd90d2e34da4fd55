//! Adds up what the test binaries say.

use std::fmt::Write;

/// Tests and steps so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    /// `name: reason` of each test that could not run. The test harness counts them as passed.
    skipped: Vec<String>,
    /// Tests that the harness itself left out as ignored.
    ignored: usize,
    /// What failed beside tests.
    steps: Vec<String>,
    /// Names of failed tests.
    names: Vec<String>,
}

impl Tally {
    /// Counts a step as failed unless `good`.
    pub(crate) fn step(&mut self, what: &str, good: bool) {
        if !good {
            self.fail_step(what);
        }
    }

    /// Counts a failed step.
    pub(crate) fn fail_step(&mut self, what: &str) {
        self.failed += 1;
        self.steps.push(what.to_owned());
    }

    /// Reads a line that a test binary printed.
    pub(crate) fn see(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.names.push(name.to_owned());
        }
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for count in counts.split(['.', ';']) {
            let mut words = count.split_whitespace();
            let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse::<usize>), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// Takes the file to which tests that could not run append a line each.
    pub(crate) fn skips(&mut self, file: &str) {
        self.skipped.extend(file.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
        self.skipped.sort();
        self.skipped.dedup();
        self.passed = self.passed.saturating_sub(self.skipped.len());
    }

    /// A test binary that dies, or does not compile, prints no result: `good` says whether cargo saw one.
    pub(crate) fn finish(&mut self, good: bool) {
        if !good && self.failed == self.steps.len() {
            self.fail_step("cargo test ended early; what it said stands above");
        }
    }

    /// Whether the run counts as passed. Under CI a skipped test is a failure: nobody would read about it.
    pub(crate) fn good(&self, ci: bool) -> bool {
        self.failed == 0 && !(ci && self.skipped_count() > 0)
    }

    fn skipped_count(&self) -> usize {
        self.skipped.len() + self.ignored
    }

    /// What failed and what was skipped, a line each, and the counts on the last line.
    pub(crate) fn report(&self) -> String {
        let mut out = String::from("\n");
        for (what, list) in
            [("SKIPPED", &self.skipped), ("FAILED TEST", &self.names), ("FAILED", &self.steps)]
        {
            for item in list {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "{what} {item}");
            }
        }
        let _ =
            writeln!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped_count());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.01s";
    const BAD: &str =
        "test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s";

    #[test]
    fn adds_up_all_binaries() {
        let mut tally = Tally::default();
        for line in ["test frame::torn ... FAILED", "test a ... ok", GOOD, BAD] {
            tally.see(line);
        }
        tally.skips("vector: no vector here\n\nvector: no vector here\n");
        tally.finish(false);
        let report = tally.report();
        assert!(report.contains("FAILED TEST frame::torn\n"), "{report}");
        assert!(report.contains("SKIPPED vector: no vector here\n"), "{report}");
        assert!(report.ends_with("\n7 passed, 1 failed, 2 skipped\n"), "{report}");
        assert!(!tally.good(false));
    }

    #[test]
    fn a_skip_fails_under_ci_alone() {
        let mut tally = Tally::default();
        tally.see(GOOD);
        tally.skips("nats: not installed\n");
        tally.finish(true);
        assert!(tally.good(false));
        assert!(!tally.good(true));
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        let mut tally = Tally::default();
        tally.see(GOOD);
        tally.step("cargo fmt", false);
        tally.finish(false);
        assert_eq!(tally.failed, 2);
        assert!(tally.report().ends_with("\n5 passed, 2 failed, 0 skipped\n"));
    }

    #[test]
    fn all_good() {
        let mut tally = Tally::default();
        tally.see(GOOD);
        tally.step("cargo fmt", true);
        tally.finish(true);
        assert!(tally.good(true));
        assert_eq!(tally.report(), "\n5 passed, 0 failed, 0 skipped\n");
    }
}
