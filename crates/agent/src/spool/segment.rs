//! The segments as the writer and the readers share them.

use super::Pos;
use super::format::SegmentHeader;
use disk::Disk;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Ending of a segment's name; before it stands its base as 16 hex digits.
pub(super) const SEGMENT_SUFFIX: &str = ".seg";

/// The name of the segment with this base.
pub(super) fn segment_name(base: u64) -> String {
    format!("{base:016x}{SEGMENT_SUFFIX}")
}

/// The base in a segment's name.
pub(super) fn segment_base(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let base = u64::from_str_radix(digits, 16).ok()?;
    (segment_name(base) == name).then_some(base)
}

/// One segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) path: PathBuf,
    content: Mutex<Content>,
}

/// What stands in a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Where records stand; between these ranges lies damage.
    pub(super) extents: Vec<Range<u64>>,
    /// The Machines with a batch in it.
    pub(super) keys: HashSet<Arc<[u8]>>,
}

impl Content {
    /// Adds a record.
    pub(super) fn add(&mut self, range: Range<u64>, key: Option<&Arc<[u8]>>) {
        match self.extents.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.extents.push(range),
        }
        if let Some(key) = key
            && !self.keys.contains(key)
        {
            self.keys.insert(Arc::clone(key));
        }
    }
}

impl Segment {
    pub(super) fn new(header: SegmentHeader, dir: &Path, content: Content) -> Self {
        Self { header, path: dir.join(segment_name(header.base)), content: Mutex::new(content) }
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Position after its last record, or its base.
    pub(super) fn data_end(&self) -> u64 {
        self.content().extents.last().map_or(self.header.base, |last| last.end)
    }

    /// Position that no record of it reaches.
    pub(super) fn limit(&self) -> u64 {
        self.header.base + self.header.capacity
    }

    /// Bytes of records.
    pub(super) fn data_bytes(&self) -> u64 {
        self.content().extents.iter().map(|extent| extent.end - extent.start).sum()
    }

    /// Takes back what stands at or after `end`.
    pub(super) fn cut(&self, end: u64) {
        let mut content = self.content();
        content.extents.retain(|extent| extent.start < end);
        if let Some(last) = content.extents.last_mut() {
            last.end = last.end.min(end);
        }
    }
}

/// What the writer shares with the readers.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    segments: RwLock<VecDeque<Arc<Segment>>>,
    end: AtomicU64,
    durable: AtomicU64,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, segments: VecDeque<Arc<Segment>>, end: Pos, durable: Pos) -> Self {
        let (end, durable) = (AtomicU64::new(end.0), AtomicU64::new(durable.0));
        Self { disk, segments: RwLock::new(segments), end, durable }
    }

    pub(super) fn segments(&self) -> RwLockReadGuard<'_, VecDeque<Arc<Segment>>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn segments_mut(&self) -> RwLockWriteGuard<'_, VecDeque<Arc<Segment>>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self) -> Pos {
        Pos(self.end.load(Ordering::Acquire))
    }

    pub(super) fn durable(&self) -> Pos {
        Pos(self.durable.load(Ordering::Acquire))
    }

    pub(super) fn set_end(&self, end: Pos) {
        self.end.store(end.0, Ordering::Release);
    }

    pub(super) fn set_durable(&self, durable: Pos) {
        self.durable.store(durable.0, Ordering::Release);
    }
}
