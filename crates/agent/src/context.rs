//! What all parts of a running agent share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use line::Name;

use crate::durable::StoreState;
use crate::health::Health;
use crate::machine::BootHandle;
use crate::metrics::Metrics;
use crate::spool::SpoolReader;
use crate::writer::{Queue, Running};
use crate::{Config, Error};

/// Shared by the sockets, the publisher and the answers.
#[derive(Debug)]
pub(crate) struct Context {
    /// The host's name.
    pub(crate) host: String,
    /// The same as a token of a subject.
    pub(crate) host_name: Name,
    /// Its region.
    pub(crate) region: Name,
    /// To the spool's thread.
    pub(crate) queue: Arc<Queue>,
    /// From the spool.
    pub(crate) reader: SpoolReader,
    /// The figures.
    pub(crate) metrics: Arc<Metrics>,
    /// What is wrong.
    pub(crate) health: Arc<Health>,
    /// What carries the lines on.
    pub(crate) outlet: OutletState,
    /// How it stands with the store, if there is one.
    pub(crate) store: Option<Arc<StoreState>>,
    /// The boots that are heard of.
    pub(crate) heard: Heard,
    /// What the spool may hold.
    pub(crate) spool_quota_bytes: u64,
    /// How long a boot without a goodbye may take to come back.
    pub(crate) vanish_after: Duration,
    /// How long an ephemeral Machine is kept whose init cannot be watched.
    pub(crate) forget_after: Duration,
}

impl Context {
    /// What is shared by an agent that is set up as `config` says.
    pub(crate) fn new(config: &Config, writer: &Running) -> Result<Self, Error> {
        let name = |what, text: &str| Name::new(what, text).map_err(|source| Error::Name { what, source });
        Ok(Self {
            host: config.host.clone(),
            host_name: name("host", &config.host)?,
            region: name("region", &config.region)?,
            queue: Arc::clone(&writer.queue),
            reader: writer.reader.clone(),
            metrics: Arc::clone(&writer.metrics),
            health: Arc::clone(&writer.health),
            outlet: OutletState::default(),
            store: config.store.as_ref().map(|store| Arc::new(StoreState::new(config, store))),
            heard: Heard::default(),
            spool_quota_bytes: config.spool.quota_bytes,
            vanish_after: config.vanish_after,
            forget_after: config.forget_after,
        })
    }
}

/// The state of what carries the lines on, in a word.
#[derive(Debug, Default)]
pub(crate) struct OutletState(Mutex<String>);

impl OutletState {
    /// The word.
    pub(crate) fn state(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes another word.
    pub(crate) fn set(&self, state: &str) {
        state.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The boots that wrote lately, for the heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<Vec<Arc<BootHandle>>>);

impl Heard {
    /// Adds a boot that has just said hello.
    pub(crate) fn add(&self, boot: &Arc<BootHandle>) {
        let mut boots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !boots.iter().any(|known| Arc::ptr_eq(known, boot)) {
            boots.push(Arc::clone(boot));
        }
    }

    /// The boots of which something was written since `since` (Unix nanoseconds). Those that are silent for longer and have
    /// no connection are forgotten.
    pub(crate) fn since(&self, since: i64) -> Vec<Arc<BootHandle>> {
        use std::sync::atomic::Ordering;
        let mut boots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wrote = |boot: &Arc<BootHandle>| boot.written.load(Ordering::Relaxed) >= since;
        boots.retain(|boot| wrote(boot) || boot.live.load(Ordering::Acquire));
        boots.iter().filter(|boot| wrote(boot)).cloned().collect()
    }
}
