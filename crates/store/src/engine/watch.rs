//! A thread that panics takes the store down with it: without it, nothing that looks healthy would be.

use super::{Engine, Shared, lock};

/// Held by a thread as long as it runs.
pub(super) struct Watch<'a> {
    pub(super) shared: &'a Shared,
    /// The thread's name.
    pub(super) name: &'static str,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.shared.core).broken = Some(self.name);
            self.shared.changed.notify_all();
            tracing::error!(
                code = "LS09",
                thread = self.name,
                "a thread of the store has ended: start it again"
            );
        }
    }
}

impl Engine {
    /// The thread that has ended by a fault of the program, if one has: no lines are taken any more, and the store is to be
    /// started again. What was acknowledged is safe.
    #[must_use]
    pub fn broken(&self) -> Option<&'static str> {
        lock(&self.shared.core).broken
    }
}

/// What is said then.
pub(super) fn sentence(name: &str) -> String {
    format!("its thread '{name}' has ended by a fault of the program; it must be started again (LS09)")
}
