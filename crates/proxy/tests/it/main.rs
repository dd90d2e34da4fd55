//! The front door from outside: raw clients before it, a broker behind it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod arriving;
mod asking;
mod deaf;
mod flood;
mod logins;
mod reading;
mod restart;
mod slow;
mod support;
mod together;
mod told;
