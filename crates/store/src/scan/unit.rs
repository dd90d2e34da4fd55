//! What a scan takes at once: a frame of a part, or rows of an app that are still in memory.

use std::fmt;
use std::sync::Arc;

use crate::part::Part;
use crate::rows::Rows;

/// Rows of one app.
#[derive(Clone, Debug)]
pub(crate) enum Unit {
    /// In memory.
    Memory(Arc<Rows>),
    /// In a part: the number of the frame.
    Frame(Arc<Part>, u32),
}

impl Unit {
    /// The earliest and the latest time, both inclusive, Unix nanoseconds.
    pub(crate) fn time_range(&self) -> (i64, i64) {
        match self {
            Self::Memory(rows) => rows.time_range().unwrap_or((i64::MAX, i64::MIN)),
            Self::Frame(part, index) => part
                .frames()
                .get(*index as usize)
                .map_or((i64::MAX, i64::MIN), |frame| (frame.from, frame.to)),
        }
    }
}

impl Unit {
    /// What tells units apart, as long as they are there.
    pub(crate) fn place(&self) -> (usize, u32) {
        match self {
            Self::Memory(rows) => (Arc::as_ptr(rows) as usize, 0),
            Self::Frame(part, index) => (Arc::as_ptr(part) as usize, *index),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(rows) => write!(f, "{} rows in memory", rows.len()),
            Self::Frame(part, index) => {
                let (from, to) = part.summary().pos;
                write!(f, "frame {index} of the part of positions {from} to {to}")
            }
        }
    }
}
