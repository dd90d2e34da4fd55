//! What a feed gives, on its way to its tails: bounded by bytes. It is kept until all have taken it; of too much the oldest is let go, and
//! whoever did not take that is behind.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    inner: Mutex<Inner<T>>,
    /// How many were put into it.
    count: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner<T> {
    slots: VecDeque<Slot<T>>,
    /// The number of the first slot.
    first: u64,
    bytes: usize,
    readers: usize,
}

#[derive(Debug)]
struct Slot<T> {
    item: Arc<T>,
    bytes: usize,
    /// Readers who did not take it yet.
    left: usize,
}

/// Something was let go that was not taken: the reader gets nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind;

impl<T> Inner<T> {
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    fn pop(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.bytes -= slot.bytes;
            self.first += 1;
        }
    }

    /// Lets go of what all have taken.
    fn tidy(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.left == 0) {
            self.pop();
        }
    }
}

impl<T> Ring<T> {
    pub(crate) fn new() -> Arc<Self> {
        let inner = Inner { slots: VecDeque::new(), first: 0, bytes: 0, readers: 0 };
        Arc::new(Self { inner: Mutex::new(inner), count: watch::Sender::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it to all readers there are. Of what is kept for them at most `most` bytes are left.
    pub(crate) fn push(&self, item: Arc<T>, bytes: usize, most: usize) {
        let mut inner = self.lock();
        let left = inner.readers;
        inner.slots.push_back(Slot { item, bytes, left });
        inner.bytes += bytes;
        inner.tidy();
        while inner.bytes > most {
            inner.pop();
        }
        let count = inner.end();
        drop(inner);
        self.count.send_replace(count);
    }

    /// A reader of what comes from now on.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Reader<T> {
        let mut inner = self.lock();
        inner.readers += 1;
        Reader { next: inner.end(), count: self.count.subscribe(), ring: Arc::clone(self) }
    }

    /// How many readers there are.
    pub(crate) fn readers(&self) -> usize {
        self.lock().readers
    }
}

/// Takes what is given, in its order.
#[derive(Debug)]
pub(crate) struct Reader<T> {
    ring: Arc<Ring<T>>,
    next: u64,
    count: watch::Receiver<u64>,
}

impl<T> Reader<T> {
    /// The next one; `None`: it has all.
    ///
    /// # Errors
    /// [`Behind`].
    pub(crate) fn try_next(&mut self) -> Result<Option<Arc<T>>, Behind> {
        let mut inner = self.ring.lock();
        let at = self.next.checked_sub(inner.first).ok_or(Behind)?;
        let slot = usize::try_from(at).ok().and_then(|at| inner.slots.get_mut(at));
        let Some(slot) = slot else { return Ok(None) };
        slot.left -= 1;
        let item = Arc::clone(&slot.item);
        self.next += 1;
        inner.tidy();
        Ok(Some(item))
    }

    /// Whether it has taken all that was given.
    pub(crate) fn has_all(&self) -> bool {
        self.next == self.ring.lock().end()
    }

    /// The next one, when it is there. May be dropped at any time: then it is taken by the next call.
    ///
    /// # Errors
    /// [`Behind`].
    pub(crate) async fn next(&mut self) -> Result<Arc<T>, Behind> {
        loop {
            self.count.mark_unchanged();
            if let Some(item) = self.try_next()? {
                return Ok(item);
            }
            // The ring is ours, so whoever counts is there.
            let _always = self.count.changed().await;
        }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut inner = self.ring.lock();
        inner.readers -= 1;
        let taken = usize::try_from(self.next.saturating_sub(inner.first)).unwrap_or(usize::MAX);
        inner.slots.iter_mut().skip(taken).for_each(|slot| slot.left -= 1);
        inner.tidy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(reader: &mut Reader<u64>) -> Result<Vec<u64>, Behind> {
        let mut found = Vec::new();
        while let Some(item) = reader.try_next()? {
            found.push(*item);
        }
        Ok(found)
    }

    fn bytes(ring: &Ring<u64>) -> usize {
        ring.lock().bytes
    }

    #[test]
    fn what_all_have_taken_is_let_go_and_of_too_much_the_oldest() {
        let ring = Ring::new();
        ring.push(Arc::new(0), 5, 10);
        assert_eq!(bytes(&ring), 0);
        let (mut one, mut two) = (ring.subscribe(), ring.subscribe());
        for number in 1..=2 {
            ring.push(Arc::new(number), 5, 10);
        }
        assert_eq!(all(&mut one), Ok(vec![1, 2]));
        assert_eq!(bytes(&ring), 10);
        ring.push(Arc::new(3), 5, 10);
        assert_eq!((bytes(&ring), all(&mut one)), (10, Ok(vec![3])));
        assert_eq!(all(&mut two), Err(Behind));
        drop(two);
        assert_eq!(bytes(&ring), 0);
        // One that is too large is nobody's.
        ring.push(Arc::new(4), 11, 10);
        assert_eq!((bytes(&ring), all(&mut one)), (0, Err(Behind)));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let ring = Ring::new();
        let mut reader = ring.subscribe();
        let (item, ()) = tokio::join!(reader.next(), async { ring.push(Arc::new(7), 1, 9) });
        assert_eq!(item, Ok(Arc::new(7)));
    }

    /// What happens next.
    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Join,
        Leave(prop::sample::Index),
        Take(prop::sample::Index),
    }

    proptest! {
        #[test]
        fn each_takes_all_from_where_it_began_or_is_behind(steps in prop::collection::vec(prop_oneof![
            4 => (0_usize..9).prop_map(Step::Push),
            1 => Just(Step::Join),
            1 => any::<prop::sample::Index>().prop_map(Step::Leave),
            4 => any::<prop::sample::Index>().prop_map(Step::Take),
        ], 0..200)) {
            let (ring, mut pushed, mut readers) = (Ring::new(), 0, Vec::new());
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        ring.push(Arc::new(pushed), bytes, 20);
                        pushed += 1;
                    }
                    Step::Join => readers.push((ring.subscribe(), pushed)),
                    Step::Leave(at) if !readers.is_empty() => drop(readers.swap_remove(at.index(readers.len()))),
                    Step::Take(at) if !readers.is_empty() => {
                        let at = at.index(readers.len());
                        let (reader, next) = &mut readers[at];
                        match reader.try_next() {
                            Ok(Some(item)) => {
                                prop_assert_eq!(*item, *next);
                                *next += 1;
                            }
                            Ok(None) => prop_assert_eq!(*next, pushed),
                            Err(Behind) => drop(readers.swap_remove(at)),
                        }
                    }
                    _ => {}
                }
                let inner = ring.lock();
                prop_assert!(inner.bytes <= 20);
                prop_assert_eq!(inner.bytes, inner.slots.iter().map(|slot| slot.bytes).sum::<usize>());
                prop_assert_eq!(inner.readers, readers.len());
            }
            drop(readers);
            prop_assert!(ring.lock().slots.is_empty());
        }
    }
}
