//! The engine: takes batches, keeps them, and lets others look at what is there.
//!
//! A batch is checked on the caller's thread, waits in a bounded queue, and is written to the log by the one writer thread
//! together with all that wait with it. When the log is durable, its rows go into the memtable and the caller is told. A
//! full memtable is frozen and flushed into parts, a part for each day. The order of steps of a flush: parts, what was seen of
//! each boot, then the manifest, which makes them count; then the log's segments are free. A second thread merges parts,
//! rewrites days that are over and removes what is not kept any longer.

mod append;
mod commit;
mod config;
mod core;
mod flush;
mod maintain;
mod open;
mod report;
mod reserve;
mod snapshot;
mod stats;
mod warnings;
mod watch;

pub use append::{Receipt, Refusal, Reply};
pub use config::Config;
pub use maintain::{Loss, Salvaged};
pub use report::{Problem, Report};
pub use snapshot::Snapshot;
pub use stats::Stats;

use self::core::{Core, Queue};
use crate::clock::{Clock, Doubt, Trusted};
use crate::error::Error;
use crate::files::Files;
use crate::manifest::{Change, Manifest};
use crate::wal::Wal;
use disk::{Disk, Guard};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A store, open. It is closed by [`Engine::close`]; dropping it leaves what is in memory to the log, as a kill would.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share. Whoever needs several locks takes them in the order in which they stand here.
#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    files: Arc<Files>,
    dir: PathBuf,
    config: Config,
    clock: Arc<dyn Clock>,
    /// Held by whoever flushes.
    flushing: Mutex<flush::Flushing>,
    /// Held by whoever maintains.
    maintaining: Mutex<maintain::Maintaining>,
    manifest: Mutex<Manifest>,
    wal: Mutex<Wal>,
    core: Mutex<Core>,
    /// Something in `core` has changed that somebody may wait for.
    changed: Condvar,
    queue: Mutex<Queue>,
    /// Something has come into the queue, or it was closed.
    queued: Condvar,
    trusted: Mutex<Trusted>,
    reserve: Mutex<reserve::Reserve>,
    /// What the start found.
    report: Report,
    /// No other process may be on the directory.
    _lock: Box<dyn Guard>,
}

/// A lock that a panic elsewhere does not close: what it guards is changed in steps that each leave it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The time that is believed.
    fn now(&self) -> i64 {
        lock(&self.trusted).now(&*self.clock)
    }

    /// The same, with what is doubted about it: for the manifest.
    fn now_and_doubt(&self) -> (i64, Doubt) {
        let mut trusted = lock(&self.trusted);
        (trusted.now(&*self.clock), trusted.doubt())
    }

    /// Keeps what is doubted about the clock for the next start. Without it, that doubts as long once more.
    fn keep_doubt(&self) {
        let (at, doubt) = self.now_and_doubt();
        if doubt != Doubt::default() {
            let _kept = lock(&self.manifest).commit(&Change { at, doubt, ..Change::default() });
        }
    }
}

impl Engine {
    /// Stops taking batches, finishes those that wait, and puts what is in memory into parts.
    ///
    /// # Errors
    /// When that last step fails: nothing is lost, the next start reads it from the log.
    pub fn close(mut self) -> Result<(), Error> {
        self.shared.stop_taking();
        // The writer ends when its queue is empty.
        if let Some(writer) = self.threads.pop() {
            let _ended = writer.join();
        }
        let flushed = self.flush_now();
        self.shared.keep_doubt();
        self.stop();
        flushed
    }

    /// Stops taking batches, and puts all that was acknowledged into parts, for who shares the store with others. What still waits
    /// is in the log when it is acknowledged, and the next start reads it there.
    ///
    /// # Errors
    /// As [`Engine::close`].
    pub fn finish(&self) -> Result<(), Error> {
        self.shared.stop_taking();
        let flushed = self.flush_now();
        self.shared.keep_doubt();
        flushed
    }

    fn stop(&mut self) {
        self.shared.stop_taking();
        lock(&self.shared.core).stopping = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
        self.shared.remove_left(&mut lock(&self.shared.maintaining));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
