//! What is refused, what is no change, and what damage costs.

use std::path::PathBuf;

use disk::fault::{Call, FaultDisk};

use super::*;

mod model;
mod power;

const PATH: &str = "/data/registry/journal";
const NOW_NS: i64 = 1_764_000_000_000_000_000;

fn open(disk: &FaultDisk) -> Registry {
    Registry::open(Arc::new(disk.clone()), Path::new(PATH), NOW_NS).unwrap()
}

/// A registry with some of everything, one change to a record.
fn filled() -> (FaultDisk, Registry) {
    let disk = FaultDisk::new();
    let mut registry = open(&disk);
    let first = registry.create_org("first", NOW_NS).unwrap();
    registry.create_org("second", NOW_NS + 1).unwrap();
    registry.rename_org(&first.id, "renamed").unwrap();
    registry.add_key(&[7; 32], NOW_NS).unwrap();
    registry.add_key(&[8; 32], NOW_NS).unwrap();
    registry.retire_key(1, NOW_NS + 5).unwrap();
    registry.revoke(&[1; 64], NOW_NS + 10).unwrap();
    registry.revoke(&[2; 64], i64::MAX).unwrap();
    registry.note_host("h1", "lhr", NOW_NS).unwrap();
    registry.assign_shards([255], "other").unwrap();
    (disk, registry)
}

#[test]
fn a_change_is_one_version_and_outlives_the_process() {
    let (disk, registry) = filled();
    assert_eq!(registry.version(), 10);
    let again = open(&disk);
    assert_eq!(again.report(), &Report::default());
    assert_eq!((again.state(), again.digest()), (registry.state(), registry.digest()));
    let state = again.state();
    let orgs: Vec<_> = ["renamed", "second", "first"].map(|slug| state.org_by_slug(slug)).to_vec();
    assert_eq!(orgs[2], None);
    assert_eq!(orgs.iter().flatten().map(|org| org.account).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(state.key(1).unwrap().retired_ns, Some(NOW_NS + 5));
    assert!(state.is_revoked(&[1; 64]) && state.is_revoked(&[2; 64]) && !state.is_revoked(&[3; 64]));
    assert_eq!(state.hosts().next().unwrap().first_seen_ns, NOW_NS);
    assert_eq!((state.store_of(0).as_str(), state.store_of(255).as_str()), ("main", "other"));
}

#[test]
fn what_is_refused_changes_nothing_and_says_what_to_do() {
    type Change = fn(&mut Registry) -> Result<(), Error>;
    let bad_name = "a name cannot be used; give 1 to 63 bytes, best of a-z, 0-9 and '-'";
    let unknown = "there is no org \"nobody\"; list the orgs with 'logway orgs list'";
    let cases: [(Change, &str); 17] = [
        (
            |r| r.create_org("", 0).map(drop),
            "slug \"\" is not 1 to 63 of the characters a-z, 0-9 and '-'; choose another",
        ),
        (
            |r| r.create_org("No", 0).map(drop),
            "slug \"No\" is not 1 to 63 of the characters a-z, 0-9 and '-'; choose another",
        ),
        (
            |r| r.create_org("second", 0).map(drop),
            "slug second is taken by another org; choose another, or rename that org first",
        ),
        (
            |r| r.rename_org(&id_of(r, "second"), "renamed").map(drop),
            "slug renamed is taken by another org; choose another, or rename that org first",
        ),
        (
            |r| r.rename_org(&id_of(r, "second"), "a b").map(drop),
            "slug \"a b\" is not 1 to 63 of the characters a-z, 0-9 and '-'; choose another",
        ),
        (|r| r.rename_org(&OrgId::new("nobody").unwrap(), "x").map(drop), unknown),
        (
            |r| r.revoke(&[], 0),
            "a revocation id has 1 to 128 bytes, not 0; give the bytes, not their text form",
        ),
        (
            |r| r.revoke(&[0; 129], 0),
            "a revocation id has 1 to 128 bytes, not 129; give the bytes, not their text form",
        ),
        (
            |r| r.add_key(&[0; 66], 0).map(drop),
            "a public key has 1 to 65 bytes, not 66; give the bare key, without an envelope",
        ),
        (|r| r.add_key(&[7; 32], 0).map(drop), "this public key is key 1 already; make a new key pair"),
        (|r| r.retire_key(3, 0), "there is no signing key 3; list the keys"),
        (|r| r.retire_key(2, 0), "key 2 is the only one that is not retired; add the next key first"),
        (|r| r.note_host("", "lhr", 0), bad_name),
        (|r| r.assign_shards([0], &"s".repeat(64)).map(drop), bad_name),
        (|r| r.forget_store(""), bad_name),
        (|r| r.forget_store("none"), "there is no store none; list them with 'logway store list'"),
        (|r| r.forget_store("other"), "1 shards belong to the store other; give them to another one first"),
    ];
    let (disk, mut registry) = filled();
    let before = (registry.state().clone(), disk.calls(Call::Write));
    for (change, wanted) in cases {
        assert_eq!(change(&mut registry).unwrap_err().to_string(), wanted);
        assert_eq!((registry.state().clone(), disk.calls(Call::Write)), before, "{wanted}");
    }
}

fn id_of(registry: &Registry, slug: &str) -> OrgId {
    registry.state().org_by_slug(slug).unwrap().id.clone()
}

#[test]
fn what_is_so_already_is_no_change() {
    type Change = fn(&mut Registry) -> Result<(), Error>;
    let cases: [Change; 7] = [
        |r| r.rename_org(&id_of(r, "second"), "second").map(drop),
        |r| r.revoke(&[1; 64], NOW_NS + 10),
        |r| r.revoke(&[1; 64], NOW_NS),
        |r| r.retire_key(1, NOW_NS + 99),
        |r| r.note_host("h1", "lhr", NOW_NS + 1),
        |r| r.assign_shards([255], "other").map(|given| assert_eq!(given, 0)),
        |r| r.expire(NOW_NS + 10).map(|ended| assert_eq!(ended, 0)),
    ];
    let (disk, mut registry) = filled();
    let before = (registry.state().clone(), registry.digest(), disk.calls(Call::Write));
    for (index, change) in cases.iter().enumerate() {
        change(&mut registry).unwrap();
        let now = (registry.state().clone(), registry.digest(), disk.calls(Call::Write));
        assert_eq!(now, before, "case {index}");
    }
}

#[test]
fn a_slug_that_is_used_again_means_the_new_org() {
    let (disk, mut registry) = filled();
    let former = id_of(&registry, "renamed");
    registry.rename_org(&former, "elsewhere").unwrap();
    let new = registry.create_org("renamed", NOW_NS).unwrap();
    for registry in [registry, open(&disk)] {
        assert_eq!(registry.state().org_by_slug("renamed"), Some(&new));
        assert_eq!(registry.state().org(&former).unwrap().slug.as_str(), "elsewhere");
        assert_ne!((&new.id, new.account), (&former, 1));
    }
}

#[test]
fn no_org_is_called_by_the_id_of_another() {
    let (_, mut registry) = filled();
    let (first, second) = (id_of(&registry, "renamed"), id_of(&registry, "second"));
    assert!(matches!(registry.create_org(first.as_str(), 0), Err(Error::SlugTaken(_))));
    assert!(matches!(registry.rename_org(&second, first.as_str()), Err(Error::SlugTaken(_))));
    assert_eq!(registry.rename_org(&first, first.as_str()).unwrap().slug.as_str(), first.as_str());
}

#[test]
fn a_revocation_goes_when_its_token_has_ended() {
    let (disk, mut registry) = filled();
    let version = registry.version();
    assert_eq!(registry.expire(NOW_NS + 10).unwrap(), 0);
    assert_eq!(registry.expire(NOW_NS + 11).unwrap(), 1);
    assert_eq!(registry.version(), version + 1);
    registry.revoke(&[5; 64], NOW_NS + 20).unwrap();
    let opened = |now_ns| Registry::open(Arc::new(disk.copy()), Path::new(PATH), now_ns).unwrap();
    assert!(opened(NOW_NS + 20).state().is_revoked(&[5; 64]));
    let later = opened(NOW_NS + 21);
    assert!(!later.state().is_revoked(&[5; 64]) && later.state().is_revoked(&[2; 64]));
    assert_eq!(later.version(), version + 3);
}

#[test]
fn two_keys_are_valid_during_a_rotation_and_old_ones_are_forgotten() {
    let (disk, mut registry) = filled();
    let valid = |registry: &Registry, now_ns| {
        registry.state().keys().filter(|key| key.is_valid_at(now_ns)).map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(valid(&registry, NOW_NS - 1), Vec::<u32>::new());
    assert_eq!(valid(&registry, NOW_NS), [1, 2]);
    assert_eq!(valid(&registry, NOW_NS + 5), [2]);
    let rest = u8::try_from(State::MAX_KEYS - 2).unwrap();
    for number in 0..rest {
        registry.add_key(&[100, number], NOW_NS).unwrap();
    }
    assert_eq!(registry.add_key(b"next", NOW_NS).unwrap(), 65);
    assert_eq!((registry.state().key(1), registry.state().keys().len()), (None, State::MAX_KEYS));
    let full = registry.add_key(b"one more", NOW_NS).unwrap_err().to_string();
    assert_eq!(full, "there is room for 64 keys in use and no more; retire one that is not used any more");
    assert_eq!(open(&disk).state(), registry.state());
}

#[test]
fn no_list_and_no_number_grows_over_its_bound() {
    let name = |text: String| Name::new("host", &text).unwrap();
    let (_, mut registry) = filled();
    let known = id_of(&registry, "second");
    for number in 0..100_000_u32 {
        let id = OrgId::mint(number.into());
        let slug = Slug::new(&format!("org-{number}")).unwrap();
        registry.state.apply(0, Change::Org(Org { id, slug, account: number + 3, created_ns: 0 }));
        let id = number.to_le_bytes().to_vec();
        registry.state.apply(0, Change::Revocation(Revocation { id, until_ns: 5 }));
    }
    for number in 0..State::MAX_HOSTS {
        let host = name(format!("host-{number}"));
        registry.state.apply(0, Change::Host(Host { region: host.clone(), name: host, first_seen_ns: 0 }));
    }
    assert!(matches!(registry.create_org("one-more", 0), Err(Error::Full { what: "orgs", .. })));
    assert!(matches!(registry.revoke(b"one more", 0), Err(Error::Full { what: "revocations", .. })));
    assert!(matches!(registry.note_host("one-more", "lhr", 0), Err(Error::Full { what: "hosts", .. })));
    registry.rename_org(&known, "still-possible").unwrap();
    registry.revoke(&0_u32.to_le_bytes(), 6).unwrap();
    registry.note_host("h1", "ams", 0).unwrap();

    let (_, mut registry) = filled();
    let numbers = Change::Numbers { next_account: u32::MAX, next_key: u32::MAX };
    registry.state.apply(0, numbers);
    assert!(matches!(registry.create_org("x", 0), Err(Error::Full { what: "account numbers", .. })));
    assert!(matches!(registry.add_key(b"x", 0), Err(Error::Full { what: "key numbers", .. })));
}

#[test]
fn a_flipped_bit_costs_one_change_and_no_number_is_used_again() {
    let (disk, registry) = filled();
    let (whole, path) = (registry.state(), PathBuf::from(PATH));
    for byte in 0..disk.content(&path).unwrap().len() {
        let disk = disk.copy();
        disk.flip_bit(&path, byte, u8::try_from(byte % 8).unwrap()).unwrap();
        let mut registry = open(&disk);
        if *registry.report() == Report::default() {
            assert!(registry.state() == whole && byte < 1024, "byte {byte}");
            continue;
        }
        assert!(registry.version() > whole.version, "byte {byte}");
        let state = registry.state().clone();
        assert!(state.orgs().len() + 1 >= whole.orgs().len() && state.keys().len() + 1 >= whole.keys().len());
        assert!(registry.create_org("new", NOW_NS).unwrap().account > 2, "byte {byte}");
        assert!(registry.add_key(b"new", NOW_NS).unwrap() > 2, "byte {byte}");
        let again = open(&disk);
        assert_eq!((again.state(), again.report()), (registry.state(), &Report::default()), "byte {byte}");
    }
}

#[test]
fn an_org_whose_new_name_is_lost_is_called_by_its_id() {
    let (disk, mut registry) = filled();
    let former = id_of(&registry, "second");
    let before = disk.content(Path::new(PATH)).unwrap().len();
    registry.rename_org(&former, "third").unwrap();
    let new = registry.create_org("second", NOW_NS).unwrap();
    disk.flip_bit(Path::new(PATH), before + 40, 1).unwrap();
    let mut registry = open(&disk);
    assert!(registry.report().damaged_bytes > 0);
    assert_eq!(registry.state().org_by_slug("second"), Some(&new));
    assert_eq!(registry.state().org_by_slug(former.as_str()).unwrap().id, former);
    assert_eq!(registry.rename_org(&former, "third").unwrap().account, 2);
}

#[test]
fn a_torn_tail_is_cut_and_a_lost_header_sets_the_journal_aside() {
    let (disk, registry) = filled();
    let content = disk.content(Path::new(PATH)).unwrap();
    for len in [content.len() - 1, content.len() - 60, 1030, 700, 1, 0] {
        let disk = disk.copy();
        disk.put(Path::new(PATH), &content[..len]);
        let mut opened = open(&disk);
        assert!(opened.state().orgs().len() <= registry.state().orgs().len());
        opened.create_org("after", NOW_NS).unwrap();
        assert_eq!(open(&disk).state(), opened.state(), "{len}");
    }
    let disk = disk.copy();
    disk.put(Path::new(PATH), &vec![0xff; content.len()]);
    let opened = open(&disk);
    assert!(opened.state().orgs().len() == 0 && opened.version() > registry.version());
    assert!(disk.exists(Path::new("/data/registry/journal.damaged")));
}

#[test]
fn records_of_a_newer_program_are_kept() {
    let (disk, registry) = filled();
    let (mut journal, _, _) = Journal::open(Arc::new(disk.clone()), Path::new(PATH)).unwrap();
    let newer = br#"{"version":40,"change":{"moon":{"phase":1}}}"#;
    journal.append(newer).unwrap();
    let mut opened = open(&disk);
    assert_eq!(opened.report(), &Report { unknown_records: 1, ..Report::default() });
    assert_eq!(
        (opened.version(), opened.state().snapshot().to_json().len()),
        (40, registry.state().snapshot().to_json().len())
    );
    opened.rewrite().unwrap();
    assert_eq!((open(&disk).report().unknown_records, open(&disk).version()), (1, 40));
}

#[test]
fn a_full_disk_stops_changes_and_not_the_start() {
    let (disk, mut registry) = filled();
    let before = registry.state().clone();
    disk.set_space(Some(1));
    assert!(matches!(registry.create_org("new", 0), Err(Error::Journal(_))));
    assert!(matches!(registry.expire(i64::MAX), Err(Error::Journal(_))));
    assert_eq!(registry.state(), &before);
    let mut opened = Registry::open(Arc::new(disk.clone()), Path::new(PATH), i64::MAX).unwrap();
    assert_eq!((opened.state(), opened.report().read_only), (&before, true));
    disk.set_space(None);
    assert_eq!(opened.expire(i64::MAX).unwrap(), 1);
    assert_eq!(open(&disk).state(), opened.state());
}

#[test]
fn compaction_keeps_the_state() {
    let (disk, mut registry) = filled();
    registry.compact_bytes = 0;
    for turn in 0..200 {
        registry.note_host("h1", if turn % 2 == 0 { "ams" } else { "lhr" }, NOW_NS).unwrap();
    }
    let len = disk.content(Path::new(PATH)).unwrap().len();
    assert!(len < 8_000, "{len}");
    assert_eq!(open(&disk).state(), registry.state());
    assert_eq!(registry.version(), 210);
}

#[test]
fn shards_move_with_one_sync_and_a_store_without_any_is_kept_in_mind_until_it_is_forgotten() {
    let (disk, mut registry) = filled();
    let (version, syncs) = (registry.version(), disk.calls(Call::Sync));
    assert_eq!(registry.assign_shards(0..=254, "east").unwrap(), 255);
    assert_eq!((registry.version(), disk.calls(Call::Sync)), (version + 255, syncs + 1));
    let names = |registry: &Registry| -> (Vec<String>, Vec<String>) {
        let state = registry.state();
        (
            state.stores().map(ToString::to_string).collect(),
            state.former_stores().map(ToString::to_string).collect(),
        )
    };
    let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&registry), (some(&["east", "main", "other"]), some(&["main"])));
    assert_eq!(registry.state().directory().stores().len(), 3);
    registry.forget_store("main").unwrap();
    for registry in [&mut open(&disk), &mut registry] {
        registry.rewrite().unwrap();
        assert_eq!(names(registry), (some(&["east", "other"]), some(&[])));
        assert_eq!(registry.state().directory().stores().len(), 2);
    }
    assert_eq!(open(&disk).state(), registry.state());
    registry.assign_shards([7], "main").unwrap();
    assert_eq!(names(&registry).0, some(&["east", "main", "other"]));
}

#[test]
fn no_record_is_shorter_than_what_lost_bytes_are_counted_by() {
    let store = Name::new("store", "s").unwrap();
    for change in [Change::Expired { now_ns: 0 }, Change::Shard { shard: 0, store }] {
        // The journal puts 16 bytes before each.
        assert!(Record { version: 1, change }.encode().len() as u64 + 16 >= LEAST_RECORD_BYTES);
    }
}

#[test]
fn an_org_from_before_the_registry_keeps_its_id() {
    let (disk, mut registry) = filled();
    let (old, other) = (OrgId::new("0ldid").unwrap(), OrgId::new("0ther").unwrap());
    let org = registry.import_org(&old, "personal", 5).unwrap();
    assert_eq!((&org.id, org.slug.as_str(), org.account), (&old, "personal", 3));
    // Once it is there it stays as it is, also after it was renamed.
    registry.rename_org(&old, "mine").unwrap();
    assert_eq!(registry.import_org(&old, "personal", 9).unwrap().slug.as_str(), "mine");
    // A slug that is taken is no reason to leave it out.
    assert_eq!(registry.import_org(&other, "second", 5).unwrap().slug.as_str(), "0ther");
    registry.end_org(&other, 6).unwrap();
    assert!(matches!(registry.import_org(&other, "x", 7), Err(Error::OrgEnded(id)) if id == other));
    // Nobody is called by the id of one that has ended.
    assert!(matches!(registry.create_org("0ther", 8), Err(Error::SlugTaken(_))));
    assert_eq!(open(&disk).state(), registry.state());
}

#[test]
fn when_too_many_tokens_are_known_those_that_are_over_are_forgotten() {
    let (disk, mut registry) = filled();
    let org = id_of(&registry, "second");
    let token = |number: usize, not_after_s| {
        let mut id = vec![0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let limits = crate::Limits { not_after_s, ..crate::Limits::default() };
        Minted { id, org: org.clone(), name: String::new(), limits, key: 2, created_ns: 0 }
    };
    let version = registry.version();
    // Journalled one by one they would take minutes.
    for number in 0..Registry::MAX_TOKENS {
        let token = token(number, (number % 2 == 0).then_some(10));
        registry.book.apply(&Change::Token(token), &registry.state);
    }
    let full = registry.note_token(token(Registry::MAX_TOKENS, None), 11_000_000_000 - 1);
    assert!(matches!(full, Err(Error::Full { max: Registry::MAX_TOKENS, .. })));
    registry.note_token(token(Registry::MAX_TOKENS, None), 11_000_000_000).unwrap();
    assert_eq!(registry.tokens().len(), Registry::MAX_TOKENS / 2 + 1);
    assert_eq!((registry.version(), open(&disk).tokens().len()), (version, 1));
}
