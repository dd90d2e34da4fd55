//! How much memory a query may hold between rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Error;

/// What a query may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all pipes of all workers may hold between rows, as well as can be told; beyond it the query fails with
    /// [`Error::Memory`].
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 96 << 20 }
    }
}

/// What one pipe of one worker holds, as a part of what its query holds. What is left at the end is given back.
#[derive(Debug)]
pub(crate) struct Account {
    used: Arc<AtomicUsize>,
    limit: usize,
    pipe: Arc<str>,
    held: usize,
}

impl Account {
    /// An account of `pipe`, which is as it is written, with `used` shared by all of a query.
    pub(crate) const fn new(used: Arc<AtomicUsize>, limits: Limits, pipe: Arc<str>) -> Self {
        Self { used, limit: limits.bytes, pipe, held: 0 }
    }

    /// Another account of the same query and pipe.
    pub(crate) fn another(&self) -> Self {
        Self { used: self.used.clone(), limit: self.limit, pipe: self.pipe.clone(), held: 0 }
    }

    /// Notes that `bytes` more are held; an error if that is too much.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        self.held = self.held.saturating_add(bytes);
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        Err(Error::Memory { pipe: self.pipe.to_string(), limit: self.limit })
    }

    /// Notes that `bytes` are held no more.
    pub(crate) fn release(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.release(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_by_all_of_a_query() {
        let mut one = Account::new(Arc::default(), Limits { bytes: 100 }, "sort by (a)".into());
        let mut other = one.another();
        one.charge(60).unwrap();
        other.charge(40).unwrap();
        let error = other.charge(1).unwrap_err();
        assert!(error.to_string().starts_with("'sort by (a)' needs more than the 100 bytes"), "{error}");
        drop(other);
        one.charge(40).unwrap();
        one.release(100);
        one.charge(100).unwrap();
    }
}
