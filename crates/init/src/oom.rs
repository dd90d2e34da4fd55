//! Whether the kernel killed the app for lack of memory. It does not say so to anybody; it counts, for the cgroup or for the whole
//! system, and others live there too. So only a count that rose shortly before the death is taken for the app's own.

use crate::kernel::Sys;

/// Time between two looks at the count, in nanoseconds. The memory of a killed process takes seconds to be freed at worst, and
/// its death comes after that.
const LOOK_NS: i64 = 5_000_000_000;

/// The count as it was once or twice [`LOOK_NS`] ago.
#[derive(Debug)]
pub(crate) struct OomWatch {
    before: u64,
    latest: u64,
    look_at: i64,
}

impl OomWatch {
    /// Looks for the first time.
    pub(crate) fn new(sys: &impl Sys, now: i64) -> Self {
        let count = sys.oom_kills();
        Self { before: count, latest: count, look_at: now + LOOK_NS }
    }

    /// Looks again if it is time. Nobody wakes for this: what the link does by the clock comes as often.
    pub(crate) fn tick(&mut self, sys: &impl Sys, now: i64) {
        if now >= self.look_at {
            (self.before, self.latest) = (self.latest, sys.oom_kills());
            self.look_at = now + LOOK_NS;
        }
    }

    /// Whether the count has risen lately. The kernel counts before it kills.
    pub(crate) fn has_risen(&self, sys: &impl Sys) -> bool {
        sys.oom_kills() > self.before
    }
}
