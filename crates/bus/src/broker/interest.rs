//! Who listens on the broker, for parts of its own process.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::hub::Listener;
use crate::sublist::Sublist;

/// The subscriptions of a broker; clones are of the same. What nobody listens to need not be made: whoever would publish asks first. It is about
/// one moment: who subscribes later has missed it, as with a message that was sent.
#[derive(Clone, Default)]
pub struct Interest(Arc<Mutex<Sublist<Listener>>>);

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").field("subscriptions", &self.subscriptions().len()).finish()
    }
}

impl Interest {
    /// Whether somebody would get a message on `subject`, which is literal.
    pub fn is_heard(&self, subject: &Bytes) -> bool {
        let matched = self.subscriptions().matched(subject);
        !matched.plain.is_empty() || !matched.groups.is_empty()
    }

    pub(super) fn subscriptions(&self) -> MutexGuard<'_, Sublist<Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
