//! The NATS wire protocol, both directions, as pure readers and writers of bytes.

mod client;
mod server;
pub mod write;

pub use client::{ClientReader, Placed, PlacedOp, ServerMessage, ServerOp};
pub use server::{ClientOp, Limits, ServerReader};

use std::ops::Range;

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

/// Finds the control line at the front of `bytes`: its length without its end, and with it; `None` if there is no whole one yet.
/// [`ProtocolError::ControlLine`] as soon as it is longer than `limit` bytes.
fn find_line(
    bytes: &[u8],
    searched: &mut usize,
    limit: usize,
) -> Result<Option<(usize, usize)>, ProtocolError> {
    let Some(at) = memchr::memchr(b'\n', &bytes[*searched..]) else {
        *searched = bytes.len();
        return if bytes.len() > limit { Err(ProtocolError::ControlLine) } else { Ok(None) };
    };
    let end = *searched + at;
    *searched = 0;
    if end > limit {
        return Err(ProtocolError::ControlLine);
    }
    Ok(Some((end - usize::from(end > 0 && bytes[end - 1] == b'\r'), end + 1)))
}

/// Takes a control line, without its end, from the front of `buffer`, as [`find_line`] finds it.
fn take_line(
    buffer: &mut BytesMut,
    searched: &mut usize,
    limit: usize,
) -> Result<Option<Bytes>, ProtocolError> {
    let Some((end, len)) = find_line(buffer, searched, limit)? else { return Ok(None) };
    let mut line = buffer.split_to(len).freeze();
    line.truncate(end);
    Ok(Some(line))
}

/// Finds the words of a control line, which stand between runs of blanks and tabs: five at most.
fn words(line: &[u8]) -> ([Range<usize>; 5], usize) {
    let mut found = [const { 0..0 }; 5];
    let (mut count, mut at) = (0, 0);
    while at < line.len() && count < found.len() {
        let start = at + line[at..].iter().take_while(|b| is_blank(**b)).count();
        let end = memchr::memchr2(b' ', b'\t', &line[start..]).map_or(line.len(), |len| start + len);
        if end > start {
            found[count] = start..end;
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
