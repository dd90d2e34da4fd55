//! The registry as a whole: its journal on a disk, the embedded broker as its bus, followers behind that.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

mod admin;
mod followers;
mod hosts;
mod liars;
mod support;
