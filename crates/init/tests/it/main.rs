//! The program as a whole: each binary that can be init, with a host agent that the tests play.
//!
//! The rows are those of the list of behaviours that an init must show; the numbers in the names of the tests are theirs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by a panic and speaks on stderr"
)]

mod agent;
mod capture;
mod disorder;
mod exits;
mod floods;
mod real;
mod run;
mod starts;
