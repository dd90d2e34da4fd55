//! LogsQL, the language that lines are searched in: text becomes a tree, the tree matches rows, pipes work on what is left.
//!
//! Nothing here sees a socket, a file, a clock or a runtime: rows and time come as arguments. So the same matcher serves
//! what is stored and what is just coming in, and all of it can be tested by itself.

pub mod block;

pub use block::{Block, Column, Flow, Text};
