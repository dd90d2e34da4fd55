//! Who makes and revokes tokens, whatever it is: the registry of this process, or one elsewhere.

use access::Scope;
use line::OrgId;

use crate::logs::Pending;

/// A token that is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its revocation id, as 64 hexadecimal digits.
    pub id: String,
    /// What its maker called it.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// When it was made, in Unix nanoseconds.
    pub created_ns: i64,
    /// `good`, `expired`, `revoked` or `key retired`.
    pub standing: String,
}

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What is asked cannot be.
    #[error("{text}")]
    Refused {
        /// The code of the catalogue; empty if it has none.
        code: String,
        /// Why, and what to do.
        text: String,
    },
    /// Nobody answers.
    #[error("the registry does not answer: {0}")]
    Away(String),
}

/// Makes and revokes tokens. It does what it is told: who may tell it is for the caller to see.
pub trait Tokens: Send + Sync + 'static {
    /// The tokens of an org that were made there, oldest first.
    fn list(&self, org: OrgId) -> Pending<Result<Vec<Token>, Failure>>;

    /// Makes one. Its text is said once and kept nowhere.
    fn mint(&self, org: OrgId, scope: Scope, name: String) -> Pending<Result<(String, Token), Failure>>;

    /// Revokes what has this revocation id, with all that was made of it.
    fn revoke(&self, id: String) -> Pending<Result<(), Failure>>;
}
