//! The NATS wire protocol, both directions, as pure readers and writers of bytes.

mod client;
mod server;
pub mod write;

pub use client::{ClientReader, ServerMessage, ServerOp};
pub use server::{ClientOp, Limits, ServerReader};

use bytes::{Bytes, BytesMut};

/// Why received bytes cannot be read on: the session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A verb that is not of the protocol, or arguments that it does not take.
    #[error("Unknown Protocol Operation")]
    Unknown,
    /// A control line longer than its limit.
    #[error("maximum control line exceeded")]
    ControlLine,
    /// A payload longer than the limit, noticed before it is read.
    #[error("Maximum Payload Violation")]
    Payload,
}

/// Takes a control line, without its end, from the front of `buffer`; `None` if there is no whole one yet.
/// [`ProtocolError::ControlLine`] as soon as it is longer than `limit` bytes.
fn take_line(
    buffer: &mut BytesMut,
    searched: &mut usize,
    limit: usize,
) -> Result<Option<Bytes>, ProtocolError> {
    let Some(at) = memchr::memchr(b'\n', &buffer[*searched..]) else {
        *searched = buffer.len();
        return if buffer.len() > limit { Err(ProtocolError::ControlLine) } else { Ok(None) };
    };
    let end = *searched + at;
    *searched = 0;
    if end > limit {
        return Err(ProtocolError::ControlLine);
    }
    let mut line = buffer.split_to(end + 1).freeze();
    line.truncate(end - usize::from(end > 0 && line[end - 1] == b'\r'));
    Ok(Some(line))
}

/// Splits a control line at runs of blanks and tabs into at most five words.
fn words(line: &Bytes) -> ([Bytes; 5], usize) {
    let mut found: [Bytes; 5] = Default::default();
    let (mut count, mut at) = (0, 0);
    while at < line.len() && count < found.len() {
        let start = at + line[at..].iter().take_while(|b| is_blank(**b)).count();
        let end = start + line[start..].iter().take_while(|b| !is_blank(**b)).count();
        if end > start {
            found[count] = line.slice(start..end);
            count += 1;
        }
        at = end;
    }
    let more = line[at..].iter().any(|b| !is_blank(*b));
    (found, if more { usize::MAX } else { count })
}

const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// A size as NATS writes it: decimal digits, leading zeros allowed, at most nine.
fn size(word: &[u8]) -> Option<usize> {
    if word.is_empty() || word.len() > 9 {
        return None;
    }
    word.iter()
        .try_fold(0usize, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + usize::from(byte - b'0')))
}

#[cfg(test)]
mod tests;
