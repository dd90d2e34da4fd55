//! Client to front door: any text as a token, and a good token with any bytes changed. Nothing panics, and what is let through is
//! worth no more than the token that it was made from.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use access::{Grant, Keyring, Scope, SigningKey, Tokens, attenuate, inspect};
use libfuzzer_sys::fuzz_target;
use line::{Name, OrgId};

static GOOD: LazyLock<(Keyring, String, Grant)> = LazyLock::new(|| {
    let ring = Keyring::default().with_signing_key(SigningKey::generate(1));
    let app = Scope { apps: Some(BTreeSet::from([Name::new("app", "web").unwrap()])), ..Scope::ALL };
    let token = ring.mint(&OrgId::new("k3f9").unwrap(), &Scope::ALL).unwrap();
    let token = attenuate(&token, &app).unwrap();
    let grant = ring.verify(&token, 0).unwrap();
    (ring, token, grant)
});

fuzz_target!(|input: (&str, Vec<(u16, u8)>, u64)| {
    let (text, changes, now_s) = input;
    let (ring, good, worth) = &*GOOD;
    assert!(ring.verify(text, now_s).is_err());
    assert!(ring.verify(&format!("lw1_{text}"), now_s).is_err());
    let mut bytes = good.clone().into_bytes();
    for (index, byte) in changes {
        let at = usize::from(index) % bytes.len();
        bytes[at] = byte & 0x7f;
    }
    let changed = String::from_utf8(bytes).unwrap();
    let _ = inspect(&changed);
    if let Ok(grant) = ring.verify(&changed, now_s) {
        let mut scope = grant.scope.clone();
        scope.narrow(&worth.scope);
        assert_eq!((&grant.org, &grant.scope), (&worth.org, &scope), "{changed}");
    }
    // A pattern of a client meets a scope that is not open.
    let within = worth.scope.may_read(text);
    assert!(!within || text.starts_with("logs.web.") || text.starts_with("metrics.web."), "{text}");
});
