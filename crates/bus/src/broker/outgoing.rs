//! What waits to be written to one client.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::codec::write;
use crate::roles::{ANSWER_SECONDS, MAX_ANSWERS};

/// Size that a chunk of frames grows to. Between chunks an urgent frame goes out.
const CHUNK_BYTES: usize = 64 * 1024;
/// Empty buffers that are kept.
const MAX_SPARE: usize = 4;
/// Requests that may wait for answers from one client; the oldest gives way.
const MAX_REQUESTS: usize = 1024;
/// Bytes of urgent frames that may wait. The client is not read while there are more.
pub(super) const MAX_URGENT_BYTES: usize = 8 * 1024;

/// The queue: whole frames in chunks, and urgent ones (PONG, INFO, `-ERR`) that go out between two chunks.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    urgent: Vec<u8>,
    chunks: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    pending_bytes: usize,
    /// The writer is at work, or somebody is about to wake it.
    is_called: bool,
    /// No more is taken; what is urgent still goes out, then the connection closes.
    closing: bool,
    requests: HashMap<Bytes, (u32, Instant)>,
    request_order: VecDeque<Bytes>,
}

/// A message on its way to subscriptions.
pub(super) struct Outbound<'a> {
    pub(super) subject: &'a Bytes,
    pub(super) reply: Option<&'a Bytes>,
    pub(super) headers: Option<&'a Bytes>,
    pub(super) payload: &'a [u8],
}

impl Outgoing {
    /// Appends a message frame. A client without headers gets it without.
    pub(super) fn push_message(&mut self, sid: &[u8], message: &Outbound<'_>, with_headers: bool) {
        if self.closing {
            return;
        }
        let headers = message.headers.filter(|_| with_headers);
        let header_bytes = headers.map(Bytes::len);
        let total = header_bytes.unwrap_or(0) + message.payload.len();
        let chunk = self.chunk(total + message.subject.len() + 64);
        let before = chunk.len();
        write::message_head(chunk, message.subject, sid, message.reply.map(|r| &r[..]), header_bytes, total);
        headers.into_iter().for_each(|block| chunk.extend_from_slice(block));
        chunk.extend_from_slice(message.payload);
        chunk.extend_from_slice(b"\r\n");
        let grown = chunk.len() - before;
        self.pending_bytes += grown;
    }

    fn chunk(&mut self, wanted: usize) -> &mut Vec<u8> {
        let has_room = self.chunks.back().is_some_and(|c| c.is_empty() || c.len() + wanted <= CHUNK_BYTES);
        if !has_room {
            let fresh = self.spare.pop().unwrap_or_default();
            self.chunks.push_back(fresh);
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// Appends an urgent frame.
    pub(super) fn push_urgent(&mut self, frame: impl FnOnce(&mut Vec<u8>)) {
        if !self.closing {
            frame(&mut self.urgent);
        }
    }

    /// Ends the queue. With `drop_frames` what waits is forgotten: the client is too slow to ever take it.
    pub(super) fn close(&mut self, drop_frames: bool) {
        self.closing = true;
        if drop_frames {
            self.chunks.clear();
            self.pending_bytes = 0;
        }
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }

    pub(super) const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(super) fn urgent_bytes(&self) -> usize {
        self.urgent.len()
    }

    /// The next bytes to write: all that is urgent, else a chunk.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        if !self.urgent.is_empty() {
            return Some(std::mem::take(&mut self.urgent));
        }
        let chunk = self.chunks.pop_front();
        self.is_called = chunk.is_some();
        self.pending_bytes -= chunk.as_ref().map_or(0, Vec::len);
        chunk
    }

    /// Notes that the writer is needed. `true`: whoever asks must wake it, for nobody else does.
    pub(super) const fn call_writer(&mut self) -> bool {
        !std::mem::replace(&mut self.is_called, true)
    }

    /// Gives a written buffer back for further use.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE && buffer.capacity() <= 2 * CHUNK_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Notes that this client was given a request, which it may answer.
    pub(super) fn note_request(&mut self, reply: &Bytes, now: Instant) {
        if self.requests.len() >= MAX_REQUESTS
            && let Some(oldest) = self.request_order.pop_front()
        {
            self.requests.remove(&oldest);
        }
        // A copy of its own: the reply is a slice of a read buffer, which would be kept whole.
        let reply = Bytes::copy_from_slice(reply);
        let until = now + Duration::from_secs(ANSWER_SECONDS);
        if self.requests.insert(reply.clone(), (MAX_ANSWERS, until)).is_none() {
            self.request_order.push_back(reply);
        }
    }

    /// Whether this client may publish one more answer on `subject`.
    pub(super) fn take_answer(&mut self, subject: &[u8], now: Instant) -> bool {
        match self.requests.get_mut(subject) {
            Some((left, until)) if *left > 0 && *until >= now => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(subject: &'a Bytes, payload: &'a [u8]) -> Outbound<'a> {
        Outbound { subject, reply: None, headers: None, payload }
    }

    #[test]
    fn urgent_frames_overtake_at_a_frame_boundary() {
        let (mut queue, subject) = (Outgoing::default(), Bytes::from_static(b"a"));
        let payload = vec![b'x'; 40_000];
        for _ in 0..3 {
            queue.push_message(b"1", &message(&subject, &payload), false);
        }
        let first = queue.next().unwrap();
        assert!(first.starts_with(b"MSG a 1 40000\r\n") && first.ends_with(b"\r\n"));
        queue.push_urgent(|out| out.extend_from_slice(b"PONG\r\n"));
        assert_eq!(queue.next().unwrap(), b"PONG\r\n");
        assert!(queue.next().unwrap().ends_with(b"x\r\n"));
        assert!(queue.next().is_some() && queue.next().is_none());
        assert_eq!(queue.pending_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_counted_bounded_and_expire() {
        let (mut queue, now) = (Outgoing::default(), Instant::now());
        let reply = Bytes::from_static(b"_INBOX.api.1");
        assert!(!queue.take_answer(&reply, now));
        queue.note_request(&reply, now);
        for _ in 0..MAX_ANSWERS {
            assert!(queue.take_answer(&reply, now));
        }
        assert!(!queue.take_answer(&reply, now));
        queue.note_request(&reply, now);
        assert!(!queue.take_answer(&reply, now + Duration::from_secs(ANSWER_SECONDS + 1)));
        for i in 0..MAX_REQUESTS {
            queue.note_request(&Bytes::from(format!("r{i}")), now);
        }
        assert!(!queue.take_answer(&reply, now), "the oldest gave way");
        assert!(queue.take_answer(b"r1023", now));
    }
}
