//! Reading, from any thread.

use super::format::{Decoded, Found, Kind, RECORD_HEADER_BYTES, Record, resync, scan};
use super::segment::{Segment, Shared};
use super::write::is_batch;
use super::{Batch, Error, MAX_KEY_BYTES, Pos};
use disk::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};

/// Read at least so much at once: small batches come many to a read.
const MIN_READ_BYTES: u64 = 64 << 10;

/// Reads the spool while the writer appends. Cheap to clone; each clone keeps its own file open.
#[derive(Debug)]
pub struct SpoolReader {
    shared: Arc<Shared>,
    /// The segment read last: its base and file.
    last: Mutex<Option<(u64, Arc<dyn File>)>>,
}

impl Clone for SpoolReader {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

/// What one call to [`SpoolReader::read`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatches {
    /// The batches, in order of position.
    pub batches: Vec<Batch>,
    /// Where to read on: the cursor once these batches are dealt with.
    pub next: Pos,
    /// Bytes that were skipped because they are damaged (beyond what the start already reported).
    pub skipped_bytes: u64,
}

/// Where the newest entries begin, as [`SpoolReader::newest_start`] found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestStart {
    /// Where the first batch stands that has some of them.
    pub pos: Pos,
    /// So many of the first entries from there on are too many; `None` if there were fewer than wanted.
    pub surplus: Option<u64>,
    /// Looking any further back would have been too much.
    pub cut_short: bool,
}

/// What one look at a piece of a segment gave.
enum Step {
    /// Read on at the next piece.
    On,
    /// Enough for this call.
    Enough,
}

impl SpoolReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, last: Mutex::new(None) }
    }

    /// Everything before this survives a power cut.
    #[must_use]
    pub fn durable(&self) -> Pos {
        self.shared.durable()
    }

    /// Everything appended stands before this.
    #[must_use]
    pub fn end(&self) -> Pos {
        self.shared.end()
    }

    /// Bytes of records from `from` on. Less than positions say: each start begins a segment, whatever room the one before has left.
    #[must_use]
    pub fn bytes_from(&self, from: Pos) -> u64 {
        let segments = self.shared.segments();
        let behind = segments.iter().rev().take_while(|segment| segment.limit() > from.0);
        let bytes = |segment: &Arc<Segment>| {
            let content = segment.content();
            let extents = content.extents.iter();
            extents.map(|extent| extent.end.saturating_sub(extent.start.max(from.0))).sum::<u64>()
        };
        behind.map(bytes).sum()
    }

    /// Reads batches from `from` on: as many as fit in `max_bytes` of entries, but at least one if there is one. Sees what
    /// was appended and not yet synced too. At the end, `batches` is empty and reading on at `next` gives what comes later.
    ///
    /// # Errors
    /// `Io` when a segment cannot be read; reading on at the next segment is up to the caller.
    pub fn read(&self, from: Pos, max_bytes: usize) -> Result<ReadBatches, Error> {
        let mut out = ReadBatches { batches: Vec::new(), next: from, skipped_bytes: 0 };
        let mut left_bytes = max_bytes;
        while let Some((segment, extent)) = self.find(out.next) {
            out.next = out.next.max(Pos(extent.start));
            match self.read_extent(&segment, extent.end, &mut left_bytes, &mut out) {
                Ok(Step::On) => {}
                Ok(Step::Enough) => break,
                // Released by the writer in this very moment: every cursor had passed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => out.next = Pos(segment.limit()),
                Err(_) if !out.batches.is_empty() => break,
                Err(error) => return Err(Error::disk("read", &segment.path, error)),
            }
        }
        Ok(out)
    }

    /// The first place at or after `from` where records stand.
    fn find(&self, from: Pos) -> Option<(Arc<Segment>, Range<u64>)> {
        let segments = self.shared.segments();
        let first = segments.partition_point(|segment| segment.limit() <= from.0);
        segments.iter().skip(first).find_map(|segment| {
            let extent = segment.content().extents.iter().find(|extent| extent.end > from.0).cloned();
            extent.map(|extent| (Arc::clone(segment), extent))
        })
    }

    /// Reads one piece of an extent, from `out.next` on.
    fn read_extent(
        &self,
        segment: &Segment,
        end: u64,
        left_bytes: &mut usize,
        out: &mut ReadBatches,
    ) -> io::Result<Step> {
        let header_bytes = (RECORD_HEADER_BYTES + MAX_KEY_BYTES) as u64;
        let wanted = (*left_bytes as u64).max(MIN_READ_BYTES) + header_bytes;
        let start = out.next;
        let mut bytes = self.bytes(segment, start.0..end.min(start.0 + wanted))?;
        let nonce = segment.header.nonce;
        let mut at = 0;
        while at < bytes.len() {
            let pos = Pos(start.0 + at as u64);
            let whole = pos.0 + (bytes.len() - at) as u64 == end;
            match Record::decode(&bytes[at..], nonce, pos) {
                Decoded::Record(record, len) => {
                    if is_batch(record.kind) {
                        if record.body.len() > *left_bytes && !out.batches.is_empty() {
                            return Ok(Step::Enough);
                        }
                        *left_bytes = left_bytes.saturating_sub(record.body.len());
                        out.batches.push(owned(&record));
                    }
                    at += len;
                    out.next = Pos(start.0 + at as u64);
                }
                Decoded::Short(len) if !whole && at > 0 && len as u64 <= end - pos.0 => return Ok(Step::On),
                Decoded::Short(len) if !whole && len as u64 <= end - pos.0 => {
                    bytes = self.bytes(segment, pos.0..pos.0 + len as u64)?;
                }
                // Damage that came after the start: what is left of the extent is searched for the next valid record.
                Decoded::Short(_) | Decoded::Bad => {
                    let rest = self.bytes(segment, pos.0..end)?;
                    let good = resync(&rest, nonce, pos, 8).unwrap_or(rest.len());
                    out.skipped_bytes += good as u64;
                    out.next = Pos(pos.0 + (good as u64).max(1));
                    return Ok(Step::On);
                }
            }
        }
        Ok(if *left_bytes == 0 && !out.batches.is_empty() { Step::Enough } else { Step::On })
    }

    /// Bytes of a segment between two positions.
    fn bytes(&self, segment: &Segment, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &*last {
            Some((base, file)) if *base == segment.header.base => Arc::clone(file),
            _ => {
                let file = self.shared.disk.open(&segment.path)?;
                *last = Some((segment.header.base, Arc::clone(&file)));
                file
            }
        };
        drop(last);
        let len = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        let filled = file.read_at(range.start - segment.header.base, &mut bytes)?;
        // A file cut short by somebody else is damage like any other: it reads as zeros.
        bytes[filled..].fill(0);
        Ok(bytes)
    }

    /// Where to begin to [`read`](Self::read) for the newest `want_entries` entries whose key passes `filter`. Looks through
    /// `max_bytes` of segments, and a little more; segments without such a key do not count. What is damaged is left out.
    ///
    /// # Errors
    /// `Io` when a segment cannot be read.
    pub fn newest_start(
        &self,
        filter: impl Fn(&[u8]) -> bool,
        want_entries: u64,
        max_bytes: u64,
    ) -> Result<NewestStart, Error> {
        let mut start = NewestStart { pos: self.end(), surplus: None, cut_short: false };
        let mut entries = 0;
        start.cut_short = !self.back(filter, max_bytes, |record| {
            (start.pos, entries) = (record.pos, entries + u64::from(record.count));
            start.surplus = entries.checked_sub(want_entries);
            if start.surplus.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(start)
    }

    /// Shows the batches whose key passes `filter`, newest first, until told to stop. `false`: it gave up before the oldest,
    /// having read `max_bytes`.
    fn back(
        &self,
        filter: impl Fn(&[u8]) -> bool,
        max_bytes: u64,
        mut show: impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> Result<bool, Error> {
        let segments: Vec<_> = self.shared.segments().iter().rev().cloned().collect();
        let mut read_bytes = 0;
        for segment in segments {
            let content = segment.content().clone();
            if !content.keys.iter().any(|key| filter(key)) {
                continue;
            }
            for extent in content.extents.into_iter().rev() {
                if read_bytes >= max_bytes {
                    return Ok(false);
                }
                read_bytes += extent.end - extent.start;
                let read = match self.bytes(&segment, extent.clone()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    read => read.map_err(|error| Error::disk("read", &segment.path, error))?,
                };
                let mut matching = Vec::new();
                scan(&read, segment.header.nonce, Pos(extent.start), |found| {
                    if let Found::Record(record) = found
                        && is_batch(record.kind)
                        && filter(record.key)
                    {
                        matching.push(record);
                    }
                });
                if matching.iter().rev().try_for_each(&mut show).is_break() {
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }
}

pub(super) fn owned(record: &Record<'_>) -> Batch {
    Batch {
        pos: record.pos,
        next: record.next(),
        key: record.key.into(),
        group_len: record.group_len,
        boot: record.boot,
        first_seq: record.first_seq,
        next_seq: record.next_seq,
        count: record.count,
        fill: record.kind == Kind::Fill,
        bytes: record.body.to_vec(),
        time: record.time,
    }
}
