//! The HTTP face as clients see it: what they send, and what they read of the answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on ends here"
)]

mod auth;
mod ending;
mod flyctl;
mod grafana;
mod hostile;
mod inserting;
mod inventory;
mod live;
mod minting;
mod own;
mod partial;
mod real;
mod stitched;
mod support;
mod tailing;
mod tenancy;
mod told;
