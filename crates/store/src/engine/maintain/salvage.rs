//! What is left of damaged parts.

use super::super::{Engine, Shared, lock};
use super::{Done, Maintaining, Task};
use crate::aside::Aside;
use crate::error::Error;
use crate::manifest::{Change, PartEntry};
use crate::part::{Error as PartError, FrameInfo, Part, PartWriter, rescued_frames};
use crate::rows::Rows;
use crate::shelf::{self, Quality, Stored};
use disk::SyncPoint;
use std::path::PathBuf;
use std::sync::Arc;

/// A part that was damaged inside, and what became of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The file, as it was called. It is in `damaged` now.
    pub path: PathBuf,
    /// Rows that could be read; they are in a new part.
    pub saved: u64,
    /// Rows that could not.
    pub lost: u64,
    /// Whose those were.
    pub losses: Vec<Loss>,
}

/// Neighbouring rows of one app that are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The org.
    pub org: String,
    /// The app.
    pub app: String,
    /// The earliest time, Unix nanoseconds.
    pub from: i64,
    /// The latest time, Unix nanoseconds.
    pub to: i64,
    /// How many.
    pub rows: u64,
}

impl Engine {
    /// Reads every byte of every part, and writes those that are damaged, or that the disk does not give as a whole, anew from the frames
    /// that can be read. The damaged files are moved to `damaged`.
    ///
    /// # Errors
    /// When the disk fails or is full; a part of which nothing can be read is left as it is, and the others are seen to first. It can be
    /// called again.
    pub(crate) fn salvage(&self) -> Result<Vec<Salvaged>, Error> {
        let shared = &self.shared;
        let mut maintaining = lock(&shared.maintaining);
        shared.open_absent();
        let (parts, absent) = {
            let core = lock(&shared.core);
            (core.parts.clone(), core.absent.clone())
        };
        let (mut done, mut failed) = (Vec::new(), None);
        let mut note = |salvaged: Result<Option<Salvaged>, Error>| match salvaged {
            Ok(salvaged) => {
                done.extend(salvaged);
                Ok(())
            }
            Err(error @ Error::Part { .. }) => {
                failed.get_or_insert(error);
                Ok(())
            }
            Err(error) => Err(error),
        };
        for stored in parts {
            note(shared.salvage(&mut maintaining, &stored))?;
        }
        for entry in absent {
            note(shared.salvage_absent(&mut maintaining, &entry))?;
        }
        failed.map_or(Ok(done), Err)
    }
}

/// The frames of a part, one after the other: their rows, or why they are lost.
type Frames<'a> = &'a mut dyn FnMut() -> Result<Option<Result<Rows, PartError>>, PartError>;

impl Shared {
    /// Sees to a part that is open. `None`: it is sound.
    fn salvage(&self, maintaining: &mut Maintaining, stored: &Stored) -> Result<Option<Salvaged>, Error> {
        let part = &stored.part;
        let found = part.check();
        // What could not be read just now may be whole.
        let is_sound = found.is_empty()
            || found.iter().any(|error| matches!(error, PartError::Io(_))) && part.check().is_empty();
        if is_sound {
            return Ok(None);
        }
        let mut losses = Vec::new();
        let mut left = part.frames().iter().enumerate();
        let mut next = || {
            let Some((frame, info)) = left.next() else { return Ok(None) };
            let rows = read(&|| part.frame(frame).and_then(|frame| frame.decode()))?;
            if rows.is_err() {
                note(&mut losses, part, info);
            }
            Ok(Some(rows))
        };
        let (path, saved) = self.write_rest(maintaining, &stored.entry, &mut next)?;
        Ok(Some(Salvaged { path, saved, lost: stored.entry.rows.saturating_sub(saved), losses }))
    }

    /// Sees to a part whose tables the disk does not give: its frames say themselves what they hold. `None`: it is something else that is
    /// wrong with it, and the next start looks again.
    fn salvage_absent(
        &self,
        maintaining: &mut Maintaining,
        entry: &PartEntry,
    ) -> Result<Option<Salvaged>, Error> {
        let is_unread = match shelf::open_entry(&self.files, &self.dir, entry) {
            Err(error @ (Error::Io { .. } | Error::Part { source: PartError::Io(_), .. })) => {
                !error.is_missing() && !error.is_exhausted()
            }
            _ => false,
        };
        if !is_unread {
            return Ok(None);
        }
        let path = shelf::part_path(&self.dir, entry.day, entry.id);
        let fail = |error: std::io::Error| Error::part(&path, error.into());
        let file = self.disk.open(&path).map_err(fail)?;
        let frames = rescued_frames(&file).map_err(fail)?;
        if frames.is_empty() {
            return Err(fail(std::io::Error::other("nothing of it can be read")));
        }
        let mut left = frames.iter();
        let mut next = || left.next().map(|frame| read(&|| frame.decode())).transpose();
        let (path, saved) = self.write_rest(maintaining, entry, &mut next)?;
        lock(&self.core).absent.retain(|other| other.id != entry.id);
        let (lost, losses) = (entry.rows.saturating_sub(saved), Vec::new());
        Ok(Some(Salvaged { path, saved, lost, losses }))
    }

    /// Writes a part anew from the frames that can be read, and sets it aside. Returns what it was called, and how many rows there are.
    fn write_rest(
        &self,
        maintaining: &mut Maintaining,
        entry: &PartEntry,
        next: Frames<'_>,
    ) -> Result<(PathBuf, u64), Error> {
        let quality = if entry.closed { Quality::Closed } else { Quality::Hot };
        let new = (self.next_id(), entry.day, entry.made);
        let path = shelf::part_path(&self.dir, entry.day, entry.id);
        let fail = |error| Error::part(&path, error);
        let made = shelf::make_part(&self.files, &self.dir, new, quality, |file| {
            let mut writer = PartWriter::new(Arc::clone(file), quality.options()).map_err(fail)?;
            let (mut any, mut unread) = (false, None);
            while let Some(rows) = next().map_err(fail)? {
                match rows {
                    Ok(rows) => {
                        any = true;
                        writer.push(&[&rows], i64::MIN, i64::MAX).map_err(fail)?;
                    }
                    Err(error @ PartError::Io(_)) => unread = unread.or(Some(error)),
                    Err(_) => {}
                }
            }
            match unread {
                // The disk gives nothing at all: it may be another time.
                Some(error) if !any => Err(fail(error)),
                _ if any => writer.finish().map(Some).map_err(fail),
                _ => Ok(None),
            }
        })?;
        let saved = made.as_ref().map_or(0, |made| made.entry.rows);
        let added: Vec<Arc<Stored>> = made.into_iter().map(Arc::new).collect();
        shelf::sync_days(&*self.disk, &self.dir, std::iter::once(entry.day), SyncPoint::StorePartDir)?;
        let change = Change {
            added: added.iter().map(|stored| stored.entry.clone()).collect(),
            removed: vec![entry.id],
            ..Change::default()
        };
        // Until the manifest has the new one, the damaged one stays where it is.
        self.settle(maintaining, Done { change, added, removed: Vec::new(), task: Task::Purge })?;
        Aside::new(&*self.disk, &self.dir).put(&path);
        Ok((path, saved))
    }
}

/// The rows of a frame, or why they are lost. What the disk does not give is asked for once more.
///
/// # Errors
/// When this process lacks something: that says nothing of the part.
fn read(decode: &dyn Fn() -> Result<Rows, PartError>) -> Result<Result<Rows, PartError>, PartError> {
    match decode().or_else(|error| if matches!(error, PartError::Io(_)) { decode() } else { Err(error) }) {
        Err(PartError::Io(error)) if disk::is_exhausted(&error) => Err(PartError::Io(error)),
        read => Ok(read),
    }
}

/// Notes that the rows of a frame are lost.
fn note(losses: &mut Vec<Loss>, part: &Part, info: &FrameInfo) {
    let Some((org, app)) = part.apps().nth(info.app as usize) else { return };
    let (from, to, rows) = (info.from, info.to, u64::from(info.rows));
    match losses.last_mut() {
        Some(last) if last.org == org.as_str() && last.app == app.as_str() => {
            (last.from, last.to, last.rows) = (last.from.min(from), last.to.max(to), last.rows + rows);
        }
        _ => losses.push(Loss { org: org.to_string(), app: app.to_string(), from, to, rows }),
    }
}
