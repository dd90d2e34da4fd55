//! What the whole system must agree on: which orgs there are and what they are called, which keys sign tokens, which tokens
//! are revoked, which hosts were seen, and which store owns which shard.
//!
//! One process keeps it ([`Registry`]); all others follow with a [`State`] made of its [`Snapshot`]. Everything is
//! synchronous, and time comes as an argument, in Unix nanoseconds.
//!
//! | step | module |
//! |---|---|
//! | a change is checked, journalled, synced, and only then applied | [`Registry`] |
//! | what a change does, and what the state answers | [`State`] |
//! | the version and the digest that followers compare | [`State::version`], [`State::digest`] |
//! | the whole state as one message | [`Snapshot`] |

mod change;
mod error;
mod registry;
mod slug;
mod snapshot;
mod state;
mod text;

pub use error::Error;
pub use registry::{Registry, Report};
pub use slug::Slug;
pub use snapshot::{Digest, Snapshot};
pub use state::{Host, Key, Org, Revocation, State};
