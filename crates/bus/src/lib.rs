//! The NATS leg: wire codec, subjects, roles, client and embedded broker.
//!
//! `codec`, `subject`, `roles` and `sys` are pure: bytes in, values out. `client` and `broker` need a tokio runtime.

pub mod broker;
pub mod client;
pub mod roles;
pub mod sys;

pub use client::{
    Client, Credentials, Delivery, Error, Message, Options, PubBatch, Receipt, ServerAddr, Status,
    Subscription, Violations,
};
