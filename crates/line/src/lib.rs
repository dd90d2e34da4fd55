//! What a log line is: the words in which every stage of Logway speaks to the next.
//!
//! A line has an address ([`Address`]: org, app, region, instance) that the guest cannot choose, and an id
//! (instance, [`Boot`], seq). It crosses the Machine's socket as a record of a [`frame`], rests in spools and stores as
//! an [`entry`], and travels the bus as Fly-shaped [`json`] on a [`subject`]. Whatever could not be carried is itself
//! carried as a [`Gap`], so that silence never means loss.
//!
//! Nothing here sees a socket, a clock or a runtime: bytes and time come as arguments. In the order of the path:
//!
//! | step | module |
//! |---|---|
//! | bytes of a pipe become fragments of lines | [`split`] |
//! | fragments, events and gaps cross the socket | [`frame`], [`event`] |
//! | fragments become whole lines again | [`join`] |
//! | how grave a line is | [`level`] |
//! | how it rests on disk | [`entry`] |
//! | how stores are asked to keep it | [`append`], [`shard`] |
//! | who may read it, where | [`address`], [`subject`] |
//! | how it looks on the bus and in a terminal | [`json`] |
//! | what a code in it means | [`codes`] |

pub mod address;
pub mod append;
pub mod codes;
pub mod entry;
pub mod event;
pub mod frame;
mod gap;
mod id;
pub mod join;
pub mod json;
pub mod level;
pub mod shard;
pub mod split;
mod stream;
pub mod subject;
pub mod time;
pub mod varint;

pub use address::{Address, Name};
pub use entry::{Body, Clock, Entry, Text};
pub use event::Event;
pub use gap::{Gap, GapReason, Hop};
pub use id::{Boot, OrgId};
pub use level::{Level, LevelSource};
pub use stream::{Provider, Stream};

/// Why bytes or text could not be taken as a part of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An org id that is empty, longer than 32 bytes, or not of `[a-z0-9]`.
    #[error("org id {0:?} is not 1 to 32 of the characters a-z and 0-9")]
    OrgId(String),
    /// A name of an app, region or instance that is empty.
    #[error("the {what} name is empty: give 1 to {max_bytes} bytes, best of a-z, 0-9 and '-'")]
    NameEmpty {
        /// `app`, `region` or `instance`.
        what: &'static str,
        /// The longest name that is taken, in bytes before escaping.
        max_bytes: usize,
    },
    /// A name of an app, region or instance that is too long.
    #[error("the {what} name has {len} bytes; at most {max_bytes} are taken")]
    NameTooLong {
        /// `app`, `region` or `instance`.
        what: &'static str,
        /// Its length in bytes before escaping.
        len: usize,
        /// The longest name that is taken, in bytes before escaping.
        max_bytes: usize,
    },
    /// A boot that is not 16 lower-case hexadecimal digits.
    #[error("boot {0:?} is not 16 hexadecimal digits")]
    Boot(String),
    /// A subject that is not `logs.<app>.<region>.<instance>` with the prefix it should have.
    #[error("subject {0:?} is not that of a log line")]
    Subject(String),
    /// Bytes that end in the middle of a value.
    #[error("the bytes end inside {0}")]
    Short(&'static str),
    /// A value that no writer of this format produces.
    #[error("{what} has the impossible value {value}")]
    Value {
        /// The field.
        what: &'static str,
        /// What stood there.
        value: u64,
    },
    /// Text that should be UTF-8 and is not.
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    /// A message that is not a JSON object of the shape of a log line.
    #[error("not a log line in JSON: {what} at byte {at}")]
    Json {
        /// What is wrong.
        what: &'static str,
        /// Offset of the byte where it shows.
        at: usize,
    },
    /// A time that is not RFC 3339.
    #[error("{0:?} is not a time as in 2026-11-22T10:00:00.123456789Z")]
    Time(String),
}
