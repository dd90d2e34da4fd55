use std::collections::BTreeSet;

use biscuit_auth::{Algorithm, Biscuit, KeyPair};
use line::Name;
use proptest::prelude::*;

use super::*;
use crate::scope::tests::any_scope;
use crate::{Action, Actions};

fn org() -> OrgId {
    OrgId::new("k3f9").unwrap()
}

fn ring() -> Keyring {
    Keyring::default().with_signing_key(SigningKey::generate(1))
}

fn app(name: &str) -> Scope {
    Scope { apps: Some(BTreeSet::from([Name::new("app", name).unwrap()])), ..Scope::ALL }
}

/// A token of any Datalog, signed rightly.
fn signed(ring: &Keyring, code: &str) -> Biscuit {
    let key = &ring.signing.as_ref().unwrap().pair;
    BiscuitBuilder::new().root_key_id(1).code(code).unwrap().build(key).unwrap()
}

fn text(biscuit: &Biscuit) -> String {
    format!("lw1_{}", biscuit.to_base64().unwrap())
}

#[test]
fn a_token_is_worth_what_it_was_made_for() {
    let ring = ring();
    let scope =
        Scope { not_after_s: Some(100), actions: [Action::Read].into_iter().collect(), ..app("my.app") };
    let token = ring.mint(&org(), &scope).unwrap();
    assert!(token.starts_with("lw1_") && token.len() < 600 && !token.contains('='), "{token}");
    for form in [token.clone(), format!("Bearer {token}"), format!(" FlyV1 {token}\n")] {
        let grant = ring.verify(&form, 100).unwrap();
        assert_eq!((&grant.org, &grant.scope, grant.key_id), (&org(), &scope, 1));
        assert_eq!(grant.revocation_ids.len(), 1);
    }
    assert_eq!(ring.verify(&token, 101), Err(Refusal::Expired { not_after_s: 100 }));
    assert_eq!(inspect(&token).unwrap().blocks, [scope]);
}

#[test]
fn whoever_narrows_a_token_keeps_its_past() {
    let ring = ring();
    let whole = ring.mint(&org(), &Scope::ALL).unwrap();
    let one = attenuate(&whole, &app("web")).unwrap();
    let reading = Scope { actions: [Action::Read].into_iter().collect(), ..Scope::ALL };
    let two = attenuate(&one, &reading).unwrap();
    let ids = |token: &str| ring.verify(token, 0).unwrap().revocation_ids;
    assert_eq!(ids(&two)[..2], ids(&one));
    assert_eq!(ids(&one)[..1], ids(&whole));
    assert_eq!(BTreeSet::from_iter(ids(&two)).len(), 3);
    let grant = ring.verify(&two, 0).unwrap();
    assert_eq!(grant.scope, Scope { actions: reading.actions, ..app("web") });
    // Two that were narrowed in the same way are not the same.
    assert_ne!(ids(&attenuate(&whole, &app("web")).unwrap()), ids(&one));
    // To two different apps is to none.
    let none = attenuate(&one, &app("api")).unwrap();
    assert!(!ring.verify(&none, 0).unwrap().scope.may_read("logs.web.>"));
    assert!(matches!(attenuate(&whole, &Scope::ALL), Err(Error::Scope(_))));
    let useless = Scope { actions: Actions::NONE, ..Scope::ALL };
    assert!(matches!(attenuate(&whole, &useless), Err(Error::Scope(_))));
}

#[test]
fn a_token_can_be_narrowed_until_nobody_would_read_it() {
    let ring = ring();
    let mut token = ring.mint(&org(), &Scope::ALL).unwrap();
    for _ in 1..MAX_BLOCKS {
        token = attenuate(&token, &app("web")).unwrap();
        ring.verify(&token, 0).unwrap();
    }
    assert!(matches!(attenuate(&token, &app("web")), Err(Error::TooLong { blocks: 9, .. })));
    let names = (0..64).map(|i| Name::new("app", &format!("{i}{}", "x".repeat(60))).unwrap()).collect();
    let long = Scope { apps: Some(names), ..Scope::ALL };
    assert!(matches!(ring.mint(&org(), &long), Err(Error::TooLong { .. })));
}

#[test]
fn keys_take_over_from_each_other() {
    let (old, new) = (SigningKey::generate(1), SigningKey::generate(2));
    let both = [old.public(), new.public()];
    let tokens =
        [old, new].map(|key| Keyring::default().with_signing_key(key).mint(&org(), &Scope::ALL).unwrap());
    let check = |keys: &[PublicKey]| {
        let ring = Keyring::new(keys.to_vec());
        tokens.each_ref().map(|token| ring.verify(token, 0).map(|grant| grant.key_id))
    };
    assert_eq!(check(&both), [Ok(1), Ok(2)]);
    assert_eq!(check(&both[1..]), [Err(Refusal::UnknownKey), Ok(2)]);
    // The same number, another key.
    assert_eq!(check(&[SigningKey::generate(1).public()])[0], Err(Refusal::Signature));
    assert!(matches!(Keyring::new(both.to_vec()).mint(&org(), &Scope::ALL), Err(Error::NoSigningKey)));
}

#[test]
fn what_is_no_token_is_refused_and_why_is_known() {
    let ring = ring();
    let good = text(&signed(&ring, "org(\"k3f9\");"));
    ring.verify(&good, 0).unwrap();
    let stranger = KeyPair::new_with_algorithm(Algorithm::Ed25519);
    let forged =
        BiscuitBuilder::new().root_key_id(1).code("org(\"k3f9\")").unwrap().build(&stranger).unwrap();
    let unnumbered = BiscuitBuilder::new().code("org(\"k3f9\")").unwrap().build(&stranger).unwrap();
    let more = |code: &str| {
        let block = BlockBuilder::new().code(code).unwrap();
        text(&signed(&ring, "org(\"k3f9\");").append(block).unwrap())
    };
    for (token, wanted) in [
        (String::new(), Refusal::Malformed),
        ("lw1_".to_owned(), Refusal::Malformed),
        ("lw1_!!".to_owned(), Refusal::Malformed),
        (good[..good.len() / 2].to_owned(), Refusal::Malformed),
        (good.replacen("lw1_", "lw2_", 1), Refusal::Malformed),
        ("x".repeat(100_000), Refusal::TooLong),
        (text(&forged), Refusal::Signature),
        (text(&unnumbered), Refusal::UnknownKey),
        (text(&signed(&ring, "right(\"read\");")), Refusal::UnknownBlock(0)),
        (text(&signed(&ring, "org(\"k3f9\"); org(\"other\");")), Refusal::UnknownBlock(0)),
        (text(&signed(&ring, "check if app($x), {\"web\"}.contains($x);")), Refusal::UnknownBlock(0)),
        (more("org(\"other\");"), Refusal::UnknownBlock(1)),
        (more("org($x) <- app($x);"), Refusal::UnknownBlock(1)),
        (more("app(\"web\");"), Refusal::UnknownBlock(1)),
        (more("check if app($x), {\"web\"}.contains($x) or true;"), Refusal::UnknownBlock(1)),
        (more("check if ip($x), {\"10.0.0.1\"}.contains($x);"), Refusal::UnknownBlock(1)),
    ] {
        assert_eq!(ring.verify(&token, 0), Err(wanted), "{token}");
    }
}

#[test]
fn a_token_that_others_vouch_for_is_not_ours() {
    let ring = ring();
    let token = signed(&ring, "org(\"k3f9\");");
    let other = KeyPair::new_with_algorithm(Algorithm::Ed25519);
    let block = BlockBuilder::new().code("check if app($x), {\"web\"}.contains($x);").unwrap();
    let vouched = token.third_party_request().unwrap().create_block(&other.private(), block).unwrap();
    let token = token.append_third_party(other.public(), vouched).unwrap();
    assert_eq!(ring.verify(&text(&token), 0), Err(Refusal::UnknownBlock(1)));
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let ring = ring();
    let token = attenuate(&ring.mint(&org(), &Scope::ALL).unwrap(), &app("web")).unwrap();
    let wanted = ring.verify(&token, 0).unwrap();
    for index in 4..token.len() {
        for change in [b'A', b'_', b'z'] {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = change;
            let changed = String::from_utf8(bytes).unwrap();
            // The last character holds bits that mean nothing; and a field may be written in more than one way.
            if let Ok(grant) = ring.verify(&changed, 0) {
                assert_eq!(grant, wanted, "byte {index}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The library's own reading of the Datalog, asked for single lines, agrees with ours for whole scopes.
    #[test]
    fn any_biscuit_library_would_say_the_same(
        scopes in prop::collection::vec(any_scope(), 1..4),
        address in crate::scope::tests::any_address(),
        action in prop::sample::select(&Action::ALL[..]),
        now in 0_u64..6,
    ) {
        let ring = ring();
        let mut token = ring.mint(&org(), &Scope::ALL).unwrap();
        for scope in &scopes {
            let Ok(narrower) = attenuate(&token, scope) else { return Ok(()) };
            token = narrower;
        }
        let mut scope = Scope::ALL;
        inspect(&token).unwrap().blocks.iter().for_each(|block| scope.narrow(block));
        let biscuit = Biscuit::from_base64(token.trim_start_matches("lw1_"), |id| ring.choose(id)).unwrap();
        let time = line::time::rfc3339(i64::try_from(now * 1_000_000_000).unwrap());
        let facts = format!(
            "action(\"{action}\"); app(\"{}\"); region(\"{}\"); instance(\"{}\"); time({}Z); allow if true;",
            address.app, address.region, address.instance, &time[..19],
        );
        let limits = biscuit_auth::AuthorizerLimits { max_time: std::time::Duration::from_secs(5), ..Default::default() };
        let mut authorizer = biscuit_auth::AuthorizerBuilder::new().code(facts).unwrap().set_limits(limits).build(&biscuit).unwrap();
        prop_assert_eq!(authorizer.authorize().is_ok(), scope.allows(action, &address, now));
        let is_live = ring.verify(&token, now).is_ok();
        prop_assert_eq!(is_live, scope.is_live(now));
    }

    #[test]
    fn any_text_is_refused(text in ".{0,200}", tail in "[A-Za-z0-9_-]{0,300}") {
        let ring = ring();
        prop_assert!(ring.verify(&text, 0).is_err());
        let tail = format!("lw1_{tail}");
        prop_assert!(ring.verify(&tail, 0).is_err());
        prop_assert!(attenuate(&tail, &app("web")).is_err());
    }
}
