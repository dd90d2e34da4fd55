//! The bus from outside: the broker over raw sockets, and our client against it.

mod client;
mod malformed;
mod sessions;
mod support;
