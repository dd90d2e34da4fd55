//! A body is read.

use super::{
    AS_BEFORE, FILL, Group, Import, KIND_IMPORT, KIND_MACHINE, KIND_MASK, MAX_HOST_BYTES, MAX_KEY_BYTES,
    Machine, Run, Whose,
};
use crate::{Address, Boot, Error, varint};

/// Reads the groups of a body one after another. After an error it ends. The entries and rows in them are read, and found
/// whole or not, by their own readers.
#[derive(Debug, Clone)]
pub struct Groups<'a> {
    bytes: &'a [u8],
    last: Option<Whose<'a>>,
}

impl<'a> Groups<'a> {
    /// Whether a body that begins with `first` begins with rows from elsewhere. Whoever writes a body writes one kind of groups.
    #[must_use]
    pub const fn is_import(first: u8) -> bool {
        first & KIND_MASK == KIND_IMPORT
    }

    /// The groups of what a [`super::Writer`] wrote.
    pub const fn new(body: &'a [u8]) -> Self {
        Self { bytes: body, last: None }
    }

    fn take(&mut self) -> Result<Group<'a>, Error> {
        let (&kind, rest) = self.bytes.split_first().ok_or(Error::Short("a group"))?;
        self.bytes = rest;
        let bad = Error::Value { what: "a group's kind", value: u64::from(kind) };
        let is_machine = match kind & KIND_MASK {
            KIND_MACHINE => true,
            KIND_IMPORT => false,
            _ => return Err(bad),
        };
        if kind & !(KIND_MASK | AS_BEFORE | FILL) != 0 || (kind & FILL != 0 && !is_machine) {
            return Err(bad);
        }
        let whose = if kind & AS_BEFORE == 0 {
            take_whose(&mut self.bytes)?
        } else {
            Whose { is_as_before: true, ..self.last.clone().ok_or(bad)? }
        };
        self.last = Some(whose.clone());
        let run = take_run(&mut self.bytes)?;
        Ok(if is_machine {
            Group::Machine(Machine { whose, is_fill: kind & FILL != 0, run })
        } else {
            Group::Import(Import { whose, run })
        })
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Result<Group<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let group = self.take();
        if group.is_err() {
            self.bytes = &[];
        }
        Some(group)
    }
}

fn take_whose<'a>(bytes: &mut &'a [u8]) -> Result<Whose<'a>, Error> {
    let key = take_text(bytes, "a key", MAX_KEY_BYTES)?;
    let host = take_text(bytes, "a host's name", MAX_HOST_BYTES)?;
    let (&boot, rest) = bytes.split_first_chunk::<8>().ok_or(Error::Short("a boot"))?;
    *bytes = rest;
    let boot = Boot::from_bits(u64::from_le_bytes(boot));
    Ok(Whose { address: Address::from_key(key)?, key, host, boot, is_as_before: false })
}

fn take_run<'a>(bytes: &mut &'a [u8]) -> Result<Run<'a>, Error> {
    let first_seq = varint::take(bytes)?;
    let base_time = varint::unzigzag(varint::take(bytes)?);
    let count = varint::take(bytes)?;
    let Some(count) = u32::try_from(count).ok().filter(|count| *count > 0) else {
        return Err(Error::Value { what: "a group's count", value: count });
    };
    if first_seq == 0 {
        return Err(Error::Value { what: "a group's first seq", value: 0 });
    }
    let run = take_bytes(bytes, "a group")?;
    // Nothing that counts takes up less than a byte.
    if run.len() < usize::try_from(count).unwrap_or(usize::MAX) {
        return Err(Error::Value { what: "a group's count", value: u64::from(count) });
    }
    Ok(Run { first_seq, base_time, count, bytes: run })
}

/// Bytes behind their length.
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], Error> {
    let len = usize::try_from(varint::take(bytes)?).unwrap_or(usize::MAX);
    let (head, rest) = bytes.split_at_checked(len).ok_or(Error::Short(what))?;
    *bytes = rest;
    Ok(head)
}

/// Text behind its length, of at most `max_bytes`.
pub(super) fn take_text<'a>(
    bytes: &mut &'a [u8],
    what: &'static str,
    max_bytes: usize,
) -> Result<&'a str, Error> {
    let text = take_bytes(bytes, what)?;
    if text.len() > max_bytes {
        return Err(Error::Value { what, value: text.len() as u64 });
    }
    std::str::from_utf8(text).map_err(|_| Error::Utf8(what))
}
