//! What waits to be written to one client.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

use super::block::Block;
use crate::codec::write;

/// Size that a chunk of frames grows to. Between chunks an urgent frame goes out.
const CHUNK_BYTES: usize = 64 * 1024;
/// Frames that are shared with others are copied all the same if they have fewer bytes: many small ones are written at once.
const SHARED_FROM_BYTES: usize = 4 * 1024;
/// Empty buffers that are kept.
const MAX_SPARE: usize = 4;
/// Largest empty buffer that a client keeps for which nothing waits: there may be very many of those.
const IDLE_SPARE_BYTES: usize = 4 * 1024;
/// Bytes of answers (PONG, `+OK`, `-ERR`) that may wait. The client is not read while there are more.
pub(super) const MAX_ANSWER_BYTES: usize = 8 * 1024;
/// How long an answer stands in line behind the messages that came before it. A client that drains (UNSUB, PING, read up to
/// the PONG) relies on that line, and one that asks whether we live relies on an answer at all: clients give up on a PONG
/// after ten seconds or more, so one that has waited for half of that goes ahead.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// The queue: whole frames in chunks, in order; and urgent ones (our PING, a last word) that go out between two chunks.
#[derive(Debug, Default)]
pub struct Outgoing {
    urgent: Vec<u8>,
    chunks: VecDeque<Chunk>,
    spare: Vec<Vec<u8>>,
    /// Bytes in chunks.
    pending_bytes: usize,
    /// Those of them that are answers.
    answer_bytes: usize,
    /// While the writer is writing: when the client last took something, or the writer began.
    writing_since: Option<Instant>,
    /// The writer is at work, or somebody is about to wake it.
    is_called: bool,
    /// No more is taken; what is here may still go out, then the connection closes.
    closing: bool,
    /// Something is owed that waits until no more than so many bytes do.
    owed: Option<usize>,
}

/// Whole frames that are written at once.
#[derive(Debug, Default)]
struct Chunk {
    /// Frames that others are given too. If there are some, there are none of its own.
    shared: Option<Block>,
    bytes: Vec<u8>,
    answers: VecDeque<Answer>,
}

/// What is to be written next.
#[derive(Debug)]
pub(super) enum Piece {
    Own(Vec<u8>),
    Shared(Block),
}

impl std::ops::Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(block) => block,
        }
    }
}

/// Where in a chunk an answer stands.
#[derive(Debug)]
struct Answer {
    at: usize,
    len: usize,
    since: Instant,
}

/// A message on its way to subscriptions.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// The subject, as the client is to see it.
    pub subject: &'a [u8],
    /// Where an answer is wanted.
    pub reply: Option<&'a [u8]>,
    /// The header block, from `NATS/1.0` to its empty line.
    pub headers: Option<&'a [u8]>,
    /// The payload.
    pub payload: &'a [u8],
}

impl Outbound<'_> {
    /// About how many bytes its frame has: the ids and sizes are taken for 64 at most.
    pub fn frame_bytes(&self) -> usize {
        self.subject.len() + self.headers.map_or(0, <[u8]>::len) + self.payload.len() + 64
    }
}

/// Appends the frame of a message. A client without headers gets it without.
pub(super) fn write_frame(out: &mut Vec<u8>, sid: &[u8], message: &Outbound<'_>, with_headers: bool) {
    let headers = message.headers.filter(|_| with_headers);
    let header_bytes = headers.map(<[u8]>::len);
    let total = header_bytes.unwrap_or(0) + message.payload.len();
    out.reserve(message.frame_bytes() + sid.len() + message.reply.map_or(0, <[u8]>::len));
    write::message_head(out, message.subject, sid, message.reply, header_bytes, total);
    headers.into_iter().for_each(|block| out.extend_from_slice(block));
    out.extend_from_slice(message.payload);
    out.extend_from_slice(b"\r\n");
}

impl Outgoing {
    /// Appends a message frame. A client without headers gets it without.
    pub(super) fn push_message(&mut self, sid: &[u8], message: &Outbound<'_>, with_headers: bool) {
        if self.closing {
            return;
        }
        let chunk = &mut self.chunk(message.frame_bytes()).bytes;
        let before = chunk.len();
        write_frame(chunk, sid, message, with_headers);
        let grown = chunk.len() - before;
        self.pending_bytes += grown;
    }

    /// Appends frames that others are given too. All of them count as waiting, though the memory is shared.
    pub(super) fn push_block(&mut self, block: &Block) {
        if self.closing {
            return;
        }
        if block.len() < SHARED_FROM_BYTES {
            self.chunk(block.len()).bytes.extend_from_slice(block);
        } else {
            self.chunks.push_back(Chunk { shared: Some(block.clone()), ..Chunk::default() });
        }
        self.pending_bytes += block.len();
    }

    /// Appends the word that nobody heard a request, for the asker's inbox `subject`.
    pub fn push_no_responders(&mut self, sid: &[u8], subject: &[u8], with_headers: bool) {
        const NO_RESPONDERS: &[u8] = b"NATS/1.0 503\r\n\r\n";
        let message = Outbound { subject, reply: None, headers: Some(NO_RESPONDERS), payload: b"" };
        self.push_message(sid, &message, with_headers);
    }

    /// The last chunk, if it has room for so many bytes of its own, else a new one.
    fn chunk(&mut self, wanted: usize) -> &mut Chunk {
        let has_room = |chunk: &Chunk| chunk.bytes.is_empty() || chunk.bytes.len() + wanted <= CHUNK_BYTES;
        if !self.chunks.back().is_some_and(|chunk| chunk.shared.is_none() && has_room(chunk)) {
            let bytes = self.spare.pop().unwrap_or_default();
            self.chunks.push_back(Chunk { bytes, ..Chunk::default() });
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// Appends an answer (PONG, `+OK`, `-ERR`) behind the messages that are here.
    pub(super) fn push_answer(&mut self, now: Instant, frame: impl FnOnce(&mut Vec<u8>)) {
        if self.closing {
            return;
        }
        let chunk = self.chunk(256);
        let at = chunk.bytes.len();
        frame(&mut chunk.bytes);
        let len = chunk.bytes.len() - at;
        chunk.answers.push_back(Answer { at, len, since: now });
        self.pending_bytes += len;
        self.answer_bytes += len;
    }

    /// Appends an urgent frame.
    pub(super) fn push_urgent(&mut self, frame: impl FnOnce(&mut Vec<u8>)) {
        if !self.closing {
            frame(&mut self.urgent);
        }
    }

    /// Ends the queue and forgets what waits: the client is too slow to ever take it, or gone.
    pub fn cut(&mut self) {
        self.closing = true;
        self.drop_chunks();
    }

    /// Ends the queue. What waits still goes out.
    pub const fn end(&mut self) {
        self.closing = true;
    }

    /// Ends the queue when the client will send no more. A little that waits still goes out, such as the last answers;
    /// for much the connection is not kept.
    pub(super) fn end_soon(&mut self) {
        if !self.closing && self.pending_bytes > CHUNK_BYTES {
            self.drop_chunks();
        }
        self.closing = true;
    }

    /// Ends the queue with a last word, which is heard even if much waits.
    pub fn end_with(&mut self, now: Instant, frame: impl FnOnce(&mut Vec<u8>)) {
        if self.pending_bytes > CHUNK_BYTES {
            self.drop_chunks();
            self.push_urgent(frame);
        } else {
            self.push_answer(now, frame);
        }
        self.closing = true;
    }

    fn drop_chunks(&mut self) {
        self.chunks.clear();
        (self.pending_bytes, self.answer_bytes) = (0, 0);
    }

    /// Whether no more is taken: the connection is about to close.
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Bytes that wait to be written, urgent ones apart.
    pub const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Bytes that wait and that the client itself asked for.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes + self.urgent.len()
    }

    /// Until when a client with more than `limit_bytes` waiting counts as one that reads, so that a little patience helps it:
    /// for `stuck_after` since it last took something, and while the writer has not had its turn. `None` if there is nothing
    /// to be patient for.
    pub fn reads_until(&self, limit_bytes: usize, stuck_after: Duration, now: Instant) -> Option<Instant> {
        let until = self.writing_since.unwrap_or(now) + stuck_after;
        (!self.closing && self.pending_bytes > limit_bytes && now < until).then_some(until)
    }

    /// The next bytes to write: all that is urgent or has waited for too long, else a chunk.
    pub(super) fn next(&mut self, now: Instant) -> Option<Piece> {
        if self.answer_bytes > 0 {
            self.move_ahead(now);
        }
        let next = if self.urgent.is_empty() {
            self.next_chunk()
        } else {
            Some(Piece::Own(std::mem::take(&mut self.urgent)))
        };
        self.writing_since = next.is_some().then_some(now);
        self.is_called = next.is_some();
        next
    }

    fn next_chunk(&mut self) -> Option<Piece> {
        loop {
            let Chunk { shared, bytes, answers } = self.chunks.pop_front()?;
            if let Some(block) = shared {
                self.pending_bytes -= block.len();
                return Some(Piece::Shared(block));
            }
            self.pending_bytes -= bytes.len();
            self.answer_bytes -= answers.iter().map(|answer| answer.len).sum::<usize>();
            // One whose answers have all gone ahead may be empty.
            if !bytes.is_empty() {
                return Some(Piece::Own(bytes));
            }
            self.recycle(Piece::Own(bytes));
        }
    }

    /// Makes answers urgent that have waited for too long. They keep their order among themselves.
    fn move_ahead(&mut self, now: Instant) {
        for chunk in &mut self.chunks {
            let Chunk { bytes, answers, .. } = chunk;
            let is_late = |answer: &&Answer| now.saturating_duration_since(answer.since) >= ANSWER_PATIENCE;
            let mut moved = 0;
            while let Some(Answer { at, len, .. }) = answers.front().filter(is_late) {
                let start = at - moved;
                self.urgent.extend(bytes.drain(start..start + len));
                moved += len;
                answers.pop_front();
            }
            answers.iter_mut().for_each(|answer| answer.at -= moved);
            self.pending_bytes -= moved;
            self.answer_bytes -= moved;
            if !answers.is_empty() {
                return;
            }
        }
    }

    /// Notes that the client took something.
    pub(super) const fn note_taken(&mut self, now: Instant) {
        self.writing_since = Some(now);
    }

    /// Notes that the writer is needed. `true`: whoever asks must wake it, for nobody else does.
    pub const fn call_writer(&mut self) -> bool {
        !std::mem::replace(&mut self.is_called, true)
    }

    /// Notes that the client is owed something, which it is told when no more than `room_at_bytes` wait.
    pub const fn owe(&mut self, room_at_bytes: usize) {
        self.owed = Some(room_at_bytes);
    }

    /// Whether there is room for what the client is owed. Then it is owed no more.
    pub(super) fn take_owed(&mut self) -> bool {
        let has_room = self.owed.is_some_and(|at| self.pending_bytes <= at) && !self.closing;
        if has_room {
            self.owed = None;
        }
        has_room
    }

    /// Gives a written buffer back for further use.
    pub(super) fn recycle(&mut self, written: Piece) {
        let Piece::Own(mut buffer) = written else { return };
        if self.chunks.is_empty() {
            self.spare.retain(|spare| spare.capacity() <= IDLE_SPARE_BYTES);
            self.spare.truncate(1);
            if buffer.capacity() > IDLE_SPARE_BYTES {
                return;
            }
        }
        if self.spare.len() < MAX_SPARE && buffer.capacity() <= 2 * CHUNK_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::BlockMaker;
    use super::*;

    fn message<'a>(subject: &'a [u8], payload: &'a [u8]) -> Outbound<'a> {
        Outbound { subject, reply: None, headers: None, payload }
    }

    fn now() -> Instant {
        Instant::now()
    }

    fn pong(out: &mut Vec<u8>) {
        out.extend_from_slice(b"PONG\r\n");
    }

    #[test]
    fn urgent_frames_overtake_at_a_frame_boundary() {
        let (mut queue, subject) = (Outgoing::default(), b"a");
        let payload = vec![b'x'; 40_000];
        for _ in 0..3 {
            queue.push_message(b"1", &message(subject, &payload), false);
        }
        let first = queue.next(now()).unwrap();
        assert!(first.starts_with(b"MSG a 1 40000\r\n") && first.ends_with(b"\r\n"));
        queue.push_urgent(|out| out.extend_from_slice(b"PING\r\n"));
        assert_eq!(*queue.next(now()).unwrap(), *b"PING\r\n");
        assert!(queue.next(now()).unwrap().ends_with(b"x\r\n"));
        assert!(queue.next(now()).is_some() && queue.next(now()).is_none());
        assert_eq!(queue.pending_bytes(), 0);
    }

    #[test]
    fn an_answer_stands_in_line_for_five_seconds_and_then_goes_ahead() {
        let (mut queue, subject) = (Outgoing::default(), b"a");
        let (begun, payload) = (now(), vec![b'x'; 40_000]);
        let after = |seconds| begun + Duration::from_secs(seconds);
        queue.push_answer(after(0), |out| out.extend_from_slice(b"+OK\r\n"));
        queue.push_message(b"1", &message(subject, &payload), false);
        queue.push_answer(after(1), pong);
        queue.push_message(b"1", &message(subject, b"m"), false);
        queue.push_answer(after(3), pong);
        queue.push_message(b"1", &message(subject, &payload), false);
        assert_eq!(queue.answer_bytes(), 17);
        // Late are the two oldest; the third keeps its place.
        assert_eq!(*queue.next(after(6)).unwrap(), *b"+OK\r\nPONG\r\n");
        assert_eq!(queue.answer_bytes(), 6);
        let chunk = queue.next(after(6)).unwrap();
        assert!(chunk.starts_with(b"MSG a 1 40000\r\n"));
        assert!(chunk.ends_with(b"x\r\nMSG a 1 1\r\nm\r\nPONG\r\n"), "{:?}", chunk.len());
        assert!(queue.next(after(7)).unwrap().starts_with(b"MSG a 1 40000\r\n"));
        assert_eq!((queue.pending_bytes(), queue.answer_bytes()), (0, 0));
        assert!(queue.next(after(8)).is_none());
        // A chunk of which nothing is left is passed over.
        queue.push_answer(after(8), pong);
        queue.push_message(b"1", &message(subject, &[b'x'; 70_000]), false);
        assert_eq!(*queue.next(after(13)).unwrap(), *b"PONG\r\n");
        assert!(queue.next(after(13)).unwrap().starts_with(b"MSG"));
        assert!(queue.pending_bytes() == 0 && queue.next(after(13)).is_none());
    }

    #[test]
    fn shared_frames_stand_in_line_with_others() {
        let (mut queue, mut maker, begun) = (Outgoing::default(), BlockMaker::default(), now());
        let (small, large) = ([b'x'; 10], [b'y'; 5000]);
        let mut block = |payload| maker.make(b"1", false, [message(b"a", payload)].into_iter());
        let (small, large) = (block(&small[..]), block(&large[..]));
        queue.push_block(&small);
        queue.push_answer(begun, pong);
        queue.push_block(&large);
        queue.push_message(b"1", &message(b"a", b"m"), false);
        queue.push_answer(begun, pong);
        queue.push_block(&small);
        let all = [&small[..], b"PONG\r\n", &large, b"MSG a 1 1\r\nm\r\n", b"PONG\r\n", &small].concat();
        assert_eq!((queue.pending_bytes(), queue.answer_bytes()), (all.len(), 12));
        let (mut found, mut pieces) = (Vec::new(), 0);
        while let Some(piece) = queue.next(begun) {
            pieces += 1;
            found.extend_from_slice(&piece);
            assert_eq!(
                matches!(piece, Piece::Shared(_)),
                pieces == 2,
                "small ones are not worth a write each"
            );
            queue.recycle(piece);
        }
        assert_eq!((found, pieces, queue.pending_bytes()), (all, 3, 0));
        // A late answer goes ahead of shared ones too.
        queue.push_block(&large);
        queue.push_answer(begun, pong);
        assert_eq!(*queue.next(begun + ANSWER_PATIENCE).unwrap(), *b"PONG\r\n");
        queue.cut();
        queue.push_block(&large);
        assert!(queue.pending_bytes() == 0 && queue.next(begun).is_none());
    }

    #[test]
    fn only_who_reads_is_waited_for() {
        let (mut queue, subject) = (Outgoing::default(), b"a");
        let begun = now();
        let after = |ms| begun + Duration::from_millis(ms);
        let second = Duration::from_secs(1);
        assert_eq!(queue.reads_until(0, second, begun), None);
        for _ in 0..3 {
            queue.push_message(b"1", &message(subject, &[b'x'; 60_000]), false);
        }
        // The writer has not had its turn: that is not the client's fault, however long it takes.
        assert_eq!(queue.reads_until(100_000, second, after(90_000)), Some(after(91_000)));
        assert_eq!(queue.reads_until(200_000, second, begun), None);
        assert!(queue.next(begun).is_some());
        assert_eq!(queue.reads_until(100_000, second, after(999)), Some(after(1000)));
        assert_eq!(queue.reads_until(100_000, second, after(1000)), None);
        queue.note_taken(after(1500));
        assert_eq!(queue.reads_until(100_000, second, after(2499)), Some(after(2500)));
        assert_eq!(queue.reads_until(100_000, second, after(2500)), None);
        queue.cut();
        assert_eq!(queue.reads_until(0, second, after(1500)), None);
    }

    #[test]
    fn a_last_word_is_heard_however_much_waits() {
        for (count, kept) in [(1, true), (2, false)] {
            let (mut queue, subject) = (Outgoing::default(), b"a");
            for _ in 0..count {
                queue.push_message(b"1", &message(subject, &[b'x'; 60_000]), false);
            }
            queue.end_with(now(), |out| write::error(out, "Stale Connection"));
            queue.end_soon();
            let mut all = Vec::new();
            while let Some(bytes) = queue.next(now()) {
                all.extend_from_slice(&bytes);
            }
            assert!(all.ends_with(b"-ERR 'Stale Connection'\r\n"));
            assert_eq!(all.starts_with(b"MSG "), kept);
        }
    }
}
