//! Power cuts and failing calls: what was acknowledged is in force after the next start.

use disk::SyncPoint;
use fastrand::Rng;

use super::*;
use crate::Limits;

/// One random change; true when it was acknowledged.
fn change(registry: &mut Registry, rng: &mut Rng) -> bool {
    let slug = format!("s{}", rng.u8(0..6));
    let some_org = registry.state().orgs().nth(rng.usize(0..3)).map(|org| org.id.clone());
    let done = match (rng.u8(0..8), some_org) {
        (0, Some(id)) => registry.rename_org(&id, &slug).map(drop),
        (6, Some(id)) if rng.u8(0..4) == 0 => registry.end_org(&id, 0),
        (7, Some(org)) => registry.note_token(minted(rng.u8(..), org), 0),
        (1, _) => registry.revoke(&[rng.u8(0..8)], i64::MAX - rng.i64(0..9)),
        (2, _) => registry.add_key(&[rng.u8(..), 1], 0).map(drop),
        (3, _) => registry.note_host("h", ["lhr", "ams"][rng.usize(0..2)], 0),
        (4, _) if rng.bool() => registry.assign_shards(0..=rng.u8(..), &slug).map(drop),
        (4, _) => registry.forget_store(&slug),
        _ => registry.create_org(&slug, 0).map(drop),
    };
    done.is_ok()
}

/// A token that nobody can use: what is kept of it is what counts.
fn minted(id: u8, org: OrgId) -> Minted {
    Minted { id: vec![id; 32], org, name: String::new(), limits: Limits::default(), key: 1, created_ns: 0 }
}

fn tokens(registry: &Registry) -> Vec<Minted> {
    registry.tokens().cloned().collect()
}

/// Random changes, compactions and power cuts: after each cut the state is that of before.
fn survives(seed: u64, ignored: Option<SyncPoint>) -> bool {
    let mut rng = Rng::with_seed(seed);
    let mut disk = FaultDisk::new();
    let mut expected = (State::new().unwrap(), Vec::new());
    for _ in 0..rng.u8(2..5) {
        if let Some(point) = ignored {
            disk.ignore(point);
        }
        let opened = Registry::open(Arc::new(disk.clone()), Path::new(PATH), NOW_NS);
        let Ok(mut registry) = opened else { return false };
        if (registry.state().clone(), tokens(&registry)) != expected
            || *registry.report() != Report::default()
        {
            return false;
        }
        registry.compact_bytes = if rng.bool() { 1500 } else { COMPACT_BYTES };
        registry.compacted_bytes = 0;
        for _ in 0..rng.u8(0..10) {
            change(&mut registry, &mut rng);
        }
        expected = (registry.state().clone(), tokens(&registry));
        disk = disk.power_cut(rng.u64(..));
    }
    let opened = Registry::open(Arc::new(disk), Path::new(PATH), NOW_NS);
    opened.is_ok_and(|registry| (registry.state().clone(), tokens(&registry)) == expected)
}

#[test]
fn a_power_cut_takes_back_no_change() {
    let cases = if std::env::var_os("LOGWAY_SOAK").is_some() { 10_000 } else { 200 };
    for seed in 0..cases {
        assert!(survives(seed, None), "seed {seed}");
    }
}

#[test]
fn every_sync_is_needed() {
    use SyncPoint::{JournalDir, JournalRecord, JournalSnapshot, JournalSnapshotDir, NewDir};
    for point in [NewDir, JournalRecord, JournalDir, JournalSnapshot, JournalSnapshotDir] {
        assert!((0..500).any(|seed| !survives(seed, Some(point))), "no test needs {point:?}");
    }
}

#[test]
fn a_failing_call_takes_back_no_change_and_shows_none_that_was_not_made() {
    for call in [Call::Write, Call::Sync, Call::Entry] {
        for nth in 1..=5 {
            for seed in 0..20 {
                let mut rng = Rng::with_seed(seed);
                let (disk, mut registry) = filled();
                (registry.compact_bytes, registry.compacted_bytes) = (1500, 0);
                disk.fail_nth(call, nth, std::io::ErrorKind::Other);
                for _ in 0..8 {
                    let before = (registry.state().clone(), tokens(&registry));
                    if !change(&mut registry, &mut rng) {
                        let after = (registry.state().clone(), tokens(&registry));
                        assert_eq!(after, before, "{call:?} {nth} {seed}");
                    }
                }
                // One more, so that none is left that failed and may be found.
                registry.add_key(b"the last", 0).unwrap();
                let opened = open(&disk.power_cut(seed));
                assert_eq!(opened.state(), registry.state(), "{call:?} {nth} {seed}");
                assert_eq!(tokens(&opened), tokens(&registry), "{call:?} {nth} {seed}");
            }
        }
    }
}
