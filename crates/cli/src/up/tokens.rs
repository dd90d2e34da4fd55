//! Tokens over HTTP: what `logway tokens` asks of the registry, for who comes with a token.

use std::path::PathBuf;
use std::time::Duration;

use access::Scope;
use api::Tokens;
use api::logs::Pending;
use api::tokens::{Failure, Token};
use line::OrgId;
use registry::Limits;
use registry::admin::{self, Request, Response, TokenInfo};

/// How long the registry may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The registry of this process, over its admin socket: it does one thing after another, whoever asks.
pub(super) struct OverSocket {
    /// The socket.
    pub(super) socket: PathBuf,
}

impl OverSocket {
    /// Asks without holding up others: an answer takes a sync of the disk.
    fn ask<T: Send + 'static>(
        &self,
        request: Request,
        take: impl FnOnce(Response) -> Option<T> + Send + 'static,
    ) -> Pending<Result<T, Failure>> {
        let socket = self.socket.clone();
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(move || admin::call(&socket, &request, ANSWER)).await;
            match answer {
                // What it says instead may be a token: that is not for an error.
                Ok(Ok(response)) => take(response)
                    .ok_or_else(|| Failure::Away("it said something else than was asked".to_owned())),
                Ok(Err(admin::Error::Refused { code, message, hint })) => {
                    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    Err(Failure::Refused { code, text: format!("{message}{hint}") })
                }
                Ok(Err(error)) => {
                    tracing::warn!(code = "LR11", %error, "the registry does not answer the HTTP API");
                    Err(Failure::Away("its socket does not answer".to_owned()))
                }
                Err(_) => Err(Failure::Away("asking it broke off".to_owned())),
            }
        })
    }
}

impl Tokens for OverSocket {
    fn list(&self, org: OrgId) -> Pending<Result<Vec<Token>, Failure>> {
        self.ask(Request::Tokens { org: Some(org.to_string()) }, |response| match response {
            Response::Tokens(tokens) => Some(tokens.into_iter().filter_map(token).collect()),
            _ => None,
        })
    }

    fn mint(&self, org: OrgId, scope: Scope, name: String) -> Pending<Result<(String, Token), Failure>> {
        let limits = Limits::of(&scope);
        self.ask(Request::Mint { org: org.to_string(), limits, name }, |response| match response {
            Response::Minted { token: text, info } => token(*info).map(|token| (text, token)),
            _ => None,
        })
    }

    fn revoke(&self, id: String) -> Pending<Result<(), Failure>> {
        self.ask(Request::Revoke { token: id }, |response| match response {
            Response::Revoked { .. } => Some(()),
            _ => None,
        })
    }
}

fn token(info: TokenInfo) -> Option<Token> {
    let TokenInfo { id, name, limits, created_ns, standing, .. } = info;
    let scope = limits.scope().ok()?;
    Some(Token { id, name, scope, created_ns, standing })
}
