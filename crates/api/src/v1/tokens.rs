//! `/api/v1/tokens`: the org's tokens. Nobody makes one that allows more than the token that it is made with.

mod wanted;

use std::sync::Arc;

use access::Scope;
use hyper::StatusCode;
use hyper::body::Incoming;
use line::time::rfc3339;
use serde_json::{Value, json};

use super::whoami::limits;
use crate::args::short;
use crate::body::read_whole;
use crate::caller::Login;
use crate::reply::{self, Refused, Reply};
use crate::serve::{Api, Asked, unix_s};
use crate::tokens::{Failure, Token, Tokens};
use wanted::{Wanted, is_within};

/// Most bytes of what is wanted of a token: more names than a token can have.
const MAX_BODY_BYTES: usize = 64 << 10;
/// Most tokens of an org that are known by name, good or not: all orgs share what the registry can know.
const MAX_TOKENS: usize = 2_000;
/// Fewest digits of its id by which a token can be named.
const LEAST_DIGITS: usize = 12;

/// Makes a token for the caller's org.
pub(crate) async fn create(api: &Arc<Api>, asked: &Asked, body: Incoming) -> Result<Reply, Refused> {
    let tokens = registry(api)?;
    let wanted = read(api, body).await?;
    let own = &asked.caller.grant;
    let scope = wanted.scope(&own.scope, unix_s())?;
    let known = tokens.list(own.org.clone()).await.map_err(refusal)?;
    if known.len() >= MAX_TOKENS {
        let text = format!(
            "LR09: the org has {MAX_TOKENS} tokens: have one narrowed instead, or ask whoever runs the registry"
        );
        return Err(Refused::bad(text));
    }
    let minted = tokens.mint(own.org.clone(), scope, wanted.name).await;
    let (text, token) = minted.map_err(refusal)?;
    tracing::info!(org = %own.org, id = %token.id, "a token was made over HTTP");
    let mut shown = shown(&token, asked);
    if let Some(object) = shown.as_object_mut() {
        object.insert("token".to_owned(), text.into());
    }
    Ok(reply::created(shown.to_string()))
}

/// The tokens of the caller's org; of a caller that may not see all of it, those that allow no more than its own.
pub(crate) async fn list(api: &Arc<Api>, asked: &Asked) -> Result<Reply, Refused> {
    let list: Vec<_> =
        visible(registry(api)?, asked).await?.iter().map(|token| shown(token, asked)).collect();
    Ok(reply::ok(reply::JSON, json!({ "tokens": list }).to_string()))
}

/// Revokes one of those that [`list`] gives, by its id; or one that was narrowed from them, by itself.
pub(crate) async fn revoke(api: &Arc<Api>, asked: &Asked) -> Result<Reply, Refused> {
    let (tokens, id) = (registry(api)?, asked.params.get("id").to_ascii_lowercase());
    if id.len() < LEAST_DIGITS || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return revoke_given(api, tokens, asked).await;
    }
    let found = visible(tokens, asked).await?;
    let mut found = found.into_iter().filter(|token| token.id.starts_with(&id));
    let token = match (found.next(), found.next()) {
        (Some(token), None) => token,
        (None, _) => {
            let text = format!(
                "no token's id begins with {}: /api/v1/tokens lists those that there are",
                short(&id)
            );
            return Err(Refused::new(StatusCode::NOT_FOUND, text));
        }
        (Some(_), Some(_)) => {
            return Err(Refused::bad(format!(
                "several tokens' ids begin with {}: give more digits",
                short(&id)
            )));
        }
    };
    tokens.revoke(token.id.clone()).await.map_err(refusal)?;
    tracing::info!(org = %asked.caller.grant.org, id = %token.id, "a token was revoked over HTTP");
    Ok(reply::ok(reply::JSON, json!({ "revoked": token.id }).to_string()))
}

/// Revokes a token that is given whole, as no list has those that were narrowed.
async fn revoke_given(api: &Arc<Api>, tokens: &dyn Tokens, asked: &Asked) -> Result<Reply, Refused> {
    let text = asked.params.get("id");
    let login = Login { user: String::new(), secret: access::bare(text).to_owned() };
    let own = &asked.caller.grant;
    let is_ours = |grant: &access::Grant| {
        grant.org == own.org && (own.scope.is_whole_org() || is_within(&grant.scope, &whole_life(&own.scope)))
    };
    // Of a token of somebody else no more is said than of none.
    let grant = api.logins.check(&login, unix_s).await.ok().filter(|found| is_ours(&found.grant));
    let Some(id) = grant.and_then(|found| found.grant.revocation_ids.last().map(ToString::to_string)) else {
        return Err(Refused::bad(format!(
            "{} is no good token of this org, nor the id of one: give {LEAST_DIGITS} or more digits of one that /api/v1/tokens lists",
            short(text)
        )));
    };
    tokens.revoke(login.secret).await.map_err(refusal)?;
    tracing::info!(org = %own.org, %id, "a token was revoked over HTTP");
    Ok(reply::ok(reply::JSON, json!({ "revoked": id }).to_string()))
}

/// A narrower token of the caller's own. Nobody has to be asked for that, so it works without a registry.
pub(crate) async fn attenuate(api: &Arc<Api>, asked: &Asked, body: Incoming) -> Result<Reply, Refused> {
    let wanted = read(api, body).await?;
    let own = &asked.caller.grant;
    let narrow = wanted.narrowing(&own.scope, unix_s())?;
    let secret = Login::of(&asked.headers)?.secret;
    let unusable = |error: access::Error| Refused::bad(format!("LR07: the token is not narrowed: {error}"));
    let token = access::attenuate(&secret, &narrow).map_err(unusable)?;
    let mut scope = own.scope.clone();
    scope.narrow(&narrow);
    let id = access::inspect(&token).map_err(unusable)?.revocation_ids.last().map(ToString::to_string);
    let mut shown = limits(&scope);
    if let Some(object) = shown.as_object_mut() {
        object.insert("token".to_owned(), token.into());
        object.insert("id".to_owned(), id.into());
    }
    Ok(reply::created(shown.to_string()))
}

async fn read(api: &Api, body: Incoming) -> Result<Wanted, Refused> {
    Wanted::read(&read_whole(body, MAX_BODY_BYTES, api.limits.form_time).await?)
}

fn registry(api: &Api) -> Result<&dyn Tokens, Refused> {
    api.tokens.as_deref().ok_or_else(|| {
        let text = "no registry runs here, so tokens are neither made nor revoked here: ask the Logway that was started without \
                    --no-registry. A token can be narrowed here: POST /api/v1/tokens/attenuate";
        Refused::new(StatusCode::NOT_IMPLEMENTED, text)
    })
}

async fn visible(tokens: &dyn Tokens, asked: &Asked) -> Result<Vec<Token>, Refused> {
    let own = &asked.caller.grant;
    let mut list = tokens.list(own.org.clone()).await.map_err(refusal)?;
    list.retain(|token| own.scope.is_whole_org() || is_within(&token.scope, &whole_life(&own.scope)));
    Ok(list)
}

/// The same without an end: a token that ends may see those that do not.
fn whole_life(scope: &Scope) -> Scope {
    Scope { not_after_s: None, ..scope.clone() }
}

fn shown(token: &Token, asked: &Asked) -> Value {
    let mut shown = limits(&token.scope);
    let is_own = asked.caller.grant.revocation_ids.iter().any(|id| id.to_string() == token.id);
    if let Some(object) = shown.as_object_mut() {
        object.insert("id".to_owned(), token.id.clone().into());
        object.insert("name".to_owned(), token.name.clone().into());
        object.insert("created".to_owned(), rfc3339(token.created_ns).into());
        object.insert("standing".to_owned(), token.standing.clone().into());
        // The one that asks, or that it was made of.
        object.insert("current".to_owned(), is_own.into());
    }
    shown
}

fn refusal(failure: Failure) -> Refused {
    match failure {
        Failure::Refused { code, text } if code.is_empty() => Refused::bad(text),
        Failure::Refused { code, text } => Refused::bad(format!("{code}: {text}")),
        Failure::Away(_) => {
            let text = format!("LR11: {failure}: try again later");
            Refused::later(StatusCode::SERVICE_UNAVAILABLE, text, std::time::Duration::from_secs(1))
        }
    }
}
