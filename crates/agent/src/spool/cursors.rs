//! Cursors, marks and the release of segments.

use super::boots::Note;
use super::format::Fields;
use super::segment::Segment;
use super::{Error, Pos, Spool};
use disk::{SyncPoint, replace_file};
use std::path::Path;
use std::sync::Arc;

/// Begins a cursor's file name.
pub(super) const CURSOR_PREFIX: &str = "cursor.";
/// The marks file's name.
pub(super) const MARKS_NAME: &str = "marks";
const CURSOR_MAGIC: [u8; 8] = *b"LWCURSO1";
const MARKS_MAGIC: [u8; 8] = *b"LWMARKS1";
/// Most bytes of a marks file; boots beyond (ended ones, then those not heard of for longest) are left out.
pub(super) const MAX_MARKS_BYTES: usize = 16 << 20;
/// Most characters of a cursor's name.
const MAX_NAME_LEN: usize = 32;

/// One cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) pos: Pos,
    /// As it stands on disk; `None` when it does not.
    pub(super) saved: Option<Pos>,
}

pub(super) fn is_cursor_name(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// What stands between the magic and a valid CRC.
fn unsealed(bytes: &[u8], magic: [u8; 8]) -> Option<&[u8]> {
    let (content, crc) = bytes.split_last_chunk()?;
    (crc32fast::hash(content) == u32::from_le_bytes(*crc)).then(|| content.strip_prefix(&magic)).flatten()
}

pub(super) fn decode_cursor(bytes: &[u8]) -> Option<Pos> {
    let content = unsealed(bytes, CURSOR_MAGIC)?;
    (content.len() == 8).then(|| Fields(content).u64().map(Pos)).flatten()
}

/// The durable end, the place before which all was released, and the encoded notes of a marks file.
pub(super) fn decode_marks(bytes: &[u8]) -> Option<(Pos, Pos, &[u8])> {
    let mut fields = Fields(unsealed(bytes, MARKS_MAGIC)?);
    Some((Pos(fields.u64()?), Pos(fields.u64()?), fields.0))
}

impl Spool {
    /// The position of a named cursor: the next batch its user has to read. A cursor not known begins at the oldest batch
    /// and from now on holds segments back. Names: 1 to 32 of `a-z`, `0-9`, `-`.
    ///
    /// # Errors
    /// `Invalid` for a bad name.
    pub fn cursor(&mut self, name: &str) -> Result<Pos, Error> {
        if !is_cursor_name(name) {
            return Err(Error::Invalid("a cursor's name has 1 to 32 characters of a-z, 0-9 and -"));
        }
        let oldest = self.oldest();
        let cursor = self.cursors.entry(name.to_owned()).or_insert(Cursor { pos: oldest, saved: None });
        Ok(cursor.pos)
    }

    /// Moves a cursor forward, in memory; a position before the present one changes nothing, one after the end counts as
    /// the end.
    ///
    /// # Errors
    /// `Invalid` for a name that `cursor` has not seen.
    pub fn advance(&mut self, name: &str, pos: Pos) -> Result<(), Error> {
        let end = self.end();
        let cursor = self.known_cursor(name)?;
        cursor.pos = cursor.pos.max(pos.min(end));
        self.pass();
        Ok(())
    }

    /// Counts out what all cursors have passed. One that has passed the last batch has passed everything: nobody reads what
    /// is noted between batches.
    pub(super) fn pass(&mut self) {
        let end = self.end();
        for cursor in self.cursors.values_mut().filter(|cursor| cursor.pos >= self.batches_end) {
            cursor.pos = cursor.pos.max(end);
        }
        let passed = self.cursors.values().map(|cursor| cursor.pos).min().unwrap_or_default();
        self.quota.pass(passed);
    }

    fn known_cursor(&mut self, name: &str) -> Result<&mut Cursor, Error> {
        self.cursors.get_mut(name).ok_or(Error::Invalid("no such cursor; ask for it with `cursor` first"))
    }

    /// Persists a cursor, at most as far as the spool is durable, and returns the position saved. Costs two syncs when the
    /// cursor has moved, nothing otherwise.
    ///
    /// # Errors
    /// `Invalid` for a name that `cursor` has not seen; `Full` and `Io` from the disk: the old position stands then.
    pub fn save_cursor(&mut self, name: &str) -> Result<Pos, Error> {
        let durable = self.durable();
        let cursor = *self.known_cursor(name)?;
        // A cursor beyond the durable end would, after a power cut, stand on batches that were never written.
        let pos = cursor.pos.min(durable);
        if let Some(saved) = cursor.saved
            && saved >= pos
        {
            return Ok(saved);
        }
        let file = format!("{CURSOR_PREFIX}{name}");
        let mut bytes = CURSOR_MAGIC.to_vec();
        bytes.extend_from_slice(&pos.0.to_le_bytes());
        let points = (SyncPoint::CursorFile, SyncPoint::CursorDir);
        replace_file(&*self.shared.disk, &self.dir, &file, &sealed(bytes), points)
            .map_err(|error| Error::disk("save", &self.dir.join(&file), error))?;
        self.known_cursor(name)?.saved = Some(pos);
        Ok(pos)
    }

    /// Forgets a cursor and removes its file, so that it holds nothing back any more.
    ///
    /// # Errors
    /// `Io` from the disk.
    pub fn drop_cursor(&mut self, name: &str) -> Result<(), Error> {
        if self.cursors.remove(name).is_none() {
            return Ok(());
        }
        let path = self.dir.join(format!("{CURSOR_PREFIX}{name}"));
        match self.shared.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::disk("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// Position of the oldest segment, or the end.
    fn oldest(&self) -> Pos {
        self.shared.segments().front().map_or(self.end(), |oldest| Pos(oldest.header.base))
    }

    /// Removes the segments that every *saved* cursor has passed, save the newest `keep_bytes` of them (and the newest
    /// segment), and returns how many. Without a cursor nothing is removed.
    ///
    /// # Errors
    /// `Io` from the disk.
    pub fn release(&mut self, keep_bytes: u64) -> Result<usize, Error> {
        let saved =
            self.cursors.values().map(|cursor| cursor.saved.unwrap_or_default()).min().unwrap_or_default();
        let mut kept_bytes = 0;
        let mut removable: Vec<Arc<Segment>> = Vec::new();
        for segment in self.shared.segments().iter().rev().skip(1) {
            if segment.data_end() > saved.0 {
                continue;
            }
            // What is kept is the newest run, so that it stays contiguous.
            if removable.is_empty() && kept_bytes < keep_bytes {
                kept_bytes += segment.data_bytes();
            } else {
                removable.push(Arc::clone(segment));
            }
        }
        let mut removed = 0;
        for segment in removable.iter().rev() {
            match self.shared.disk.remove(&segment.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::disk("remove", &segment.path, error));
                }
                _ => {}
            }
            self.shared.segments_mut().retain(|kept| kept.header.base != segment.header.base);
            removed += 1;
        }
        if removed > 0 {
            self.writer.floor = self.oldest();
            self.boots.forget_before(self.writer.floor);
        }
        Ok(removed)
    }

    /// Persists, for each boot, the next seq that is durable, so that a spool found shorter later is recognised. Syncs
    /// first. Costs two more syncs.
    ///
    /// # Errors
    /// As [`Spool::sync`]; the old marks stand then.
    pub fn save_marks(&mut self) -> Result<(), Error> {
        self.sync()?;
        let mut bytes = MARKS_MAGIC.to_vec();
        for pos in [self.durable(), self.writer.floor] {
            bytes.extend_from_slice(&pos.0.to_le_bytes());
        }
        for (key, boot) in self.boots.by_weight() {
            let note = Note::of(key, boot);
            if bytes.len() + note.len() + 4 > MAX_MARKS_BYTES {
                break;
            }
            note.encode(&mut bytes);
        }
        let points = (SyncPoint::MarksFile, SyncPoint::MarksDir);
        replace_file(&*self.shared.disk, &self.dir, MARKS_NAME, &sealed(bytes), points)
            .map_err(|error| Error::disk("save", &marks_path(&self.dir), error))
    }
}

fn marks_path(dir: &Path) -> std::path::PathBuf {
    dir.join(MARKS_NAME)
}
