//! The ids of rows that come over HTTP: they have a boot and sequence numbers as any others, so that to hand them to a store twice
//! is harmless.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use line::{Boot, Name, OrgId};

/// Instances whose next number is remembered, of all orgs, in two halves: when as many have numbers as are in a half,
/// those that had none taken for longest are forgotten. An instance that comes again begins a new boot, at 1.
const MAX_INSTANCES: usize = 65_536;

/// Gives out sequence numbers. Those of one boot of an instance are given out once.
#[derive(Debug)]
pub(crate) struct Seqs(Mutex<Given>);

type Key = (OrgId, Name);

#[derive(Debug, Default)]
struct Given {
    /// The last boot that began, of any instance.
    last: Option<Boot>,
    /// The boot and the next number of those that came lately.
    young: HashMap<Key, (Boot, u64)>,
    /// Of those that came before that.
    old: HashMap<Key, (Boot, u64)>,
}

impl Seqs {
    /// No numbers are given out yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// The boot, and the first of `count` numbers for rows of `instance`. A boot that begins does so at `now` (Unix
    /// nanoseconds), or later if one began then: whatever the clock does, no two begin alike in this process.
    pub(crate) fn take(&self, org: &OrgId, instance: &Name, count: u64, now: i64) -> (Boot, u64) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (org.clone(), instance.clone());
        if let Some((boot, next)) = given.young.get_mut(&key) {
            let first = *next;
            *next += count;
            return (*boot, first);
        }
        let (boot, first) = given.old.remove(&key).unwrap_or_else(|| (given.begin(now), 1));
        if given.young.len() >= MAX_INSTANCES / 2 {
            given.old = std::mem::take(&mut given.young);
        }
        given.young.insert(key, (boot, first + count));
        (boot, first)
    }
}

impl Given {
    /// Begins a boot.
    fn begin(&mut self, now: i64) -> Boot {
        let fresh = Boot::new(u64::try_from(now / 1_000_000).unwrap_or(0), fastrand::u16(..));
        let boot = match self.last {
            Some(last) if last >= fresh => Boot::from_bits(last.bits().saturating_add(1)),
            _ => fresh,
        };
        self.last = Some(boot);
        boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_out_once() {
        let seqs = Seqs::new();
        let (org, other) = (OrgId::new("a").unwrap(), OrgId::new("b").unwrap());
        let name = Name::new("instance", "i").unwrap();
        let (boot, first) = seqs.take(&org, &name, 5, 1_000_000);
        assert_eq!((first, seqs.take(&org, &name, 1, 0)), (1, (boot, 6)));
        assert_eq!(seqs.take(&other, &name, 1, 0).1, 1);
    }

    /// One tenant has more instances than are remembered, all in one millisecond of one request.
    #[test]
    fn a_flood_of_instances_gives_no_number_twice() {
        let seqs = Seqs::new();
        let (org, other) = (OrgId::new("a").unwrap(), OrgId::new("b").unwrap());
        let name = |number: usize| Name::new("instance", &number.to_string()).unwrap();
        let quiet = seqs.take(&other, &name(0), 5, 0).0;
        let mut given = std::collections::HashSet::new();
        for _ in 0..2 {
            for number in 0..=MAX_INSTANCES {
                let (boot, first) = seqs.take(&org, &name(number), 1, 0);
                assert!(given.insert((number, boot, first)));
                if number % 1000 == 0 {
                    assert_eq!(seqs.take(&other, &name(1), 1, 0).0, seqs.take(&other, &name(1), 1, 0).0);
                }
            }
        }
        let (boot, first) = seqs.take(&other, &name(0), 1, 0);
        assert!(boot > quiet && first == 1);
        let later = seqs.take(&org, &name(MAX_INSTANCES + 1), 1, 5_000_000).0;
        assert!(later > boot && later.start_ms() == 5);
    }
}
