//! The agent as a whole: inits on its sockets, the embedded broker as its bus, a reader behind that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends here, and says why where people look"
)]

mod admin;
mod behind;
mod disk;
mod fake_store;
mod lines;
mod outlets;
mod path;
mod power;
mod recent;
mod sequence;
mod sockets;
mod store;
mod support;
mod vanish;
