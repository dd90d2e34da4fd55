//! A message of the bus as it goes through `logway logs`: as it came, and what it says.

use std::sync::Arc;

use bytes::Bytes;
use line::json::Message;
use line::{Body, GapReason};

use super::stitch::{Record, Source};

/// What an item takes in memory beside its text, about.
const OVERHEAD_BYTES: usize = 512;

/// A message as it came, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// The JSON.
    pub(crate) raw: Bytes,
    /// What it says.
    pub(crate) message: Message,
}

impl Item {
    /// Reads a message; `None` if it is not a line's.
    pub(crate) fn read(raw: Bytes) -> Option<Self> {
        let message = line::json::decode(&raw).ok()?;
        Some(Self { raw, message })
    }

    /// Which boot it is of; `None` for a message that Logway did not write.
    pub(crate) fn source(&self) -> Option<Source> {
        let message = &self.message;
        let boot = message.boot?;
        let [instance, app, region] =
            [&message.instance, &message.app, &message.region].map(|s| Arc::from(&**s));
        Some(Source { instance, boot, app, region })
    }

    /// Whether it says that lines are lost.
    /// Whether it stands for lines that this reader was not given because it was too slow.
    pub(crate) fn is_for_slow_reader(&self) -> bool {
        matches!(&self.message.entry.body, Body::Gap(gap) if gap.reason == GapReason::SlowReader)
    }

    pub(crate) fn is_gap(&self) -> bool {
        matches!(self.message.entry.body, Body::Gap(_))
    }

    /// The item as a record of `source`, to be joined by its id.
    pub(crate) fn into_record(self, source: Source) -> Record<Self> {
        let entry = &self.message.entry;
        Record {
            source,
            seq: entry.seq,
            span: entry.span,
            time: entry.time,
            is_gap: self.is_gap(),
            bytes: self.raw.len() * 3 + OVERHEAD_BYTES,
            payload: self,
        }
    }
}
