//! Who may do what: tokens, and the grants that they stand for.
//!
//! A token names an organisation and what its holder may do there. The holder can narrow it without asking anybody (one app,
//! reading only, a shorter life) and hand it on; nobody can widen it. Whoever has the public keys can check it, so that a
//! front door needs neither a secret nor a question to anybody.
//!
//! Pure: no socket, no clock, no runtime. Bytes and the time are arguments; only the making of keys and tokens draws
//! random numbers.
//!
//! Read it in this order: [`Scope`] (what is allowed), [`Grant`] (a scope within an org), [`Keyring`] (from text to grant),
//! [`Directory`] (who is let in), [`Remembered`] (who was, a moment ago), [`Deliveries`] (what readers were given).

mod action;
mod block;
mod delivered;
mod directory;
mod error;
mod grant;
mod key;
mod keyring;
mod remembered;
mod scope;
mod subject;
mod text;

pub use action::{Action, Actions};
pub use delivered::{Count, Delivered, Deliveries, OfApp, Readers, Reads, Standing};
pub use directory::{Directory, Ended};
pub use error::{Error, Refusal};
pub use grant::{Grant, RevocationId};
pub use key::{PublicKey, SigningKey};
pub use keyring::{Claims, Keyring, Tokens, attenuate, inspect};
pub use remembered::{LoginKey, Remembered};
pub use scope::Scope;
pub use text::{MAX_BLOCKS, MAX_TOKEN_BYTES, bare};
