//! Spooled entries as JSON: one encoder for each Machine, made once.

use std::collections::HashMap;
use std::sync::Arc;

use line::json::Encoder;
use line::{Address, Body, Boot, Entry, GapReason, subject};

use crate::assemble::gap_entry;
use crate::quiet::quiet_warn;

/// Encoders that are kept. When there are more Machines than that, all are made anew as they are needed.
const MAX_ENCODERS: usize = 4096;

/// What is needed to carry on the lines of one Machine.
#[derive(Debug)]
pub(crate) struct Out {
    /// Its address.
    pub(crate) address: Address,
    /// The inner subject of its lines.
    pub(crate) subject: String,
    /// Writes its lines.
    pub(crate) encoder: Encoder,
}

impl Out {
    /// Appends an entry as JSON of at most `max_bytes`, the longest message of the bus. A longer one, which only a server set
    /// up with less than 1 MiB refuses, becomes a gap record; `false`, and nothing is appended, if not even that fits.
    pub(crate) fn write_within(
        &self,
        boot: Boot,
        entry: &Entry<'_>,
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        self.encoder.write(boot, entry, out);
        if out.len() - start <= max_bytes {
            return true;
        }
        quiet_warn!(subject = %self.subject, max_bytes, "a line is longer than the server takes; raise its max_payload to 1 MiB");
        out.truncate(start);
        let text_bytes = match &entry.body {
            Body::Line(text) => text.bytes.len() as u64,
            _ => 0,
        };
        let gap = gap_entry(entry.seq, entry.span, entry.time, entry.clock, GapReason::Unknown, text_bytes);
        self.encoder.write(boot, &gap, out);
        let fits = out.len() - start <= max_bytes;
        if !fits {
            out.truncate(start);
        }
        fits
    }
}

/// The Machines whose lines were carried on lately.
#[derive(Debug)]
pub(crate) struct Outs {
    host: String,
    with_org: bool,
    known: HashMap<Arc<[u8]>, Out>,
}

impl Outs {
    /// For lines of `host`; `with_org` puts `logway.org` into each.
    pub(crate) fn new(host: &str, with_org: bool) -> Self {
        Self { host: host.to_owned(), with_org, known: HashMap::new() }
    }

    /// What is needed for the Machine of `key`; `None` if it is no key of a Machine.
    pub(crate) fn get(&mut self, key: &Arc<[u8]>) -> Option<&Out> {
        if !self.known.contains_key(key) {
            if self.known.len() >= MAX_ENCODERS {
                self.known.clear();
            }
            let out = self.make(key)?;
            self.known.insert(Arc::clone(key), out);
        }
        self.known.get(key)
    }

    fn make(&self, key: &[u8]) -> Option<Out> {
        let address = Address::from_key(std::str::from_utf8(key).ok()?).ok()?;
        let encoder = Encoder::new(&address, &self.host);
        let encoder = if self.with_org { encoder.with_org(&address) } else { encoder };
        Some(Out { subject: subject::inner(&address), encoder, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_becomes_a_gap_record_if_that_fits() {
        let mut outs = Outs::new("h1", false);
        let out = outs.get(&Arc::from(&b"k3f9.web.lhr.i1"[..])).unwrap();
        let gap = gap_entry(7, 3, 0, line::Clock::Host, GapReason::Unknown, 0);
        let text = line::Text::whole(&[b'x'; 1000][..]);
        let entry = Entry { body: Body::Line(text), ..gap };
        let write = |max_bytes| {
            let mut bytes = b"before".to_vec();
            let fits = out.write_within(Boot::from_bits(1), &entry, max_bytes, &mut bytes);
            (fits, String::from_utf8(bytes).unwrap().split_off(6))
        };
        let (fits, whole) = write(4096);
        assert!(fits && whole.contains("xxxx") && write(whole.len()).1 == whole);
        let (fits, gap) = write(whole.len() - 1);
        assert!(fits && gap.contains(r#""seq":7,"span":3"#) && gap.contains(r#""bytes":1000"#), "{gap}");
        assert_eq!(write(gap.len() - 1), (false, String::new()));
    }

    #[test]
    fn a_key_gives_the_subject_and_nonsense_gives_nothing() {
        let mut outs = Outs::new("h1", false);
        let key: Arc<[u8]> = Arc::from(&b"k3f9.web.lhr.i1"[..]);
        assert_eq!(outs.get(&key).map(|out| out.subject.as_str()), Some("o.k3f9.logs.web.lhr.i1"));
        assert!(outs.get(&Arc::from(&b"web"[..])).is_none());
        assert!(outs.get(&Arc::from(&b"\xff"[..])).is_none());
    }
}
