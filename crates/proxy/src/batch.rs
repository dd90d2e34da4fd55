//! Messages that were read together and are for the same: each who listens is given all of them at once, and each frame is made once for
//! all who want it alike.

use std::sync::Arc;

use bus::codec::Placed;
use bus::session::{Block, BlockMaker, Outbound, Stats, Touched};
use bytes::Bytes;
use tokio::time::Instant;

use crate::interest::{Foreign, Interest, Interests};
use crate::tenant::Member;

/// A batch with more bytes of frames than this is given out. It is about what goes to a client in one write.
const MAX_BYTES: usize = 64 * 1024;

/// Messages of one interest that lie in the bytes that were read, in order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Whose they are. Most messages are for the same as the one before, so it is kept when they are given out.
    interest: Option<Arc<Interest>>,
    messages: Vec<Placed>,
    /// See [`Outbound::frame_bytes`].
    frame_bytes: usize,
    maker: BlockMaker,
    /// Whose subscriptions have ended with what they were given. Who reads takes them out.
    pub(crate) finished: Vec<Arc<Member>>,
}

impl Batch {
    /// Adds a message, and gives out those before it if it is for others or there are many.
    ///
    /// # Errors
    /// [`Foreign`]: it is not within what was subscribed to, and not added.
    pub(crate) fn add(
        &mut self,
        bytes: &[u8],
        message: Placed,
        interests: &Interests,
        stats: &Stats,
        touched: &mut Touched,
    ) -> Result<(), Foreign> {
        let sid = parse_sid(&bytes[message.sid.clone()]).ok_or(Foreign)?;
        if self.interest.as_ref().is_none_or(|interest| interest.sid() != sid) {
            self.give_out(bytes, interests, stats, touched);
            self.interest = interests.find(sid);
        }
        // It ended a moment ago.
        let Some(interest) = &self.interest else { return Ok(()) };
        let subject = &bytes[message.subject.clone()];
        let is_like_the_last =
            self.messages.last().is_some_and(|last| bytes[last.subject.clone()] == *subject);
        if !is_like_the_last && !interest.selects(subject) {
            return Err(Foreign);
        }
        self.frame_bytes += outbound(bytes, interest.prefix_bytes(), &message).frame_bytes();
        self.messages.push(message);
        if self.frame_bytes >= MAX_BYTES {
            self.give_out(bytes, interests, stats, touched);
        }
        Ok(())
    }

    /// Gives all that is here to who listens.
    pub(crate) fn give_out(
        &mut self,
        bytes: &[u8],
        interests: &Interests,
        stats: &Stats,
        touched: &mut Touched,
    ) {
        let Some(interest) = self.interest.as_ref().filter(|_| !self.messages.is_empty()) else { return };
        let mut group = Group {
            bytes,
            prefix_bytes: interest.prefix_bytes(),
            messages: &self.messages,
            frame_bytes: self.frame_bytes,
            payload_bytes: self.messages.iter().map(|message| message.payload.len()).sum(),
            maker: &mut self.maker,
            blocks: Vec::new(),
            now: Instant::now(),
            given_whole: 0,
            given_each: Vec::new(),
        };
        self.finished.extend(interests.deliver(interest, &mut group, stats, touched));
        self.messages.clear();
        self.frame_bytes = 0;
    }
}

/// The messages of a batch on their way to members.
pub(crate) struct Group<'a> {
    bytes: &'a [u8],
    /// Bytes of each subject that clients do not see.
    prefix_bytes: usize,
    messages: &'a [Placed],
    /// See [`Outbound::frame_bytes`], of all.
    pub(crate) frame_bytes: usize,
    /// Of all.
    pub(crate) payload_bytes: usize,
    maker: &'a mut BlockMaker,
    /// The frames as they are for subscriptions of this id, of clients that take headers or not.
    blocks: Vec<(Bytes, bool, Block)>,
    /// When they came.
    pub(crate) now: Instant,
    /// How many clients were given all of them.
    given_whole: u64,
    /// How many others were given each; empty: none.
    given_each: Vec<u64>,
}

impl<'a> Group<'a> {
    pub(crate) const fn len(&self) -> usize {
        self.messages.len()
    }

    /// A client was given all of them.
    pub(crate) const fn note_whole(&mut self) {
        self.given_whole += 1;
    }

    /// A client was given the message number `at`.
    pub(crate) fn note_one(&mut self, at: usize) {
        self.given_each.resize(self.messages.len(), 0);
        if let Some(times) = self.given_each.get_mut(at) {
            *times += 1;
        }
    }

    /// How many clients were given the message number `at`.
    pub(crate) fn times_given(&self, at: usize) -> u64 {
        self.given_whole + self.given_each.get(at).copied().unwrap_or(0)
    }

    /// The subject on the bus of the message number `at`.
    pub(crate) fn inner(&self, at: usize) -> &'a [u8] {
        &self.bytes[self.messages[at].subject.clone()]
    }

    /// The message number `at` as clients see it.
    pub(crate) fn outbound(&self, at: usize) -> Outbound<'a> {
        outbound(self.bytes, self.prefix_bytes, &self.messages[at])
    }

    /// All frames, for subscriptions of this id.
    pub(crate) fn block(&mut self, sid: &Bytes, with_headers: bool) -> Block {
        let is_it = |(of, with, _): &&(Bytes, bool, Block)| of == sid && *with == with_headers;
        if let Some((.., block)) = self.blocks.iter().find(is_it) {
            return block.clone();
        }
        let (bytes, prefix_bytes) = (self.bytes, self.prefix_bytes);
        let messages = self.messages.iter().map(|message| outbound(bytes, prefix_bytes, message));
        let block = self.maker.make(sid, with_headers, messages);
        self.blocks.push((sid.clone(), with_headers, block.clone()));
        block
    }
}

fn outbound<'a>(bytes: &'a [u8], prefix_bytes: usize, message: &Placed) -> Outbound<'a> {
    let Placed { subject, headers, payload, .. } = message;
    Outbound {
        // What it begins with was looked at when it came.
        subject: &bytes[subject.start + prefix_bytes..subject.end],
        // Clients only read: an answer could not be sent, and the inbox is nobody's business.
        reply: None,
        headers: headers.as_ref().map(|block| &bytes[block.clone()]),
        payload: &bytes[payload.clone()],
    }
}

/// One of our own: decimal digits.
fn parse_sid(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}
