//! How many bytes all feeds together hold. What is over that is not refused but let go: tails read it from the stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all feeds may hold. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Held>);

#[derive(Debug)]
struct Held {
    bytes: AtomicUsize,
    most: usize,
}

impl Memory {
    /// At most so many bytes, about.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Held { bytes: AtomicUsize::new(0), most }))
    }

    /// How many there are.
    pub(crate) fn held(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// How many there still may be. Whoever has more than that of its own lets go of it: so one that has much leaves room for all
    /// others, however many they are.
    pub(crate) fn free(&self) -> usize {
        self.0.most.saturating_sub(self.held())
    }

    /// Notes that so many are held.
    pub(crate) fn lease(&self, bytes: usize) -> Lease {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        Lease { memory: self.clone(), bytes: AtomicUsize::new(bytes) }
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
            self.memory.0.bytes.fetch_add(by, Ordering::Relaxed);
            self.bytes.fetch_add(by, Ordering::Relaxed);
        }
        is_room
    }

    /// Holds so many from now on.
    pub(crate) fn set(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        let held = &self.memory.0.bytes;
        if bytes > before {
            held.fetch_add(bytes - before, Ordering::Relaxed);
        } else {
            held.fetch_sub(before - bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.memory.0.bytes.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_leased_is_given_back() {
        let memory = Memory::new(100);
        let (one, two) = (memory.lease(60), memory.lease(0));
        assert_eq!(memory.free(), 40);
        assert!(!two.grow(41) && two.grow(40) && !one.grow(1));
        let over = memory.lease(30);
        assert_eq!(memory.free(), 0);
        over.set(0);
        two.set(10);
        assert_eq!(memory.free(), 30);
        drop((one, two));
        assert_eq!(memory.free(), 100);
    }
}
