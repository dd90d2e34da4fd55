//! Bodies that were compressed on the way: zstd, gzip and deflate.
//!
//! What is compressed comes out piece by piece, so that a small body cannot become a large one in memory; and one that becomes far
//! larger than logs do is refused, so that it cannot become a lot of work.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use hyper::header::CONTENT_ENCODING;
use hyper::{HeaderMap, StatusCode};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::reply::Refused;

/// Bytes that come out at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes of gzip that go in at once: no more than a piece can come of them.
const GZIP_STEP_BYTES: usize = 16 * 1024;
/// The largest window of zstd that is taken, as a power of two: 8 MiB, which is what every decoder must take.
const WINDOW_LOG: u32 = 23;
/// A body may become so many bytes, whatever it has itself,
const FREE_BYTES: u64 = 64 << 20;
/// and beyond that so many times its own. The most alike of logs become a hundred times smaller.
const MAX_FACTOR: u64 = 500;

/// Takes the compression off, if there is any.
pub(crate) struct Inflate {
    coding: Coding,
    /// What came out last.
    piece: Vec<u8>,
    /// Bytes that went in and came out.
    taken: u64,
    given: u64,
}

enum Coding {
    Plain,
    Zstd { decoder: Box<Decoder<'static>>, is_whole: bool },
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Deflate { decoder: Decompress, is_whole: bool },
}

impl Coding {
    const fn name(&self) -> &'static str {
        match self {
            Self::Plain => "text",
            Self::Zstd { .. } => "zstd",
            Self::Gzip(_) => "gzip",
            Self::Deflate { .. } => "deflate",
        }
    }

    /// Takes some of `rest` and adds what came out of it to `piece`: at most [`PIECE_BYTES`].
    #[allow(clippy::disallowed_methods, reason = "what was not taken stays in `rest`")]
    fn step(&mut self, rest: &mut &[u8], piece: &mut Vec<u8>) -> io::Result<()> {
        let taken = match self {
            Self::Plain => {
                piece.extend_from_slice(rest);
                rest.len()
            }
            Self::Zstd { decoder, is_whole } => {
                let mut input = InBuffer::around(rest);
                let hint = decoder.run(&mut input, &mut OutBuffer::around(piece))?;
                // A decoder that is only asked whether it has more begins to wait for another frame.
                if input.pos() > 0 || !piece.is_empty() {
                    *is_whole = hint == 0;
                }
                input.pos()
            }
            Self::Gzip(decoder) => {
                let taken = decoder.write(rest.get(..GZIP_STEP_BYTES).unwrap_or(rest))?;
                std::mem::swap(piece, decoder.get_mut());
                if taken == 0 {
                    return Err(io::Error::other("there is more behind its end"));
                }
                taken
            }
            Self::Deflate { is_whole: true, .. } if rest.is_empty() => 0,
            Self::Deflate { is_whole: true, .. } => {
                return Err(io::Error::other("there is more behind its end"));
            }
            Self::Deflate { decoder, is_whole } => {
                let before = decoder.total_in();
                *is_whole = decoder.decompress_vec(rest, piece, FlushDecompress::None)? == Status::StreamEnd;
                usize::try_from(decoder.total_in() - before).unwrap_or(usize::MAX)
            }
        };
        *rest = rest.get(taken..).unwrap_or_default();
        Ok(())
    }

    /// Whether more may come of what it has, if a piece that came out was as large as can be. What gzip has left comes with the next
    /// step, or at the end.
    const fn keeps_some(&self) -> bool {
        matches!(self, Self::Zstd { .. } | Self::Deflate { .. })
    }

    /// Adds what is left to `piece`. False if there should be more.
    fn finish(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Plain => Ok(true),
            Self::Zstd { is_whole, .. } => Ok(*is_whole),
            Self::Deflate { decoder, is_whole: false } => {
                // All went in; some may not have come out.
                let status = decoder.decompress_vec(&[], piece, FlushDecompress::Finish)?;
                Ok(status == Status::StreamEnd)
            }
            Self::Deflate { .. } => Ok(true),
            Self::Gzip(decoder) => {
                let is_whole = decoder.try_finish().is_ok();
                std::mem::swap(piece, decoder.get_mut());
                Ok(is_whole)
            }
        }
    }
}

impl Inflate {
    /// As the header says; 415 for what is not taken.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let encoding = headers.get(CONTENT_ENCODING).map_or(Ok(""), |value| value.to_str()).unwrap_or("?");
        let coding = match encoding.to_ascii_lowercase().as_str() {
            "" | "identity" => Coding::Plain,
            "zstd" => {
                let mut decoder = Decoder::new().map_err(|error| broken("zstd", &error))?;
                let parameter = DParameter::WindowLogMax(WINDOW_LOG);
                decoder.set_parameter(parameter).map_err(|error| broken("zstd", &error))?;
                Coding::Zstd { decoder: Box::new(decoder), is_whole: true }
            }
            "gzip" | "x-gzip" => Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Coding::Deflate { decoder: Decompress::new(true), is_whole: false },
            _ => {
                let text = format!(
                    "the content encoding {encoding} is not taken: send zstd, gzip or deflate, or leave the lines as they are"
                );
                return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
            }
        };
        Ok(Self { coding, piece: Vec::with_capacity(PIECE_BYTES), taken: 0, given: 0 })
    }

    /// Takes some of `rest` and gives what came out of it: all of what is not compressed, else at most 256 KiB. `None`: it needs more.
    /// 400 for what cannot be read, 413 for what becomes too large.
    pub(crate) fn next(&mut self, rest: &mut &[u8]) -> Result<Option<&[u8]>, Refused> {
        let is_full = self.coding.keeps_some() && self.piece.len() == self.piece.capacity();
        if rest.is_empty() && !is_full {
            return Ok(None);
        }
        self.piece.clear();
        let before = rest.len();
        let stepped = self.coding.step(rest, &mut self.piece);
        stepped.map_err(|error| broken(self.coding.name(), &error))?;
        self.taken += (before - rest.len()) as u64;
        self.given += self.piece.len() as u64;
        if self.given > FREE_BYTES && self.given / MAX_FACTOR > self.taken {
            let text = format!(
                "the body becomes more than {MAX_FACTOR} times what was sent: send it in smaller requests, or not compressed"
            );
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok(Some(&self.piece))
    }

    /// What is left when nothing more comes; 400 if what came was not whole.
    pub(crate) fn end(&mut self) -> Result<&[u8], Refused> {
        self.piece.clear();
        if self.taken > 0 {
            let name = self.coding.name();
            let finished = self.coding.finish(&mut self.piece);
            if !finished.map_err(|error| broken(name, &error))? {
                return Err(Refused::bad(format!(
                    "the {name} of the body ends in the middle, or is damaged"
                )));
            }
        }
        Ok(&self.piece)
    }
}

fn broken(name: &str, error: &io::Error) -> Refused {
    Refused::bad(format!("the {name} of the body cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn packed(name: &str, bytes: &[u8]) -> Vec<u8> {
        match name {
            "zstd" => zstd::bulk::compress(bytes, 1).unwrap(),
            "gzip" => gzipped(bytes),
            "deflate" => deflated(bytes),
            _ => bytes.to_vec(),
        }
    }

    const NAMES: [&str; 4] = ["zstd", "gzip", "deflate", "identity"];

    /// What comes out of pieces, and the longest piece of it.
    fn out(name: &str, pieces: &[&[u8]]) -> Result<(Vec<u8>, usize), String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, name.parse().unwrap());
        let mut inflate = Inflate::of(&headers).map_err(|refused| refused.text)?;
        let (mut all, mut longest) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while let Some(came) = inflate.next(&mut rest).map_err(|refused| refused.text)? {
                longest = longest.max(came.len());
                all.extend_from_slice(came);
            }
        }
        all.extend_from_slice(inflate.end().map_err(|refused| refused.text)?);
        Ok((all, longest))
    }

    #[test]
    fn what_is_alike_comes_in_pieces_and_not_without_end() {
        for name in ["zstd", "gzip", "deflate"] {
            let some = vec![b'\n'; 40 << 20];
            let (all, longest) = out(name, &[&packed(name, &some)]).unwrap();
            assert!(all == some && longest <= PIECE_BYTES, "{name}: {longest}");
            let bomb = packed(name, &vec![b'\n'; 512 << 20]);
            let refused = out(name, &[&bomb]).map(|(all, _)| all.len()).unwrap_err();
            assert!(refused.starts_with("the body becomes more than 500 times"), "{name}: {refused}");
        }
    }

    #[test]
    fn members_of_gzip_follow_each_other_and_nothing_else_does() {
        let two = [gzipped(b"one\n"), gzipped(b"two\n")].concat();
        assert_eq!(out("gzip", &[&two]).unwrap().0, b"one\ntwo\n");
        assert_eq!(out("x-gzip", &[&two[..30], &two[30..]]).unwrap().0, b"one\ntwo\n");
        for name in ["gzip", "deflate", "zstd"] {
            let mut more = packed(name, b"one\n");
            more.extend_from_slice(b"and more");
            assert!(out(name, &[&more]).is_err(), "{name}");
        }
        assert!(out("br", &[]).unwrap_err().contains("zstd, gzip or deflate"));
        for name in NAMES {
            assert_eq!(out(name, &[]).unwrap().0, b"", "an empty body needs no frame");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_went_in_comes_out_however_it_is_cut_and_what_is_cut_off_is_noticed(
            name in prop::sample::select(&NAMES[..]),
            text in prop::collection::vec(any::<u8>(), 1..2000),
            times in 1_usize..60,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            lost in any::<prop::sample::Index>(),
        ) {
            let text = text.repeat(times);
            let packed = packed(name, &text);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(packed.len())).collect();
            cuts.extend([0, packed.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|two| &packed[two[0]..two[1]]).collect();
            prop_assert_eq!(&out(name, &pieces).unwrap().0, &text);
            let part = &packed[..lost.index(packed.len())];
            prop_assert!(part.is_empty() || name == "identity" || out(name, &[part]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(name in prop::sample::select(&NAMES[..]), bytes: Vec<u8>) {
            let (_, longest) = out(name, &[&bytes]).unwrap_or_default();
            prop_assert!(longest <= PIECE_BYTES);
        }
    }
}
