//! Every record that the agent has not acknowledged: frames that are ready to send, in the order of their sequence numbers.
//!
//! Records go into one open frame. It is sealed when it is full or when it is time to send, and then stays here until the
//! agent acknowledges it. When the ring is full, the oldest lines go and a gap takes their place: lines of stdout first;
//! stderr has a floor of a quarter of the ring (at least 64 KiB) that no stdout takes from it; events have 64 KiB more and the
//! last of them, how the app ended, never goes.
//!
//! `old` holds what was thinned out (gaps, and frames of what was kept), `fresh` the frames as they were sealed; each number from the
//! first to the last is in exactly one slot, or in the open frame.

mod slot;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use line::Stream;
use line::frame::{BatchWriter, GapFrame, RecordFlags};

use slot::{Body, Rank, Slot};

/// Size to which a frame is filled.
const FRAME_BYTES: usize = line::frame::BATCH_BYTES;

/// What events may take besides the ring's size.
const EVENT_BYTES: usize = 64 * 1024;

/// What [`Ring::free_bytes`] leaves alone: the open frame, the next one, and what the slots themselves take.
const RESERVED_BYTES: usize = 2 * FRAME_BYTES + FRAME_BYTES / 8;

/// What comes next on the way to the agent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A whole frame.
    Frame(&'a [u8]),
    /// A gap, to be put into a frame.
    Gap(GapFrame),
}

/// The ring. Its sealed frames and the bookkeeping about them take at most the size that was asked for and 64 KiB for events.
#[derive(Debug)]
pub(crate) struct Ring {
    old: VecDeque<Slot>,
    fresh: VecDeque<Slot>,
    open: Option<Open>,
    /// The seq that the next record gets.
    next_seq: u64,
    /// On this connection everything below is sent.
    sent_seq: u64,
    /// The frame at `sent_seq` is partly sent: it must not change.
    pinned: bool,
    /// Bytes of frames below `sent_seq`.
    in_flight_bytes: usize,
    /// Cost of everything in `old` and `fresh`.
    held_bytes: usize,
    /// Cost of what is in `old`, by [`Rank`].
    old_bytes: [usize; 3],
    capacity_bytes: usize,
    /// Nobody pushes lines into a full ring, so that what overflows it are events.
    lossless: bool,
    /// Buffers of acknowledged frames, for the next ones.
    spare: Vec<Vec<u8>>,
    /// How many of them were never needed since the last [`Ring::trim`].
    unused: usize,
}

/// The frame that records are added to.
#[derive(Debug)]
struct Open {
    writer: BatchWriter,
    since: i64,
    events: u32,
}

impl Ring {
    /// An empty ring of `capacity_bytes`, at least [`crate::Config::MIN_RING_BYTES`], before the first record of a boot.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self {
            old: VecDeque::new(),
            fresh: VecDeque::new(),
            open: None,
            next_seq: 1,
            sent_seq: 1,
            pinned: false,
            in_flight_bytes: 0,
            held_bytes: 0,
            old_bytes: [0; 3],
            capacity_bytes,
            lossless: false,
            spare: Vec::new(),
            unused: 0,
        }
    }

    /// Appends a record. Makes room by dropping when a frame is full and the ring too.
    #[inline]
    pub(crate) fn push(&mut self, time: i64, stream: Stream, flags: RecordFlags, text: &[u8]) {
        let need = text.len() + BatchWriter::RECORD_OVERHEAD_BYTES;
        if self.open.as_ref().is_some_and(|open| open.writer.frame_bytes() + need > FRAME_BYTES) {
            self.seal();
        }
        let (next_seq, spare, unused) = (self.next_seq, &mut self.spare, &mut self.unused);
        let open = self.open.get_or_insert_with(|| {
            let buffer = spare.pop().unwrap_or_else(|| Vec::with_capacity(FRAME_BYTES));
            *unused = spare.len().min(*unused);
            Open { writer: BatchWriter::new(buffer, next_seq, time), since: time, events: 0 }
        });
        open.writer.push(time, stream, flags, text);
        open.events += u32::from(stream == Stream::Init);
        self.next_seq += 1;
    }

    /// Ends the open frame, so that it can be sent.
    pub(crate) fn seal(&mut self) {
        let Some(Open { writer, since, events }) = self.open.take() else { return };
        let (count, text_bytes) = (u64::from(writer.count()), writer.text_bytes());
        let seq = self.next_seq - count;
        let body = match writer.finish() {
            Ok(frame) => Body::Frame { bytes: self.fit(frame), rank: Rank::Fresh, events },
            // A record that no frame holds: no fragment and no event is that long.
            Err(_) => Body::Gap { text_bytes },
        };
        let slot = Slot { seq, count, time: since, body };
        self.held_bytes += slot.cost();
        self.fresh.push_back(slot);
        self.make_room();
    }

    /// A frame that leaves most of its buffer empty moves to one of its size, so that memory is what is held.
    fn fit(&mut self, frame: Vec<u8>) -> Vec<u8> {
        if frame.len() * 2 > frame.capacity() {
            return frame;
        }
        let fitting = frame.as_slice().to_vec();
        self.keep_buffer(frame);
        fitting
    }

    fn keep_buffer(&mut self, buffer: Vec<u8>) {
        let taken_bytes = self.held_bytes + self.spare.len() * FRAME_BYTES;
        if buffer.capacity() >= FRAME_BYTES && taken_bytes + FRAME_BYTES <= self.capacity_bytes {
            self.spare.push(buffer);
        }
    }

    /// Frees the buffers that were not needed since this was last called. False if there is none.
    pub(crate) fn trim(&mut self) -> bool {
        let left = self.spare.len() - self.unused.min(self.spare.len());
        let has_unused = left < self.spare.len();
        self.spare.truncate(left);
        self.unused = left;
        has_unused
    }

    /// Drops until what is held leaves room for the next frame.
    fn make_room(&mut self) {
        let events = if self.lossless { EVENT_BYTES } else { 0 };
        while self.held_bytes + FRAME_BYTES > self.capacity_bytes + events {
            let [_, stderr_bytes, event_bytes] = self.old_bytes;
            let dropped = if event_bytes > EVENT_BYTES {
                self.drop_oldest(Rank::Events)
            } else if stderr_bytes > self.floor_bytes() {
                self.drop_oldest(Rank::Kept)
            } else {
                false
            };
            if !(dropped || self.thin_out() || self.drop_oldest(Rank::Fresh) || self.drop_oldest(Rank::Kept))
            {
                return;
            }
        }
    }

    /// What stderr keeps, whatever stdout does.
    fn floor_bytes(&self) -> usize {
        (self.capacity_bytes / 4).max(FRAME_BYTES)
    }

    /// Moves the oldest fresh frame to the old ones: its lines of stdout become a gap. False if there is none.
    fn thin_out(&mut self) -> bool {
        let Some(slot) = self.fresh.pop_front() else { return false };
        self.held_bytes -= slot.cost();
        if self.is_pinned(&slot) {
            self.push_old(slot);
        } else {
            self.thin(slot, |thinner, slot| thinner.push_old(slot));
        }
        true
    }

    /// Drops, from the oldest old slot of `rank`, what that rank protects no more. False if there is none.
    fn drop_oldest(&mut self, rank: Rank) -> bool {
        let droppable = |slot: &Slot| slot.rank() == Some(rank) && !self.is_pinned(slot);
        let Some(at) = self.old.iter().position(droppable) else { return false };
        // Few slots come before the oldest one: gaps, events, the frame that is being sent.
        let mut front: Vec<Slot> = self.old.drain(..=at).collect();
        front.iter().for_each(|slot| self.uncount(slot));
        if let Some(slot) = front.pop() {
            self.thin(slot, |_, rest| front.push(rest));
        }
        front.into_iter().rev().for_each(|slot| self.push_old_front(slot));
        true
    }

    /// Gives `keep` what is left of a slot without the records that its rank gives up, and the gaps between.
    fn thin(&mut self, slot: Slot, mut keep: impl FnMut(&mut Self, Slot)) {
        if slot.seq < self.sent_seq {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(slot.frame_bytes());
        }
        for rest in slot.thinned() {
            if rest.seq < self.sent_seq {
                self.in_flight_bytes += rest.frame_bytes();
            }
            keep(self, rest);
        }
        if let Body::Frame { bytes, .. } = slot.body {
            self.keep_buffer(bytes);
        }
    }

    /// Appends to the old slots; a gap next to a gap becomes one, unless one was sent and the other was not.
    fn push_old(&mut self, slot: Slot) {
        let sent_seq = self.sent_seq;
        if let Some(last) = self.old.back_mut()
            && last.try_merge(&slot, sent_seq)
        {
            return;
        }
        self.count(&slot);
        self.old.push_back(slot);
    }

    /// The same at the other end.
    fn push_old_front(&mut self, mut slot: Slot) {
        let sent_seq = self.sent_seq;
        if let Some(first) = self.old.front_mut()
            && slot.try_merge(first, sent_seq)
        {
            *first = slot;
            return;
        }
        self.count(&slot);
        self.old.push_front(slot);
    }

    fn count(&mut self, slot: &Slot) {
        self.held_bytes += slot.cost();
        self.old_bytes[slot.rank().unwrap_or(Rank::Kept) as usize] += slot.cost();
    }

    fn uncount(&mut self, slot: &Slot) {
        self.held_bytes -= slot.cost();
        self.old_bytes[slot.rank().unwrap_or(Rank::Kept) as usize] -= slot.cost();
    }

    fn is_pinned(&self, slot: &Slot) -> bool {
        self.pinned && slot.seq <= self.sent_seq && self.sent_seq < slot.end()
    }

    /// Whether the caller stops pushing lines before the ring is full. Events may then take 64 KiB more.
    pub(crate) fn set_lossless(&mut self, lossless: bool) {
        self.lossless = lossless;
    }

    /// Takes an acknowledgement: everything below `next_seq` is safe. More than was sent counts as all that was sent.
    pub(crate) fn ack(&mut self, next_seq: u64) {
        let next_seq = next_seq.min(self.sent_seq);
        while let Some(slot) = self.old.pop_front_if(|slot| slot.end() <= next_seq) {
            self.uncount(&slot);
            self.release(slot);
        }
        if !self.old.is_empty() {
            return;
        }
        while let Some(slot) = self.fresh.pop_front_if(|slot| slot.end() <= next_seq) {
            self.held_bytes -= slot.cost();
            self.release(slot);
        }
    }

    fn release(&mut self, slot: Slot) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(slot.frame_bytes());
        if let Body::Frame { bytes, .. } = slot.body {
            self.keep_buffer(bytes);
        }
    }

    /// Begins a connection: the agent wants `resume_seq` next and has everything below. 0, or a number that it cannot
    /// have seen, means that it knows nothing of this boot: everything held is sent.
    pub(crate) fn resume(&mut self, resume_seq: u64) {
        self.disconnect();
        if !(1..=self.first_open_seq()).contains(&resume_seq) {
            return;
        }
        self.sent_seq = resume_seq;
        self.ack(resume_seq);
        // A frame that the agent has a part of is sent whole, it knows which part; a gap is sent from where it begins to matter.
        let half = self.slots().next().filter(|slot| slot.rank().is_some() && slot.seq < resume_seq);
        self.sent_seq = half.map_or(resume_seq, |slot| slot.seq).max(self.first_seq());
        self.in_flight_bytes = 0;
    }

    /// The connection is gone: nothing counts as sent.
    pub(crate) fn disconnect(&mut self) {
        self.pinned = false;
        self.in_flight_bytes = 0;
        self.sent_seq = self.first_seq();
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.old.iter().chain(&self.fresh)
    }

    /// The slot that holds `sent_seq`.
    fn next_slot(&self) -> Option<&Slot> {
        let in_old = self.old.back().is_some_and(|last| self.sent_seq < last.end());
        let slots = if in_old { &self.old } else { &self.fresh };
        slots.get(slots.partition_point(|slot| slot.end() <= self.sent_seq))
    }

    /// What is to be sent next, if it is sealed.
    pub(crate) fn next(&self) -> Option<Next<'_>> {
        let slot = self.next_slot()?;
        Some(match &slot.body {
            Body::Frame { bytes, .. } => Next::Frame(bytes),
            Body::Gap { text_bytes } => Next::Gap(slot.gap_from(self.sent_seq, *text_bytes)),
        })
    }

    /// What [`Ring::next`] gave is sent, or in part: then it must not change until the rest is.
    pub(crate) fn mark_sent(&mut self, wholly: bool) {
        self.pinned = !wholly;
        if wholly && let Some((end, bytes)) = self.next_slot().map(|slot| (slot.end(), slot.frame_bytes())) {
            self.sent_seq = end;
            self.in_flight_bytes += bytes;
        }
    }

    /// Bytes of frames that were sent on this connection and are neither acknowledged nor dropped.
    pub(crate) fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// When the open frame got its first record, if it has one.
    pub(crate) fn open_since(&self) -> Option<i64> {
        self.open.as_ref().map(|open| open.since)
    }

    /// Whether the open frame holds an event.
    pub(crate) fn is_urgent(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.events > 0)
    }

    /// The first seq that is held; [`Ring::next_seq`] if none is.
    pub(crate) fn first_seq(&self) -> u64 {
        self.slots().next().map_or(self.first_open_seq(), |slot| slot.seq)
    }

    fn first_open_seq(&self) -> u64 {
        self.next_seq - self.open.as_ref().map_or(0, |open| u64::from(open.writer.count()))
    }

    /// The seq that the next record gets.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Bytes that can be added, in whatever frames, before anything is dropped.
    pub(crate) fn free_bytes(&self) -> usize {
        self.capacity_bytes.saturating_sub(self.held_bytes + RESERVED_BYTES)
    }

    /// Whether at least half of what can be free is.
    pub(crate) fn is_half_free(&self) -> bool {
        self.free_bytes() >= (self.capacity_bytes - RESERVED_BYTES) / 2
    }

    /// What the agent is told of the size. The agent acknowledges nothing before it has a record of half of this, and such a
    /// record always fits: behind lines that fill the frame in which it begins, and in frames of which each takes twice
    /// its text, because a frame keeps its buffer from half of it on.
    pub(crate) fn announced_bytes(&self) -> usize {
        self.capacity_bytes - RESERVED_BYTES - FRAME_BYTES
    }

    /// Lines of the app that the agent has not acknowledged, dropped ones included.
    pub(crate) fn lines(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| u64::from(open.writer.count() - open.events));
        open + self.slots().map(Slot::lines).sum::<u64>()
    }
}
