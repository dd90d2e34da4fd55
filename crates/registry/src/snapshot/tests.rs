//! Snapshots: there and back, within their bound, and with anything wrong in them.

use line::OrgId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Slug;

/// A state with two of everything.
fn sample() -> State {
    let mut state = State::new().unwrap();
    for number in 1..=2_u8 {
        let (id, slug) = (OrgId::new(&format!("id{number}")).unwrap(), format!("org-{number}"));
        let org = Org { id, slug: Slug::new(&slug).unwrap(), account: number.into(), created_ns: 5 };
        let name = Name::new("host", &format!("h{number}")).unwrap();
        let host = Host { region: name.clone(), name, first_seen_ns: 6 };
        let key = Key { id: number.into(), public: vec![number; 32], from_ns: 7, retired_ns: None };
        let revocation = Revocation { id: vec![number; 64], until_ns: i64::MAX };
        let store = Name::new("store", "other").unwrap();
        let gone = OrgId::new(&format!("gone{number}")).unwrap();
        let ended = EndedOrg { id: gone, account: u32::from(number) + 2, ended_ns: 8 };
        for change in [
            Change::Org(org),
            Change::OrgEnded(ended),
            Change::Host(host),
            Change::Key(key),
            Change::Revocation(revocation),
            Change::Shard { shard: number, store },
            Change::Store { store: Name::new("store", &format!("s{number}")).unwrap(), has_lines: true },
        ] {
            state.apply(state.version + 1, change);
        }
    }
    state
}

fn read(json: &[u8]) -> Result<State, Error> {
    State::from_snapshot(Snapshot::from_json(json)?)
}

#[test]
fn there_and_back() {
    for state in [State::new().unwrap(), sample()] {
        let json = state.snapshot().to_json();
        let copy = read(&json).unwrap();
        assert_eq!((&copy, copy.digest()), (&state, state.digest()));
        assert_eq!(copy.snapshot().to_json(), json);
        assert_eq!(state.digest().to_string().len(), 64);
    }
}

#[test]
fn every_difference_shows_in_the_digest() {
    let state = sample();
    let mut digests = vec![state.digest()];
    for change in state.changes().collect::<Vec<_>>() {
        let change = match change {
            Change::Org(org) => Change::Org(Org { slug: Slug::new("x").unwrap(), ..org }),
            Change::OrgEnded(org) => Change::OrgEnded(EndedOrg { ended_ns: 1, ..org }),
            Change::Host(host) => Change::Host(Host { first_seen_ns: 1, ..host }),
            Change::Key(key) => Change::Key(Key { retired_ns: Some(1), ..key }),
            Change::Revocation(one) => Change::Revocation(Revocation { until_ns: 1, ..one }),
            Change::Shard { shard, .. } => Change::Shard { shard, store: Name::new("store", "x").unwrap() },
            Change::Store { store, .. } => Change::Store { store, has_lines: false },
            other => other,
        };
        let mut other = state.clone();
        other.apply(state.version + u64::from(matches!(change, Change::Numbers { .. })), change);
        digests.push(other.digest());
    }
    assert_eq!(digests.len(), 16);
    assert!(differ(digests.iter().map(ToString::to_string)));
}

/// Changes the JSON of the sample and says what is wrong with it then.
#[track_caller]
fn says(change: impl FnOnce(&mut Value), wanted: &str) {
    let mut json: Value = serde_json::from_slice(&sample().snapshot().to_json()).unwrap();
    change(&mut json);
    assert_eq!(read(&serde_json::to_vec(&json).unwrap()).unwrap_err().to_string(), wanted);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let content = |what: &str| format!("the snapshot is not that of a registry: {what}; fetch it again");
    let shape = "the snapshot cannot be read; fetch it again";
    says(
        |json| json["format"] = json!(2),
        "a snapshot of format 2, this program reads format 1; run the same version everywhere",
    );
    says(|json| _ = json["stores"].as_array_mut().unwrap().pop(), &content("not one store for each shard"));
    says(
        |json| json["former_stores"].as_array_mut().unwrap().reverse(),
        &content("former stores out of order"),
    );
    says(|json| json["former_stores"][0] = json!("other"), &content("a former store with shards"));
    says(
        |json| {
            let names: Vec<String> = (0..State::MAX_STORES).map(|number| format!("t{number:04}")).collect();
            json["former_stores"] = json!(names);
        },
        &content("too many stores"),
    );
    says(|json| json["orgs"].as_array_mut().unwrap().reverse(), &content("orgs out of order"));
    says(|json| json["orgs"][1]["id"] = json!("id1"), &content("orgs out of order"));
    says(|json| json["hosts"].as_array_mut().unwrap().reverse(), &content("hosts out of order"));
    says(|json| json["keys"][1]["id"] = json!(1), &content("keys out of order"));
    says(|json| json["revocations"].as_array_mut().unwrap().reverse(), &content("revocations out of order"));
    says(|json| json["orgs"][1]["slug"] = json!("org-1"), &content("one slug for two orgs"));
    says(|json| json["orgs"][1]["account"] = json!(1), &content("one account number for two orgs"));
    says(|json| json["orgs"][1]["account"] = json!(3), &content("one account number for two orgs"));
    says(|json| json["orgs"][1]["account"] = json!(5), &content("a future account number"));
    says(|json| json["ended"][1]["account"] = json!(5), &content("a future account number"));
    says(|json| json["ended"].as_array_mut().unwrap().reverse(), &content("ended orgs out of order"));
    says(|json| json["ended"][1]["id"] = json!("id1"), &content("an org that has ended and lives"));
    says(|json| json["orgs"][0]["account"] = json!(0), &content("a future account number"));
    says(|json| json["keys"][1]["id"] = json!(3), &content("a future key number"));
    says(
        |json| json["keys"][1]["public"] = json["keys"][0]["public"].clone(),
        &content("one public key twice"),
    );
    says(|json| json["keys"][1]["public"] = json!(""), &content("a public key of no length"));
    says(|json| json["revocations"][0]["id"] = json!(""), &content("a revocation id of no length"));
    says(|json| json["orgs"][0]["slug"] = json!("A"), shape);
    says(|json| json["orgs"][0]["id"] = json!("a.b"), shape);
    says(|json| json["keys"][0]["public"] = json!("xyz"), shape);
    says(|json| json["version"] = json!(-1), shape);
    says(|json| _ = json.as_object_mut().unwrap().remove("keys"), shape);
    let many = |json: &mut Value| json["keys"] = json!(vec![json["keys"][0].clone(); State::MAX_KEYS + 1]);
    says(many, &content("too many keys"));
}

#[test]
fn a_full_state_fits_into_the_bound() {
    let name = Name::new("host", &"~".repeat(Name::MAX_BYTES)).unwrap();
    let org = Org {
        id: OrgId::new(&"a".repeat(OrgId::MAX_BYTES)).unwrap(),
        slug: Slug::new(&"a".repeat(Slug::MAX_BYTES)).unwrap(),
        account: u32::MAX,
        created_ns: i64::MIN,
    };
    let host = Host { name: name.clone(), region: name.clone(), first_seen_ns: i64::MIN };
    let public = vec![0; Key::MAX_BYTES];
    let key = Key { id: u32::MAX, public, from_ns: i64::MIN, retired_ns: Some(i64::MIN) };
    let revocation = Revocation { id: vec![0; Revocation::MAX_BYTES], until_ns: i64::MIN };
    let mut full = State::new().unwrap().snapshot();
    full.stores = vec![Store(name); SHARDS];
    let len = |value: Vec<u8>| value.len() + 1;
    let bytes = full.to_json().len()
        + 100
        + State::MAX_ORGS * len(serde_json::to_vec(&org).unwrap())
        + State::MAX_HOSTS * len(serde_json::to_vec(&host).unwrap())
        + State::MAX_KEYS * len(serde_json::to_vec(&key).unwrap())
        + State::MAX_REVOCATIONS * len(serde_json::to_vec(&revocation).unwrap());
    assert!(bytes <= Snapshot::MAX_BYTES, "{bytes}");
    let longer = vec![b' '; Snapshot::MAX_BYTES + 1];
    assert!(matches!(Snapshot::from_json(&longer), Err(Error::SnapshotSize(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(at in 0..2000_usize, bytes in prop::collection::vec(any::<u8>(), 0..8), cut: bool) {
        let mut json = sample().snapshot().to_json();
        let at = at.min(json.len());
        let end = if cut { json.len() } else { (at + bytes.len()).min(json.len()) };
        json.splice(at..end, bytes);
        if let Ok(state) = read(&json) {
            prop_assert_eq!(&read(&state.snapshot().to_json()).unwrap(), &state);
        }
    }
}
