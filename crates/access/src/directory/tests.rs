use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::scope::tests::any_scope;
use crate::{Scope, SigningKey, attenuate};

fn org(id: &str) -> OrgId {
    OrgId::new(id).unwrap()
}

/// Orgs k1 (acme) and k2 (other); key 1 is good from 100 on, key 2 from 100 to 200.
fn directory(first: &SigningKey, second: &SigningKey) -> Directory {
    let mut directory = Directory::new(7);
    directory.add_org(org("k1"), "acme");
    directory.add_org(org("k2"), "other");
    directory.add_key(first.public(), 100, None);
    directory.add_key(second.public(), 100, Some(200));
    directory
}

fn mint(key: &SigningKey, id: &str, scope: &Scope) -> String {
    let key = SigningKey::from_text(&key.to_text()).unwrap();
    Keyring::default().with_signing_key(key).mint(&org(id), scope).unwrap()
}

#[test]
fn who_is_let_in() {
    let (first, second, stranger) =
        (SigningKey::generate(1), SigningKey::generate(2), SigningKey::generate(3));
    let directory = directory(&first, &second);
    let good = mint(&first, "k1", &Scope::ALL);
    let short = mint(&first, "k1", &Scope { not_after_s: Some(150), ..Scope::ALL });
    let gone = mint(&first, "k9", &Scope::ALL);
    let retiring = mint(&second, "k1", &Scope::ALL);
    let forged = mint(&SigningKey::generate(1), "k1", &Scope::ALL);
    let unknown = mint(&stranger, "k1", &Scope::ALL);
    let other_user = Refusal::OtherUser { token_org: org("k1") };
    let rows: [(&str, &str, u64, Result<(), Refusal>); 19] = [
        ("acme", &good, 100, Ok(())),
        ("k1", &good, 100, Ok(())),
        ("", &good, 100, Ok(())),
        ("acme", &format!("Bearer {good}"), 100, Ok(())),
        ("acme", &format!("FlyV1 {good}"), 100, Ok(())),
        ("other", &good, 100, Err(other_user.clone())),
        ("k2", &good, 100, Err(other_user.clone())),
        ("nobody", &good, 100, Err(other_user.clone())),
        ("ACME", &good, 100, Err(other_user.clone())),
        (&good, &good, 100, Err(other_user)),
        ("acme", &good, 99, Err(Refusal::KeyNotValid(1))),
        ("acme", &short, 150, Ok(())),
        ("acme", &short, 151, Err(Refusal::Expired { not_after_s: 150 })),
        ("acme", &retiring, 199, Ok(())),
        ("acme", &retiring, 200, Err(Refusal::KeyNotValid(2))),
        ("", &gone, 100, Err(Refusal::UnknownOrg(org("k9")))),
        ("acme", &forged, 100, Err(Refusal::Signature)),
        ("nobody", &unknown, 100, Err(Refusal::UnknownKey)),
        ("acme", "secret", 100, Err(Refusal::Malformed)),
    ];
    for (user, secret, now_s, wanted) in rows {
        assert_eq!(directory.login(user, secret, now_s).map(drop), wanted, "{user} at {now_s}");
    }
    assert_eq!(Directory::new(0).login("", &good, 100), Err(Refusal::UnknownKey));
}

#[test]
fn a_session_ends_with_what_let_it_in() {
    let (first, second) = (SigningKey::generate(1), SigningKey::generate(2));
    let whole = mint(&second, "k1", &Scope::ALL);
    let narrow = attenuate(&whole, &Scope { not_after_s: Some(150), ..Scope::ALL }).unwrap();
    let before = directory(&first, &second);
    let grant = before.login("acme", &narrow, 100).unwrap();
    for (now_s, wanted) in
        [(100, Ok(())), (150, Ok(())), (151, Err(Ended::Expired)), (200, Err(Ended::Revoked))]
    {
        assert_eq!(before.standing(&grant, now_s), wanted, "{now_s}");
    }
    let mut revoked = directory(&first, &second);
    // The block that its holder added goes alone.
    revoked.revoke(grant.revocation_ids[1]);
    assert_eq!(revoked.standing(&grant, 100), Err(Ended::Revoked));
    assert_eq!(revoked.login("acme", &narrow, 100), Err(Refusal::Revoked(grant.revocation_ids[1])));
    revoked.login("acme", &whole, 100).unwrap();
    // With the first one goes what was made of it.
    revoked.revoke(grant.revocation_ids[0]);
    assert_eq!(revoked.login("acme", &narrow, 100), Err(Refusal::Revoked(grant.revocation_ids[0])));
    let mut orgless = Directory::new(8);
    orgless.add_key(second.public(), 0, None);
    assert_eq!(orgless.standing(&grant, 100), Err(Ended::Revoked));
    let mut keyless = Directory::new(9);
    keyless.add_org(org("k1"), "acme");
    assert_eq!(keyless.standing(&grant, 100), Err(Ended::Revoked));
}

#[test]
fn a_renamed_org_keeps_its_tokens_and_its_former_name_lets_nobody_in() {
    let (first, second) = (SigningKey::generate(1), SigningKey::generate(2));
    let mut directory = directory(&first, &second);
    let token = mint(&first, "k1", &Scope::ALL);
    directory.add_org(org("k1"), "new");
    assert_eq!((directory.slug(&org("k1")), directory.org("acme")), (Some("new"), None));
    assert!(directory.login("acme", &token, 100).is_err());
    let grant = directory.login("new", &token, 100).unwrap();
    // Whoever takes the name has not taken the org.
    directory.add_org(org("k2"), "acme");
    assert!(directory.login("acme", &token, 100).is_err());
    assert_eq!(directory.org("acme"), Some(&org("k2")));
    assert_eq!(directory.standing(&grant, 100), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A login is let in exactly if the signature holds, and the org lives, and nothing is revoked, and the user is the org.
    #[test]
    fn a_login_agrees_with_its_parts(
        scopes in prop::collection::vec(any_scope(), 0..3),
        (signer, owner) in (0_u32..3, 0_usize..3),
        user in prop::sample::select(&["", "acme", "other", "k1", "k2", "k3", "x"][..]),
        revoked in prop::collection::btree_set(0_usize..4, 0..3),
        times in prop::collection::vec((0_u64..6, prop::option::of(0_u64..6)), 2),
        lives in prop::collection::vec(any::<bool>(), 2),
        now_s in 0_u64..6,
    ) {
        let keys: Vec<_> = (0..3).map(SigningKey::generate).collect();
        let (ids, slugs) = (["k1", "k2", "k3"], ["acme", "other", "third"]);
        let mut token = mint(&keys[signer as usize], ids[owner], &Scope::ALL);
        for scope in &scopes {
            let Ok(narrower) = attenuate(&token, scope) else { return Ok(()) };
            token = narrower;
        }
        // The third key and the third org are known to nobody.
        let mut directory = Directory::new(1);
        for (key, (from_s, retired_s)) in keys.iter().zip(&times) {
            directory.add_key(key.public(), *from_s, *retired_s);
        }
        let living: BTreeSet<_> = (0..2).filter(|at| lives[*at]).collect();
        living.iter().for_each(|at| directory.add_org(org(ids[*at]), slugs[*at]));
        let claimed = crate::inspect(&token).unwrap().revocation_ids;
        revoked.iter().filter_map(|at| claimed.get(*at)).for_each(|id| directory.revoke(*id));

        let verified = Keyring::new(keys[..2].iter().map(SigningKey::public).collect()).verify(&token, now_s);
        let in_time = times.get(signer as usize).is_some_and(|(from_s, retired_s)| {
            *from_s <= now_s && retired_s.is_none_or(|retired_s| now_s < retired_s)
        });
        let is_owner = user.is_empty() || user == ids[owner] || user == slugs[owner];
        let is_revoked = revoked.iter().any(|at| *at < claimed.len());
        let wanted = verified.is_ok() && in_time && living.contains(&owner) && is_owner && !is_revoked;
        let login = directory.login(user, &token, now_s);
        prop_assert_eq!(login.is_ok(), wanted, "{:?}", login);
        if let Ok(grant) = login {
            prop_assert_eq!(Ok(&grant), verified.as_ref());
            prop_assert_eq!(directory.standing(&grant, now_s), Ok(()));
        }
    }
}
