//! Places that nobody can take all of: each owner leaves as many free as it has, and of the owners that wait each has its turn.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Places for owners of kind `K`: an org, an address. Cheap to clone; all clones share the places.
///
/// An owner gets a place as long as more are free than it has itself. So whoever comes first takes at most half of them, the
/// next one half of the rest, and whoever has none finds one until many owners have come.
pub struct Places<K: Owner>(Arc<Shared<K>>);

/// What can own places.
pub trait Owner: Clone + Eq + Hash + Send + 'static {}

impl<K: Clone + Eq + Hash + Send + 'static> Owner for K {}

/// Why there is no place now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The owner has as many as it may.
    Own,
    /// All are taken, and the owner has fewer than it may.
    All,
}

struct Shared<K: Owner> {
    all: usize,
    each: usize,
    waiting: usize,
    state: Mutex<State<K>>,
}

struct State<K: Owner> {
    free: usize,
    owners: HashMap<K, Owned<K>>,
    /// Owners somebody of whom waits, the next one first.
    turns: VecDeque<K>,
}

/// What an owner has, and who of it waits.
struct Owned<K: Owner> {
    held: usize,
    waiting: VecDeque<oneshot::Sender<Place<K>>>,
    /// Whether it is among the turns.
    is_queued: bool,
}

impl<K: Owner> Default for Owned<K> {
    fn default() -> Self {
        Self { held: 0, waiting: VecDeque::new(), is_queued: false }
    }
}

/// A place; given back when dropped.
pub struct Place<K: Owner> {
    places: Arc<Shared<K>>,
    owner: K,
}

/// Those who get a place, to be told when nothing is locked any more.
type Given<K> = Vec<(oneshot::Sender<Place<K>>, Place<K>)>;

impl<K: Owner> Places<K> {
    /// `all` places, of which an owner has at most `each`, and of each of which at most `waiting` may wait.
    #[must_use]
    pub fn new(all: usize, each: usize, waiting: usize) -> Self {
        let state = State { free: all, owners: HashMap::new(), turns: VecDeque::new() };
        Self(Arc::new(Shared { all, each, waiting, state: Mutex::new(state) }))
    }

    /// A place now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn try_enter(&self, owner: &K) -> Result<Place<K>, Full> {
        let mut state = self.0.state();
        match self.0.full(&state, owner) {
            None => {
                state.take(owner);
                Ok(Place { places: Arc::clone(&self.0), owner: owner.clone() })
            }
            Some(why) => Err(why),
        }
    }

    /// A place, now or when it is its owner's turn. Whoever stops waiting loses nothing but its place in the queue.
    ///
    /// # Errors
    /// When as many of this owner wait as may: why there is none now.
    pub async fn enter(&self, owner: &K) -> Result<Place<K>, Full> {
        let place = match self.try_enter(owner) {
            Ok(place) => return Ok(place),
            Err(why) => self.wait(owner, why)?,
        };
        // Whoever gives places away does not drop a sender that somebody waits for.
        place.await.map_err(|_| Full::All)
    }

    fn wait(&self, owner: &K, why: Full) -> Result<oneshot::Receiver<Place<K>>, Full> {
        let (sender, receiver) = oneshot::channel();
        let given = {
            let mut state = self.0.state();
            let waiting = |owned: &Owned<K>| owned.waiting.iter().filter(|waits| !waits.is_closed()).count();
            if state.owners.get(owner).map_or(0, waiting) >= self.0.waiting {
                return Err(why);
            }
            let owned = state.owners.entry(owner.clone()).or_default();
            owned.waiting.push_back(sender);
            if !std::mem::replace(&mut owned.is_queued, true) {
                state.turns.push_back(owner.clone());
            }
            // Since it was looked a place may have been given back.
            self.0.give(&mut state)
        };
        hand_over(given);
        Ok(receiver)
    }

    /// Why `owner` would get no place now; `None`: it would.
    #[must_use]
    pub fn full(&self, owner: &K) -> Option<Full> {
        self.0.full(&self.0.state(), owner)
    }

    /// Places that are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.all.saturating_sub(self.0.state().free)
    }
}

impl<K: Owner> Shared<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self, state: &State<K>, owner: &K) -> Option<Full> {
        let held = state.owners.get(owner).map_or(0, |owned| owned.held);
        if held < self.each && state.free > held {
            return None;
        }
        Some(if held < self.each && state.free == 0 { Full::All } else { Full::Own })
    }

    /// Takes places for those who wait and may have one.
    fn give(self: &Arc<Self>, state: &mut State<K>) -> Given<K> {
        let mut given = Vec::new();
        while state.free > 0 {
            state.forget_gone();
            let next = state.turns.iter().position(|owner| self.full(state, owner).is_none());
            let Some(owner) = next.and_then(|at| state.turns.remove(at)) else { break };
            let Some(owned) = state.owners.get_mut(&owner) else { continue };
            let Some(waits) = owned.waiting.pop_front() else { continue };
            owned.is_queued = !owned.waiting.is_empty();
            if owned.is_queued {
                state.turns.push_back(owner.clone());
            }
            state.take(&owner);
            given.push((waits, Place { places: Arc::clone(self), owner }));
        }
        given
    }
}

impl<K: Owner> State<K> {
    fn take(&mut self, owner: &K) {
        self.free = self.free.saturating_sub(1);
        match self.owners.get_mut(owner) {
            Some(owned) => owned.held += 1,
            None => _ = self.owners.insert(owner.clone(), Owned { held: 1, ..Owned::default() }),
        }
    }

    /// Forgets those who wait no more.
    fn forget_gone(&mut self) {
        let owners = &mut self.owners;
        self.turns.retain(|owner| {
            let Some(owned) = owners.get_mut(owner) else { return false };
            owned.waiting.retain(|waits| !waits.is_closed());
            owned.is_queued = !owned.waiting.is_empty();
            if !owned.is_queued && owned.held == 0 {
                owners.remove(owner);
                return false;
            }
            owned.is_queued
        });
    }
}

/// Tells those who wait. A place of somebody who has gone goes to the next one, by being dropped.
fn hand_over<K: Owner>(given: Given<K>) {
    for (waits, place) in given {
        drop(waits.send(place));
    }
}

impl<K: Owner> Drop for Place<K> {
    fn drop(&mut self) {
        let given = {
            let mut state = self.places.state();
            state.free += 1;
            if let Some(owned) = state.owners.get_mut(&self.owner) {
                owned.held = owned.held.saturating_sub(1);
                if owned.held == 0 && !owned.is_queued {
                    state.owners.remove(&self.owner);
                }
            }
            self.places.give(&mut state)
        };
        hand_over(given);
    }
}

impl<K: Owner> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Owner> fmt::Debug for Places<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").field("all", &self.0.all).field("taken", &self.taken()).finish()
    }
}

impl<K: Owner> fmt::Debug for Place<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use proptest::prelude::*;

    type Waits = Pin<Box<dyn Future<Output = Result<Place<char>, Full>>>>;

    fn waits(places: &Places<char>, owner: char) -> Waits {
        let places = places.clone();
        let mut waits: Waits = Box::pin(async move { places.enter(&owner).await });
        assert!(poll(&mut waits).is_none());
        waits
    }

    fn poll(waits: &mut Waits) -> Option<Result<Place<char>, Full>> {
        match waits.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn nobody_takes_all() {
        let places = Places::new(6, 6, 9);
        let take = |owner| std::iter::from_fn(|| places.try_enter(&owner).ok()).collect::<Vec<_>>();
        let held = ['a', 'b', 'c', 'd'].map(take);
        assert_eq!(held.each_ref().map(Vec::len), [3, 2, 1, 0]);
        assert_eq!([places.full(&'a'), places.full(&'d')], [Some(Full::All); 2]);
        drop(held);
        assert_eq!(places.taken(), 0);
        let places = Places::new(6, 1, 9);
        let _one = places.try_enter(&'a').unwrap();
        assert_eq!(places.full(&'a'), Some(Full::Own));
    }

    #[test]
    fn each_owner_has_its_turn() {
        let places = Places::new(2, 2, 9);
        let (first, second) = (places.try_enter(&'a').unwrap(), places.try_enter(&'b').unwrap());
        let mut many: Vec<Waits> = (0..5).map(|_| waits(&places, 'a')).collect();
        let mut other = waits(&places, 'c');
        let mut gone = waits(&places, 'd');
        assert!(poll(&mut gone).is_none());
        drop(gone);
        // The one that has none goes before the one that came first and has one.
        drop(second);
        let place = poll(&mut other).unwrap().unwrap();
        assert!(many.iter_mut().all(|one| poll(one).is_none()));
        drop(first);
        let got: Vec<_> = many.iter_mut().map(poll).collect();
        assert_eq!(got.iter().filter(|got| got.is_some()).count(), 1);
        drop((place, got, many));
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn only_so_many_wait_and_who_has_gone_does_not_count() {
        let places = Places::new(1, 1, 1);
        let held = places.try_enter(&'a').unwrap();
        let one = waits(&places, 'a');
        let mut two: Waits = Box::pin({
            let places = places.clone();
            async move { places.enter(&'a').await }
        });
        assert_eq!(poll(&mut two).unwrap().unwrap_err(), Full::Own);
        drop(one);
        let mut three = waits(&places, 'a');
        drop(held);
        assert!(poll(&mut three).unwrap().is_ok());
    }

    proptest! {
        /// Whatever comes and goes, no place is lost, nobody waits who could have one, and whoever has none finds one as long as
        /// the others are few.
        #[test]
        fn no_place_is_lost(ops in prop::collection::vec((0_u8..3, 0_usize..3, any::<prop::sample::Index>()), 1..80)) {
            let places = Places::new(8, 5, 100);
            let (mut held, mut waiting) = (Vec::<(char, Place<char>)>::new(), Vec::<(char, Waits)>::new());
            for (op, owner, index) in ops {
                let owner = ['a', 'b', 'c'][owner];
                match op {
                    0 => {
                        let places = places.clone();
                        let mut waits: Waits = Box::pin(async move { places.enter(&owner).await });
                        match poll(&mut waits) {
                            Some(place) => held.push((owner, place.unwrap())),
                            None => waiting.push((owner, waits)),
                        }
                    }
                    1 if !held.is_empty() => drop(held.swap_remove(index.index(held.len()))),
                    2 if !waiting.is_empty() => drop(waiting.swap_remove(index.index(waiting.len()))),
                    _ => {}
                }
                let mut still = Vec::new();
                for (owner, mut waits) in waiting {
                    match poll(&mut waits) {
                        Some(place) => held.push((owner, place.unwrap())),
                        None => still.push((owner, waits)),
                    }
                }
                waiting = still;
                prop_assert_eq!(places.taken(), held.len());
                for (owner, _) in &waiting {
                    prop_assert!(places.full(owner).is_some());
                }
                for owner in ['a', 'b', 'c'] {
                    let count = held.iter().filter(|(one, _)| *one == owner).count();
                    prop_assert!(count <= 4, "{} of 8", count);
                }
            }
            drop((held, waiting));
            prop_assert_eq!(places.taken(), 0);
            prop_assert!(places.0.state().owners.is_empty());
        }
    }
}
