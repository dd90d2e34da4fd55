//! The files of parts and of what was seen, by name.
//!
//! A part is `parts/<day>/<id>.part`, the day as 20261126, the id as 16 hex digits. What was seen of each boot is `seen/<id>`.

use crate::clock::{day_of, day_range};
use crate::error::Error;
use crate::files::Files;
use crate::manifest::PartEntry;
use crate::part::{Options, Part, PartWriter, Summary};
use crate::rows::Rows;
use disk::{Disk, File, SyncPoint, make_dir, read_file};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Ending of a part's name.
const SUFFIX: &str = ".part";
/// Most bytes of what was seen that are read.
const MAX_SEEN_BYTES: usize = 1 << 30;

/// How much work goes into making a part small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    /// It is likely to be merged soon.
    Hot,
    /// It is likely to stay as it is until it is too old.
    Closed,
}

impl Quality {
    pub(crate) fn options(self) -> Options {
        match self {
            Self::Hot => Options::HOT,
            Self::Closed => Options::CLOSED,
        }
    }
}

/// A part and what the manifest says of it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) entry: PartEntry,
    pub(crate) part: Arc<Part>,
}

/// The folder of a day's parts.
pub(crate) fn day_dir(store: &Path, day: i32) -> PathBuf {
    let mut text = Vec::with_capacity(32);
    line::time::write_rfc3339(day_range(day).0, &mut text);
    let digits: String =
        text.iter().take(10).filter(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
    store.join("parts").join(digits)
}

/// The file of a part.
pub(crate) fn part_path(store: &Path, day: i32, id: u64) -> PathBuf {
    day_dir(store, day).join(format!("{id:016x}{SUFFIX}"))
}

/// The id in the name of a part's file.
pub(crate) fn part_id(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let id = u64::from_str_radix(digits, 16).ok()?;
    (format!("{id:016x}") == digits).then_some(id)
}

/// A part that is to be made: its id, its day, and when.
pub(crate) type NewPart = (u64, i32, i64);

/// Makes a part of the rows of a day: `rows` are by org and app, those of one app following each other. Its content is durable then, its
/// name not yet ([`sync_days`]).
pub(crate) fn write_part(
    files: &Arc<Files>,
    store: &Path,
    new: NewPart,
    rows: &[Arc<Rows>],
    quality: Quality,
) -> Result<Option<Stored>, Error> {
    let (from, to) = day_range(new.1);
    let path = part_path(store, new.1, new.0);
    let fail = |error| Error::part(&path, error);
    make_part(files, store, new, quality, |file| {
        let mut writer = PartWriter::new(Arc::clone(file), quality.options()).map_err(fail)?;
        for app in rows.chunk_by(|a, b| (a.org(), a.app()) == (b.org(), b.app())) {
            let many: Vec<&Rows> = app.iter().map(|rows| &**rows).collect();
            writer.push(&many, from, to).map_err(fail)?;
        }
        writer.finish().map(Some).map_err(fail)
    })
}

/// Makes a part's file by `write`, opens it, and syncs its content. What is half made is removed, and so is a part without
/// rows.
pub(crate) fn make_part(
    files: &Arc<Files>,
    store: &Path,
    (id, day, made): NewPart,
    quality: Quality,
    write: impl FnOnce(&Arc<dyn File>) -> Result<Option<Summary>, Error>,
) -> Result<Option<Stored>, Error> {
    let (disk, path) = (&*files.disk, part_path(store, day, id));
    let attempt = || -> Result<Option<Stored>, Error> {
        make_dir(disk, &day_dir(store, day))
            .map_err(|error| Error::io("make the folder of", &path, error))?;
        let file = disk.create(&path).map_err(|error| Error::io("make", &path, error))?;
        let Some(summary) = write(&file)? else {
            let _removed = disk.remove(&path);
            return Ok(None);
        };
        file.sync_data(SyncPoint::StorePart).map_err(|error| Error::io("sync", &path, error))?;
        drop(file);
        let part = open_part(files, &path)?;
        let entry = entry(id, (day, made, quality == Quality::Closed), &summary);
        Ok(Some(Stored { entry, part: Arc::new(part) }))
    };
    attempt().inspect_err(|_| {
        let _removed = disk.remove(&path);
    })
}

/// What the manifest says of a part with that summary.
pub(crate) fn entry(id: u64, (day, made, closed): (i32, i64, bool), summary: &Summary) -> PartEntry {
    PartEntry {
        id,
        day,
        rows: summary.rows,
        bytes: summary.file_bytes,
        pos: summary.pos,
        time: summary.time,
        made,
        closed,
    }
}

/// Opens a part's file.
pub(crate) fn open_part(files: &Arc<Files>, path: &Path) -> Result<Part, Error> {
    let file = files.open(path).map_err(|error| Error::io("open", path, error))?;
    Part::open(file).map_err(|error| Error::part(path, error))
}

/// Opens the part that the manifest names.
pub(crate) fn open_entry(files: &Arc<Files>, store: &Path, entry: &PartEntry) -> Result<Stored, Error> {
    let path = part_path(store, entry.day, entry.id);
    let part = open_part(files, &path)?;
    if self::entry(entry.id, (entry.day, entry.made, entry.closed), part.summary()) == *entry {
        return Ok(Stored { entry: entry.clone(), part: Arc::new(part) });
    }
    let other = crate::part::Error::Damaged { what: "what the manifest says of the part", at: 0 };
    Err(Error::part(&path, other))
}

/// Removes a part's file. If it stays, the next start does it.
pub(crate) fn remove_part(disk: &dyn Disk, store: &Path, entry: &PartEntry) {
    let _removed = disk.remove(&part_path(store, entry.day, entry.id));
}

/// Makes the names of the days' parts durable, and those of the days: an attempt before this one may have made a folder and
/// come no further.
pub(crate) fn sync_days(
    disk: &dyn Disk,
    store: &Path,
    days: impl Iterator<Item = i32>,
    point: SyncPoint,
) -> Result<(), Error> {
    let days: BTreeSet<i32> = days.collect();
    let parts = (!days.is_empty()).then(|| store.join("parts"));
    for dir in days.into_iter().map(|day| day_dir(store, day)).chain(parts) {
        disk.sync_dir(&dir, point).map_err(|error| Error::io("sync", &dir, error))?;
    }
    Ok(())
}

/// All files of parts: their paths, by id. Files of other names are not ours to judge.
pub(crate) fn list_parts(disk: &dyn Disk, store: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let dir = store.join("parts");
    let days = disk.list(&dir).map_err(|error| Error::io("list", &dir, error))?;
    let mut found = Vec::new();
    for day in days {
        let names = match disk.list(&dir.join(&day)) {
            Ok(names) => names,
            // What is no folder has nothing in it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => {
                continue;
            }
            Err(error) => return Err(Error::io("list", &dir.join(&day), error).or_exhausted()),
        };
        found.extend(names.iter().filter_map(|name| Some((part_id(name)?, dir.join(&day).join(name)))));
    }
    found.sort();
    Ok(found)
}

/// The day of a part that was found without the manifest.
pub(crate) fn day_of_part(time: (i64, i64)) -> i32 {
    day_of(time.0)
}

fn seen_path(store: &Path, id: u64) -> PathBuf {
    store.join("seen").join(format!("{id:016x}"))
}

/// Writes what was seen, durably.
pub(crate) fn write_seen(disk: &dyn Disk, store: &Path, id: u64, bytes: &[u8]) -> Result<(), Error> {
    let path = seen_path(store, id);
    let written = disk.create(&path).and_then(|file| {
        file.write_at(0, bytes)?;
        file.sync_data(SyncPoint::StoreSeen)?;
        disk.sync_dir(&store.join("seen"), SyncPoint::StoreSeenDir)
    });
    written.map_err(|error| {
        let _removed = disk.remove(&path);
        Error::io("write", &path, error)
    })
}

/// Reads what was seen.
pub(crate) fn read_seen(disk: &dyn Disk, store: &Path, id: u64) -> Result<Vec<u8>, Error> {
    let path = seen_path(store, id);
    read_file(disk, &path, MAX_SEEN_BYTES).map_err(|error| Error::io("read", &path, error))
}

/// Removes the files of what was seen but for that one, which the manifest names. Returns the highest id there was.
pub(crate) fn remove_other_seen(disk: &dyn Disk, store: &Path, keep: u64) -> u64 {
    let ids: Vec<u64> = disk
        .list(&store.join("seen"))
        .unwrap_or_default()
        .iter()
        .filter_map(|name| u64::from_str_radix(name, 16).ok())
        .collect();
    for id in ids.iter().filter(|id| **id != keep) {
        let _removed = disk.remove(&seen_path(store, *id));
    }
    ids.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let path = part_path(Path::new("/s"), 20_783, 0x1f);
        assert_eq!(path, Path::new("/s/parts/20261126/000000000000001f.part"));
        assert_eq!(part_id("000000000000001f.part"), Some(0x1f));
        for bad in ["1f.part", "000000000000001F.part", "000000000000001f", "+00000000000001f.part"] {
            assert_eq!(part_id(bad), None, "{bad}");
        }
    }
}
