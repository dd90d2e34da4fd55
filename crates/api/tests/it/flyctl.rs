//! The Logs API as `flyctl logs` uses it: the bytes of its requests, the loop in which it asks, and how Go decodes what it gets.

mod client;
mod decode;
mod polls;
mod refusals;
mod stores;
mod views;
