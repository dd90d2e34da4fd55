//! Random changes, restarts and compactions against a plain model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Create(u8),
    Rename(usize, u8),
    End(usize),
    Import(usize, u8),
    Revoke(u8, i64),
    Expire(i64),
    AddKey(u8),
    Retire(u32),
    Host(u8, u8),
    Shards(u8, u8),
    Forget(u8),
    Compact,
    Restart,
    PowerCut(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..6_u8).prop_map(Op::Create),
        (0..6_usize, 0..6_u8).prop_map(|(org, slug)| Op::Rename(org, slug)),
        (0..6_usize).prop_map(Op::End),
        (0..6_usize, 0..6_u8).prop_map(|(org, slug)| Op::Import(org, slug)),
        (0..4_u8, 0..50_i64).prop_map(|(id, until)| Op::Revoke(id, until)),
        (0..50_i64).prop_map(Op::Expire),
        (0..8_u8).prop_map(Op::AddKey),
        (1..6_u32).prop_map(Op::Retire),
        (0..3_u8, 0..3_u8).prop_map(|(host, region)| Op::Host(host, region)),
        (prop_oneof![250..=255_u8, Just(0)], 0..3_u8).prop_map(|(from, store)| Op::Shards(from, store)),
        (0..4_u8).prop_map(Op::Forget),
        Just(Op::Compact),
        Just(Op::Restart),
        any::<u64>().prop_map(Op::PowerCut),
    ]
}

/// What must be so, in the order in which it came about.
#[derive(Default)]
struct Model {
    version: u64,
    /// Slugs, none for those that have ended; the account number is the place, from 1.
    orgs: Vec<Option<String>>,
    ids: Vec<OrgId>,
    revocations: BTreeMap<Vec<u8>, i64>,
    /// The public key and whether it is retired; the number is the place, from 1.
    keys: Vec<(u8, bool)>,
    hosts: BTreeMap<String, String>,
    /// The store of each shard that is not `main`'s.
    stores: BTreeMap<u8, String>,
    /// Stores beside `main` that had shards and were not forgotten.
    noted: BTreeSet<String>,
    main_is_forgotten: bool,
}

impl Model {
    /// Applies what is a change; false for what must be refused.
    fn apply(&mut self, op: &Op) -> bool {
        let before = self.facts();
        let granted = match op {
            Op::Create(slug) => {
                let slug = Some(format!("s{slug}"));
                let free = !self.orgs.contains(&slug);
                self.orgs.extend(free.then_some(slug));
                free
            }
            Op::Rename(org, slug) => {
                let slug = Some(format!("s{slug}"));
                let free = !self.orgs.iter().enumerate().any(|(at, other)| at != *org && *other == slug);
                match self.orgs.get_mut(*org).filter(|name| free && name.is_some()) {
                    Some(name) => *name = slug,
                    None => return false,
                }
                true
            }
            Op::End(org) => self.orgs.get_mut(*org).is_some_and(|name| name.take().is_some()),
            // One that is there stays, one that has ended does not come back, and others are made by `Create`.
            Op::Import(org, _) => self.orgs.get(*org).is_none_or(Option::is_some),
            Op::Revoke(id, until) => {
                let entry = self.revocations.entry(vec![*id]).or_insert(*until);
                *entry = (*entry).max(*until);
                true
            }
            Op::Expire(now) => {
                self.revocations.retain(|_, until| *until >= *now);
                true
            }
            Op::AddKey(public) => {
                let fresh = !self.keys.iter().any(|(known, _)| known == public);
                self.keys.extend(fresh.then_some((*public, false)));
                fresh
            }
            Op::Retire(id) => self.retire(*id as usize - 1),
            Op::Host(host, region) => {
                self.hosts.insert(format!("h{host}"), format!("r{region}"));
                true
            }
            Op::Shards(from, store) => {
                let store = format!("store-{store}");
                for shard in *from..=u8::MAX {
                    let former = self.stores.insert(shard, store.clone());
                    self.version += u64::from(former.as_ref() != Some(&store));
                }
                self.noted.insert(store);
                return true;
            }
            Op::Forget(3) => {
                let may = self.stores.len() == 256 && !self.main_is_forgotten;
                self.main_is_forgotten |= may;
                may
            }
            Op::Forget(store) => {
                let store = format!("store-{store}");
                !self.stores.values().any(|owner| *owner == store) && self.noted.remove(&store)
            }
            Op::Compact | Op::Restart | Op::PowerCut(_) => true,
        };
        self.version += u64::from(self.facts() != before);
        granted
    }

    fn retire(&mut self, at: usize) -> bool {
        let live = self.keys.iter().filter(|(_, retired)| !retired).count();
        match self.keys.get_mut(at) {
            Some((_, retired)) if *retired || live > 1 => {
                *retired = true;
                true
            }
            _ => false,
        }
    }

    fn facts(&self) -> impl PartialEq + use<> {
        let Self { orgs, revocations, keys, hosts, noted, main_is_forgotten, .. } = self;
        let stores = (noted.clone(), *main_is_forgotten);
        (orgs.clone(), revocations.clone(), keys.clone(), hosts.clone(), stores)
    }

    fn check(&self, state: &State) {
        assert_eq!(state.version(), self.version);
        assert_eq!(state.orgs().len(), self.orgs.iter().flatten().count());
        assert_eq!(state.ended_orgs().len(), self.orgs.len() - state.orgs().len());
        for (place, (slug, id)) in self.orgs.iter().zip(&self.ids).enumerate() {
            let Some(slug) = slug else {
                assert!(state.org(id).is_none() && state.org_by_name(id.as_str()).is_none());
                continue;
            };
            let org = state.org_by_slug(slug).unwrap();
            assert_eq!((org.account as usize, &org.id, org.slug.as_str()), (place + 1, id, slug.as_str()));
        }
        for slug in
            (0..6).map(|slug| format!("s{slug}")).filter(|slug| !self.orgs.contains(&Some(slug.clone())))
        {
            assert_eq!(state.org_by_slug(&slug), None);
        }
        assert_eq!(self.ids.iter().collect::<BTreeSet<_>>().len(), self.orgs.len());
        let revoked: BTreeMap<_, _> = state.revocations().map(|one| (one.id, one.until_ns)).collect();
        assert_eq!(revoked, self.revocations);
        let keys: Vec<_> = state.keys().map(|key| (key.public[0], key.retired_ns.is_some())).collect();
        assert_eq!(keys, self.keys);
        let hosts: BTreeMap<_, _> =
            state.hosts().map(|host| (host.name.to_string(), host.region.to_string())).collect();
        assert_eq!(hosts, self.hosts);
        for shard in 0..=u8::MAX {
            let store = self.stores.get(&shard).map_or("main", String::as_str);
            assert_eq!(state.store_of(shard).as_str(), store);
        }
        let mut noted = self.noted.clone();
        noted.extend((!self.main_is_forgotten).then(|| "main".to_owned()));
        assert!(state.stores().map(Name::as_str).eq(noted.iter().map(String::as_str)));
        let former = |name: &&String| state.shards_of(name).next().is_none();
        assert!(state.former_stores().map(Name::as_str).eq(noted.iter().filter(former).map(String::as_str)));
    }
}

fn reopen(disk: &FaultDisk) -> Registry {
    let registry = Registry::open(Arc::new(disk.clone()), Path::new(PATH), i64::MIN).unwrap();
    assert_eq!(registry.report(), &Report::default());
    registry
}

/// Makes the change; whether it was granted.
fn make(registry: &mut Registry, model: &mut Model, op: &Op) -> bool {
    let done = match op {
        Op::Create(slug) => registry.create_org(&format!("s{slug}"), 0).map(|org| model.ids.push(org.id)),
        Op::Rename(org, slug) => {
            let id = model.ids.get(*org).cloned().unwrap_or_else(|| OrgId::new("nobody").unwrap());
            registry.rename_org(&id, &format!("s{slug}")).map(drop)
        }
        Op::End(org) => match model.ids.get(*org) {
            Some(id) => registry.end_org(id, 0),
            None => Err(Error::UnknownOrg(String::new())),
        },
        Op::Import(org, slug) => match model.ids.get(*org) {
            Some(id) => registry.import_org(id, &format!("s{slug}"), 0).map(drop),
            None => Ok(()),
        },
        Op::Revoke(id, until) => registry.revoke(&[*id], *until),
        Op::Expire(now) => registry.expire(*now).map(drop),
        Op::AddKey(public) => registry.add_key(&[*public], 0).map(drop),
        Op::Retire(id) => registry.retire_key(*id, 0),
        Op::Host(host, region) => registry.note_host(&format!("h{host}"), &format!("r{region}"), 0),
        Op::Shards(from, store) => {
            registry.assign_shards(*from..=u8::MAX, &format!("store-{store}")).map(drop)
        }
        Op::Forget(3) => registry.forget_store("main"),
        Op::Forget(store) => registry.forget_store(&format!("store-{store}")),
        Op::Compact => registry.rewrite(),
        Op::Restart | Op::PowerCut(_) => Ok(()),
    };
    done.is_ok()
}

proptest! {
    #[test]
    fn random_changes_and_restarts_agree_with_a_model(ops in prop::collection::vec(op(), 1..60)) {
        let mut disk = FaultDisk::new();
        let (mut registry, mut model) = (reopen(&disk), Model::default());
        for op in &ops {
            let granted = make(&mut registry, &mut model, op);
            prop_assert_eq!(granted, model.apply(op), "{:?}", op);
            if let Op::PowerCut(seed) = op {
                disk = disk.power_cut(*seed);
            }
            if matches!(op, Op::Restart | Op::PowerCut(_)) {
                let digest = registry.digest();
                registry = reopen(&disk);
                prop_assert_eq!(registry.digest(), digest);
            }
            model.check(registry.state());
        }
        let json = registry.state().snapshot().to_json();
        let copy = State::from_snapshot(crate::Snapshot::from_json(&json).unwrap()).unwrap();
        prop_assert_eq!(&copy, registry.state());
        prop_assert_eq!(copy.digest(), registry.digest());
    }
}
