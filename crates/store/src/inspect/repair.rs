//! Damaged parts are written anew from what is whole in them.

use crate::clock::Clock;
use crate::engine::{Config, Engine, Report, Salvaged};
use crate::error::Error;
use disk::Disk;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What the start found, and mended: missing files, the manifest, the log.
    pub report: Report,
    /// Parts that were damaged inside, or that the disk did not give as a whole.
    pub parts: Vec<Salvaged>,
}

/// Sets damaged files aside, writes damaged parts anew from the frames that are whole and that the disk gives, and brings the manifest in line with what is
/// there.
///
/// # Errors
/// [`Error::InUse`] while a store runs on the directory; when the disk fails or is full. It can be called again.
pub fn repair(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    config: Config,
    clock: Arc<dyn Clock>,
) -> Result<Repaired, Error> {
    let config = Config { background: false, ..config };
    let (engine, mut report) = Engine::open(Arc::clone(disk), dir, config, clock)?;
    let parts = engine.salvage()?;
    // What the start could not read is told by what was saved of it.
    let is_salvaged = |path: &PathBuf| parts.iter().any(|part| part.path == *path);
    report.problems.retain(|(path, _)| !is_salvaged(path));
    engine.close()?;
    Ok(Repaired { report, parts })
}
