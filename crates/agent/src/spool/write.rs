//! Appending and syncing.

use super::boots::Note;
use super::format::{
    Decoded, HEADER_BYTES, Kind, NO_SEGMENT, RECORD_HEADER_BYTES, Record, SegmentHeader, record_len,
};
use super::segment::{Content, Segment};
use super::{BatchRef, Error, MAX_BODY_BYTES, MAX_KEY_BYTES, Pos, Spool};
use disk::{File, SyncPoint};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// What the writer alone knows.
#[derive(Debug)]
pub(super) struct Writer {
    /// Base of the next segment; no position at or after it was ever used.
    pub(super) next_base: u64,
    /// Where the content before the next segment ends: its base, and the position after its last record.
    pub(super) prev: (u64, u64),
    /// What was before it has been released: every cursor had passed it.
    pub(super) floor: Pos,
    active: Option<Active>,
    /// Files with writes that no sync has covered yet.
    dirty: Vec<Active>,
    /// Whether the directory has entries that no sync has covered yet.
    dir_dirty: bool,
    /// Records that no sync has covered yet, one after the other as on disk: a failed sync needs them again.
    unsynced: Vec<u8>,
    /// Position of each of them, and its end in `unsynced`.
    unsynced_at: Vec<(Pos, usize)>,
    /// A sync has failed, and what it should have covered is not written anew yet.
    broken: bool,
}

#[derive(Clone, Debug)]
struct Active {
    segment: Arc<Segment>,
    file: Arc<dyn File>,
}

impl Writer {
    pub(super) fn new(next_base: u64, prev: (u64, u64), floor: Pos) -> Self {
        Self {
            next_base,
            prev,
            floor,
            active: None,
            dirty: Vec::new(),
            dir_dirty: false,
            unsynced: Vec::new(),
            unsynced_at: Vec::new(),
            broken: false,
        }
    }

    pub(super) fn unsynced_bytes(&self) -> usize {
        self.unsynced.len()
    }

    /// Takes over records that are readable but that the disk refused to make durable: they are written anew, into a
    /// segment that ends the one they stand in, even if there are none.
    pub(super) fn distrust(&mut self, records: &[(Pos, Vec<u8>)]) {
        for (pos, record) in records {
            self.unsynced.extend_from_slice(record);
            self.unsynced_at.push((*pos, self.unsynced.len()));
        }
        self.prev = (NO_SEGMENT, 0);
        self.broken = true;
    }

    fn unsynced_records(&self) -> impl Iterator<Item = (Pos, &[u8])> {
        let starts = std::iter::once(0).chain(self.unsynced_at.iter().map(|(_, end)| *end));
        self.unsynced_at.iter().zip(starts).map(|((pos, end), start)| (*pos, &self.unsynced[start..*end]))
    }
}

impl Spool {
    /// Appends a batch and returns its position. It is readable at once, and durable once `durable()` is greater than the
    /// position. One write, one CRC; a sync only when `max_unsynced_bytes` is reached.
    ///
    /// # Errors
    /// `Duplicate` or `Ahead` when the batch does not begin at the boot's next seq (a boot not known may begin anywhere),
    /// `Invalid` when it breaks a bound, `Full` and `Io` from the disk. Nothing is stored then.
    pub fn append(&mut self, batch: BatchRef<'_>) -> Result<Pos, Error> {
        self.append_batch(&batch, Kind::Batch)
    }

    /// Appends a batch that fills (a part of) a hole reported by [`Spool::open`]: the gap record, or the lines themselves; or
    /// lines in the place of what [`Spool::vanish`] stated as missing.
    ///
    /// # Errors
    /// As [`Spool::append`]; `Duplicate` when the range is not within one open hole or vanished range.
    pub fn fill(&mut self, batch: BatchRef<'_>) -> Result<Pos, Error> {
        self.append_batch(&batch, Kind::Fill)
    }

    pub(super) fn append_batch(&mut self, batch: &BatchRef<'_>, kind: Kind) -> Result<Pos, Error> {
        check_bounds(batch)?;
        let seqs = batch.first_seq..batch.next_seq;
        self.boots.check(batch.key, batch.boot, &seqs, kind == Kind::Fill)?;
        let pos = self.write_record(&Record {
            kind,
            pos: Pos(0),
            group_len: batch.group_len,
            boot: batch.boot,
            first_seq: batch.first_seq,
            next_seq: batch.next_seq,
            count: batch.count,
            time: batch.time,
            key: batch.key,
            body: batch.bytes,
        })?;
        self.boots.batch(batch.key, batch.boot, seqs, kind, pos, true);
        let bytes = record_len(batch.key.len(), batch.bytes.len()) as u64;
        self.quota.add(&batch.key[..batch.group_len], bytes, self.shared.end());
        self.batches_end = self.shared.end();
        Ok(pos)
    }

    /// Writes a record at the end; `record.pos` is not looked at.
    pub(super) fn write_record(&mut self, record: &Record<'_>) -> Result<Pos, Error> {
        if self.writer.broken || self.writer.unsynced.len() >= self.config.max_unsynced_bytes {
            self.sync()?;
        }
        let active = self.room_for(record.len() as u64, record.time)?;
        let base = active.segment.header.base;
        let pos = Pos(active.segment.data_end());
        let start = self.writer.unsynced.len();
        Record { pos, ..*record }.encode(active.segment.header.nonce, &mut self.writer.unsynced);
        let written = active.file.write_at(pos.0 - base, &self.writer.unsynced[start..]);
        if let Err(error) = written {
            // The place stays free: the next record is written over whatever was written now.
            self.writer.unsynced.truncate(start);
            return Err(Error::disk("write", &active.segment.path, error));
        }
        self.writer.unsynced_at.push((pos, self.writer.unsynced.len()));
        if self.writer.dirty.last().is_none_or(|dirty| dirty.segment.header.base != base) {
            self.writer.dirty.push(active.clone());
        }
        let end = pos.0 + record.len() as u64;
        let key = is_batch(record.kind).then(|| self.boots.intern(record.key));
        active.segment.content().add(pos.0..end, key.as_ref());
        self.shared.set_end(Pos(end));
        Ok(pos)
    }

    /// The active segment if it has room, or a new one.
    fn room_for(&mut self, len: u64, now: i64) -> Result<Active, Error> {
        if let Some(active) = &self.writer.active
            && active.segment.data_end() + len <= active.segment.limit()
        {
            return Ok(active.clone());
        }
        let prev = match &self.writer.active {
            Some(active) => (active.segment.header.base, active.segment.data_end()),
            None => self.writer.prev,
        };
        let (checkpoint, left_out) = self.checkpoint(&HashMap::new());
        // The segment before ends here even if making the next one fails: a half-made file that comes back after a power
        // cut says so too.
        self.writer.active = None;
        self.writer.prev = prev;
        let (active, _) = self.make_segment(prev, &checkpoint, (len, false), now)?;
        let mut segments = self.shared.segments_mut();
        let oldest = segments.front().map_or(active.segment.header.base, |segment| segment.header.base);
        segments.push_back(Arc::clone(&active.segment));
        drop(segments);
        self.boots.forget(&left_out, Pos(oldest));
        self.writer.dir_dirty = true;
        self.writer.dirty.push(active.clone());
        self.writer.active = Some(active.clone());
        Ok(active)
    }

    /// Makes a segment file that begins with a checkpoint and has room for `len` bytes after it; not yet seen by readers.
    /// Returns the bytes of the checkpoint's record too. With `anew`, the caller writes the header when the rest is durable.
    fn make_segment(
        &mut self,
        (prev_base, prev_end): (u64, u64),
        checkpoint: &[u8],
        (len, anew): (u64, bool),
        now: i64,
    ) -> Result<(Active, u64), Error> {
        let base = self.writer.next_base;
        let first = record_len(0, checkpoint.len()) as u64;
        let capacity = self.config.segment_bytes.max(HEADER_BYTES as u64 + first + len);
        let floor = self.writer.floor.0;
        let nonce = fresh_nonce();
        let header = SegmentHeader { base, capacity, prev_base, prev_end, floor, nonce, time: now };
        let pos = Pos(base + HEADER_BYTES as u64);
        let mut content = Content::default();
        content.add(pos.0..pos.0 + first, None);
        let segment = Arc::new(Segment::new(header, &self.dir, content));
        let mut bytes = if anew { vec![0; HEADER_BYTES] } else { header.encode() };
        checkpoint_record(pos, checkpoint, now).encode(nonce, &mut bytes);
        let disk = &self.shared.disk;
        let made = disk.create(&segment.path).and_then(|file| {
            file.allocate(capacity)?;
            file.write_at(0, &bytes)?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                self.writer.next_base = (base + capacity).next_multiple_of(8);
                Ok((Active { segment, file }, first))
            }
            Err(error) => {
                // A half-made segment has no content; if it cannot be removed now, the next attempt empties it.
                let _removed = disk.remove(&segment.path);
                Err(Error::disk("make", &segment.path, error))
            }
        }
    }

    /// The body of a checkpoint, at most a quarter of a segment, and the boots that it has no room for. `before` says, for
    /// boots whose newest records will stand after the checkpoint, how they were before.
    fn checkpoint(&self, before: &HashMap<(&[u8], u64), Before>) -> (Vec<u8>, Vec<BootName>) {
        let max_bytes = usize::try_from(self.config.segment_bytes / 4).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        let mut left_out = Vec::new();
        for (key, boot) in self.boots.by_weight() {
            let mut note = Note::of(key, boot);
            if let Some(before) = before.get(&(&key[..], boot.boot)) {
                note.next_seq = before.next_seq.unwrap_or(note.next_seq);
                note.ended &= !before.ends;
                note.last_pos = note.last_pos.min(before.durable);
                note.vanished.retain(|range| range.end <= note.next_seq);
            }
            if note.next_seq <= note.start_seq && before.contains_key(&(&key[..], boot.boot)) {
                continue;
            }
            if body.len() + note.len() <= max_bytes {
                note.encode(&mut body);
            } else {
                left_out.push((Arc::clone(key), boot.boot));
            }
        }
        (body, left_out)
    }

    /// Makes everything appended so far durable and returns the durable end.
    ///
    /// After a failed sync the segment is closed and never trusted again: what was not durable is written anew into a
    /// fresh segment, under new and higher positions, and that is synced. A reader that had seen those batches sees them
    /// again there.
    ///
    /// # Errors
    /// When the second attempt fails too. Nothing is lost: the batches are still in memory, and the next call (or
    /// `append`) tries again.
    pub fn sync(&mut self) -> Result<Pos, Error> {
        if !self.writer.broken {
            if self.writer.unsynced.is_empty() && !self.writer.dir_dirty {
                return Ok(self.durable());
            }
            if self.sync_files().is_ok() {
                self.writer.unsynced.clear();
                self.writer.unsynced_at.clear();
                self.shared.set_durable(self.shared.end());
                return Ok(self.durable());
            }
            self.failed_syncs += 1;
            self.writer.broken = true;
        }
        self.rewrite()?;
        Ok(self.durable())
    }

    fn sync_files(&mut self) -> std::io::Result<()> {
        for dirty in &self.writer.dirty {
            dirty.file.sync_data(SyncPoint::SpoolBatch)?;
        }
        if self.writer.dir_dirty {
            self.shared.disk.sync_dir(&self.dir, SyncPoint::SpoolDir)?;
        }
        self.writer.dirty.clear();
        self.writer.dir_dirty = false;
        Ok(())
    }

    /// Writes what is not durable into a fresh segment and syncs that; then the readers see it there.
    fn rewrite(&mut self) -> Result<(), Error> {
        let trusted = self.durable();
        let records: Vec<Record<'_>> =
            self.writer.unsynced_records().filter_map(|(pos, raw)| parse(raw, pos)).collect();
        let (checkpoint, _) = self.checkpoint(&before(&records, trusted));
        let len: usize = records.iter().map(Record::len).sum();
        let now = records.last().map_or(0, |record| record.time);
        let prev = self.trusted_end(trusted);
        let unsynced = std::mem::take(&mut self.writer.unsynced);
        let unsynced_at = std::mem::take(&mut self.writer.unsynced_at);
        let written = self.write_anew(&unsynced, &unsynced_at, prev, &checkpoint, (len as u64, now));
        match written {
            Ok((active, bytes, at)) => {
                self.adopt(active, trusted, &bytes, &at);
                Ok(())
            }
            Err(error) => {
                self.writer.unsynced = unsynced;
                self.writer.unsynced_at = unsynced_at;
                Err(error)
            }
        }
    }

    /// The segment in which the durable content ends, and where.
    fn trusted_end(&self, trusted: Pos) -> (u64, u64) {
        let opened = self.writer.prev;
        let segments = self.shared.segments();
        let last = segments.iter().rev().find(|segment| segment.header.base < trusted.0);
        match last.map(|segment| (segment.header.base, segment.data_end().min(trusted.0))) {
            Some(last) if opened.0 == NO_SEGMENT || last.0 >= opened.0 => last,
            _ => opened,
        }
    }

    /// Makes a segment of the given records, durably. Returns it with the records' new bytes and places.
    fn write_anew(
        &mut self,
        unsynced: &[u8],
        unsynced_at: &[(Pos, usize)],
        prev: (u64, u64),
        checkpoint: &[u8],
        (len, now): (u64, i64),
    ) -> Result<(Active, Vec<u8>, Vec<Pos>), Error> {
        let (active, first) = self.make_segment(prev, checkpoint, (len, true), now)?;
        let header = active.segment.header;
        let start = header.base + HEADER_BYTES as u64 + first;
        let (mut bytes, mut places, mut from) = (Vec::with_capacity(unsynced.len()), Vec::new(), 0);
        for (pos, end) in unsynced_at {
            if let Some(record) = parse(&unsynced[from..*end], *pos) {
                let pos = Pos(start + bytes.len() as u64);
                Record { pos, ..record }.encode(header.nonce, &mut bytes);
                places.push(pos);
            }
            from = *end;
        }
        let synced = active
            .file
            .write_at(start - header.base, &bytes)
            .and_then(|()| active.file.sync_data(SyncPoint::SpoolBatch))
            // The header declares what it replaces void, so it must not be found before all of that stands here.
            .and_then(|()| active.file.write_at(0, &header.encode()))
            .and_then(|()| active.file.sync_data(SyncPoint::SpoolBatch))
            .and_then(|()| self.shared.disk.sync_dir(&self.dir, SyncPoint::SpoolDir));
        if let Err(error) = synced {
            let _removed = self.shared.disk.remove(&active.segment.path);
            return Err(Error::disk("sync", &active.segment.path, error));
        }
        Ok((active, bytes, places))
    }

    /// Lets a segment written anew take the place of everything from `trusted` on.
    fn adopt(&mut self, active: Active, trusted: Pos, bytes: &[u8], places: &[Pos]) {
        let ends = places.iter().skip(1).map(|pos| pos.0);
        let start = places.first().map_or(0, |pos| pos.0);
        let end = active.segment.data_end() + bytes.len() as u64;
        for (pos, next) in places.iter().zip(ends.chain(std::iter::once(end))) {
            let Some(record) = bytes.get(small(pos.0 - start)..).and_then(|raw| parse(raw, *pos)) else {
                continue;
            };
            let key = is_batch(record.kind).then(|| self.boots.intern(record.key));
            active.segment.content().add(pos.0..next, key.as_ref());
            if key.is_some() {
                self.batches_end = Pos(next);
            }
            self.boots.moved(record.key, record.boot, *pos, key.is_some());
        }
        let mut segments = self.shared.segments_mut();
        let mut void = Vec::new();
        while segments.back().is_some_and(|segment| segment.header.base >= trusted.0) {
            void.extend(segments.pop_back());
        }
        if let Some(last) = segments.back() {
            last.cut(trusted.0);
        }
        segments.push_back(Arc::clone(&active.segment));
        drop(segments);
        self.quota.moved(trusted, Pos(end));
        self.shared.set_end(Pos(end));
        self.shared.set_durable(Pos(end));
        self.writer.active = Some(active);
        self.writer.dirty.clear();
        self.writer.dir_dirty = false;
        self.writer.broken = false;
        self.moves += 1;
        for segment in void {
            // The fresh segment declares it void; if it stays, the next start removes it.
            let _removed = self.shared.disk.remove(&segment.path);
        }
    }
}

/// A Machine's key and a boot of it.
type BootName = (Arc<[u8]>, u64);

/// How a boot was before records that are written anew.
#[derive(Clone, Copy, Debug)]
struct Before {
    next_seq: Option<u64>,
    ends: bool,
    durable: Pos,
}

fn before<'a>(records: &[Record<'a>], durable: Pos) -> HashMap<(&'a [u8], u64), Before> {
    let mut boots: HashMap<(&[u8], u64), Before> = HashMap::new();
    for record in records {
        let boot =
            boots.entry((record.key, record.boot)).or_insert(Before { next_seq: None, ends: false, durable });
        match record.kind {
            Kind::Batch | Kind::Vanished => boot.next_seq = boot.next_seq.or(Some(record.first_seq)),
            Kind::End => boot.ends = true,
            Kind::Fill | Kind::Checkpoint | Kind::Told => {}
        }
    }
    boots
}

pub(super) fn is_batch(kind: Kind) -> bool {
    matches!(kind, Kind::Batch | Kind::Fill | Kind::Vanished)
}

/// A record whose nonce is not at hand, from memory.
fn parse(raw: &[u8], pos: Pos) -> Option<Record<'_>> {
    let nonce = u64::from_le_bytes(*raw.first_chunk()?);
    match Record::decode(raw, nonce, pos) {
        Decoded::Record(record, _) => Some(record),
        Decoded::Short(_) | Decoded::Bad => None,
    }
}

/// An offset into something that is in memory, so that it fits.
fn small(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn checkpoint_record(pos: Pos, body: &[u8], time: i64) -> Record<'_> {
    Record {
        kind: Kind::Checkpoint,
        pos,
        group_len: 0,
        boot: 0,
        first_seq: 0,
        next_seq: 0,
        count: 0,
        time,
        key: &[],
        body,
    }
}

/// Random from the system: the standard library's hash keys are. A tenant who cannot guess it cannot forge a record.
fn fresh_nonce() -> u64 {
    // Zero would look like unused space.
    RandomState::new().hash_one(RECORD_HEADER_BYTES).max(1)
}

fn check_bounds(batch: &BatchRef<'_>) -> Result<(), Error> {
    if batch.key.is_empty() || batch.key.len() > MAX_KEY_BYTES {
        return Err(Error::Invalid("a key has 1 to 1024 bytes; shorten the Machine's address"));
    }
    if batch.group_len > batch.key.len() {
        return Err(Error::Invalid("the group is the first part of the key; it cannot be longer"));
    }
    if batch.bytes.len() > MAX_BODY_BYTES {
        return Err(Error::Invalid("a batch has at most 8 MiB; split it"));
    }
    if batch.first_seq == 0 || batch.next_seq <= batch.first_seq {
        return Err(Error::Invalid("a batch covers at least one seq, from 1 on"));
    }
    Ok(())
}
