//! A request to keep lines, with its groups at hand: as it came over the bus, or as one of this process makes it.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use line::append::{ENVELOPE_BYTES, Envelope, Groups, MAX_BODY_BYTES};
use zstd::bulk::{Compressor, Decompressor};

use crate::batch::Malformed;
use crate::wal::MAX_PAYLOAD_BYTES;

/// The compression of requests that go over the bus.
const LEVEL: i32 = 1;

/// What [`crate::Engine::append_request`] takes. Its groups are those that its bytes hold; whether those are good is not said.
#[derive(Debug, Clone)]
pub struct Request {
    /// The [`Envelope`]: what the log keeps.
    pub(crate) payload: Vec<u8>,
    /// The groups in it.
    pub(crate) body: Arc<Vec<u8>>,
}

impl Request {
    /// Reads what came over the bus.
    ///
    /// # Errors
    /// [`Malformed`] when it is longer than the log takes, is no [`Envelope`], or does not hold what it says.
    pub fn read(payload: Vec<u8>) -> Result<Self, Malformed> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Malformed::TooLong(payload.len()));
        }
        let envelope = Envelope::read(&payload)?;
        let body = if envelope.is_compressed {
            decompress(envelope.sent, envelope.body_bytes.min(MAX_BODY_BYTES))
                .map_err(|error| Malformed::Compression(error.to_string()))?
        } else {
            envelope.sent.to_vec()
        };
        envelope.check(&body)?;
        Ok(Self { payload, body: Arc::new(body) })
    }

    /// Makes one of `body`, which is what a [`line::append::Writer`] wrote, for a store of this process. It is not compressed: it stays in the
    /// log until it is in parts, some seconds or minutes, and that would be a tenth of what a row costs.
    ///
    /// # Errors
    /// [`Malformed`] when it is empty or has more than [`MAX_BODY_BYTES`].
    pub fn of(body: Arc<Vec<u8>>) -> Result<Self, Malformed> {
        let mut payload = Vec::with_capacity(body.len() + ENVELOPE_BYTES);
        Envelope::of(&body, None).write(&mut payload)?;
        Ok(Self { payload, body })
    }

    /// The bytes of one of `body`, compressed, for a store that is elsewhere.
    ///
    /// # Errors
    /// As [`Request::of`].
    pub fn to_send(body: &[u8]) -> Result<Vec<u8>, Malformed> {
        let sent = compress(body).map_err(|error| Malformed::Compression(error.to_string()))?;
        let mut payload = Vec::with_capacity(sent.len() + ENVELOPE_BYTES);
        Envelope::of(body, Some(&sent)).write(&mut payload)?;
        Ok(payload)
    }

    /// Whether it holds rows from elsewhere. Whoever writes one writes one kind.
    pub(crate) fn is_import(&self) -> bool {
        self.body.first().is_some_and(|first| Groups::is_import(*first))
    }
}

thread_local! {
    // One a thread: to make one costs as much as to press some hundred lines.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn compress(body: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(body),
        None => compressor.insert(Compressor::new(LEVEL)?).compress(body),
    })
}

fn decompress(sent: &[u8], bytes: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| match decompressor {
        Some(decompressor) => decompressor.decompress(sent, bytes),
        None => decompressor.insert(Decompressor::new()?).decompress(sent, bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_made_is_read(body in proptest::collection::vec(any::<u8>(), 1..300)) {
            let made = Request::of(Arc::new(body.clone())).unwrap();
            for sent in [made.payload.clone(), Request::to_send(&body).unwrap()] {
                let read = Request::read(sent).unwrap();
                prop_assert_eq!((&*made.body, &*read.body), (&body, &body));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _read = Request::read(bytes);
        }
    }

    #[test]
    fn what_cannot_be() {
        assert!(Request::of(Arc::new(Vec::new())).is_err());
        assert!(Request::to_send(b"").is_err());
        assert!(Request::of(Arc::new(vec![0; MAX_BODY_BYTES + 1])).is_err());
        let mut plain = Vec::new();
        Envelope::of(b"groups", None).write(&mut plain).unwrap();
        assert_eq!(*Request::read(plain.clone()).unwrap().body, b"groups");
        *plain.last_mut().unwrap() ^= 1;
        assert!(matches!(Request::read(plain), Err(Malformed::Line(_))));
    }
}
