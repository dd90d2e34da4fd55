//! What a client reads: the server's verbs.

use bytes::{Bytes, BytesMut};

use super::{ProtocolError, size, take_line, words};

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

/// The head of a message whose payload has not come yet.
#[derive(Debug)]
struct Head {
    subject: Bytes,
    sid: Bytes,
    reply: Option<Bytes>,
    header_bytes: Option<usize>,
    total_bytes: usize,
}

/// Reads the server's verbs one after another.
#[derive(Debug, Default)]
pub struct ClientReader {
    searched: usize,
    head: Option<Head>,
}

impl ClientReader {
    /// The next verb of `buffer`; `None` if there is no whole one yet. After an error the session is over.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<ServerOp>, ProtocolError> {
        if self.head.is_none() {
            let Some(line) = take_line(buffer, &mut self.searched, MAX_LINE_BYTES)? else { return Ok(None) };
            match parse_line(&line)? {
                Line::Op(op) => return Ok(Some(op)),
                Line::Head(head) => self.head = Some(head),
            }
        }
        let Some(head) = &self.head else { return Ok(None) };
        if buffer.len() < head.total_bytes + 2 {
            buffer.reserve(head.total_bytes + 2 - buffer.len());
            return Ok(None);
        }
        let Some(head) = self.head.take() else { return Ok(None) };
        let mut body = buffer.split_to(head.total_bytes + 2).freeze();
        if !body.ends_with(b"\r\n") {
            return Err(ProtocolError::Unknown);
        }
        body.truncate(head.total_bytes);
        let headers = head.header_bytes.map(|len| body.split_to(len));
        let Head { subject, sid, reply, .. } = head;
        Ok(Some(ServerOp::Msg(ServerMessage { subject, sid, reply, headers, payload: body })))
    }
}

enum Line {
    Op(ServerOp),
    Head(Head),
}

fn parse_line(line: &Bytes) -> Result<Line, ProtocolError> {
    let verb_end = line.iter().position(|b| *b == b' ' || *b == b'\t').unwrap_or(line.len());
    let args = line.slice((verb_end + 1).min(line.len())..);
    let verb = &line[..verb_end];
    let op = if verb.eq_ignore_ascii_case(b"MSG") {
        return head(&args, false).map(Line::Head);
    } else if verb.eq_ignore_ascii_case(b"HMSG") {
        return head(&args, true).map(Line::Head);
    } else if verb.eq_ignore_ascii_case(b"PING") {
        ServerOp::Ping
    } else if verb.eq_ignore_ascii_case(b"PONG") {
        ServerOp::Pong
    } else if verb.eq_ignore_ascii_case(b"INFO") {
        ServerOp::Info(args)
    } else if verb.eq_ignore_ascii_case(b"+OK") {
        ServerOp::Ok
    } else if verb.eq_ignore_ascii_case(b"-ERR") {
        let quoted = args.trim_ascii();
        let text = quoted.strip_prefix(b"'").unwrap_or(quoted);
        ServerOp::Err(args.slice_ref(text.strip_suffix(b"'").unwrap_or(text)))
    } else {
        return Err(ProtocolError::Unknown);
    };
    Ok(Line::Op(op))
}

/// `subject sid [reply] size`, with the size of the headers before the total if there are any.
fn head(args: &Bytes, with_headers: bool) -> Result<Head, ProtocolError> {
    let (found, count) = words(args);
    let fixed = if with_headers { 4 } else { 3 };
    let has_reply = match count.checked_sub(fixed) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(ProtocolError::Unknown),
    };
    let number =
        |at: usize| size(&found[at]).filter(|n| *n <= MAX_MESSAGE_BYTES).ok_or(ProtocolError::Unknown);
    let total_bytes = number(count - 1)?;
    let header_bytes = if with_headers { Some(number(count - 2)?) } else { None };
    if header_bytes.is_some_and(|len| len > total_bytes) {
        return Err(ProtocolError::Unknown);
    }
    let [subject, sid, reply, ..] = found;
    Ok(Head { subject, sid, reply: has_reply.then_some(reply), header_bytes, total_bytes })
}
