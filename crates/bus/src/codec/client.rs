//! What a client reads: the server's verbs.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{ProtocolError, find_line, is_blank, size, words};

/// Longest control line from a server: INFO can be long in a big cluster.
const MAX_LINE_BYTES: usize = 256 * 1024;
/// Longest message taken from a server; nats-server itself allows no more than 64 MiB.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// One verb of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerOp {
    /// The server's greeting, or news of it: JSON.
    Info(Bytes),
    /// A message for one of our subscriptions.
    Msg(ServerMessage),
    /// Answer with a PONG.
    Ping,
    /// The answer to our PING: everything that we sent before it has been handled.
    Pong,
    /// Good, said to a verbose client.
    Ok,
    /// Something was refused; the text without its quotes.
    Err(Bytes),
}

/// A message as it comes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// The subject it was published on.
    pub subject: Bytes,
    /// The subscription's id, as we chose it.
    pub sid: Bytes,
    /// Where an answer is wanted.
    pub reply: Option<Bytes>,
    /// The header block, from `NATS/1.0` to its empty line.
    pub headers: Option<Bytes>,
    /// The payload.
    pub payload: Bytes,
}

/// Where in the bytes that were read the parts of a verb are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlacedOp {
    /// As [`ServerOp::Info`].
    Info(Range<usize>),
    /// As [`ServerOp::Msg`].
    Msg(Placed),
    /// As [`ServerOp::Ping`].
    Ping,
    /// As [`ServerOp::Pong`].
    Pong,
    /// As [`ServerOp::Ok`].
    Ok,
    /// As [`ServerOp::Err`].
    Err(Range<usize>),
}

/// Where in the bytes that were read the parts of a message are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// See [`ServerMessage::subject`].
    pub subject: Range<usize>,
    /// See [`ServerMessage::sid`].
    pub sid: Range<usize>,
    /// See [`ServerMessage::reply`].
    pub reply: Option<Range<usize>>,
    /// See [`ServerMessage::headers`].
    pub headers: Option<Range<usize>>,
    /// See [`ServerMessage::payload`].
    pub payload: Range<usize>,
}

/// Reads the server's verbs one after another.
#[derive(Debug, Default)]
pub struct ClientReader {
    /// Bytes of the next verb that hold no end of a line.
    searched: usize,
    /// Bytes that the next verb has, once its head was read.
    needed: usize,
}

impl ClientReader {
    /// The next verb of `buffer`; `None` if there is no whole one yet. After an error the session is over.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<ServerOp>, ProtocolError> {
        let Some((op, len)) = self.place(buffer, 0)? else {
            buffer.reserve(self.needed.saturating_sub(buffer.len()));
            return Ok(None);
        };
        let bytes = buffer.split_to(len).freeze();
        let slice = |range: Range<usize>| bytes.slice(range);
        Ok(Some(match op {
            PlacedOp::Info(json) => ServerOp::Info(slice(json)),
            PlacedOp::Msg(Placed { subject, sid, reply, headers, payload }) => {
                let (subject, sid, payload) = (slice(subject), slice(sid), slice(payload));
                let (reply, headers) = (reply.map(slice), headers.map(slice));
                ServerOp::Msg(ServerMessage { subject, sid, reply, headers, payload })
            }
            PlacedOp::Ping => ServerOp::Ping,
            PlacedOp::Pong => ServerOp::Pong,
            PlacedOp::Ok => ServerOp::Ok,
            PlacedOp::Err(text) => ServerOp::Err(slice(text)),
        }))
    }

    /// The next verb, which begins at `at` of `bytes`: where its parts are, and where it ends. `None` if it is not whole yet; then it is to be asked
    /// again when there is more. Nothing is copied, and nothing counted: for who has very many to read.
    pub fn place(&mut self, bytes: &[u8], at: usize) -> Result<Option<(PlacedOp, usize)>, ProtocolError> {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.len() < self.needed {
            return Ok(None);
        }
        let Some((end, body)) = find_line(rest, &mut self.searched, MAX_LINE_BYTES)? else { return Ok(None) };
        let mut op = parse_line(&rest[..end], at)?;
        self.needed = 0;
        let PlacedOp::Msg(placed) = &mut op else { return Ok(Some((op, at + body))) };
        let (header_bytes, total_bytes) = (placed.headers.take().map(|sizes| sizes.end), placed.payload.end);
        let len = body + total_bytes + 2;
        if rest.len() < len {
            self.needed = len;
            return Ok(None);
        }
        if !rest[..len].ends_with(b"\r\n") {
            return Err(ProtocolError::Unknown);
        }
        let (start, payload) = (at + body, at + body + header_bytes.unwrap_or(0));
        placed.headers = header_bytes.map(|_| start..payload);
        placed.payload = payload..start + total_bytes;
        Ok(Some((op, at + len)))
    }
}

/// Reads a control line that stands at `at`. Of a message, `headers` and `payload` are from 0 to their size as long as nothing is known of the body.
fn parse_line(line: &[u8], at: usize) -> Result<PlacedOp, ProtocolError> {
    let verb_end = line.iter().position(|b| is_blank(*b)).unwrap_or(line.len());
    let (verb, args_at) = (&line[..verb_end], (verb_end + 1).min(line.len()));
    let args = &line[args_at..];
    let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
    let op = if is(b"MSG") {
        PlacedOp::Msg(head(args, at + args_at, false)?)
    } else if is(b"HMSG") {
        PlacedOp::Msg(head(args, at + args_at, true)?)
    } else if is(b"PING") {
        PlacedOp::Ping
    } else if is(b"PONG") {
        PlacedOp::Pong
    } else if is(b"INFO") {
        PlacedOp::Info(at + args_at..at + line.len())
    } else if is(b"+OK") {
        PlacedOp::Ok
    } else if is(b"-ERR") {
        let blank = args.len() - args.trim_ascii_start().len();
        let quoted = args.trim_ascii();
        let text = quoted.strip_prefix(b"'").unwrap_or(quoted);
        let start = at + args_at + blank + quoted.len() - text.len();
        PlacedOp::Err(start..start + text.strip_suffix(b"'").unwrap_or(text).len())
    } else {
        return Err(ProtocolError::Unknown);
    };
    Ok(op)
}

/// `subject sid [reply] size`, with the size of the headers before the total if there are any; the words stand at `at`.
fn head(args: &[u8], at: usize, with_headers: bool) -> Result<Placed, ProtocolError> {
    let (found, count) = words(args);
    let fixed = if with_headers { 4 } else { 3 };
    let has_reply = match count.checked_sub(fixed) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(ProtocolError::Unknown),
    };
    let number = |word: usize| {
        let number = size(&args[found[word].clone()]).filter(|n| *n <= MAX_MESSAGE_BYTES);
        number.ok_or(ProtocolError::Unknown)
    };
    let total_bytes = number(count - 1)?;
    let header_bytes = if with_headers { Some(number(count - 2)?) } else { None };
    if header_bytes.is_some_and(|len| len > total_bytes) {
        return Err(ProtocolError::Unknown);
    }
    let [subject, sid, reply] = [0, 1, 2].map(|word| at + found[word].start..at + found[word].end);
    let reply = has_reply.then_some(reply);
    Ok(Placed { subject, sid, reply, headers: header_bytes.map(|len| 0..len), payload: 0..total_bytes })
}
