//! The start: look at every file, keep what is valid, say what is lost.

use super::boots::{Boots, Note, Seen, decode_notes};
use super::cursors::{
    CURSOR_PREFIX, Cursor, MARKS_NAME, MAX_MARKS_BYTES, decode_cursor, decode_marks, is_cursor_name,
};
use super::format::{Found, HEADER_BYTES, Kind, NO_SEGMENT, Record, SegmentHeader, scan};
use super::quota::Quota;
use super::recovery::{Damage, DamageKind, HoleReason, Recovery};
use super::segment::{Content, SEGMENT_SUFFIX, Segment, Shared, segment_base, segment_name};
use super::write::{Writer, is_batch};
use super::{Config, Error, Pos, Spool};
use disk::{Disk, SyncPoint, TEMPORARY, make_dir, read_file};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Ending of a segment that was set aside.
const DAMAGED_SUFFIX: &str = ".damaged";
/// Segments set aside that are kept for people to look at; beyond, the oldest is removed.
const MAX_SET_ASIDE: usize = 8;
/// Least size of a segment: it must hold its header, a checkpoint and some batches.
const MIN_SEGMENT_BYTES: u64 = 64 << 10;
/// Most bytes read of one segment; no writer makes one that is larger.
const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// Each start leaves out so many positions, so that those of segments that were lost without a trace are not used again.
const START_STRIDE: u64 = 1 << 30;

/// A segment whose header is valid.
struct Candidate {
    header: SegmentHeader,
    /// Nothing at or after this position counts.
    limit: u64,
}

/// What the disk refused to make durable: records, with their places, and the position from which on they stand.
struct Distrusted {
    from: Pos,
    records: Vec<(Pos, Vec<u8>)>,
}

/// What the start has learned so far.
struct Start<'a> {
    disk: &'a Arc<dyn Disk>,
    dir: &'a Path,
    damaged: Vec<Damage>,
    boots: Boots,
    quota: Quota,
    cursors: BTreeMap<String, Cursor>,
    marks: Option<Vec<u8>>,
    /// Everything before it is known to be durable: marks and cursors are saved only as far.
    durable: Pos,
    /// What was before it had been released.
    floor: Pos,
    /// Every cursor had passed what is before it.
    needed: Pos,
    /// End of the last batch.
    batches_end: Pos,
    /// No position at or after it was ever used.
    next_base: u64,
    /// Bases of segments that are there but not usable; missing ones are reported once.
    unusable: Vec<u64>,
    /// The last segment that could not be read; it may be readable next time.
    unreadable: Option<u64>,
}

pub(super) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    mut config: Config,
    _now: i64,
) -> Result<(Spool, Recovery), Error> {
    config.segment_bytes = config.segment_bytes.clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES / 2);
    make_dir(&*disk, dir).map_err(|error| Error::disk("make", dir, error))?;
    let names = disk.list(dir).map_err(|error| Error::disk("list", dir, error))?;
    let mut start = Start::new(&disk, dir, &config);
    start.sort_out(&names);
    let candidates = start.candidates(&names, config.segment_bytes);
    start.set_needed(&candidates);
    let candidates = start.without_void(candidates);
    let mut segments = VecDeque::new();
    let mut before = (NO_SEGMENT, 0);
    for candidate in &candidates {
        start.note_missing(candidate, before);
        if let Some(segment) = start.read_segment(candidate) {
            before = (candidate.header.base, segment.data_end());
            segments.push_back(Arc::new(segment));
        }
    }
    start.note_short_ends(&candidates, &segments);
    start.compare_marks(&config);
    start.finish(config, segments, &candidates)
}

impl<'a> Start<'a> {
    fn new(disk: &'a Arc<dyn Disk>, dir: &'a Path, config: &Config) -> Self {
        Self {
            disk,
            dir,
            damaged: Vec::new(),
            boots: Boots::default(),
            quota: Quota::new(config.quota_bytes, config.reserve_groups),
            cursors: BTreeMap::new(),
            marks: None,
            durable: Pos(0),
            floor: Pos(0),
            needed: Pos(0),
            batches_end: Pos(0),
            next_base: 0,
            unusable: Vec::new(),
            unreadable: None,
        }
    }

    fn report(&mut self, file: &str, kind: DamageKind, from: u64, to: u64) {
        self.damaged.push(Damage { file: file.to_owned(), kind, from: Pos(from), to: Pos(to) });
    }

    /// Reads the small files, removes left-overs, reports strangers.
    fn sort_out(&mut self, names: &[String]) {
        for name in names {
            let path = self.dir.join(name);
            if name.ends_with(TEMPORARY) {
                // Left over from a crash in the middle of replacing a file; the file itself is whole.
                let _removed = self.disk.remove(&path);
            } else if name == MARKS_NAME {
                let marks = read_file(&**self.disk, &path, MAX_MARKS_BYTES).ok();
                match marks.as_deref().and_then(decode_marks) {
                    Some((end, _, _)) => {
                        self.durable = self.durable.max(end);
                        self.next_base = self.next_base.max(end.0);
                        self.marks = marks;
                    }
                    None => self.report(name, DamageKind::BadFile, 0, 0),
                }
            } else if let Some(cursor) =
                name.strip_prefix(CURSOR_PREFIX).filter(|cursor| is_cursor_name(cursor))
            {
                let content = read_file(&**self.disk, &path, 64).ok();
                match content.as_deref().and_then(decode_cursor) {
                    Some(pos) => {
                        self.next_base = self.next_base.max(pos.0);
                        self.durable = self.durable.max(pos);
                        self.cursors.insert(cursor.to_owned(), Cursor { pos, saved: Some(pos) });
                    }
                    None => {
                        self.report(name, DamageKind::BadFile, 0, 0);
                        self.cursors.insert(cursor.to_owned(), Cursor { pos: Pos(0), saved: None });
                    }
                }
            } else if !name.ends_with(DAMAGED_SUFFIX) && segment_base(name).is_none() {
                self.report(name, DamageKind::Foreign, 0, 0);
            }
        }
    }

    /// The segments with a valid header, by base; the others are set aside or removed.
    fn candidates(&mut self, names: &[String], segment_bytes: u64) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for name in names {
            let Some(base) = segment_base(name) else { continue };
            match self.read_header(name) {
                Ok(Some(header)) if header.base == base => {
                    let limit = header.base + header.capacity;
                    self.next_base = self.next_base.max(limit);
                    candidates.push(Candidate { header, limit });
                    continue;
                }
                Ok(_) => self.set_aside(name, base),
                Err(_) => {
                    self.report(name, DamageKind::Unreadable, base, base);
                    self.unreadable = Some(base);
                }
            }
            self.unusable.push(base);
            self.next_base = self.next_base.max(base.saturating_add(segment_bytes));
        }
        candidates.sort_by_key(|candidate| candidate.header.base);
        candidates
    }

    fn read_header(&self, name: &str) -> io::Result<Option<SegmentHeader>> {
        let file = self.disk.open(&self.dir.join(name))?;
        let mut bytes = [0; HEADER_BYTES];
        let filled = file.read_at(0, &mut bytes)?;
        Ok(SegmentHeader::decode(&bytes[..filled]))
    }

    /// Renames a segment without a valid header, or removes it if there is nothing in it.
    fn set_aside(&mut self, name: &str, base: u64) {
        let path = self.dir.join(name);
        let content = read_file(&**self.disk, &path, 1 << 30).unwrap_or_else(|_| vec![1]);
        if content.iter().all(|&byte| byte == 0) {
            // Made in the moment of a crash, and never written to.
            let _removed = self.disk.remove(&path);
            self.report(name, DamageKind::EmptySegment, base, base);
            return;
        }
        self.report(name, DamageKind::BadHeader, base, base + content.len() as u64);
        // If the renaming fails, the segment is met, and left out, again.
        let _renamed = self.disk.rename(&path, &self.dir.join(format!("{name}{DAMAGED_SUFFIX}")));
        let aside: Vec<String> = self.disk.list(self.dir).unwrap_or_default();
        let aside: Vec<&String> = aside
            .iter()
            .filter(|name| name.ends_with(&format!("{SEGMENT_SUFFIX}{DAMAGED_SUFFIX}")))
            .collect();
        for oldest in aside.iter().take(aside.len().saturating_sub(MAX_SET_ASIDE)) {
            let _removed = self.disk.remove(&self.dir.join(oldest));
        }
    }

    /// Finds out what every cursor has passed: only what is lost after that is a hole.
    fn set_needed(&mut self, candidates: &[Candidate]) {
        let floors = candidates.iter().map(|candidate| candidate.header.floor);
        let marked = self.marks.as_deref().and_then(decode_marks).map_or(0, |(_, floor, _)| floor.0);
        let floor = floors.chain([marked]).max().unwrap_or_default();
        let saved = self.cursors.values().map(|cursor| cursor.pos.0).min().unwrap_or_default();
        self.floor = Pos(floor);
        self.needed = Pos(floor.max(saved));
    }

    /// Leaves out, and removes, the segments that a later one declares void, and bounds those before it.
    fn without_void(&mut self, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let mut kept: Vec<Candidate> = Vec::new();
        for mut candidate in candidates.into_iter().rev() {
            if let Some(later) = kept.last() {
                let (base, void_from) = (candidate.header.base, later.header.prev_end);
                if base >= void_from && later.header.prev_base != base {
                    let _removed = self.disk.remove(&self.dir.join(segment_name(base)));
                    continue;
                }
                candidate.limit = candidate.limit.min(void_from);
            }
            kept.push(candidate);
        }
        kept.reverse();
        kept
    }

    /// Reports the segment that stood before this one and is gone.
    fn note_missing(&mut self, candidate: &Candidate, before: (u64, u64)) {
        let SegmentHeader { base, prev_base, prev_end, .. } = candidate.header;
        if prev_base == NO_SEGMENT || prev_base == before.0 || prev_end <= self.needed.0 {
            return;
        }
        if !self.unusable.contains(&prev_base) {
            self.report(&segment_name(prev_base), DamageKind::MissingSegment, before.1.max(prev_base), base);
        }
    }

    /// Reads a segment's records into the account of boots. `None` if it cannot be read.
    fn read_segment(&mut self, candidate: &Candidate) -> Option<Segment> {
        let header = candidate.header;
        let name = segment_name(header.base);
        let start = Pos(header.base + HEADER_BYTES as u64);
        let Ok(bytes) = self.read_records(candidate) else {
            self.report(&name, DamageKind::Unreadable, header.base, candidate.limit);
            self.unusable.push(header.base);
            self.unreadable = Some(header.base);
            return None;
        };
        let mut content = Content::default();
        let (end, torn) = scan(&bytes, header.nonce, start, |found| match found {
            Found::Record(record) => {
                if !self.take(&record, &mut content) {
                    self.report(&name, DamageKind::BadBatch, record.pos.0, record.next().0);
                }
            }
            Found::Bad(from, to) => self.report(&name, DamageKind::BadBatch, from.0, to.0),
        });
        if torn {
            self.report(&name, DamageKind::TornTail, end.0, start.0 + bytes.len() as u64);
        }
        Some(Segment::new(header, self.dir, content))
    }

    /// Takes a valid record into the account; `false` if its entries are there already.
    fn take(&mut self, record: &Record<'_>, content: &mut Content) -> bool {
        let range = record.pos.0..record.next().0;
        if record.kind != Kind::Checkpoint && range.end > self.needed.0 {
            self.quota.add(&record.key[..record.group_len], range.end - range.start, Pos(range.end));
        }
        match record.kind {
            Kind::Batch | Kind::Fill | Kind::Vanished => {
                let seqs = record.first_seq..record.next_seq;
                // If something is missing before this batch, it is a hole unless all cursors had passed the place. All
                // that is known of the place is that it is before this one.
                let needed = record.pos >= self.needed;
                let seen = self.boots.batch(record.key, record.boot, seqs, record.kind, record.pos, needed);
                if seen == Seen::Twice {
                    return false;
                }
                let key = self.boots.intern(record.key);
                content.add(range, Some(&key));
                self.batches_end = record.next();
            }
            Kind::End => {
                self.boots.end(record.key, record.boot, record.pos);
                content.add(range, None);
            }
            Kind::Told => {
                self.boots.told(record.key, record.boot, record.first_seq, record.pos);
                content.add(range, None);
            }
            Kind::Checkpoint => {
                for note in decode_notes(record.body) {
                    self.boots.noted(note, self.needed, HoleReason::Damaged);
                }
                content.add(range, None);
            }
        }
        true
    }

    /// Reports segments that end before the place that the next one says they reached.
    fn note_short_ends(&mut self, candidates: &[Candidate], segments: &VecDeque<Arc<Segment>>) {
        for later in candidates {
            let SegmentHeader { base, prev_base, prev_end, .. } = later.header;
            let Some(segment) = segments.iter().find(|segment| segment.header.base == prev_base) else {
                continue;
            };
            let end = segment.data_end();
            let name = segment_name(prev_base);
            let known =
                self.damaged.iter().any(|damage| damage.file == name && damage.kind == DamageKind::TornTail);
            if end < prev_end && prev_end != base {
                if known {
                    self.damaged.retain(|damage| damage.file != name || damage.kind != DamageKind::TornTail);
                }
                self.report(&name, DamageKind::BadBatch, end.max(prev_base), prev_end);
            }
        }
    }

    /// What a mark has and no segment is a hole too.
    fn compare_marks(&mut self, config: &Config) {
        let marks = self.marks.take();
        if let Some((_, _, body)) = marks.as_deref().and_then(decode_marks) {
            for note in decode_notes(body) {
                self.boots.noted(note, self.needed, HoleReason::ShorterThanMark);
            }
        }
        for mark in &config.marks {
            let note = Note {
                key: &mark.key,
                boot: mark.boot,
                start_seq: 1,
                next_seq: mark.next_seq,
                last_pos: Pos(0),
                ended: false,
                told_seq: 0,
                vanished: Vec::new(),
            };
            let start_seq = self.boots.get(&mark.key, mark.boot).map_or(1, |known| known.start_seq);
            // It says nothing of a place, so nothing says that the cursors had passed it.
            self.boots.noted(Note { start_seq, ..note }, Pos(0), HoleReason::ShorterThanMark);
        }
    }

    fn finish(
        mut self,
        config: Config,
        segments: VecDeque<Arc<Segment>>,
        candidates: &[Candidate],
    ) -> Result<(Spool, Recovery), Error> {
        if let Some(oldest) = segments.front() {
            self.boots.forget_before(Pos(oldest.header.base));
        }
        let base = self.next_base.saturating_add(if self.next_base == 0 { 0 } else { START_STRIDE });
        let base = base.next_multiple_of(8);
        let last = segments.back().map_or((NO_SEGMENT, 0), |last| (last.header.base, last.data_end()));
        let prev = match self.unreadable {
            Some(unreadable) if last.0 == NO_SEGMENT || unreadable > last.0 => (unreadable, base),
            _ => last,
        };
        self.trim(&segments);
        let recovery = Recovery {
            boots: self.boots.states(),
            holes: self.boots.holes(),
            damaged: std::mem::take(&mut self.damaged),
        };
        let distrusted = self.make_durable(&segments, candidates);
        let shared = Shared::new(Arc::clone(self.disk), segments, Pos(base), Pos(base));
        let mut spool = Spool {
            shared: Arc::new(shared),
            dir: self.dir.to_path_buf(),
            config,
            boots: self.boots,
            quota: self.quota,
            cursors: self.cursors,
            writer: Writer::new(base, prev, self.floor),
            batches_end: self.batches_end,
            failed_syncs: 0,
            moves: 0,
        };
        if let Some(Distrusted { from, records }) = distrusted {
            spool.failed_syncs += 1;
            spool.shared.set_durable(from);
            spool.writer.distrust(&records);
            // If this fails too, the batches are readable and not durable, as after any failed sync.
            let _tried = spool.sync();
        }
        spool.pass();
        Ok((spool, recovery))
    }

    /// Syncs what was found: after `kill -9` it may be in the page cache only, and is about to be acknowledged. Returns what
    /// the disk refuses to make durable.
    fn make_durable(
        &self,
        segments: &VecDeque<Arc<Segment>>,
        candidates: &[Candidate],
    ) -> Option<Distrusted> {
        let doubtful = |segment: &Segment| segment.data_end() > self.durable.0;
        let mut failed =
            segments.iter().find(|segment| doubtful(segment) && self.sync_again(segment).is_err());
        if failed.is_none() && self.disk.sync_dir(self.dir, SyncPoint::SpoolRecoveredDir).is_err() {
            failed = segments.iter().find(|segment| doubtful(segment));
        }
        let failed = failed?;
        let first = failed.content().extents.first().map_or(failed.header.base, |extent| extent.start);
        let from = self.durable.max(Pos(first));
        let mut records = Vec::new();
        for segment in segments.iter().filter(|segment| segment.data_end() > from.0) {
            let Some(candidate) =
                candidates.iter().find(|candidate| candidate.header.base == segment.header.base)
            else {
                continue;
            };
            let bytes = self.read_records(candidate).unwrap_or_default();
            let start = Pos(candidate.header.base + HEADER_BYTES as u64);
            scan(&bytes, candidate.header.nonce, start, |found| {
                if let Found::Record(record) = found
                    && record.pos >= from
                    && (is_batch(record.kind) || matches!(record.kind, Kind::End | Kind::Told))
                    && segment.content().extents.iter().any(|extent| extent.contains(&record.pos.0))
                {
                    let mut raw = Vec::with_capacity(record.len());
                    record.encode(candidate.header.nonce, &mut raw);
                    records.push((record.pos, raw));
                }
            });
        }
        Some(Distrusted { from, records })
    }

    /// Writes what is not known to be durable once more, to the same place, and syncs it. The sync alone would not do: if
    /// one has failed before the restart, the pages count as clean and no later sync writes them.
    fn sync_again(&self, segment: &Segment) -> io::Result<()> {
        let base = segment.header.base;
        let from = self.durable.0.saturating_sub(base);
        let len = usize::try_from((segment.data_end() - base).saturating_sub(from));
        let mut bytes = vec![0; len.map_err(|_| io::ErrorKind::FileTooLarge)?];
        let file = self.disk.open(&segment.path)?;
        let filled = file.read_at(from, &mut bytes)?;
        file.write_at(from, &bytes[..filled])?;
        file.sync_data(SyncPoint::SpoolRecovered)
    }

    /// The bytes of a segment's records.
    fn read_records(&self, candidate: &Candidate) -> io::Result<Vec<u8>> {
        let base = candidate.header.base;
        let file = self.disk.open(&self.dir.join(segment_name(base)))?;
        let end = file.len()?.min(candidate.limit - base).min(MAX_SEGMENT_BYTES);
        let len = usize::try_from(end.saturating_sub(HEADER_BYTES as u64))
            .map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        let filled = file.read_at(HEADER_BYTES as u64, &mut bytes)?;
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Gives back the space that the newest segment reserved and did not use: the next batch begins a new one. A torn
    /// tail is left for people to look at.
    fn trim(&self, segments: &VecDeque<Arc<Segment>>) {
        let Some(last) = segments.back() else { return };
        let end = last.data_end();
        let torn = self.damaged.iter().any(|damage| damage.to.0 > end && damage.from.0 < last.limit());
        if !torn && end > last.header.base {
            let trimmed = self.disk.open(&last.path).and_then(|file| file.set_len(end - last.header.base));
            // Space that stays reserved is no harm to the data.
            trimmed.unwrap_or_default();
        }
    }
}
