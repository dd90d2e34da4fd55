//! The store: where a line rests for 30 days and is found.
//!
//! An acknowledged line is in the write-ahead log and in memory, later in a part: one immutable file, sorted by app and time, with what tells
//! a query which of its frames it need not read. The disk is met only behind [`disk::Disk`].

pub mod flatten;
pub mod part;
pub mod rows;
mod scan;
pub mod search;
pub mod wire;

pub use rows::{Kind, Rows, Source};
