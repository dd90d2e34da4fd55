//! What a store sends as an answer: blocks of rows, and the state of its pipes.
//!
//! Pieces one after another: a byte that says what it is, its length as it is and as it was sent (varints), and its bytes,
//! compressed.

use line::varint;
use query::Block;

const ROWS: u8 = 1;
const STATE: u8 = 2;

/// Most bytes of a piece before compression that is read.
const MAX_BYTES: usize = 256 << 20;

/// Bytes that no store sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a piece of a store's answer {0}; are both of the same version?")]
pub struct Error(&'static str);

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Rows.
    Rows(Block),
    /// What [`query::Worker::import`] takes.
    State(Vec<u8>),
}

/// Rows as a piece.
#[must_use]
pub fn rows(block: &Block) -> Vec<u8> {
    let mut bytes = Vec::new();
    block.encode(&mut bytes);
    piece(ROWS, &bytes)
}

/// The state of pipes as a piece.
#[must_use]
pub fn state(state: &[u8]) -> Vec<u8> {
    piece(STATE, state)
}

fn piece(kind: u8, bytes: &[u8]) -> Vec<u8> {
    // The compressor has nothing that could fail but memory; sent as it is then.
    let sent = zstd::bulk::compress(bytes, 1).ok().filter(|sent| sent.len() < bytes.len());
    let sent = sent.as_deref().unwrap_or(bytes);
    let mut out = Vec::with_capacity(sent.len() + 16);
    out.push(kind);
    varint::put(&mut out, bytes.len() as u64);
    varint::put(&mut out, sent.len() as u64);
    out.extend_from_slice(sent);
    out
}

/// Takes pieces out of bytes that come in any portions.
#[derive(Debug, Default)]
pub struct Pieces(Vec<u8>);

impl Pieces {
    /// Takes in what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Whether the last piece is whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next piece, if all of it is there.
    ///
    /// # Errors
    /// [`Error`] if that is nothing that a store sends.
    pub fn take(&mut self) -> Result<Option<Piece>, Error> {
        let Some((kind, len, sent, at)) = head(&self.0)? else { return Ok(None) };
        let Some(bytes) = self.0.get(at..at + sent) else { return Ok(None) };
        let decompressed;
        let bytes = if sent == len {
            bytes
        } else {
            decompressed = zstd::bulk::decompress(bytes, len).map_err(|_| Error("does not decompress"))?;
            &decompressed
        };
        if bytes.len() != len {
            return Err(Error("is not as long as it says"));
        }
        let piece = match kind {
            ROWS => {
                let mut rest = bytes;
                let block = Block::decode(&mut rest).map_err(|_| Error("has no rows in it"))?;
                Piece::Rows(block)
            }
            STATE => Piece::State(bytes.to_vec()),
            _ => return Err(Error("has an unknown kind")),
        };
        self.0.drain(..at + sent);
        Ok(Some(piece))
    }
}

/// Kind, length, sent length of the piece at the front, and where its bytes begin.
fn head(bytes: &[u8]) -> Result<Option<(u8, usize, usize, usize)>, Error> {
    let Some((&kind, mut rest)) = bytes.split_first() else { return Ok(None) };
    let mut number = || match varint::take(&mut rest) {
        Ok(number) => usize::try_from(number)
            .ok()
            .filter(|&number| number <= MAX_BYTES)
            .map(Some)
            .ok_or(Error("says that it is longer than any")),
        Err(line::Error::Short(_)) => Ok(None),
        Err(_) => Err(Error("has no length")),
    };
    let (Some(len), Some(sent)) = (number()?, number()?) else { return Ok(None) };
    Ok(Some((kind, len, sent, bytes.len() - rest.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use query::Column;

    proptest! {
        #[test]
        fn pieces_come_back_however_they_are_cut(texts in prop::collection::vec("[a-z]{0,40}", 0..8), cut in 1_usize..50) {
            let mut sent = Vec::new();
            let mut wanted = Vec::new();
            for text in &texts {
                let block = Block::new(3).with("a", Column::of(text));
                sent.extend(rows(&block));
                sent.extend(state(text.as_bytes()));
                wanted.extend([Piece::Rows(block), Piece::State(text.clone().into_bytes())]);
            }
            let (mut pieces, mut found) = (Pieces::default(), Vec::new());
            for part in sent.chunks(cut) {
                pieces.push(part);
                while let Some(piece) = pieces.take().unwrap() {
                    found.push(piece);
                }
            }
            prop_assert!(pieces.is_empty());
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn any_bytes_are_refused_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut pieces = Pieces::default();
            pieces.push(&bytes);
            while let Ok(Some(_)) = pieces.take() {}
        }
    }
}
