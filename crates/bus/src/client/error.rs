//! Why a call of the client failed.

/// What the client's calls can fail with. The connection itself never fails for good: it is made again until
/// [`Client::close`](super::Client::close).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no connection now, or it was lost before the server had confirmed. Whether the messages arrived is
    /// unknown; send them again after [`Client::connected`](super::Client::connected).
    #[error("not connected to NATS: send again when the connection is back")]
    Disconnected,
    /// The server refuses the login, or wants what this client does not speak.
    #[error("NATS refused the connection: {reason}")]
    Refused {
        /// The server's words, or what is missing here.
        reason: String,
    },
    /// The client was closed.
    #[error("the NATS client is closed")]
    Closed,
    /// A subject or queue name that would break the line that carries it, or that matches nothing.
    #[error("{subject:?} is not a valid NATS subject: use tokens without blanks, separated by single dots")]
    Subject {
        /// What was given.
        subject: String,
    },
    /// A message is larger than the server takes; it would close the connection.
    #[error("a message of {bytes} bytes is over the limit of {limit} bytes: split it, or raise max_payload")]
    TooLarge {
        /// The size of the message.
        bytes: usize,
        /// The server's limit.
        limit: usize,
    },
    /// A server address that cannot be read.
    #[error("{address:?} is not a NATS address: {problem}")]
    Address {
        /// What was given, without its password.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}
