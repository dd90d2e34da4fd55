//! What the whole system must agree on: which orgs there are and what they are called, which keys sign tokens, which tokens
//! are revoked, which hosts were seen, and which store owns which shard.
//!
//! One process keeps it ([`Registry`]) and tells the others on the bus ([`run()`]); they [`follow()`]. The registry and its state
//! are synchronous, and time comes to them as an argument, in Unix nanoseconds.
//!
//! | step | module |
//! |---|---|
//! | a change is checked, journalled, synced, and only then applied | [`Registry`] |
//! | what a change does, and what the state answers | [`State`] |
//! | the version and the digest that followers compare | [`State::version`], [`State::digest`] |
//! | the whole state as one text | [`Snapshot`] |
//! | tokens are made, revoked and looked at, with the secret keys beside | [`Desk`] |
//! | what a person asks for, over a unix socket | [`admin`] |
//! | which state there is: every 2 s, and at once after a change | `announce` |
//! | the state in pages, for whoever is behind | `answer` |
//! | the pages put together, and believed only whole | `follow` |
//! | what a front door asks of it | [`State::directory`], [`access::Directory`] |
//! | which hosts there are, by their heartbeats | `hosts` |

pub mod admin;
mod announce;
mod answer;
mod bus_state;
mod change;
mod clock;
mod desk;
mod directory;
mod error;
mod follow;
mod hosts;
mod keeper;
mod keys;
mod local;
mod minted;
mod registry;
mod run;
mod slug;
mod snapshot;
mod state;
mod text;

pub use desk::{Desk, JOURNAL, Revoked};
pub use error::Error;
pub use follow::{Followed, follow};
pub use local::Local;
pub use minted::{Limits, Minted};
pub use registry::{Registry, Report};
pub use run::{Config, run};
pub use slug::Slug;
pub use snapshot::{Digest, Snapshot};
pub use state::{EndedOrg, Host, Key, Org, Revocation, State};
