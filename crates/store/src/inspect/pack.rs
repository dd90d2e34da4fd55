//! Days that are over are rewritten at once, without waiting until they are quiet.

use crate::clock::Clock;
use crate::engine::{Config, Engine, Report};
use crate::error::Error;
use crate::retention::{Keep, Retention};
use disk::Disk;
use std::path::Path;
use std::sync::Arc;

/// What packing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// What the start found, and mended.
    pub report: Report,
    /// Bytes of all parts before, with those that the log's rows made.
    pub before: u64,
    /// Bytes of all parts afterwards.
    pub after: u64,
    /// Days that were written anew.
    pub rewrites: u64,
}

/// Puts what is in the log into parts, and writes each day that is over anew, as small as can be: what a running store does two hours
/// after a day's last change. Nothing is removed for its age: how long rows are kept is not known here. Which days are over is told by the
/// time that the store believes, which a clock that is far ahead of the store's last change has to prove for a day.
///
/// # Errors
/// [`Error::InUse`] while a store runs on the directory; when the disk fails or is full. It can be called again.
pub fn pack(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    config: Config,
    clock: Arc<dyn Clock>,
) -> Result<Packed, Error> {
    let retention = Retention { default: Keep { days: Keep::MAX_DAYS, bytes: None }, ..Retention::default() };
    let config = Config { background: false, quiet_s: 0, retention, ..config };
    let (engine, report) = Engine::open(Arc::clone(disk), dir, config, clock)?;
    engine.flush_now()?;
    let before = engine.stats().part_bytes;
    engine.maintain()?;
    let stats = engine.stats();
    engine.close()?;
    Ok(Packed { report, before, after: stats.part_bytes, rewrites: stats.rewrites })
}
