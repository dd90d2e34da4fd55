//! How much memory a query may hold between rows, and all queries together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

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

/// Memory for all queries together. None of the owners, the orgs, can take all of it: each leaves as much as it has. Cheap to
/// clone; clones share it.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: AtomicUsize,
    /// What each owner uses, as long as it has a [`Share`].
    owners: Mutex<HashMap<Box<str>, Weak<AtomicUsize>>>,
}

/// The part of an owner in a [`Pool`]: all queries of it share it. The default one is of no pool, and has no end.
#[derive(Debug, Clone, Default)]
pub struct Share(Option<(Arc<Shared>, Arc<AtomicUsize>)>);

/// Bytes of a [`Share`] that are held until this is dropped.
#[derive(Debug)]
pub struct Held {
    share: Share,
    bytes: usize,
}

/// Owners that are remembered before those without a share are forgotten.
const MAX_IDLE_OWNERS: usize = 1024;

impl Pool {
    /// A pool of so many bytes, of which one owner may have half, the next one half of the rest, and so on.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Shared { limit: bytes, used: AtomicUsize::new(0), owners: Mutex::default() }))
    }

    /// The share of an owner.
    #[must_use]
    pub fn share(&self, owner: &str) -> Share {
        let mut owners = self.0.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = owners.get(owner).and_then(Weak::upgrade) {
            return Share(Some((Arc::clone(&self.0), own)));
        }
        if owners.len() >= MAX_IDLE_OWNERS {
            owners.retain(|_, own| own.strong_count() > 0);
        }
        let own = Arc::new(AtomicUsize::new(0));
        owners.insert(owner.into(), Arc::downgrade(&own));
        Share(Some((Arc::clone(&self.0), own)))
    }

    /// Bytes that are held.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Takes bytes, if the owner leaves as many as it has then.
    fn take(&self, bytes: usize) -> bool {
        let Some((pool, own)) = &self.0 else { return true };
        let owned = own.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        // What does not fit never counts for others, not for a moment.
        let with = |all: usize| {
            let all = all.checked_add(bytes)?;
            (owned <= pool.limit.saturating_sub(all)).then_some(all)
        };
        let fits = pool.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with).is_ok();
        if !fits {
            own.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn give(&self, bytes: usize) {
        if let Some((pool, own)) = &self.0 {
            pool.used.fetch_sub(bytes, Ordering::Relaxed);
            own.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Holds bytes that are no pipe's; `None`: there are not so many.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        self.take(bytes).then(|| Held { share: self.clone(), bytes })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.give(self.bytes);
    }
}

/// What one pipe of one worker holds, as a part of what its query holds. What is left at the end is given back.
#[derive(Debug)]
pub(crate) struct Account {
    used: Arc<AtomicUsize>,
    limit: usize,
    pipe: Arc<str>,
    held: usize,
    share: Share,
    /// What was taken of the share, in steps: all queries look at it.
    shared: usize,
}

/// Bytes in which an account takes of its share.
const STEP: usize = 16 << 10;

impl Account {
    /// An account of `pipe`, which is as it is written, with `used` shared by all of a query.
    pub(crate) const fn new(used: Arc<AtomicUsize>, limits: Limits, share: Share, pipe: Arc<str>) -> Self {
        Self { used, limit: limits.bytes, pipe, held: 0, share, shared: 0 }
    }

    /// Another account of the same query and pipe.
    pub(crate) fn another(&self) -> Self {
        let (used, share, pipe) = (self.used.clone(), self.share.clone(), self.pipe.clone());
        Self { used, limit: self.limit, pipe, held: 0, share, shared: 0 }
    }

    /// Notes that `bytes` more are held; an error if that is too much.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        self.held = self.held.saturating_add(bytes);
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limit {
            return Err(Error::Memory { pipe: self.pipe.to_string(), limit: self.limit });
        }
        if self.held > self.shared {
            let more = (self.held - self.shared).next_multiple_of(STEP);
            if !self.share.take(more) {
                return Err(Error::Crowded { pipe: self.pipe.to_string() });
            }
            self.shared += more;
        }
        Ok(())
    }

    /// Notes that `bytes` are held no more.
    pub(crate) fn release(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        let needed = self.held.next_multiple_of(STEP);
        // Not for each little: what is released is often charged again.
        if self.shared > needed + STEP || self.held == 0 {
            self.share.give(self.shared - needed);
            self.shared = needed;
        }
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
        let mut one =
            Account::new(Arc::default(), Limits { bytes: 100 }, Share::default(), "sort by (a)".into());
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

    #[test]
    fn no_owner_takes_all_of_a_pool() {
        let pool = Pool::new(64 * STEP);
        let account = |owner| {
            Account::new(
                Arc::default(),
                Limits { bytes: usize::MAX },
                pool.share(owner),
                "sort by (a)".into(),
            )
        };
        let fill = |account: &mut Account| (0..).take_while(|_| account.charge(STEP).is_ok()).count();
        let (mut one, mut again, mut other) = (account("a"), account("a"), account("b"));
        assert_eq!((fill(&mut one), fill(&mut again), fill(&mut other)), (32, 0, 16));
        let error = again.charge(STEP).unwrap_err();
        assert!(matches!(error, Error::Crowded { .. }), "{error}");
        let held = pool.share("c").hold(8 * STEP).unwrap();
        assert!(pool.share("c").hold(8 * STEP).is_none());
        assert_eq!(pool.used(), 56 * STEP);
        drop((one, again));
        assert_eq!(fill(&mut account("a")), 20);
        other.release(16 * STEP);
        drop((other, held));
        assert_eq!(pool.used(), 0);
        // Small steps are taken together, and given back.
        let mut small = account("a");
        (0..100).for_each(|_| small.charge(10).unwrap());
        assert_eq!(pool.used(), STEP);
        small.release(999);
        assert_eq!(pool.used(), STEP);
        small.release(1);
        assert_eq!(pool.used(), 0);
    }
}
