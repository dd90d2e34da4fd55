//! What a server reads: the client's verbs. It takes what nats-server takes (runs of blanks, lower-case verbs, a bare line
//! feed, sizes such as `005`) and refuses with the same words.

use bytes::{Bytes, BytesMut};

use super::{ProtocolError, size, take_line, words};

/// How much a server takes before it says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest control line in bytes, CONNECT excepted.
    pub control_line_bytes: usize,
    /// Longest CONNECT in bytes: tokens are long.
    pub connect_bytes: usize,
    /// Longest payload in bytes, headers included.
    pub payload_bytes: usize,
    /// Longest subscription id in bytes: it stands in each message that is sent.
    pub sid_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { control_line_bytes: 4096, connect_bytes: 64 * 1024, payload_bytes: 1024 * 1024, sid_bytes: 64 }
    }
}

/// One verb of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientOp {
    /// The login: JSON.
    Connect(Bytes),
    /// A message to publish.
    Publish {
        /// Where to.
        subject: Bytes,
        /// Where an answer is wanted.
        reply: Option<Bytes>,
        /// The header block, if it came as HPUB.
        headers: Option<Bytes>,
        /// The payload.
        payload: Bytes,
    },
    /// A subscription.
    Subscribe {
        /// The pattern.
        subject: Bytes,
        /// The queue group.
        queue: Option<Bytes>,
        /// The client's id for it.
        sid: Bytes,
    },
    /// The end of a subscription, at once or after so many deliveries since it began.
    Unsubscribe {
        /// The client's id for it.
        sid: Bytes,
        /// Deliveries since the subscription began after which it ends.
        max: Option<u64>,
    },
    /// Answer with a PONG.
    Ping,
    /// The answer to our PING.
    Pong,
    /// `INFO` or `+OK`, which mean nothing from a client.
    Ignored,
    /// The client says that we erred: close without a word.
    Hangup,
}

#[derive(Debug)]
struct Head {
    subject: Bytes,
    reply: Option<Bytes>,
    header_bytes: Option<usize>,
    total_bytes: usize,
}

/// Reads a client's verbs one after another.
#[derive(Debug)]
pub struct ServerReader {
    limits: Limits,
    searched: usize,
    head: Option<Head>,
}

enum Line {
    Op(ClientOp),
    Head(Head),
}

impl ServerReader {
    /// A reader at the start of a session.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, searched: 0, head: None }
    }

    /// Whether it has read the head of a message and waits for the payload.
    pub const fn awaits_payload(&self) -> bool {
        self.head.is_some()
    }

    /// The next verb of `buffer`; `None` if there is no whole one yet. After an error the session is over.
    #[inline]
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<ClientOp>, ProtocolError> {
        if self.head.is_none() {
            let limit = self.line_limit(buffer);
            let Some(line) = take_line(buffer, &mut self.searched, limit)? else { return Ok(None) };
            match self.parse_line(&line)? {
                Line::Op(op) => return Ok(Some(op)),
                Line::Head(head) => self.head = Some(head),
            }
        }
        let Some(head) = &self.head else { return Ok(None) };
        let needed = head.total_bytes + 2;
        if buffer.len() < needed {
            buffer.reserve(needed - buffer.len());
            return Ok(None);
        }
        let Some(head) = self.head.take() else { return Ok(None) };
        let mut body = buffer.split_to(needed).freeze();
        if !body.ends_with(b"\r\n") {
            return Err(ProtocolError::Unknown);
        }
        body.truncate(head.total_bytes);
        let headers = head.header_bytes.map(|len| body.split_to(len));
        if headers.as_ref().is_some_and(|block| !block.is_empty() && !is_header_block(block)) {
            return Err(ProtocolError::Unknown);
        }
        let headers = headers.filter(|block| !block.is_empty());
        Ok(Some(ClientOp::Publish { subject: head.subject, reply: head.reply, headers, payload: body }))
    }

    fn line_limit(&self, buffer: &BytesMut) -> usize {
        let verb = buffer.get(..7).unwrap_or(buffer);
        let is_connect = b"CONNECT".get(..verb.len()).is_some_and(|start| verb.eq_ignore_ascii_case(start));
        if is_connect { self.limits.connect_bytes } else { self.limits.control_line_bytes }
    }

    fn parse_line(&self, line: &Bytes) -> Result<Line, ProtocolError> {
        let verb_end = line.iter().position(|b| *b == b' ' || *b == b'\t').unwrap_or(line.len());
        let args = line.slice((verb_end + 1).min(line.len())..);
        let verb = &line[..verb_end];
        let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
        let op = if is(b"PUB") {
            return self.publish_head(&args, false).map(Line::Head);
        } else if is(b"HPUB") {
            return self.publish_head(&args, true).map(Line::Head);
        } else if is(b"SUB") {
            self.subscribe(&args)?
        } else if is(b"UNSUB") {
            unsubscribe(&args)?
        } else if is(b"CONNECT") {
            ClientOp::Connect(args)
        } else if starts_with(verb, b"PING") {
            ClientOp::Ping
        } else if starts_with(verb, b"PONG") {
            ClientOp::Pong
        } else if is(b"INFO") || is(b"+OK") {
            ClientOp::Ignored
        } else if is(b"-ERR") {
            ClientOp::Hangup
        } else {
            return Err(ProtocolError::Unknown);
        };
        Ok(Line::Op(op))
    }

    /// `subject [reply] size`, with the size of the headers before the total if there are any.
    fn publish_head(&self, args: &Bytes, with_headers: bool) -> Result<Head, ProtocolError> {
        let (found, count) = words(args);
        let fixed = if with_headers { 3 } else { 2 };
        let has_reply = match count.checked_sub(fixed) {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(ProtocolError::Unknown),
        };
        let number = |at: usize| size(&args[found[at].clone()]).ok_or(ProtocolError::Unknown);
        let total_bytes = number(count - 1)?;
        let header_bytes = if with_headers { Some(number(count - 2)?) } else { None };
        if header_bytes.is_some_and(|len| len > total_bytes) {
            return Err(ProtocolError::Unknown);
        }
        if total_bytes > self.limits.payload_bytes {
            return Err(ProtocolError::Payload);
        }
        let [subject, reply, ..] = found.map(|word| args.slice(word));
        Ok(Head { subject, reply: has_reply.then_some(reply), header_bytes, total_bytes })
    }

    fn subscribe(&self, args: &Bytes) -> Result<ClientOp, ProtocolError> {
        let (found, count) = words(args);
        let [subject, second, third, ..] = found.map(|word| args.slice(word));
        let (queue, sid) = match count {
            2 => (None, second),
            3 => (Some(second), third),
            _ => return Err(ProtocolError::Unknown),
        };
        if sid.len() > self.limits.sid_bytes {
            return Err(ProtocolError::Unknown);
        }
        Ok(ClientOp::Subscribe { subject, queue, sid })
    }
}

/// `sid [max]`. A max that is not a positive number ends the subscription at once, as nats-server has it. One too long to
/// count is never reached.
fn unsubscribe(args: &Bytes) -> Result<ClientOp, ProtocolError> {
    let (found, count) = words(args);
    if !(1..=2).contains(&count) {
        return Err(ProtocolError::Unknown);
    }
    let [sid, max, ..] = found.map(|word| args.slice(word));
    let is_number = !max.is_empty() && max.iter().all(u8::is_ascii_digit);
    let max = std::str::from_utf8(&max).ok().filter(|_| is_number).map(|m| m.parse().unwrap_or(u64::MAX));
    let max = max.filter(|n| *n > 0);
    Ok(ClientOp::Unsubscribe { sid, max })
}

fn starts_with(verb: &[u8], name: &[u8]) -> bool {
    verb.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

fn is_header_block(block: &[u8]) -> bool {
    block.starts_with(b"NATS/1.0") && block.ends_with(b"\r\n\r\n")
}
