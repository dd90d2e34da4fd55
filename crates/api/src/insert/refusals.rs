//! Lines that were not taken, for whoever sent them.

use std::borrow::Cow;
use std::fmt::Write;

use hyper::StatusCode;

use super::batches::Batches;
use crate::logs::Failure;
use crate::reply::{Refused, refusal_of};

/// Lines that are named one by one.
const MAX_NAMED: usize = 10;

/// Lines that were refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    count: u64,
    first: Vec<(u64, Cow<'static, str>)>,
}

impl Refusals {
    /// Line `number` was refused.
    pub(crate) fn note(&mut self, number: u64, why: Cow<'static, str>) {
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push((number, why));
        }
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// What is answered when some were refused.
    pub(crate) fn verdict(&self, batches: &Batches<'_>) -> Option<Refused> {
        let (expired, count) = (batches.expired(), self.count + batches.expired());
        if count == 0 {
            return None;
        }
        let (lines, were) = if count == 1 { ("line", "was") } else { ("lines", "were") };
        let mut text = format!("{count} {lines} {were} refused, and ");
        // Writing into a string does not fail.
        let _ = match batches.kept() {
            0 => write!(text, "none is kept"),
            1 => write!(text, "the other one is kept: do not send it again"),
            kept => write!(text, "the {kept} others are kept: do not send those again"),
        };
        if expired > 0 {
            let _ = write!(text, "\n{expired} of them: older than lines are kept here");
        }
        for (number, why) in &self.first {
            let _ = write!(text, "\nline {number}: {why}");
        }
        if self.count > self.first.len() as u64 {
            let _ = write!(text, "\nand {} more", self.count - self.first.len() as u64);
        }
        Some(Refused::bad(text))
    }

    /// What is answered when the store did not keep the rest.
    pub(crate) fn with_failure(&self, why: &Failure, batches: &Batches<'_>) -> Refused {
        let mut refused = refusal_of(why, "");
        // The lines may be good: whoever sent them has to keep them.
        if refused.status == StatusCode::BAD_REQUEST {
            refused.status = StatusCode::SERVICE_UNAVAILABLE;
        }
        let _ = write!(refused.text, " ({} lines of this request are kept already)", batches.kept());
        refused
    }
}
