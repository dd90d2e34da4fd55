//! Which Machines are registered, and which instance belongs to which org: kept in a journal, so that a restarted agent
//! opens every socket again.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use disk::Disk;
use disk::journal::{self, Journal};
use line::{Address, Name, OrgId};
use serde::{Deserialize, Serialize};

use crate::admin::Registration;
use crate::error::chain;

/// A journal longer than this, and than twice what it has to say, is written anew.
const COMPACT_BYTES: u64 = 1 << 20;

/// Why a request was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The catalogue's code.
    pub(crate) code: &'static str,
    /// The sentence for people.
    pub(crate) message: String,
}

impl Refusal {
    /// A refusal.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A registered Machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Names its directory: short, because socket paths are.
    pub(crate) slot: u64,
    /// Its address.
    pub(crate) address: Address,
    /// What was registered, with escaped names.
    pub(crate) registration: Registration,
}

/// One record of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Register {
        slot: u64,
        machine: Registration,
    },
    End {
        instance: String,
    },
    /// An instance without a registration that belongs to an org.
    Bound {
        org: String,
        instance: String,
    },
    /// Slots below this were used.
    Slots {
        next: u64,
    },
}

/// The registrations.
#[derive(Debug)]
pub(crate) struct Registry {
    journal: Journal,
    entries: BTreeMap<Name, Entry>,
    owners: HashMap<Name, OrgId>,
    next_slot: u64,
    compacted_bytes: u64,
    /// Below this length the journal is left as it is.
    compact_bytes: u64,
}

impl Registry {
    /// Reads the journal at `path`, which is made if it is missing. Records of it that make no sense are passed over and
    /// reported in the agent's log.
    pub(crate) fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, journal::Error> {
        let (journal, records, report) = Journal::open(disk, path)?;
        if report != journal::Report::default() {
            tracing::warn!(
                code = "LA03",
                torn_bytes = report.torn_bytes,
                damaged_bytes = report.damaged_bytes,
                "the journal of Machines was damaged, its whole records are used"
            );
        }
        let compacted_bytes = journal.len_bytes();
        let mut registry = Self {
            journal,
            entries: BTreeMap::new(),
            owners: HashMap::new(),
            next_slot: 1,
            compacted_bytes,
            compact_bytes: COMPACT_BYTES,
        };
        for record in &records {
            registry.replay(record);
        }
        // Nothing else follows from it.
        registry.journal.settled();
        Ok(registry)
    }

    fn replay(&mut self, record: &[u8]) {
        let replayed =
            serde_json::from_slice::<Record>(record).map_err(|why| chain(&why)).and_then(|record| {
                match record {
                    Record::Register { slot, machine } => {
                        let address = address_of(&machine).map_err(|refusal| refusal.message)?;
                        self.next_slot = self.next_slot.max(slot + 1);
                        self.owners.insert(address.instance.clone(), address.org.clone());
                        let name = address.instance.clone();
                        self.entries.insert(name, Entry { slot, address, registration: machine });
                    }
                    Record::End { instance } => {
                        let name = Name::new("instance", &instance).map_err(|why| chain(&why))?;
                        self.entries.remove(&name);
                    }
                    Record::Bound { org, instance } => {
                        let name = Name::new("instance", &instance).map_err(|why| chain(&why))?;
                        self.owners.insert(name, OrgId::new(&org).map_err(|why| chain(&why))?);
                    }
                    Record::Slots { next } => self.next_slot = self.next_slot.max(next),
                }
                Ok(())
            });
        if let Err(error) = replayed {
            tracing::warn!(%error, "a record of the journal of Machines makes no sense and is passed over");
        }
    }

    /// Registers a Machine, or finds it registered: then its rate and whether it is ephemeral are what they are now. The
    /// second value says whether it is new.
    pub(crate) fn register(&mut self, mut registration: Registration) -> Result<(Entry, bool), Refusal> {
        let address = address_of(&registration)?;
        if self.owners.get(&address.instance).is_some_and(|owner| *owner != address.org) {
            let message =
                format!("instance {} belongs to another org; use a fresh instance id", address.instance);
            return Err(Refusal::new("LA10", message));
        }
        if let Some(entry) = self.entries.get(&address.instance) {
            same(entry, &address, registration.uid)?;
            let Entry { slot, registration: before, .. } = entry.clone();
            let machine =
                Registration { rate: registration.rate, ephemeral: registration.ephemeral, ..before.clone() };
            let entry = Entry { slot, address: address.clone(), registration: machine.clone() };
            if machine != before {
                self.append(&Record::Register { slot, machine })?;
                self.entries.insert(address.instance, entry.clone());
                self.compact();
            }
            return Ok((entry, false));
        }
        registration.app = address.app.to_string();
        registration.region = address.region.to_string();
        registration.instance = address.instance.to_string();
        let slot = self.next_slot;
        self.append(&Record::Register { slot, machine: registration.clone() })?;
        self.next_slot += 1;
        self.owners.insert(address.instance.clone(), address.org.clone());
        let entry = Entry { slot, address: address.clone(), registration };
        self.entries.insert(address.instance, entry.clone());
        self.compact();
        Ok((entry, true))
    }

    /// Ends a registration; the instance stays bound to its org. `None` if there is none.
    pub(crate) fn end(&mut self, org: &OrgId, instance: &Name) -> Result<Option<Entry>, Refusal> {
        if self.entries.get(instance).is_none_or(|entry| entry.address.org != *org) {
            return Ok(None);
        }
        self.append(&Record::End { instance: instance.to_string() })?;
        let entry = self.entries.remove(instance);
        self.compact();
        Ok(entry)
    }

    /// The registered Machines, by name.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    fn append(&mut self, record: &Record) -> Result<(), Refusal> {
        let bytes = encode(record);
        self.journal.append(&bytes).map_err(|why| Refusal::new("LA14", chain(&why)))
    }

    /// Writes the journal anew when it is mostly history. A failure changes nothing and is tried again later.
    fn compact(&mut self) {
        let len = self.journal.len_bytes();
        if len < self.compact_bytes || len < 2 * self.compacted_bytes {
            return;
        }
        let mut records = vec![encode(&Record::Slots { next: self.next_slot })];
        records.extend(self.entries.values().map(|entry| {
            encode(&Record::Register { slot: entry.slot, machine: entry.registration.clone() })
        }));
        let unregistered = self.owners.iter().filter(|(name, _)| !self.entries.contains_key(*name));
        records.extend(unregistered.map(|(instance, org)| {
            encode(&Record::Bound { org: org.to_string(), instance: instance.to_string() })
        }));
        if let Err(why) = self.journal.compact(&records) {
            tracing::warn!(error = %chain(&why), "the journal of Machines could not be compacted");
        }
        self.compacted_bytes = self.journal.len_bytes();
    }
}

/// What else a registration says stands: the socket's identity must not change under a Machine that uses it.
fn same(entry: &Entry, address: &Address, uid: u32) -> Result<(), Refusal> {
    let known = &entry.address;
    if known.app != address.app || known.region != address.region || entry.registration.uid != uid {
        let message = format!(
            "instance {} is registered with app {}, region {} and uid {}; deregister it first, or use a fresh instance id",
            known.instance, known.app, known.region, entry.registration.uid
        );
        return Err(Refusal::new("LA18", message));
    }
    Ok(())
}

fn address_of(registration: &Registration) -> Result<Address, Refusal> {
    let Registration { org, app, region, instance, .. } = registration;
    let org = OrgId::new(org).map_err(|why| Refusal::new("LA12", why.to_string()))?;
    Address::new(org, app, region, instance).map_err(|why| Refusal::new("LA12", why.to_string()))
}

fn encode(record: &Record) -> Vec<u8> {
    // A record has string keys only, so that writing it cannot fail.
    serde_json::to_vec(record).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::RealDisk;

    fn registration(org: &str, app: &str, instance: &str) -> Registration {
        Registration {
            org: org.into(),
            app: app.into(),
            region: "lhr".into(),
            instance: instance.into(),
            uid: 0,
            rate: None,
            ephemeral: false,
        }
    }

    fn open(dir: &Path) -> Registry {
        Registry::open(Arc::new(RealDisk), &dir.join("journal")).unwrap()
    }

    #[test]
    fn an_instance_belongs_to_one_org_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = open(dir.path());
        let (first, new) = registry.register(registration("a", "My.App", "i1")).unwrap();
        assert!(new);
        assert_eq!(first.registration.app, "%4Dy%2E%41pp");
        assert_eq!(registry.register(registration("a", "My.App", "i1")).unwrap(), (first.clone(), false));
        assert_eq!(registry.register(registration("a", "other", "i1")).unwrap_err().code, "LA18");
        assert_eq!(registry.register(registration("b", "My.App", "i1")).unwrap_err().code, "LA10");
        assert_eq!(registry.register(registration("B!", "x", "i2")).unwrap_err().code, "LA12");
        assert_eq!(registry.register(registration("a", "", "i2")).unwrap_err().code, "LA12");
        let (org_b, name) = (OrgId::new("b").unwrap(), first.address.instance.clone());
        assert_eq!(registry.end(&org_b, &name).unwrap(), None);
        assert_eq!(registry.end(&first.address.org, &name).unwrap(), Some(first.clone()));
        drop(registry);
        let mut registry = open(dir.path());
        assert_eq!(registry.entries().count(), 0);
        assert_eq!(registry.register(registration("b", "x", "i1")).unwrap_err().code, "LA10");
        assert_eq!(registry.register(registration("a", "x", "i1")).unwrap().0.slot, first.slot + 1);
    }

    #[test]
    fn a_second_registration_changes_its_terms_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = open(dir.path());
        let first = registration("a", "web", "i1");
        let (entry, _) = registry.register(first.clone()).unwrap();
        let before = registry.journal.len_bytes();
        assert_eq!(registry.register(first.clone()).unwrap(), (entry.clone(), false));
        assert_eq!(registry.journal.len_bytes(), before, "nothing new, nothing written");
        let changed = Registration { rate: Some(7), ephemeral: true, ..first.clone() };
        let (again, new) = registry.register(changed.clone()).unwrap();
        assert_eq!((again.slot, again.registration, new), (entry.slot, changed.clone(), false));
        for other in [
            Registration { app: "api".into(), ..changed.clone() },
            Registration { region: "ams".into(), ..changed.clone() },
            Registration { uid: 5, ..changed.clone() },
        ] {
            assert_eq!(registry.register(other).unwrap_err().code, "LA18");
        }
        drop(registry);
        let registry = open(dir.path());
        assert_eq!(registry.entries().map(|entry| entry.registration.clone()).collect::<Vec<_>>(), [changed]);
    }

    #[test]
    fn compaction_keeps_registrations_owners_and_slots() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = open(dir.path());
        registry.register(registration("a", "x", "stays")).unwrap();
        let (ended, _) = registry.register(registration("a", "x", "ended")).unwrap();
        registry.end(&ended.address.org, &ended.address.instance).unwrap();
        let before = registry.journal.len_bytes();
        (registry.compacted_bytes, registry.compact_bytes) = (0, 0);
        registry.compact();
        assert!(registry.journal.len_bytes() < before);
        drop(registry);
        let mut registry = open(dir.path());
        assert_eq!(registry.entries().map(|entry| entry.slot).collect::<Vec<_>>(), [1]);
        assert_eq!(registry.register(registration("b", "x", "ended")).unwrap_err().code, "LA10");
        assert_eq!(registry.register(registration("b", "x", "new")).unwrap().0.slot, 3);
    }
}
