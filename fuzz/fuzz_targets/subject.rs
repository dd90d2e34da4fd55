//! Bus to reader: any text as a subject, any text as names. What is read as an address writes the same subject, and
//! names that are taken never break out of their token.
#![no_main]

use libfuzzer_sys::fuzz_target;
use line::{Address, OrgId, subject};

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (app, region, instance, raw) = input;
    if let Ok(address) = subject::parse_inner(raw) {
        assert_eq!(subject::inner(&address), raw);
    }
    let Ok(org) = OrgId::new("k3f9") else { panic!("a plain org id is refused") };
    if let Ok(address) = Address::new(org, app, region, instance) {
        let inner = subject::inner(&address);
        assert!(inner.starts_with("o.k3f9.logs.") && inner.split('.').count() == 6, "{inner}");
        assert!(!inner.contains(['*', '>', ' ', '\t', '\r', '\n', '\0']), "{inner}");
        assert_eq!(subject::parse_inner(&inner).as_ref(), Ok(&address));
    }
});
