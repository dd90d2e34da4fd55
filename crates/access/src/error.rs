//! What can go wrong, for who makes tokens; and why one is refused, for the audit log alone.

use line::OrgId;

use crate::RevocationId;

/// Why a token or key could not be made or read by its owner.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word that is no action.
    #[error("'{0}' is no action: the actions are read, write, ship and admin")]
    Action(String),
    /// Text that is no key.
    #[error("this is no key: {0}; a key file holds what 'logway' wrote there, unchanged")]
    Key(String),
    /// There is no key to sign with.
    #[error("there is no signing key here: tokens are made where the registry is")]
    NoSigningKey,
    /// The token is none, or of another version.
    #[error("this is no Logway token: {0}")]
    Token(String),
    /// It would get longer than any reader takes.
    #[error(
        "the token would have {bytes} bytes in {blocks} blocks, and at most {max_bytes} in {max_blocks} are taken: narrow one that was narrowed less often"
    )]
    TooLong {
        /// Its text in bytes.
        bytes: usize,
        /// Its blocks, the first one included.
        blocks: usize,
        /// The most bytes.
        max_bytes: usize,
        /// The most blocks.
        max_blocks: usize,
    },
    /// A scope that allows nothing, or says nothing.
    #[error("{0}")]
    Scope(&'static str),
}

/// Why a token is refused. It is for the audit log: the client hears the same words whatever the reason is, or it could learn
/// which orgs and keys there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer, or with more blocks, than any that is made.
    #[error("the token is too long")]
    TooLong,
    /// Not a token.
    #[error("the text is no token")]
    Malformed,
    /// No key here has the number that it names.
    #[error("the token was signed with a key that is not known here")]
    UnknownKey,
    /// Signed by somebody else, or changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// A block that says something else than Logway's tokens do: whatever it means, it is not obeyed by leaving it out.
    #[error("block {0} of the token says something that this version does not know")]
    UnknownBlock(usize),
    /// Its time is over.
    #[error("the token expired at {not_after_s} (Unix seconds)")]
    Expired {
        /// Its last second, Unix time.
        not_after_s: u64,
    },
    /// Its key is known, but retired, or to be used later.
    #[error("the token was signed with key {0}, which is not valid at this time")]
    KeyNotValid(u32),
    /// One of its blocks was revoked.
    #[error("the token was revoked (by {0})")]
    Revoked(RevocationId),
    /// Its org is no more, or not known here yet.
    #[error("the token is for org {0}, which is not known here")]
    UnknownOrg(OrgId),
    /// The user is not the token's org: another org, or none.
    #[error("the token is for org {token_org}, and the user is not")]
    OtherUser {
        /// The token's org.
        token_org: OrgId,
    },
}
