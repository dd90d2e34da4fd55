//! A store that can be away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use api::logs::{Answer, Ask, Batch, Failure, Listen, Logs, Pending, Receipt};
use bytes::Bytes;
use line::{Address, Name, OrgId};

/// See the module's text.
pub(crate) struct Switch {
    logs: Arc<dyn Logs>,
    is_away: AtomicBool,
    second: Mutex<Option<Arc<dyn Logs>>>,
}

impl Switch {
    pub(crate) fn new(logs: Arc<dyn Logs>) -> Self {
        Self { logs, is_away: AtomicBool::new(false), second: Mutex::default() }
    }

    /// The same without a switch.
    pub(crate) fn logs(&self) -> Arc<dyn Logs> {
        Arc::clone(&self.logs)
    }

    /// From now on there is another store.
    pub(crate) fn set_second(&self, logs: Arc<dyn Logs>) {
        *self.second.lock().unwrap() = Some(logs);
    }

    /// From now on it answers nothing that it is asked, or does again.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }
}

impl Logs for Switch {
    fn query(&self, ask: Ask) -> Answer {
        if self.is_away.load(Ordering::SeqCst) {
            return Answer::failed(Failure::Away("it is off".into()));
        }
        let second = self.second.lock().unwrap().clone();
        match second.filter(|_| ask.store.as_ref().is_some_and(|name| name.as_str() == "second")) {
            Some(second) => second.query(ask),
            None => self.logs.query(ask),
        }
    }

    fn stores(&self) -> Result<Vec<Name>, Failure> {
        let mut stores = self.logs.stores()?;
        if self.second.lock().unwrap().is_some() {
            stores.push(Name::new("store", "second").unwrap());
        }
        Ok(stores)
    }

    fn tail(&self, listen: Listen) -> Answer {
        self.logs.tail(listen)
    }

    fn hear(&self, org: OrgId, app: Option<Name>) -> api::Ears {
        self.logs.hear(org, app)
    }

    fn recent(&self, org: OrgId, app: Option<Name>, since: i64) -> Pending<Vec<(Address, Bytes)>> {
        self.logs.recent(org, app, since)
    }

    fn append(&self, batch: Batch) -> Pending<Result<Receipt, Failure>> {
        self.logs.append(batch)
    }

    fn flush(&self) -> Pending<Result<(), Failure>> {
        self.logs.flush()
    }
}
