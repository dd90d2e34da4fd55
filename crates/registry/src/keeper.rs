//! The registry as the tasks of the stage share it: one change at a time, off the threads that serve sockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::sys::RegistryMark;
use tokio::sync::watch;

use crate::{Desk, Digest, Error, Registry};

/// The registry, and what followers are told of it.
#[derive(Debug)]
pub(crate) struct Keeper {
    inner: Mutex<Inner>,
    /// The version of the state, for whoever waits for a change.
    version: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    desk: Desk,
    /// Of the state as it is; made when it is asked for.
    told: Option<Arc<Told>>,
}

/// One state as followers get it: up to 64 MiB, kept until the next change.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) mark: RegistryMark,
    pub(crate) json: Vec<u8>,
}

impl Keeper {
    pub(crate) fn new(desk: Desk) -> Self {
        let version = watch::Sender::new(desk.registry().version());
        Self { inner: Mutex::new(Inner { desk, told: None }), version }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the registry, or reads it, on a thread that may wait for the disk. Changes are made one after another.
    ///
    /// # Errors
    /// What `change` gives; [`Error::Ending`] when the process ends before it was done.
    pub(crate) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Desk) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let keeper = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let mut inner = keeper.inner();
            let before = inner.desk.registry().version();
            let done = change(&mut inner.desk);
            let version = inner.desk.registry().version();
            if version != before {
                inner.told = None;
                keeper.version.send_replace(version);
            }
            done
        });
        work.await.map_err(|_| Error::Ending)?
    }

    /// The state as followers get it. Costs a pass over the state after a change, and nothing until the next one.
    ///
    /// # Errors
    /// [`Error::Ending`].
    pub(crate) async fn told(self: &Arc<Self>) -> Result<Arc<Told>, Error> {
        let keeper = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let Inner { desk, told } = &mut *keeper.inner();
            Arc::clone(told.get_or_insert_with(|| Arc::new(Told::of(desk.registry()))))
        });
        work.await.map_err(|_| Error::Ending)
    }

    /// The version of the state, and its changes.
    pub(crate) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

impl Told {
    fn of(registry: &Registry) -> Self {
        let json = registry.state().snapshot().to_json();
        let digest = Digest::of(&json).to_string();
        Self { mark: RegistryMark { version: registry.version(), digest }, json }
    }
}
