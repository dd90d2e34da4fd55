//! Bodies that were compressed on the way.

use hyper::header::CONTENT_ENCODING;
use hyper::{HeaderMap, StatusCode};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::reply::Refused;

/// Bytes that come out at once.
const PIECE_BYTES: usize = 256 * 1024;
/// The largest window that is taken, as a power of two: 8 MiB, which is what every decoder must take.
const WINDOW_LOG: u32 = 23;

/// Takes the compression off, if there is any.
pub(crate) enum Inflate {
    Plain { piece: Vec<u8> },
    Zstd { decoder: Box<Decoder<'static>>, piece: Vec<u8>, is_whole: bool },
}

impl Inflate {
    /// As the header says; 415 for what is not taken.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let encoding = headers.get(CONTENT_ENCODING).map_or(Ok(""), |value| value.to_str()).unwrap_or("?");
        if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
            return Ok(Self::Plain { piece: Vec::new() });
        }
        if !encoding.eq_ignore_ascii_case("zstd") {
            let text = format!(
                "the content encoding {encoding} is not taken: send zstd, or leave the lines as they are"
            );
            return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let mut decoder = Decoder::new().map_err(|error| broken(&error))?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|error| broken(&error))?;
        Ok(Self::Zstd { decoder: Box::new(decoder), piece: Vec::with_capacity(PIECE_BYTES), is_whole: true })
    }

    /// Takes some of `rest` and gives what came out of it, at most 256 KiB for what is compressed.
    pub(crate) fn next(&mut self, rest: &mut &[u8]) -> Result<&[u8], Refused> {
        match self {
            Self::Plain { piece } => {
                piece.clear();
                piece.extend_from_slice(std::mem::take(rest));
                Ok(piece)
            }
            Self::Zstd { decoder, piece, is_whole } => {
                piece.clear();
                let mut input = InBuffer::around(rest);
                let mut output = OutBuffer::around(piece);
                let hint = decoder.run(&mut input, &mut output).map_err(|error| broken(&error))?;
                *is_whole = hint == 0;
                let taken = input.pos();
                *rest = rest.get(taken..).unwrap_or_default();
                Ok(piece)
            }
        }
    }

    /// Whether what came was whole.
    pub(crate) fn end(&self) -> Result<(), Refused> {
        match self {
            Self::Zstd { is_whole: false, .. } => {
                Err(Refused::bad("the zstd of the body ends in the middle of a frame"))
            }
            _ => Ok(()),
        }
    }
}

fn broken(error: &std::io::Error) -> Refused {
    Refused::bad(format!("the zstd of the body cannot be read: {error}"))
}
