//! The store's engine as a whole, on disks that fail and under clocks that jump.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends here, and says why where people look"
)]

mod basics;
mod damage;
mod descriptors;
mod ended;
mod faults;
mod format;
mod inspect;
mod kill;
mod model;
mod power;
mod retention;
mod support;
mod unreadable;
