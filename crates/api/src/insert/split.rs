//! A body into lines.

use memchr::memchr;

/// Longest line in bytes. A longer one is refused, and the next one is read.
pub(crate) const MAX_LINE_BYTES: usize = 2 << 20;

/// Lines of a body that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    at: usize,
    /// Up to where no line break was found.
    seen: usize,
    /// The line that is being read is too long, and was told already.
    skipping: bool,
    is_finished: bool,
    number: u64,
}

impl Lines {
    /// Adds what came. All lines that were whole must have been taken.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.seen -= self.at;
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Nothing more comes: what is left is a line.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The next whole line and its number, from 1; the line is `None` if it is too long. `None`: more has to come.
    pub(crate) fn next(&mut self) -> Option<(u64, Option<&[u8]>)> {
        loop {
            let rest = self.bytes.get(self.seen..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest).map(|found| self.seen + found) else {
                self.seen = self.bytes.len();
                return self.unfinished();
            };
            let start = std::mem::replace(&mut self.at, end + 1);
            self.seen = end + 1;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            self.number += 1;
            let line = self.bytes.get(start..end).filter(|line| line.len() <= MAX_LINE_BYTES);
            return Some((self.number, line));
        }
    }

    /// What is to be said of a line whose end did not come.
    fn unfinished(&mut self) -> Option<(u64, Option<&[u8]>)> {
        let len = self.bytes.len() - self.at;
        if self.skipping || (len == 0) {
            self.at = self.bytes.len();
            return None;
        }
        if len > MAX_LINE_BYTES {
            self.at = self.bytes.len();
            self.skipping = true;
            self.number += 1;
            return Some((self.number, None));
        }
        if !self.is_finished {
            return None;
        }
        let start = std::mem::replace(&mut self.at, self.bytes.len());
        self.number += 1;
        Some((self.number, self.bytes.get(start..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(pieces: &[&[u8]]) -> Vec<(u64, Option<Vec<u8>>)> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        let mut take = |lines: &mut Lines| {
            while let Some((number, line)) = lines.next() {
                out.push((number, line.map(<[u8]>::to_vec)));
            }
        };
        for piece in pieces {
            lines.push(piece);
            take(&mut lines);
        }
        lines.finish();
        take(&mut lines);
        out
    }

    #[test]
    fn a_long_line_costs_itself_alone() {
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        let found = all(&[b"a\n", &long, &long, b"\nb\n", &long[1..], b"\nc"]);
        let lens: Vec<_> = found.iter().map(|(at, line)| (*at, line.as_ref().map(Vec::len))).collect();
        assert_eq!(lens, [(1, Some(1)), (2, None), (3, Some(1)), (4, Some(MAX_LINE_BYTES)), (5, Some(1))]);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_come(text in "[a\n]{0,40}", cuts in proptest::collection::vec(0_usize..41, 0..5)) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let found: Vec<_> = all(&pieces).into_iter().map(|(_, line)| line.unwrap()).collect();
            let wanted: Vec<_> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
