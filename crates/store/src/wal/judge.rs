//! What is lost of the log, and what was never acknowledged.

use super::look::is_void;
use super::recover::Start;
use std::ops::Range;
use std::path::PathBuf;

/// What is wrong with a file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The log ends in records that are not whole: normal after a crash. Nobody was told that they are stored.
    TornTail,
    /// Records that were acknowledged are unreadable; their bytes were copied to `damaged`.
    Lost,
    /// A segment has no valid header or is impossibly long; it was moved to `damaged`.
    SetAside,
    /// The disk does not give bytes of a segment, in which acknowledged records stood or may have stood. It goes to `damaged`.
    Unreadable,
    /// The same of bytes that nobody needs: all that stood there is in parts, or was never acknowledged.
    UnreadableOld,
}

/// One finding of the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file; for records that are lost with their file, the log's directory.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: FindingKind,
    /// How many records are lost, as far as that is known.
    pub records: u64,
    /// How many bytes it is about.
    pub bytes: u64,
}

/// Bytes that are no record, and the lsns that are missing around them.
pub(super) struct BadBytes {
    pub(super) path: PathBuf,
    pub(super) range: Range<usize>,
    /// The end is `u64::MAX` if no record follows.
    pub(super) lsns: Range<u64>,
    /// Positions that the records there can have had; the end as with `lsns`.
    pub(super) positions: Range<u64>,
    /// Why the disk does not give them; `None` if it does.
    pub(super) unread: Option<String>,
}

impl BadBytes {
    /// Whether nothing says what stood there: no record follows.
    pub(super) const fn is_at_end(&self) -> bool {
        self.lsns.end == u64::MAX
    }

    /// What is told of a file that goes to `damaged`.
    fn note(&self) -> String {
        let until =
            |end: u64| if end == u64::MAX { "an unknown end".to_owned() } else { format!("below {end}") };
        format!(
            "Bytes {} to {} of this file of the log could not be read when the store was started: {}.\n\
             Batches that stood there have numbers (lsn) from {} to {}, and lines of them positions (pos) from {} to {}.\n",
            self.range.start,
            self.range.end,
            self.unread.as_deref().unwrap_or("they are damaged"),
            self.lsns.start,
            until(self.lsns.end),
            self.positions.start,
            until(self.positions.end),
        )
    }
}

impl Start<'_> {
    /// Tells what is lost from what was never acknowledged. Returns the files that the disk does not give as a whole, each with a note.
    pub(super) fn judge(&mut self) -> Vec<(PathBuf, String)> {
        let (durable, void) = (self.durable_lsn, &self.void);
        let is_lost = |range: &Range<u64>| !is_void(&(range.start..range.end.min(durable + 1)), void);
        let mut missing = std::mem::take(&mut self.missing);
        missing.retain(|range| !is_void(range, void));
        let (mut counted, mut unread) = (Vec::new(), Vec::new());
        for bad in std::mem::take(&mut self.bad) {
            let is_old = bad.lsns.end <= self.flushed_lsn + 1;
            if is_old && bad.unread.is_none() {
                continue;
            }
            let inside: Vec<_> = missing
                .iter()
                .filter(|m| m.start < bad.lsns.end && bad.lsns.start < m.end)
                .cloned()
                .collect();
            let lost = !is_old && inside.iter().any(is_lost);
            let kind = match (&bad.unread, lost) {
                (None, true) => FindingKind::Lost,
                (None, false) => FindingKind::TornTail,
                (Some(_), false) if !bad.is_at_end() => FindingKind::UnreadableOld,
                (Some(_), _) => FindingKind::Unreadable,
            };
            if kind == FindingKind::Lost {
                self.aside.copy(&bad.path, bad.range.clone());
            }
            if bad.unread.is_some() {
                unread.push((bad.path.clone(), bad.note()));
            }
            let records = if lost { inside.iter().map(|range| range.end - range.start).sum() } else { 0 };
            counted.extend(inside);
            let bytes = bad.range.len() as u64;
            self.findings.push(Finding { path: bad.path, kind, records, bytes });
        }
        // Whole segments, or their ends, that are gone without a trace.
        let gone = missing.iter().filter(|range| is_lost(range) && !counted.contains(range));
        let records: u64 = gone.map(|range| range.end - range.start).sum();
        if records > 0 {
            let kind = FindingKind::Lost;
            self.findings.push(Finding { path: self.dir.to_path_buf(), kind, records, bytes: 0 });
        }
        unread
    }
}
