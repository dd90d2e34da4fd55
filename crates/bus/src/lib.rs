//! The bus: the NATS leg of Logway.
//!
//! Everything speaks the NATS wire protocol ([`codec`]), be it with a real nats-server or with the [`broker`] that
//! `logway up` brings along. [`dial`] logs in, with [`tls`] where it is wanted, and [`client`] connects for ever; [`subject`] and
//! [`sublist`] say what reaches whom; [`roles`] says who may; [`sys`] has the messages that stages exchange beside lines.

pub mod broker;
pub mod client;
pub mod codec;
pub mod dial;
pub mod roles;
pub mod session;
pub mod subject;
pub mod sublist;
pub mod sys;
pub mod tls;

use std::path::PathBuf;

/// Why something on the bus could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection, or it was lost before the answer came.
    #[error("not connected to the bus")]
    Disconnected,
    /// The client was closed.
    #[error("the bus client was closed")]
    Closed,
    /// A subject or pattern that NATS does not allow.
    #[error("{0:?} is not a legal subject")]
    Subject(String),
    /// A message that the server does not take. It was not sent: a server closes the connection over such a one.
    #[error(
        "a message of {bytes} bytes is longer than the {max_bytes} that the server takes (its max_payload)"
    )]
    TooLong {
        /// Bytes of the longest payload.
        bytes: usize,
        /// The most that the server takes.
        max_bytes: usize,
    },
    /// An address that cannot be used.
    #[error("{address:?} is not an address of a NATS server: {why}")]
    Address {
        /// What was given, its password hidden.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A credential that is not `user:password`.
    #[error("a credential is one line, user:password")]
    Credentials,
    /// A file for TLS that cannot be read.
    #[error("{} cannot be read for TLS: {source}: check the path and who may read it", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file for TLS that was read and is not what it should be.
    #[error("{} {why}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The broker's listener failed for good.
    #[error("the broker cannot accept connections: {0}")]
    Listen(#[from] std::io::Error),
}
