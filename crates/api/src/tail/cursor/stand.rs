//! Where a feed stands: one cursor for all tails of it, and for each what it may see of that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use line::Name;
use query::Confinement;

use super::super::memory::Lease;
use super::{Cursor, Given};

/// Whose lines somebody may see in a feed. `None`: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) apps: Option<BTreeSet<Name>>,
    pub(crate) regions: Option<BTreeSet<Name>>,
    pub(crate) instances: Option<BTreeSet<Name>>,
}

impl Sight {
    /// What `limits` leave of a feed, which is of one app (`has_app`) or of all.
    pub(crate) fn of(limits: &Confinement, has_app: bool) -> Self {
        let Confinement { apps, regions, instances, .. } = limits.clone();
        // Nobody joins the feed of an app that may not see it.
        Self { apps: apps.filter(|_| !has_app), regions, instances }
    }

    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all of these may be seen. Nobody may see what is nobody's.
    fn sees(&self, given: &Given) -> bool {
        let Some(place) = &given.place else { return false };
        let has =
            |names: &Option<BTreeSet<Name>>, name| names.as_ref().is_none_or(|names| names.contains(name));
        has(&self.apps, &place.app)
            && has(&self.regions, &place.region)
            && has(&self.instances, &place.instance)
    }
}

/// A cursor and its text.
#[derive(Debug, Default)]
pub(crate) struct Stand {
    pub(crate) cursor: Cursor,
    pub(crate) text: Arc<str>,
    /// The same for those who may not see all, if many ask.
    views: Mutex<Vec<(Sight, Arc<Self>)>>,
    lease: Option<Lease>,
}

impl Stand {
    pub(crate) fn new(cursor: Cursor, lease: Option<Lease>) -> Arc<Self> {
        let text = cursor.text().into();
        let stand = Self { cursor, text, views: Mutex::default(), lease };
        if let Some(lease) = &stand.lease {
            lease.set(stand.bytes());
        }
        Arc::new(stand)
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() * 4 + 200
    }

    /// What those may know of it who see no more than that.
    pub(crate) fn seen_by(self: &Arc<Self>, sight: &Sight) -> Arc<Self> {
        if sight.is_all() {
            return Arc::clone(self);
        }
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = views.iter().find(|(known, _)| known == sight) {
            return Arc::clone(view);
        }
        let mut cursor = self.cursor.clone();
        cursor.given.retain(|_, given| sight.sees(given));
        let view = Self::new(cursor, None);
        // Where there is no room, each makes its own.
        if self.lease.as_ref().is_some_and(|lease| lease.grow(view.bytes())) {
            views.push((sight.clone(), Arc::clone(&view)));
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BootKey, Place, note};
    use super::*;
    use crate::tail::memory::Shares;
    use proptest::prelude::*;

    fn name(number: u8) -> Name {
        Name::new("x", &format!("n{number}")).unwrap()
    }

    fn any_names() -> impl Strategy<Value = Option<BTreeSet<Name>>> {
        prop::option::of(prop::collection::btree_set((0_u8..4).prop_map(name), 0..3))
    }

    proptest! {
        #[test]
        fn a_cursor_tells_of_what_its_reader_may_see_and_of_all_of_that(
            boots in prop::collection::vec((prop::array::uniform3(0_u8..4), 0_u64..3, 1_u64..99, any::<bool>()), 0..40),
            apps in any_names(), regions in any_names(), instances in any_names(), is_room: bool,
        ) {
            let (mut cursor, mut wanted) = (Cursor::default(), Cursor::default());
            let sight = Sight { apps, regions, instances };
            let may = |names: &Option<BTreeSet<Name>>, number| names.as_ref().is_none_or(|names| names.contains(&name(number)));
            for ([app, region, instance], boot, seq, is_gap) in boots {
                let place = Place { app: name(app), region: name(region), instance: name(instance) };
                let (a, r, i) = (place.app.as_str(), place.region.as_str(), place.instance.as_str());
                let key = BootKey::of(a, r, i, line::Boot::from_bits(boot));
                note(&mut cursor.given, key, seq, seq + 1, is_gap);
                if let Some(given) = cursor.given.get_mut(&key) {
                    Arc::make_mut(given).place = Some(Arc::new(place));
                }
                if may(&sight.apps, app) && may(&sight.regions, region) && may(&sight.instances, instance) {
                    wanted.note(key, seq, seq + 1, is_gap);
                }
            }
            let memory = Shares::new(if is_room { 4 << 20 } else { 0 }).of(&line::OrgId::mint(1));
            let stand = Stand::new(cursor, Some(memory.lease(0)));
            for _ in 0..2 {
                prop_assert_eq!(Cursor::read(&stand.seen_by(&sight).text), Some(wanted.clone()));
            }
            drop(stand);
            prop_assert_eq!(memory.held(), 0);
        }
    }
}
