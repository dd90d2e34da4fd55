//! How many bytes all feeds together hold. What is over that is not refused but let go: tails read it from the stores.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use line::OrgId;

/// Which part of all one org may hold: so the tails of no other one suffer from readers who take nothing.
const SHARE: usize = 4;

/// What the feeds of all orgs may hold, and those of each.
#[derive(Debug)]
pub(crate) struct Shares {
    all: Memory,
    orgs: Mutex<HashMap<OrgId, Weak<Held>>>,
}

impl Shares {
    /// At most so many bytes of all, about.
    pub(crate) fn new(most: usize) -> Self {
        let all = Memory(Arc::new(Held { bytes: AtomicUsize::new(0), most, whole: None }));
        Self { all, orgs: Mutex::default() }
    }

    /// How many bytes there are of all.
    pub(crate) fn held(&self) -> usize {
        self.all.held()
    }

    /// What the feeds of an org may hold.
    pub(crate) fn of(&self, org: &OrgId) -> Memory {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = orgs.get(org).and_then(Weak::upgrade) {
            return Memory(held);
        }
        orgs.retain(|_, held| held.strong_count() > 0);
        let most = self.all.0.most / SHARE;
        let held = Arc::new(Held { bytes: AtomicUsize::new(0), most, whole: Some(self.all.clone()) });
        orgs.insert(org.clone(), Arc::downgrade(&held));
        Memory(held)
    }
}

/// What all feeds of an org may hold. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Held>);

#[derive(Debug)]
struct Held {
    bytes: AtomicUsize,
    most: usize,
    /// Of which it is a part.
    whole: Option<Memory>,
}

impl Memory {
    /// How many there are.
    pub(crate) fn held(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// How many there still may be. Whoever has more than that of its own lets go of it: so one that has much leaves room for all
    /// others, however many they are.
    pub(crate) fn free(&self) -> usize {
        let whole = self.0.whole.as_ref().map_or(usize::MAX, Self::free);
        self.0.most.saturating_sub(self.held()).min(whole)
    }

    /// Notes that so many are held.
    pub(crate) fn lease(&self, bytes: usize) -> Lease {
        self.add(bytes);
        Lease { memory: self.clone(), bytes: AtomicUsize::new(bytes) }
    }

    fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.whole.iter().for_each(|whole| whole.add(bytes));
    }

    fn take(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.0.whole.iter().for_each(|whole| whole.take(bytes));
    }
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    memory: Memory,
    bytes: AtomicUsize,
}

impl Lease {
    /// Takes more, if there is room.
    pub(crate) fn grow(&self, by: usize) -> bool {
        let is_room = by <= self.memory.free();
        if is_room {
            self.memory.add(by);
            self.bytes.fetch_add(by, Ordering::Relaxed);
        }
        is_room
    }

    /// Holds so many from now on.
    pub(crate) fn set(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        match bytes.checked_sub(before) {
            Some(more) => self.memory.add(more),
            None => self.memory.take(before - bytes),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.memory.take(*self.bytes.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_leased_is_given_back() {
        let shares = Shares::new(400);
        let memory = shares.of(&OrgId::mint(1));
        let (one, two) = (memory.lease(60), memory.lease(0));
        assert_eq!(memory.free(), 40);
        assert!(!two.grow(41) && two.grow(40) && !one.grow(1));
        let over = memory.lease(30);
        assert_eq!((memory.free(), shares.held()), (0, 130));
        over.set(0);
        two.set(10);
        assert_eq!(memory.free(), 30);
        drop((one, two));
        assert_eq!((memory.free(), shares.held()), (100, 0));
    }

    #[test]
    fn one_org_leaves_room_for_the_others() {
        let shares = Shares::new(400);
        let [greedy, again, quiet] = [1, 1, 2].map(|number| shares.of(&OrgId::mint(number)));
        let taken = greedy.lease(500);
        assert_eq!((greedy.free(), again.free()), (0, 0));
        // It may have gone beyond its share for once: then there is nothing for anybody.
        assert_eq!(quiet.free(), 0);
        taken.set(100);
        assert_eq!((again.free(), quiet.free()), (0, 100));
        drop((taken, greedy, again));
        assert_eq!(shares.of(&OrgId::mint(1)).free(), 100);
        assert_eq!(shares.orgs.lock().unwrap().len(), 2);
    }
}
