//! What is left of damaged parts.

use super::super::{Engine, Shared, lock};
use super::{Done, Maintaining, Task};
use crate::aside::Aside;
use crate::error::Error;
use crate::manifest::Change;
use crate::part::{Error as PartError, FrameInfo, Part, PartWriter};
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
        let parts = lock(&shared.core).parts.clone();
        let (mut done, mut failed) = (Vec::new(), None);
        for stored in parts {
            let found = stored.part.check();
            // What could not be read just now may be whole.
            let is_sound = found.is_empty()
                || found.iter().any(|error| matches!(error, PartError::Io(_)))
                    && stored.part.check().is_empty();
            if is_sound {
                continue;
            }
            match shared.salvage(&mut maintaining, stored) {
                Ok(salvaged) => done.push(salvaged),
                Err(Error::Part { path, source }) => {
                    failed.get_or_insert(Error::Part { path, source });
                }
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(done), Err)
    }
}

impl Shared {
    fn salvage(&self, maintaining: &mut Maintaining, stored: Arc<Stored>) -> Result<Salvaged, Error> {
        let entry = stored.entry.clone();
        let quality = if entry.closed { Quality::Closed } else { Quality::Hot };
        let new = (self.next_id(), entry.day, entry.made);
        let path = shelf::part_path(&self.dir, entry.day, entry.id);
        let fail = |error| Error::part(&path, error);
        let mut losses = Vec::new();
        let made = shelf::make_part(&self.files, &self.dir, new, quality, |file| {
            let mut writer = PartWriter::new(Arc::clone(file), quality.options()).map_err(fail)?;
            let (mut any, mut unread) = (false, None);
            for (frame, info) in stored.part.frames().iter().enumerate() {
                match read(&stored.part, frame).map_err(fail)? {
                    Ok(rows) => {
                        any = true;
                        writer.push(&[&rows], i64::MIN, i64::MAX).map_err(fail)?;
                    }
                    Err(error) => {
                        note(&mut losses, &stored.part, info);
                        unread = unread.or(Some(error).filter(|error| matches!(error, PartError::Io(_))));
                    }
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
        Ok(Salvaged { path, saved, lost: entry.rows.saturating_sub(saved), losses })
    }
}

/// The rows of a frame, or why they are lost. What the disk does not give is asked for once more.
///
/// # Errors
/// When this process lacks something: that says nothing of the part.
fn read(part: &Part, frame: usize) -> Result<Result<Rows, PartError>, PartError> {
    let decode = || part.frame(frame).and_then(|frame| frame.decode());
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
