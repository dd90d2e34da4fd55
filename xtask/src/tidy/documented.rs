//! How many public items say what they are for.

use super::Finding;
use super::repo::Repo;

/// Least share of documented public items, in percent.
const SHARE_PERCENT: usize = 95;

/// Checks the public items of the crates. Below the share, each bare one is a finding.
pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let (mut all, mut bare) = (0, Vec::new());
    for source in repo.sources.iter().filter(|source| source.path.starts_with("crates/")) {
        for item in source.public.iter().filter(|item| !source.is_test(item.line)) {
            all += 1;
            if !item.documented {
                let what = format!("public {} has no documentation", item.name);
                let todo = "say what it is for, its unit, its bound, how it fails";
                bare.push(Finding::new(&source.path, item.line, what, todo));
            }
        }
    }
    if bare.len() * 100 > all * (100 - SHARE_PERCENT) { bare } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share() {
        let documented = "/// About it.\npub struct A;\n";
        let tests = "#[cfg(test)]\nmod tests { pub fn helper() {} }\n";
        let text = |all: usize| documented.repeat(all - 1) + "pub struct Bare;\n" + tests;
        let of = |text: &str| check(&Repo::sample(&[("crates/a/src/lib.rs", text)]));
        assert_eq!(of(&text(20)), []);
        let found = of(&text(19));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].what.as_str(), found[0].line), ("public Bare has no documentation", 37));
    }
}
