//! LogsQL, the language that lines are searched in: text becomes a tree, the tree matches rows, pipes work on what is left.
//!
//! Nothing here sees a socket, a file, a clock or a runtime: rows and time come as arguments. So the same matcher serves
//! what is stored and what is just coming in, and all of it can be tested by itself.

pub mod block;
mod budget;
mod condition;
pub mod confine;
pub mod error;
pub mod exec;
pub mod field;
pub mod filter;
mod lexer;
pub mod marks;
pub mod names;
mod needs;
pub mod number;
pub mod options;
mod packed;
pub mod pipe;
mod plan;
pub mod predicate;
pub mod query;
mod quote;
pub mod reference;
mod reserved;
pub mod stats;
pub mod time;
pub mod token;
mod value;
mod wire;

pub use block::{Block, Column, Flow, Text};
pub use budget::{Held, Limits, Pool, Share};
pub use confine::{Confinement, extra_filters, extra_stream_filters};
pub use error::Error;
pub use exec::{Pipeline, Side, Worker};
pub use filter::Filter;
pub use lexer::{MAX_DEPTH, MAX_QUERY_BYTES};
pub use marks::Marks;
pub use needs::Fields;
pub use pipe::Pipe;
pub use plan::Counts;
pub use predicate::{Columns, FieldTest, Need, Predicate, Row, Rows};
pub use query::{Query, parse};
pub use reference::reference;
