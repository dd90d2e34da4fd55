//! The store: where a line rests for 30 days and is found.
//!
//! An acknowledged line is in the write-ahead log and in memory, later in a part: one immutable file, sorted by app and time, with what tells
//! a query which of its frames it need not read. The disk is met only behind [`disk::Disk`].

mod aside;
mod batch;
mod clock;
mod engine;
mod error;
pub mod fair;
mod files;
pub mod flatten;
pub mod inspect;
mod manifest;
mod memtable;
pub mod part;
mod request;
mod retention;
pub mod rows;
mod scan;
pub mod search;
mod seen;
mod shelf;
pub mod stage;
pub mod wal;
pub mod wire;

pub use batch::Malformed;
pub use clock::{Clock, SystemClock};
pub use engine::{Config, Engine, Problem, Receipt, Refusal, Reply, Report, Snapshot, Stats};
pub use error::Error;
pub use request::Request;
pub use retention::{Keep, Retention, Visible};
pub use rows::{Kind, Rows, Source};
pub use seen::Ranges;
