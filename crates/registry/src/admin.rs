//! The admin protocol: how orgs and tokens are made. One JSON object per line each way over a unix socket of mode 0600.
//!
//! ```json
//! {"create_org":{"slug":"acme"}}
//! {"org":{"id":"k3f9","slug":"acme","account":2,"created_ns":1764000000000000000}}
//! ```

pub(crate) mod server;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Limits, Org};

/// The admin socket's name in the registry's directory.
pub const SOCKET: &str = "admin.sock";
/// Longest request in bytes, its newline included. A longer one is refused.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;
/// Longest answer that [`call`] reads; a list of 100,000 tokens is about 40 MB.
const MAX_RESPONSE_BYTES: u64 = 256 << 20;

/// What the registry is asked. An org is named by its slug or its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Name all orgs.
    Orgs {},
    /// Make an org.
    CreateOrg {
        /// What it is called.
        slug: String,
    },
    /// Call an org something else.
    RenameOrg {
        /// Which one.
        org: String,
        /// What it is called from now on.
        slug: String,
    },
    /// End an org for good.
    EndOrg {
        /// Which one.
        org: String,
    },
    /// Make a token.
    Mint {
        /// Whose it is.
        org: String,
        /// What it allows.
        limits: Limits,
        /// What its maker calls it.
        #[serde(default)]
        name: String,
    },
    /// Revoke a token with all that was made of it.
    Revoke {
        /// The token, or its revocation id.
        token: String,
    },
    /// Name all tokens that were made here.
    Tokens {
        /// Of one org only.
        #[serde(default)]
        org: Option<String>,
    },
    /// Say what a token is worth.
    Verify {
        /// The token.
        token: String,
    },
    /// Name the signing keys.
    Keys {},
    /// Have a new key sign.
    Rotate {
        /// How long the keys before it are good, in seconds. 0: they never were, whatever a front door's clock says.
        retire_after_s: u64,
    },
    /// Name the stores and their shards.
    Stores {},
    /// Give shards to a store. What their former stores keep stays there.
    AssignShards {
        /// Its name.
        store: String,
        /// Which ones.
        shards: Vec<u8>,
    },
    /// Look for lines no more in a store that had shards once.
    ForgetStore {
        /// Its name.
        store: String,
    },
}

/// What the registry answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// It is done.
    Ok {},
    /// The orgs, by id.
    Orgs(Vec<Org>),
    /// The org as it is now.
    Org(Org),
    /// The token was made.
    Minted {
        /// It. It is said once and kept nowhere.
        token: String,
        /// What is known of it.
        info: Box<TokenInfo>,
    },
    /// It is revoked.
    Revoked {
        /// The revocation id, as 64 hexadecimal digits.
        id: String,
        /// A token of this id was made here.
        is_known: bool,
    },
    /// The tokens, oldest first.
    Tokens(Vec<TokenInfo>),
    /// What the token is worth.
    Verdict(Verdict),
    /// The keys, oldest first.
    Keys(Vec<KeyInfo>),
    /// The stores, by name, as they are now.
    Stores(Vec<StoreInfo>),
    /// It was not done. [`call`] makes an [`Error::Refused`] of it.
    Error {
        /// The catalogue's code; empty if it has none.
        code: String,
        /// What is wrong, for people.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

impl Response {
    /// That it was not done, and why.
    pub(crate) fn refusal(error: &crate::Error) -> Self {
        let text = error.to_string();
        // Our errors end with what to do.
        let (what, hint) =
            text.split_once("; ").map_or((text.as_str(), None), |(what, hint)| (what, Some(hint)));
        let mut message = what.to_owned();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            message.push_str(": ");
            message.push_str(&source.to_string());
            cause = source.source();
        }
        let code = error.code().unwrap_or_default().to_owned();
        Self::Error { code, message, hint: hint.map(str::to_owned) }
    }
}

/// A token in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Its revocation id, as 64 hexadecimal digits.
    pub id: String,
    /// The id of its org.
    pub org: String,
    /// What its org is called now.
    pub slug: String,
    /// What its maker called it.
    pub name: String,
    /// What it allows.
    pub limits: Limits,
    /// The number of the key that signed it.
    pub key: u32,
    /// When it was made, in Unix nanoseconds.
    pub created_ns: i64,
    /// `good`, `expired`, `revoked` or `key retired`.
    pub standing: String,
}

/// What a token is worth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What its org is called now, if it lives.
    pub slug: Option<String>,
    /// What all its blocks allow together, if it is good.
    pub limits: Option<Limits>,
    /// Why it is not.
    pub refusal: Option<String>,
}

/// A signing key in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its number.
    pub id: u32,
    /// Its public half, as hexadecimal digits.
    pub public: String,
    /// Tokens that it signed are good from then on, in Unix nanoseconds.
    pub from_ns: i64,
    /// And no more from then on; `None`: not set; 0: at no time, the key was stolen.
    pub retired_ns: Option<i64>,
    /// They are good now.
    pub is_valid: bool,
    /// It signs new tokens.
    pub signs: bool,
}

/// A store in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreInfo {
    /// Its name.
    pub name: String,
    /// The shards that belong to it, in order. None: it had some once, and is asked for the lines of that time.
    pub shards: Vec<u8>,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No registry listens there.
    #[error("[LR11] no registry answers on {path}; start it with `logway up` and use the same --data")]
    NotRunning {
        /// The admin socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection failed on the way. What was asked may have been done.
    #[error("[LR11] the registry on {path} did not answer; look whether it was done, and at its own log")]
    Io {
        /// The admin socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The answer makes no sense.
    #[error(
        "[LR11] the registry on {path} answers in a form that this version does not read; use the same release"
    )]
    Answer {
        /// The admin socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The registry refused.
    #[error("[{code}] {message}")]
    Refused {
        /// The catalogue's code; empty if it has none.
        code: String,
        /// What is wrong, for people.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// Asks the registry whose admin socket is `socket`, and waits for the answer; blocking.
///
/// # Errors
/// When no registry is there, when it does not answer within `timeout`, and when it refuses.
pub fn call(socket: &Path, request: &Request, timeout: Duration) -> Result<Response, Error> {
    let path = || socket.to_owned();
    let io = |source| Error::Io { path: path(), source };
    let mut stream =
        UnixStream::connect(socket).map_err(|source| Error::NotRunning { path: path(), source })?;
    stream.set_read_timeout(Some(timeout)).map_err(io)?;
    stream.set_write_timeout(Some(timeout)).map_err(io)?;
    let mut text = serde_json::to_vec(request).map_err(|source| Error::Answer { path: path(), source })?;
    text.push(b'\n');
    // It may have refused and closed before it read anything: its answer counts.
    let written = stream.write_all(&text);
    let mut answer = Vec::new();
    let read = BufReader::new(stream).take(MAX_RESPONSE_BYTES).read_until(b'\n', &mut answer);
    if answer.is_empty() {
        written.and(read).map_err(io)?;
        return Err(io(io::ErrorKind::UnexpectedEof.into()));
    }
    let response: Response =
        serde_json::from_slice(&answer).map_err(|source| Error::Answer { path: path(), source })?;
    response.into_result()
}

impl Response {
    /// The answer, or the refusal as an error.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn into_result(self) -> Result<Self, Error> {
        match self {
            Self::Error { code, message, hint } => Err(Error::Refused { code, message, hint }),
            response => Ok(response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_documented() {
        let text = |text: &str| text.to_owned();
        for (json, request) in [
            (r#"{"orgs":{}}"#, Request::Orgs {}),
            (r#"{"create_org":{"slug":"acme"}}"#, Request::CreateOrg { slug: text("acme") }),
            (
                r#"{"mint":{"org":"acme","limits":{"actions":["read"]}}}"#,
                Request::Mint {
                    org: text("acme"),
                    limits: Limits { actions: vec![text("read")], ..Limits::default() },
                    name: String::new(),
                },
            ),
            (r#"{"tokens":{}}"#, Request::Tokens { org: None }),
            (r#"{"rotate":{"retire_after_s":3600}}"#, Request::Rotate { retire_after_s: 3600 }),
        ] {
            assert_eq!(serde_json::from_str::<Request>(json).unwrap(), request);
        }
        for bad in
            ["", "{}", r#"{"mint":{}}"#, r#"{"orgs":{"x":1}}"#, r#"{"mint":{"org":"a","limits":{"app":[]}}}"#]
        {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_there_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let answer = call(&dir.path().join("none"), &Request::Orgs {}, Duration::from_secs(1));
        assert!(matches!(answer, Err(Error::NotRunning { .. })));
    }
}
