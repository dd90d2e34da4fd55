//! Spooled entries as JSON: one encoder for each Machine, made once.

use std::collections::HashMap;
use std::sync::Arc;

use line::json::Encoder;
use line::{Address, subject};

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
    fn a_key_gives_the_subject_and_nonsense_gives_nothing() {
        let mut outs = Outs::new("h1", false);
        let key: Arc<[u8]> = Arc::from(&b"k3f9.web.lhr.i1"[..]);
        assert_eq!(outs.get(&key).map(|out| out.subject.as_str()), Some("o.k3f9.logs.web.lhr.i1"));
        assert!(outs.get(&Arc::from(&b"web"[..])).is_none());
        assert!(outs.get(&Arc::from(&b"\xff"[..])).is_none());
    }
}
