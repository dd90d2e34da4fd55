//! Bytes of a pipe to fragments of lines, in init.
//!
//! A line of up to [`MAX_FRAGMENT_BYTES`] is one fragment. A longer one is cut: no fragment waits for the rest of its line
//! and no memory grows with a line's length. A cut falls before a UTF-8 character rather than inside it.

use crate::frame::RecordFlags;

/// Longest fragment in bytes. 16 KiB is what Docker and the CRI use, so tools downstream expect it.
pub const MAX_FRAGMENT_BYTES: usize = 16 * 1024;

/// The splitter of one stream. It holds at most one unfinished fragment.
#[derive(Debug, Default)]
pub struct Splitter {
    held: Vec<u8>,
    /// The fragment before had [`RecordFlags::MORE`]: what comes continues its line.
    continued: bool,
}

impl Splitter {
    /// A splitter at the start of a line.
    pub const fn new() -> Self {
        Self { held: Vec::new(), continued: false }
    }

    /// Takes the next bytes of the stream and gives each fragment that is complete to `emit`, in order.
    #[inline]
    pub fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(RecordFlags, &[u8])) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..at], &bytes[at + 1..]);
            if self.held.is_empty() && line.len() <= MAX_FRAGMENT_BYTES {
                emit(self.flags(RecordFlags::WHOLE), line);
            } else {
                self.push_tail(line, &mut emit);
                emit(self.flags(RecordFlags::WHOLE), &self.held);
                self.held.clear();
            }
            self.continued = false;
            bytes = rest;
        }
        self.push_tail(bytes, &mut emit);
    }

    /// Holds bytes without a newline, emitting what is longer than a fragment. A fragment of exactly the limit is held,
    /// because a newline may follow.
    fn push_tail(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(RecordFlags, &[u8])) {
        while self.held.len() + bytes.len() > MAX_FRAGMENT_BYTES {
            let (head, rest) = bytes.split_at(MAX_FRAGMENT_BYTES - self.held.len());
            self.held.extend_from_slice(head);
            let cut = utf8_cut(&self.held);
            emit(self.flags(RecordFlags::MORE), &self.held[..cut]);
            self.held.drain(..cut);
            self.continued = true;
            bytes = rest;
        }
        self.held.extend_from_slice(bytes);
    }

    /// Gives up waiting for a newline: what is held goes out as an open record (an idle prompt, the end of the stream).
    pub fn flush(&mut self, mut emit: impl FnMut(RecordFlags, &[u8])) {
        if !self.held.is_empty() || self.continued {
            emit(self.flags(RecordFlags::OPEN), &self.held);
            self.held.clear();
            self.continued = false;
        }
    }

    /// Whether a line has begun and not ended.
    pub fn is_open(&self) -> bool {
        !self.held.is_empty() || self.continued
    }

    /// Whether fragments of the line in hand have already been emitted.
    pub const fn is_continued(&self) -> bool {
        self.continued
    }

    const fn flags(&self, flags: RecordFlags) -> RecordFlags {
        if self.continued { flags.with(RecordFlags::CONTINUED) } else { flags }
    }
}

/// Where to cut `bytes` so that a UTF-8 character that is complete but for its last bytes stays whole: at most three bytes
/// before the end. Bytes that are not UTF-8 are cut at the end.
fn utf8_cut(bytes: &[u8]) -> usize {
    let len = bytes.len();
    for back in 1..=3.min(len) {
        let lead = bytes[len - back];
        let width = match lead {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return len,
        };
        return if width > back && len > back { len - back } else { len };
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Fragments = Vec<(RecordFlags, Vec<u8>)>;

    fn split(chunks: &[&[u8]]) -> Fragments {
        let (mut splitter, mut out) = (Splitter::new(), Vec::new());
        for chunk in chunks {
            splitter.push(chunk, |flags, bytes| out.push((flags, bytes.to_vec())));
        }
        splitter.flush(|flags, bytes| out.push((flags, bytes.to_vec())));
        out
    }

    /// The bytes that the fragments stand for.
    fn rejoin(fragments: &Fragments) -> Vec<u8> {
        let mut out = Vec::new();
        for (flags, bytes) in fragments {
            out.extend_from_slice(bytes);
            if !flags.has(RecordFlags::MORE) && !flags.has(RecordFlags::OPEN) {
                out.push(b'\n');
            }
        }
        out
    }

    #[test]
    fn lines_empty_lines_and_an_open_end() {
        let whole = RecordFlags::WHOLE;
        assert_eq!(
            split(&[b"a\n\n\nb\nc"]),
            [
                (whole, b"a".to_vec()),
                (whole, vec![]),
                (whole, vec![]),
                (whole, b"b".to_vec()),
                (RecordFlags::OPEN, b"c".to_vec())
            ]
        );
        assert_eq!(split(&[b"", b"ab", b"c\n"]), [(whole, b"abc".to_vec())]);
        assert_eq!(split(&[]), []);
    }

    #[test]
    fn a_mebibyte_is_64_fragments() {
        let mut line = vec![b'x'; 1 << 20];
        line.push(b'\n');
        let fragments = split(&line.chunks(60_000).collect::<Vec<_>>());
        assert_eq!(fragments.len(), 64);
        assert!(fragments.iter().all(|(_, bytes)| bytes.len() == MAX_FRAGMENT_BYTES));
        assert_eq!(fragments[0].0, RecordFlags::MORE);
        assert_eq!(fragments[1].0, RecordFlags::MORE.with(RecordFlags::CONTINUED));
        assert_eq!(fragments[63].0, RecordFlags::CONTINUED);
    }

    #[test]
    fn a_cut_never_falls_inside_a_character() {
        for text in ["ü", "€", "🦀"] {
            for pad in 0..4 {
                let mut line = vec![b'x'; pad];
                line.extend(text.repeat(MAX_FRAGMENT_BYTES).into_bytes());
                for (_, bytes) in split(&[&line]) {
                    assert!(std::str::from_utf8(&bytes).is_ok());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn fragments_joined_are_the_bytes_in_whatever_the_chunks(
            lines in proptest::collection::vec((0usize..40_000, any::<u8>()), 0..6),
            cuts in proptest::collection::vec(1usize..20_000, 0..12),
            open: bool,
        ) {
            let mut input: Vec<u8> = Vec::new();
            for (len, byte) in lines {
                input.extend(std::iter::repeat_n(byte, len));
                input.push(b'\n');
            }
            if open { input.extend_from_slice(b"\xf0\x9f\x98") }
            let (mut rest, mut chunks) = (&input[..], Vec::new());
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            chunks.push(rest);
            let fragments = split(&chunks);
            prop_assert_eq!(rejoin(&fragments), &input[..]);
            prop_assert_eq!(fragments, split(&[&input]));
        }

        #[test]
        fn any_bytes_come_back(chunks in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(rejoin(&split(&slices)), chunks.concat());
        }
    }
}
