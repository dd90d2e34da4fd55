//! The bus from outside: the broker over raw sockets, and our client against it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod client;
mod connect;
mod dial;
mod interest;
mod malformed;
mod pressure;
mod sessions;
mod support;
