//! A line as it travels the bus: Fly's JSON, one object a message, in the shape that flyctl and fly-log-shipper read.
//!
//! ```json
//! {"event":{"provider":"app"},"fly":{"app":{"instance":"148e","name":"web"},"region":"lhr"},"host":"h1",
//!  "log":{"level":"info"},"message":"...","timestamp":"2026-11-22T10:00:00.123456789Z",
//!  "logway":{"boot":"019a0c3f2b7c0001","seq":42,"span":1,"stream":"stdout"}}
//! ```
//!
//! Whatever Logway adds stands in `logway` (and, for gaps and coded lines, in `gap` and `code`), where flyctl does not look.

mod decode;
mod encode;
mod row;
mod scan;
mod tail;

pub use decode::{Message, decode};
pub use encode::{Encoder, escaped_bytes, write_string};
pub use row::write_row;
pub use scan::{Scanner, Text as JsonText};
pub use tail::{Tail, tail};

#[cfg(test)]
mod tests;
