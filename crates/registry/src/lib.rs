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
//! | which state there is: every 2 s, and at once after a change | `announce` |
//! | the state in pages, for whoever is behind | `answer` |
//! | the pages put together, and believed only whole | `follow` |
//! | what a front door asks of it | [`State::directory`], [`access::Directory`] |
//! | which hosts there are, by their heartbeats | `hosts` |

mod announce;
mod answer;
mod bus_state;
mod change;
mod clock;
mod directory;
mod error;
mod follow;
mod hosts;
mod keeper;
mod registry;
mod run;
mod slug;
mod snapshot;
mod state;
mod text;

pub use error::Error;
pub use follow::{Followed, follow};
pub use registry::{Registry, Report};
pub use run::{Config, run};
pub use slug::Slug;
pub use snapshot::{Digest, Snapshot};
pub use state::{Host, Key, Org, Revocation, State};
