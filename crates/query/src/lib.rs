//! LogsQL, the language that lines are searched in: text becomes a tree, the tree matches rows, pipes work on what is left.
//!
//! Nothing here sees a socket, a file, a clock or a runtime: rows and time come as arguments. So the same matcher serves
//! what is stored and what is just coming in, and all of it can be tested by itself.

pub mod block;
pub mod error;
pub mod field;
pub mod filter;
#[allow(dead_code, reason = "its callers, the parsers, follow")]
mod lexer;
pub mod number;
pub mod predicate;
#[allow(dead_code, reason = "its callers, the parsers, follow")]
mod quote;
#[allow(dead_code, reason = "its callers, the parsers, follow")]
mod reserved;
pub mod time;
pub mod token;

pub use block::{Block, Column, Flow, Text};
pub use error::Error;
pub use filter::Filter;
pub use lexer::{MAX_DEPTH, MAX_QUERY_BYTES};
pub use predicate::{FieldTest, Need, Predicate, Row};
