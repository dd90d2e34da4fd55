//! What the journal holds: one change in each record, as JSON.
//!
//! A record says what is so from now on, not what was done: an org with its new slug, whole. So a record that damage has
//! taken costs no more than itself.

use line::Name;
use serde::{Deserialize, Serialize};

use crate::state::{EndedOrg, Host, Key, Org, Revocation};
use crate::{Minted, text};

/// A change with the version that it makes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: u64,
    pub(crate) change: Change,
}

/// What every record has, also one of a kind that only a newer program knows.
#[derive(Debug, Deserialize)]
pub(crate) struct Versioned {
    pub(crate) version: u64,
}

/// What is so from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// An org is there, or has another slug.
    Org(Org),
    /// An org is no more.
    OrgEnded(EndedOrg),
    /// A host is there, or in another region.
    Host(Host),
    /// A key is there, or retired.
    Key(Key),
    /// A token is revoked.
    Revocation(Revocation),
    /// Revocations of tokens that ended before `now_ns` are dropped.
    Expired { now_ns: i64 },
    /// A shard belongs to a store.
    Shard {
        shard: u8,
        #[serde(with = "text::name")]
        store: Name,
    },
    /// A store without shards may have lines of before, or has none any more.
    Store {
        #[serde(with = "text::name")]
        store: Name,
        has_lines: bool,
    },
    /// Numbers below these may have been given out.
    Numbers { next_account: u32, next_key: u32 },
    /// A token was made. It is no part of the state, and makes no version.
    Token(Minted),
    /// What is known of tokens that ended before `now_ns`, or are revoked, is dropped. It makes no version either.
    TokensForgotten { now_ns: i64 },
}

impl Record {
    /// The record's bytes: far fewer than the journal takes, for all texts of it are bounded.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // A record has string keys only, so that writing it cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
