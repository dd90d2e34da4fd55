//! How many apps and streams an org brings over HTTP on a day. Each costs room in memory and in parts however few its lines are, so
//! that names made up for each line would cost all orgs more than the lines do.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use line::{Address, OrgId};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Counts them. Eight bytes and a little more for each, of this day.
#[derive(Debug)]
pub(crate) struct Streams {
    most_apps: usize,
    most_streams: usize,
    /// Nobody outside knows which names it takes for one.
    hashes: RandomState,
    today: Mutex<Today>,
}

#[derive(Debug, Default)]
struct Today {
    day: u64,
    orgs: HashMap<OrgId, Brought>,
}

/// What an org has brought.
#[derive(Debug, Default)]
struct Brought {
    apps: HashSet<u64>,
    streams: HashSet<u64>,
}

impl Streams {
    /// None yet; an org may bring so many on a day.
    pub(crate) fn new(most_apps: usize, most_streams: usize) -> Self {
        Self { most_apps, most_streams, hashes: RandomState::new(), today: Mutex::default() }
    }

    /// Notes that lines come for `address` at `now_s` (Unix seconds). Refused, with the reason, is what the org has not brought today
    /// when it has brought as many as it may.
    pub(crate) fn note(&self, address: &Address, now_s: u64) -> Result<(), String> {
        let app = self.hashes.hash_one(&address.app);
        let stream = self.hashes.hash_one((&address.app, &address.region, &address.instance));
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        // A request that began yesterday does not bring that day back.
        if today.day < now_s / DAY {
            *today = Today { day: now_s / DAY, orgs: HashMap::new() };
        }
        let brought = today.orgs.entry(address.org.clone()).or_default();
        if brought.streams.contains(&stream) {
            return Ok(());
        }
        let refused = |what: &str, most: usize| {
            Err(format!(
                "LQ07: the org has sent lines of {most} {what} today (UTC), as many as it may: give lines the app, region and instance \
                 they come from, and put what differs from line to line into other fields"
            ))
        };
        if brought.streams.len() >= self.most_streams {
            return refused("streams", self.most_streams);
        }
        if !brought.apps.contains(&app) && brought.apps.len() >= self.most_apps {
            return refused("apps", self.most_apps);
        }
        brought.apps.insert(app);
        brought.streams.insert(stream);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(org: &str, app: &str, instance: &str) -> Address {
        Address::new(OrgId::new(org).unwrap(), app, "lhr", instance).unwrap()
    }

    #[test]
    fn so_many_of_each_org_on_a_day() {
        let streams = Streams::new(2, 3);
        for (org, app, instance, now_s, wanted) in [
            ("k", "a", "1", 10, true),
            ("k", "a", "2", 10, true),
            ("k", "b", "1", 20, true),
            // The fourth stream. Those that were there go on, and so do other orgs.
            ("k", "b", "2", 20, false),
            ("k", "a", "1", 20, true),
            ("l", "a", "1", 20, true),
            ("l", "b", "1", 20, true),
            ("l", "c", "1", 20, false),
            ("k", "b", "2", DAY, true),
            ("l", "c", "1", DAY, true),
            ("k", "b", "1", DAY, true),
            // A request that began yesterday: that day does not begin anew, and neither does this one then.
            ("k", "a", "1", 30, true),
            ("k", "a", "2", 30, false),
            ("k", "a", "2", DAY, false),
        ] {
            let noted = streams.note(&address(org, app, instance), now_s);
            assert_eq!(noted.is_ok(), wanted, "{org} {app} {instance} {now_s}: {noted:?}");
        }
    }
}
