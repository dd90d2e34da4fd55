//! Where lines are kept and asked for, whatever it is: the store of this process, stores on the bus, another database.
//!
//! The HTTP face knows no more of a store than this. What it hands over is parsed and confined to an org and to what the
//! caller may see; what it gets is blocks of rows.

mod answer;
mod local;
mod remote;
mod routed;

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use line::{Address, Name, OrgId};
use query::Query;

use crate::live::{Ears, deaf};

pub use answer::{Answer, Answering, End, Piece};
pub use local::Local;
pub use remote::Remote;
pub use routed::Routed;

/// What comes later.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A question.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Whose rows. No others may be looked at, whatever the query says: the store is sorted by org, so that this costs nothing.
    pub org: OrgId,
    /// The whole question, pipes and all: confined already, and with the time range as a filter.
    pub query: Query,
    /// What relative times in it meant: Unix nanoseconds.
    pub now: i64,
    /// When the answer is of no use any more: [`Failure::Deadline`].
    pub deadline: Instant,
    /// Most bytes that its pipes may remember.
    pub state_bytes: usize,
    /// Only this store is asked, by the name that [`Logs::stores`] gives; `None`: all that may have rows. Positions of two stores
    /// have nothing to do with each other, so who asks by them asks one store.
    pub store: Option<Name>,
    /// Only rows whose pos is in it.
    pub pos: Range<u64>,
}

/// All positions of a store.
pub const ALL_POSITIONS: Range<u64> = 0..u64::MAX;

/// What is to be heard from now on.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Whose rows.
    pub org: OrgId,
    /// Filter and row-local pipes (no sorting, counting or limiting), confined already.
    pub query: Query,
}

/// Rows to be kept, of one org and one shard.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose they are.
    pub org: OrgId,
    /// The shard of all of its apps, [`line::shard::of`].
    pub shard: u8,
    /// How many rows.
    pub rows: u64,
    /// Groups of rows as [`line::append::Writer`] wrote them, not compressed, without an envelope. To hand over the same
    /// body again is harmless: each row has an id.
    pub body: Arc<Vec<u8>>,
}

/// Why a store does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The query cannot be run: what it needs to remember is too much, or a part of it is not known there.
    #[error(transparent)]
    Query(#[from] query::Error),
    /// It took longer than it may.
    #[error("the query was ended after {}: narrow its time or filter, or give it longer with 'timeout'", human(*after))]
    Deadline {
        /// How long it ran.
        after: Duration,
    },
    /// There is too much to do, and it is not begun.
    #[error("{reason}: try again in {}", human(*retry_after))]
    Busy {
        /// When to try again.
        retry_after: Duration,
        /// Of what there is too much.
        reason: String,
    },
    /// No store can be reached.
    #[error("no store can be reached: {0}")]
    Away(String),
    /// The store does not take it, now or later.
    #[error("{reason} ({code})")]
    Rejected {
        /// The code of the catalogue.
        code: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The answer broke off, and whoever gave it is gone.
    #[error("the answer broke off before its end: ask again")]
    Broken,
    /// It can be done by other stores, not by this one.
    #[error("{0} is not supported by this store")]
    NotSupported(&'static str),
}

impl Failure {
    /// Whether the question asks for more than may be remembered at once: for fewer rows it may be answered.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        match self {
            Self::Query(error) => error.code() == TOO_MUCH,
            Self::Rejected { code, .. } => code == TOO_MUCH,
            _ => false,
        }
    }
}

/// The code of a query that needs more memory than it may have, here or at a store elsewhere.
const TOO_MUCH: &str = "LQ05";

fn human(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// Rows that are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The store's position behind them.
    pub pos: u64,
    /// So many of them were not kept: they are older than anything that is.
    pub expired: u64,
}

/// A store, or many. All can be asked; what else one cannot do it refuses, if it does not say otherwise.
pub trait Logs: Send + Sync + 'static {
    /// Begins to answer, and returns at once. The blocks come as fast as they are taken; dropping the answer ends the work. The
    /// rows are what is left after all pipes.
    fn query(&self, ask: Ask) -> Answer;

    /// The stores that may have rows, by name, in order.
    ///
    /// # Errors
    /// [`Failure::Away`] while it is not known which there are.
    fn stores(&self) -> Result<Vec<Name>, Failure>;

    /// Rows from now on, as they come, after the query's pipes. The first piece is an empty block: it listens, and what is said from
    /// then on is heard. Who takes them too slowly gets one row instead of those that
    /// it missed, which says how many they were (`gap.reason` is `slow_reader`). It has no end but a failure.
    fn tail(&self, listen: Listen) -> Answer {
        drop(listen);
        Answer::failed(Failure::NotSupported("a live tail"))
    }

    /// Messages of the org, or of one app of it, as they come on the bus and from now on. Who takes them too slowly misses some, and hears how
    /// many; the rows of all of them are found by their positions.
    fn hear(&self, org: OrgId, app: Option<Name>) -> Ears {
        drop((org, app));
        deaf(Failure::NotSupported("hearing live lines"))
    }

    /// Messages that agents have, written at `since` (Unix nanoseconds) or later: the stores may not have them yet. Soon, and as far as they
    /// answer.
    fn recent(&self, org: OrgId, app: Option<Name>, since: i64) -> Pending<Vec<(Address, Bytes)>> {
        let _ = (org, app, since);
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Keeps the rows, and tells those who listen. It resolves when they are on disk.
    fn append(&self, batch: Batch) -> Pending<Result<Receipt, Failure>> {
        drop(batch);
        Box::pin(std::future::ready(Err(Failure::NotSupported("keeping rows"))))
    }

    /// Writes what is in memory to parts, for tests and before maintenance. Whether it is done makes no difference to a query.
    fn flush(&self) -> Pending<Result<(), Failure>> {
        Box::pin(std::future::ready(Err(Failure::NotSupported("writing parts at once"))))
    }
}
