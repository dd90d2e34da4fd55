//! A body is written.

use super::{AS_BEFORE, FILL, KIND_IMPORT, KIND_MACHINE, MAX_BODY_BYTES, MAX_HOST_BYTES, MAX_KEY_BYTES, Run};
use crate::{Boot, Error, varint};

/// Most bytes of a group before its entries or rows: a byte, key and host with their lengths, the boot, four numbers.
const MAX_HEAD_BYTES: usize = 1 + 2 + MAX_KEY_BYTES + 2 + MAX_HOST_BYTES + 8 + 4 * 10;

/// Puts groups one after another. Groups of one boot that follow each other say whose they are once.
#[derive(Debug, Default)]
pub struct Writer {
    body: Vec<u8>,
    last: Option<Last>,
}

/// Whose the last group was: where its key and host stand in the body, and its boot.
#[derive(Debug)]
struct Last {
    key: std::ops::Range<usize>,
    host: std::ops::Range<usize>,
    boot: Boot,
}

impl Writer {
    /// An empty body, with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { body: Vec::with_capacity(bytes), last: None }
    }

    /// Appends entries of a boot of the Machine with that key ([`crate::Address::key`]), sent by `host`; see
    /// [`super::Machine::is_fill`]. [`Error::Value`], with nothing written, if a bound of [`super`] is broken or the body would be
    /// longer than [`MAX_BODY_BYTES`].
    pub fn machine(
        &mut self,
        key: &str,
        host: &str,
        boot: Boot,
        is_fill: bool,
        run: Run<'_>,
    ) -> Result<(), Error> {
        let kind = KIND_MACHINE | if is_fill { FILL } else { 0 };
        self.group(kind, (key, host, boot), run)
    }

    /// Appends rows from elsewhere, filed under the address with that key and taken in by the process with that boot on `host`.
    /// Fails as [`Writer::machine`] does.
    pub fn import(&mut self, key: &str, host: &str, boot: Boot, run: Run<'_>) -> Result<(), Error> {
        self.group(KIND_IMPORT, (key, host, boot), run)
    }

    fn group(&mut self, kind: u8, (key, host, boot): (&str, &str, Boot), run: Run<'_>) -> Result<(), Error> {
        for (what, len, max) in [
            ("the length of a key", key.len(), MAX_KEY_BYTES),
            ("the length of a host's name", host.len(), MAX_HOST_BYTES),
            ("the length of a body", self.body.len() + run.bytes.len() + MAX_HEAD_BYTES, MAX_BODY_BYTES),
        ] {
            if len > max {
                return Err(Error::Value { what, value: len as u64 });
            }
        }
        if run.first_seq == 0 || run.count == 0 {
            return Err(Error::Value { what: "a group's first seq or count", value: 0 });
        }
        if self.is_as_before(key, host, boot) {
            self.body.push(kind | AS_BEFORE);
        } else {
            self.body.push(kind);
            let key = put_text(&mut self.body, key);
            let host = put_text(&mut self.body, host);
            self.body.extend_from_slice(&boot.bits().to_le_bytes());
            self.last = Some(Last { key, host, boot });
        }
        varint::put(&mut self.body, run.first_seq);
        varint::put(&mut self.body, varint::zigzag(run.base_time));
        varint::put(&mut self.body, u64::from(run.count));
        varint::put(&mut self.body, run.bytes.len() as u64);
        self.body.extend_from_slice(run.bytes);
        Ok(())
    }

    fn is_as_before(&self, key: &str, host: &str, boot: Boot) -> bool {
        self.last.as_ref().is_some_and(|last| {
            last.boot == boot
                && self.body.get(last.key.clone()) == Some(key.as_bytes())
                && self.body.get(last.host.clone()) == Some(host.as_bytes())
        })
    }

    /// Bytes so far.
    pub const fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Whether a group with so many bytes of entries or rows still fits, whoever's they are.
    pub const fn fits(&self, run_bytes: usize) -> bool {
        self.body.len() + run_bytes + MAX_HEAD_BYTES <= MAX_BODY_BYTES
    }

    /// The body, for an [`super::Envelope`].
    pub fn finish(self) -> Vec<u8> {
        self.body
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) -> std::ops::Range<usize> {
    varint::put(out, text.len() as u64);
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    start..out.len()
}
