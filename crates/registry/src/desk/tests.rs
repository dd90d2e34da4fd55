//! Tokens are made, revoked and listed, and the keys outlive power cuts.

mod edited;

use std::path::PathBuf;

use disk::SyncPoint;
use disk::fault::{Call, FaultDisk};
use fastrand::Rng;

use super::*;
use crate::admin::{Request, Response, TokenInfo};

const DIR: &str = "/data/registry";
const NOW_NS: i64 = 1_764_000_000 * SECOND;
const DAY_NS: i64 = 24 * 3600 * SECOND;

fn open(disk: &FaultDisk) -> Desk {
    Desk::open(Arc::new(disk.clone()), Path::new(DIR), NOW_NS).unwrap()
}

/// A desk with the org `acme`.
fn desk() -> (FaultDisk, Desk) {
    let disk = FaultDisk::new();
    let mut desk = open(&disk);
    desk.registry_mut().create_org("acme", NOW_NS).unwrap();
    (disk, desk)
}

fn mint(desk: &mut Desk, limits: &Limits) -> String {
    desk.mint("acme", limits, "ci", NOW_NS).unwrap().0
}

fn key_path(id: u32) -> PathBuf {
    Path::new(DIR).join(format!("root-{id}.key"))
}

fn read_only(not_after_s: Option<u64>) -> Limits {
    Limits { actions: vec!["read".to_owned()], not_after_s, ..Limits::default() }
}

#[test]
fn the_first_start_makes_a_key_and_later_ones_use_it() {
    let (disk, mut first) = desk();
    let token = mint(&mut first, &Limits::default());
    let mut again = open(&disk);
    assert_eq!(again.verify(&token, NOW_NS).unwrap().key_id, 1);
    let newer = mint(&mut again, &Limits::default());
    assert_eq!(again.verify(&newer, NOW_NS).unwrap().key_id, 1);
    // A clock that is behind by less than an hour lets its tokens in.
    again.verify(&token, NOW_NS - EARLY_NS).unwrap();
    assert_eq!(again.verify(&token, NOW_NS - EARLY_NS - SECOND), Err(Refusal::KeyNotValid(1)));
}

#[test]
fn a_key_that_is_lost_or_another_gives_way_to_a_new_one() {
    let spoil: [fn(&FaultDisk); 4] = [
        |disk| disk.vanish(&key_path(1)),
        |disk| disk.put(&key_path(1), b"not a key"),
        |disk| disk.put(&key_path(1), &[0xff; 80]),
        |disk| disk.put(&key_path(1), SigningKey::generate(1).to_text().as_bytes()),
    ];
    for (case, spoil) in spoil.into_iter().enumerate() {
        let (disk, mut before) = desk();
        let token = mint(&mut before, &Limits::default());
        spoil(&disk);
        let mut after = open(&disk);
        let newer = mint(&mut after, &Limits::default());
        assert_eq!(after.verify(&newer, NOW_NS).unwrap().key_id, 2, "{case}");
        // What the old one has signed stays good.
        assert_eq!(after.verify(&token, NOW_NS).unwrap().key_id, 1, "{case}");
    }
}

#[test]
fn after_a_rotation_two_keys_are_valid_and_then_one() {
    let (disk, mut desk) = desk();
    let old = mint(&mut desk, &Limits::default());
    assert_eq!(desk.rotate(NOW_NS + 30 * DAY_NS, NOW_NS).unwrap(), 2);
    let new = mint(&mut desk, &Limits::default());
    let worth = |desk: &Desk, token: &str, days: i64| {
        desk.verify(token, NOW_NS + days * DAY_NS).map(|grant| grant.key_id)
    };
    assert_eq!((worth(&desk, &old, 29), worth(&desk, &new, 29)), (Ok(1), Ok(2)));
    assert_eq!((worth(&desk, &old, 30), worth(&desk, &new, 30)), (Err(Refusal::KeyNotValid(1)), Ok(2)));
    assert!(disk.content(&key_path(1)).is_err() && disk.content(&key_path(2)).is_ok());
    // To end one now is no more than that.
    desk.rotate(NOW_NS, NOW_NS).unwrap();
    assert_eq!(worth(&desk, &old, 0), Err(Refusal::KeyNotValid(1)));
    assert_eq!(worth(&desk, &new, 0), Err(Refusal::KeyNotValid(2)));
    // To rotate later does not bring it back.
    desk.rotate(NOW_NS + DAY_NS, NOW_NS).unwrap();
    assert_eq!(worth(&desk, &new, 0), Err(Refusal::KeyNotValid(2)));
}

#[test]
fn a_stolen_key_signs_nothing_for_a_front_door_whose_clock_is_behind() {
    let (disk, mut desk) = desk();
    let stolen = mint(&mut desk, &Limits::default());
    let kept = |desk: &mut Desk, retire_after_s| {
        desk.answer(Request::Rotate { retire_after_s }, NOW_NS);
        desk.verify(&stolen, NOW_NS - 1800 * SECOND).is_ok()
    };
    assert!(!kept(&mut desk, 0));
    // Nor does a later rotation bring it back, nor a start, nor the way over the bus.
    assert!(!kept(&mut desk, 3600) && !kept(&mut open(&disk), 3600));
    let told = crate::State::from_snapshot(desk.registry().state().snapshot()).unwrap();
    assert_eq!(told.digest(), desk.registry().digest());
    for (key, retired_ns) in [(1, Some(0)), (2, Some(NOW_NS + 3600 * SECOND))] {
        assert_eq!(told.key(key).unwrap().retired_ns, retired_ns, "{key}");
    }
    for now_s in [0, 1, 1_700_000_000, 1_764_000_000] {
        assert_eq!(told.directory().login("", &stolen, now_s), Err(Refusal::KeyNotValid(1)), "{now_s}");
    }
}

#[test]
fn what_is_revoked_is_worth_nothing_and_neither_is_what_was_made_of_it() {
    let (disk, mut desk) = desk();
    let whole = mint(&mut desk, &read_only(Some(1_764_000_100)));
    let narrow =
        access::attenuate(&whole, &Limits { apps: vec!["web".into()], ..Limits::default() }.scope().unwrap())
            .unwrap();
    let other = mint(&mut desk, &Limits::default());
    let revoked = desk.revoke_token(&narrow).unwrap();
    assert!(!revoked.is_known);
    assert_eq!(desk.verify(&narrow, NOW_NS), Err(Refusal::Revoked(revoked.id)));
    desk.verify(&whole, NOW_NS).unwrap();
    let revoked = desk.revoke_id(access::inspect(&whole).unwrap().revocation_ids[0]).unwrap();
    assert!(revoked.is_known);
    for desk in [&desk, &open(&disk)] {
        assert!(desk.verify(&whole, NOW_NS).is_err() && desk.verify(&narrow, NOW_NS).is_err());
        desk.verify(&other, NOW_NS).unwrap();
    }
    // Both are kept until the token has ended, and a day longer, for clocks that are behind.
    let until = 1_764_000_101 * SECOND;
    let ends: Vec<_> = desk.registry().state().revocations().map(|one| one.until_ns).collect();
    assert_eq!(ends, [until, until]);
    // Of one that nobody knows, nobody knows when it ends.
    let unknown = desk.revoke_id(RevocationId::from([9; 32])).unwrap();
    assert!(!unknown.is_known);
    assert!(desk.registry().state().revocations().any(|one| one.until_ns == i64::MAX));
}

#[test]
fn an_org_that_ends_takes_its_tokens_with_it() {
    let (disk, mut desk) = desk();
    let token = mint(&mut desk, &Limits::default());
    let org = desk.org_id("acme").unwrap();
    desk.registry_mut().end_org(&org, NOW_NS).unwrap();
    for desk in [&desk, &open(&disk)] {
        assert_eq!(desk.verify(&token, NOW_NS), Err(Refusal::UnknownOrg(org.clone())));
        assert_eq!(desk.registry().tokens().len(), 0);
    }
    let again = desk.registry_mut().create_org("acme", NOW_NS).unwrap();
    assert!(again.id != org && again.account == 2);
    assert!(desk.verify(&token, NOW_NS).is_err());
    assert!(matches!(desk.registry_mut().import_org(&org, "old", NOW_NS), Err(Error::OrgEnded(_))));
    assert!(matches!(desk.mint(org.as_str(), &Limits::default(), "", NOW_NS), Err(Error::UnknownOrg(_))));
}

#[test]
fn the_machine_s_token_is_renewed_when_it_must_be() {
    let (_disk, mut desk) = desk();
    let org = desk.org_id("acme").unwrap();
    let renew = |desk: &mut Desk, kept: Option<&str>| desk.local_token(&org, kept, NOW_NS).unwrap();
    let first = renew(&mut desk, None).unwrap();
    assert_eq!(renew(&mut desk, Some(&first)), None);
    // With what a file has at its end.
    assert_eq!(renew(&mut desk, Some(&format!("{first}\n"))), None);
    for other in [&mint(&mut desk, &read_only(None)), "no token", ""] {
        assert!(renew(&mut desk, Some(other)).is_some(), "{other}");
    }
    desk.rotate(NOW_NS + DAY_NS, NOW_NS).unwrap();
    let second = renew(&mut desk, Some(&first)).unwrap();
    assert_eq!(desk.verify(&second, NOW_NS).unwrap().key_id, 2);
    desk.revoke_token(&second).unwrap();
    assert!(renew(&mut desk, Some(&second)).is_some());
}

#[test]
fn what_cannot_be_made_is_refused_with_its_code() {
    let (_disk, mut desk) = desk();
    let mint =
        |org: &str, limits: Limits, name: &str| Request::Mint { org: org.into(), limits, name: name.into() };
    let word = |text: &str| vec![text.to_owned()];
    let many = Limits { apps: (0..65).map(|n| format!("a{n}")).collect(), ..Limits::default() };
    let rows = [
        (mint("nobody", Limits::default(), ""), "LR05"),
        (mint(&"x".repeat(1000), Limits::default(), ""), "LR05"),
        (mint("acme", Limits { actions: word("fly"), ..Limits::default() }, ""), "LR07"),
        (mint("acme", Limits { apps: word(""), ..Limits::default() }, ""), "LA12"),
        (mint("acme", many, ""), "LR07"),
        (mint("acme", Limits { not_after_s: Some(u64::MAX), ..Limits::default() }, ""), "LR07"),
        (mint("acme", Limits::default(), &"n".repeat(129)), "LR07"),
        (mint("acme", Limits::default(), "a\nb"), "LR07"),
        (Request::CreateOrg { slug: "acme".into() }, "LR06"),
        (Request::CreateOrg { slug: "A".into() }, "LR06"),
        (Request::RenameOrg { org: "nobody".into(), slug: "x".into() }, "LR05"),
        (Request::EndOrg { org: "nobody".into() }, "LR05"),
        (Request::Revoke { token: "lw1_".into() }, "LR07"),
        (Request::Tokens { org: Some("nobody".into()) }, "LR05"),
        (Request::AssignShards { store: String::new(), shards: vec![1] }, "LA12"),
        (Request::ForgetStore { store: "nobody".into() }, "LR15"),
        (Request::ForgetStore { store: "main".into() }, "LR16"),
    ];
    let before = desk.registry().state().clone();
    for (request, wanted) in rows {
        let Response::Error { code, message, .. } = desk.answer(request, NOW_NS) else { panic!("{wanted}") };
        assert!(code == wanted && message.len() < 400, "{code} {message}");
    }
    assert_eq!((desk.registry().state(), desk.registry().tokens().len()), (&before, 0));
}

#[test]
fn a_list_says_how_each_token_stands() {
    let (_disk, mut desk) = desk();
    let other = desk.registry_mut().create_org("other", NOW_NS).unwrap();
    let mut made = Vec::new();
    for (name, not_after_s) in [("old", Some(1_763_999_999)), ("bad", None), ("good", None)] {
        let (token, minted) =
            desk.mint("acme", &read_only(not_after_s), name, NOW_NS + made.len() as i64).unwrap();
        made.push((token, minted));
    }
    desk.mint("other", &Limits::default(), "theirs", NOW_NS).unwrap();
    desk.revoke_token(&made[1].0).unwrap();
    let list = |desk: &mut Desk, org: Option<&str>| {
        let Response::Tokens(tokens) = desk.answer(Request::Tokens { org: org.map(str::to_owned) }, NOW_NS)
        else {
            panic!()
        };
        tokens
    };
    let shown = |tokens: Vec<TokenInfo>| {
        tokens
            .into_iter()
            .map(|token| format!("{} {} {}", token.slug, token.name, token.standing))
            .collect::<Vec<_>>()
    };
    let acme = ["acme old expired", "acme bad revoked", "acme good good"];
    assert_eq!(shown(list(&mut desk, Some("acme"))), acme);
    assert_eq!(shown(list(&mut desk, Some(other.id.as_str()))), ["other theirs good"]);
    assert_eq!(list(&mut desk, None).len(), 4);
    // A token makes no version: no follower has to fetch anything.
    assert_eq!(desk.registry().version(), 4);
    desk.rotate(NOW_NS, NOW_NS).unwrap();
    assert_eq!(shown(list(&mut desk, Some("acme")))[2], "acme good key retired");
}

#[test]
fn a_disk_that_is_full_makes_no_token_that_no_list_shows() {
    let (disk, mut desk) = desk();
    disk.set_space(Some(0));
    assert_eq!(desk.mint("acme", &Limits::default(), "", NOW_NS).unwrap_err().code(), Some("LR02"));
    assert!(desk.rotate(NOW_NS, NOW_NS).is_err());
    disk.set_space(None);
    let token = mint(&mut desk, &Limits::default());
    assert_eq!((desk.verify(&token, NOW_NS).unwrap().key_id, desk.registry().tokens().len()), (1, 1));
}

/// Tokens, rotations and power cuts: what was given out is as good as it was, and is in the list.
fn survives(seed: u64, ignored: Option<SyncPoint>) -> bool {
    let mut rng = Rng::with_seed(seed);
    let mut disk = FaultDisk::new();
    let mut given: Vec<String> = Vec::new();
    for round in 0..rng.u32(2..5) {
        if let Some(point) = ignored {
            disk.ignore(point);
        }
        let Ok(mut desk) = Desk::open(Arc::new(disk.clone()), Path::new(DIR), NOW_NS) else { return false };
        let keys = desk.registry().state().keys().len();
        let org = desk.registry().state().orgs().next().map(|org| org.id.to_string());
        let org = match org {
            Some(org) => org,
            None if round > 0 => return false,
            None => desk.registry_mut().create_org("acme", NOW_NS).unwrap().id.to_string(),
        };
        let all_good = given.iter().all(|token| desk.verify(token, NOW_NS).is_ok());
        if !all_good || desk.registry().tokens().len() != given.len() {
            return false;
        }
        for _ in 0..rng.u8(0..3) {
            if rng.bool() {
                desk.rotate(NOW_NS + DAY_NS, NOW_NS).unwrap();
            } else {
                given.push(desk.mint(&org, &Limits::default(), "", NOW_NS).unwrap().0);
            }
        }
        // A key that was lost would have been replaced.
        if round > 0 && desk.registry().state().keys().len() < keys {
            return false;
        }
        let signs = desk.signing_key(NOW_NS).unwrap().id;
        disk = disk.power_cut(rng.u64(..));
        let mut after = Desk::open(Arc::new(disk.clone()), Path::new(DIR), NOW_NS).unwrap();
        if after.signing_key(NOW_NS).unwrap().id != signs {
            return false;
        }
        disk = disk.power_cut(rng.u64(..));
    }
    true
}

#[test]
fn a_power_cut_takes_back_no_token_and_no_key() {
    for seed in 0..100 {
        assert!(survives(seed, None), "seed {seed}");
    }
}

#[test]
fn every_sync_of_a_key_is_needed() {
    for point in [SyncPoint::KeyFile, SyncPoint::KeyDir, SyncPoint::JournalRecord] {
        assert!((0..200).any(|seed| !survives(seed, Some(point))), "no test needs {point:?}");
    }
}

#[test]
fn a_failing_call_gives_out_no_token_that_is_not_kept() {
    for call in [Call::Write, Call::Sync, Call::Entry] {
        for nth in 1..=4 {
            let (disk, mut desk) = desk();
            disk.fail_nth(call, nth, std::io::ErrorKind::Other);
            let mut given = Vec::new();
            for _ in 0..3 {
                given.extend(desk.mint("acme", &Limits::default(), "", NOW_NS).map(|made| made.0));
                let _rotated = desk.rotate(NOW_NS + DAY_NS, NOW_NS);
            }
            given.push(mint(&mut desk, &Limits::default()));
            let after = open(&disk.power_cut(nth));
            for token in &given {
                after.verify(token, NOW_NS).unwrap();
                let id = access::inspect(token).unwrap().revocation_ids[0];
                assert!(after.registry().token(id.as_bytes()).is_some(), "{call:?} {nth}");
            }
        }
    }
}
