//! What is allowed: actions, and of which apps, regions and Machines.

use std::collections::BTreeSet;

use line::{Address, Name};

use crate::{Action, Actions};

/// A limit. Where a list is `None` there is none; an empty list allows nothing.
///
/// Scopes only ever get narrower: [`Scope::narrow`] is the one way to put two together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// What may be done.
    pub actions: Actions,
    /// With which apps.
    pub apps: Option<BTreeSet<Name>>,
    /// In which regions.
    pub regions: Option<BTreeSet<Name>>,
    /// With which Machines.
    pub instances: Option<BTreeSet<Name>>,
    /// Until which second, Unix time, that one included.
    pub not_after_s: Option<u64>,
}

impl Scope {
    /// Everything, for ever.
    pub const ALL: Self =
        Self { actions: Actions::ALL, apps: None, regions: None, instances: None, not_after_s: None };

    /// Takes away what `other` does not allow.
    pub fn narrow(&mut self, other: &Self) {
        self.actions = self.actions.and(other.actions);
        both(&mut self.apps, other.apps.as_ref());
        both(&mut self.regions, other.regions.as_ref());
        both(&mut self.instances, other.instances.as_ref());
        self.not_after_s = match (self.not_after_s, other.not_after_s) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Whether `action` is allowed with what is at `address`, its org aside, at `now_s` (Unix seconds).
    pub fn allows(&self, action: Action, address: &Address, now_s: u64) -> bool {
        let is_in =
            |names: &Option<BTreeSet<Name>>, name| names.as_ref().is_none_or(|set| set.contains(name));
        self.actions.has(action)
            && is_in(&self.apps, &address.app)
            && is_in(&self.regions, &address.region)
            && is_in(&self.instances, &address.instance)
            && self.is_live(now_s)
    }

    /// Whether its time is not over at `now_s` (Unix seconds).
    pub fn is_live(&self, now_s: u64) -> bool {
        self.not_after_s.is_none_or(|last| now_s <= last)
    }

    /// Whether it allows nothing with nobody's lines, whenever that is.
    pub fn is_nothing(&self) -> bool {
        let is_empty = |names: &Option<BTreeSet<Name>>| names.as_ref().is_some_and(BTreeSet::is_empty);
        self.actions == Actions::NONE
            || [&self.apps, &self.regions, &self.instances].into_iter().any(is_empty)
    }

    /// Whether it holds for the whole org: neither apps nor regions nor Machines are limited.
    pub const fn is_whole_org(&self) -> bool {
        self.apps.is_none() && self.regions.is_none() && self.instances.is_none()
    }
}

fn both(names: &mut Option<BTreeSet<Name>>, other: Option<&BTreeSet<Name>>) {
    let Some(other) = other else { return };
    match names {
        Some(names) => names.retain(|name| other.contains(name)),
        None => *names = Some(other.clone()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use line::OrgId;
    use proptest::prelude::*;

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn names() -> impl Strategy<Value = Option<BTreeSet<Name>>> {
        let some = prop::sample::subsequence(&NAMES[..], 0..=3);
        let set = some.prop_map(|names| names.iter().map(|name| Name::new("app", name).unwrap()).collect());
        prop::option::of(set)
    }

    /// Any scope over a few names and seconds.
    pub(crate) fn any_scope() -> impl Strategy<Value = Scope> {
        let actions = prop::sample::subsequence(&Action::ALL[..], 0..=4);
        (actions, names(), names(), names(), prop::option::of(0_u64..5)).prop_map(
            |(actions, apps, regions, instances, not_after_s)| Scope {
                actions: actions.into_iter().collect(),
                apps,
                regions,
                instances,
                not_after_s,
            },
        )
    }

    /// Any address over the same names.
    pub(crate) fn any_address() -> impl Strategy<Value = Address> {
        let name = || prop::sample::select(&NAMES[..]);
        (name(), name(), name()).prop_map(|(app, region, instance)| {
            Address::new(OrgId::new("k").unwrap(), app, region, instance).unwrap()
        })
    }

    proptest! {
        #[test]
        fn what_is_allowed_is_what_both_allow(
            (mut scope, other) in (any_scope(), any_scope()),
            address in any_address(),
            action in prop::sample::select(&Action::ALL[..]),
            now in 0_u64..6,
        ) {
            let wanted = scope.allows(action, &address, now) && other.allows(action, &address, now);
            scope.narrow(&other);
            prop_assert_eq!(scope.allows(action, &address, now), wanted);
            prop_assert!(!wanted || !scope.is_nothing());
        }
    }

    #[test]
    fn the_last_second_counts() {
        let scope = Scope { not_after_s: Some(10), ..Scope::ALL };
        assert!(scope.is_live(10) && !scope.is_live(11) && Scope::ALL.is_live(u64::MAX));
    }
}
