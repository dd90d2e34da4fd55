//! The ids of rows that come over HTTP: they have a boot and sequence numbers as any others, so that to hand them to a store twice
//! is harmless.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use line::{Boot, Name, OrgId};

/// Instances whose next number is remembered. Beyond that a new boot begins, in which all begin at 1 again.
const MAX_INSTANCES: usize = 65_536;

/// Gives out sequence numbers. Those of one boot are given out once.
#[derive(Debug)]
pub(crate) struct Seqs(Mutex<Given>);

#[derive(Debug)]
struct Given {
    boot: Boot,
    next: HashMap<(OrgId, Name), u64>,
}

impl Seqs {
    /// Begins a boot at `now`, Unix nanoseconds.
    pub(crate) fn new(now: i64) -> Self {
        Self(Mutex::new(Given { boot: boot(now), next: HashMap::new() }))
    }

    /// The boot, and the first of `count` numbers for rows of `instance`.
    pub(crate) fn take(&self, org: &OrgId, instance: &Name, count: u64, now: i64) -> (Boot, u64) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (org.clone(), instance.clone());
        if given.next.len() >= MAX_INSTANCES && !given.next.contains_key(&key) {
            *given = Given { boot: boot(now), next: HashMap::new() };
        }
        let boot = given.boot;
        let next = given.next.entry(key).or_insert(1);
        let first = *next;
        *next += count;
        (boot, first)
    }
}

fn boot(now: i64) -> Boot {
    Boot::new(u64::try_from(now / 1_000_000).unwrap_or(0), fastrand::u16(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_out_once() {
        let seqs = Seqs::new(1_000_000);
        let (org, other) = (OrgId::new("a").unwrap(), OrgId::new("b").unwrap());
        let name = Name::new("instance", "i").unwrap();
        let (boot, first) = seqs.take(&org, &name, 5, 0);
        assert_eq!((first, seqs.take(&org, &name, 1, 0)), (1, (boot, 6)));
        assert_eq!(seqs.take(&other, &name, 1, 0), (boot, 1));
        for number in 0..MAX_INSTANCES {
            let name = Name::new("instance", &number.to_string()).unwrap();
            seqs.take(&org, &name, 1, 5_000_000);
        }
        let (later, first) = seqs.take(&org, &name, 1, 0);
        assert!(later != boot && first == 1);
    }
}
