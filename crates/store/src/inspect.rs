//! What `logway store check`, `stats`, `repair` and `pack` do: to the directory of a store that does not run.

mod pack;
mod repair;

use crate::aside;
use crate::batch;
use crate::clock::day_range;
use crate::error::Error;
use crate::files::Files;
use crate::manifest::{self, Manifest, PartEntry};
use crate::part::{Sizes, Summary};
use crate::request::Request;
use crate::seen;
use crate::shelf;
use crate::wal;
use disk::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::engine::{Loss, Salvaged};
pub use pack::{Packed, pack};
pub use repair::{Repaired, repair};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The file, or the folder of several.
    pub path: PathBuf,
    /// What is wrong with it, for a person.
    pub what: String,
    /// Lines that were acknowledged may be missing because of it.
    pub is_loss: bool,
}

/// What a store's directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// What is wrong. With only a survey, damage inside of parts is not among it.
    pub defects: Vec<Defect>,
    /// Parts, by the first moment of their UTC day in Unix nanoseconds.
    pub days: BTreeMap<i64, Day>,
    /// Bytes of all parts by [`crate::part::Section`].
    pub sizes: Sizes,
    /// Batches in the log that are not in parts.
    pub log_batches: u64,
    /// Bytes of the log's files.
    pub log_bytes: u64,
    /// Boots whose numbers are remembered.
    pub boots: usize,
    /// Files that were set aside by earlier starts and repairs.
    pub set_aside: usize,
}

/// The parts of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// How many parts.
    pub parts: usize,
    /// Of those, how many are written as they stay.
    pub closed: usize,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Looks at the directory: what is there, and whether all files are. Reads the log and the tables of the parts.
///
/// # Errors
/// [`Error::InUse`] while a store runs on it; when the disk cannot be read.
pub fn stats(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Survey, Error> {
    look(disk, dir, false)
}

/// As [`stats`], and reads every byte and compares it with its checksum. Changes nothing.
///
/// # Errors
/// As [`stats`].
pub fn check(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Survey, Error> {
    look(disk, dir, true)
}

fn look(disk: &Arc<dyn Disk>, dir: &Path, all_bytes: bool) -> Result<Survey, Error> {
    let _lock = hold(&**disk, dir)?;
    let mut survey = Survey::default();
    let (known, damage) = Manifest::read(&**disk, dir)?;
    let path = dir.join(manifest::NAME);
    if damage.bytes > 0 {
        survey.defect(&path, format!("{} bytes are unreadable", damage.bytes), false);
    }
    if damage.is_torn {
        survey.defect(&path, "it ends in half a record, as after a crash".to_owned(), false);
    }
    let mut files: BTreeMap<u64, PathBuf> = shelf::list_parts(&**disk, dir)?.into_iter().collect();
    let parts = Files::new(Arc::clone(disk), 1);
    for entry in known.parts.values() {
        files.remove(&entry.id);
        survey.part(&parts, dir, entry, all_bytes);
    }
    for path in files.into_values() {
        survey.defect(
            &path,
            "the manifest does not name it; the next start decides about it".to_owned(),
            false,
        );
    }
    survey.log(&**disk, dir, known.flushed_lsn);
    survey.seen(&**disk, dir, &known);
    survey.set_aside = disk.list(&dir.join(aside::NAME)).map_or(0, |names| names.len());
    Ok(survey)
}

/// Takes the directory for oneself.
fn hold(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn disk::Guard>, Error> {
    if !disk.exists(&dir.join(manifest::NAME)) {
        return Err(Error::io("find a store in", dir, io::ErrorKind::NotFound.into()));
    }
    disk.hold(&dir.join("LOCK")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::InUse(dir.to_path_buf()),
        _ => Error::io("lock", dir, error),
    })
}

impl Survey {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.defects.is_empty()
    }

    fn defect(&mut self, path: &Path, what: String, is_loss: bool) {
        self.defects.push(Defect { path: path.to_path_buf(), what, is_loss });
    }

    fn part(&mut self, files: &Arc<Files>, dir: &Path, entry: &PartEntry, all_bytes: bool) {
        let path = shelf::part_path(dir, entry.day, entry.id);
        let part = match shelf::open_part(files, &path) {
            Ok(part) => part,
            Err(error) if error.is_missing() => {
                return self.defect(&path, format!("it is missing, with {} rows", entry.rows), true);
            }
            Err(error) => return self.defect(&path, error.to_string(), true),
        };
        let summary: &Summary = part.summary();
        if shelf::entry(entry.id, (entry.day, entry.made, entry.closed), summary) != *entry {
            return self.defect(&path, "it is not the part that the manifest means".to_owned(), true);
        }
        for (size, more) in self.sizes.iter_mut().zip(summary.sizes) {
            *size += more;
        }
        let day = self.days.entry(day_range(entry.day).0).or_default();
        day.parts += 1;
        day.closed += usize::from(entry.closed);
        day.rows += entry.rows;
        day.bytes += entry.bytes;
        if all_bytes {
            for error in part.check() {
                self.defect(&path, error.to_string(), true);
            }
        }
    }

    fn log(&mut self, disk: &dyn Disk, dir: &Path, flushed_lsn: u64) {
        let dir = dir.join("wal");
        for (path, content) in wal::contents(disk, &dir) {
            let content = match content {
                Ok(content) => content,
                Err(error) => {
                    self.defect(&path, format!("it cannot be read: {error}"), true);
                    continue;
                }
            };
            for range in &content.unread {
                let what = format!("{} bytes from byte {} on cannot be read", range.len(), range.start);
                self.defect(&path, what, true);
            }
            let content = &content.bytes;
            self.log_bytes += content.len() as u64;
            let Some(found) = wal::scan_whole(content) else {
                if content.iter().any(|&byte| byte != 0) {
                    self.defect(&path, "its header is damaged".to_owned(), true);
                }
                continue;
            };
            let mut is_new = false;
            for found in found {
                match found {
                    wal::Found::Record(record, _) => {
                        is_new = record.lsn > flushed_lsn;
                        self.log_batches += u64::from(is_new);
                        if let Err(error) = Request::read(record.payload.to_vec()).and_then(batch::check) {
                            self.defect(&path, error.to_string(), is_new);
                        }
                    }
                    wal::Found::Bad(range) => {
                        let what = format!("{} bytes from byte {} on are no batch", range.len(), range.start);
                        self.defect(&path, what, is_new);
                    }
                }
            }
        }
    }

    fn seen(&mut self, disk: &dyn Disk, dir: &Path, known: &manifest::Known) {
        if known.seen == 0 {
            return;
        }
        let read = shelf::read_seen(disk, dir, known.seen).ok().and_then(|bytes| seen::decode(&bytes).ok());
        match read {
            Some((seen, lsn)) if lsn == known.flushed_lsn => self.boots = seen.len(),
            _ => {
                let what =
                    "which numbers of which boots are stored cannot be read; the next start makes it anew";
                self.defect(&dir.join("seen"), what.to_owned(), false);
            }
        }
    }
}
